"""Two sources, one beside the other: which go together, and how often each is scraped."""

import pytest

from heapfast.config.build import build_options
from heapfast.config.options import Options
from heapfast.errors import ConfigError
from tests.unit.config.defaults import KubeOptions

SECOND_NS = 1_000_000_000
RESOURCE = "--source=kubernetes.resource"
SUMMARY = "--source=kubernetes.summary_api"

PAIR = (RESOURCE, SUMMARY)


def build(*argv: str) -> Options:
    return build_options(argv, {})


def faults_of(*argv: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        build(*argv)
    return refusal.value.faults


@pytest.mark.parametrize(
    ("argv", "tick", "side"),
    [
        ((f"{RESOURCE}:?resolution=15s", f"{SUMMARY}:?resolution=60s"), 15, 60),
        ((f"{SUMMARY}:?resolution=60s", f"{RESOURCE}:?resolution=15s"), 15, 60),
        ((*PAIR, "--metric-resolution=15s"), 15, 15),
        ((RESOURCE, f"{SUMMARY}:?resolution=5m"), 60, 300),
        ((RESOURCE, f"{SUMMARY}:?resolution=5m", "--metric-resolution=10s"), 10, 300),
        ((f"{RESOURCE}:?resolution=20s", SUMMARY), 20, 60),
        ((f"{RESOURCE}:?resolution=", f"{SUMMARY}:?resolution="), 60, 60),
        ((f"{SUMMARY}:?resolution=30s",), 30, 0),
        ((f"{RESOURCE}:?resolution=5s",), 5, 0),
        ((f"{SUMMARY}:?resolution=30s", "--metric-resolution=30s"), 30, 0),
        ((), 60, 0),
        (("--summary-resolution=2m",), 60, 120),
        (("--summary-resolution=1m", "--metric-resolution=15s"), 15, 60),
    ],
)
def test_batches_are_closed_as_often_as_the_main_source_is_scraped(argv: tuple[str, ...], tick: int, side: int) -> None:
    options = build(*argv)
    assert (options.resolution_ns, options.source.side_resolution_ns) == (tick * SECOND_NS, side * SECOND_NS)


@pytest.mark.parametrize("argv", [PAIR, PAIR[::-1]])
def test_the_main_source_is_the_one_of_cpu_and_memory(argv: tuple[str, str]) -> None:
    assert build(*argv).source.kind == "resource"


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        ((RESOURCE, RESOURCE), "--source: got kubernetes.resource and kubernetes.resource, want one, or"),
        (("--source=kubernetes", RESOURCE), "--source: got kubernetes and kubernetes.resource, want one, or"),
        (("--source=kubernetes", SUMMARY), "--source: got kubernetes and kubernetes.summary_api, want one, or"),
        (
            (*PAIR, RESOURCE),
            "--source: got kubernetes.resource and kubernetes.summary_api and",
        ),
        ((RESOURCE, "--source=docker"), "--source: got the key 'docker', want kubernetes,"),
        ((f"{RESOURCE}:?resolution=x",), "--source: got resolution=x, want a duration such as 60s, 1m30s or 1.5h"),
        ((f"{RESOURCE}:?resolution=1s",), "--source: got resolution=1s, want at least 5s"),
        ((*PAIR, "--metric-resolution=1s"), "--metric-resolution: got 1s, want at least 5s"),
        (
            (f"{SUMMARY}:?resolution=30s", "--metric-resolution=15s"),
            "--source: got resolution=30s, want --metric-resolution, 15s, of the source that is scraped",
        ),
        (
            (f"{RESOURCE}:?resolution=15s", f"{SUMMARY}:?resolution=20s"),
            "--source: got resolution=20s, want 15s, which is how often batches are closed, or a multiple of it",
        ),
        ((RESOURCE, f"{SUMMARY}:?resolution=30s"), "--source: got resolution=30s, want 1m0s, which is how often"),
        ((f"{RESOURCE}:?resolution=15s", f"{SUMMARY}:?resolution=0"), "--source: got resolution=0s, want 15s, which"),
        (("--summary-resolution=90s",), "--summary-resolution: got 1m30s, want 1m0s, which is how often batches are"),
        (("--summary-resolution=-1m",), "--summary-resolution: got -1m0s, want 1m0s, which is how often batches are"),
        (
            (RESOURCE, "--summary-resolution=1m"),
            "--summary-resolution: got 1m0s, want nothing: a second --source, kubernetes.summary_api:?resolution=1m0s,",
        ),
        (
            (f"{RESOURCE}:?kubeletPort=1", f"{SUMMARY}:?kubeletPort=2"),
            "--source: got kubeletPort=1 and kubeletPort=2, want one: there is one API server, and a node is asked",
        ),
        (
            (f"{RESOURCE}:https://a:1", f"{SUMMARY}:https://b:1"),
            "--source: got the hosts 'a:1' and 'b:1', want one API server",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(argv: tuple[str, ...], fault: str) -> None:
    found = faults_of(*argv)
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_what_either_url_says_holds_for_both() -> None:
    options = build(
        f"{RESOURCE}:https://api:6443?inClusterConfig=false&kubeletPort=7", f"{SUMMARY}:?insecure=true&kubeletPort=7"
    )
    assert options.kube == KubeOptions(server="https://api:6443", in_cluster=False, insecure=True)
    assert (options.source.kubelet_port, options.source.kubelet_https, options.source.insecure) == (7, True, True)


def test_the_connection_is_the_one_that_resource_metrics_are_served_on() -> None:
    source = build(*PAIR).source
    assert (source.kubelet_port, source.kubelet_https) == (10250, True)


def test_memory_of_both_sources_is_kept_long() -> None:
    assert build(*PAIR).store.long_metrics == ("cpu/usage_rate", "memory/usage", "memory/working_set")


@pytest.mark.parametrize(
    ("argv", "keys"),
    [
        ((), ()),
        (("--usage-keys=swap",), ("swap",)),
        (("--usage-keys=network,swap", "--summary-resolution=1m"), ("swap", "network")),
        (
            ("--usage-keys=accelerators,ephemeral-storage", SUMMARY, "--secure-port=443"),
            ("ephemeral-storage", "accelerators"),
        ),
        (("--usage-keys=swap,network", *PAIR, "--secure-port=443"), ("swap", "network")),
        (("--usage-keys=swap", SUMMARY), ()),
    ],
)
def test_usage_keys_are_those_that_a_source_has(argv: tuple[str, ...], keys: tuple[str, ...]) -> None:
    assert build(*argv).store.usage_keys == keys


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (("--usage-keys=disk",), "--usage-keys: got 'disk', want one or more of swap, ephemeral-storage, network,"),
        (("--usage-keys=network",), "--usage-keys: got 'network', want --summary-resolution too"),
        (
            ("--usage-keys=swap", SUMMARY, "--secure-port=443"),
            "--usage-keys: got 'swap', want the source kuber",
        ),
    ],
)
def test_usage_keys_that_no_source_has_are_refused(argv: tuple[str, ...], fault: str) -> None:
    (found,) = faults_of(*argv)
    assert found.startswith(fault)
