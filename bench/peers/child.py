#!/usr/bin/env python3
"""One measurement in a process of its own, which run.py starts.

    child.py first CASE CONTESTANT SETTINGS.json    from the tensors to the first result: times of the steps, memory
    child.py steady CASE - SETTINGS.json            all contestants in turns, each checked before

Writes settings["answer"], JSON. What a contestant throws is its answer.
"""
import json
import os
import statistics
import sys
import time
from pathlib import Path

import torch

import cases
import contestants
from problem import Problem, Reference

LEAST_ROUNDS = 3
TURN_SECONDS = 0.05  # calls of one turn go on for as long
PAUSE_SECONDS = 0.02  # between turns: threads that wait by spinning give up after a few milliseconds


def status_bytes(field):
    """VmRSS or VmHWM of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


def forget_peak():
    """From here on VmHWM is the peak of what follows (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def prepare(contestant):
    """All steps up to the first output, timed apart; the output is the contestant's first."""
    answers, fields, begun = {}, {}, time.perf_counter()
    for name, step in contestants.steps_of(contestant):
        at = time.perf_counter()
        answers[name] = step()
        fields[f"{name}_seconds"] = time.perf_counter() - at
    fields["mask_bytes"] = answers["mask"]
    output = contestant.call() if answers["compile"] is None else answers["compile"]
    fields["first_seconds"] = time.perf_counter() - begun
    return fields, output


def first(case, name, settings):
    problem = Problem(case, settings["seed"])
    contestant = contestants.ALL[name](problem, settings)
    forget_peak()
    before = status_bytes("VmRSS")
    Path(settings["ready"]).touch()  # helpers that run from now on belong to the contestant
    fields, _ = prepare(contestant)
    fields["peak_bytes"] = status_bytes("VmHWM") - before
    Path(settings["ready"]).unlink()
    return fields | contestant.other_compilations()


def turn(call):
    """Milliseconds of one call: of a call that is short the median of several, after one that is not counted."""
    begun, times = time.perf_counter(), []
    while not times or time.perf_counter() - begun < TURN_SECONDS:
        at = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - at))
    return statistics.median(times[1:] or times)


def interleave(calls, rounds, seconds):
    """name -> milliseconds of each round. Every round begins with another contestant."""
    times, names, begun = {name: [] for name in calls}, list(calls), time.perf_counter()
    for number in range(rounds):
        if not calls or number >= LEAST_ROUNDS and time.perf_counter() - begun > seconds:
            break
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            time.sleep(PAUSE_SECONDS)
            times[name].append(turn(calls[name]))
    return times


def ready(name, problem, reference, settings):
    """(contestant or None, what is known of it)."""
    contestant = None
    try:
        contestant = contestants.ALL[name](problem, settings)
        _, output = prepare(contestant)
        fields = {"note": contestant.note, **reference.compare(output)}
    except Exception as error:  # whatever it throws is its row's answer
        return None, {"status": "failed", "reason": f"{type(error).__name__}: {error}"[:600]}
    if not fields["of_allowed"] <= 1:
        return None, {"status": "wrong", "reason": f"an error of {fields['of_allowed']:.3g} times what is allowed", **fields}
    return contestant, {"status": "measured", **fields}


def steady(case, settings):
    problem = Problem(case, settings["seed"])
    reference = Reference(problem)
    found, calls = {}, {}
    for name in settings["contestants"]:
        contestant, found[name] = ready(name, problem, reference, settings)
        if contestant:
            calls[name] = contestant.call
    share = reference.visible_share
    del reference
    for name, times in interleave(calls, settings["rounds"], settings["case_seconds"]).items():
        found[name]["milliseconds"] = times
    return {"visible_share": share, "contestants": found}


def main():
    kind, name, contestant, path = sys.argv[1:]
    settings = json.loads(Path(path).read_text())
    torch.set_num_threads(settings["threads"])
    case = cases.named(name, settings["heads"])
    try:
        with torch.no_grad():
            answer = first(case, contestant, settings) if kind == "first" else steady(case, settings)
    except Exception as error:
        answer = {"status": "failed", "reason": f"{type(error).__name__}: {error}"[:600]}
    Path(settings["answer"]).write_text(json.dumps(answer))
    # A thread pool of PyTorch's compiler may wait for processes that are gone.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
