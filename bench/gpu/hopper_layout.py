"""Shared-memory matrix descriptors of wgmma and where an element lies: PTX ISA 9.7.15.5.1.2, and 5.5.7 for swizzles."""

SWIZZLES = {"none": (0, 16), "128": (1, 128), "64": (2, 64), "32": (3, 32)}  # code, bytes of a row


def descriptor(address, leading, stride, swizzle):
    """The 64 bits: start address, leading and stride byte offsets, each without its low four bits, and the swizzle."""
    return ((address & 0x3FFFF) >> 4 | (leading >> 4 & 0x3FFF) << 16 | (stride >> 4 & 0x3FFF) << 32
            | SWIZZLES[swizzle][0] << 62)


def swizzled(address, swizzle):
    """Bits 4 and up of an address are xored with those from 7 on."""
    mask = {"none": 0, "32": 1, "64": 3, "128": 7}[swizzle]
    return address ^ (address >> 7 & mask) << 4


def k_major(row, column, leading, stride, swizzle, size=2):
    """Byte offset of element (row, column k) from the start address, before the swizzle."""
    width = SWIZZLES[swizzle][1]
    if swizzle == "none":
        per_chunk = 16 // size
        return row % 8 * 16 + row // 8 * stride + column // per_chunk * leading + column % per_chunk * size
    return row % 8 * width + row // 8 * stride + column * size


def mn_major(row, column, leading, stride, swizzle, size=2):
    """The same where the row index (M or N) runs fastest in memory."""
    width = SWIZZLES[swizzle][1]
    if swizzle == "none":
        per_chunk = 16 // size
        return row % per_chunk * size + row // per_chunk * stride + column % 8 * 16 + column // 8 * leading
    per_row = width // size
    return row % per_row * size + row // per_row * leading + column % 8 * width + column // 8 * stride
