#!/usr/bin/env bash
# Check this checkout: test.sh quick | all [PYTEST-ARGUMENT...]. The static checks all run, and a failure among them ends
# it with a list of those that failed, before the tests, which take longer.
. "$(dirname "$0")/lib.sh"

extent=${1:?quick or all}
shift
spread=(-n "$(($(nproc) + 1))") # some tests wait while others compute
failed=()
lines=()
unset PYTHONDONTWRITEBYTECODE # or every worker would rewrite the asserts of every file anew

# step NAME COMMAND...: runs a check; its output shows only when it fails
step() {
  local name=$1 start=$SECONDS output result=ok
  shift
  output=$("$@" 2>&1) || { result=FAILED; failed+=("$name"); printf '\n--- %s: %s\n%s\n' "$name" "$*" "$output"; }
  lines+=("$(printf '  %-22s %-7s %3d s' "$name" "$result" $((SECONDS - start)))")
}

in_page() { (cd console/web && npm run --silent "$@"); }

step "ruff format" .venv/bin/ruff format --check .
step "ruff check" .venv/bin/ruff check .
step "mypy" .venv/bin/mypy
step "mypy tests/parts" .venv/bin/mypy --strict tests/parts tests/conftest.py
step "lint-imports" .venv/bin/lint-imports
if [ "$extent" = all ] && use_node; then
  step "page: types" in_page check
  step "page: unit tests" in_page test
fi

printf '%s\n' "${lines[@]}"
if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi

if [ "$extent" = quick ]; then
  export HAZWATCH_LAWS=${HAZWATCH_LAWS:-0.05}
  exec .venv/bin/python -m pytest -q "${spread[@]}" -m "not long and not slow and not part" "$@"
fi
# A test chosen by hand runs alone. Otherwise what only computes is spread over the cores; what starts real parts or
# processes, or watches the clock, runs one by one behind it, so that no server waits for a core.
[ $# -eq 0 ] || exec .venv/bin/python -m pytest "$@"
status=0
.venv/bin/python -m pytest "${spread[@]}" -m "not slow and not part" || status=$?
[ $status -lt 2 ] || exit $status # interrupted, or not even begun
.venv/bin/python -m pytest -m "slow or part" || status=$?
exit $status
