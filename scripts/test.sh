#!/usr/bin/env bash
# Installs what is missing, builds everything, runs every test. Arguments go to ctest: scripts/test.sh -R masks
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/setup.sh

say "Building the compiler and its tests in build/dev"
cmake --preset dev --log-level=NOTICE
cmake --build --preset dev

say "Building our libraries and their tests under the address and undefined-behaviour sanitizers in build/asan"
cmake --preset asan --log-level=NOTICE
cmake --build --preset asan

say "Running the tests of both builds"
# One ctest over both folders gives one summary.
printf 'subdirs("dev" "asan")\n' >build/CTestTestfile.cmake
ctest --test-dir build --output-on-failure -j "$(nproc)" "$@"
