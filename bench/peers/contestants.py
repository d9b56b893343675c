"""Who is compared. Each contestant goes through the same steps, which are timed apart:

    make_mask()   whatever it needs to know who sees whom; returns its bytes
    make_kernel() from its source to something that can be called
    call()        the kernel; returns the output

make_kernel() returns the output, too, where it had to compute one.

`note` says what was measured.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "gpu"))

import attnc  # noqa: E402


class Unsupported(RuntimeError):
    """A contestant cannot do a case; the text says why."""


class Sdpa:
    """No mask for dense attention, is_causal for causal, else a bool tensor of all pairs."""
    name = "SDPA"

    def __init__(self, problem, settings):
        self.problem, self.mask = problem, None
        self.is_causal = problem.case.kind == "causal"
        self.note = {"dense": "no mask", "causal": "is_causal"}.get(problem.case.kind, "bool attn_mask")

    def make_mask(self):
        if self.problem.case.kind in ("dense", "causal"):
            return 0
        self.mask = self.problem.visible()
        return self.mask.nbytes

    def make_kernel(self):
        pass

    def other_compilations(self):
        return {}

    def call(self):
        p = self.problem
        return torch.nn.functional.scaled_dot_product_attention(p.q, p.k, p.v, attn_mask=self.mask, is_causal=self.is_causal)


class Flex:
    """FlexAttention under torch.compile. Its kernel is made by its first call."""
    name = "FlexAttention"
    note = "torch.compile(dynamic=False), create_block_mask with its default blocks of 128"

    def __init__(self, problem, settings):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention
        self.problem, self.block_mask = problem, None
        self.create_block_mask = create_block_mask
        self.compiled = torch.compile(flex_attention, dynamic=False)

    def make_mask(self):
        mask_mod, tokens = self.problem.mask_mod(), self.problem.case.tokens
        if mask_mod is None:
            return 0
        self.block_mask = self.create_block_mask(mask_mod, None, None, tokens, tokens, device="cpu")
        return sum(part.nbytes for part in self.block_mask.as_tuple() if isinstance(part, torch.Tensor))

    def make_kernel(self):
        return self.call()

    def call(self, scale=None):
        p = self.problem
        return self.compiled(p.q, p.k, p.v, block_mask=self.block_mask, scale=scale)

    def other_compilations(self):
        """Seconds until the result of one more kernel in the same process, which finds the probes and headers of the first. As
        this depends little on the length, at 4k alone."""
        if self.problem.case.length != "4k":
            return {}
        begun = time.perf_counter()
        self.call(scale=0.1)
        return {"compile_in_process_seconds": time.perf_counter() - begun}


class Attnc:
    """`attnc compile --emit=package` as a process of its own, its cache off, then the package through runtime/attnc.h."""
    name = "attnc"

    def __init__(self, problem, settings):
        self.problem, self.settings = problem, settings
        self.isa = settings["isa"][problem.case.dtype]
        self.note = f"package for {self.isa}"
        self.folder = tempfile.TemporaryDirectory(prefix="attnc-peers-")
        self.output = torch.full(problem.case.shape, float("nan"), dtype=problem.q.dtype)

    def attnc(self, *arguments):
        done = subprocess.run([self.settings["attnc"], *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "ATTNC_CACHE": "off"}, cwd=self.folder.name)
        text = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise Unsupported(f"attnc {' '.join(map(str, arguments))} ended with {done.returncode}: {text[-600:]}")
        return text

    def compile(self, package, *options):
        """Seconds of the whole process."""
        begun = time.perf_counter()
        self.attnc("compile", "spec.attn", "--target=cpu", "--emit=package", "-o", package, *options)
        return time.perf_counter() - begun

    def make_kernel(self):
        (Path(self.folder.name) / "spec.attn").write_text(self.problem.case.spec())
        self.compile("one.attnpkg", f"--isa={self.isa}")
        runtime = attnc.Runtime(self.settings["runtime"])
        device = runtime.device("cpu", {"threads": self.settings["threads"]})
        self.kernel = runtime.load(runtime.open(Path(self.folder.name) / "one.attnpkg"), device)
        self.runtime = runtime

    def make_mask(self):
        """Tile maps and the order of the query tiles: what a plan holds."""
        p = self.problem
        inputs = {name: value for name, value in p.inputs.items() if name != "device"}
        self.plan = self.runtime.plan(self.kernel, q=p.q, k=p.k, v=p.v, o=self.output, inputs=inputs,
                                      tokens=list(p.case.layout))
        return self.plan.json()["table_bytes"]

    def call(self):
        self.plan.launch()
        return self.output

    def other_compilations(self):
        """Seconds of the process that compiles for every level, and of the compilation inside a process."""
        said = self.attnc("run", "spec.attn", "--random", "--json", f"--threads={self.settings['threads']}")
        return {"compile_all_levels_seconds": self.compile("all.attnpkg"),
                "compile_in_process_seconds": json.loads(said)["seconds"]["compile"]}


ALL = {contestant.name: contestant for contestant in (Attnc, Sdpa, Flex)}


def steps_of(contestant):
    """attnc compiles before it plans; a first call of FlexAttention needs the block mask."""
    mask, kernel = ("mask", contestant.make_mask), ("compile", contestant.make_kernel)
    return [kernel, mask] if isinstance(contestant, Attnc) else [mask, kernel]
