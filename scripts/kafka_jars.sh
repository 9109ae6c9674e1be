#!/usr/bin/env bash
# Fetch the jars of the Kafka broker that the tests run into .cache/kafka/jars of this checkout: once, about 44 MB.
# What arrives must be exactly the files of jars.sha256. Prints the folder; a second run touches no network.
. "$(dirname "$0")/lib.sh"

wanted=tests/parts/kafka_jars
jars=$PWD/.cache/kafka/jars

if ! (cd "$jars" 2>/dev/null && sha256sum --quiet --strict -c "../../../$wanted/jars.sha256" >/dev/null 2>&1); then
  command -v mvn >/dev/null || { say "Kafka's jars are missing, and so is Maven, which fetches them."; exit 3; }
  worked
  mkdir -p .cache/kafka
  exec 9>.cache/kafka/lock
  flock 9
  rm -rf "$jars.new" "$jars"
  mvn -q -B -ntp -f "$wanted/pom.xml" -Dmaven.repo.local="$PWD/.cache/kafka/m2" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$jars.new" >.cache/kafka/mvn.log 2>&1 ||
    { cat .cache/kafka/mvn.log >&2; exit 1; }
  (cd "$jars.new" && sha256sum --quiet --strict -c "../../../$wanted/jars.sha256") >&2
  rm -rf "$jars" .cache/kafka/m2
  mv "$jars.new" "$jars"
fi
echo "$jars"
