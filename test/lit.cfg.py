# One configuration for all textual tests. The site file, written by CMake, says where things are.
import os
import shutil
import sys

import lit.formats

config.name = "attnc"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".mlir", ".attn", ".test"]
config.excludes = ["Inputs", "corpus"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.attnc_obj_root

# Tests name the tools as people do.
config.environment["PATH"] = os.pathsep.join(
    [config.attnc_tools_dir, config.llvm_tools_dir, os.environ["PATH"]]
)
# Tests compile what they test, and leave nobody's cache changed.
config.environment["ATTNC_CACHE"] = "off"
config.substitutions.append(("%examples", os.path.join(config.attnc_src_root, "examples")))

config.substitutions.append(("%python", sys.executable))
# Tests that draw their cases draw more.
if "ATTNC_DRAWS" in os.environ:
    config.environment["ATTNC_DRAWS"] = os.environ["ATTNC_DRAWS"]

venv = os.path.join(config.attnc_src_root, ".venv", "bin")
ptxas = shutil.which("ptxas", path=os.pathsep.join([os.environ["PATH"], "/usr/local/cuda/bin", venv]))
if ptxas:
    config.available_features.add("ptxas")
    config.environment["PTXAS"] = ptxas
    # Fails on spills and on any message of the C75xx family.
    config.substitutions.append(
        ("%ptxas-verify", f"{sys.executable} {config.test_source_root}/Inputs/ptxas_verify.py {ptxas}")
    )
