"""What the machine is, and what its tools say of the compiled kernels."""
import collections
import gzip
import importlib.metadata
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import cuda

SMI_FIELDS = ("name,driver_version,vbios_version,pstate,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,"
              "clocks.applications.graphics,power.limit,power.draw,temperature.gpu,ecc.mode.current,memory.total,"
              "persistence_mode,mig.mode.current,clocks_throttle_reasons.active")

SMI_BASIC = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,temperature.gpu"


def said(command, seconds=15):
    """What a program prints, or why it did not; it only ever reads."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
        return done.stdout.decode(errors="replace").strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"


def gpu_state():
    """Clocks and power as nvidia-smi reads them."""
    for fields in (SMI_FIELDS, SMI_BASIC):  # drivers rename fields, and one unknown field makes all of them an error
        values = said(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]).split("\n")[0].split(", ")
        names = fields.split(",")
        if len(values) == len(names):
            return dict(zip(names, values))
    return {"nvidia-smi": ", ".join(values)}


def version_of(package):
    """Without importing it, which can take long."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def processor():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    match = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    return match.group(1) if match else platform.processor()


def facts(ctx):
    found = {"processor": processor(), "processors": os.cpu_count(), "system": platform.platform(),
             "python": sys.version.split()[0], "numpy": version_of("numpy"), "torch": version_of("torch"), "triton": version_of("triton"),
             "compiler": said(["g++", "--version"]).split("\n")[0], "cmake": said(["cmake", "--version"]).split("\n")[0],
             "nvcc": said([tool("nvcc") or "nvcc", "--version"]).split("\n")[-1]}
    ctx.results.set(facts=found)
    if ctx.device == "emulator":
        return
    found["gpu"] = gpu_state()
    ctx.results.set(facts=found)
    found["driver"] = ctx.driver.facts()
    ctx.results.set(facts=found)


# --- disassembly -----------------------------------------------------------------------------------------------------

def tool(name):
    return shutil.which(name) or shutil.which(name, path="/usr/local/cuda/bin")


def opcodes(sass):
    """How often each instruction occurs, without its modifiers: {"HMMA": 64, ...}."""
    found = re.findall(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*)", sass, re.M)
    return dict(collections.Counter(found).most_common())


def disassemble(path):
    """(text, tool) of a cubin; ("", why) where no tool does."""
    why = "neither nvdisasm nor cuobjdump is there"
    for name, arguments in (("nvdisasm", ["-c"]), ("cuobjdump", ["-sass"])):
        program = tool(name)
        if program:
            text = said([program, *arguments, str(path)], 20)
            if opcodes(text):
                return text, name
            why = f"{name}: {text[-200:]}"
    return "", why


def cubins_of(ctx, folder):
    """(name, path or None, reason): the cubins of the bundle, and the packages' PTX assembled for this device."""
    for path in sorted((ctx.bundle / "kernels").glob("*.cubin")):
        yield f"kernels/{path.name}", path, None
    if not ctx.library:
        return
    import attnc
    runtime = attnc.Runtime(ctx.library)
    ptxas = tool("ptxas")
    capability = None
    if ctx.device == "cuda":
        device = ctx.driver.facts()
        capability = f"sm_{device['capability_major']}{device['capability_minor']}"
    for path in sorted((ctx.bundle / "packages").glob("*.attnpkg")):
        package = runtime.open(path)
        sections = package.json()["sections"]
        cubins = {section["target"] for section in sections if section["kind"] == "cubin"}
        for section in sections:
            if section["kind"] == "cubin":
                target = folder / f"{path.stem}.{section['target']}.cubin"
                target.write_bytes(package.section("cubin", section["target"]))
                yield target.name, target, None
            elif section["kind"] == "ptx":
                chip = capability or section["target"]
                if chip in cubins:
                    continue
                name = f"{path.stem}.ptx.{chip}.cubin"
                if not ptxas:
                    yield name, None, "no ptxas to assemble the package's PTX"
                    continue
                source, target = folder / "kernel.ptx", folder / name
                source.write_bytes(package.section("ptx", section["target"]))
                text = said([ptxas, f"-arch={chip}", "-v", str(source), "-o", str(target)], 30)
                yield name, target if target.exists() else None, text[-600:]


def resources(ctx, path):
    """What the driver says of each function of a cubin; None without a driver or for another chip's."""
    if ctx.device != "cuda":
        return None
    try:
        module = ctx.driver.load(path.read_bytes())
    except cuda.CudaError as error:
        return str(error)[:200]
    names = set(re.findall(rb"\.text\.(\w+)", path.read_bytes()))
    found = {name.decode(): ctx.driver.function_attributes(ctx.driver.function(module, name.decode()))
             for name in sorted(names)}
    ctx.driver.unload(module)
    return found


def disassembly(ctx):
    archive = ctx.out / "sass.tar.gz"
    with tempfile.TemporaryDirectory() as folder, open(archive, "wb") as raw, \
            gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=6) as packed, \
            tarfile.open(fileobj=packed, mode="w") as tar:
        for name, path, note in cubins_of(ctx, Path(folder)):
            if ctx.expired():
                break
            if not ctx.results.begin("disassembly", name):
                continue
            if path is None:
                ctx.results.end("disassembly", name, "skipped", reason=note)
                continue
            begun = time.monotonic()
            sass, by = disassemble(path)
            if sass:
                entry = tarfile.TarInfo(name.replace("/", "_") + ".sass")
                entry.size = len(sass.encode())
                tar.addfile(entry, io.BytesIO(sass.encode()))
            ctx.results.end("disassembly", name, "measured" if sass else "skipped", tool=by if sass else None,
                            assembler=note, reason=None if sass else by, opcodes=opcodes(sass), resources=resources(ctx, path),
                            seconds=round(time.monotonic() - begun, 2))
