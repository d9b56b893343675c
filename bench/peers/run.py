#!/usr/bin/env python3
"""attnc's CPU kernels beside PyTorch's scaled_dot_product_attention and compiled FlexAttention, in one run.

    run.py                                   all cases, with build/release
    run.py --only='f32 128 4k' --rounds=5    some of them

OUT/results.json and OUT/results.md are written after every case. README.md says what is measured and how.
"""
import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE.parent / "gpu"))

import attnc      # noqa: E402
import cases      # noqa: E402
import machine    # noqa: E402
import processes  # noqa: E402
import tables     # noqa: E402
from results import plain, write_atomically  # noqa: E402

FORMAT = 1
CONTESTANTS = ("attnc", "SDPA", "FlexAttention")


def chosen_level(program, runtime, dtype, folder):
    """The level that the runtime takes here of a package that has all of them."""
    spec, package = folder / f"{dtype}.attn", folder / f"{dtype}.attnpkg"
    spec.write_text(f"kernel probe {{ heads 1 head_dim 64 dtype {dtype} tokens [64] }}\n")
    subprocess.run([program, "compile", spec, "--target=cpu", "--emit=package", "-o", package], check=True)
    return runtime.load(runtime.open(package), runtime.device("cpu")).json()["from"].removeprefix("object ")


class Run:
    def __init__(self, options):
        self.options = options
        self.out = Path(options.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(prefix="attnc-peers-"))
        build = Path(options.build).resolve()
        attnc_program, runtime = build / "bin/attnc", build / "libattnc_runtime.so"
        for path in (attnc_program, runtime):
            if not path.exists():
                sys.exit(f"error: '{path}' is not there\nnote: build the targets attnc and attnc_runtime, or say --build=FOLDER")
        levels = {dtype: chosen_level(attnc_program, attnc.Runtime(runtime), dtype, self.scratch) for dtype in cases.DTYPES}
        self.settings = {"attnc": str(attnc_program), "runtime": str(runtime), "threads": options.threads, "seed": options.seed,
                         "heads": options.heads, "rounds": options.rounds, "case_seconds": options.case_seconds,
                         "isa": levels, "contestants": CONTESTANTS}
        self.data = self.earlier() if options.resume else self.nothing(machine.facts(attnc_program, ROOT))

    @staticmethod
    def now():
        return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")

    def nothing(self, facts):
        return {"format": FORMAT, "started": self.now(), "load_at_start": machine.load(), "machine": facts,
                "settings": self.told_settings(), "cases": [], "not_begun": []}

    def earlier(self):
        """What a run that was cut off has found, if it was made with these settings."""
        path = self.out / "results.json"
        if not path.exists():
            sys.exit(f"error: '{path}' is not there, so nothing can be resumed\nnote: leave out --resume")
        data = json.loads(path.read_text())
        if data["settings"] != self.told_settings():
            sys.exit(f"error: '{path}' has the settings {data['settings']}, not {self.told_settings()}\nnote: say another --out")
        return data | {"not_begun": [], "resumed": [*data.get("resumed", []), {"at": self.now(), "load": machine.load()}]}

    def told_settings(self):
        return {key: self.settings[key] for key in ("threads", "seed", "heads", "rounds", "case_seconds", "isa")}

    def save(self):
        write_atomically(self.out / "results.json", (json.dumps(plain(self.data), indent=1) + "\n").encode())
        (self.out / "results.md").write_text(tables.markdown(self.data))

    def child(self, kind, case, contestant, cache):
        """What the process answers, with the memory of its helpers."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        settings, answer, ready = folder / "settings.json", folder / "answer.json", folder / "ready"
        settings.write_text(json.dumps({**self.settings, "answer": str(answer), "ready": str(ready)}))
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(cache), "OMP_NUM_THREADS": str(self.options.threads)}
        command = [sys.executable, str(HERE / "child.py"), kind, case.name, contestant, str(settings)]
        code, helpers = processes.run(command, self.out / "log.txt", self.options.timeout, environment, ready)
        if not answer.exists():
            why = f"nothing after {self.options.timeout:.0f} s" if code is None else f"its process ended with {code}"
            return {"status": "failed", "reason": why}
        return json.loads(answer.read_text()) | ({"helpers_peak_bytes": helpers} if kind == "first" else {})

    def measure(self, case):
        """First results, each from an empty cache; then all in turns, where FlexAttention finds what it has compiled."""
        caches = Path(tempfile.mkdtemp(dir=self.scratch))
        row = {"name": case.name, "mask": case.kind, "tokens": case.tokens, "layout": case.layout, "dtype": case.dtype,
               "head_dim": case.head_dim, "heads": case.heads, "spec": case.spec(), "load_before": machine.load(),
               "first": {name: self.child("first", case, name, caches / name) for name in CONTESTANTS}}
        row |= self.child("steady", case, "-", caches / "FlexAttention")
        row["load_after"] = machine.load()
        shutil.rmtree(caches)
        return row

    def all(self):
        wanted = [case for case in cases.all_cases(self.options.heads, self.options.every) if self.options.only in case.name]
        if not wanted:
            sys.exit(f"error: no case has '{self.options.only}' in its name\nnote: names are like "
                     f"'{cases.all_cases()[0].name}'")
        print(tables.HEADINGS, flush=True)
        deadline = time.monotonic() + 60 * self.options.minutes
        done = {case["name"] for case in self.data["cases"]}
        for case in wanted:
            if case.name in done:
                continue
            if time.monotonic() > deadline:
                self.data["not_begun"].append(case.name)
                continue
            self.data["cases"].append(self.measure(case))
            self.save()
            print(tables.line(self.data["cases"][-1]), flush=True)
        self.data |= {"ended": self.now(), "load_at_end": machine.load()}
        self.save()
        print(f"\n{tables.goals(self.data)}\nwrote {self.out / 'results.json'} and results.md")
        shutil.rmtree(self.scratch)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=str(ROOT / "build/peers"), help="folder of the results")
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="where attnc is built")
    parser.add_argument("--threads", type=int, default=2, help="of every contestant")
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--every", action="store_true", help="head_dim 64 at 1k and 16k, too")
    parser.add_argument("--rounds", type=int, default=11, help="at most, of each case")
    parser.add_argument("--case-seconds", type=float, default=30, help="after which no further round of a case begins; three there are")
    parser.add_argument("--minutes", type=float, default=180, help="after which no further case begins")
    parser.add_argument("--resume", action="store_true", help="add the cases that OUT/results.json lacks")
    parser.add_argument("--timeout", type=float, default=600, help="seconds of one process")
    parser.add_argument("--seed", type=int, default=1, help="of the tensors")
    run = Run(parser.parse_args())
    run.all()


if __name__ == "__main__":
    main()
