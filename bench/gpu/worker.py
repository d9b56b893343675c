#!/usr/bin/env python3
"""One phase of a run, in a process of its own: run.py starts it, kills it when it hangs, and starts it again.

    worker.py PHASE SETTINGS.json

Exit codes: 0 the phase is done, 3 the device's context is lost and a new process may go on with the rows that are left.
"""
import json
import os
import sys
import time
from pathlib import Path

import cuda
from results import Results


class Context:
    """What every phase needs. The driver, its stream and big buffers are made when they are first asked for."""

    def __init__(self, settings):
        self.bundle, self.out = Path(settings["bundle"]), Path(settings["out"])
        self.device, self.quick = settings["device"], settings["quick"]
        self.library, self.program = settings.get("library"), settings.get("program")
        self.driver_library = settings.get("driver_library")
        self.results = Results(self.out / "results.json")
        manifest = self.bundle / "manifest.json"
        self.manifest = json.loads(manifest.read_text()) if manifest.exists() else {}
        self.deadline = settings["deadline"]
        self.seed = settings["seed"]
        self._driver = self._stream = self._flush = None

    def expired(self):
        return time.time() > self.deadline

    def left(self):
        return max(0.0, self.deadline - time.time())

    def fresh_seed(self):
        return int.from_bytes(os.urandom(6), "little") if self.seed is None else self.seed

    @property
    def driver(self):
        if self._driver is None:
            self._driver = cuda.Driver(self.driver_library or "libcuda.so.1")
        return self._driver

    @property
    def stream(self):
        if self._stream is None:
            self._stream = self.driver.stream()
        return self._stream

    def flush_buffer(self, size):
        if self._flush is None:
            self._flush = (self.driver.allocate(size), size)
        return self._flush


def phases():
    """name -> function(context). Imported late, so that a phase's needs are its own."""
    import calibrate
    import counters
    import facts
    import golden_phases
    import packages
    import peers
    import variants
    return {"facts": facts.facts, "correctness": packages.correctness, "timing": packages.timing,
            "instructions": golden_phases.instructions, "comparison": golden_phases.comparison,
            "tensor_maps": golden_phases.tensor_maps, "disassembly": facts.disassembly,
            "calibration": calibrate.calibration, "sdpa": peers.sdpa, "flex": peers.flex,
            "counters": counters.counters, "sanitizer": counters.sanitizer, "variants": variants.variants}


def main():
    name, settings = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    context = Context(settings)
    try:
        phases()[name](context)
    except cuda.CudaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3 if error.fatal else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
