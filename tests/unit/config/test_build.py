"""What the values of a command line mean together."""

from pathlib import Path

import pytest

from heapfast.config.build import build_options
from heapfast.config.options import KubeletOptions, Options, TlsOptions
from heapfast.errors import ConfigError
from heapfast.history.options import EmbeddedOptions
from tests.unit.config.defaults import (
    ApiOptions,
    AuthOptions,
    HistoryOptions,
    KubeOptions,
    LabelOptions,
    LogOptions,
    QueryOptions,
    ScrapeOptions,
    SinkOptions,
    StoreOptions,
)

SECOND_NS = 1_000_000_000
SOURCE = "--source=kubernetes.summary_api"


def build(*argv: str) -> Options:
    return build_options([SOURCE, *argv], {})


def faults_of(*argv: str, source: str = SOURCE) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        build_options([*([source] if source else []), *argv], {})
    return refusal.value.faults


def test_a_source_alone_is_heapsters_default_configuration() -> None:
    assert build() == Options(
        resolution_ns=60 * SECOND_NS,
        threads=0,
        kube=KubeOptions(),
        source=ScrapeOptions(timeout_ns=10 * SECOND_NS, deadline_ns=20 * SECOND_NS),
        kubelets=KubeletOptions(),
        store=StoreOptions(long_metrics=("cpu/usage_rate", "memory/usage")),
        labels=LabelOptions(),
        api=ApiOptions(),
        query=QueryOptions(),
        tls=TlsOptions(),
        secure=None,
        auth=AuthOptions(),
        log=LogOptions(),
        sinks=SinkOptions(),
        history=HistoryOptions(),
    )


def test_building_twice_gives_the_same() -> None:
    argv = ["--ignore-label=a", "--store-label=x=y", "--allowed-users=me"]
    assert build(*argv) == build(*argv)


def test_a_full_migration_keeps_every_value(tmp_path: Path) -> None:
    options = build_options(
        [
            "--source=kubernetes:https://k:1?inClusterConfig=f&kubeletPort=10250&kubeletHttps=t&insecure=t&useServiceAccount=t",
            "--sink=metric",
            "--metric_resolution=30s",
            "--heapster-port=443",
            "--listen-ip=127.0.0.1",
            "--max-procs=4",
            "--tls-cert=a.pem",
            "--tls-key=b.pem",
            "--tls-client-ca=c.pem",
            "--allowed-users=admin,ops",
            "--disable-export",
            "--label-separator=|",
            "--ignore-label=pod-template-hash",
            "--store-label=tier,zone=topology.kubernetes.io/zone",
            "--long-metrics=memory/rss,custom/qps",
            "--long-retention=1h",
            "--short-retention=5m",
            "--scrape-timeout=4s",
            "--scrape-spread=3s",
            "--max-body-bytes=1000",
            "--kubelet-token-over-http",
            f"--data-dir={tmp_path}",
            "--history-retention=240h",
            "--history-max-bytes=5",
            "--history-raw-retention=2h",
            "--history-thin-resolution=10m",
            "--history-memory-bytes=100000000",
            "--historical-max-points=7",
            "--historical-timeout=3s",
        ],
        {},
    )
    assert options == Options(
        resolution_ns=30 * SECOND_NS,
        threads=4,
        data_dir=str(tmp_path),
        history=HistoryOptions(
            embedded=EmbeddedOptions(
                retention_ns=240 * 3600 * SECOND_NS,
                max_bytes=5,
                raw_retention_ns=2 * 3600 * SECOND_NS,
                thin_ns=600 * SECOND_NS,
                memory_bytes=100_000_000,
            ),
            max_points=7,
            timeout_ns=3 * SECOND_NS,
        ),
        kube=KubeOptions(
            server="https://k:1",
            in_cluster=False,
            insecure=True,
            use_service_account=True,
        ),
        source=ScrapeOptions(
            kind="cadvisor",
            kubelet_port=10250,
            kubelet_https=True,
            insecure=True,
            token_over_http=True,
            timeout_ns=4 * SECOND_NS,
            spread_ns=3 * SECOND_NS,
            deadline_ns=20 * SECOND_NS,
            max_body_bytes=1000,
        ),
        kubelets=KubeletOptions(),
        store=StoreOptions(
            long_metrics=("memory/rss", "custom/qps"),
            long_retention_ns=3600 * SECOND_NS,
            short_retention_ns=300 * SECOND_NS,
        ),
        labels=LabelOptions(
            separator="|",
            ignored=("pod-template-hash",),
            stored=(("tier", "tier"), ("topology.kubernetes.io/zone", "zone")),
        ),
        api=ApiOptions(listen_ip="127.0.0.1", port=443, export_enabled=False),
        query=QueryOptions(),
        tls=TlsOptions(cert_file="a.pem", key_file="b.pem", client_ca_file="c.pem", allowed_users=("admin", "ops")),
        secure=None,
        auth=AuthOptions(),
        log=LogOptions(),
        sinks=SinkOptions(),
    )


@pytest.mark.parametrize(
    ("source", "kube"),
    [
        ("kubernetes:https://kube", KubeOptions(server="https://kube")),
        ("kubernetes:https://kube/path?insecure=", KubeOptions(server="https://kube")),
        ("kubernetes:kube:6443", KubeOptions()),
        ("kubernetes:?inClusterConfig=f&auth=/etc/kube", KubeOptions(in_cluster=False, kubeconfig="/etc/kube")),
        ("kubernetes:?insecure=t&insecure=f", KubeOptions(insecure=True)),
        ("kubernetes:$SERVER", KubeOptions(server="https://from-environment")),
    ],
)
def test_the_source_says_how_to_reach_the_api_server(source: str, kube: object) -> None:
    assert build_options([f"--source={source}"], {"SERVER": "https://from-environment"}).kube == kube


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("--source=", "--source: got '', want KEY or KEY:URL"),
        ("--source=docker", "--source: got the key 'docker', want kubernetes, kubernetes.summary_api, kub"),
        ("--source=kubernetes:1.2.3.4:1", "--source: got 'kubernetes:1.2.3.4:1', want a URL without a colon"),
        ("--source=kubernetes:ftp://kube", "--source: got the scheme 'ftp', want http or https"),
        ("--source=kubernetes:?insecure=yes", "--source: got insecure=yes, want true or false"),
        ("--source=kubernetes:?kubeletPort=http", "--source: got kubeletPort=http, want a port from 1 to 65535"),
        ("--source=kubernetes:?kubeletPort=65536", "--source: got kubeletPort=65536, want a port from 1 to 65535"),
        ("--source=kubernetes:?inClusterConfig=false", "--source: got no API server, want a URL such as"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(source: str, fault: str) -> None:
    faults = faults_of(source=source)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


@pytest.mark.parametrize(
    ("argument", "fault"),
    [
        ("--metric-resolution=4999ms", "--metric-resolution: got 4.999s, want at least 5s"),
        ("--metric-resolution=-1m", "--metric-resolution: got -1m0s, want at least 5s"),
        ("--heapster-port=65536", "--heapster-port: got 65536, want a port from 0 to 65535"),
        ("--heapster-port=-1", "--heapster-port: got -1, want a port from 0 to 65535"),
        ("--max-procs=-1", "--max-procs: got -1, want 0 or more"),
        ("--tls-cert=a", "--tls-key: got nothing, want the key of --tls-cert"),
        ("--tls-key=a", "--tls-cert: got nothing, want the certificate of --tls-key"),
        ("--tls-client-ca=a", "--tls-client-ca: got 'a', want --tls-cert and --tls-key beside it"),
        ("--long-metrics=cpu", "--long-metrics: got 'cpu', want the name of a metric"),
        ("--long-retention=1m", "--long-retention: got 1m0s, want at least --short-retention, 2m20s"),
        ("--short-retention=0s", "--short-retention: got 0s, want more than 0s"),
        ("--data-dir=/dev/null", "--data-dir: got '/dev/null', want a directory: it is none"),
        ("--data-dir=/dev/null/x", "--data-dir: got '/dev/null/x', want a directory: /dev/null is none"),
        ("--scrape-timeout=-1s", "--scrape-timeout: got -1s, want more than 0s and at most 54s, nine tenths of"),
        ("--scrape-timeout=55s", "--scrape-timeout: got 55s, want more than 0s and at most 54s"),
        ("--query-max-rows=0", "--query-max-rows: got 0, want at least 1"),
        ("--query-max-samples=-1", "--query-max-samples: got -1, want at least 1"),
        ("--query-max-body-bytes=0", "--query-max-body-bytes: got 0, want at least 1"),
        ("--query-timeout=0s", "--query-timeout: got 0s, want more than 0s"),
        ("--scrape-spread=-1s", "--scrape-spread: got -1s, want at least 0s and less than 20s, which is how long"),
        ("--scrape-spread=20s", "--scrape-spread: got 20s, want at least 0s and less than 20s"),
        ("--max-body-bytes=0", "--max-body-bytes: got 0, want at least 1"),
        ("--store-label=a=", "--store-label: got 'a=', want NAME or NEW=NAME"),
        ("--store-label==a", "--store-label: got '=a', want NAME or NEW=NAME"),
        ("--store-label=x=a,x=b", "--store-label: got 'x=b', want one Kubernetes label to be stored as 'x', not two"),
        ("--sink=influx", "--sink: got 'influx', want one of"),
        ("--sink-export-data-timeout=0s", "--sink-export-data-timeout: got 0s, want more than 0s"),
        ("--sink-flush-timeout=-1s", "--sink-flush-timeout: got -1s, want 0s or more"),
        ("--sink-queue-batches=0", "--sink-queue-batches: got 0, want at least 1"),
        ("--sink=log:1.2.3.4:1", "--sink: got the key 'log' and no URL that can be read, want a URL without a colon"),
        (
            "--historical-source=odd:http://db",
            "--historical-source: got 'odd', want 'embedded', 'none' or the URI of an",
        ),
        ("--historical-source=embedded", "--historical-source: got 'embedded', want --data-dir beside it"),
        ("--historical-timeout=0s", "--historical-timeout: got 0s, want more than 0s"),
        ("--historical-max-points=0", "--historical-max-points: got 0, want at least 1"),
        ("--historical-source=graphite:tcp://db", "--historical-source: got 'graphite', want 'embedded', 'none' or"),
        ("--historical-source=influxdb://[", "--historical-source: got the key 'influxdb' and no URL that can be read"),
        (
            "--historical-source=influxdb:?concurrency=0",
            "--historical-source: got 'influxdb' with an option 'concurrency",
        ),
    ],
)
def test_a_value_that_cannot_be_run_is_refused(argument: str, fault: str) -> None:
    faults = faults_of(argument)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


@pytest.mark.parametrize(
    "name", ["type", "labels", "nodename", "pod_id", "namespace_name", "container_name", "resource_id"]
)
def test_a_label_that_says_who_an_entity_is_cannot_be_stored(name: str) -> None:
    assert faults_of(f"--store-label={name}=team")[0].startswith(f"--store-label: got '{name}=team', want a name other")
    assert faults_of(f"--store-label={name}")[0].startswith(f"--store-label: got '{name}', want a name other")


def test_one_label_can_be_stored_again_under_its_last_name() -> None:
    assert build("--store-label=a=x", "--store-label=b=x").labels.stored == (("x", "b"),)


def test_all_faults_come_at_once() -> None:
    faults = faults_of(
        "--nope", "--v=x", "--metric-resolution=1s", "--heapster-port=-1", "--sink=foo", source="--source=docker"
    )
    assert [fault.partition(":")[0] for fault in faults] == [
        "--nope",
        "--v",
        "--source",
        "--metric-resolution",
        "--sink",
        "--heapster-port",
    ]


def test_faults_show_no_password() -> None:
    for sink in ("influxdb:http://u:secret@db:x", "log:secret:1.2/%zz", "odd:secret"):
        assert "secret" not in " ".join(faults_of(f"--sink={sink}", f"--historical-source={sink}"))


@pytest.mark.parametrize(
    ("argv", "served"),
    [
        ([], True),
        (["--sink=metric"], True),
        (["--disable-metric-sink"], False),
        (["--disable-metric-sink", "--sink=metric"], True),
    ],
)
def test_naming_the_metric_sink_beats_disabling_it(argv: list[str], served: bool) -> None:
    assert build(*argv).api.model_enabled is served


@pytest.mark.parametrize(
    ("resolution", "timeout_ns", "deadline_ns"),
    [
        ("5s", 2_500_000_000, 4_500_000_000),
        ("15s", 7_500_000_000, 13_500_000_000),
        ("60s", 10 * SECOND_NS, 20 * SECOND_NS),
    ],
)
def test_by_default_a_batch_never_waits_until_the_next_one(resolution: str, timeout_ns: int, deadline_ns: int) -> None:
    source = build(f"--metric-resolution={resolution}").source
    assert (source.timeout_ns, source.deadline_ns) == (timeout_ns, deadline_ns)


@pytest.mark.parametrize(
    ("argv", "level"),
    [
        ([], "INFO"),
        (["-v=3"], "INFO"),
        (["-v=4"], "DEBUG"),
        (["--stderrthreshold=ERROR"], "INFO"),
        (["--logtostderr=false"], "ERROR"),
        (["--logtostderr=false", "--stderrthreshold=WARNING"], "WARNING"),
        (["--logtostderr=false", "--stderrthreshold=FATAL"], "CRITICAL"),
        (["--logtostderr=false", "--alsologtostderr"], "INFO"),
    ],
)
def test_glogs_flags_set_the_level(argv: list[str], level: str) -> None:
    assert build(*argv).log.level == level


@pytest.mark.parametrize(
    ("argv", "note"),
    [
        (["--log-dir=/var/log"], "--log-dir: has no effect"),
        (["--vmodule=a=2"], "--vmodule: has no effect"),
        (["--log-flush-frequency=1s"], "--log-flush-frequency: has no effect: lines are written at once"),
        (["--profiling"], "--profiling: has no effect: it looks into Go programs"),
        (["--allowed-users=me"], "--allowed-users: nobody is checked without --tls-client-ca"),
    ],
)
def test_flags_that_do_less_than_they_seem_to_are_noted(argv: list[str], note: str) -> None:
    (noted,) = build(*argv).notes
    assert noted.startswith(note)


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("kubernetes:?kubeletports=1", "--source: the option 'kubeletports' is not known and has no effect"),
        ("kubernetes:?auth=/etc/kube", "--source: the option 'auth' has no effect without inClusterConfig=false"),
    ],
)
def test_source_options_without_effect_are_noted(source: str, note: str) -> None:
    (noted,) = build_options([f"--source={source}"], {}).notes
    assert noted.startswith(note)


def test_options_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        build().threads = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("flags", "is_embedded"),
    [
        ((), False),
        (("--historical-source=none",), False),
        (("--data-dir=.",), True),
        (("--data-dir=.", "--historical-source=embedded"), True),
        (("--data-dir=.", "--historical-source=none"), False),
    ],
)
def test_history_is_kept_where_there_is_a_folder_for_it(flags: tuple[str, ...], is_embedded: bool) -> None:
    options = build_options([SOURCE, *flags], {})
    assert options.history.embedded == (EmbeddedOptions() if is_embedded else None)


@pytest.mark.parametrize(
    ("flag", "fault"),
    [
        ("--history-retention=-1s", "--history-retention: got -1s, want 0s or more"),
        ("--history-max-bytes=-1", "--history-max-bytes: got -1, want 0 or more"),
        ("--history-thin-resolution=7m", "--history-thin-resolution: got 7m0s, want whole seconds that divide an hour"),
        ("--history-thin-resolution=0s", "--history-thin-resolution: got 0s, want whole seconds that divide an hour"),
        ("--history-memory-bytes=1", "--history-memory-bytes: got 1, want at least 67108864"),
    ],
)
def test_a_flag_of_history_that_cannot_be_run_is_refused(flag: str, fault: str) -> None:
    assert faults_of("--data-dir=.", flag) == [fault]


def test_metrics_servers_model_keeps_no_history_that_nobody_could_ask_for() -> None:
    assert build_options(["--data-dir=."], {}).history.embedded is None
    assert build_options(["--data-dir=.", "--heapster-port=0"], {}).history.embedded is not None


def test_flags_of_history_without_history_are_noted() -> None:
    notes = build_options([SOURCE, "--history-retention=1h"], {}).notes
    assert notes == ("--history-retention: has no effect: there is no history on disk without --data-dir",)
