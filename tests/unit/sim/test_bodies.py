"""Bodies: every number in every endpoint is the one that expected.py states in Python."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from heapfast.sim._bodies import NodeBodies
from heapfast.sim.cluster import Cluster
from heapfast.sim.expected import NetworkValues, PodValues, Values
from heapfast.sim.loads import container_load, network_load
from heapfast.sim.options import SimulateOptions

LINE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)(?: (?P<ms>\d+))?")
SYSTEM = tuple(container_load(9, index) for index in range(4))


@pytest.fixture
def cluster(options: SimulateOptions, now_ms: int) -> Cluster:
    return Cluster(options, now_ms)


def unix_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def parse_text(body: bytes) -> dict[tuple[str, ...], tuple[float, int | None]]:
    """Series (name, container, namespace, pod; absent labels are "") to value and time."""
    found: dict[tuple[str, ...], tuple[float, int | None]] = {}
    for line in body.decode().splitlines():
        if line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        assert match is not None, line
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"] or ""))
        key = (match["name"], *(labels.get(name, "") for name in ("container", "namespace", "pod")))
        assert key not in found, line
        found[key] = (float(match["value"]), int(match["ms"]) if match["ms"] else None)
    return found


def assert_block(block: dict[str, Any], want: Values) -> None:
    """A thing of the summary has these values; its times are whole seconds."""
    assert unix_ms(block["startTime"]) == want.start_ms
    second_ms = want.sample_ms // 1000 * 1000
    assert unix_ms(block["cpu"]["time"]) == unix_ms(block["memory"]["time"]) == second_ms
    assert block["cpu"]["usageNanoCores"] == want.cpu_millicores * 1_000_000
    assert block["cpu"]["usageCoreNanoSeconds"] == want.cpu_usage_ns
    assert block["memory"]["usageBytes"] == want.memory_usage_bytes
    assert block["memory"]["workingSetBytes"] == want.working_set_bytes
    assert block["memory"]["rssBytes"] == want.rss_bytes
    assert block["memory"]["pageFaults"] == want.page_faults
    assert block["memory"]["majorPageFaults"] == want.major_page_faults


def assert_network(block: dict[str, Any], want: NetworkValues) -> None:
    for interface in (block, *block["interfaces"]):
        assert interface["rxBytes"] == want.rx_bytes
        assert interface["rxErrors"] == want.rx_errors
        assert interface["txBytes"] == want.tx_bytes
        assert interface["txErrors"] == want.tx_errors


def expected_pods(cluster: Cluster, node: str, now_ms: int) -> dict[tuple[str, str], PodValues]:
    found = {}
    for pod in cluster.get_host(node).pods.values():
        want = cluster.expected_pod(pod.workload.namespace, pod.name, now_ms)
        if want.listed:
            found[pod.workload.namespace, pod.name] = want
    return found


@pytest.mark.parametrize("later_ms", [0, 4_000, 9_999, 86_400_000])
def test_the_summary_states_the_expected_values(cluster: Cluster, now_ms: int, later_ms: int) -> None:
    now_ms += later_ms
    for host in cluster.hosts:
        summary = json.loads(cluster.bodies(host).summary(now_ms))
        node = cluster.expected_node(host.name, now_ms)
        assert summary["node"]["nodeName"] == host.name
        assert_block(summary["node"], node.total)
        assert_network(summary["node"]["network"], node.network)
        assert [block["name"] for block in summary["node"]["systemContainers"]] == [
            "kubelet", "runtime", "pods", "misc",
        ]  # fmt: skip
        want = expected_pods(cluster, host.name, now_ms)
        assert len(want) == 10
        got = {(pod["podRef"]["namespace"], pod["podRef"]["name"]): pod for pod in summary["pods"]}
        assert got.keys() == want.keys()
        for key, pod in got.items():
            assert pod["podRef"]["uid"] == cluster.pod_uid(cluster.pods.items["/".join(key)])
            assert_block(pod, want[key].total)
            assert_network(pod["network"], want[key].network)
            containers = {container["name"]: container for container in pod["containers"]}
            assert containers.keys() == want[key].containers.keys()
            for name, container in containers.items():
                assert_block(container, want[key].containers[name])
                assert container["rootfs"]["usedBytes"] % 4096 == 0
                assert container["logs"]["inodes"] > 0


def test_the_resource_endpoint_states_the_expected_values(cluster: Cluster, now_ms: int) -> None:
    for host in cluster.hosts:
        got = parse_text(cluster.bodies(host).resource(now_ms))
        want: dict[tuple[str, ...], tuple[float, int | None]] = {
            ("resource_scrape_error", "", "", ""): (0, None),
            ("scrape_error", "", "", ""): (0, None),
        }

        def state(kind: str, labels: tuple[str, str, str], values: Values, want: dict[Any, Any] = want) -> None:
            want[f"{kind}_cpu_usage_seconds_total", *labels] = (values.cpu_usage_ns / 1e9, values.sample_ms)
            want[f"{kind}_memory_working_set_bytes", *labels] = (values.working_set_bytes, values.sample_ms)
            want[f"{kind}_swap_usage_bytes", *labels] = (values.swap_bytes, values.sample_ms)

        state("node", ("", "", ""), cluster.expected_node(host.name, now_ms).total)
        for (namespace, pod), values in expected_pods(cluster, host.name, now_ms).items():
            state("pod", ("", namespace, pod), values.total)
            for name, container in values.containers.items():
                state("container", (name, namespace, pod), container)
                want["container_start_time_seconds", name, namespace, pod] = (container.start_ms / 1000, None)
        assert got == want


def test_the_container_endpoint_states_the_expected_values(cluster: Cluster, now_ms: int) -> None:
    host = cluster.hosts[1]
    infos = json.loads(cluster.bodies(host).stats_container(now_ms))
    node = cluster.expected_node(host.name, now_ms)
    seen = set()
    for path, info in infos.items():
        assert info["name"] == path
        (stats,) = info["stats"]
        labels = info["spec"].get("labels", {})
        if path == "/":
            values, network = node.total, node.network
        elif not labels:
            continue
        else:
            pod = cluster.expected_pod(labels["io.kubernetes.pod.namespace"], labels["io.kubernetes.pod.name"], now_ms)
            seen.add((labels["io.kubernetes.pod.name"], labels["io.kubernetes.container.name"]))
            if labels["io.kubernetes.container.name"] == "POD":
                assert stats["network"]["interfaces"][0]["rx_bytes"] == pod.network.rx_bytes
                continue
            values, network = pod.containers[labels["io.kubernetes.container.name"]], None
        assert unix_ms(stats["timestamp"]) == values.sample_ms
        assert unix_ms(info["spec"]["creation_time"]) == values.start_ms
        assert stats["cpu"]["usage"]["total"] == values.cpu_usage_ns
        assert stats["memory"]["usage"] == values.memory_usage_bytes
        assert stats["memory"]["cache"] == values.cache_bytes
        assert stats["memory"]["container_data"]["pgfault"] == values.page_faults
        assert info["spec"]["has_network"] is (network is not None)
        if network is not None:
            assert stats["network"]["interfaces"][0]["tx_bytes"] == network.tx_bytes
    assert {path for path in infos if path.count("/") == 1} == {"/", "/kubelet", "/runtime", "/pods", "/misc"}
    assert len(seen) == 10 * 3


def test_without_subcontainers_only_the_root_is_there(cluster: Cluster, now_ms: int) -> None:
    assert list(json.loads(cluster.bodies(cluster.hosts[0]).stats_container(now_ms, subcontainers=False))) == ["/"]


def test_cadvisor_lines_agree_with_the_resource_endpoint(cluster: Cluster, now_ms: int) -> None:
    bodies = cluster.bodies(cluster.hosts[2])
    resource, cadvisor = parse_text(bodies.resource(now_ms)), parse_text(bodies.cadvisor(now_ms))
    compared = 0
    for key, sample in cadvisor.items():
        if key[1] and key in resource and key[0] != "container_start_time_seconds":
            assert sample == resource[key]
            compared += 1
    assert compared == 10 * 2 * 2
    assert (
        cadvisor["container_cpu_usage_seconds_total", "", "", ""]
        == resource["node_cpu_usage_seconds_total", "", "", ""]
    )
    assert cadvisor["machine_cpu_cores", "", "", ""] == (cluster.hosts[2].cores, None)


def test_only_cpu_and_memory_leaves_the_rest_out(cluster: Cluster, now_ms: int) -> None:
    summary = json.loads(cluster.bodies(cluster.hosts[0]).summary(now_ms, only_cpu_and_memory=True))
    assert "network" not in summary["node"]
    assert set(summary["pods"][0]) == {"podRef", "startTime", "containers", "cpu", "memory", "swap"}


def make_bodies(**changes: Any) -> NodeBodies:
    values: dict[str, Any] = {
        "name": b"n", "seed": 1, "start_ms": 0, "offset_ms": 0, "sampling_ms": 10_000, "spread_ms": 0, "cores": 8,
        "memory_bytes": 1 << 35, "load": SYSTEM[0], "network": network_load(1), "system": SYSTEM, "shuffle": False,
    }  # fmt: skip
    return NodeBodies(**{**values, **changes})


@pytest.mark.parametrize(
    ("elapsed_ms", "millicores", "want"),
    [
        (0, 1, "0"),
        (10_000, 1, "0.01"),
        (10_000, 50, "0.5"),
        (10_000, 100, "1"),
        (20_000, 600, "12"),
        (10_000, 99_999, "999.99"),
        (10_000_000, 99_999, "999990"),
        (100_000_000, 10_000, "1e+06"),
        (100_000_000, 12_345, "1.2345e+06"),
        (10_000_000_000, 12_345, "1.2345e+08"),
    ],
)
def test_floats_are_printed_as_go_prints_them(elapsed_ms: int, millicores: int, want: str) -> None:
    bodies = make_bodies(load=SYSTEM[0]._replace(cpu_millicores=millicores))
    line = next(line for line in bodies.resource(elapsed_ms).decode().splitlines() if line.startswith("node_cpu"))
    assert line == f"node_cpu_usage_seconds_total {want} {elapsed_ms}"


@pytest.mark.parametrize("second", [0, 951_782_399, 951_782_400, 1_078_099_200, 1_798_761_599, 4_102_444_800])
def test_times_are_printed_as_dates(second: int) -> None:
    summary = json.loads(make_bodies(sampling_ms=1000).summary(second * 1000))
    want = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert summary["node"]["cpu"]["time"] == want


def test_an_empty_node_lists_no_pods() -> None:
    assert json.loads(make_bodies().summary(0))["pods"] == []


def test_a_pod_is_listed_once_all_its_containers_were_sampled() -> None:
    bodies = make_bodies(spread_ms=800)
    bodies.add_pod(b"ns", b"pod", 1, 2, 9_000, network_load(1), [(b"main", b"image", 3, -800, SYSTEM[1])])
    assert [len(json.loads(bodies.summary(now_ms))["pods"]) for now_ms in (9_999, 10_000, 20_000)] == [0, 1, 1]
    bodies.clear_pods()
    bodies.add_pod(b"ns", b"pod", 1, 2, 9_200, network_load(1), [(b"main", b"image", 3, -800, SYSTEM[1])])
    assert [len(json.loads(bodies.summary(now_ms))["pods"]) for now_ms in (10_000, 20_000)] == [0, 1]


def test_list_order_changes_from_round_to_round_by_the_seed() -> None:
    def orders(seed: int, shuffle: bool) -> list[list[str]]:
        bodies = make_bodies(seed=seed, shuffle=shuffle)
        for index in range(8):
            bodies.add_pod(b"ns", b"pod-%d" % index, 1, index, 0, network_load(1), [(b"c", b"i", 3, 0, SYSTEM[1])])
        return [
            [pod["podRef"]["name"] for pod in json.loads(bodies.summary(at))["pods"]] for at in (10_000, 15_000, 20_000)
        ]

    first = orders(1, True)
    assert first == orders(1, True) != orders(2, True)
    assert first[0] == first[1] != first[2]
    assert sorted(first[2]) == orders(1, False)[0] == orders(1, False)[2]


def test_containers_of_resource_metrics_are_sorted_by_their_labels() -> None:
    bodies = make_bodies(shuffle=True)

    def order_at(now_ms: int) -> list[str]:
        lines = bodies.resource(now_ms).decode().splitlines()
        return [line.split()[0] for line in lines if line.startswith("container_cpu_usage_seconds_total{")]

    names = [(b"ns-%d" % (index % 2), b"pod-%d" % (9 - index)) for index in range(8)]
    for come, (namespace, name) in enumerate(names, start=1):
        two = [(container, b"i", 3, 0, SYSTEM[1]) for container in (b"b", b"a")]
        bodies.add_pod(namespace, name, 1, 2, 0, network_load(1), two)
        assert len(order_at(10_000)) == 2 * come
    assert order_at(10_000) == order_at(20_000) == sorted(order_at(15_000))
    assert order_at(10_000)[1] == 'container_cpu_usage_seconds_total{container="a",namespace="ns-0",pod="pod-5"}'


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_bodies(sampling_ms=0), "cannot sample: got every 0 ms"),
        (lambda: make_bodies(system=SYSTEM[:3]), "got 3 system loads, want 4"),
        (lambda: make_bodies().add_pod(b"a", b"b", 1, 2, 0, network_load(1), []), "got no containers"),
    ],
)
def test_what_cannot_be_rendered_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
