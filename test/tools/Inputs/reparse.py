"""Writes a spec anew with the masks that `attnc simulate --json` has printed.

usage: reparse.py COUNTS.json SPEC: everything but the masks is copied from the spec.
"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    groups = json.load(file)["groups"]
with open(sys.argv[2], encoding="utf-8") as file:
    lines = file.read().splitlines()
head = [line for line in lines if "mask" not in line and line != "}"]
print("\n".join(head))
for group in groups:
    for number in group["heads"]:
        print(f"  heads {number}..{number} {{ mask {group['mask']} }}")
print("}")
