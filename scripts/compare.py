#!/usr/bin/env python3
"""Compares one f32 tensor of two safetensors files; exits 1 if they differ by more than a tolerance.

    compare.py RESULT EXPECTED --tensor=o --tolerance=2e-5

The tolerance is relative to 1 + |expected|. Standard library only.
"""
import argparse
import array
import json
import math
import struct
import sys


def read_tensor(path, name):
    """Returns (shape, values)."""
    with open(path, "rb") as file:
        (header_size,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(header_size))[name]
        if entry["dtype"] != "F32":
            sys.exit(f"error: '{name}' in '{path}' is {entry['dtype']}, but only F32 is compared")
        begin, end = entry["data_offsets"]
        file.seek(8 + header_size + begin)
        values = array.array("f", file.read(end - begin))
    if sys.byteorder == "big":
        values.byteswap()
    return entry["shape"], values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result")
    parser.add_argument("expected")
    parser.add_argument("--tensor", required=True)
    parser.add_argument("--tolerance", type=float, required=True)
    options = parser.parse_args()

    shape, result = read_tensor(options.result, options.tensor)
    expected_shape, expected = read_tensor(options.expected, options.tensor)
    if shape != expected_shape or len(result) != math.prod(shape) or len(result) != len(expected):
        sys.exit(f"error: '{options.tensor}' is {shape} in '{options.result}', {expected_shape} in '{options.expected}'")
    errors = [abs(a - b) for a, b in zip(result, expected)]
    # A NaN compares false with everything, so ask for what must hold.
    sound = all(e <= options.tolerance * (1 + abs(b)) for e, b in zip(errors, expected))
    print(f"{options.tensor} {shape}: largest difference {max(errors):.3g}, "
          f"allowed {options.tolerance:g} * (1 + |x|): {'equal' if sound else 'DIFFERENT'}")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
