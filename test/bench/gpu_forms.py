#!/usr/bin/env python3
"""The single-instruction kernels of bench/gpu on a machine without a GPU.

    gpu_forms.py run RUN_PTX       the emulator runs every form that its instruction set has, and gets right what numpy
                                   computes too
    gpu_forms.py assemble PTXAS    ptxas takes every form
    gpu_forms.py self-test         a changed output is found by the comparison
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy_python

numpy_python.need()
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/gpu"))
sys.dont_write_bytecode = True

import numpy as np  # noqa: E402

import compare  # noqa: E402
import golden  # noqa: E402
import golden_inputs as gi  # noqa: E402
import instructions  # noqa: E402
import matrix_instructions  # noqa: E402

# What the emulator is not asked to know: it executes kernels for sm_80.
BEYOND = ("wgmma", "tensor copy", "mbarrier", "stmatrix")
FAILURES = []


def expect(condition, text):
    if not condition:
        FAILURES.append(text)
        print(f"FAILED: {text}")


def floats(bits):
    return bits.astype(np.uint32).view(np.float32)


def same_floats(a, b):
    return bool(((a == b) & (np.signbit(a) == np.signbit(b)) | (np.isnan(a) & np.isnan(b))).all())


def sources_and_outputs(form, output):
    columns = np.frombuffer(form.make_input(), "<u8").reshape(form.grid * form.block, -1)
    outputs = compare.elements({"dst": list(form.dst)}, output, form.out_slot)
    return [columns[:, i] for i in range(columns.shape[1])], [bits for _, bits in outputs]


def check_with_numpy(forms, file):
    """Results that numpy has by itself."""
    signed = lambda x: x.astype(np.uint32).view(np.int32)  # noqa: E731
    known = {
        "add.u32 d0, a0, a1": lambda a, b: (a + b) & np.uint64(0xFFFFFFFF),
        "mul.lo.u64 d0, a0, a1": lambda a, b: a * b,
        "mul.wide.s32 d0, a0, a1": lambda a, b: (signed(a).astype(np.int64) * signed(b)).view(np.uint64),
        "max.s32 d0, a0, a1": lambda a, b: np.maximum(signed(a), signed(b)).view(np.uint32),
        "setp.lt.f32 d0, a0, a1": lambda a, b: floats(a) < floats(b),
        "setp.neu.f32 d0, a0, a1": lambda a, b: ~(floats(a) == floats(b)),
        "popc.b64 d0, a0": lambda a: np.array([bin(int(x)).count("1") for x in a]),
        "selp.b32 d0, a0, a1, a2": lambda a, b, p: np.where(p != 0, a, b),
    }
    for name, function in known.items():
        given, outputs = sources_and_outputs(forms[name], file.output(name))
        if function:
            expect((function(*given).astype(np.uint64) == outputs[0]).all(), f"'{name}' differs from numpy")
    with np.errstate(all="ignore"):
        for name, function in {"add.rn.f32 d0, a0, a1": np.add, "mul.rn.f32 d0, a0, a1": np.multiply,
                               "div.rn.f32 d0, a0, a1": np.divide, "sqrt.rn.f32 d0, a0": np.sqrt}.items():
            given, outputs = sources_and_outputs(forms[name], file.output(name))
            expect(same_floats(function(*map(floats, given)), floats(outputs[0])), f"'{name}' differs from numpy")
        given, outputs = sources_and_outputs(forms["cvt.rn.f16.f32 d0, a0"], file.output("cvt.rn.f16.f32 d0, a0"))
        halves = floats(given[0]).astype(np.float16)
        expect(same_floats(halves, outputs[0].astype(np.uint16).view(np.float16)), "f32 to f16 differs from numpy")
        given, outputs = sources_and_outputs(forms["ex2.approx.f32 d0, a0"], file.output("ex2.approx.f32 d0, a0"))
        exact, mine = np.exp2(floats(given[0]).astype(np.float64)), floats(outputs[0]).astype(np.float64)
        usual = (exact < 1e38) & (exact > 1e-37)
        expect((np.abs(mine - exact)[usual] <= 2e-7 * exact[usual]).all(), "ex2.approx.f32 is far from 2^x")
    for form in forms.values():
        if form.family == "mma":
            sums = compare.sum_errors(form, file.output(form.name))
            expect(sums["integers_exact"], f"'{form.name}': a product of small integers is not exact")
            expect(sums["max_error"] < 16, f"'{form.name}': error of {sums['max_error']} units in the last place")


def check_matrix_loads(forms, file):
    """ldmatrix from its definition: row r of matrix j comes from lane 8 j + r, whose address is row 5 (8 j + r) + 3."""
    form = forms["ldmatrix.sync.aligned.m8n8.x4.shared.b16"]
    words = np.frombuffer(form.make_input(), "<u4").reshape(matrix_instructions.WARPS, 4, 32)
    rows = words.transpose(0, 2, 1)  # lane i wrote its four words as row i
    out = np.frombuffer(file.output(form.name), "<u4").reshape(matrix_instructions.WARPS, 4, 32)
    for j in range(4):
        for lane in range(32):
            source = (5 * (8 * j + lane // 4) + 3) % 32
            expect((out[:, j, lane] == rows[:, source, lane % 4]).all(), f"ldmatrix: matrix {j}, lane {lane}")


def run(program):
    forms = instructions.all_forms()
    with tempfile.TemporaryDirectory() as folder:
        written = golden.GoldenFile(folder, "golden")
        golden.run_on_emulator(program, forms, Path(folder) / "jobs", written, timeout=1200)
        written.save(device="emulator")
        file = golden.GoldenReader(written.index_path)
        by_name = {form.name: form for form in forms}
        for form in forms:
            row = file.rows[form.name]
            if form.family not in BEYOND:
                expect("error" not in row, f"'{form.name}': {row.get('error')}")
        if not FAILURES:
            check_with_numpy(by_name, file)
            check_matrix_loads(by_name, file)
        print(f"{len(forms)} forms, {sum('error' in row for row in file.rows.values())} beyond the emulator, "
              f"{len(written.data)} bytes of outputs")


def assemble(ptxas):
    """Each kernel by itself would cost a process; modules of many are what a GPU is given, too."""
    groups = {}
    for form in instructions.all_forms():
        groups.setdefault(form.ptx[:form.ptx.index(".visible")], []).append(form)
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forms.ptx"
        for group in groups.values():
            for at in range(0, len(group), 96):
                part = group[at:at + 96]
                path.write_text(golden.merged(part))
                done = subprocess.run([ptxas, f"-arch={part[0].target}", path, "-o", Path(folder) / "forms.cubin"],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                expect(done.returncode == 0 and "C75" not in done.stdout, f"ptxas: {done.stdout[:1000]}")
                count += len(part)
    print(f"{count} forms assembled")


def self_test():
    """The comparison on outputs made up here: equal ones, another NaN, one bit changed, a form that is absent."""
    forms = {form.name: form for form in instructions.all_forms()}
    names = ["add.rn.f32 d0, a0, a1", "add.u32 d0, a0, a1", "ex2.approx.f32 d0, a0"]
    outputs = {name: gi.draw(gi.seed_of(name), forms[name].out_bytes // 8 + 1).tobytes()[:forms[name].out_bytes] for name in names}

    def verdicts(change):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for side in "ab":
                file = golden.GoldenFile(folder, side)
                for name in names:
                    data = bytearray(outputs[name])
                    error = change(name, data) if side == "b" else None
                    file.add(forms[name], forms[name].make_input(), bytes(data), error)
                file.save(device=side)
                files.append(golden.GoldenReader(file.index_path))
            return {row["name"]: row for row in compare.compare_files(*files)}

    def put(word):
        def change(name, data):
            data[:4] = word.to_bytes(4, "little")
        return change

    expect(all(row["verdict"] == "equal" for row in verdicts(lambda name, data: None).values()), "equal outputs differ")
    outputs[names[0]] = (0x7FC00001).to_bytes(4, "little") + outputs[names[0]][4:]
    found = verdicts(put(0x7FFFFFFF))
    expect(found[names[0]]["verdict"] == "equal" and found[names[0]]["nan_bits_only"] == 1, "another NaN is no difference")
    expect(found[names[1]]["verdict"] == "DIFFERENT", "an integer that differs is found")
    found = verdicts(lambda name, data: data.__setitem__(8, data[8] ^ 1))
    expect(found[names[0]]["verdict"] == "DIFFERENT" and found[names[0]]["first"]["element"] == 2, "one bit is found")
    expect(found[names[2]]["verdict"] == "close" and found[names[2]]["max_ulp"] == 1, "one unit in the last place is told")
    found = verdicts(lambda name, data: "is not known")
    expect(all(row["verdict"] == "absent" and row["b_error"] == "is not known" for row in found.values()), "errors are told")
    print("the comparison finds what was planted")


def main():
    verbs = {"run": run, "assemble": assemble, "self-test": self_test}
    if len(sys.argv) < 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]](*sys.argv[2:])
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
