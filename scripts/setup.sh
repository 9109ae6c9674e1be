#!/usr/bin/env bash
# Make this checkout ready: setup.sh run | check | test. What was made before with the same inputs is left alone, so a
# second run takes a moment and touches no network.
#   run    Mosquitto, the Python environment, the page
#   check  the Python environment with the developers' tools
# All of them compile the kernels of the rules, which would otherwise be done before the first start is ready.
#   test   all of that, and the parts that the tests run against
. "$(dirname "$0")/lib.sh"

profile=${1:?run, check or test}

setup() {
  [ "$profile" = check ] || timed "system packages" scripts/system_packages.sh "$profile"
  timed "Python packages" scripts/python_env.sh "$profile"
  # shellcheck disable=SC2046 # no source of ours has a space in its name
  timed "compiling the rules" once .cache/kernels $(find rules schemas -name '*.py') requirements.lock -- \
    .venv/bin/python -m hazwatch.kernels || say "Rules of the kinds named above will not work; all others do."
  [ "$profile" = check ] || timed "the page" scripts/page.sh
  if [ "$profile" = test ]; then
    timed "Kafka" scripts/kafka_jars.sh >/dev/null || say "Tests that need Kafka will be skipped."
    timed "TimescaleDB" scripts/timescale_packages.sh || say "Tests that need TimescaleDB will be skipped."
  fi
}

mkdir -p .cache
exec 9>.cache/setup.lock
flock -n 9 || { say "another set-up of this checkout is under way; waiting for it"; flock 9; }
rm -f $did_something
start=$SECONDS
setup
if [ -e $did_something ]; then
  list=$(printf ', %s' "${took[@]}")
  say "set-up took $((SECONDS - start)) s for downloads and installation${list:+ (${list#, })}"
fi
