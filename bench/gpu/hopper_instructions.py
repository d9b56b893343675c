"""Single-instruction kernels of Hopper: wgmma with every operand layout, bulk tensor copies, mbarrier.

The operands of a wgmma are given as the bytes of shared memory, so that what a swizzle or a stride means is the
hardware's answer; `exact_wgmma` is what hopper_layout.py makes of the same bytes. Loads by a tensor map return the box as
it lies in shared memory. Every wait is bounded: an instruction that never completes leaves a mark, not a hang.
"""
import numpy as np

import golden_inputs as gi
import hopper_layout as layout
from instructions import Form, header
from matrix_instructions import unpack, values_of

BLOCKS = 4
STYLES = ("ordinary", "integers", "ordinary", "finite")
# type -> (columns of one product, bytes of an element, how the PTX calls the operands)
KINDS = {"bf16": (16, 2), "f16": (16, 2), "tf32": (8, 4), "e4m3": (32, 1), "e5m2": (32, 1)}
ROW_BYTES = 32  # of one product's k extent, in every type


class Operand:
    """Where a matrix of `rows` x k lies, K-major or with its rows running fastest (`mn`)."""

    def __init__(self, rows, kind, swizzle, mn=False, skip=0):
        self.rows, self.kind, self.swizzle, self.mn, self.skip = rows, kind, swizzle, mn, skip
        self.columns, self.size = KINDS[kind]
        width = layout.SWIZZLES[swizzle][1]
        if not mn:
            self.stride, self.leading = (8 * width, 16) if swizzle != "none" else (128, rows * 16)
        elif swizzle != "none":  # 8 k rows of one width, then the next 8; blocks of a width follow one another
            self.stride, self.leading = 8 * width, self.columns // 8 * 8 * width
        else:
            self.stride, self.leading = 128, rows // 8 * 128
        offsets = [self.offset(r, c) for r in (0, rows - 1) for c in (0, self.columns - 1)]
        self.bytes = -(-(max(offsets) + 256) // 1024) * 1024 if swizzle == "none" else -(-(rows * 128) // 1024) * 1024

    def offset(self, row, column):
        """From the start of the operand, after the swizzle; the start lies on 1024 bytes, the matrix `skip` behind."""
        place = layout.mn_major if self.mn else layout.k_major
        return layout.swizzled(self.skip + place(row, column, self.leading, self.stride, self.swizzle, self.size),
                               self.swizzle)

    def descriptor(self):
        return layout.descriptor(0, self.leading, self.stride, self.swizzle)

    def read(self, memory):
        """float64 [rows][columns] of the operand's bytes."""
        index = np.array([[self.offset(r, c) for c in range(self.columns)] for r in range(self.rows)])
        if self.size == 1:
            return eight_bits(memory[index], self.kind)
        words = np.zeros(index.shape, np.uint32)
        for byte in range(self.size):
            words |= memory[index + byte].astype(np.uint32) << np.uint32(8 * byte)
        return unpack(words, self.kind)[..., 0]


def eight_bits(values, kind):
    """e4m3: no infinities, NaN is 0x7f; e5m2: the upper byte of an f16."""
    if kind == "e5m2":
        return (values.astype(np.uint16) << np.uint16(8)).view(np.float16).astype(np.float64)
    exponent, fraction = (values >> 3 & 15).astype(int), (values & 7).astype(np.float64)
    magnitude = np.where(exponent == 0, fraction / 8 * 2.0**-6, (1 + fraction / 8) * 2.0 ** (exponent - 7.0))
    magnitude = np.where((exponent == 15) & (fraction == 7), np.nan, magnitude)
    return np.where(values & 128, -magnitude, magnitude)


def filled(seed, size, kind, style):
    """`size` bytes of values of a type."""
    if KINDS[kind][1] == 1:
        words = gi.draw(seed, size)
        if style == "finite":
            return (words & np.uint64(0xBF)).astype(np.uint8)
        base = np.uint64(0x38 if kind == "e4m3" else 0x3C)  # 1.0 and neighbours; integers: +-1, 2
        spread = np.uint64(0x8F) if style == "ordinary" else np.uint64(0x80)
        return (base ^ (words & spread)).astype(np.uint8)
    return values_of(kind, seed, size // 4, style).astype("<u4").view(np.uint8)


def wgmma_form(n, kind="bf16", result="f32", a_swizzle="128", b_swizzle="128", a_mn=False, b_mn=False, registers=False,
               accumulate=False, scale="1, 1", skip=0):
    a = None if registers else Operand(64, kind, a_swizzle, a_mn, skip)
    b = Operand(n, kind, b_swizzle, b_mn, skip)
    columns = KINDS[kind][0]
    name = (f"wgmma.m64n{n}k{columns}.{result}.{kind} {'registers' if registers else 'A ' + ('MN' if a_mn else 'K') + ' ' + a_swizzle}"
            f", B {'MN' if b_mn else 'K'} {b_swizzle}{' accumulate' if accumulate else ''}"
            f"{' scale ' + scale if scale != '1, 1' else ''}{f' at {skip}' if skip else ''}")
    outputs = n // 2 if result == "f32" else n // 4
    a_bytes = 0 if registers else a.bytes
    image = a_bytes + b.bytes
    in_bytes = image + 128 * 16 + (128 * 4 * outputs if accumulate else 0)
    register = "f" if result == "f32" else "h"
    d = "{" + ", ".join(f"%{register}{i}" for i in range(outputs)) + "}"
    operand_a = "{%a0, %a1, %a2, %a3}" if registers else "%descA"
    trans = "" if KINDS[kind][1] != 2 else (f", {int(b_mn)}" if registers else f", {int(a_mn)}, {int(b_mn)}")
    kinds = kind if result == "f32" else "f16"
    body = f"""  mov.u32 %base, smem;
  mov.u32 %i, %t;
fill:
  mul.wide.u32 %at, %i, 16;
  add.u64 %at, %in, %at;
  ld.global.v4.b32 {{%a0, %a1, %a2, %a3}}, [%at];
  mad.lo.u32 %word, %i, 16, %base;
  st.shared.v4.b32 [%word], {{%a0, %a1, %a2, %a3}};
  add.u32 %i, %i, 128;
  setp.lt.u32 %p0, %i, {image // 16};
  @%p0 bra fill;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  mul.wide.u32 %at, %t, 16;
  add.u64 %at, %in, %at;
  ld.global.v4.b32 {{%a0, %a1, %a2, %a3}}, [%at+{image}];
  mul.wide.u32 %at, %t, {4 * outputs};
  add.u64 %place, %in, %at;
"""
    for i in range(outputs):
        body += (f"  ld.global.b32 %{register}{i}, [%place+{image + 2048 + 4 * i}];\n" if accumulate
                 else f"  mov.b32 %{register}{i}, 0;\n")
    for label, which, start in (("A", a, 0), ("B", b, a_bytes)):
        if which is not None:
            body += f"""  add.u32 %word, %base, {start + skip};
  shr.u32 %word, %word, 4;
  and.b32 %word, %word, 0x3fff;
  cvt.u64.u32 %desc{label}, %word;
  or.b64 %desc{label}, %desc{label}, {which.descriptor():#x};
"""
    body += f"""  setp.{'eq' if accumulate else 'ne'}.u32 %p1, 0, 0;
  wgmma.fence.sync.aligned;
  wgmma.mma_async.sync.aligned.m64n{n}k{columns}.{result}.{kinds}.{kinds} {d}, {operand_a}, %descB, %p1, {scale}{trans};
  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned 0;
  add.u64 %out, %out, %at;
"""
    body += "".join(f"  st.global.b32 [%out+{4 * i}], %{register}{i};\n" for i in range(outputs))
    ptx = block_kernel(in_bytes, 512 * outputs, body, f"  .reg .f32 %f<128>;\n  .reg .b32 %h<64>;\n  .reg .b64 %descA, %descB;\n")

    def make():
        seed = gi.seed_of(name)
        parts = []
        for block, style in enumerate(STYLES):
            parts.append(filled(seed + 99991 * block, image, kind, style))
            parts.append(filled(seed + 99991 * block + 7, 2048, kind, style))
            if accumulate:
                parts.append(values_of(result, seed + 99991 * block + 13, 128 * outputs, style).astype("<u4").view(np.uint8))
        return np.concatenate(parts).tobytes()

    return Form(name, "sum", "sm_90a", ptx, make, BLOCKS * 512 * outputs, BLOCKS, 128, shared=image,
                dst=("f32" if result == "f32" else "f16x2",), family="wgmma",
                extra={"a": a, "b": b, "n": n, "kind": kind, "result": result, "outputs": outputs, "image": image,
                       "a_bytes": a_bytes, "in_bytes": in_bytes, "accumulate": accumulate, "scale": scale})


def block_kernel(in_bytes, out_bytes, body, declarations, parameters="", target="sm_90a"):
    """A kernel whose block finds its input at %in and its output at %out; %t is the thread."""
    return header(target) + f""".extern .shared .align 1024 .b8 smem[];
.visible .entry k({parameters}.param .u64 in, .param .u64 out)
{{
  .reg .pred %p<4>;
  .reg .b32 %base, %i, %t, %word, %a0, %a1, %a2, %a3;
  .reg .b64 %in, %out, %at, %place;
{declarations}  ld.param.u64 %in, [in];
  ld.param.u64 %out, [out];
  mov.u32 %t, %tid.x;
  mov.u32 %i, %ctaid.x;
  mul.wide.u32 %at, %i, {in_bytes};
  add.u64 %in, %in, %at;
  mul.wide.u32 %at, %i, {out_bytes};
  add.u64 %out, %out, %at;
{body}  ret;
}}
"""


def exact_wgmma(form, input_bytes, output_bytes):
    """(exact, size, given), each [block][64][n] float64, as matrix_instructions.exact_mma."""
    e = form.extra
    memory = np.frombuffer(input_bytes, np.uint8).reshape(BLOCKS, e["in_bytes"])
    out = np.frombuffer(output_bytes, "<u4").reshape(BLOCKS, 128, e["outputs"])
    results = []
    for block in range(BLOCKS):
        image = memory[block]
        b = e["b"].read(image[e["a_bytes"]:e["image"]])
        a = e["a"].read(image[:e["a_bytes"]]) if e["a"] else fragments(image[e["image"]:e["image"] + 2048], e["kind"])
        c = np.zeros((64, e["n"]))
        if e["accumulate"]:
            c = accumulators(image[e["image"] + 2048:].view("<u4").reshape(128, e["outputs"]), e["result"], e["n"])
        signs = [int(s) for s in e["scale"].split(",")]
        with np.errstate(invalid="ignore", over="ignore"):
            exact = (signs[0] * a) @ (signs[1] * b).T + c
            size = np.abs(a) @ np.abs(b).T + np.abs(c)
        results.append((exact, size, accumulators(out[block], e["result"], e["n"])))
    return tuple(np.stack(part) for part in zip(*results))


def fragments(memory, kind):
    """A [64][k] from four registers of each of 128 threads: the fragment of mma.sync, 16 rows a warp."""
    words = memory.view("<u4").reshape(128, 4)
    values = unpack(words, kind)
    matrix = np.zeros((64, KINDS[kind][0]))
    for t in range(128):
        row, quad = 16 * (t // 32) + t % 32 // 4, t % 4
        for i in range(8):
            matrix[row + 8 * (i // 2 % 2), 2 * quad + i % 2 + 8 * (i // 4)] = values[t, i // 2, i % 2]
    return matrix


def accumulators(words, result, n):
    values = unpack(words, result).reshape(128, -1)
    matrix = np.zeros((64, n))
    for t in range(128):
        row, quad = 16 * (t // 32) + t % 32 // 4, t % 4
        for i in range(n // 2):
            matrix[row + 8 * (i // 2 % 2), 8 * (i // 4) + 2 * quad + i % 2] = values[t, i]
    return matrix


def wgmma_forms():
    for swizzle in layout.SWIZZLES:
        yield wgmma_form(64, a_swizzle=swizzle, b_swizzle=swizzle)
        yield wgmma_form(64, b_swizzle=swizzle, b_mn=True)
        yield wgmma_form(64, a_swizzle=swizzle, a_mn=True)
    yield wgmma_form(128, b_mn=True)
    yield wgmma_form(64, kind="f16", a_mn=True, b_mn=True)
    for n in (8, 16, 24, 40, 96, 128, 176, 192, 256):
        yield wgmma_form(n)
    for n in (64, 128, 256):
        yield wgmma_form(n, registers=True)
        yield wgmma_form(n, registers=True, b_mn=True)
    yield wgmma_form(64, kind="f16")
    yield wgmma_form(64, kind="f16", result="f16")
    yield wgmma_form(64, kind="tf32")
    yield wgmma_form(64, kind="e4m3")
    yield wgmma_form(64, kind="e5m2")
    yield wgmma_form(64, accumulate=True)
    yield wgmma_form(64, accumulate=True, scale="-1, 1")
    for skip in (32, 64, 96):
        yield wgmma_form(64, skip=skip)


# --- bulk copies by a tensor map -------------------------------------------------------------------------------------

WAIT = """  mov.u32 %i, 0;
again:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%word], 0;
  @%p1 bra arrived;
  add.u32 %i, %i, 1;
  setp.lt.u32 %p2, %i, 20000;
  @%p2 bra again;
arrived:
"""


def tensor_form(name, sizes, box, start, kind="f16", swizzle=0, fill=0, interleave=0, element_strides=None, strides=None):
    """A load of one box at `start`: the whole box as it lies in shared memory, which was 0xcc before, and whether the
    barrier, told to expect the box's bytes, completed."""
    code, size = {"u8": (0, 1), "f16": (6, 2), "f32": (7, 4), "bf16": (9, 2)}[kind]
    rank = len(sizes)
    element_strides = element_strides or [1] * rank
    if strides is None:
        strides, step = [], size
        for extent in sizes[:-1]:
            step = (step * extent + 15) // 16 * 16
            strides.append(step)
    counts = [-(-extent // step) for extent, step in zip(box, element_strides)]
    box_bytes = int(np.prod(counts)) * size
    dump = -(-box_bytes // 2048) * 2048
    tensor_bytes = strides[-1] * sizes[-1] if rank > 1 else sizes[0] * size
    body = f"""  mov.u32 %base, smem;
  mad.lo.u32 %word, %t, 16, %base;
  mov.b32 %a0, 0xcccccccc;
  mov.u32 %i, %t;
clear:
  st.shared.v4.b32 [%word], {{%a0, %a0, %a0, %a0}};
  add.u32 %word, %word, 2048;
  add.u32 %i, %i, 128;
  setp.lt.u32 %p0, %i, {dump // 16};
  @%p0 bra clear;
  add.u32 %word, %base, {dump};
  setp.ne.u32 %p3, %t, 0;
  @%p3 bra ready;
  mbarrier.init.shared::cta.b64 [%word], 1;
  fence.mbarrier_init.release.cluster;
ready:
  fence.proxy.async.shared::cta;
  bar.sync 0;
  @%p3 bra issued;
  mov.u64 %at, map;
  cvta.param.u64 %at, %at;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%word], {box_bytes};
  cp.async.bulk.tensor.{rank}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%base], [%at, {{{", ".join(map(str, start))}}}], [%word];
issued:
{WAIT}  selp.b32 %a1, 1, 0, %p1;
  st.global.b32 [%out+{dump}], %a1;
  mul.wide.u32 %at, %t, 16;
  add.u64 %out, %out, %at;
  mad.lo.u32 %word, %t, 16, %base;
  mov.u32 %i, %t;
copy:
  ld.shared.v4.b32 {{%a0, %a1, %a2, %a3}}, [%word];
  st.global.v4.b32 [%out], {{%a0, %a1, %a2, %a3}};
  add.u32 %word, %word, 2048;
  add.u64 %out, %out, 2048;
  add.u32 %i, %i, 128;
  setp.lt.u32 %p0, %i, {dump // 16};
  @%p0 bra copy;
"""
    ptx = block_kernel(0, 0, body, "", "  .param .align 64 .b8 map[128], ")
    name = f"cp.async.bulk.tensor.{rank}d load {name}"
    tensor_map = {"type": code, "sizes": sizes, "strides": strides, "box": box, "element_strides": element_strides,
                  "interleave": interleave, "swizzle": swizzle, "promotion": 0, "fill": fill}
    return Form(name, "layout", "sm_90a", ptx, lambda: gi.draw(gi.seed_of(name), tensor_bytes // 8 + 2).tobytes(), dump + 16, 1, 128,
                shared=dump + 16, dst=("b32",), family="tensor copy", extra={"tensor_map": tensor_map, "box_bytes": box_bytes})


def tensor_forms():
    for swizzle in range(4):
        inner = (16, 16, 32, 64)[swizzle]
        yield tensor_form(f"swizzle {swizzle}", [64, 40], [inner, 16], [0, 3], swizzle=swizzle)
        yield tensor_form(f"swizzle {swizzle}, two atoms", [64, 40], [inner, 24], [0, 3], swizzle=swizzle)
    shapes = ([96], [64, 20], [32, 10, 6], [32, 6, 5, 4], [16, 6, 5, 4, 3])
    for sizes in shapes:
        rank = len(sizes)
        box = [16] + [4, 3, 2, 2][:rank - 1]
        yield tensor_form("inside", sizes, box, [8] + [1] * (rank - 1))
        yield tensor_form("before the first", sizes, box, [-8] + [-1] * (rank - 1))
        yield tensor_form("beyond the last", sizes, box, [size - 8 if d == 0 else size - 1 for d, size in enumerate(sizes)])
        yield tensor_form("all outside", sizes, box, [size + 8 for size in sizes])
    for kind in ("bf16", "f32", "f16"):
        yield tensor_form(f"NaN outside, {kind}", [64, 20], [16, 8], [56, 16], kind=kind, fill=1)
    yield tensor_form("bytes", [128, 20], [32, 8], [100, 3], kind="u8")
    yield tensor_form("f32", [64, 20], [16, 8], [5, 3], kind="f32")
    yield tensor_form("128-byte swizzle at an edge", [64, 20], [64, 16], [0, 10], swizzle=3)
    yield tensor_form("every second element", [64, 20], [32, 8], [2, 3], element_strides=[2, 1])
    yield tensor_form("every third row", [64, 30], [16, 12], [0, 3], element_strides=[1, 3])
    yield tensor_form("rows apart", [64, 20], [16, 8], [0, 3], strides=[256])


# --- mbarrier --------------------------------------------------------------------------------------------------------

def mbarrier_forms():
    """One thread: what test_wait says of both parities after each step, and the pending count of what arrive returns."""
    steps = [("init", "mbarrier.init.shared::cta.b64 [%word], 2;", False), ("arrive", "mbarrier.arrive.shared::cta.b64 %at, [%word];", True),
             ("arrive", "mbarrier.arrive.shared::cta.b64 %at, [%word];", True),
             ("expect", "mbarrier.arrive.expect_tx.shared::cta.b64 %at, [%word], 64;", True),
             ("arrive", "mbarrier.arrive.shared::cta.b64 %at, [%word];", True),
             ("complete", "mbarrier.complete_tx.shared::cta.relaxed.cta.b64 [%word], 64;", False),
             ("arrive 2", "mbarrier.arrive.shared::cta.b64 %at, [%word], 2;", True),
             ("drop", "mbarrier.arrive_drop.shared::cta.b64 %at, [%word];", True),
             ("arrive", "mbarrier.arrive.shared::cta.b64 %at, [%word];", True),
             ("arrive", "mbarrier.arrive.shared::cta.b64 %at, [%word];", True)]
    body = "  mov.u32 %word, smem;\n"
    for number, (_, text, has_state) in enumerate(steps):
        body += f"  {text}\n"
        body += "  mbarrier.pending_count.b64 %a0, %at;\n" if has_state else "  mov.b32 %a0, -1;\n"
        for parity in (0, 1):
            body += f"  mbarrier.test_wait.parity.shared::cta.b64 %p1, [%word], {parity};\n  selp.b32 %a{1 + parity}, 1, 0, %p1;\n"
        body += "".join(f"  st.global.b32 [%out+{12 * number + 4 * i}], %a{i};\n" for i in range(3))
    yield Form("mbarrier phases and counts", "layout", "sm_90", block_kernel(0, 0, body, "", target="sm_90"), lambda: bytes(16),
               12 * len(steps), 1, 1, shared=16, dst=("b32",), family="mbarrier")


def forms():
    yield from wgmma_forms()
    yield from tensor_forms()
    yield from mbarrier_forms()
