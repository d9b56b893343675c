#!/usr/bin/env python3
"""The emulator against an H200, instruction by instruction: the single-instruction kernels of bench/gpu, whose outputs on
the GPU are kept in golden/h200.json (checksums of all) and golden/h200.bin (outputs of those that may be only close, and
of matrix products).

    hardware_outputs.py run RUN_PTX             every form equals the hardware to the bit, but for those of CLOSE
    hardware_outputs.py self-test               changes of the emulator's outputs are found
    hardware_outputs.py keep RESULTS            makes the data again from the folder that bench/gpu/run.py wrote

A checksum is the CRC-32 of a form's outputs in which every NaN is the same (PTX leaves NaNs' bits open), except for forms
that only move data.
"""
import json
import sys
import tempfile
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "bench/gpu"), str(HERE.parent / "bench")]
sys.dont_write_bytecode = True

import numpy_python  # noqa: E402

numpy_python.need()

import numpy as np  # noqa: E402

import compare  # noqa: E402
import golden  # noqa: E402
import golden_inputs as gi  # noqa: E402
import instructions  # noqa: E402

DATA = HERE / "golden/h200.json"

# Where the emulator is only close, by the beginning of the form: the largest distance in units in the last place, or else
# in absolute terms, as found; and why. What PTX promises is wider everywhere.
CORRECTLY_ROUNDED = "the emulator rounds the exact result, the GPU interpolates in tables that are not published"
CLOSE = {
    "ex2.approx": (2, 0, CORRECTLY_ROUNDED),
    "rcp.approx.f32": (1, 0, CORRECTLY_ROUNDED),
    "rcp.approx.ftz.f32": (1, 0, CORRECTLY_ROUNDED),
    "sqrt.approx": (1, 0, CORRECTLY_ROUNDED),
    "rsqrt.approx.f32": (1, 0, CORRECTLY_ROUNDED),
    "rsqrt.approx.ftz.f32": (1, 0, CORRECTLY_ROUNDED),
    "div.approx": (2, 0, "the GPU multiplies by an approximate reciprocal, the emulator divides"),
    "div.full": (2, 0, "the GPU multiplies by an approximate reciprocal, the emulator divides"),
    "lg2.approx": (2, 2.0**-22, CORRECTLY_ROUNDED + "; near 1 the absolute error is what counts"),
    "sin.approx": (0, 2.0**-21, CORRECTLY_ROUNDED + " of the same truncated turns"),
    "cos.approx": (0, 2.0**-21, CORRECTLY_ROUNDED + " of the same truncated turns"),
    "tanh.approx.f32": (127, 0, CORRECTLY_ROUNDED + " (2^-11 relative)"),
    "tanh.approx": (1, 0, CORRECTLY_ROUNDED),
    "rcp.approx.ftz.f64": (2**32, 0, CORRECTLY_ROUNDED + " in the upper half, where one unit is 2^32 of the whole"),
    "rsqrt.approx.ftz.f64": (2**32, 0, CORRECTLY_ROUNDED + " in the upper half, where one unit is 2^32 of the whole"),
}
# What the emulator does not execute: it is for kernels of sm_80.
BEYOND = ("wgmma", "tensor copy")


class Form:
    """Outputs of one form as [(type, uint64 bits)], NaNs made equal."""

    def __init__(self, form, output):
        self.values = []
        for kind, bits in compare.elements({"dst": list(form.dst)}, output, form.out_slot):
            if kind in gi.FLOATS and form.rule != "layout":
                width = gi.FLOATS[kind][0]
                bits = np.where(compare.is_nan(kind, bits), np.uint64(2**(width - 1) - 1), bits)
            self.values.append((kind, bits))

    def checksum(self):
        crc = 0
        for _, bits in self.values:
            crc = zlib.crc32(bits.astype("<u8").tobytes(), crc)
        return crc


def numbers(kind, bits):
    """float64 of bits that are no NaN."""
    if kind == "f64":
        return bits.view(np.float64)
    if kind == "bf16":
        bits, kind = bits << np.uint64(16), "f32"
    return bits.astype(np.uint32).view(np.float32).astype(np.float64) if kind == "f32" else bits.astype(
        np.uint16).view(np.float16).astype(np.float64)


def rule_for(name):
    """The longest beginning in CLOSE."""
    found = [key for key in CLOSE if name.startswith(key)]
    return CLOSE[max(found, key=len)] if found else None


def first_difference(kept, found, ulps=0, absolute=0.0):
    """'' or what the first element that is too far off holds."""
    for (kind, here), (_, there) in zip(kept.values, found.values):
        far = here != there
        if kind in gi.FLOATS and (ulps or absolute):
            nan = compare.is_nan(kind, here) | compare.is_nan(kind, there)
            number = far & ~nan
            distance = np.abs(compare.ordered(kind, here[number]) - compare.ordered(kind, there[number]))
            with np.errstate(invalid="ignore"):
                error = np.abs(numbers(kind, here[number]) - numbers(kind, there[number]))
            far[number] = ~((distance <= ulps) | (error <= absolute))
        if far.any():
            at = int(np.argmax(far))
            return f"{int(far.sum())} of {len(far)}, the first [{at}] {kind}: GPU {int(here[at]):#x}, emulator {int(there[at]):#x}"
    return ""


class Golden:
    """What the GPU gave."""

    def __init__(self):
        self.index = json.loads(DATA.read_text())
        self.data = DATA.with_suffix(".bin").read_bytes()

    def output(self, name):
        """The bytes, or None where only the checksum is kept."""
        place = self.index["outputs"].get(name)
        return zlib.decompress(self.data[place[0]:place[0] + place[1]]) if place else None

    def check(self, form, output):
        """'' or what is wrong with an output of the emulator."""
        checksum, of_input = self.index["forms"][form.name]
        if zlib.crc32(form.make_input()) != of_input:
            return "the input is not the one that the GPU was given"
        found = Form(form, output)
        if found.checksum() == checksum:
            return ""
        rule = rule_for(form.name)
        kept = self.output(form.name)
        if kept is None:
            return "the checksum is not the GPU's"
        ulps, absolute = rule[:2] if rule else (0, 0.0)
        return first_difference(Form(form, kept), found, ulps, absolute)


def emulated(program, forms):
    """A reader of the emulator's outputs."""
    with tempfile.TemporaryDirectory() as folder:
        written = golden.GoldenFile(folder, "golden")
        golden.run_on_emulator(program, forms, Path(folder) / "jobs", written, timeout=1200)
        written.save(device="emulator")
        return golden.GoldenReader(written.index_path)


def run(program):
    forms, kept = instructions.all_forms(), Golden()
    outputs = emulated(program, forms)
    counts, failures = {"equal": 0, "close": 0, "beyond": 0, "unmeasured": 0}, 0
    for form in forms:
        row = outputs.rows[form.name]
        if "error" not in row and form.name not in kept.index["forms"]:
            counts["unmeasured"] += 1  # newer than the data
            continue
        if "error" in row:
            problem = "" if form.family in BEYOND else row["error"]
            counts["beyond"] += not problem
        else:
            output = outputs.output(form.name)
            problem = kept.check(form, output)
            exact = Form(form, output).checksum() == kept.index["forms"][form.name][0]
            counts["equal" if exact else "close"] += not problem
        if problem:
            failures += 1
            print(f"FAILED: '{form.name}': {problem}")
    gpu = kept.index
    print(f"{len(forms)} forms, against an {gpu['gpu']}, driver {gpu['driver']}, {gpu['date']}: {counts['equal']} equal, "
          f"{counts['close']} close, {counts['beyond']} beyond the emulator, {counts['unmeasured']} not measured, {failures} different")
    return failures


def self_test(*_):
    """The kept outputs themselves, changed: a bit of an exact form and of its input, one place too many of a close one."""
    forms, kept, failures = {form.name: form for form in instructions.all_forms()}, Golden(), 0

    def expect(condition, text):
        nonlocal failures
        failures += not condition
        print("ok: " * condition + "FAILED: " * (not condition) + text)

    def changed(name, change):
        output = bytearray(kept.output(name))
        change(np.frombuffer(output, "<u4"))
        return kept.check(forms[name], bytes(output))

    def add(places, at=0):
        def change(words):
            words[at] += places
        return change

    exact, close = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "ex2.approx.ftz.f32 d0, a0"
    expect(not changed(exact, add(0)) and not changed(close, add(0)), "the GPU's own outputs pass")
    expect("[100]" in changed(exact, add(1, 100)), "one unit in the last place of a matrix product is found")
    expect(not changed(close, add(1, 16000)), "one unit in the last place of ex2.approx passes")
    expect("[16000]" in changed(close, add(3, 16000)), "three are found")
    add_form = forms["add.rn.f32 d0, a0, a1"]
    expect("checksum" in kept.check(add_form, bytes(add_form.out_bytes)), "zeros instead of sums are found")
    missing = [name for name in kept.index["forms"] if name not in forms]
    expect(not missing, f"every form whose output is kept is still there: {missing[:3]}")
    expect(set(kept.index["outputs"]) <= set(kept.index["forms"]), "every output that is kept has a checksum")
    unused = [key for key in CLOSE if not any(name.startswith(key) for name in kept.index["outputs"])]
    expect(not unused, f"no entry of CLOSE is left over: {unused}")
    for name in kept.index["outputs"]:
        expect(Form(forms[name], kept.output(name)).checksum() == kept.index["forms"][name][0], f"'{name}' is undamaged")
    return failures


def keep(folder):
    hardware = golden.GoldenReader(Path(folder) / "golden-cuda.json")
    results = json.loads((Path(folder) / "results.json").read_text())
    gpu = results["facts"]["gpu"]
    index = {"gpu": gpu["name"], "driver": gpu["driver_version"], "date": results["started"][:10], "forms": {}, "outputs": {}}
    data = bytearray()
    for form in instructions.all_forms():
        output = hardware.output(form.name) if form.name in hardware.rows else None
        if output is None:
            continue
        index["forms"][form.name] = [Form(form, output).checksum(), zlib.crc32(form.make_input())]
        if rule_for(form.name) or form.family == "mma":
            packed = zlib.compress(output, 9)
            index["outputs"][form.name] = [len(data), len(packed)]
            data += packed
    lines = json.dumps(index).replace('], "', '],\n"').replace(': {"', ': {\n"')
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(lines + "\n")
    DATA.with_suffix(".bin").write_bytes(data)
    print(f"{len(index['forms'])} checksums, {len(data)} bytes of outputs")
    return 0


def main():
    verbs = {"run": run, "self-test": self_test, "keep": keep}
    if len(sys.argv) < 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    return 1 if verbs[sys.argv[1]](*sys.argv[2:]) else 0


if __name__ == "__main__":
    sys.exit(main())
