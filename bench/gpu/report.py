#!/usr/bin/env python3
"""Tables from results.json.

    report.py results.json > results.md
"""
import json
import sys
from pathlib import Path


def cell(value, digits=3):
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def section(title, text):
    return f"## {title}\n\n{text}\n" if text else ""


def machine(data):
    facts = data.get("facts", {})
    rows = [(key, value) for key, value in facts.items() if not isinstance(value, dict)]
    for group in ("gpu", "driver"):
        rows += [(f"{group}: {key}", value) for key, value in facts.get(group, {}).items()]
    return table(["fact", "value"], rows) if rows else ""


def phases(data):
    return table(["phase", "status", "seconds", "reason"],
                 [(name, p.get("status"), p.get("seconds"), (p.get("reason") or "").split("\n")[0][:200])
                  for name, p in data["phases"].items()])


def correctness(data):
    rows = [(r["name"], r["status"], r.get("kernel", {}).get("from"), f"{r.get('rows_checked', '')} of {r.get('rows', '')}",
             r.get("worst_of_allowed"), r.get("lse_of_allowed"), r.get("pairs_agree"), (r.get("reason") or "")[:160])
            for r in data.get("correctness", [])]
    return table(["case", "status", "code", "rows", "worst error / allowed", "LSE error / allowed", "visible pairs agree",
                  "reason"], rows) if rows else ""


def peers_of(data, case, peer):
    """The best time of a peer on a case."""
    times = [row["median_ms"] for row in data.get("peers", [])
             if row.get("case") == case and row.get("peer") == peer and row.get("median_ms") and row.get("on") == "cuda"]
    return min(times) if times else None


def timing(data):
    rows = []
    for r in data.get("timing", []):
        ms, sdpa, flex = r.get("median_ms"), peers_of(data, r["name"], "sdpa"), peers_of(data, r["name"], "flex")
        spent = sum((r.get("instructions") or {}).values()) or None
        predicted = r.get("prediction") or {}
        rows.append((r["name"], ms, r.get("tflops"), r.get("speed_up_over_dense"), r.get("tile_bound"),
                     r.get("fraction_of_tile_bound"), predicted.get("milliseconds"), sdpa, sdpa / ms if ms and sdpa else None,
                     flex, flex / ms if ms and flex else None, spent if ms is None else None,
                     (r.get("reason") or "")[:120]))
    if not rows:
        return ""
    why = next((f"\nNo predicted times: {r['prediction']['why_no_milliseconds']}.\n" for r in data["timing"]
                if (r.get("prediction") or {}).get("why_no_milliseconds")), "")
    return table(["case", "ms", "TFLOP/s", "over dense", "tile bound", "of the bound", "predicted ms", "SDPA ms", "SDPA / ours",
                  "Flex ms", "Flex / ours", "instructions (not timed)", "reason"], rows) + (
        "\nTFLOP/s count the floating-point operations that visible pairs need. SDPA knows no masks but causal: for others it "
        "computes dense attention.\n") + why


def peers(data):
    rows = [(r["name"], r["status"], r.get("on"), r.get("median_ms"), r.get("tflops"), r.get("compile_seconds"),
             r.get("block_mask_seconds"), r.get("block_mask_peak_bytes"), (r.get("reason") or "")[:160]) for r in data.get("peers", [])]
    return table(["peer", "status", "on", "ms", "TFLOP/s", "compile s", "block mask s", "block mask bytes", "reason"],
                 rows) if rows else ""


def calibration(data):
    return table(["constant", "value", "unit", "status"],
                 [(r["name"], r.get("value"), r.get("unit"), r["status"] if r["status"] == "measured" else
                   f"{r['status']}: {(r.get('reason') or '')[:120]}") for r in data["calibration"]]) if data.get("calibration") else ""


def comparison(data):
    found = data.get("comparison")
    if not found:
        return ""
    text = f"{found['a']} against {found['b']}: " + ", ".join(f"{n} {name}" for name, n in found["verdicts"].items()) + ".\n\n"
    text += table(["family", "forms", "equal", "close", "different", "absent", "largest ulp (approx)"],
                  [(f["name"], f["forms"], f.get("equal", 0), f.get("close", 0), f.get("DIFFERENT", 0) + f.get("NaN differs", 0),
                    f.get("absent", 0), f.get("max_ulp")) for f in found["families"]])
    if found["different"]:
        text += "\n" + table(["form", "different", "of", "first"], [
            (r["name"], r.get("different"), r.get("elements"), json.dumps(r.get("first"))) for r in found["different"]])
    sums = [r for r in found.get("sums", []) if "a_sum" in r or "b_sum" in r]
    if sums:
        text += "\n" + table(["matrix product", "differ", "of", f"largest error, {found['a']}", f"largest error, {found['b']}", "integers exact"], [
            (r["name"], r.get("different"), r.get("elements"), *[r.get(side, {}).get("max_error") for side in ("a_sum", "b_sum")],
             ", ".join(str(r[side]["integers_exact"]) for side in ("a_sum", "b_sum") if side in r)) for r in sums])
    return text


def disassembly(data):
    rows = [(r["name"], r["status"], sum((r.get("opcodes") or {}).values()) or None,
             ", ".join(f"{op} {n}" for op, n in list((r.get("opcodes") or {}).items())[:8]), (r.get("reason") or "")[:120])
            for r in data.get("disassembly", [])]
    return table(["cubin", "status", "instructions", "most frequent", "reason"], rows) if rows else ""


def variants(data):
    rows = [(r["case"], r["variant"], r.get("median_ms"), r.get("tflops"), r.get("tile_bound"),
             (r.get("kernel") or {}).get("registers"), (r.get("kernel") or {}).get("local_bytes"), r.get("worst_of_allowed"),
             "" if r["status"] == "measured" else f"{r['status']}: {(r.get('reason') or '')[:120]}") for r in data.get("variants", [])]
    return table(["case", "variant", "ms", "TFLOP/s", "tile bound", "registers", "local bytes", "worst error / allowed", ""],
                 rows) if rows else ""


COUNTERS = [  # heading, counter
    ("us", "gpu__time_duration.sum"), ("registers", "launch__registers_per_thread"), ("warp instructions", "smsp__inst_executed.sum"),
    ("issue slots used %", "smsp__issue_active.avg.pct_of_peak_sustained_active"),
    ("tensor cores busy %", "sm__pipe_tensor_op_hmma_cycles_active.avg.pct_of_peak_sustained_active"),
    ("ALU %", "sm__inst_executed_pipe_alu.avg.pct_of_peak_sustained_active"), ("FMA %", "sm__inst_executed_pipe_fma.avg.pct_of_peak_sustained_active"),
    ("XU %", "sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_active"),
    ("shared wavefronts", "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"),
    ("bank conflicts", "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"), ("L2 sectors", "lts__t_sectors.sum"),
    ("bytes read", "dram__bytes_read.sum")]


def counters(data):
    rows = []
    for r in data.get("counters", []):
        for k in r.get("kernels", []):
            values = [k.get(counter) for _, counter in COUNTERS]
            rows.append((r["name"], k.get("Kernel Name"), values[0] / 1e3 if values[0] else None, *values[1:]))
        if r["status"] != "measured":
            rows.append((r["name"], f"{r['status']}: {(r.get('reason') or '')[:120]}"))
    return table(["case", "kernel", *[heading for heading, _ in COUNTERS]], rows) if rows else ""


def sanitizer(data):
    rows = [(r["name"], r["status"], r.get("said") or (r.get("reason") or "")[:160]) for r in data.get("sanitizer", [])]
    return table(["case and checker", "status", "said"], rows) if rows else ""


def markdown(data):
    name = data.get("facts", {}).get("driver", {}).get("name", "a GPU that was not identified")
    emulated = data.get("device") == "emulator" or name == "emulated device"
    kind = "a rehearsal on the emulator: no figure here is a time of a GPU" if emulated else f"measured on {name}"
    text = f"# attnc, {data.get('started')}: {kind}\n\n"
    parts = [("Phases", phases(data)), ("Machine", machine(data)), ("Correctness", correctness(data)), ("Time", timing(data)),
             ("Variants", variants(data)),
             ("Peers", peers(data)), ("Calibration", calibration(data)),
             ("Counters", counters(data)), ("Checkers", sanitizer(data)),
             ("Single instructions", comparison(data)), ("Disassembly", disassembly(data))]
    return text + "".join(section(title, body) for title, body in parts)


def summary(data):
    """A few lines for the end of a log."""
    counts = {}
    for row in data.get("correctness", []):
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    lines = ["correctness: " + (", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "nothing was run")]
    lines += [f"  {row['name']}: {row['status']}: {(row.get('reason') or '')[:200]}" for row in data.get("correctness", [])
              if row["status"] not in ("ok", "skipped")]
    for row in data.get("timing", []):
        if row.get("median_ms"):
            flex, sdpa = peers_of(data, row["name"], "flex"), peers_of(data, row["name"], "sdpa")
            lines.append(f"  {row['name']:42} {row['median_ms']:9.3f} ms {row['tflops']:7.1f} TFLOP/s  over dense "
                         f"{cell(row['speed_up_over_dense']) or '-':6} SDPA {cell(sdpa) or '-':7} Flex {cell(flex) or '-'}")
    if data.get("comparison"):
        lines.append(f"instructions, {data['comparison']['a']} against {data['comparison']['b']}: {data['comparison']['verdicts']}")
    return "\n".join(lines)


def exit_code(data):
    """1 where something is wrong or was not run though it could have been; what was skipped for a reason is fine."""
    bad_rows = [row for section in ("correctness", "sanitizer", "variants") for row in data.get(section, [])
                if row["status"] not in ("ok", "skipped", "measured")]
    bad_phases = [name for name, phase in data["phases"].items() if phase["status"] not in ("done", "skipped")]
    return 1 if bad_rows or bad_phases or not data.get("correctness") else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(markdown(json.loads(Path(sys.argv[1]).read_text())), end="")
