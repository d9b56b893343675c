#!/usr/bin/env python3
"""Hardware counters of a package's kernels by Nsight Compute, and the checkers of NVIDIA's compute-sanitizer over them.

    counters.py SETTINGS.json CASE    one launch of a case, which is what the tools are given to run

Of the phases counters and sanitizer. The tools only watch: clocks are left as they are (--clock-control none).
"""
import csv
import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import packages
from facts import tool

COUNTED = ("dense bf16 d128 4k", "neighborhood 2-D bf16 d128 4k", "dense f16 d64 16k", "decode bf16 d128 32k",
           "tiny window+sink bf16 d64", "tiny documents bf16 d128")
CHECKED = ("tiny window+sink bf16 d64", "tiny documents bf16 d128", "tiny neighborhood f16 d64")
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
ROW_SECONDS = 50
# What is kept of the two thousand counters that ncu knows: times, occupancy, instructions, pipes, stalls, traffic.
KEPT = re.compile(r"Kernel Name|gpu__time_duration\.sum|sm__cycles_(active\.avg|elapsed\.max)|smsp__inst_(executed|issued)\.sum|"
                  r"sm(sp)?__(issue_active|warps_active|pipe_tensor_op_hmma_cycles_active)\.avg\.pct_of_peak_sustained_active|"
                  r"sm__inst_executed_pipe_\w+\.avg\.pct_of_peak_sustained_active|launch__(registers|occ|grid_size|waves|block_size)\w*|"
                  r"smsp__average_warps_issue_stalled_\w+_per_issue_active\.ratio|smsp__sass_\w+_executed\w*\.sum|"
                  r"l1tex__data_(bank_conflicts|pipe_lsu_wavefronts)_\w+\.sum|l1tex__t_(sectors|requests)_pipe_lsu_mem_\w+\.sum|"
                  r"lts__t_sectors(_op_\w+)?\.sum|(lts__t_sector_hit_rate|l1tex__t_sector_hit_rate)\.pct|dram__bytes\w*\.sum|"
                  r"dram__throughput\.avg\.pct_of_peak_sustained_elapsed|\w*local\w*\.sum")


def settings_for(ctx):
    """A file from which one launch can be made by itself."""
    path = ctx.out / "counted.json"
    path.write_text(json.dumps({"bundle": str(ctx.bundle), "out": str(ctx.out), "device": ctx.device, "quick": ctx.quick,
                                "library": ctx.library, "driver_library": ctx.driver_library, "seed": 1,
                                "deadline": ctx.deadline}))
    return path


def ran(ctx, command):
    """(exit code or None after its time, what it printed)."""
    try:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=max(1, min(ROW_SECONDS, ctx.left())))
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as stopped:
        return None, (stopped.stdout or b"").decode(errors="replace")


def kernels_of(text):
    """[{counter: value}] of ncu's raw page, those that KEPT names, a kernel each: a line of names, a line of units, a line for each kernel."""
    lines = text[text.find('"ID"'):].splitlines() if '"ID"' in text else []
    rows = list(csv.reader(io.StringIO("\n".join(lines))))
    kernels = []
    for row in rows[2:]:
        if len(row) == len(rows[0]):
            kernels.append({name: number(value) for name, value in zip(rows[0], row) if value and KEPT.fullmatch(name)})
    return kernels


def number(text):
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text


def counters(ctx):
    """Counters of one launch; a row each case. Their units are ncu's."""
    program = tool("ncu")
    settings = settings_for(ctx)
    for case in COUNTED:
        if ctx.expired() or not ctx.results.begin("counters", case):
            continue
        if program is None:
            ctx.results.end("counters", case, "skipped", reason="ncu is not there")
            continue
        begun = time.monotonic()
        code, text = ran(ctx, [program, "--clock-control", "none", "--set", "full", "--import-source", "no", "--csv", "--page", "raw",
                               sys.executable, __file__, settings, case])
        kernels = kernels_of(text)
        fields = {"kernels": kernels, "seconds": round(time.monotonic() - begun, 2)}
        if kernels:
            ctx.results.end("counters", case, "measured", **fields)
        else:
            ctx.results.end("counters", case, "failed", reason=f"ncu ended with {code}: {text[-1500:]}", **fields)


def sanitizer(ctx):
    """What each checker says of the small cases; "ok" means zero errors."""
    program = tool("compute-sanitizer")
    settings = settings_for(ctx)
    for checker in TOOLS:
        for case in CHECKED:
            name = f"{case} | {checker}"
            if ctx.expired() or not ctx.results.begin("sanitizer", name):
                continue
            if program is None:
                ctx.results.end("sanitizer", name, "skipped", reason="compute-sanitizer is not there")
                continue
            begun = time.monotonic()
            code, text = ran(ctx, [program, "--tool", checker, sys.executable, __file__, settings, case])
            found = re.search(r"(?:ERROR SUMMARY: |RACECHECK SUMMARY: )(.*)", text)
            clean = bool(found) and re.match(r"0 (errors|hazards)", found.group(1)) is not None
            seconds = round(time.monotonic() - begun, 2)
            if clean and code == 0:
                ctx.results.end("sanitizer", name, "ok", said=found.group(1), seconds=seconds)
            else:
                ctx.results.end("sanitizer", name, "wrong" if found else "failed", seconds=seconds,
                                reason=f"ended with {code}: {text[:800]} ... {text[-800:]}")


def one_launch(settings, name):
    import worker
    ctx = worker.Context(settings)
    case = next(case for case in json.loads((ctx.bundle / "bench/gpu/specs/cases.json").read_text()) if case["name"] == name)
    runtime, device = packages.open_device(ctx)
    prepared = packages.Prepared(ctx, runtime, device, case, seed=1)
    prepared.run()
    prepared.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    one_launch(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2])
