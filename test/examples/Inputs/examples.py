"""examples.py FOLDER JOB: does one job with every kernel of every spec in FOLDER, on two workers.

Jobs: cpu, aarch64, ptx, ptxas, show, simulate, explain, run, listed. A new spec in the folder is found by itself. Lengths that a
spec leaves open are bound to several numbers. What fails is printed with its command and its output."""

import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile

LENGTHS = (1, 63, 1000)
# Heads times tokens that a check against the reference computes in a second or so, for most masks.
MOST_CHECKED = 16_000
# Tokens of a spec of full size, which is compiled, drawn and counted, but not run.
MOST_RUN = 16_000


def attnc(*words):
    """The output; an error that has it where the command fails."""
    done = subprocess.run(["attnc", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {shlex.join(['attnc', *words])}\n{done.stdout}")
    return done.stdout


class Kernel:
    def __init__(self, spec, text):
        self.spec = spec
        self.name = re.search(r"func\.func @(\w+)", text).group(1)
        query = re.search(r"%arg0: tensor<(\w+)x(\w+)x([\w?]+)x\w+?x(b?f\d+)>", text)
        self.batch, self.heads, self.dtype = int(query.group(1)), int(query.group(2)), query.group(4)
        self.tokens = re.search(r" tokens <(.*?)> keys <", text).group(1)
        self.keys = re.search(r" keys <(.*?)> mask", text).group(1)
        self.mask = re.search(r" mask\((.*)\)", text).group(1)

    def lengths(self):
        """Options that bind every `?`, one list for each run; [[]] where there is none."""
        if "#attn.group" in self.tokens:
            return self.group_lengths()
        if "?" not in self.tokens + self.keys:
            return [[]]
        # With two lengths open, there are more keys than queries.
        keys = " " if self.keys == self.tokens else self.keys
        return [self.bind("--tokens", self.tokens, n) +
                self.bind("--kv-tokens", keys, n + 17 if "?" in self.tokens else n) for n in LENGTHS]

    @staticmethod
    def bind(option, layout, length):
        dims = layout.strip("[]").split(", ")
        if "?" not in dims:
            return []
        length = length if len(dims) == 1 else min(length, 9)
        return [option + "=" + "x".join(str(length) if dim == "?" else dim for dim in dims)]

    def group_lengths(self):
        """By the number of all tokens."""
        fixed, unit = 0, 0
        for dims in re.findall(r'#attn\.group<"\w+", \[(.*?)\]>', self.tokens):
            sizes = dims.split(", ")
            product = 1
            for size in sizes:
                product *= int(size) if size != "?" else 1
            fixed, unit = (fixed, product) if "?" in sizes else (fixed + product, unit)
        return [[f"--tokens={fixed + n * unit}"] for n in (1, 3, 8)] if unit else [[]]

    def count(self, options):
        """Queries of a run."""
        dims = next((o.split("=")[1].split("x") for o in options if o.startswith("--tokens=")),
                    self.tokens.split("]")[0].strip("[").split(", "))
        product = 1
        for dim in dims:
            product *= int(dim)
        return product


def kernels_of(folder):
    found = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".attn"):
            continue
        spec = os.path.join(folder, name)
        module = attnc("compile", spec, "--emit=attn")
        functions = [part for part in re.split(r"(?=func\.func )", module) if part.startswith("func")]
        assert functions, f"no kernel in {spec}"
        found += [Kernel(spec, text) for text in functions]
    return found


def compile_for(target, phase):
    def job(kernel, folder):
        if target != "cpu" and kernel.dtype == "f32":
            return
        out = os.path.join(folder, "out")
        attnc("compile", kernel.spec, f"--kernel={kernel.name}", f"--target={target}", f"--emit={phase}",
              "-o", out)
        with open(out) as file:
            assert kernel.name in file.read(), f"{kernel.name} is not in what was compiled for it"
    return job


def compile_for_aarch64(kernel, folder):
    """The code for a plain processor asks nothing of one that only an x86 can do."""
    ir, out = os.path.join(folder, "out.ll"), os.path.join(folder, "out.o")
    attnc("compile", kernel.spec, f"--kernel={kernel.name}", "--isa=baseline", "--emit=llvm", "-o", ir)
    command = ["llc", "-mtriple=aarch64-linux-gnu", "-filetype=obj", ir, "-o", out]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\n{done.stdout}")
    with open(out, "rb") as file:
        machine = file.read(20)[18:]
    assert machine == b"\xb7\x00", f"e_machine is {machine}, but of AArch64 183"


def assemble(kernel, folder):
    if kernel.dtype == "f32":
        return
    ptx = os.path.join(folder, "out.ptx")
    attnc("compile", kernel.spec, f"--kernel={kernel.name}", "--target=sm_80", "--emit=ptx", "-o", ptx)
    # A few words in local memory cost less than they bring (test/Inputs/gpu_matrix.py).
    for chip, most in (("sm_80", 24), ("sm_90", 32)):
        command = [os.environ["PTXAS"], f"-arch={chip}", "-v", ptx, "-o", "/dev/null"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        local = [int(number) for number in re.findall(r"(\d+) bytes stack frame", done.stdout)]
        if done.returncode or not local or max(local) > most:
            raise RuntimeError(f"{shlex.join(command)}: refused, or more than {most} bytes of local memory\n{done.stdout}")


def show(kernel, folder):
    for options in kernel.lengths():
        common = [kernel.spec, f"--kernel={kernel.name}", *options]
        text = attnc("show", *common, "--color=never")
        assert re.search("heads? 0", text), f"no heads in the picture: {text}"
        for form, start in (("svg", "<svg"), ("html", "<!doctype html>")):
            out = os.path.join(folder, "out." + form)
            attnc("show", *common, f"--format={form}", "-o", out)
            with open(out) as file:
                assert file.read().lower().startswith(start), f"no {form}: {shlex.join(common)}"


def simulate(kernel, folder):
    for options in kernel.lengths():
        text = attnc("simulate", kernel.spec, f"--kernel={kernel.name}", *options)
        assert "tiles" in text and "bounds" in text, text


def explain(kernel, folder):
    for options in kernel.lengths():
        assert attnc("explain", kernel.spec, f"--kernel={kernel.name}", *options)


def run(kernel, folder):
    for options in kernel.lengths():
        if kernel.count(options) > MOST_RUN:
            print(f"{kernel.spec}: {kernel.name} has {kernel.count(options)} tokens and is not run")
            continue
        if options and kernel.batch * kernel.heads * kernel.count(options) > MOST_CHECKED:
            options = [re.sub(r"\d+", "250", options[0]), *options[1:]]
        text = attnc("run", kernel.spec, f"--kernel={kernel.name}", *options, "--random=1", "--check")
        assert re.search(r"check +ok, [1-9]", text), text


def listed(kernel, _):
    folder, name = os.path.split(kernel.spec)
    with open(os.path.join(folder, "README.md")) as readme:
        assert f"`{name.removesuffix('.attn')}`" in readme.read(), "the README does not list it"


JOBS = {
    "cpu": compile_for("cpu", "llvm"),
    "aarch64": compile_for_aarch64,
    "ptx": compile_for("sm_80", "ptx"),
    "ptxas": assemble,
    "show": show,
    "simulate": simulate,
    "explain": explain,
    "run": run,
    "listed": listed,
}


def failure(job, kernel):
    with tempfile.TemporaryDirectory() as folder:
        try:
            job(kernel, folder)
        except Exception as error:
            return f"{kernel.spec}: kernel {kernel.name}: {error or type(error).__name__}\n"
    return ""


def main():
    folder, name = sys.argv[1:]
    kernels = kernels_of(folder)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failures = [text for text in pool.map(lambda kernel: failure(JOBS[name], kernel), kernels) if text]
    if failures:
        sys.exit("".join(failures) + f"{len(failures)} of {len(kernels)} kernels failed")
    print(f"{len(kernels)} kernels: {name}")


main()
