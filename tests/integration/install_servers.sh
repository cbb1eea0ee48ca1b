#!/usr/bin/env bash
# Installs the servers that sinks are tested with, from package registries, into a folder: build/servers unless said.
# What cannot be had is said and left out; its tests are skipped then.
set -u
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../build/servers}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

missing() { echo "NOT INSTALLED: $1" >&2; }

# Graphite's carbon, with what reads its files.
[ -x "$folder/carbon/bin/carbon-cache.py" ] ||
    { python3 -m venv "$folder/carbon" && "$folder/carbon/bin/pip" install -q 'carbon==1.1.10' 'whisper==1.1.10'; } ||
    missing carbon

# Etsy's statsd; its optional parts would be compiled.
[ -f "$folder/statsd/node_modules/statsd/stats.js" ] ||
    npm install --silent --no-audit --no-fund --omit=optional --prefix "$folder/statsd" statsd@0.9.0 ||
    missing statsd

# A Kafka broker is a folder of jars.
ls "$folder"/kafka/kafka_2.13-*.jar >/dev/null 2>&1 ||
    mvn -q -B -f "$here/kafka-pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$folder/kafka" ||
    missing kafka
exit 0
