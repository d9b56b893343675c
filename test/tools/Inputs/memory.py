"""Prints how many megabytes `attnc show --format=json` needs beyond `attnc --version`."""
import os
import subprocess
import sys


def peak_kilobytes(*command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} failed")
    return usage.ru_maxrss


attnc, spec = sys.argv[1:]
extra = peak_kilobytes(attnc, "show", spec, "--format=json") - peak_kilobytes(attnc, "--version")
print("extra megabytes:", max(extra, 0) // 1024)
