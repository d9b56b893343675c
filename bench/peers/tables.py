#!/usr/bin/env python3
"""Tables from results.json.

    tables.py results.json > results.md
"""
import itertools
import json
import statistics
import sys
from pathlib import Path

from cases import DTYPES, SPARSE

PEERS = ("SDPA", "FlexAttention")
GROUPS = {"dense": ("dense",), "causal": ("causal",), "sparse masks": SPARSE}
HEADINGS = (f"{'case':26} {'seen':>6} {'attnc ms':>9} {'(range)':>17} {'SDPA ms':>9} {'ratio':>6} {'Flex ms':>9} {'ratio':>6}"
            f"  {'first result, s: attnc':>22} {'SDPA':>7} {'Flex':>6}")


def row_of(case, name):
    return case.get("contestants", {}).get(name, {"status": case.get("status", "failed"), "reason": case.get("reason")})


def times(case, name):
    return row_of(case, name).get("milliseconds") or []


def median(case, name):
    return statistics.median(times(case, name)) if times(case, name) else None


def ratios(case, peer):
    """The peer's time by attnc's, round by round, so that both share the state of the machine."""
    return [theirs / ours for theirs, ours in zip(times(case, peer), times(case, "attnc"))]


def ratio(case, peer):
    found = ratios(case, peer)
    return statistics.median(found) if found else None


def fastest_ratio(case, peer):
    """Of the fastest rounds: what comes closest to a machine on which nothing else runs."""
    theirs, ours = times(case, peer), times(case, "attnc")
    return min(theirs) / min(ours) if theirs and ours else None


def first(case, name, field="first_seconds"):
    return case["first"][name].get(field)


def first_ratio(case):
    ours, theirs = first(case, "attnc"), first(case, "FlexAttention")
    return theirs / ours if ours and theirs else None


def number(value, digits=3):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def spread(values):
    return f"{number(min(values))}..{number(max(values))}" if values else "-"


def share(case):
    return f"{100 * case['visible_share']:.3g} %" if "visible_share" in case else "-"


def line(case):
    """One case, for the terminal."""
    text = (f"{case['name']:26} {share(case):>6} {number(median(case, 'attnc')):>9} {spread(times(case, 'attnc')):>17} "
            f"{number(median(case, 'SDPA')):>9} {number(ratio(case, 'SDPA')):>6} {number(median(case, 'FlexAttention')):>9} "
            f"{number(ratio(case, 'FlexAttention')):>6}  {number(first(case, 'attnc')):>22} {number(first(case, 'SDPA')):>7} "
            f"{number(first(case, 'FlexAttention')):>6}")
    return "\n".join([text, *(f"  {reason}" for reason in reasons(case))])


def reasons(case):
    """Why a contestant has no figures."""
    found = [f"{name}: {row['status']}: {row.get('reason')}" for name in ("attnc", *PEERS)
             if (row := row_of(case, name))["status"] != "measured"]
    return found + [f"{name}, first result: {row['reason']}" for name, row in case["first"].items() if "reason" in row]


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def times_table(data):
    rows = [(case["name"], share(case), number(median(case, "attnc")), spread(times(case, "attnc")), len(times(case, "attnc")),
             *(cell for peer in PEERS for cell in (number(median(case, peer)), spread(times(case, peer)),
                                                   number(ratio(case, peer)), number(fastest_ratio(case, peer)))))
            for case in data["cases"]]
    return table(["case", "seen", "attnc ms", "range", "rounds", "SDPA ms", "range", "SDPA / attnc", "fastest", "Flex ms", "range",
                  "Flex / attnc", "fastest"], rows)


def megabytes(value):
    return "-" if value is None else number(value / 2**20)


def kilobytes(value):
    return "-" if value is None else number(value / 2**10)


def first_table(data):
    rows = [(case["name"], *(number(first(case, name)) for name in ("attnc", *PEERS)), number(first_ratio(case)),
             number(first(case, "attnc", "compile_seconds")), number(first(case, "attnc", "compile_in_process_seconds")),
             number(first(case, "attnc", "compile_all_levels_seconds")), number(first(case, "FlexAttention", "compile_seconds")))
            for case in data["cases"]]
    return table(["case", "attnc s", "SDPA s", "Flex s", "Flex / attnc", "compile: attnc", "in a process", "all levels",
                  "Flex"], rows)


def masks_table(data):
    rows = [(case["name"], *(number(1e3 * first(case, name, "mask_seconds")) if first(case, name, "mask_seconds") is not None
                             else "-" for name in ("attnc", *PEERS)),
             *(kilobytes(first(case, name, "mask_bytes")) for name in ("attnc", *PEERS)),
             *(f"{megabytes(first(case, name, 'peak_bytes'))} + {megabytes(first(case, name, 'helpers_peak_bytes'))}"
               for name in ("attnc", *PEERS)))
            for case in data["cases"]]
    return table(["case", "attnc ms", "SDPA ms", "Flex ms", "attnc KB", "SDPA KB", "Flex KB", "memory: attnc MB", "SDPA MB",
                  "Flex MB"], rows)


def errors_table(data):
    rows = [(case["name"], row_of(case, "attnc").get("rows_checked", "-"),
             *(number(row_of(case, name).get(field)) for name in ("attnc", *PEERS) for field in ("max_error", "of_allowed")))
            for case in data["cases"]]
    return table(["case", "rows", "attnc", "of allowed", "SDPA", "of allowed", "Flex", "of allowed"], rows)


def geometric(values):
    return f"{statistics.geometric_mean(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def group(data, wanted, figure):
    return [value for case in data["cases"] if wanted(case) and (value := figure(case)) is not None]


def goals(data):
    """Geometric means over the cases of a group; groups without figures are left out."""
    lines = []
    for dtype, (what, kinds), peer in itertools.product(DTYPES, GROUPS.items(), PEERS):
        figures = [group(data, lambda case: case["dtype"] == dtype and case["mask"] in kinds, lambda case: of(case, peer))
                   for of in (ratio, fastest_ratio)]
        if all(figures):
            lines.append(f"{dtype}, {what}: {peer}'s time by attnc's: {geometric(figures[0])}; "
                         f"of the fastest rounds {geometric(figures[1])}")
    found = group(data, lambda case: True, first_ratio)
    return "\n".join(lines + ([f"time to the first result, FlexAttention's by attnc's: {geometric(found)}"] if found else []))


def facts(data):
    rows = [(key, ", ".join(value) if isinstance(value, list) else value) for key, value in data["machine"].items()]
    loads = [case[when] for case in data["cases"] for when in ("load_before", "load_after") if when in case]
    rows += [("threads", data["settings"]["threads"]), ("levels of attnc", ", ".join(f"{d}: {i}" for d, i in data["settings"]["isa"].items())),
             ("load average, start and end", f"{data['load_at_start']}, {data.get('load_at_end', '-')}"),
             ("load average around the cases", f"{spread(loads)}, median {number(statistics.median(loads))}" if loads else "-")]
    rows += [("resumed", f"{again['at']}, load average {again['load']}") for again in data.get("resumed", [])]
    return table(["fact", "value"], rows)


def markdown(data):
    problems = [f"- {case['name']}: {reason}" for case in data["cases"] for reason in reasons(case)]
    problems += [f"- {name}: not begun, the time of the run was over" for name in data["not_begun"]]
    return "\n".join([
        f"# attnc and its peers on a CPU, {data['started']}\n", facts(data), "## In short\n",
        f"Geometric means, with the range over the {len(data['cases'])} cases.\n", *(f"- {text}" for text in goals(data).splitlines()),
        "\n## Time of the kernel\n", times_table(data), "## Time to the first result\n", first_table(data),
        "## Masks and memory\n", masks_table(data), "## Errors\n", errors_table(data),
        *(["## Without figures\n", *problems, ""] if problems else [])])


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text())), end="")
