"""The table of cluster shapes, and the command lines that are made of it."""

from pathlib import Path

import pytest

from bench.macro.modes import HEAPSTER, METRICS_SERVER, MODES, find_fault, flags_of
from bench.processes import Ports
from bench.scenarios import SCENARIOS, Scenario
from heapfast.config.build import build_options
from heapfast.sim.process import Endpoints

ENDPOINTS = Endpoints(
    api_url="https://127.0.0.1:16443",
    kubelet_port=10250,
    kubeconfig="/sim/kubeconfig",
    ca_file="/sim/ca.crt",
    client_ca_file="/sim/client-ca.crt",
    client_cert_file="/sim/client.crt",
    client_key_file="/sim/client.key",
    front_proxy_cert_file="/sim/front-proxy.crt",
    front_proxy_key_file="/sim/front-proxy.key",
    addresses=["127.1.0.1"],
)
BY_NAME = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)


@BY_NAME
def test_each_is_a_cluster_that_the_simulator_takes(scenario: Scenario) -> None:
    options = scenario.options("http://127.0.0.1:1")
    options.check()
    assert (options.nodes, options.tls, options.daemon_url) == (scenario.nodes, scenario.tls, "http://127.0.0.1:1")
    assert scenario.all_containers == options.nodes * options.pods_per_node * options.containers


def test_each_is_found_by_its_own_name() -> None:
    assert [scenario.name for scenario in SCENARIOS.values()] == list(SCENARIOS)


def test_the_first_five_grow_and_the_others_are_a_size_with_something_else_changed() -> None:
    scenarios = list(SCENARIOS.values())
    nodes = [scenario.nodes for scenario in scenarios[:5]]
    assert nodes == sorted(set(nodes))
    for scenario in scenarios[5:]:
        base = next(one for one in scenarios[:5] if scenario.name.startswith(f"{one.name}-"))
        assert (scenario.nodes, scenario.pods, scenario.seed) == (base.nodes, base.pods, base.seed)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_that_can_be_run_makes_flags_that_the_daemon_takes(scenario: str, mode: str, tmp_path: Path) -> None:
    if find_fault(SCENARIOS[scenario], mode):
        assert mode == METRICS_SERVER
        return
    ports = Ports(heapster=18082, secure=14443)
    options = build_options(flags_of(mode, SCENARIOS[scenario], ENDPOINTS, ports, tmp_path), {})
    assert options.resolution_ns == SCENARIOS[scenario].resolution_seconds * 10**9
    assert (options.api.enabled, options.api.port) == (True, 18082)
    assert options.source.kind == ("summary" if mode == HEAPSTER else "resource")
    assert options.source.kubelet_https == SCENARIOS[scenario].tls
    assert (options.secure.port if options.secure else 0) == (14443 if mode == METRICS_SERVER else 0)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("thousand", None), ("small", "without TLS"), ("thousand-plain", "without TLS"), ("k8s-limit-fast", "5 s")],
)
def test_what_cannot_be_run_as_metrics_server_says_why(name: str, fault: str | None) -> None:
    found = find_fault(SCENARIOS[name], METRICS_SERVER)
    assert (found is None) == (fault is None)
    assert (fault or "") in (found or "")
    assert find_fault(SCENARIOS[name], HEAPSTER) is None


def test_ports_are_two() -> None:
    ports = Ports.free()
    assert 0 < ports.heapster != ports.secure > 0
