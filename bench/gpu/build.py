#!/usr/bin/env python3
"""Builds libattnc_runtime.so and run_ptx from the sources of the bundle: by cmake, or by plain compiler commands.

    build.py SOURCES BUILD [--builder=auto|cmake|plain] [--optimise=-O2]

Needs a C++20 compiler and nothing else; cmake and ninja are used where they are there. Standard library only.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

LIBRARY = "libattnc_runtime.so"
PROGRAM = "run_ptx"
SOURCE_FOLDERS = ("dialect/algebra", "runtime")


class BuildError(RuntimeError):
    pass


def run(command, log, timeout):
    log.write(f"$ {' '.join(map(str, command))}\n")
    log.flush()
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    text = done.stdout.decode(errors="replace")
    log.write(text)
    log.flush()
    if done.returncode != 0:
        raise BuildError(f"'{' '.join(map(str, command))}' ended with {done.returncode}:\n{text[-1500:]}")
    return text


def cxx_compiler():
    for name in (os.environ.get("CXX"), "g++", "clang++", "c++"):
        if name and shutil.which(name):
            return name
    raise BuildError("no C++ compiler: none of $CXX, g++, clang++, c++ is there")


def find_built(build, name):
    found = sorted(build.rglob(name))
    if not found:
        raise BuildError(f"the build made no '{name}'")
    return found[0]


def build_with_cmake(sources, build, optimise, log, timeout):
    if not shutil.which("cmake"):
        raise BuildError("cmake is not there")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    run(["cmake", "-S", sources, "-B", build, *generator, "-DATTNC_COMPILER=OFF", "-DATTNC_TESTS=OFF",
         "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CXX_FLAGS_RELEASE={optimise}"], log, timeout)
    run(["cmake", "--build", build, "--parallel", os.cpu_count() or 1, "--target", "attnc_runtime", PROGRAM],
        log, timeout)


def build_plainly(sources, build, optimise, log, timeout):
    compiler = cxx_compiler()
    objects = build / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    # Every operation of the emulator rounds once, so nothing may be contracted.
    version = re.search(r"project\(attnc VERSION ([\d.]+)", (sources / "CMakeLists.txt").read_text()).group(1)
    flags = ["-std=c++20", optimise, "-fPIC", "-ffp-contract=off", "-DFMT_HEADER_ONLY=1", f'-DATTNC_VERSION="{version}"',
             "-I", sources, "-isystem", sources / "third_party", "-w"]
    units = [path for folder in SOURCE_FOLDERS for path in sorted((sources / folder).rglob("*.cpp"))]
    program = sources / "bench/gpu/run_ptx.cpp"
    deadline = time.monotonic() + timeout

    def compile_unit(path):
        target = objects / ("_".join(path.relative_to(sources).parts) + ".o")
        run([compiler, *flags, "-c", path, "-o", target], log, max(1, deadline - time.monotonic()))
        return target

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        made = list(pool.map(compile_unit, units + [program]))
    run([compiler, "-shared", "-o", build / LIBRARY, *made[:-1], "-pthread", "-ldl"], log, timeout)
    run([compiler, "-o", build / PROGRAM, *made, "-pthread", "-ldl"], log, timeout)


def build_all(sources, build, builder="auto", optimise="-O2", timeout=240):
    """{"builder", "library", "program", "seconds", "tried": [{"builder", "error"}]}; BuildError if none worked."""
    sources, build = Path(sources).resolve(), Path(build).resolve()
    builders = {"cmake": build_with_cmake, "plain": build_plainly}
    wanted = list(builders) if builder == "auto" else [builder]
    tried = []
    for name in wanted:
        begun = time.monotonic()
        folder = build / name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with open(folder / "build.log", "a") as log:
                builders[name](sources, folder, optimise, log, timeout)
            return {"builder": name, "library": str(find_built(folder, LIBRARY)),
                    "program": str(find_built(folder, PROGRAM)), "seconds": round(time.monotonic() - begun, 2),
                    "tried": tried}
        except (BuildError, subprocess.TimeoutExpired, OSError) as error:
            tried.append({"builder": name, "error": str(error)[-2000:]})
    raise BuildError("\n".join(f"{entry['builder']}: {entry['error']}" for entry in tried))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources")
    parser.add_argument("build")
    parser.add_argument("--builder", choices=("auto", "cmake", "plain"), default="auto")
    parser.add_argument("--optimise", default="-O2")
    options = parser.parse_args()
    try:
        print(json.dumps(build_all(options.sources, options.build, options.builder, options.optimise), indent=1))
    except BuildError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
