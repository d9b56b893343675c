"""check_bench.py FILE: whether the figures of `attnc bench --dense --json` fit one another."""
import json
import math
import sys

report = json.load(open(sys.argv[1]))
assert report["threads"] >= 1 and report["peak_gflops"] > 0 and report["kernels"], report


def near(a, b):
    return math.isclose(a, b, rel_tol=1e-9)


for k in report["kernels"]:
    seconds, dense = k["seconds"], k["dense"]
    for s in (seconds, dense["seconds"]):
        assert 0 < s["low"] <= s["median"] <= s["high"], k
    assert k["repeat"] == dense["repeat"] == 4, k
    assert (seconds["compile"] > 0) != (seconds["load"] > 0) and dense["seconds"]["compile"] > 0, k
    factor = {"amx": 16, "avx512bf16": 2}.get(k["isa"], 1) if k["dtype"] == "bf16" else 1
    assert near(k["peak_gflops"], report["peak_gflops"] * factor), k
    assert near(k["of_peak"], k["gflops"] / k["peak_gflops"]), k
    share = k["tiles"]["visited"] / k["tiles"]["all"]
    assert near(k["visited_share"], share) and near(dense["bound"], 1 / share), k
    nq, nk = math.prod(k["tokens"]), math.prod(k["kv_tokens"])
    flops = 2 * k["batch"] * k["heads"] * nq * nk * (k["head_dim"] + k["value_dim"])
    assert near(k["of_tile_bound"], flops * share / seconds["median"] / 1e9 / k["peak_gflops"]), k
    assert k["of_peak"] <= k["of_tile_bound"] * (1 + 1e-9), k
    assert near(dense["speed_up"], dense["seconds"]["median"] / seconds["median"]), k
    assert near(dense["of_bound"], dense["speed_up"] / dense["bound"]), k
