"""Runs the single-instruction kernels on a device and keeps their outputs as golden data.

A golden file is NAME.json, an index with a row per form, and NAME.bin, the outputs one after another, each compressed
by zlib. Inputs are not kept: they follow from the form's name, and the row holds their checksum.
"""
import hashlib
import json
import re
import subprocess
import time
import zlib
from pathlib import Path

import cuda
from instructions import all_forms, quick_forms
from results import write_atomically

# In the order of cuTensorMapEncodeTiled's parameters.
MAP_FIELDS = ("type", "sizes", "strides", "box", "element_strides", "interleave", "swizzle", "promotion", "fill")
MODULE_FORMS = 24  # forms that share a module on a GPU, for fewer compilations
POISON = 0xCC


class GoldenFile:
    def __init__(self, folder, name):
        self.index_path, self.data_path = Path(folder) / f"{name}.json", Path(folder) / f"{name}.bin"
        self.current_path = Path(folder) / f"{name}.running"  # names the form that a process was killed in
        self.rows, self.data = [], bytearray()

    def add(self, form, input_bytes, output, error=None, **fields):
        row = {"name": form.name, "family": form.family, "rule": form.rule, "target": form.target,
               "dst": list(form.dst), "input_sha256": hashlib.sha256(input_bytes).hexdigest(), **fields}
        if error is None:
            packed = zlib.compress(output, 9)
            row.update(offset=len(self.data), size=len(packed), bytes=len(output), crc32=zlib.crc32(output))
            self.data += packed
        else:
            row["error"] = error
        self.rows.append(row)

    def save(self, **facts):
        write_atomically(self.data_path, bytes(self.data))
        write_atomically(self.index_path, (json.dumps({"format": 1, **facts, "forms": self.rows}, indent=0) + "\n").encode())


class GoldenReader:
    """Outputs by name; a damaged file is a ValueError."""

    def __init__(self, index_path):
        index_path = Path(index_path)
        self.index = json.loads(index_path.read_text())
        self.data = index_path.with_suffix(".bin").read_bytes()
        self.rows = {row["name"]: row for row in self.index["forms"]}

    def output(self, name):
        row = self.rows[name]
        if "error" in row:
            return None
        output = zlib.decompress(self.data[row["offset"]:row["offset"] + row["size"]])
        if len(output) != row["bytes"] or zlib.crc32(output) != row["crc32"]:
            raise ValueError(f"golden data of '{name}' is damaged")
        return output


def run_on_emulator(program, forms, folder, golden, on_progress=lambda count: None, timeout=120):
    """All forms by one call of run_ptx; where that dies, the form it died of is marked and the rest goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    for form in forms:
        if "tensor_map" in form.extra:
            golden.add(form, form.make_input(), b"", "run_ptx has no tensor maps", stage="device")
    forms = [form for form in forms if "tensor_map" not in form.extra]
    jobs = []
    for number, form in enumerate(forms):
        ptx, given, out = (folder / f"{number}{suffix}" for suffix in (".ptx", ".in", ".out"))
        ptx.write_text(form.ptx)
        given.write_bytes(form.make_input())
        jobs.append({"ptx": str(ptx), "entry": "k", "grid": [form.grid, 1, 1], "block": [form.block, 1, 1],
                     "shared": form.shared, "args": [{"in": str(given)}, {"out": str(out), "bytes": form.out_bytes}]})
    done = 0
    deadline = time.monotonic() + timeout
    while done < len(jobs):
        list_path = folder / "jobs.json"
        list_path.write_text(json.dumps(jobs[done:]))
        try:
            process = subprocess.run([program, list_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     timeout=max(1, deadline - time.monotonic()))
            text, how = process.stdout, f"run_ptx ended with {process.returncode}: {process.stderr[-300:].decode(errors='replace')}"
        except subprocess.TimeoutExpired as error:
            text, how = error.stdout or b"", "run_ptx took too long"
        answers = [json.loads(line) for line in text.decode(errors="replace").split("\n") if line.endswith("}")]
        for answer in answers + ([{"error": how, "stage": "process"}] if len(answers) < len(jobs) - done else []):
            form, job = forms[done], jobs[done]
            given, out = Path(job["args"][0]["in"]), Path(job["args"][1]["out"])
            error = answer.get("error")
            golden.add(form, given.read_bytes(), out.read_bytes() if error is None else b"", error,
                       **({"stage": answer["stage"]} if error else {"instructions": answer["instructions"]}))
            for path in (given, out, Path(job["ptx"])):
                path.unlink(missing_ok=True)
            done += 1
        on_progress(done)
        if time.monotonic() > deadline:
            for form in forms[done:]:
                golden.add(form, form.make_input(), b"", "no time left")
            return


def merged(forms):
    """One module with an entry k0, k1, ... for each form."""
    text = forms[0].ptx[:forms[0].ptx.index(".visible")]  # one target and the same declarations
    for number, form in enumerate(forms):
        text += re.sub(r"\bk\(", f"k{number}(", form.ptx[form.ptx.index(".visible"):], count=1)
    return text


def run_form(driver, function, form, given):
    source, target = driver.allocate(len(given)), driver.allocate(form.out_bytes)
    try:
        driver.upload(source, given)
        driver.fill(target, POISON, form.out_bytes)
        arguments = [source, target]
        if "tensor_map" in form.extra:
            arguments.insert(0, driver.encode_tensor_map(source, *[form.extra["tensor_map"][key] for key in MAP_FIELDS]))
        driver.launch(function, (form.grid, 1, 1), (form.block, 1, 1), arguments, form.shared)
        driver.synchronize()
        return driver.download(target, form.out_bytes)
    finally:
        driver.free(source)
        driver.free(target)


def capability_of(target):
    return int(re.sub(r"\D", "", target))


def can_run(driver_facts, target):
    """Whether a device runs PTX of this target: a plain one if it is not older, an 'a' one only if it is the same."""
    have = 10 * driver_facts["capability_major"] + driver_facts["capability_minor"]
    return have == capability_of(target) if target.endswith("a") else have >= capability_of(target)


def run_on_cuda(driver, forms, golden, deadline, on_progress=lambda count: None):
    """A module for a few forms at once; where the driver refuses one, each by itself. Faults end the context: the
    error is recorded, and cuda.CudaError with .fatal set goes on to the caller."""
    facts = driver.facts()
    runnable = [form for form in forms if can_run(facts, form.target)]
    for form in forms:
        if not can_run(facts, form.target):
            golden.add(form, form.make_input(), b"", f"the device does not run {form.target}", stage="device")
    by_target = {}
    for form in runnable:
        by_target.setdefault(form.ptx[:form.ptx.index(".visible")], []).append(form)
    for group in by_target.values():
        for begin in range(0, len(group), MODULE_FORMS):
            run_group(driver, group[begin:begin + MODULE_FORMS], golden)
            on_progress(len(golden.rows))
            if time.monotonic() > deadline:
                return


def run_group(driver, forms, golden):
    try:
        module, names = driver.load(merged(forms)), [f"k{i}" for i in range(len(forms))]
    except cuda.CudaError as error:
        if error.fatal:
            raise
        if len(forms) == 1:
            golden.add(forms[0], forms[0].make_input(), b"", str(error), stage="compile")
            return
        for form in forms:
            run_group(driver, [form], golden)
        return
    for form, name in zip(forms, names):
        given = form.make_input()
        golden.current_path.write_text(form.name)
        try:
            golden.add(form, given, run_form(driver, driver.function(module, name), form, given))
        except cuda.CudaError as error:
            golden.add(form, given, b"", str(error), stage="launch")
            if error.fatal:
                raise
    golden.current_path.unlink(missing_ok=True)
    driver.unload(module)


def chosen_forms(quick):
    return quick_forms() if quick else all_forms()
