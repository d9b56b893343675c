#!/usr/bin/env bash
# Installs what attnc is built with, on Debian 12. demo.sh and test.sh source this file; it may also be run.
# What is there already is left alone, so that a second run takes no time.
# Leaves ptxas on PATH where one could be had.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { printf '\n==> %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf 'note: %s\n' "$@" >&2
  exit 1
}

packages=(
  clang-22 libclang-rt-22-dev g++                       # compiler, its sanitizers, the standard library
  lld-22                                                # links the CPU kernels of packages
  libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools # MLIR and LLVM; lit and FileCheck
  cmake ninja-build ccache
  libgtest-dev libgmock-dev libcli11-dev
  python3 python3-venv python3-numpy ca-certificates
)

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" in
      installed) ;;
      *) printf '%s\n' "$package" ;;
    esac
  done
}

install_packages() {
  command -v apt-get >/dev/null ||
    fail "this is no Debian system, so nothing can be installed here" \
      "install what these Debian packages hold, then use cmake as CONTRIBUTING.md says: ${packages[*]}"
  local missing package
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then
    say "All Debian packages are there already"
    return
  fi
  [ "$(id -u)" -eq 0 ] ||
    fail "packages are missing, and only root can install them" "as root: apt-get install ${missing[*]}"
  say "Installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  local unknown=()
  for package in "${missing[@]}"; do
    apt-cache show "$package" >/dev/null 2>&1 || unknown+=("$package")
  done
  [ ${#unknown[@]} -eq 0 ] ||
    fail "no configured Debian repository has: ${unknown[*]}" \
      "Debian 12 carries LLVM 22 in its security repository, suite 'bookworm-security'; is it configured?"
  apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
    "${missing[@]}" >/dev/null || fail "apt-get could not install: ${missing[*]}"
}

# The first ptxas of: PATH, the CUDA toolkit, the project's own .venv.
find_ptxas() {
  PATH="$PATH:/usr/local/cuda/bin:$root/.venv/bin" command -v ptxas
}

install_ptxas() {
  say "No ptxas found; installing the one of the Python package nvidia-cuda-nvcc into .venv"
  [ -x "$root/.venv/bin/python" ] || python3 -m venv "$root/.venv" || return 1
  "$root/.venv/bin/python" -m pip install --quiet --no-deps 'nvidia-cuda-nvcc>=13.0,<13.1' || return 1
  local binary
  binary="$(find "$root/.venv/lib" -path '*/bin/ptxas' | head -n 1)"
  [ -n "$binary" ] || return 1
  chmod +x "$binary"
  ln -sf "$binary" "$root/.venv/bin/ptxas"
}

install_packages
ptxas="$(find_ptxas || true)"
if [ -z "$ptxas" ]; then
  if install_ptxas; then
    ptxas="$root/.venv/bin/ptxas"
  else
    printf 'warning: no ptxas could be installed; whatever needs it is skipped\n' >&2
  fi
fi
if [ -n "$ptxas" ]; then
  PATH="$PATH:$(dirname "$ptxas")"
  export PATH
  say "ptxas is $ptxas"
fi
