"""check_packages.py ATTNC FOLDER: whether the packages in FOLDER are what ATTNC would launch today.

Compiles them again and compares the sections that launches depend on; code may differ, as other versions of
LLVM write it.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

attnc, folder = sys.argv[1], Path(sys.argv[2])


def extract(package, section):
    command = [attnc, "inspect", package, f"--extract={section}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def sections(package):
    text = subprocess.run([attnc, "inspect", package, "--json"], check=True, capture_output=True, text=True).stdout
    return [(s["kind"], s["target"]) for s in json.loads(text)["sections"]]


with tempfile.TemporaryDirectory() as made:
    subprocess.run([folder / "make_packages.sh", attnc, made], check=True)
    names = sorted(path.name for path in Path(made).iterdir())
    assert names, "make_packages.sh made nothing"
    for name in names:
        kept, fresh = folder / name, Path(made) / name
        assert sections(kept) == sections(fresh), f"{name} has other sections than a fresh one"
        for kind, target in sections(fresh):
            wanted = f"{kind}:{target}" if target else kind
            if kind in ("info", "spec") and extract(kept, wanted) != extract(fresh, wanted):
                sys.exit(f"error: section '{wanted}' of {name} is not what the compiler writes today\n"
                         f"note: run {folder / 'make_packages.sh'} {attnc}")
print("current:", ", ".join(names))
