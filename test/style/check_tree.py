#!/usr/bin/env python3
"""Keeps the rules of the tree that no compiler keeps.

    check_tree.py ROOT         checks a tree, prints `file:line: error: ...` per finding, exits 1 on any
    check_tree.py --self-test  plants one violation of each rule in a tree of its own and wants it found

Standard library only.
"""
import re
import sys
import tempfile
from pathlib import Path

# The arrows between rooms. An include of ours must begin with one of the paths; the longest room that
# holds the including file counts. Rooms that are not here (jit, tools, bench, test) see everything.
ALGEBRA = "dialect/algebra/"
ARROWS = {
    ALGEBRA: [ALGEBRA],
    "dialect/": ["dialect/"],
    "frontend/": ["frontend/", "dialect/"],
    "simulator/": ["simulator/", "dialect/", "runtime/Error.h"],
    "simulator/time/": ["simulator/time/", ALGEBRA, "runtime/Error.h"],
    "passes/": ["passes/", "dialect/", "simulator/"],
    "codegen/": ["codegen/", "dialect/", "runtime/KernelInfo.h", "runtime/DType.h", "runtime/CpuFeatures.h"],
    "codegen/cpu/": ["codegen/", "dialect/", "runtime/KernelInfo.h", "runtime/DType.h", "runtime/CpuFeatures.h"],
    "codegen/generic/": ["codegen/", "dialect/", "runtime/KernelInfo.h"],
    "codegen/nvvm/": ["codegen/", "dialect/", "runtime/KernelInfo.h", "runtime/DType.h"],
    "runtime/": ["runtime/", ALGEBRA],
    "test/reference/": ["test/reference/"],
}
# Arrows that the prefixes above would allow.
FORBIDDEN = {
    "codegen/cpu/": ["codegen/generic/", "codegen/nvvm/"],
    "codegen/generic/": ["codegen/cpu/", "codegen/nvvm/"],
    "codegen/nvvm/": ["codegen/cpu/", "codegen/generic/"],
}
ROOMS = ["bench", "codegen", "dialect", "frontend", "jit", "passes", "runtime", "simulator", "test", "tools"]
# These build where LLVM is absent.
WITHOUT_LLVM = ["runtime/", ALGEBRA, "simulator/time/", "test/reference/"]
# These ask the mask interface and know no kind by name.
WITHOUT_KINDS = ["passes/", "codegen/", "runtime/", "simulator/"]

MAX_LINES = 600
CODE = {".cpp", ".h", ".td", ".py", ".sh", ".cmake"}
TEXT = CODE | {".md", ".mlir", ".attn", ".json", ".txt", ".yml", ".run", ""}
SKIPPED = {"build", "third_party", "shared", "__pycache__"}

INCLUDE = re.compile(r'^\s*(?:#\s*)?include\s*(["<])([^">]+)[">]')
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|home|root|Users)/\w")
REGISTRY = re.compile(
    r"pypi\.org|pythonhos[t]ed|deb\.debian\.org|npm[j]s|crates\.io|index[-]url|--regist[r]y|https?://[^ )]*/(?:simpl[e]|debia[n])/")
UNFINISHED = re.compile(r"\b(?:T[O]DO|FIX[M]E|X[X]X|H[A]CK|not impleme[n]ted|unimpl[e]mented|placehol[d]er)\b")


def files_of(root):
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(p in SKIPPED or p.startswith(".") and p != ".ci" for p in parts[:-1]):
            continue
        if path.is_file() and path.suffix in TEXT and parts[-1] not in SKIPPED:
            yield path


def room_of(name):
    """The longest room of ARROWS that holds the file, or None."""
    return max((room for room in ARROWS if name.startswith(room)), key=len, default=None)


def check_include(name, room, quote, target):
    if target.startswith((".", "/")) or quote == '"' and "/" not in target:
        return f"an include is a path in the repository, not '{target}'"
    if target.startswith(("mlir/", "llvm/", "llvm-c/", "mlir-c/")):
        if name.startswith(tuple(WITHOUT_LLVM)):
            return f"'{target}': {room} builds without LLVM and MLIR"
        return None
    if target.split("/")[0] not in ROOMS or room is None:
        return None
    if not target.startswith(tuple(ARROWS[room])) or target.startswith(tuple(FORBIDDEN.get(room, ()))):
        return f"{room} may not include '{target}', only: {', '.join(ARROWS[room])}"
    return None


def kinds_of(root):
    """The C++ names of the mask kinds, from where they are defined."""
    masks = root / "dialect" / "AttnMasks.td"
    text = masks.read_text() if masks.exists() else ""
    return re.findall(r"^def Attn_(\w+Mask)\b", text, re.M)


def check_file(name, text, kinds):
    """Yields (line number, message)."""
    room = room_of(name)
    suffix = Path(name).suffix
    lines = text.splitlines()
    if suffix in CODE and len(lines) > MAX_LINES:
        yield len(lines), f"a file of ours has at most {MAX_LINES} lines"
    if suffix == ".h" and "#pragma once" not in text:
        yield 1, "a header says #pragma once"
    kind_names = re.compile(r"\b(?:%s)\b" % "|".join(kinds))
    for number, line in enumerate(lines, 1):
        include = INCLUDE.match(line) if suffix in {".cpp", ".h", ".td"} else None
        message = include and check_include(name, room, *include.groups())
        if message:
            yield number, message
        if name.startswith(tuple(WITHOUT_KINDS)) and suffix in {".cpp", ".h", ".td"}:
            for kind in kind_names.findall(line):
                yield number, f"'{kind}' outside dialect/: the mask interface lacks a question"
        if MACHINE_PATH.search(line):
            yield number, "a path of somebody's machine"
        if REGISTRY.search(line):
            yield number, "the host of a package registry"
        if suffix in CODE and UNFINISHED.search(line):
            yield number, "unfinished by its own words"


def check_passes(root):
    """A pass has one name in four spellings: Passes.td, flag, file and test."""
    table = root / "passes" / "Passes.td"
    text = table.read_text() if table.exists() else ""
    for match in re.finditer(r'^def (\w+)\s*:\s*Pass<"([^"]+)"', text, re.M):
        name, flag = match.groups()
        kebab = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
        line = text.count("\n", 0, match.start()) + 1
        if flag != f"attn-{kebab}":
            yield "passes/Passes.td", line, f"the flag of pass '{name}' is 'attn-{kebab}', not '{flag}'"
        for place in (f"passes/{name}.cpp", f"test/passes/{kebab}.mlir"):
            if not (root / place).exists():
                yield "passes/Passes.td", line, f"pass '{name}' lacks '{place}'"


def check_tree(root):
    """Returns the findings as (file, line, message)."""
    # AllMask, CausalMask, ...; in C++ the attribute classes drop the 'Mask' or keep it.
    kinds = [spelling for kind in kinds_of(root) for spelling in (kind + "Attr", kind[: -len("Mask")] + "Attr")]
    if not kinds:
        return [("dialect/AttnMasks.td", 1, "no mask kinds found, so their names cannot be looked for")]
    findings = list(check_passes(root))
    for path in files_of(root):
        name = path.relative_to(root).as_posix()
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            if path.suffix:
                findings.append((name, 1, "text is UTF-8"))
            continue
        findings += [(name, line, message) for line, message in check_file(name, text, kinds)]
    return findings


SOUND = {
    "dialect/AttnMasks.td": 'def Attn_CausalMask : Attn_Mask<"Causal", "causal">;\n',
    "dialect/Attn.h": '#pragma once\n#include "dialect/algebra/Expr.h"\n#include "mlir/IR/Builders.h"\n',
    "dialect/algebra/Expr.h": "#pragma once\n#include <vector>\n",
    "passes/Passes.td": 'def SplitTiles : Pass<"attn-split-tiles", "::mlir::ModuleOp">;\n',
    "passes/SplitTiles.cpp": '#include "passes/Passes.h.inc"\n#include "simulator/Machine.h"\n',
    "test/passes/split-tiles.mlir": "// RUN: attnc-opt %s --attn-split-tiles\n",
    "codegen/cpu/Emit.cpp": '#include "runtime/KernelInfo.h"\n#include "codegen/Layout.h"\n',
    "runtime/KernelInfo.h": '#pragma once\n#include "dialect/algebra/Expr.h"\n',
    "jit/Engine.cpp": '#include "codegen/nvvm/Emit.h"\n#include "runtime/KernelInfo.h"\n',
    "test/reference/Masks.cpp": '#include "test/reference/Masks.h"\n',
}
# What is planted on top of the sound tree, where it is to be found, and a part of the message.
PLANTED = [
    ({"dialect/Bad.cpp": '#include "passes/Pipeline.h"\n'}, "dialect/Bad.cpp:1", "may not include"),
    ({"dialect/Bad.td": 'include "frontend/X.td"\n'}, "dialect/Bad.td:1", "may not include"),
    ({"dialect/algebra/Bad.h": '#pragma once\n#include "dialect/Attn.h"\n'}, "dialect/algebra/Bad.h:2", "may not include"),
    ({"dialect/algebra/Bad.cpp": '#include "llvm/ADT/APInt.h"\n'}, "dialect/algebra/Bad.cpp:1", "without LLVM"),
    ({"frontend/Bad.cpp": '\n#include "passes/Pipeline.h"\n'}, "frontend/Bad.cpp:2", "may not include"),
    ({"simulator/Bad.cpp": '#include "passes/Pipeline.h"\n'}, "simulator/Bad.cpp:1", "may not include"),
    ({"passes/Bad.cpp": '#include "codegen/cpu/Emit.h"\n'}, "passes/Bad.cpp:1", "may not include"),
    ({"codegen/Bad.cpp": '#include "runtime/Tensor.h"\n'}, "codegen/Bad.cpp:1", "may not include"),
    ({"codegen/cpu/Bad.cpp": '#include "codegen/nvvm/Emit.h"\n'}, "codegen/cpu/Bad.cpp:1", "may not include"),
    ({"codegen/nvvm/Bad.cpp": '#include "codegen/cpu/Emit.h"\n'}, "codegen/nvvm/Bad.cpp:1", "may not include"),
    ({"runtime/Bad.cpp": '#include "dialect/Attn.h"\n'}, "runtime/Bad.cpp:1", "may not include"),
    ({"runtime/Bad.cpp": "#include <mlir/IR/Builders.h>\n"}, "runtime/Bad.cpp:1", "without LLVM"),
    ({"test/reference/Bad.cpp": '#include "runtime/Tensor.h"\n'}, "test/reference/Bad.cpp:1", "may not include"),
    ({"jit/Bad.cpp": '#include "Engine.h"\n'}, "jit/Bad.cpp:1", "path in the repository"),
    ({"jit/Bad.cpp": '#include "../runtime/Tensor.h"\n'}, "jit/Bad.cpp:1", "path in the repository"),
    ({"jit/Bad.h": "int x;\n"}, "jit/Bad.h:1", "pragma once"),
    ({"tools/long.cpp": "\n" * (MAX_LINES + 1)}, f"tools/long.cpp:{MAX_LINES + 1}", "at most"),
    ({"passes/Bad.cpp": "bool x = isa<CausalMaskAttr>(mask);\n"}, "passes/Bad.cpp:1", "'CausalMaskAttr' outside"),
    ({"runtime/Bad.cpp": "// a CausalAttr\n"}, "runtime/Bad.cpp:1", "'CausalAttr' outside"),
    ({"docs/bad.md": "see /" + "home/me/attnc\n"}, "docs/bad.md:1", "machine"),
    ({"scripts/bad.sh": "pip install --index" + "-url x\n"}, "scripts/bad.sh:1", "registry"),
    ({"scripts/bad.sh": "# TO" + "DO later\n"}, "scripts/bad.sh:1", "unfinished"),
    ({"passes/Passes.td": 'def Foo : Pass<"attn-bar", "x">;\n'}, "passes/Passes.td:1", "'attn-foo', not 'attn-bar'"),
    ({"passes/Passes.td": '\ndef FooBar : Pass<"attn-foo-bar", "x">;\n'}, "passes/Passes.td:2", "lacks 'test/passes/foo-bar.mlir'"),
    ({"dialect/AttnMasks.td": "\n"}, "dialect/AttnMasks.td:1", "no mask kinds"),
]


def findings_with(planted):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in {**SOUND, **planted}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return check_tree(root)


def self_test():
    failures = [f"sound tree: {finding}" for finding in findings_with({})]
    for planted, place, message in PLANTED:
        findings = findings_with(planted)
        if not any(f"{file}:{line}" == place and message in said for file, line, said in findings):
            failures.append(f"planted {planted}: wanted '{message}' at {place}, found {findings}")
    for failure in failures:
        print(f"error: {failure}")
    print(f"{len(PLANTED)} planted violations, {len(failures)} failures")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    findings = check_tree(Path(arguments[0]))
    for file, line, message in findings:
        print(f"{file}:{line}: error: {message}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
