#!/usr/bin/env bash
# Programs that come from the system: system_packages.sh run | test. Missing ones are installed by apt-get where that is
# possible (as root, on Debian and its kin, unless HAZWATCH_NO_APT is set); otherwise it says what is missing, what that
# costs and what to type, and goes on.
. "$(dirname "$0")/lib.sh"

profile=${1:?run or test}
missing=()
costs=()

# need PACKAGE WHAT-IT-COSTS TEST...: the package is missing when the test fails
need() {
  local package=$1 cost=$2
  shift 2
  "$@" >/dev/null 2>&1 && return
  missing+=("$package")
  costs+=("  $package: $cost")
}

program() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1"; }
python_with_venv() { scripts/find_python.sh; }
chinese_font() { [ -n "$(fc-list :lang=zh 2>/dev/null)" ] || [ -d /usr/share/fonts/opentype/noto ]; }
kafka_is_there() { program mvn || [ -n "$(ls .cache/kafka/jars/kafka_2.13-*.jar 2>/dev/null)" ]; }

look() {
  missing=()
  costs=()
  need python3-venv "without Python 3.11 and its venv module nothing runs" python_with_venv
  need mosquitto "a broker for development only (amqtt) takes its place; do not connect a plant to it" program mosquitto
  if [ "$profile" = test ]; then
    need mosquitto-clients "tests that publish like a stranger are skipped" program mosquitto_pub
    need chromium "tests in a browser are skipped" program chromium
    need fonts-noto-cjk "Chinese shows as boxes in screenshots" chinese_font
    need prometheus "metrics are not checked by promtool" program promtool
    need docker-compose "the compose file is not checked" program docker-compose
    need default-jre-headless "tests on Kafka are skipped" program java
    need maven "Kafka cannot be fetched: tests on it are skipped" kafka_is_there
  fi
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ -z "${HAZWATCH_NO_APT:-}" ]; }

# Debian starts what it installs. These programs are wanted, their system services are not: nothing may listen on port
# 1883 or 9090 because somebody typed make.
install_without_services() {
  local policy=/usr/sbin/policy-rc.d ours= status=0 service
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    ours=1
  fi
  say "installing ${missing[*]}"
  {
    apt-get -q update &&
      DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends "${missing[@]}"
  } >.cache/apt.log 2>&1 || status=$?
  [ -z "$ours" ] || rm -f $policy
  for service in mosquitto prometheus; do
    [[ " ${missing[*]} " != *" $service "* ]] || update-rc.d $service disable >>.cache/apt.log 2>&1 || true
  done
  return $status
}

look
[ ${#missing[@]} -gt 0 ] || exit 0

# An installation that failed is not tried at every start: without a network each try costs minutes.
tried=.cache/apt-tried
if can_install && [ "$(cat $tried 2>/dev/null)" != "${missing[*]}" ]; then
  worked
  echo "${missing[*]}" >$tried
  if install_without_services; then
    rm -f $tried
  else
    say "apt-get did not succeed: $(grep '^E:' .cache/apt.log | head -n 3 || true) (the whole of it is in .cache/apt.log)"
  fi
  look
fi

if [ ${#missing[@]} -gt 0 ]; then
  say "Not installed on this machine:"
  printf '%s\n' "${costs[@]}" >&2
  say "To install: sudo apt-get install ${missing[*]}"
fi
