#!/usr/bin/env python3
"""Writes docs/masks.md and its pictures from dialect/AttnMasks.td and from what attnc does.

    mask_docs.py [--attnc=FILE] [--tblgen=FILE]           writes docs/masks.md and docs/masks/*.svg
    mask_docs.py [--attnc=FILE] [--tblgen=FILE] --check   says what is out of date, and then exits with 1

A picture is what a kernel computes: with q = k = 0 and V the identity, o[q, k] > 0 where q sees k. `attnc show` must
agree.
Standard library only.
"""
import argparse
import html
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The inputs that examples declare, by name, on the small layouts of the examples.
INPUTS = {
    "document": [0] * 4 + [1] * 4 + [0] * 3 + [2] * 5,
    "modality": [0] * 3 + [1] * 6 + [0] * 3 + [1] * 4,
    "seen": [int((5 * q + 3 * k) % 11 < 3 or q == k) for q in range(16) for k in range(16)],
    "row_ptr": [0, 1, 3, 5, 8, 10, 13, 16, 19],
    "key_blocks": [0, 0, 1, 0, 2, 0, 1, 3, 0, 4, 1, 3, 5, 0, 2, 6, 0, 5, 7],
    "cu": [0, 5, 12, 16],
}
# Of a field of an attribute, for readers.
FIELD_TYPES = {
    "int64_t": "an integer",
    "bool": "`true` or `false`",
    "::attn::Border": "`shift`, `clip` or `zero`",
    "::mlir::FlatSymbolRefAttr": "an `@name`",
    "::mlir::DenseI64ArrayAttr": "integers, one for each dimension",
    "::mlir::DenseBoolArrayAttr": "booleans",
    "::mlir::DenseF64ArrayAttr": "numbers, one for each head",
    "::mlir::FloatAttr": "a number",
    "::mlir::StringAttr": "a string",
    "::mlir::Attribute": "a mask",
    "::mlir::ArrayRef<::mlir::Attribute>": "masks",
    "::llvm::ArrayRef<::mlir::Attribute>": "masks",
}


def fail(message):
    sys.exit(f"mask_docs.py: {message}")


def run(command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


def output_of(command, **options):
    done = run(command, **options)
    if done.returncode:
        fail(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


# ---------------------------------------------------------------------------------------------------
# What TableGen knows
# ---------------------------------------------------------------------------------------------------


def read_kinds(tblgen):
    """The mask kinds in the order of the file."""
    includes = Path(tblgen).resolve().parent.parent / "include"
    records = json.loads(output_of(
        [tblgen, "--dump-json", "-I", ROOT, "-I", includes, ROOT / "dialect/AttnMasks.td"]))
    kinds = [records[name] for name in records["!instanceof"]["Attn_Mask"]]
    for kind in kinds:
        kind["fields"] = [field_of(records, kind, *argument) for argument in kind["parameters"]["args"]] \
            if kind["parameters"] else []
    source = (ROOT / "dialect/AttnMasks.td").read_text()
    for kind in kinds:
        kind["place"] = re.search(rf"^def {kind['!name']}\b", source, re.M).start()
        # `// Heading` between two rulers.
        kind["heading"] = re.findall(r"^//===-+===//\n// (.+)\n//===-+===//$", source[: kind["place"]], re.M)[-1]
    return sorted(kinds, key=lambda kind: kind["place"])


def field_of(records, kind, parameter, name):
    """Name, type in words, whether it may be left out."""
    record = {} if isinstance(parameter, str) else records[parameter["def"]]
    cpp = record.get("cppType", parameter)
    if cpp not in FIELD_TYPES:
        fail(f"field '{name}' of {kind['!name']} is of type '{cpp}', which FIELD_TYPES lacks")
    default = record.get("defaultValue")
    return name, FIELD_TYPES[cpp], default


def text_of(description):
    """A description without its common indentation, its lines joined unless they are set off."""
    lines = description.strip("\n").rstrip().split("\n") if description else []
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    lines = [line[indent:].rstrip() for line in lines]
    text = ""
    for line in lines:
        set_off = line.startswith("  ")
        was_set_off = text.rsplit("\n", 1)[-1].startswith("    ")
        text += ("\n\n" if set_off != was_set_off and text else "\n" if text else "")
        text += "  " + line if set_off else line
    return with_links(text)


def with_links(text):
    return re.sub(r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)


# ---------------------------------------------------------------------------------------------------
# Examples
# ---------------------------------------------------------------------------------------------------


class Example:
    """The kernel of a kind's example."""

    def __init__(self, kind):
        text = kind["example"]
        self.name = kind["mnemonic"]
        self.tokens = [int(n) for n in re.search(r"tokens \[([\d, ]+)\]", text)[1].split(",")]
        self.inputs = re.findall(r"input (\w+) : (\w+)\[([^\]]*)\]", text)
        plan = re.search(r'spans\("([^"]+)"', text)
        self.heads = len(json.loads((ROOT / plan[1]).read_text())["alphas"][0]) if plan else 1
        self.count = 1
        for length in self.tokens:
            self.count *= length
        # What is written besides the layout and the inputs.
        rest = re.sub(r"tokens \[[^\]]*\]\s*|input \w+ : \w+\[[^\]]*\]\s*", "", text)
        self.mask = rest.strip()
        self.text = text

    def spec(self):
        # Plans lie beside the specs that name them.
        text = re.sub(r'"([^"]+\.json)"', lambda m: f'"{ROOT / m[1]}"', self.text)
        return (f"kernel {self.kernel()} {{ heads {self.heads} head_dim 16 value_dim {self.count} dtype f32\n"
                f"{text} }}\n")

    def kernel(self):
        return f"kind_{self.name}"

    def values(self):
        """The inputs of the picture, where they are short."""
        lines = [f"\n- `{name}`: {' '.join(map(str, INPUTS[name]))}" for name, _, extents in self.inputs
                 if "," not in extents]
        return "".join(lines)

    def shape(self, extents):
        numbers = {"batch": 1, "heads": self.heads, "tokens": self.count, "kv_tokens": self.count}
        return [numbers[e] if e in numbers else int(e) for e in extents.replace(" ", "").split(",")]


def write_safetensors(path, tensors):
    """name -> (type, shape, bytes)"""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensor(path, name):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    begin, end = json.loads(content[8 : 8 + size])[name]["data_offsets"]
    return struct.unpack(f"<{(end - begin) // 4}f", content[8 + size + begin : 8 + size + end])


def packed_input(name, dtype, shape):
    if name not in INPUTS:
        fail(f"input '{name}' of an example has no values in INPUTS")
    values, count = INPUTS[name], 1
    for extent in shape:
        count *= extent
    if len(values) != count:
        fail(f"input '{name}' has {len(values)} values, but its shape is {shape}")
    if dtype == "bool":
        return "BOOL", shape, bytes(values)
    return "I32", shape, struct.pack(f"<{count}i", *values)


def visible_pairs(attnc, example, folder):
    """For each head the rows of the mask, as a kernel on the CPU computes them."""
    n, heads = example.count, example.heads
    spec, inputs, out = folder / "spec.attn", folder / "in.safetensors", folder / "out.safetensors"
    spec.write_text(example.spec())
    zeros = bytes(4 * heads * n * 16)
    identity = b"".join(struct.pack("<f", float(i == j)) for i in range(n) for j in range(n))
    tensors = {"q": ("F32", [1, heads, n, 16], zeros), "k": ("F32", [1, heads, n, 16], zeros),
               "v": ("F32", [1, heads, n, n], identity * heads)}
    for name, dtype, extents in example.inputs:
        tensors[name] = packed_input(name, dtype, example.shape(extents))
    write_safetensors(inputs, tensors)
    output_of([attnc, "run", spec, f"--inputs={inputs}", f"--output={out}", "--check"])
    seen = [element > 0 for element in read_safetensor(out, "o")]
    if seen != shown_pairs(attnc, spec, inputs if example.inputs else None, folder / "shown.npy"):
        fail(f"the kernel and 'attnc show' do not agree on\n{example.spec()}")
    return [[seen[(h * n + q) * n : (h * n + q + 1) * n] for q in range(n)] for h in range(heads)]


def shown_pairs(attnc, spec, inputs, path):
    """The same pairs, row-major, as `attnc show` has them."""
    output_of([attnc, "show", spec, "--elements", "--format=npy", f"--output={path}"]
              + ([f"--inputs={inputs}"] if inputs else []))
    content = path.read_bytes()
    return [byte == 1 for byte in content[10 + struct.unpack("<H", content[8:10])[0] :]]


def mlir_of(attnc, example, folder):
    """The mask as the dialect prints it."""
    spec = folder / "spec.attn"
    spec.write_text(example.spec())
    text = output_of([attnc, "compile", spec, "--emit=attn"])
    start = text.index("mask(") + len("mask(")
    depth, quoted = 1, False
    for end in range(start, len(text)):
        quoted ^= text[end] == '"'
        if not quoted:
            depth += (text[end] == "(") - (text[end] == ")")
        if depth == 0:
            return text[start:end]
    fail(f"no mask in what attnc prints for {example.spec()}")


# ---------------------------------------------------------------------------------------------------
# Pictures
# ---------------------------------------------------------------------------------------------------

SIDE = 176  # about, of a picture
SEEN, HIDDEN = "#1f83c4", "#8b949e"  # on white and on black


def rectangles(rows):
    """What is True as (column, row, width, height): runs of a row, joined with equal runs below."""
    open_runs, done = {}, []
    for y, row in enumerate(rows + [[]]):
        runs, begin = set(), None
        for x, seen in enumerate(row + [False]):
            if seen and begin is None:
                begin = x
            if not seen and begin is not None:
                runs.add((begin, x))
                begin = None
        for ended in open_runs.keys() - runs:
            top = open_runs.pop(ended)
            done.append((ended[0], top, ended[1] - ended[0], y - top))
        for started in runs - open_runs.keys():
            open_runs[started] = y
    return sorted(done)


def number(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def matrix(rows, step, left, room):
    """One matrix about `room` wide, in squares of step x step pairs with a gap between them."""
    count = len(rows) // step
    gap = 1 if step == 1 else 2
    side = round((room - (count - 1) * gap) / count)
    hidden = seen = ""
    for j in range(count):
        for i in range(count):
            x, y = left + i * (side + gap), j * (side + gap)
            hidden += f"M{x} {y}h{side}v{side}h-{side}z"
            square = [row[i * step : (i + 1) * step] for row in rows[j * step : (j + 1) * step]]
            for column, top, width, height in rectangles(square):
                pixels = [number(length * side / step) for length in (column, top, width, height)]
                seen += (f"M{number(x + float(pixels[0]))} {number(y + float(pixels[1]))}"
                         f"h{pixels[2]}v{pixels[3]}h-{pixels[2]}z")
    return count * (side + gap) - gap, (f'<path fill="{HIDDEN}" fill-opacity=".2" d="{hidden}"/>\n'
                                        f'<path fill="{SEEN}" d="{seen}"/>\n')


def step_of(example):
    """Tokens between two gaps: a row of the layout, a block, or one token."""
    size = re.search(r"size = (\d+)", example.text)
    if len(example.tokens) > 1:
        return example.tokens[-1]
    if size and example.count > 32:
        return int(size[1])
    return 64 if example.count > 64 else 1


def picture(kind, example, heads):
    """The matrices of the heads, side by side."""
    between = 8
    room = (SIDE - (len(heads) - 1) * between) // len(heads)
    left, body = 0, ""
    for rows in heads:
        extent, paths = matrix(rows, step_of(example), left, room)
        body += paths
        left += extent + between
    width = left - between
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{extent}" '
            f'viewBox="0 0 {width} {extent}" role="img">\n'
            f"<title>{html.escape(kind['mnemonic'] + ': ' + example.mask, quote=False)}</title>\n{body}</svg>\n")


# ---------------------------------------------------------------------------------------------------
# Arguments, as attnc itself tells them
# ---------------------------------------------------------------------------------------------------


def complaint(attnc, mask):
    spec = f"kernel a {{ heads 1 head_dim 16 dtype f32 tokens [16] mask {mask} }}\n"
    done = run([attnc, "compile", "-", "--emit=attn"], input=spec)
    if done.returncode != 1:
        fail(f"'mask {mask}' was to be refused")
    return done.stderr


def quoted(text):
    return re.findall(r"'([^']*)'", text)


def arguments_table(attnc):
    """One row for each name that a mask may have in .attn text."""
    first = complaint(attnc, "nothing_like_it").split("\n")[0]
    names = quoted(first.split(", or a predicate")[0])[1:]
    rows = []
    for name in names:
        known = complaint(attnc, f"{name}(nothing_like_it = 0)").split("\n")[0]
        arguments = quoted(known.split("expected", 1)[1]) if "expected" in known else []
        many = complaint(attnc, f"{name}({', '.join(['9'] * 9)})")
        positional = int(m[1]) if (m := re.search(r"takes at most (\d+)", many)) else 0
        usage = re.search(r"note: write (.*)", many)[1]
        rows.append(f"| `{name}` | {listed(arguments[:positional])} | {listed(arguments[positional:])} | "
                    f"{with_code(usage, name)} |")
    return "\n".join(["| kind | by position or by name | by name only | how it is written |",
                      "|---|---|---|---|"] + rows)


def listed(words):
    return ", ".join(f"`{word}`" for word in words) or "–"


def with_code(usage, name):
    """A sentence about usage with its calls set in code."""
    return re.sub(rf"\b{name}\b(?:\([^()]*\))?", lambda call: f"`{call[0]}`", usage)


# ---------------------------------------------------------------------------------------------------
# The page
# ---------------------------------------------------------------------------------------------------


def cell(text):
    """Code in a table."""
    return "`" + text.replace("|", "\\|") + "`"


def overview_row(kind, example):
    name = kind["mnemonic"]
    image = f'<img src="masks/{name}.svg" alt="{name}">' if example else "–"
    shown = cell(example.mask) if example else "–"
    return f"| [{name}](#{name}) | {cell(kind['formula'])} | {image} | {shown} |"


def field_line(name, words, default):
    if default is None:
        return f"- `{name}`: {words}"
    if default in ("", "{}", "nullptr") or "Attr()" in default or "()" in default:
        return f"- `{name}`: {words}, may be left out"
    return f"- `{name}`: {words}; {default.split('::')[-1].lower()} where left out"


def spelled(kind):
    """How specs write the kind, where that is not its mnemonic."""
    if kind["spelling"] == kind["mnemonic"]:
        return ""
    if not kind["spelling"]:
        return "\n\nSpecs do not name it."
    return "\n\nSpecs write " + " or ".join(f"`{word}`" for word in kind["spelling"].split(" or ")) + "."


def section(kind, example, mlir):
    parts = [f"### {kind['mnemonic']}", with_links(sentence(kind["summary"])) + spelled(kind),
             f"    {kind['formula']}"]
    if example:
        parts.append(f"- example: `{example.text}`\n- in MLIR: `{mlir}`{example.values()}")
    if description := text_of(kind["description"]):
        parts.append(description)
    if kind["papers"]:
        parts.append(f"Used by: {with_links(kind['papers'])}.")
    if kind["fields"]:
        parts.append(f"Fields of `#attn.{kind['mnemonic']}`:\n\n"
                     + "\n".join(field_line(*field) for field in kind["fields"]))
    return "\n\n".join(parts)


def sentence(text):
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


INTRODUCTION = """\
<!-- Made by scripts/mask_docs.py from dialect/AttnMasks.td and from what attnc computes. Edit there. -->

# Masks

Every mask kind with its formula, its picture, its spelling in MLIR and its sources. How specs combine kinds, and what they
say about positions, layouts and inputs, is in [language.md](language.md).

A picture has a row for each query, from the top, and a column for each key; blue is seen. It is what a kernel computes for the
example: with scores of 0 and the identity as values, an output element is positive where the query sees the key. `attnc show`
says the same, and a test keeps page and pictures up to date. In formulas q is the position of the query with `q_offset` added, and k that of the key.

## All kinds

| kind | a query sees a key when | picture | example |
|---|---|---|---|
"""
ARGUMENTS = """

## Arguments

As specs write them. Arguments of the second column may come without their names, in this order. What is left out has the
value that [language.md](language.md) gives.

"""


def build(attnc, tblgen, folder):
    """Files of the page by their path in docs/."""
    kinds = read_kinds(tblgen)
    files, rows, sections = {}, [], []
    for kind in kinds:
        example = Example(kind) if kind["example"] else None
        mlir = ""
        if example:
            heads = visible_pairs(attnc, example, folder)
            files[f"masks/{kind['mnemonic']}.svg"] = picture(kind, example, heads)
            mlir = mlir_of(attnc, example, folder)
        rows.append(overview_row(kind, example))
        if not sections or kind["heading"] != heading:
            sections.append(f"## {kind['heading']}")
        heading = kind["heading"]
        sections.append(section(kind, example, mlir))
    files["masks.md"] = (INTRODUCTION + "\n".join(rows) + ARGUMENTS + arguments_table(attnc) + "\n\n"
                         + "\n\n".join(sections) + "\n")
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attnc", default=str(ROOT / "build/dev/bin/attnc"))
    parser.add_argument("--tblgen", default="llvm-tblgen-22")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    for tool in (options.attnc, options.tblgen):
        if not shutil.which(tool):
            fail(f"there is no program '{tool}'")
    with tempfile.TemporaryDirectory() as folder:
        files = build(options.attnc, shutil.which(options.tblgen), Path(folder))
    docs = ROOT / "docs"
    pictures = {f"masks/{path.name}" for path in (docs / "masks").glob("*.svg")}
    stale = [name for name, text in files.items()
             if not (docs / name).exists() or (docs / name).read_text() != text]
    left_over = sorted(pictures - files.keys())
    if options.check:
        for name in stale + left_over:
            print(f"docs/{name} is out of date: run scripts/mask_docs.py")
        print(f"{len(files)} files of docs/masks.md, {len(stale) + len(left_over)} out of date")
        return bool(stale or left_over)
    (docs / "masks").mkdir(exist_ok=True)
    for name in stale:
        (docs / name).write_text(files[name])
    for name in left_over:
        (docs / name).unlink()
    print(f"{len(files)} files, {len(stale)} written, {len(left_over)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
