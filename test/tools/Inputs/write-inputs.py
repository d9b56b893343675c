"""Writes a safetensors file of run-time inputs.

    write-inputs.py FILE NAME=TYPE[SHAPE]:EXPRESSION ...

EXPRESSION is evaluated for every element, at i0, i1, i2, i3: document=i32[300]:i0//100
"""
import itertools
import json
import re
import struct
import sys

TYPES = {"i32": ("I32", "<i"), "bool": ("BOOL", "<?"), "f32": ("F32", "<f")}

header, data = {}, bytearray()
for argument in sys.argv[2:]:
    name, dtype, shape, expression = re.fullmatch(r"(\w+)=(\w+)\[([\d,]*)\]:(.*)", argument).groups()
    extents = [int(extent) for extent in shape.split(",")]
    tag, layout = TYPES[dtype]
    code = compile(expression, name, "eval")
    begin = len(data)
    for at in itertools.product(*map(range, extents)):
        data += struct.pack(layout, eval(code, {f"i{d}": i for d, i in enumerate(at)}))
    header[name] = {"dtype": tag, "shape": extents, "data_offsets": [begin, len(data)]}
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
