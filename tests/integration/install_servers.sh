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

# Search servers come as jars, too: the one for the network is a module, in a folder that says which class it is and what
# it may do. They refuse to run as root, so a root runs them as nobody, who still owns its files.
install_jars_of() {  # NAME GROUP RELEASE LOG4J
    local home=$folder/$1 module=$folder/$1/modules/transport-netty4
    mvn -q -B -f "$here/search-pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$home/jars" -Dname="$1" -Dgroup="$2" -Drelease="$3" -Dlog4j="$4" || return 1
    mkdir -p "$module" "$home/plugins" "$home/lib"
    mv "$home"/jars/netty-* "$home"/jars/transport-netty4-* "$module/"
    cat > "$module/plugin-descriptor.properties" <<END
name=transport-netty4
description=HTTP
version=$3
$1.version=$3
java.version=1.8
classname=$2.transport.Netty4Plugin
END
    cat > "$module/plugin-security.policy" <<END
grant {
  permission java.lang.RuntimePermission "accessDeclaredMembers";
  permission java.lang.RuntimePermission "accessClassInPackage.sun.misc";
  permission java.lang.RuntimePermission "accessClassInPackage.sun.nio.ch";
  permission java.lang.RuntimePermission "getClassLoader";
  permission java.lang.reflect.ReflectPermission "suppressAccessChecks";
  permission java.net.SocketPermission "*", "accept,connect";
};
END
}
as_nobody() {
    if [ "$(id -u)" = 0 ]; then unshare --user "$@"; else "$@"; fi
}
install_opensearch() { install_jars_of opensearch org.opensearch 2.19.6 2.25.4; }
runs_opensearch() {
    as_nobody java -Djava.security.manager=allow -Dopensearch.path.home="$folder/opensearch" \
        -Dopensearch.path.conf="$folder/opensearch" -cp "$folder/opensearch/jars/*" \
        org.opensearch.bootstrap.OpenSearch --version 2>/dev/null
}
install_elasticsearch() { install_jars_of elasticsearch org.elasticsearch 7.17.28 2.17.1; }
runs_elasticsearch() { as_nobody java -cp "$folder/elasticsearch/jars/*" org.elasticsearch.Version; }

# The generation that Heapster was written for, as its makers packed it.
install_elasticsearch2() {
    mvn -q -B dependency:copy -Dartifact=org.elasticsearch.distribution.zip:elasticsearch:2.4.6:zip \
        -DoutputDirectory="$folder/elasticsearch2" &&
        (cd "$folder/elasticsearch2" && jar xf elasticsearch-2.4.6.zip && rm elasticsearch-2.4.6.zip)
}
runs_elasticsearch2() { as_nobody java -cp "$folder/elasticsearch2/elasticsearch-2.4.6/lib/*" org.elasticsearch.Version; }

install_packages() {
    apt-get update -q && apt-get install -q -y --no-install-recommends influxdb prometheus valgrind
}
runs_packages() { command -v influxd && command -v prometheus && command -v valgrind; }

for server in packages carbon statsd kafka opensearch elasticsearch elasticsearch2; do
    "runs_$server" >/dev/null 2>&1 && continue
    if ! "install_$server" || ! "runs_$server" >/dev/null; then
        rm -rf "${folder:?}/$server"  # half of it would be worse than none
        echo "NOT INSTALLED: $server" >&2
    fi
done
exit 0
