#!/usr/bin/env python3
"""What results.json has to look like.

    schema.py results.json    prints what is wrong, exits 1 if anything is
"""
import json
import sys
from pathlib import Path

from results import FORMAT, PHASE_STATUS, ROW_STATUS

NUMBER, TEXT = (int, float), (str,)
# Section -> (fields that every row has, further fields of a row by its status). A type in a tuple; None is a value too.
ROWS = {
    "correctness": ({"spec": TEXT}, {
        "ok": {"seed": (int,), "reference": TEXT, "max_error": NUMBER, "rms_error": NUMBER, "worst_of_allowed": NUMBER,
               "lse_of_allowed": NUMBER, "rows_checked": (int,), "rows": (int,), "plan": (dict,), "kernel": (dict,)},
        "failed": {"reason": TEXT}, "skipped": {"reason": TEXT}, "crashed": {"reason": TEXT}, "timeout": {"reason": TEXT}}),
    "timing": ({"spec": TEXT}, {
        "measured": {"plan": (dict,), "kernel": (dict,), "prediction": (dict,), "needed_flops": NUMBER},
        "failed": {"reason": TEXT}, "skipped": {"reason": TEXT}}),
    "variants": ({"case": TEXT, "variant": TEXT}, {
        "measured": {"plan": (dict,), "kernel": (dict,), "median_ms": NUMBER, "worst_of_allowed": NUMBER},
        "failed": {"reason": TEXT}, "wrong": {"reason": TEXT}}),
    "peers": ({"case": TEXT, "peer": TEXT, "on": TEXT}, {"measured": {"median_ms": NUMBER, "min_ms": NUMBER},
                                                        "failed": {"reason": TEXT}}),
    "calibration": ({"unit": TEXT}, {"measured": {"value": NUMBER, "detail": (dict,)}, "failed": {"reason": TEXT}}),
    "instructions": ({}, {"measured": {"forms": (int,), "done": (int,), "without_output": (int,), "bytes": (int,)}}),
    "counters": ({}, {"measured": {"kernels": (list,)}, "failed": {"reason": TEXT}, "skipped": {"reason": TEXT}}),
    "sanitizer": ({}, {"ok": {"said": TEXT}, "failed": {"reason": TEXT}, "wrong": {"reason": TEXT}, "skipped": {"reason": TEXT}}),
    "disassembly": ({}, {"measured": {"opcodes": (dict,), "tool": TEXT}, "skipped": {"reason": TEXT}}),
}
OBJECTS = {"facts": ("processor", "python", "numpy"), "build": ("builder", "seconds", "tried"),
           "runtime": ("version", "device"), "comparison": ("a", "b", "verdicts", "families", "different"),
           "tensor_maps": ("maps", "encoded", "refused")}


def check_row(section, row):
    """Yields what is wrong with a row."""
    where = f"{section}: '{row.get('name')}'"
    if not isinstance(row.get("name"), str):
        yield f"{section}: a row without a name"
    if row.get("status") not in ROW_STATUS:
        yield f"{where}: status {row.get('status')!r} is none of {', '.join(ROW_STATUS)}"
    always, by_status = ROWS[section]
    for key, types in {**always, **by_status.get(row.get("status"), {})}.items():
        if not isinstance(row.get(key), types) or isinstance(row.get(key), bool):
            yield f"{where}: '{key}' is {row.get(key)!r}"


def check(data):
    """All that is wrong, a line each."""
    found = []
    if data.get("format") != FORMAT:
        found.append(f"the format is {data.get('format')!r}, but {FORMAT} is known")
    if data.get("device") not in ("cuda", "emulator"):
        found.append(f"the device is {data.get('device')!r}")
    for name, phase in data.get("phases", {}).items():
        if phase.get("status") not in PHASE_STATUS:
            found.append(f"phase '{name}': status {phase.get('status')!r}")
        if phase.get("status") in ("skipped", "failed", "cut") and not phase.get("reason"):
            found.append(f"phase '{name}' is {phase['status']} without a reason")
    for section in ROWS:
        names = [row.get("name") for row in data.get(section, [])]
        if len(set(names)) != len(names):
            found.append(f"{section}: a name is there twice")
        for row in data.get(section, []):
            found += check_row(section, row)
    for name, keys in OBJECTS.items():
        if name in data:
            found += [f"{name}: no '{key}'" for key in keys if key not in data[name]]
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = check(json.loads(Path(sys.argv[1]).read_text()))
    print("\n".join(found) or "in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
