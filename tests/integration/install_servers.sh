#!/usr/bin/env bash
# Installs what tests run: InfluxDB, Prometheus and valgrind by apt-get, other servers from package registries into a
# folder, build/servers unless said. What cannot be had, or does not run here, is said and left out; its tests are skipped then.
set -u
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../build/servers}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# Graphite's carbon, with what reads its files.
install_carbon() {
    python3 -m venv "$folder/carbon" && "$folder/carbon/bin/pip" install -q 'carbon==1.1.10' 'whisper==1.1.10'
}
runs_carbon() { "$folder/carbon/bin/python" -c 'import whisper, carbon.service'; }

# Etsy's statsd; its optional parts would be compiled.
install_statsd() {
    npm install --silent --no-audit --no-fund --omit=optional --prefix "$folder/statsd" statsd@0.9.0
}
runs_statsd() { node -e "require('$folder/statsd/node_modules/statsd/lib/config')"; }

# A Kafka broker is a folder of jars, for Java 17 or later.
install_kafka() {
    mvn -q -B -f "$here/kafka-pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$folder/kafka"
}
runs_kafka() { java -cp "$folder/kafka/*" kafka.Kafka --version; }

install_packages() {
    apt-get update -q && apt-get install -q -y --no-install-recommends influxdb prometheus valgrind
}
runs_packages() { command -v influxd && command -v prometheus && command -v valgrind; }

for server in packages carbon statsd kafka; do
    "runs_$server" >/dev/null 2>&1 && continue
    if ! "install_$server" || ! "runs_$server" >/dev/null; then
        rm -rf "${folder:?}/$server"  # half of it would be worse than none
        echo "NOT INSTALLED: $server" >&2
    fi
done
exit 0
