# One configuration for all textual tests. The site file, written by CMake, says where things are.
import os
import shutil

import lit.formats

config.name = "attnc"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".mlir", ".attn", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.attnc_obj_root

# Tests name the tools as people do.
config.environment["PATH"] = os.pathsep.join(
    [config.attnc_tools_dir, config.llvm_tools_dir, os.environ["PATH"]]
)
config.substitutions.append(("%examples", os.path.join(config.attnc_src_root, "examples")))

ptxas = shutil.which("ptxas") or next(
    (p for p in ["/usr/local/cuda/bin/ptxas"] if os.access(p, os.X_OK)), None
)
if ptxas:
    config.available_features.add("ptxas")
    # Assembles a file for a chip; a spill or any message of the C75xx family is a failure.
    config.substitutions.append(
        ("%ptxas-verify", f"{ptxas} -warn-spills -Werror -o /dev/null")
    )
