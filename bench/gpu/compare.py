#!/usr/bin/env python3
"""Compares outputs of single-instruction kernels: the emulator's with a GPU's, or any two golden files.

    compare.py A.json B.json [--all]     a table of what differs (or of everything); exit code 1 if a form differs whose
                                         result PTX defines to the bit

Form by form. "bits": equal, where any NaN equals any other; "layout": equal to the bit; "approx": the largest distance
in units in the last place; "sum" (mma): both sides' errors against the exact sum, in units of the last place of the sum
of the terms' magnitudes.
"""
import argparse
import sys

import numpy as np

import golden_inputs as gi
import hopper_instructions
import instructions
import matrix_instructions
from golden import GoldenReader

LAST_PLACE = {"f32": 2.0**-23, "f16": 2.0**-10}


def elements(row, data, slot):
    """[(type, bits)], uint64 bits of each output of a form, packed types as two."""
    words = np.frombuffer(data, "<u8" if slot == 8 else "<u4").astype(np.uint64)
    kinds = row["dst"] or ["b32"]
    result = []
    for i, kind in enumerate(kinds):
        bits = words[i::len(kinds)]
        if kind in gi.PACKED:
            part = gi.PACKED[kind]
            result += [(part, bits & np.uint64(0xFFFF)), (part, bits >> np.uint64(16) & np.uint64(0xFFFF))]
        else:
            result.append(("f32" if kind == "tf32" else kind, bits))
    return result


def is_nan(kind, bits):
    width, _, fraction = gi.FLOATS[kind]
    infinity = np.uint64(((1 << (width - 1 - fraction)) - 1) << fraction)
    return (bits & np.uint64((1 << (width - 1)) - 1)) > infinity


def ordered(kind, bits):
    """Floats as integers in their order, neighbours differing by 1 (as Python's integers would: float64 loses none
    that matters here, distances beyond 2^53 are only 'far')."""
    width = gi.FLOATS[kind][0]
    sign = np.uint64(1 << (width - 1))
    magnitude = (bits & (sign - np.uint64(1))).astype(np.float64)
    return np.where(bits & sign, -magnitude, magnitude)


def compare_form(row, form, a, b):
    """A row of the table for one form and its two outputs."""
    slot = form.out_slot
    result = {"elements": 0, "different": 0, "nan_bits_only": 0, "max_ulp": 0.0}
    for kind, x, y in [(k, x, y) for (k, x), (_, y) in zip(elements(row, a, slot), elements(row, b, slot))]:
        differs = x != y
        if kind in gi.FLOATS and row["rule"] != "layout":
            nan_x, nan_y = is_nan(kind, x), is_nan(kind, y)
            only_payload = differs & nan_x & nan_y
            result["nan_bits_only"] += int(only_payload.sum())
            differs &= ~only_payload
            numbers = differs & ~nan_x & ~nan_y
            if numbers.any():
                distance = np.abs(ordered(kind, x[numbers]) - ordered(kind, y[numbers]))
                result["max_ulp"] = max(result["max_ulp"], float(distance.max()))
            result["nan_against_number"] = result.get("nan_against_number", 0) + int((differs & (nan_x ^ nan_y)).sum())
        result["elements"] += len(x)
        result["different"] += int(differs.sum())
        if differs.any() and "first" not in result:
            at = int(np.argmax(differs))
            result["first"] = {"element": at, "type": kind, "a": hex(int(x[at])), "b": hex(int(y[at]))}
    return result


def sum_errors(form, output):
    """Errors of a matrix product against the exact result, over the products whose values are of ordinary size."""
    module = hopper_instructions if form.family == "wgmma" else matrix_instructions
    exact, size, given = (module.exact_wgmma if form.family == "wgmma" else module.exact_mma)(form, form.make_input(), output)
    chosen = [i for i, style in enumerate(module.STYLES) if style in ("ordinary", "integers")]
    integers = [i for i, style in enumerate(module.STYLES) if style == "integers"]
    place = LAST_PLACE[form.extra["result"]]
    error = np.abs(given[chosen] - exact[chosen]) / np.maximum(size[chosen] * place, 1e-300)
    return {"max_error": float(error.max()), "mean_error": float(error.mean()),
            "integers_exact": bool((given[integers] == exact[integers]).all())}


def compare_files(a, b):
    """Rows for all forms of either file, in the order of the table of forms."""
    rows = []
    for form in instructions.all_forms():
        one, other = a.rows.get(form.name), b.rows.get(form.name)
        if one is None and other is None:
            continue
        row = {"name": form.name, "family": form.family, "rule": form.rule}
        if one is None or other is None or "error" in one or "error" in other:
            for side, found in (("a", one), ("b", other)):
                if found is None or "error" in found:
                    row[f"{side}_error"] = "is not there" if found is None else found["error"].splitlines()[0][:200]
                elif form.rule == "sum":  # the exact result says whether a side is right, also alone
                    row[f"{side}_sum"] = sum_errors(form, (a if side == "a" else b).output(form.name))
            rows.append({**row, "verdict": "absent"})
            continue
        if one["input_sha256"] != other["input_sha256"]:
            rows.append({**row, "verdict": "absent", "a_error": "the inputs differ, so nothing can be compared"})
            continue
        outputs = a.output(form.name), b.output(form.name)
        row |= compare_form(one, form, *outputs)
        if form.rule == "sum":
            row |= {"a_sum": sum_errors(form, outputs[0]), "b_sum": sum_errors(form, outputs[1])}
        rows.append({**row, "verdict": verdict(row)})
    return rows


def verdict(row):
    if row["rule"] in ("bits", "layout"):
        return "equal" if row["different"] == 0 else "DIFFERENT"
    return "equal" if row["different"] == 0 else "close" if not row.get("nan_against_number") else "NaN differs"


def by_family(rows):
    """[{"name", "forms", "equal", ...}] for a short table."""
    families = {}
    for row in rows:
        family = families.setdefault(row["family"], {"name": row["family"], "forms": 0, "max_ulp": 0.0})
        family["forms"] += 1
        family[row["verdict"]] = family.get(row["verdict"], 0) + 1
        if row["rule"] == "approx":
            family["max_ulp"] = max(family["max_ulp"], row.get("max_ulp", 0.0))
    return sorted(families.values(), key=lambda family: family["name"])


def table(rows, everything):
    lines = [f"{'form':58} {'verdict':10} {'different':>10} {'of':>8} {'max ulp':>9}  first difference"]
    for row in rows:
        if not everything and row["verdict"] in ("equal", "close"):
            continue
        first = row.get("first") or {}
        what = row.get("a_error") or row.get("b_error") or (
            f"[{first['element']}] {first['type']} {first['a']} {first['b']}" if first else "")
        lines.append(f"{row['name'][:58]:58} {row['verdict']:10} {row.get('different', ''):>10} "
                     f"{row.get('elements', ''):>8} {row.get('max_ulp', 0):>9.3g}  {what}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    try:
        rows = compare_files(GoldenReader(options.a), GoldenReader(options.b))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: {error}")
    print(table(rows, options.all))
    counts = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    print(f"{len(rows)} forms: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    return 1 if counts.get("DIFFERENT") or counts.get("NaN differs") else 0


if __name__ == "__main__":
    sys.exit(main())
