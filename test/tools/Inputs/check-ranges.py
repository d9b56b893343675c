"""Compares the ranges that `attnc explain --json` writes as formulas with the tiles of `attnc show --json`.

usage: check-ranges.py EXPLAINED.json SHOWN.json
"""
import itertools
import json
import math
import sys

FUNCTIONS = {"min": min, "max": max, "floor": math.floor, "ceil": math.ceil}


def tiles_of(ranges, names, grid):
    tiles = set()
    for dimensions in ranges:
        sides = []
        for entry, count in zip(dimensions, grid, strict=True):
            begin, end = (eval(entry[side], dict(FUNCTIONS), names) for side in ("begin", "end"))
            sides.append(range(max(begin, 0), min(end, count)))
        tiles.update(itertools.product(*sides))
    return tiles


with open(sys.argv[1], encoding="utf-8") as file:
    explained = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    shown = json.load(file)
compared = 0
for group, drawn in zip(explained["groups"], shown["groups"], strict=True):
    if not group["visits"]["formula"]:
        continue
    for row in drawn["query_tiles"]:
        names = {"N": shown["num_keys"]}
        names |= {f"T{d}": t for d, t in enumerate(row["coords"])} | {"T": row["coords"][0]}
        said = tiles_of(group["visits"]["ranges"], names, shown["k_tiles"])
        assert said == set(map(tuple, row["full_coords"] + row["partial_coords"])), (group["mask"], row["tile"])
        compared += 1
print(f"{compared} query tiles agree")
