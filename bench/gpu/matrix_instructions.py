"""Single-instruction kernels of warp matrices: mma.sync, ldmatrix, stmatrix, movmatrix.

A warp's registers lie in the input as words: register r of lane l of warp w at (w * R + r) * 32 + l, the registers of A
first, then B, then C; outputs likewise. `exact_mma` derives the product from the fragment layouts of the PTX ISA
(9.7.14.5), so that errors of hardware and emulator can both be told against it.
"""
import numpy as np

import golden_inputs as gi
from instructions import Form, header

WARPS = 64
# (shape, operand type, result type, minimal target)
MMA = [(16, "f16", "f32"), (16, "f16", "f16"), (8, "f16", "f32"), (8, "f16", "f16"), (16, "bf16", "f32"),
       (8, "bf16", "f32"), (8, "tf32", "f32"), (4, "tf32", "f32")]


def warp_kernel(in_words, out_words, body, target="sm_80", declarations=""):
    """A kernel of one warp a block: its input begins at %in, its outputs at %out, both with 4 bytes times the lane
    added."""
    return header(target) + f""".visible .entry k(.param .u64 in, .param .u64 out)
{{
{declarations}  .reg .b32 %r<64>, %lane, %block;
  .reg .b64 %in, %out, %at;
  ld.param.u64 %in, [in];
  ld.param.u64 %out, [out];
  mov.u32 %lane, %tid.x;
  mov.u32 %block, %ctaid.x;
  mul.wide.u32 %at, %block, {4 * in_words};
  add.u64 %in, %in, %at;
  mul.wide.u32 %at, %block, {4 * out_words};
  add.u64 %out, %out, %at;
  mul.wide.u32 %at, %lane, 4;
  add.u64 %in, %in, %at;
  add.u64 %out, %out, %at;
{body}  ret;
}}
"""


def registers(first, count):
    return "{" + ", ".join(f"%r{i}" for i in range(first, first + count)) + "}"


def fragment_counts(depth, kind, result):
    per_word = 1 if kind == "tf32" else 2
    return 16 * depth // 32 // per_word, 8 * depth // 32 // per_word, 4 if result == "f32" else 2


def values_of(kind, seed, count, style):
    """`count` words of one operand of one warp. Styles: ordinary sizes; small integers, whose products are exact; any
    exponents that are finite; anything."""
    part = {"f16": "f16", "bf16": "bf16"}.get(kind, "f32")
    pieces = 2 if part != "f32" else 1
    words = gi.draw(seed, count * pieces)
    bits, _, fraction = gi.FLOATS[part]
    if style == "ordinary":
        values = gi.near_one(part, words)
    elif style == "integers":
        small = (words % np.uint64(9)).astype(np.float64) - 4
        values = (small.astype(np.float32).view(np.uint32).astype(np.uint64) if part != "f16"
                  else small.astype(np.float16).view(np.uint16).astype(np.uint64))
        values = values >> np.uint64(16) if part == "bf16" else values
    else:
        values = words & np.uint64(2**bits - 1)
        if style == "finite":  # the highest bit of the exponent off
            values &= np.uint64(~(1 << (bits - 2)) & 2**bits - 1)
    if kind == "tf32" and style != "any":
        values &= np.uint64(0xFFFFE000)
    if pieces == 2:
        values = values[0::2] | values[1::2] << np.uint64(16)
    return values.astype(np.uint32)


STYLES = ["ordinary"] * 32 + ["integers"] * 8 + ["finite"] * 16 + ["any"] * 8


def mma_input(name, depth, kind, result):
    counts = fragment_counts(depth, kind, result)
    kinds = (kind, kind, "f32" if result == "f32" else "f16")

    def make():
        seed = gi.seed_of(name)
        parts = []
        for warp, style in enumerate(STYLES):
            for i, (count, part) in enumerate(zip(counts, kinds)):
                parts.append(values_of(part, seed + 4096 * warp + 65536 * i, 32 * count, style))
        return np.concatenate(parts).astype("<u4").tobytes()
    return make


def mma_forms():
    for depth, kind, result in MMA:
        a, b, c = fragment_counts(depth, kind, result)
        name = f"mma.sync.aligned.m16n8k{depth}.row.col.{result}.{kind}.{kind}.{result}"
        total = a + b + c
        body = "".join(f"  ld.global.b32 %r{i}, [%in+{128 * i}];\n" for i in range(total))
        body += f"  {name} {registers(total, c)}, {registers(0, a)}, {registers(a, b)}, {registers(a + b, c)};\n"
        body += "".join(f"  st.global.b32 [%out+{128 * i}], %r{total + i};\n" for i in range(c))
        yield Form(name, "sum", "sm_80", warp_kernel(32 * total, 32 * c, body), mma_input(name, depth, kind, result),
                   WARPS * 128 * c, WARPS, 32, dst=("f32" if result == "f32" else "f16x2",), family="mma",
                   extra={"depth": depth, "kind": kind, "result": result})


def unpack(words, kind):
    """float64 values of words: [..] for f32 and tf32, [.., 2] else, the low half first."""
    words = np.ascontiguousarray(words, dtype="<u4")
    with np.errstate(invalid="ignore"):
        return unpacked(words, kind)


def unpacked(words, kind):
    if kind == "tf32":
        return (words & np.uint32(0xFFFFE000)).view("<f4").astype(np.float64)[..., None]
    if kind == "f32":
        return words.view("<f4").astype(np.float64)[..., None]
    halves = words[..., None].view("<u2")
    if kind == "f16":
        return halves.view("<f2").astype(np.float64)
    return (halves.astype("<u4") << 16).view("<f4").astype(np.float64)


def scatter(words, kind, place, shape):
    """A matrix from fragments [warp][register][lane]: place(lane, i) says where element i of a lane lies."""
    values = unpack(words, kind)                          # [warp][register][lane][piece]
    pieces = values.shape[-1]
    matrix = np.zeros((words.shape[0],) + shape)
    for lane in range(32):
        for i in range(values.shape[1] * pieces):
            row, column = place(lane, i)
            matrix[:, row, column] = values[:, i // pieces, lane, i % pieces]
    return matrix


def places(depth, kind):
    """Where element i of lane l lies in A [16][depth], B [depth][8] and C [16][8]: PTX ISA 9.7.14.5."""
    def c(lane, i):
        return lane // 4 + 8 * (i // 2), 2 * (lane % 4) + i % 2
    if kind == "tf32":
        return (lambda lane, i: (lane // 4 + 8 * (i % 2), lane % 4 + 4 * (i // 2)),
                lambda lane, i: (lane % 4 + 4 * i, lane // 4), c)
    return (lambda lane, i: (lane // 4 + 8 * (i // 2 % 2), 2 * (lane % 4) + i % 2 + 8 * (i // 4)),
            lambda lane, i: (2 * (lane % 4) + i % 2 + 8 * (i // 2), lane // 4), c)


def exact_mma(form, input_bytes, output_bytes):
    """(exact, size, given), each [warp][16][8] float64: A B + C, the sum of the magnitudes of its terms, and the
    outputs. `size` is what a relative error is told by. Only for warps whose values are finite."""
    depth, kind, result = form.extra["depth"], form.extra["kind"], form.extra["result"]
    a, b, c = fragment_counts(depth, kind, result)
    words = np.frombuffer(input_bytes, "<u4").reshape(WARPS, a + b + c, 32)
    place_a, place_b, place_c = places(depth, kind)
    matrix_a = scatter(words[:, :a], kind, place_a, (16, depth))
    matrix_b = scatter(words[:, a:a + b], kind, place_b, (depth, 8))
    matrix_c = scatter(words[:, a + b:], result, place_c, (16, 8))
    out = np.frombuffer(output_bytes, "<u4").reshape(WARPS, c, 32)
    given = scatter(out, result, place_c, (16, 8))
    with np.errstate(invalid="ignore", over="ignore"):
        exact = matrix_a @ matrix_b + matrix_c
        size = np.abs(matrix_a) @ np.abs(matrix_b) + np.abs(matrix_c)
    return exact, size, given


def warp_words(name, count):
    return lambda: gi.draw(gi.seed_of(name), WARPS * count).astype("<u4").tobytes()


SHARED = "  .shared .align 16 .b8 tile[512];\n"
# Rows of 16 bytes, and a permutation of them by lane, so that an address taken from the wrong lane shows.
ROWS = ("  mov.u32 %r60, tile;\n  mad.lo.u32 %r61, %lane, 16, %r60;\n"
        "  mad.lo.u32 %r62, %lane, 5, 3;\n  and.b32 %r62, %r62, 31;\n  mad.lo.u32 %r62, %r62, 16, %r60;\n")


def load_store_forms():
    fill = ROWS + "".join(f"  ld.global.b32 %r{i}, [%in+{128 * i}];\n" for i in range(4))
    fill += f"  st.shared.v4.b32 [%r61], {registers(0, 4)};\n  bar.warp.sync -1;\n"
    for count in (1, 2, 4):
        for trans in ("", ".trans"):
            name = f"ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16"
            body = fill + f"  {name} {registers(8, count)}, [%r62];\n"
            body += "".join(f"  st.global.b32 [%out+{128 * i}], %r{8 + i};\n" for i in range(count))
            yield Form(name, "layout", "sm_80", warp_kernel(128, 32 * count, body, declarations=SHARED),
                       warp_words(name, 128), WARPS * 128 * count, WARPS, 32, dst=("b32",), family="ldmatrix")
            name = f"stmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16"
            body = ROWS + "".join(f"  ld.global.b32 %r{i}, [%in+{128 * i}];\n" for i in range(4))
            body += "  mov.b32 %r8, 0;\n  st.shared.v4.b32 [%r61], {%r8, %r8, %r8, %r8};\n  bar.warp.sync -1;\n"
            body += f"  {name} [%r62], {registers(0, count)};\n  bar.warp.sync -1;\n"
            body += f"  ld.shared.v4.b32 {registers(8, 4)}, [%r61];\n"
            body += "".join(f"  st.global.b32 [%out+{128 * i}], %r{8 + i};\n" for i in range(4))
            yield Form(name, "layout", "sm_90", warp_kernel(128, 128, body, "sm_90", SHARED), warp_words(name, 128),
                       WARPS * 512, WARPS, 32, dst=("b32",), family="stmatrix")
    name = "movmatrix.sync.aligned.m8n8.trans.b16"
    body = f"  ld.global.b32 %r0, [%in];\n  {name} %r1, %r0;\n  st.global.b32 [%out], %r1;\n"
    yield Form(name, "layout", "sm_80", warp_kernel(32, 32, body), warp_words(name, 32), WARPS * 128, WARPS, 32,
               dst=("b32",), family="movmatrix")


def forms():
    yield from mma_forms()
    yield from load_store_forms()
