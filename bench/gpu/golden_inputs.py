"""Deterministic inputs of single-instruction kernels: special values first, then drawn ones.

The same bits on every machine and with every version of numpy: integers are drawn by splitmix64 and nothing else is
computed in floating point, so that outputs kept as golden data can be compared years later without their inputs.
"""
import numpy as np

FLOATS = {"f16": (16, 5, 10), "bf16": (16, 8, 7), "f32": (32, 8, 23), "f64": (64, 11, 52)}
PACKED = {"f16x2": "f16", "bf16x2": "bf16"}


def bits_of(kind):
    """Width of a value of this type in bits; a predicate has 1."""
    if kind == "pred":
        return 1
    if kind in FLOATS:
        return FLOATS[kind][0]
    if kind in PACKED or kind == "tf32":
        return 32
    return int(kind[1:])


def draw(seed, count):
    """`count` 64-bit words of splitmix64."""
    with np.errstate(over="ignore"):
        x = np.uint64(seed & (2**64 - 1)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def seed_of(text):
    """FNV-1a: a seed from a name, the same in every process."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def float_specials(kind):
    """Bit patterns: zeros, subnormals, the ends of the normal range, ones, ties, infinities, NaNs."""
    bits, exponent_bits, fraction_bits = FLOATS[kind]
    bias = 2 ** (exponent_bits - 1) - 1
    top = (2**exponent_bits - 1) << fraction_bits

    def power(exponent, fraction=0):
        return (exponent + bias) << fraction_bits | fraction

    half = 1 << (fraction_bits - 1)
    patterns = [0, 1, 2, half, (1 << fraction_bits) - 1, 1 << fraction_bits, power(0), power(0, 1), power(-1),
                power(-1) - 1, power(0, half), power(1, half >> 1), power(1, half | half >> 1), power(2),
                power(min(fraction_bits, bias)), power(min(fraction_bits, bias), 1), power(min(fraction_bits + 1, bias), 1),
                power(min(7, bias)), power(min(31, bias)), power(-min(14, bias - 1)), power(-min(24, bias - 1), 1),
                top - 1, top, top | half, top | 1, top | half | 5]
    return [p | sign << (bits - 1) for p in patterns for sign in (0, 1)]


def integer_specials(bits):
    values = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 2**(bits - 1) - 1, 2**(bits - 1),
              2**(bits - 1) + 1, 2**bits - 2, 2**bits - 1, 0x5555555555555555, 0x8000000080000000]
    return sorted({v % 2**bits for v in values})


def specials(kind):
    if kind == "pred":
        return [0, 1]
    if kind in FLOATS:
        return float_specials(kind)
    if kind == "tf32":
        return [p & ~0x1FFF for p in float_specials("f32")]
    if kind in PACKED:
        some = float_specials(PACKED[kind])
        return [a | b << 16 for a, b in zip(some, some[7:] + some[:7])]
    return integer_specials(bits_of(kind))


def near_one(kind, words):
    """Bit patterns of floats of ordinary size: any sign and fraction, exponents from -6 to 5."""
    bits, exponent_bits, fraction_bits = FLOATS[kind]
    bias = 2 ** (exponent_bits - 1) - 1
    sign = words >> np.uint64(63)
    exponent = words >> np.uint64(40) & np.uint64(0xFFFF)
    exponent = exponent % np.uint64(12) + np.uint64(bias - 6)
    fraction = words & np.uint64(2**min(fraction_bits, 40) - 1)
    return sign << np.uint64(bits - 1) | exponent << np.uint64(fraction_bits) | fraction


def ordinary(kind, words):
    """Values of ordinary size for floats, any bits for others."""
    if kind in PACKED:
        part = PACKED[kind]
        return near_one(part, words) | near_one(part, draw(int(words[0]), len(words))) << np.uint64(16)
    if kind == "tf32":
        return near_one("f32", words) & np.uint64(0xFFFFE000)
    if kind in FLOATS:
        return near_one(kind, words)
    return words & np.uint64(2**bits_of(kind) - 1)


def column(kind, seed, count, pick):
    """One source: specials in the order of `pick`, then a third of any bits, then ordinary values."""
    some = np.array(specials(kind), dtype=np.uint64)
    words = draw(seed, count)
    third = max(1, (count - len(pick)) // 3)
    values = words & np.uint64(2**bits_of(kind) - 1 if bits_of(kind) < 64 else 2**64 - 1)
    values[len(pick) + third:] = ordinary(kind, words[len(pick) + third:]) if count > len(pick) + third else 0
    values[:len(pick)] = some[pick % len(some)]
    return values


def columns(name, kinds, count):
    """uint64[count][len(kinds)]: every pair of specials where they fit, drawn triples of them, then drawn values."""
    sizes = [len(specials(kind)) for kind in kinds]
    seed = seed_of(name)
    pairs = int(np.prod(sizes))
    if pairs <= count // 2:
        index = np.arange(pairs, dtype=np.uint64)
    else:
        index = draw(seed ^ 0x5A5A, count // 2) % np.uint64(pairs)
    result = np.zeros((count, len(kinds)), dtype=np.uint64)
    for i, kind in enumerate(kinds):
        result[:, i] = column(kind, seed + 977 * (i + 1), count, index % np.uint64(sizes[i]))
        index = index // np.uint64(sizes[i])
    return result


def every(kind):
    """All values of a 16-bit type, one each."""
    return np.arange(2**bits_of(kind), dtype=np.uint64)[:, None]
