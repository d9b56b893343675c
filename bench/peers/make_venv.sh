#!/usr/bin/env bash
# Makes bench/peers/.venv with what requirements.txt names. A second run takes no time.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-python3}"

fail() {
  printf 'error: %s\n' "$1" >&2
  printf 'note: %s\n' "${@:2}" >&2
  exit 1
}

command -v g++ >/dev/null || fail "g++ is not there, and PyTorch compiles FlexAttention with it" "install g++ first"
[ -x "$here/.venv/bin/python" ] || "$python" -m venv "$here/.venv" ||
  fail "'$python -m venv' has failed" "on Debian, install python3-venv; PYTHON=... names another Python"
"$here/.venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
printf 'ready: %s\n' "$here/.venv/bin/python $here/run.py"
