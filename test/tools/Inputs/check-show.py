"""Compares the tile map that `attnc show --json` writes with the elements of the mask.

usage: check-show.py MAP.json MASK.npy: every tile is classified again from its elements. A map that is not exact
may say 'partial' of any tile.
"""

import ast
import itertools
import json
import struct
import sys


def read_npy(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<H", data[8:10])
    header = ast.literal_eval(data[10 : 10 + length].decode())
    assert header["descr"] == "|b1" and not header["fortran_order"], header
    return header["shape"], data[10 + length :]


def tokens_of(tile, extents, layout):
    """Row-major positions of a tile's tokens, and whether it reaches beyond the layout."""
    ranges = [
        range(t * e, min((t + 1) * e, n)) for t, e, n in zip(tile, extents, layout)
    ]
    ragged = any((t + 1) * e > n for t, e, n in zip(tile, extents, layout))
    positions = []
    for coords in itertools.product(*ranges):
        position = 0
        for coord, length in zip(coords, layout):
            position = position * length + coord
        positions.append(position)
    return positions, ragged


def listed_tiles(row, encoding, name, grid):
    if encoding == "boxes":
        tiles = []
        for box in row[name + "_boxes"]:
            sides = [range(lo, hi) for lo, hi in zip(box["lo"], box["hi"])]
            tiles += itertools.product(*sides)
        return tiles
    tiles = [tuple(coords) for coords in row[name + "_coords"]]
    for number, coords in zip(row[name], tiles, strict=True):
        expected = 0
        for coord, count in zip(coords, grid):
            expected = expected * count + coord
        assert number == expected, (number, coords)
    return tiles


def check_group(shown, group, elements, queries, keys):
    head = group["heads"][0]
    grid = list(itertools.product(*map(range, shown["k_tiles"])))
    visited = full = 0
    for row in group["query_tiles"]:
        said = {}
        for name in ("full", "partial"):
            for tile in listed_tiles(row, shown["encoding"], name, shown["k_tiles"]):
                assert tile not in said, "a tile is named once"
                said[tile] = name
        rows, _ = tokens_of(row["coords"], shown["q_tile"], shown["layout"])
        for tile in grid:
            columns, ragged = tokens_of(tile, shown["k_tile"], shown["kv_layout"])
            base = head * queries
            seen = [elements[(base + q) * keys + k] for q in rows for k in columns]
            expected = None
            if any(seen):
                expected = "full" if all(seen) and not ragged else "partial"
            safe = not group["exact"] and said.get(tile) == "partial"
            assert safe or said.get(tile) == expected, (row["tile"], tile, said.get(tile))
        visited += len(said)
        full += sum(name == "full" for name in said.values())
    assert (visited, full) == (group["tiles_visited"], group["tiles_full"])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        shown = json.load(file)
    (heads, queries, keys), elements = read_npy(sys.argv[2])
    assert heads == sum(len(group["heads"]) for group in shown["groups"])
    for group in shown["groups"]:
        check_group(shown, group, elements, queries, keys)
    bounds = sum(not group["exact"] for group in shown["groups"])
    print(f"agree: {len(shown['groups'])} masks, {shown['encoding']}" + (f", {bounds} safe" if bounds else ""))


main()
