"""Starts a measurement, ends it with all its helpers when it hangs, and watches the memory of the helpers meanwhile."""
import os
import signal
import subprocess
import time
from pathlib import Path

POLL_SECONDS = 0.02


def children_of(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    except OSError:  # ended meanwhile
        pass
    return found


def descendants(pid):
    found = []
    for child in children_of(pid):
        found += [child, *descendants(child)]
    return found


def resident_bytes(pid):
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def run(command, log, seconds, environment, ready=None):
    """(exit code or None where the time was over, largest sum of what the helpers held while `ready` existed)."""
    with open(log, "ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
    peak, deadline = 0, time.monotonic() + seconds
    try:
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            if ready is not None and ready.exists():
                peak = max(peak, sum(map(resident_bytes, descendants(process.pid))))
        return process.poll(), peak
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # its helpers, too
        except ProcessLookupError:
            pass
        process.wait()
