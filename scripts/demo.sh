#!/usr/bin/env bash
# Installs what is missing, builds attnc, and runs the main job: specs in, verified attention out.
# What there is to look at afterwards lies in build/demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/setup.sh

say "Building attnc in build/dev"
cmake --preset dev --log-level=NOTICE
cmake --build --preset dev --target attnc
PATH="$PWD/build/dev/bin:$PATH"
out=build/demo
mkdir -p "$out"

# Prints the command, then runs it.
run() {
  printf '\n$ %s\n' "$*"
  "$@"
}

say "MiniLM, a real model, layer 0: dense attention must give the output that the model itself computed"
run attnc run examples/minilm/dense.attn --inputs=examples/minilm/layer0.safetensors \
  --output="$out/minilm_dense.safetensors" --check
run python3 scripts/compare.py "$out/minilm_dense.safetensors" examples/minilm/layer0.safetensors --tensor=o --tolerance=5e-5

say "The same layer under a causal window, and with a span per head, each against the f64 reference"
for spec in causal_window spans; do
  run attnc run "examples/minilm/$spec.attn" --inputs=examples/minilm/layer0.safetensors \
    --output="$out/minilm_$spec.safetensors" --check
  run attnc show "examples/minilm/$spec.attn" --format=svg -o "$out/minilm_$spec.svg"
done

say "HunyuanVideo, 115,200 tokens: compiled to PTX, drawn, simulated at full size"
run attnc compile examples/hunyuan_video.attn --target=sm_80 --emit=ptx -o "$out/hunyuan_video.ptx"
if [ -n "$ptxas" ]; then
  for arch in sm_80 sm_90; do
    run "$ptxas" -arch=$arch -v -Werror "$out/hunyuan_video.ptx" -o "$out/hunyuan_video.$arch.cubin"
  done
else
  say "No ptxas here, so the PTX is not assembled"
fi
tiles=(--q-tile=2x8x8 --k-tile=2x8x8)
run attnc simulate examples/hunyuan_video.attn "${tiles[@]}"
run attnc show examples/hunyuan_video.attn --format=svg -o "$out/hunyuan_video.svg"

say "The same pattern at a size that a CPU computes in seconds, against the f64 reference"
run attnc run examples/hunyuan_small.attn --random=1 --output="$out/hunyuan_small.safetensors" --check

say "A tile map to look at: the last 4096 tokens and the first 64, of 16,384"
run attnc show examples/long_chat.attn --tokens=16384
run attnc explain examples/long_chat.attn --tokens=16384
run attnc show examples/long_chat.attn --tokens=16384 --format=html -o "$out/long_chat.html"

say "Done. To look at: $(printf '%s ' "$out"/*.svg "$out"/*.html)"
