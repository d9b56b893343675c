#!/usr/bin/env bash
# Compiles the packages that tests of the runtime run, also in builds without the compiler. To be run after
# a change of the package format, of KernelArgs or of the code of kernels; the test
# `packages-of-tests-are-current` tells when.
#
#   make_packages.sh ATTNC [FOLDER]      FOLDER is this one unless it is given
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
attnc="$1"
folder="${2:-$here}"
"$attnc" compile "$here/window.attn" --target=cpu --emit=package -o "$folder/window.attnpkg"
"$attnc" compile "$here/lengths.attn" --target=cpu,sm_80 --isa=baseline --arch=none --emit=package \
  -o "$folder/lengths.attnpkg"
