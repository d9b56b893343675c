#!/usr/bin/env python3
"""Single-instruction kernels: one for every instruction form that the emulator knows, and some it does not.

Each Form is a whole PTX module with an entry `k(in, out)`, the bytes of its input and how its outputs are compared.
Run on a GPU their outputs are golden data; run on the emulator they say where it differs. Nothing here is taken from
the emulator or the code generator: forms are listed as the PTX ISA has them.

    instructions.py --list           names, rules and targets of all forms
    instructions.py --write FOLDER   one .ptx file per form, for ptxas
"""
import argparse
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

import numpy as np

import golden_inputs as gi

BLOCK = 128
# How outputs are compared (compare.py): "bits": equal, but any NaN equals any NaN of its type; "approx": the ISA allows
# an error, so the largest distance in units in the last place is reported; "sum": a sum in an order of the hardware's
# own choice, so errors are reported against the exact value; "layout": equal bits, NaNs included.
RULES = ("bits", "approx", "sum", "layout")


@dataclass(frozen=True)
class Form:
    name: str
    rule: str
    target: str
    ptx: str
    make_input: Callable[[], bytes]
    out_bytes: int
    grid: int
    block: int
    shared: int = 0
    dst: tuple = ()            # types of the outputs of one thread, in order
    out_slot: int = 4          # bytes of one output of one thread
    family: str = ""
    extra: dict = field(default_factory=dict)  # what the comparison of this family needs


def header(target):
    return f".version 8.0\n.target {target}\n.address_size 64\n"


def register_width(kind):
    return max(gi.bits_of(kind), 16) if kind != "pred" else 1


def declare(name, kind):
    width = register_width(kind)
    return f"  .reg .pred {name};\n" if width == 1 else f"  .reg .b{width} {name};\n"


def load(name, kind, offset):
    if kind == "pred":
        return f"  ld.global.b32 %n, [%in+{offset}];\n  setp.ne.u32 {name}, %n, 0;\n"
    return f"  ld.global.b{register_width(kind)} {name}, [%in+{offset}];\n"


def store(name, kind, offset, slot):
    width = register_width(kind)
    if width == 1:
        text = f"  selp.b32 %n, 1, 0, {name};\n"
    elif width == 16:
        text = f"  cvt.u32.u16 %n, {name};\n"
    elif width == 32:
        text = f"  mov.b32 %n, {name};\n"
    else:
        return f"  st.global.b64 [%out+{offset}], {name};\n"
    if slot == 8:
        return text + f"  cvt.u64.u32 %w, %n;\n  st.global.b64 [%out+{offset}], %w;\n"
    return text + f"  st.global.b32 [%out+{offset}], %n;\n"


def thread_kernel(target, in_bytes, out_bytes, body, declarations=""):
    """A kernel whose thread i finds its input at %in and its output at %out."""
    return header(target) + declarations + f""".visible .entry k(.param .u64 in, .param .u64 out)
{{
  .reg .b32 %i, %t, %n;
  .reg .b64 %in, %out, %at, %w;
  ld.param.u64 %in, [in];
  ld.param.u64 %out, [out];
  mov.u32 %i, %ctaid.x;
  mov.u32 %n, %ntid.x;
  mov.u32 %t, %tid.x;
  mad.lo.u32 %i, %i, %n, %t;
  mul.wide.u32 %at, %i, {in_bytes};
  add.u64 %in, %in, %at;
  mul.wide.u32 %at, %i, {out_bytes};
  add.u64 %out, %out, %at;
{body}  ret;
}}
"""


def elementwise(text, dst, src, rule="bits", target="sm_80", count=1024, fix=None, family="", name=None, inputs=None):
    """One instruction per thread. `text` writes d0, d1 and reads a0, a1, ...; `fix` changes the drawn columns where an
    instruction is undefined, `inputs` replaces them."""
    slot = 8 if any(register_width(kind) == 64 for kind in dst) else 4
    body = "".join(declare(f"d{i}", kind) for i, kind in enumerate(dst))
    body += "".join(declare(f"a{i}", kind) for i, kind in enumerate(src))
    body += "".join(load(f"a{i}", kind, 8 * i) for i, kind in enumerate(src))
    body += "".join(f"  {line.strip()}\n" for line in text.split("\n"))
    body += "".join(store(f"d{i}", kind, slot * i, slot) for i, kind in enumerate(dst))
    name = name or text.split("\n")[-1].rstrip(";")
    if inputs is not None:
        count = len(inputs())
    assert count % BLOCK == 0, "blocks are whole"

    def make_input():
        columns = inputs() if inputs is not None else gi.columns(name, src, count)
        if fix:
            fix(columns)
        return columns.astype("<u8").tobytes()

    return Form(name, rule, target, thread_kernel(target, 8 * max(len(src), 1), slot * len(dst), body), make_input,
                count * slot * len(dst), count // BLOCK, BLOCK, dst=tuple(dst), out_slot=slot,
                family=family or name.split(".")[0])


# --- integers and bits -----------------------------------------------------------------------------------------------

INT = ("u16", "s16", "u32", "s32", "u64", "s64")
SIGNED = ("s16", "s32", "s64")
WIDE = {"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64"}


def safe_divisor(kind):
    bits = gi.bits_of(kind)

    def fix(columns):
        a, b = columns[:, 0], columns[:, 1]
        b[b == 0] = 3                       # a quotient by 0 is undefined
        if kind[0] == "s":                  # so is the smallest by -1
            b[(a == 2 ** (bits - 1)) & (b == 2**bits - 1)] = 3
    return fix


def integer_forms():
    for t in INT:
        for op in ("add", "sub", "mul.lo", "mul.hi", "min", "max"):
            yield elementwise(f"{op}.{t} d0, a0, a1;", [t], [t, t])
        for op in ("div", "rem"):
            yield elementwise(f"{op}.{t} d0, a0, a1;", [t], [t, t], fix=safe_divisor(t))
        for op in ("mad.lo", "mad.hi", "sad"):
            yield elementwise(f"{op}.{t} d0, a0, a1, a2;", [t], [t, t, t])
    for t, wide in WIDE.items():
        yield elementwise(f"mul.wide.{t} d0, a0, a1;", [wide], [t, t])
        yield elementwise(f"mad.wide.{t} d0, a0, a1, a2;", [wide], [t, t, wide])
    for op in ("add", "sub"):
        yield elementwise(f"{op}.sat.s32 d0, a0, a1;", ["s32"], ["s32", "s32"])
    for t in SIGNED:
        for op in ("abs", "neg"):
            yield elementwise(f"{op}.{t} d0, a0;", [t], [t], count=256)


def bit_forms():
    for t in ("b16", "b32", "b64", "pred"):
        for op in ("and", "or", "xor"):
            yield elementwise(f"{op}.{t} d0, a0, a1;", [t], [t, t], count=256)
        yield elementwise(f"not.{t} d0, a0;", [t], [t], count=256)
    for t in ("b16", "b32", "b64"):
        yield elementwise(f"shl.{t} d0, a0, a1;", [t], [t, "u32"])
    for t in ("b16", "b32", "b64") + INT:
        yield elementwise(f"shr.{t} d0, a0, a1;", [t], [t, "u32"])
    for side, mode in itertools.product("lr", ("wrap", "clamp")):
        yield elementwise(f"shf.{side}.{mode}.b32 d0, a0, a1, a2;", ["b32"], ["b32", "b32", "u32"])
    for table in (0x00, 0x96, 0xE8, 0xCA, 0x1B, 0xFE):
        yield elementwise(f"lop3.b32 d0, a0, a1, a2, {table};", ["b32"], ["b32"] * 3, count=256)
    for mode in ("", ".f4e", ".b4e", ".rc8", ".ecl", ".ecr", ".rc16"):
        yield elementwise(f"prmt.b32{mode} d0, a0, a1, a2;", ["b32"], ["b32"] * 3)
    for t in ("b32", "b64"):
        for op in ("popc", "clz"):
            yield elementwise(f"{op}.{t} d0, a0;", ["u32"], [t], count=256)
        yield elementwise(f"brev.{t} d0, a0;", [t], [t], count=256)
        yield elementwise(f"bfi.{t} d0, a0, a1, a2, a3;", [t], [t, t, "u32", "u32"])
    for t in ("u32", "s32", "u64", "s64"):
        yield elementwise(f"bfind.{t} d0, a0;", ["u32"], [t], count=256)
        yield elementwise(f"bfind.shiftamt.{t} d0, a0;", ["u32"], [t], count=256)
        yield elementwise(f"bfe.{t} d0, a0, a1, a2;", [t], [t, "u32", "u32"])


# --- floating point --------------------------------------------------------------------------------------------------

def float_forms():
    for op, sources in (("add", 2), ("sub", 2), ("mul", 2), ("fma", 3)):
        operands = ", ".join(f"a{i}" for i in range(sources))
        for rounding, ftz, sat in itertools.product(("rn", "rz", "rm", "rp"), ("", ".ftz"), ("", ".sat")):
            yield elementwise(f"{op}.{rounding}{ftz}{sat}.f32 d0, {operands};", ["f32"], ["f32"] * sources, count=2048)
        yield elementwise(f"{op}.rn.f64 d0, {operands};", ["f64"], ["f64"] * sources, count=2048)
    for op in ("min", "max"):
        for ftz, nan in itertools.product(("", ".ftz"), ("", ".NaN")):
            yield elementwise(f"{op}{ftz}{nan}.f32 d0, a0, a1;", ["f32"], ["f32"] * 2, count=4096)
        yield elementwise(f"{op}.f64 d0, a0, a1;", ["f64"], ["f64"] * 2, count=4096)
    for op in ("abs", "neg"):
        for t in (".f32", ".ftz.f32", ".f64"):
            yield elementwise(f"{op}{t} d0, a0;", [t[-3:]], [t[-3:]], count=256)
    for t in ("f32", "f64"):
        yield elementwise(f"copysign.{t} d0, a0, a1;", [t], [t, t])
        for test in ("finite", "infinite", "number", "notanumber", "normal", "subnormal"):
            yield elementwise(f"testp.{test}.{t} d0, a0;", ["pred"], [t], count=256)


def half_forms():
    def form(text, t, sources, target="sm_80"):
        operands = ", ".join(f"a{i}" for i in range(sources))
        return elementwise(f"{text}.{t} d0, {operands};", [t], [t] * sources, target=target, count=2048)

    for t in ("f16", "f16x2"):
        for op, sources in (("add", 2), ("sub", 2), ("mul", 2), ("fma.rn", 3)):
            for ftz, sat in itertools.product(("", ".ftz"), ("", ".sat")):
                yield form(f"{op}{ftz}{sat}", t, sources)
        yield form("fma.rn.relu", t, 3)
        yield form("fma.rn.ftz.relu", t, 3)
        for op in ("min", "max"):
            for ftz, nan in itertools.product(("", ".ftz"), ("", ".NaN")):
                yield form(f"{op}{ftz}{nan}", t, 2)
    for t in ("bf16", "bf16x2"):
        for op in ("add", "sub", "mul"):
            yield form(op, t, 2, target="sm_90")
        yield form("fma.rn", t, 3)
        yield form("fma.rn.relu", t, 3)
        for op, nan in itertools.product(("min", "max"), ("", ".NaN")):
            yield form(f"{op}{nan}", t, 2)
    for t in ("f16", "f16x2", "bf16", "bf16x2"):
        for op in ("neg", "abs"):
            yield form(op, t, 1)


def sixteen_bits(kind):
    """Every 16-bit value; of packed types the low half counts up and the high half down."""
    def inputs():
        values = np.arange(65536, dtype=np.uint64)
        return (values if kind in gi.FLOATS else values | (values[::-1] << np.uint64(16)))[:, None]
    return inputs


def math_forms():
    approximate = [f"{op}.approx{ftz}.f32" for op in ("ex2", "lg2", "sin", "cos", "rcp", "sqrt", "rsqrt")
                   for ftz in ("", ".ftz")] + ["tanh.approx.f32"]
    for text in approximate:
        yield elementwise(f"{text} d0, a0;", ["f32"], ["f32"], rule="approx", count=16384)
    for op in ("rcp", "rsqrt"):
        yield elementwise(f"{op}.approx.ftz.f64 d0, a0;", ["f64"], ["f64"], rule="approx", count=4096)
    for op, ftz in itertools.product(("rcp", "sqrt"), ("", ".ftz")):
        yield elementwise(f"{op}.rn{ftz}.f32 d0, a0;", ["f32"], ["f32"], count=8192)
    for op in ("rcp", "sqrt"):
        yield elementwise(f"{op}.rn.f64 d0, a0;", ["f64"], ["f64"], count=4096)
    for kind, rule, ftz in itertools.product(("approx", "full", "rn"), (None,), ("", ".ftz")):
        yield elementwise(f"div.{kind}{ftz}.f32 d0, a0, a1;", ["f32"], ["f32"] * 2,
                          rule="bits" if kind == "rn" else "approx", count=8192)
    yield elementwise("div.rn.f64 d0, a0, a1;", ["f64"], ["f64"] * 2, count=4096)
    for op in ("ex2", "tanh"):
        for t in ("f16", "f16x2"):
            yield elementwise(f"{op}.approx.{t} d0, a0;", [t], [t], rule="approx", inputs=sixteen_bits(t))
        for t in ("bf16", "bf16x2"):
            flush = ".ftz" if op == "ex2" else ""
            yield elementwise(f"{op}.approx{flush}.{t} d0, a0;", [t], [t], rule="approx", target="sm_90",
                              inputs=sixteen_bits(t))


# --- comparisons and conversions -------------------------------------------------------------------------------------

ORDERED = ("eq", "ne", "lt", "le", "gt", "ge")
UNORDERED = ("equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan")


def compare_forms():
    comparisons = {t: ("eq", "ne") for t in ("b16", "b32", "b64")}
    comparisons |= {t: ORDERED for t in SIGNED}
    comparisons |= {t: ORDERED + ("lo", "ls", "hi", "hs") for t in ("u16", "u32", "u64")}
    comparisons |= {t: ORDERED + UNORDERED for t in ("f32", "f64", "f16", "bf16", "ftz.f32")}
    for t, names in comparisons.items():
        kind = t.split(".")[-1]
        target = "sm_90" if kind == "bf16" else "sm_80"
        for name in names:
            yield elementwise(f"setp.{name}.{t} d0, a0, a1;", ["pred"], [kind, kind], target=target, count=2048)
    for t, name, boolean in (("f32", "lt", "and"), ("f32", "geu", "or"), ("s32", "gt", "xor"), ("u32", "le", "and")):
        yield elementwise(f"setp.{name}.{boolean}.{t} d0|d1, a0, a1, a2;", ["pred", "pred"], [t, t, "pred"])
        yield elementwise(f"setp.{name}.{boolean}.{t} d0|d1, a0, a1, !a2;", ["pred", "pred"], [t, t, "pred"])
    for t in ("b16", "b32", "b64", "f32", "f64"):
        yield elementwise(f"selp.{t} d0, a0, a1, a2;", [t], [t, t, "pred"], rule="layout", count=256)
    for t in ("b32", "b64", "f32"):
        yield elementwise(f"slct.{t}.s32 d0, a0, a1, a2;", [t], [t, t, "s32"], rule="layout")
        for ftz in ("", ".ftz"):
            yield elementwise(f"slct{ftz}.{t}.f32 d0, a0, a1, a2;", [t], [t, t, "f32"], rule="layout")


def conversion(modifiers, to, source, target="sm_80", count=1024):
    return elementwise(f"cvt{modifiers}.{to}.{source} d0, a0;", [to], [source], target=target, count=count)


def convert_forms():
    integers = ("u8", "s8") + INT
    for to, source in itertools.permutations(integers, 2):
        yield conversion("", to, source, count=256)
        # Where the source may lie outside of the result's range.
        if gi.bits_of(to) < gi.bits_of(source) + (source[0] == "u" and to[0] == "s") or (source[0], to[0]) == ("s", "u"):
            yield conversion(".sat", to, source, count=256)
    for source in integers:
        for to, roundings in (("f32", ("rn", "rz", "rm", "rp")), ("f16", ("rn", "rz", "rm", "rp")), ("f64", ("rn",))):
            for rounding in roundings:
                yield conversion(f".{rounding}", to, source)
    for source in ("f32", "f16", "f64"):
        for to, rounding in itertools.product(integers, ("rni", "rzi", "rmi", "rpi")):
            yield conversion(f".{rounding}", to, source)
            if source == "f32":
                yield conversion(f".{rounding}.ftz", to, source, count=256)
    for rounding in ("rn", "rz", "rm", "rp"):
        yield conversion(f".{rounding}", "f16", "f32", count=4096)
        yield conversion(f".{rounding}", "f32", "f64", count=4096)
        yield conversion(f".{rounding}", "f16", "f64", count=4096)
    for rounding in ("rni", "rzi", "rmi", "rpi"):
        for t in ("f32", "f16", "f64"):
            yield conversion(f".{rounding}", t, t)
        yield conversion(f".{rounding}.ftz", "f32", "f32")
    for rounding, relu, t in itertools.product(("rn", "rz"), ("", ".relu"), ("f16", "bf16")):
        if relu or t == "bf16":
            yield conversion(f".{rounding}{relu}", t, "f32", count=4096)
        yield elementwise(f"cvt.{rounding}{relu}.{t}x2.f32 d0, a0, a1;", [f"{t}x2"], ["f32", "f32"], count=4096)
    yield conversion(".rna", "tf32", "f32", count=4096)
    yield conversion(".sat", "f32", "f32")
    yield conversion(".ftz.sat", "f32", "f32")
    yield conversion(".ftz", "f32", "f32")
    for modifiers, to, source in (("", "f32", "f16"), (".ftz", "f32", "f16"), (".sat", "f32", "f16"), ("", "f64", "f32"),
                                  (".ftz", "f64", "f32"), ("", "f64", "f16")):
        yield conversion(modifiers, to, source, count=4096)
    yield conversion("", "f32", "bf16", target="sm_90", count=4096)


# --- warps and memory ------------------------------------------------------------------------------------------------

def few_values(columns):
    columns[:, 0] %= np.uint64(4)


def runs(columns):
    """Whole warps agree in every second group."""
    few_values(columns)
    columns[:, 0].reshape(-1, 32)[::2] = 1


def warp_forms():
    for mode in ("up", "down", "bfly", "idx"):
        yield elementwise(f"shfl.sync.{mode}.b32 d0|d1, a0, a1, a2, -1;", ["b32", "pred"], ["b32", "u32", "u32"],
                          rule="layout")
    for mode in ("all", "any", "uni"):
        for negated in ("", "!"):
            yield elementwise(f"vote.sync.{mode}.pred d0, {negated}a0, -1;", ["pred"], ["pred"], fix=runs)
    yield elementwise("vote.sync.ballot.b32 d0, a0, -1;", ["b32"], ["pred"])
    for t in ("b32", "b64"):
        yield elementwise(f"match.any.sync.{t} d0, a0, -1;", ["b32"], [t], fix=few_values)
        yield elementwise(f"match.all.sync.{t} d0|d1, a0, -1;", ["b32", "pred"], [t], fix=runs)
    for op, types in (("add", ("u32", "s32")), ("min", ("u32", "s32")), ("max", ("u32", "s32")), ("and", ("b32",)),
                      ("or", ("b32",)), ("xor", ("b32",))):
        for t in types:
            yield elementwise(f"redux.sync.{op}.{t} d0, a0, -1;", [t], [t])
    yield elementwise("activemask.b32 d0;", ["b32"], ["b32"], count=128)
    yield elementwise("elect.sync d0|d1, -1;", ["b32", "pred"], ["b32"], target="sm_90", count=128)
    yield elementwise("bar.red.popc.u32 d0, 0, a0;", ["u32"], ["pred"])
    yield elementwise("bar.red.and.pred d0, 0, a0;", ["pred"], ["pred"], fix=runs)
    yield elementwise("bar.red.or.pred d0, 0, !a0;", ["pred"], ["pred"], fix=runs)


ATOMICS = [("add", ("u32", "s32", "u64", "f32", "f64", "noftz.f16", "noftz.f16x2")),
           ("min", ("u32", "s32", "u64", "s64")), ("max", ("u32", "s32", "u64", "s64")),
           ("and", ("b32", "b64")), ("or", ("b32", "b64")), ("xor", ("b32", "b64")), ("exch", ("b32", "b64")),
           ("inc", ("u32",)), ("dec", ("u32",)), ("cas", ("b16", "b32", "b64"))]


def atomic_forms():
    """Each thread on a word of its own: what was there, and what is there afterwards."""
    cases = [(op, t, "sm_80") for op, types in ATOMICS for t in types]
    cases += [("add", "noftz.bf16", "sm_90"), ("add", "noftz.bf16x2", "sm_90")]
    for (op, t, target), space in itertools.product(cases, ("global", "shared")):
        kind = t.split(".")[-1]
        width = register_width(kind)
        sources = ["a1", "a2"] if op == "cas" else ["a1"]
        place = "[%out]" if space == "global" else "[%t]"
        lines = [f"st.global.b{width} [%out], a0;"] if space == "global" else [
            ".shared .align 8 .b8 words[1024];", "mov.u32 %n, words;", "mad.lo.u32 %t, %t, 8, %n;",
            f"st.shared.b{width} [%t], a0;"]
        lines.append(f"atom.{space}.{op}.{t} d1, {place}, {', '.join(sources)};")
        lines.append(f"ld.{space}.b{width} d0, {place};")
        yield elementwise("\n".join(lines), [kind, kind], [kind] * (1 + len(sources)), target=target,
                          name=f"atom.{space}.{op}.{t}")


def memory_forms():
    for t in ("u8", "s8", "u16", "s16"):
        for into in ("32", "64"):
            yield elementwise(f"ld.global.{t} d0, [%in];", [f"b{into}"], ["b64"], count=256, rule="layout",
                              name=f"ld.global.{t} to b{into}")
    for size, count in (("b16", 2), ("b32", 2), ("b16", 4), ("b32", 4)):
        registers = ", ".join(f"d{i}" for i in range(count))
        yield elementwise(f"ld.global.v{count}.{size} {{{registers}}}, [%in];", [size] * count, ["b64", "b64"],
                          count=256, rule="layout", name=f"ld.global.v{count}.{size}")
    for size, source in (("copies", 16), ("ca 4", 4), ("ca 8", 8)):
        cache = "cg" if size == "copies" else "ca"
        for part in (None, 0, source // 2, source):
            lines = [".shared .align 16 .b8 tile[2048];", "mov.u32 %n, tile;", "mad.lo.u32 %t, %t, 16, %n;",
                     "st.shared.v2.b64 [%t], {a0, a1};",
                     f"cp.async.{cache}.shared.global [%t], [%in], {source}{'' if part is None else f', {part}'};",
                     "cp.async.wait_all;", "ld.shared.v2.b64 {d0, d1}, [%t];"]
            yield elementwise("\n".join(lines), ["b64", "b64"], ["b64", "b64"], rule="layout", count=256,
                              name=f"cp.async.{cache}.shared.global {source}{'' if part is None else f', {part}'}")


def all_forms():
    """Every form, without a name twice."""
    import hopper_instructions
    import matrix_instructions
    groups = (integer_forms, bit_forms, float_forms, half_forms, math_forms, compare_forms, convert_forms, warp_forms,
              atomic_forms, memory_forms, matrix_instructions.forms, hopper_instructions.forms)
    found = {}
    for group in groups:
        for form in group():
            assert form.name not in found, f"'{form.name}' is there twice"
            assert form.rule in RULES and form.out_bytes % 4 == 0
            found[form.name] = form
    return list(found.values())


def quick_forms():
    """A few of each family, for a rehearsal: the first of each opcode and type width."""
    chosen = {}
    for form in all_forms():
        chosen.setdefault((form.family, form.rule, form.dst[:1], form.target), form)
    return list(chosen.values())


def file_name(form):
    return re.sub(r"[^A-Za-z0-9]+", "_", form.name).strip("_") + ".ptx"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    forms = all_forms()
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        for form in forms:
            (options.write / f"{form.target}__{file_name(form)}").write_text(form.ptx)
    if options.list:
        for form in forms:
            print(f"{form.target}  {form.rule:7} {form.out_bytes:7}  {form.name}")
    print(f"{len(forms)} forms, {sum(f.out_bytes for f in forms)} bytes of outputs")


if __name__ == "__main__":
    main()
