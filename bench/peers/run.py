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
LEVELS = {"f32": ("baseline", "avx2", "avx512"), "bf16": ("baseline", "avx2", "avx512", "avx512bf16", "amx")}


def best_level(dtype, host):
    """Of the levels that packages of this type have, the best one that the machine runs."""
    order = LEVELS["bf16"]
    return max((level for level in LEVELS[dtype] if order.index(level) <= order.index(host)), key=order.index)


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
        host = attnc.Runtime(runtime).device("cpu", {"threads": options.threads}).json()["isa"]
        self.settings = {"attnc": str(attnc_program), "runtime": str(runtime), "threads": options.threads, "seed": options.seed,
                         "heads": options.heads, "rounds": options.rounds, "case_seconds": options.case_seconds,
                         "isa": {dtype: best_level(dtype, host) for dtype in LEVELS}, "contestants": CONTESTANTS}
        self.data = {"format": FORMAT, "started": self.now(), "load_at_start": machine.load(),
                     "machine": machine.facts(attnc_program, ROOT), "settings": self.told_settings(), "cases": [], "not_begun": []}

    @staticmethod
    def now():
        return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")

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
        for case in wanted:
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
    parser.add_argument("--timeout", type=float, default=600, help="seconds of one process")
    parser.add_argument("--seed", type=int, default=1, help="of the tensors")
    run = Run(parser.parse_args())
    run.all()


if __name__ == "__main__":
    main()
