#!/usr/bin/env python3
"""Everything that a machine with a GPU can tell about attnc, in one run of at most eight minutes.

    run.py                           on a GPU, from the folder of the unpacked bundle
    run.py --device=emulator --quick rehearses the same without a GPU: small shapes, instruction counts for times

Results go to OUT/results.json after every single finding, and to OUT/results.md at the end; a run that is cut off keeps
what it had. Each phase runs in a process of its own, which is killed when it hangs. README.md says what the fields mean.
"""
import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import build          # noqa: E402
import report         # noqa: E402
from results import Results  # noqa: E402

# name, seconds at most, seconds that one row may take, needs: what must be there. In the order of their worth, so that
# what is cut off is what can best be missed.
PHASES = [
    ("facts", 20, 20, ()),
    ("correctness", 110, 45, ("library",)),
    ("calibration", 60, 25, ("driver",)),
    ("timing", 90, 30, ("library",)),
    ("variants", 120, 30, ("library", "driver")),
    ("instructions", 60, 45, ("program",)),
    ("comparison", 20, 20, ("golden",)),
    ("tensor_maps", 15, 15, ("driver",)),
    ("sdpa", 50, 25, ("torch",)),
    ("flex", 110, 60, ("torch",)),
    ("counters", 70, 55, ("library", "driver")),
    ("sanitizer", 60, 55, ("library", "driver")),
    ("disassembly", 60, 20, ()),
]
BUILD_SECONDS = 150
LAST_PHASE_SECONDS = 3  # a phase is not begun with less
RESTARTS = 12


def has_torch():
    probe = subprocess.run([sys.executable, "-c", "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"])
    return probe.returncode == 0


class Run:
    def __init__(self, options):
        self.options = options
        self.out = Path(options.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.bundle = Path(options.bundle).resolve()
        self.logs = self.out / "logs"
        self.logs.mkdir(exist_ok=True)
        self.deadline = time.time() + options.seconds
        self.settings = {"bundle": str(self.bundle), "out": str(self.out), "device": options.device,
                         "quick": options.quick, "driver_library": options.driver_library, "seed": options.seed}
        path = self.out / "results.json"
        self.keep_earlier(path)
        manifest = self.bundle / "manifest.json"
        self.results = Results(path)
        self.results.set(started=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                         device=options.device, quick=options.quick, seconds_allowed=options.seconds,
                         bundle=json.loads(manifest.read_text()) if manifest.exists() else None)

    def keep_earlier(self, path):
        """An earlier run's results get its time in their name; its raw data would be taken for this run's."""
        if path.exists():
            path.rename(self.out / f"results.{int(path.stat().st_mtime)}.json")
        for file in self.out.glob("golden-*"):
            file.unlink()

    def say(self, text):
        print(f"[{time.time() - self.deadline + self.options.seconds:6.1f} s] {text}", flush=True)

    def build(self):
        self.results.set_phase("build", status="running")
        try:
            made = build.build_all(self.bundle, self.options.build or self.out / "build", self.options.builder, self.options.optimise,
                                   timeout=min(self.options.build_seconds, self.deadline - time.time()))
        except build.BuildError as error:
            self.results.set_phase("build", status="failed", reason=str(error)[-4000:])
            self.say(f"build failed: {error}")
            return
        self.settings.update(library=made["library"], program=made["program"])
        self.results.set_phase("build", status="done", seconds=made["seconds"])
        self.results.set(build={key: made[key] for key in ("builder", "seconds", "tried")})
        self.say(f"built by {made['builder']} in {made['seconds']} s")

    def missing(self, needs):
        """Why a phase cannot run here; None if it can."""
        if "library" in needs and not self.settings.get("library"):
            return "the runtime could not be built"
        if "program" in needs and not self.settings.get("program"):
            return "the emulator could not be built"
        if "driver" in needs and self.options.device == "emulator":
            return "needs a CUDA driver; this run has the emulator as its device"
        if "torch" in needs and not has_torch():
            return "PyTorch is not installed"
        if "golden" in needs and not (self.out / "golden-emulator.json").exists():
            return "there are no outputs of the emulator to compare with"
        return None

    def phase(self, name, seconds, row_seconds, needs):
        left = self.deadline - time.time()
        why = self.missing(needs)
        if why or left < LAST_PHASE_SECONDS:
            status = "skipped" if why else "cut"
            self.results.set_phase(name, status=status, reason=why or "no time was left")
            self.say(f"{name}: {status}: {why or 'no time left'}")
            return
        begun = time.time()
        self.results.set_phase(name, status="running")
        end = begun + min(seconds, left)
        status, reason = self.attempts(name, end, row_seconds)
        self.results = Results(self.results.path)
        self.results.set_phase(name, status=status, seconds=round(time.time() - begun, 2),
                               **({"reason": reason} if reason else {}))
        self.say(f"{name}: {status}" + (f": {reason.splitlines()[0][:160]}" if reason else ""))

    def attempts(self, name, end, row_seconds):
        """Starts the phase again after each fault, until it is done or its time is over; (status, reason)."""
        for _ in range(RESTARTS):
            code, why, log = self.attempt(name, end, row_seconds)
            if code == 0 and why is None:
                return ("cut", "its time was over") if time.time() > end else ("done", None)
            reason = why or f"the process ended with {code}"
            results = Results(self.results.path)
            rows = results.close_running("timeout" if why else "crashed", f"{reason}\n{log}"[-1500:])
            if time.time() > end - 1:
                return "cut", "its time was over"
            if code != 3 and not rows:
                return "failed", f"{reason}\n{log}"
        return "failed", f"gave up after {RESTARTS} faults"

    def attempt(self, name, end, row_seconds):
        """One process; (exit code, why it was killed or None, end of its log)."""
        settings = self.out / "settings.json"
        settings.write_text(json.dumps({**self.settings, "deadline": end}))
        log_path = self.logs / f"{name}.log"
        with open(log_path, "ab") as log:
            process = subprocess.Popen([sys.executable, str(HERE / "worker.py"), name, str(settings)], stdout=log,
                                       stderr=log, start_new_session=True, cwd=self.out)
        heartbeat, stamp, why = time.time(), None, None
        while process.poll() is None:
            time.sleep(0.1)
            now, changed = time.time(), self.results.path.stat().st_mtime_ns
            if changed != stamp:
                heartbeat, stamp = now, changed
            if now > end + 2 or now - heartbeat > row_seconds:
                why = "the phase's time was over" if now > end + 2 else f"nothing new for {row_seconds} s"
                break
        self.end_group(process)
        return process.returncode, why, log_path.read_text(errors="replace")[-1200:].strip()

    @staticmethod
    def end_group(process):
        """The process and what it started."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def all(self):
        self.build()
        wanted = self.options.phases.split(",") if self.options.phases else None
        for name, seconds, row_seconds, needs in PHASES:
            if wanted is None or name in wanted:
                self.phase(name, seconds, row_seconds, needs)
        self.results = Results(self.results.path)
        self.results.set(finished=True, seconds=round(time.time() - self.deadline + self.options.seconds, 1))
        text = report.markdown(self.results.data)
        (self.out / "results.md").write_text(text)
        self.archive()
        print(report.summary(self.results.data))
        self.say(f"wrote {self.out / 'results.json'}, results.md and results.tar.gz, which holds both and the raw data")

    def archive(self):
        """One file to send back. The emulator's golden data are left out: any machine makes them again."""
        path = self.out / "results.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=6) as tar:
            for file in sorted(self.out.iterdir()):
                if file.is_file() and file != path and not file.name.startswith("golden-emulator."):
                    tar.add(file, f"results/{file.name}")
            tar.add(self.logs, "results/logs")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "emulator"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="the small cases and a few forms of each instruction")
    parser.add_argument("--bundle", default=str(HERE.parent.parent), help="folder of the unpacked bundle")
    parser.add_argument("--out", default="gpu-results", help="folder of the results")
    parser.add_argument("--seconds", type=float, default=470, help="for everything")
    parser.add_argument("--phases", help="only these, separated by commas")
    parser.add_argument("--builder", choices=("auto", "cmake", "plain"), default="auto")
    parser.add_argument("--build", help="folder to build in, where an earlier build is used again")
    parser.add_argument("--build-seconds", type=float, default=BUILD_SECONDS, help="for each way to build")
    parser.add_argument("--optimise", default="-O2", help="for the compiler")
    parser.add_argument("--driver-library", help="instead of libcuda.so.1")
    parser.add_argument("--seed", type=int, help="of the inputs, to repeat a failure; absent: fresh ones")
    run = Run(parser.parse_args())
    run.all()
    return report.exit_code(run.results.data)


if __name__ == "__main__":
    sys.exit(main())
