"""Compares the data in the page of `attnc show --format=html` with what --format=json writes.

usage: check-html.py PAGE.html MAP.json: every row of every mask, the counts, and whether the terms of a mask agree
with the mask on every tile. The page must need nothing beside it.
"""

import html.parser
import itertools
import json
import re
import sys

EMPTY, PARTIAL, FULL = range(3)


class Page(html.parser.HTMLParser):
    """Finds the data as a browser does, and everything that would be fetched."""

    def __init__(self, text):
        super().__init__()
        self.inside = False
        self.data = ""
        self.fetched = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.inside = tag == "script" and values.get("id") == "map"
        for name in ("src", "href", "srcset", "data", "action"):
            if not values.get(name, "data:").startswith("data:"):
                self.fetched.append((tag, values[name]))

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.data += data


def rows_of(term):
    """The rows of a term: progressions of lists of numbers."""
    for count, first, *step in term["rows"]:
        for n in range(count):
            yield [value + n * step[0][i] if step else value for i, value in enumerate(first)]


def tiles_of(row, rank):
    """The class of each key tile that a row visits."""
    size = 1 + 2 * rank
    tiles = {}
    for at in range(0, len(row), size):
        lo, hi = row[at + 1 : at + 1 + rank], row[at + 1 + rank : at + size]
        for tile in itertools.product(*map(range, lo, hi)):
            assert tile not in tiles, "boxes are disjoint"
            tiles[tile] = row[at]
    return tiles


def tiles_in_json(row, encoding):
    tiles = {}
    for name, state in (("full", FULL), ("partial", PARTIAL)):
        if encoding == "tiles":
            tiles.update((tuple(coords), state) for coords in row[name + "_coords"])
        else:
            for box in row[name + "_boxes"]:
                for tile in itertools.product(*map(range, box["lo"], box["hi"])):
                    tiles[tile] = state
    return tiles


def check_terms(terms, maps, grid, page):
    """A connective allows only some classes, given those of its operands. Tiles beyond the end are never full."""
    for term, said in zip(terms, maps):
        operands = [maps[i] for i in term["operands"]]
        for tile in grid:
            state = said.get(tile, EMPTY)
            below = [operand.get(tile, EMPTY) for operand in operands]
            sides = zip(tile, page["k_tile"], page["kv_layout"])
            ragged = any((t + 1) * extent > length for t, extent, length in sides)
            if term["op"] == "not":
                allowed = {EMPTY: {PARTIAL}, PARTIAL: {EMPTY, PARTIAL}} if ragged else {s: {FULL - s} for s in range(3)}
                assert state in allowed[below[0]], (term["text"], tile)
            elif term["op"] == "and":
                assert (state == FULL) == (min(below) == FULL), (term["text"], tile)
                assert state <= min(below), (term["text"], tile)
            elif term["op"] == "or":
                assert (state == EMPTY) == (max(below) == EMPTY), (term["text"], tile)
                assert state >= max(below), (term["text"], tile)
            else:
                assert term["op"] == "kind" and not operands


def check_group(shown, listed, encoding, page):
    for name in ("heads", "mask", "exact", "tiles_visited", "tiles_full", "tiles_all"):
        assert shown[name] == listed[name], name
    assert shown["row_step"] == 1
    rank, grid = len(page["layout"]), list(itertools.product(*map(range, page["k_tiles"])))
    rows = [list(rows_of(term)) for term in shown["terms"]]
    for number, expected in enumerate(listed["query_tiles"]):
        maps = [tiles_of(term[number], rank) for term in rows]
        assert maps[0] == tiles_in_json(expected, encoding), number
        check_terms(shown["terms"], maps, grid, page)
    assert all(len(term) == len(listed["query_tiles"]) for term in rows)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    with open(sys.argv[2], encoding="utf-8") as file:
        listed = json.load(file)
    found = Page(text)
    assert not found.fetched, found.fetched
    elsewhere = set(re.findall(r"https?://[^\s\"'<)]*|@import|url\(", text))
    assert elsewhere <= {"http://www.w3.org/2000/svg"}, elsewhere
    page = json.loads(found.data)
    for name in ("kernel", "tokens", "kv_tokens", "num_queries", "num_keys", "q_offset", "layout", "kv_layout", "q_tile", "k_tile", "q_tiles", "k_tiles"):
        assert page[name] == listed[name], name
    for shown, expected in zip(page["groups"], listed["groups"], strict=True):
        check_group(shown, expected, listed["encoding"], page)
    terms = sum(len(group["terms"]) for group in page["groups"])
    print(f"agree: {page['kernel']!r}, {len(page['groups'])} masks, {terms} terms")


main()
