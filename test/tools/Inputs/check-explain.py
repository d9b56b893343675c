"""Prints what docs/explain-json.md promises of a file; a field that is missing is an error."""
import json
import sys

GROUP = {"heads", "mask", "truth", "sees_nothing", "atoms", "visits", "counts", "list", "notes", "gaps"}
COUNTS = {
    "tiles_visited", "tiles_full", "tiles_partial", "tiles_all", "tiles_worst_query", "visible_pairs",
    "all_pairs", "density", "exact", "exact_pairs", "bounds",
}

with open(sys.argv[1], encoding="utf-8") as file:
    said = json.load(file)
counted = "counted" if said["binding"] is None else f"bind with {said['binding']}"
print(said["kernel"], said["tokens"], counted)
for group in said["groups"]:
    assert group.keys() == GROUP, group.keys()
    assert (group["counts"] is None) == (said["binding"] is not None)
    assert group["counts"] is None or group["counts"].keys() == COUNTS
    for atom in group["atoms"]:
        assert atom.keys() == {"name", "kind", "rule", "words", "bounds"}
        assert all(bound.keys() == {"lo", "hi"} for bound in atom["bounds"])
    ranges = [f"{r['begin']} <= t < {r['end']}" for r, in group["visits"]["ranges"]]
    print(f"{group['heads']} {group['truth']}: {', '.join(ranges)}")
print("shared", ", ".join(str(code["heads"]) for code in said["code"]))
for name in ("words", "at_launch", "in_kernel", "never"):
    assert said[name] and all(fact.keys() == {"id", "text"} for fact in said[name]), name
