"""What the figures were measured on."""
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")


def said(*command):
    """The first line that a program prints, or why it did not."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        return (done.stdout.decode(errors="replace").strip().splitlines() or [""])[0]
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"


def cpuinfo(field):
    match = re.search(rf"^{field}\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return match.group(1) if match else "unknown"


def memory_bytes():
    return int(re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.M).group(1)) * 1024


def load():
    """The load average of one minute: what ran beside this program, and the program itself."""
    return round(os.getloadavg()[0], 2)


def facts(attnc, root):
    flags = cpuinfo("flags").split()
    return {"processor": cpuinfo("model name"), "processors": os.cpu_count(),
            "instructions": [flag for flag in FLAGS if flag in flags], "memory_bytes": memory_bytes(),
            "system": platform.platform(), "python": sys.version.split()[0], "torch": importlib.metadata.version("torch"),
            "compiler of FlexAttention": said("g++", "--version"), "attnc": said(attnc, "--version"),
            "revision": said("git", "-C", str(root), "describe", "--always", "--dirty")}
