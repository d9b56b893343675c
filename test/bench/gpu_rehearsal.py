#!/usr/bin/env python3
"""What a machine with a GPU will do, done without one: packs a small bundle, unpacks it in a new folder, builds the runtime
there and runs run.py to its end, once with the emulator as the device and once with CUDA's driver replaced by one that
runs on the emulator.

    gpu_rehearsal.py BUILD                 BUILD has bin/attnc and bench/gpu/libemulated_cuda.so
    gpu_rehearsal.py faults                a phase that crashes or hangs costs a row, not the run
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy_python

numpy_python.need()
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/gpu"))
sys.dont_write_bytecode = True

import schema  # noqa: E402
from results import Results  # noqa: E402

FAILURES = []
# Phases that end without a driver, and for which reason the others are skipped.
WITHOUT_DRIVER = {"build": "done", "facts": "done", "correctness": "done", "timing": "done", "instructions": "done",
                  "comparison": "done", "disassembly": "done", "calibration": "skipped", "tensor_maps": "skipped"}
ON_STAND_IN = {**WITHOUT_DRIVER, "calibration": "done", "tensor_maps": "done"}
CASES = 3  # tiny ones in specs/cases.json


def expect(condition, text):
    if not condition:
        FAILURES.append(text)
        print(f"FAILED: {text}")


def command(arguments, **options):
    begun = time.monotonic()
    done = subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    print(f"$ {' '.join(map(str, arguments))}\n{done.stdout}\n({time.monotonic() - begun:.1f} s, exit code {done.returncode})")
    return done


def pack(build, folder):
    """Twice, for the same bytes."""
    files = [folder / "one.tar.gz", folder / "two.tar.gz"]
    for file in files:
        done = command([ROOT / "scripts/gpu-pack.sh", f"--build={build}", "--quick", file])
        if done.returncode != 0 or not file.exists():
            return expect(False, "the bundle is packed")
    expect(files[0].read_bytes() == files[1].read_bytes(), "two bundles of one tree are equal")
    expect(command(["tar", "-xzf", files[0], "-C", folder]).returncode == 0, "the bundle is unpacked")
    refused = command([ROOT / "scripts/gpu-pack.sh", f"--build={folder}/nowhere", folder / "three.tar.gz"])
    expect(refused.returncode != 0 and "no compiler at" in refused.stdout, "a build that is not there is an error")


def check_run(name, out, phases):
    data = json.loads((out / "results.json").read_text())
    if not data.get("finished"):
        expect(False, f"{name}: the run did not finish: {data['phases']}")
        return {"timing": [], "calibration": []}
    for problem in schema.check(data):
        expect(False, f"{name}: {problem}")
    for phase, status in phases.items():
        found = data["phases"].get(phase, {})
        expect(found.get("status") == status, f"{name}: phase '{phase}' is {found}, not {status}")
    builder = "cmake" if shutil.which("cmake") else "plain"
    expect(data["build"]["builder"] == builder, f"{name}: not built by {builder}: {data['build']}")
    rows = data.get("correctness", [])
    expect(len(rows) == CASES and all(row["status"] == "ok" for row in rows), f"{name}: a package is not right: {rows}")
    expect(all(row.get("pairs_agree") for row in rows), f"{name}: visible pairs differ from the masks of bench/gpu")
    timed = data.get("timing", [])
    expect(len(timed) == CASES and all(row["status"] == "measured" for row in timed), f"{name}: timing: {timed}")
    expect(all(row["prediction"]["bounds"] for row in timed), f"{name}: no counts of the simulator")
    # Two compilers made the emulator and the stand-in, so .approx may differ in the last place.
    expect(set(data["comparison"]["verdicts"]) <= {"equal", "absent", "close"}, f"{name}: {data['comparison']['verdicts']}")
    text = (out / "results.md").read_text()
    expect(all(row["name"] in text for row in rows) and "## Correctness" in text, f"{name}: results.md lacks cases")
    return data


def rehearse(build):
    with tempfile.TemporaryDirectory(prefix="gpu-rehearsal-") as name:
        folder = Path(name)
        pack(build, folder)
        bundle = folder / "attnc-gpu"
        run = [sys.executable, bundle / "bench/gpu/run.py", "--quick", "--seconds=1500", "--build-seconds=1200",
               f"--build={folder / 'build'}", "--optimise=-O0"]
        # Objects made here once are found again, wherever the bundle was unpacked.
        environment = {**os.environ, "CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "true"}
        if FAILURES:
            return
        done = command([*run, "--device=emulator", f"--out={folder / 'a'}"], env=environment, cwd=folder)
        expect(done.returncode == 0, "the rehearsal ends well")
        data = check_run("emulator", folder / "a", WITHOUT_DRIVER)
        expect(all(row.get("instructions") for row in data["timing"]), "instruction counts stand for times")
        driver = build / "bench/gpu/libemulated_cuda.so"
        phases = [phase for phase in ON_STAND_IN if phase != "build"]
        done = command([*run, "--device=cuda", f"--driver-library={driver}", f"--out={folder / 'b'}",
                        f"--phases={','.join(phases)}"], env=environment, cwd=folder)
        expect(done.returncode == 0, "the run with a stand-in for the driver ends well")
        data = check_run("stand-in", folder / "b", ON_STAND_IN)
        expect(all(row["median_ms"] > 0 for row in data["timing"]), "launches are timed")
        expect(any(row["status"] == "measured" for row in data["calibration"]), "micro-benchmarks run")


STAND_IN_WORKER = """
import os, sys, json, time
sys.path.insert(0, {bench!r})
from results import Results
results = Results(os.path.join(json.load(open(sys.argv[2]))["out"], "results.json"))
for name in ("first", "crashes", "hangs", "faults", "last"):
    if not results.begin("rows", name):
        continue
    if name == "crashes":
        os.abort()
    if name == "hangs":
        time.sleep(600)
    if name == "faults":
        results.end("rows", name, "failed", reason="the context is lost")
        sys.exit(3)
    results.end("rows", name, "ok")
"""


def faults():
    import run
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "worker.py").write_text(STAND_IN_WORKER.format(bench=str(ROOT / "bench/gpu")))
        run.HERE = folder
        options = type("Options", (), {"out": folder / "out", "bundle": folder, "seconds": 60, "device": "emulator", "quick": True,
                                       "driver_library": None, "seed": None, "build": None})
        trial = run.Run(options)
        trial.phase("trial", 50, 3, ())
        data = Results(folder / "out/results.json").data
        found = {row["name"]: row["status"] for row in data["rows"]}
        wanted = {"first": "ok", "crashes": "crashed", "hangs": "timeout", "faults": "failed", "last": "ok"}
        expect(found == wanted, f"rows are {found}, not {wanted}")
        expect(data["phases"]["trial"]["status"] == "done", f"the phase is {data['phases']['trial']}")
        begun = time.monotonic()
        (folder / "worker.py").write_text("import time\ntime.sleep(600)\n")
        trial.phase("endless", 4, 60, ())
        phase = Results(folder / "out/results.json").data["phases"]["endless"]
        expect(phase["status"] == "cut" and time.monotonic() - begun < 30, f"an endless phase is {phase}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    faults() if sys.argv[1] == "faults" else rehearse(Path(sys.argv[1]).resolve())
    print(f"{len(FAILURES)} failures")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
