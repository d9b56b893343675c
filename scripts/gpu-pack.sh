#!/usr/bin/env bash
# Packs everything that a machine with a GPU, but without LLVM, needs to run bench/gpu: compiled packages, the runtime's
# sources, the scripts, the micro-benchmarks and, where nvcc and ptxas are here, their cubins.
#
#     gpu-pack.sh [--build=DIR] [--gpu=NAME] [--quick] OUT.tar.gz
#
# --build: where attnc was built (build/release or build/dev if absent). --gpu: for which tiles are chosen (a100 if absent).
# --quick: the tiny specs alone, for a rehearsal.
# The same tree, tools and options give the same bytes. There: tar xzf OUT.tar.gz && python3 attnc-gpu/bench/gpu/run.py
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
limit=$((40 * 1000 * 1000))

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}
usage() { sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

build="" quick=0 gpu=a100 out=""
for argument in "$@"; do
  case "$argument" in
    --build=*) build="${argument#--build=}" ;;
    --gpu=*) gpu="${argument#--gpu=}" ;;
    --quick) quick=1 ;;
    --help | -h) usage && exit 0 ;;
    -*) fail "unknown option '$argument': --build=DIR, --gpu=NAME and --quick are known" ;;
    *) [ -z "$out" ] || fail "one file is written, but there are '$out' and '$argument'" && out="$argument" ;;
  esac
done
[ -n "$out" ] || { usage >&2 && exit 2; }
if [ -z "$build" ]; then
  for candidate in "$root/build/release" "$root/build/dev"; do
    [ ! -x "$candidate/bin/attnc" ] || { build="$candidate" && break; }
  done
fi
attnc="$build/bin/attnc"
[ -x "$attnc" ] || fail "no compiler at '$attnc': build the target attnc, or say --build=DIR"
PATH="$PATH:/usr/local/cuda/bin:$root/.venv/bin"

stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
bundle="$stage/attnc-gpu"
mkdir -p "$bundle/packages" "$bundle/predictions" "$bundle/kernels"

# The folders that cmake enters without the compiler, bench/gpu among them, and what they need.
copy_sources() {
  local folders
  mapfile -t folders < <(sed -n '/^if(ATTNC_COMPILER)/q; s/^add_subdirectory(\(.*\))$/\1/p' "$root/CMakeLists.txt")
  (cd "$root" && find CMakeLists.txt CMakePresets.json LICENSE cmake third_party "${folders[@]}" \
    -type f -not -path '*/__pycache__/*' -not -name '*.o' -print0 | sort -z | xargs -0 cp --parents -t "$bundle")
}

# bench/gpu/pack.py: what to compile and to predict, the manifest.
compile_packages() {
  python3 "$bundle/bench/gpu/pack.py" packages --attnc="$attnc" --bundle="$bundle" --gpu="$gpu" $([ $quick -eq 0 ] || echo --quick)
}

# Cubins for Hopper, PTX for any other chip. nvcc -std=c++17: what the kernels are written in.
compile_kernels() {
  local source name chip
  python3 "$bundle/bench/gpu/wgmma_kernels.py" "$bundle/kernels/wgmma.ptx"
  if command -v ptxas >/dev/null; then
    ptxas -arch=sm_90a "$bundle/kernels/wgmma.ptx" -o "$bundle/kernels/wgmma.sm_90a.cubin"
  else
    echo "note: no ptxas, so the driver will compile the wgmma kernels"
  fi
  if ! command -v nvcc >/dev/null; then
    echo "note: no nvcc, so the other machine has to compile the micro-benchmarks"
    return
  fi
  for source in "$root"/bench/gpu/kernels/*.cu; do
    name="$(basename "$source" .cu)"
    chip=80
    [ "$name" != hopper ] || chip=90a
    (cd "$root/bench/gpu/kernels" &&
      nvcc -std=c++17 -gencode=arch=compute_90a,code=sm_90a -cubin "$name.cu" -o "$bundle/kernels/$name.sm_90a.cubin" &&
      nvcc -std=c++17 -arch=compute_$chip -ptx "$name.cu" -o "$bundle/kernels/$name.ptx")
  done
}

write_archive() {
  local partial="$out.partial.$$"
  tar -C "$stage" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - attnc-gpu |
    gzip -n -9 >"$partial"
  local size
  size="$(stat -c %s "$partial")"
  if [ "$size" -ge "$limit" ]; then
    rm -f "$partial"
    fail "the bundle has $size bytes, but at most $limit are allowed: leave out specs in bench/gpu/specs/cases.json"
  fi
  mv -f "$partial" "$out"
  tar -tzf "$out"
  printf '%s: %s bytes, %s files\n' "$out" "$size" "$(tar -tzf "$out" | grep -vc '/$')"
}

copy_sources
compile_packages
compile_kernels
python3 "$bundle/bench/gpu/pack.py" manifest --attnc="$attnc" --bundle="$bundle" --source="$root"
rm -rf "$bundle/bench/gpu/__pycache__"
write_archive
