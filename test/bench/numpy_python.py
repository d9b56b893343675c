"""Tests of bench/gpu need a Python with numpy; the first python3 of PATH may be one without."""
import os
import shutil
import subprocess
import sys

SKIPPED = 77
CANDIDATES = (sys.executable, "python3", "/usr/bin/python3")


def has_numpy(python):
    return subprocess.run([python, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode == 0


def find():
    """The path of one, or None."""
    for candidate in CANDIDATES:
        path = shutil.which(candidate)
        if path and has_numpy(path):
            return path
    return None


def need():
    """Goes on in a Python with numpy: returns where this one has it, else starts another or ends as skipped."""
    try:
        import numpy  # noqa: F401
        return
    except ImportError:
        pass
    python = find()
    if python is None:
        print(f"SKIPPED: none of {', '.join(CANDIDATES[1:])} has numpy; Debian's package is python3-numpy")
        sys.exit(SKIPPED)
    os.execv(python, [python, *sys.argv])
