"""Which of the two daemons heapfast stands in for, and what the flags of one do in the other."""

import pytest

from heapfast.config.build import build_options
from heapfast.config.flag import Group
from heapfast.config.flags import FLAGS
from heapfast.config.options import KubeletOptions, Options
from heapfast.errors import ConfigError
from heapfast.scrape.shard import Shard
from tests.unit.config.defaults import KubeOptions, ScrapeOptions

SECOND_NS = 1_000_000_000
HEAPSTER = "--source=kubernetes.summary_api"
UPSTREAM_TYPES = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")


def build(*argv: str, environment: dict[str, str] | None = None) -> Options:
    return build_options(argv, environment or {})


def faults_of(*argv: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        build(*argv)
    return refusal.value.faults


def ports(options: Options) -> tuple[int | None, int | None]:
    """Heapster's port and the secure one, None for one that is closed."""
    return options.api.port if options.api.enabled else None, options.secure.port if options.secure else None


def test_without_a_word_it_is_metrics_server() -> None:
    options = build()
    assert options.resolution_ns == 60 * SECOND_NS
    assert options.kube == KubeOptions(in_cluster=True)
    assert options.source == ScrapeOptions(
        kind="resource",
        kubelet_port=10250,
        kubelet_https=True,
        timeout_ns=10 * SECOND_NS,
        deadline_ns=20 * SECOND_NS,
    )
    assert options.kubelets == KubeletOptions(address_types=UPSTREAM_TYPES)
    assert options.notes == ()


@pytest.mark.parametrize(
    ("argv", "heapster", "secure"),
    [
        ([], None, 443),
        (["--secure-port=10250"], None, 10250),
        (["--heapster-port=8082"], 8082, 443),
        (["--heapster-port=0", "--secure-port=0"], 0, None),
        ([HEAPSTER], 8082, None),
        ([HEAPSTER, "--heapster-port=80"], 80, None),
        ([HEAPSTER, "--secure-port=10250"], 8082, 10250),
        ([HEAPSTER, "--secure-port=443"], 8082, 443),
        ([HEAPSTER, "--secure-port=0"], 8082, None),
        ([HEAPSTER, "--api-server=false"], 8082, None),
    ],
)
def test_a_port_is_open_in_its_own_model_or_when_it_is_given(
    argv: list[str], heapster: int | None, secure: int | None
) -> None:
    assert ports(build(*argv)) == (heapster, secure)


@pytest.mark.parametrize(
    ("argv", "metrics"),
    [
        ([], "cpu/usage_rate memory/working_set"),
        (["--heapster-port=8082"], "cpu/usage_rate memory/working_set"),
        (["--source=kubernetes.resource"], "cpu/usage_rate memory/working_set"),
        ([HEAPSTER], "cpu/usage_rate memory/usage"),
        ([HEAPSTER, "--secure-port=443"], "cpu/usage_rate memory/usage memory/working_set"),
        (["--source=kubernetes", "--secure-port=443"], "cpu/usage_rate memory/usage memory/working_set"),
        (["--long-metrics=uptime"], "uptime"),
        (["--long-metrics="], ""),
    ],
)
def test_what_each_port_takes_means_of_is_kept_long(argv: list[str], metrics: str) -> None:
    assert build(*argv).store.long_metrics == tuple(metrics.split())


def test_serving_nothing_at_all_is_refused() -> None:
    assert faults_of("--secure-port=0") == [
        "--secure-port: got 0, want a port, or --heapster-port beside it: nothing would be served"
    ]


@pytest.mark.parametrize(
    ("argv", "note"),
    [
        ([HEAPSTER, "--cert-dir=/tmp"], "--cert-dir: has no effect: its port is closed, --secure-port opens it"),
        ([HEAPSTER, "--client-ca-file=a"], "--client-ca-file: has no effect: its port is closed, --secure-port opens"),
        (["--tls-cert=a", "--tls-key=b"], "--tls-cert: has no effect: its port is closed, --heapster-port opens it"),
        (["--listen-ip=::1"], "--listen-ip: has no effect: its port is closed, --heapster-port opens it"),
    ],
)
def test_flags_of_a_closed_port_are_noted(argv: list[str], note: str) -> None:
    assert build(*argv).notes[0].startswith(note)


@pytest.mark.parametrize(
    ("argv", "kube"),
    [
        (["--kubeconfig=/k"], KubeOptions(in_cluster=False, kubeconfig="/k")),
        ([HEAPSTER, "--kubeconfig=/k"], KubeOptions(in_cluster=False, kubeconfig="/k")),
        ([f"{HEAPSTER}:?insecure=t", "--kubeconfig=/k"], KubeOptions(in_cluster=False, kubeconfig="/k", insecure=True)),
        (["--kubelet-insecure-tls"], KubeOptions()),
    ],
)
def test_kubeconfig_says_where_the_api_server_is(argv: list[str], kube: object) -> None:
    assert build(*argv).kube == kube


@pytest.mark.parametrize("url", ["https://k", "?auth=/x&inClusterConfig=false", "?inClusterConfig=true"])
def test_two_answers_to_where_the_api_server_is_are_refused(url: str) -> None:
    assert faults_of(f"{HEAPSTER}:{url}", "--kubeconfig=/k") == [
        "--kubeconfig: got '/k', want nothing, where the URL of --source says where the API server is"
    ]


@pytest.mark.parametrize(
    ("argv", "port", "https", "insecure"),
    [
        ([], 10250, True, False),
        (["--source=kubernetes.resource"], 10250, True, False),
        ([HEAPSTER], 10255, False, False),
        (["--kubelet-port=1"], 1, True, False),
        ([HEAPSTER, "--kubelet-port=1"], 1, False, False),
        ([f"{HEAPSTER}:?kubeletPort=2", "--kubelet-port=1"], 2, False, False),
        (["--kubelet-insecure-tls"], 10250, True, True),
        ([f"{HEAPSTER}:?kubeletHttps=true", "--kubelet-insecure-tls"], 10255, True, True),
        ([f"{HEAPSTER}:?kubeletHttps=true&insecure=true"], 10255, True, True),
        (["--deprecated-kubelet-completely-insecure"], 10250, False, False),
        ([HEAPSTER, "--deprecated-kubelet-completely-insecure"], 10255, False, False),
    ],
)
def test_the_url_beats_flags_and_flags_beat_the_keys_defaults(
    argv: list[str], port: int, https: bool, insecure: bool
) -> None:
    source = build(*argv).source
    assert (source.kubelet_port, source.kubelet_https, source.insecure) == (port, https, insecure)


@pytest.mark.parametrize(
    ("argv", "types"),
    [
        ([], UPSTREAM_TYPES),
        ([HEAPSTER], ()),
        (["--kubelet-preferred-address-types=InternalIP,Hostname"], ("InternalIP", "Hostname")),
        ([HEAPSTER, "--kubelet-preferred-address-types=InternalDNS"], ("InternalDNS",)),
    ],
)
def test_addresses_are_chosen_as_the_model_does(argv: list[str], types: tuple[str, ...]) -> None:
    assert build(*argv).kubelets.address_types == types


@pytest.mark.parametrize(
    ("argv", "timeout_ns", "deadline_ns"),
    [
        ([], 10 * SECOND_NS, 20 * SECOND_NS),
        (["--metric-resolution=15s"], 10 * SECOND_NS, 13_500_000_000),
        (["--metric-resolution=10s"], 9 * SECOND_NS, 9 * SECOND_NS),
        (["--metric-resolution=10s", "--kubelet-request-timeout=9s"], 9 * SECOND_NS, 9 * SECOND_NS),
        (["--kubelet-request-timeout=54s"], 54 * SECOND_NS, 54 * SECOND_NS),
        ([HEAPSTER, "--kubelet-request-timeout=3s"], 3 * SECOND_NS, 20 * SECOND_NS),
        ([HEAPSTER, "--scrape-timeout=3s", "--kubelet-request-timeout=3s"], 3 * SECOND_NS, 20 * SECOND_NS),
    ],
)
def test_time_outs_fit_into_the_resolution(argv: list[str], timeout_ns: int, deadline_ns: int) -> None:
    source = build(*argv).source
    assert (source.timeout_ns, source.deadline_ns) == (timeout_ns, deadline_ns)


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["--metric-resolution=9s"], "--metric-resolution: got 9s, want at least 10s"),
        ([HEAPSTER, "--metric-resolution=4s"], "--metric-resolution: got 4s, want at least 5s"),
        (
            ["--metric-resolution=10s", "--kubelet-request-timeout=10s"],
            "--kubelet-request-timeout: got 10s, want more than 0s and at most 9s, nine tenths of a resolution of 10s",
        ),
        (["--kubelet-request-timeout=0s"], "--kubelet-request-timeout: got 0s, want more than 0s"),
        (
            ["--kubelet-request-timeout=3s", "--scrape-timeout=4s"],
            "--scrape-timeout: got 4s, want the same as --kubelet-request-timeout, 3s",
        ),
        (
            ["--kubelet-insecure-tls", "--kubelet-certificate-authority=a"],
            "--kubelet-certificate-authority: got it, want --kubelet-insecure-tls or this, not both",
        ),
        (
            ["--deprecated-kubelet-completely-insecure", "--kubelet-insecure-tls"],
            "--kubelet-insecure-tls: got it, want --deprecated-kubelet-completely-insecure or this, not both",
        ),
        (
            ["--deprecated-kubelet-completely-insecure", "--kubelet-certificate-authority=a"],
            "--kubelet-certificate-authority: got it, want --deprecated-kubelet-completely-insecure or this",
        ),
        (
            ["--deprecated-kubelet-completely-insecure", "--kubelet-token-over-http"],
            "--kubelet-token-over-http: got it, want --deprecated-kubelet-completely-insecure or this",
        ),
        (
            [f"{HEAPSTER}:?kubeletHttps=t", "--deprecated-kubelet-completely-insecure"],
            "--deprecated-kubelet-completely-insecure: got true, want false, where --source has kubeletHttps=true",
        ),
        (["--kubelet-client-key=a"], "--kubelet-client-certificate: got nothing, want the certificate of --kubelet-cl"),
        (["--kubelet-client-certificate=a"], "--kubelet-client-key: got nothing, want the key of --kubelet-client-c"),
        (["--kubelet-port=0"], "--kubelet-port: got 0, want a port from 1 to 65535"),
        (["--kubelet-preferred-address-types="], "--kubelet-preferred-address-types: got nothing, want one or more of"),
        (["-l=a in b"], "--node-selector: got 'a in b', want a label selector (unable to parse requirement: found 'b'"),
        (["--node-selector=,"], "--node-selector: got ',', want a label selector (found ','"),
        (["--shard=3/3"], "--shard: got '3/3', want I/N with 0 <= I < N <= 1000, such as 0/3"),
    ],
)
def test_a_value_that_cannot_be_run_is_refused(argv: list[str], fault: str) -> None:
    faults = faults_of(*argv)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_every_fault_of_both_models_comes_at_once() -> None:
    faults = faults_of(
        "--metric-resolution=1s",
        "--kubelet-client-key=k",
        "--node-selector=!",
        "--secure-port=70000",
        "--tls-cert-file=c",
        "--bind-address=here",
        "--tls-min-version=TLS1.2",
        "--authorization-always-allow-paths=metrics",
        "--heapster-port=-1",
    )
    assert [fault.partition(":")[0] for fault in faults] == [
        "--metric-resolution",
        "--kubelet-client-certificate",
        "--node-selector",
        "--heapster-port",
        "--secure-port",
        "--tls-private-key-file",
        "--bind-address",
        "--tls-min-version",
        "--authorization-always-allow-paths",
    ]


def test_an_unknown_address_type_is_noted() -> None:
    (note,) = build("--kubelet-preferred-address-types=InternalIp,Hostname").notes
    assert note.startswith("--kubelet-preferred-address-types: no node has addresses of type 'InternalIp'")


def test_the_node_selector_keeps_its_text() -> None:
    assert build("--node-selector=metrics-server-skip!=true").kubelets.node_selector == "metrics-server-skip!=true"


def test_a_replica_takes_every_node_unless_it_is_one_of_several() -> None:
    assert build().kubelets.shard == Shard(0, 1)
    assert build("--shard=1/3").kubelets.shard == Shard(1, 3)


def test_ignored_flags_are_noted_when_they_are_given_and_only_then() -> None:
    ignored = [flag for flag in FLAGS.values() if flag.group is Group.IGNORED]
    assert len(ignored) > 60
    options = build(*(f"--{flag.name}" if flag.is_switch else f"--{flag.name}=1" for flag in ignored))
    assert options.notes == tuple(f"--{flag.name}: {flag.help}" for flag in ignored)


@pytest.mark.parametrize(
    ("argv", "environment", "threads"),
    [
        ([], {}, 0),
        ([], {"GOMAXPROCS": "3"}, 3),
        ([], {"GOMAXPROCS": "many"}, 0),
        ([], {"GOMAXPROCS": "-1"}, 0),
        (["--max-procs=2"], {"GOMAXPROCS": "3"}, 2),
    ],
)
def test_gomaxprocs_stands_in_for_max_procs(argv: list[str], environment: dict[str, str], threads: int) -> None:
    assert build(*argv, environment=environment).threads == threads
