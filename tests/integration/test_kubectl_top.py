"""A stock kubectl reads metrics through the aggregation layer: every number exact, every refusal in its words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from heapfast.sim.cluster import Pod
from heapfast.sim.options import SimulateOptions
from tests.integration.metrics_server import Aggregated, Printed, kubectl, needs_kubectl, read_usage, run_aggregated

pytestmark = [needs_kubectl, pytest.mark.asyncio(loop_scope="module")]

OPTIONS = SimulateOptions(
    nodes=3, pods_per_node=4, containers=2, namespaces=3, seed=7, viewer_token="view", viewer_namespace="shop"
)
MIB = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Aggregated]:
    """Nobody here changes anything, so that all ask the same one."""
    async with run_aggregated(OPTIONS) as running:
        await running.daemon.tick(15)
        yield running


def containers_of(cluster: Aggregated, pod: Pod) -> dict[str, tuple[int, int]]:
    """Millicores and bytes by container."""
    values = cluster.sim.cluster.expected_pod(pod.workload.namespace, pod.name, cluster.now_ms).containers
    return {name: (value.cpu_millicores, value.working_set_bytes) for name, value in values.items()}


def usage_of(cluster: Aggregated, pod: Pod) -> tuple[int, int]:
    millicores, sizes = zip(*containers_of(cluster, pod).values(), strict=True)
    return sum(millicores), sum(sizes)


def pods_where(cluster: Aggregated, is_wanted: Callable[[Pod], bool]) -> list[Pod]:
    """Pods in the order of namespace and name, which is kubectl's."""
    found = [pod for _, pod in sorted(cluster.sim.cluster.pods.items.items()) if is_wanted(pod)]
    assert found, "a test of nothing"
    return found


def cells(usage: tuple[int, int]) -> list[str]:
    """CPU and memory as `kubectl top` prints them."""
    return [f"{usage[0]}m", f"{usage[1] // MIB}Mi"]


def usage_of_nodes(cluster: Aggregated) -> dict[str, tuple[int, int]]:
    nodes = {}
    for host in cluster.sim.cluster.hosts:
        values = cluster.sim.cluster.expected_node(host.name, cluster.now_ms).total
        nodes[host.name] = (values.cpu_millicores, values.working_set_bytes)
    return nodes


def node_row(cluster: Aggregated, name: str, *, of_capacity: bool = False) -> list[str]:
    host = cluster.sim.cluster.get_host(name)
    millicores, size_bytes = usage_of_nodes(cluster)[name]
    cores_m, memory = host.cores * 1000, host.memory_bytes
    if not of_capacity:
        cores_m, memory = cores_m - 200, memory - 512 * MIB
    cpu, size = cells((millicores, size_bytes))
    shares = [f"{100 * millicores // cores_m}%", f"{100 * size_bytes // memory}%"]
    return [name, cpu, shares[0], size, shares[1]]


def pod_row(cluster: Aggregated, pod: Pod, *, with_namespace: bool = False) -> list[str]:
    row = [pod.name, *cells(usage_of(cluster, pod))]
    return [pod.workload.namespace, *row] if with_namespace else row


async def test_top_node(cluster: Aggregated) -> None:
    names = [host.name for host in cluster.sim.cluster.hosts]
    assert (await kubectl(cluster.sim, "top", "node")).rows == [node_row(cluster, name) for name in names]


async def test_top_node_of_one_name(cluster: Aggregated) -> None:
    printed = await kubectl(cluster.sim, "top", "node", "node-0001")
    assert printed.rows == [node_row(cluster, "node-0001")]
    printed = await kubectl(cluster.sim, "top", "node", "node-0001", "--show-capacity")
    assert printed.rows == [node_row(cluster, "node-0001", of_capacity=True)]


async def test_top_node_by_label(cluster: Aggregated) -> None:
    printed = await kubectl(cluster.sim, "top", "node", "-l", "topology.kubernetes.io/zone=zone-a")
    assert printed.rows == [node_row(cluster, "node-0000")]


async def test_top_pod_of_everything(cluster: Aggregated) -> None:
    printed = await kubectl(cluster.sim, "top", "pod", "-A")
    assert printed.rows == [pod_row(cluster, pod, with_namespace=True) for pod in pods_where(cluster, lambda pod: True)]


async def test_top_pod_of_a_namespace(cluster: Aggregated) -> None:
    wanted = pods_where(cluster, lambda pod: pod.workload.namespace == "shop")
    assert (await kubectl(cluster.sim, "top", "pod", "-n", "shop")).rows == [pod_row(cluster, pod) for pod in wanted]


async def test_top_pod_by_label(cluster: Aggregated) -> None:
    wanted = pods_where(cluster, lambda pod: pod.workload.labels["app"] == "web")
    printed = await kubectl(cluster.sim, "top", "pod", "-A", "-l", "app=web")
    assert printed.rows == [pod_row(cluster, pod, with_namespace=True) for pod in wanted]


async def test_top_pod_by_field(cluster: Aggregated) -> None:
    pod = pods_where(cluster, lambda pod: pod.workload.namespace == "shop")[1]
    printed = await kubectl(cluster.sim, "top", "pod", "-n", "shop", "--field-selector", f"metadata.name={pod.name}")
    assert printed.rows == [pod_row(cluster, pod)]


async def test_top_pod_of_one_name(cluster: Aggregated) -> None:
    pod = pods_where(cluster, lambda pod: pod.workload.namespace == "shop")[0]
    assert (await kubectl(cluster.sim, "top", "pod", pod.name, "-n", "shop")).rows == [pod_row(cluster, pod)]


async def test_top_pod_with_containers(cluster: Aggregated) -> None:
    wanted = [
        [pod.name, name, *cells(usage)]
        for pod in pods_where(cluster, lambda pod: pod.workload.namespace == "shop")
        for name, usage in sorted(containers_of(cluster, pod).items())
    ]
    printed = await kubectl(cluster.sim, "top", "pod", "-n", "shop", "--containers")
    assert sorted(printed.rows) == sorted(wanted)


@pytest.mark.parametrize(("order", "place"), [("cpu", 0), ("memory", 1)])
async def test_top_pod_in_order_of_usage(cluster: Aggregated, order: str, place: int) -> None:
    pods = pods_where(cluster, lambda pod: True)
    wanted = [pod.name for pod in sorted(pods, key=lambda pod: usage_of(cluster, pod)[place], reverse=True)]
    printed = await kubectl(cluster.sim, "top", "pod", "-A", f"--sort-by={order}")
    assert [row[1] for row in printed.rows] == wanted


async def test_top_pod_with_a_sum(cluster: Aggregated) -> None:
    usages = [usage_of(cluster, pod) for pod in pods_where(cluster, lambda pod: pod.workload.namespace == "default")]
    printed = await kubectl(cluster.sim, "top", "pod", "--sum")
    assert printed.rows[-1] == cells((sum(cpu for cpu, _ in usages), sum(size for _, size in usages)))
    assert len(printed.rows) == len(usages) + 2, "pods, a rule, and the sum"


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_raw_answers_are_of_the_version_that_was_asked_for(cluster: Aggregated, version: str) -> None:
    printed = await kubectl(cluster.sim, "get", "--raw", f"/apis/metrics.k8s.io/{version}/nodes")
    answer: dict[str, Any] = json.loads(printed.out)
    assert (answer["kind"], answer["apiVersion"]) == ("NodeMetricsList", f"metrics.k8s.io/{version}")
    got = {item["metadata"]["name"]: read_usage(**item["usage"]) for item in answer["items"]}
    assert got == usage_of_nodes(cluster)


async def test_discovery_names_both_kinds(cluster: Aggregated) -> None:
    printed = await kubectl(cluster.sim, "api-resources", "--api-group=metrics.k8s.io")
    assert printed.rows == [
        ["nodes", "metrics.k8s.io/v1", "false", "NodeMetrics"],
        ["pods", "metrics.k8s.io/v1", "true", "PodMetrics"],
    ]


@pytest.mark.parametrize("words", [["podmetrics"], ["pods.metrics.k8s.io"], ["pods.v1beta1.metrics.k8s.io"]])
async def test_get_prints_pods_as_a_table(cluster: Aggregated, words: list[str]) -> None:
    printed = await kubectl(cluster.sim, "get", *words, "-A")
    assert printed.out.splitlines()[0].split() == ["NAMESPACE", "NAME", "CPU", "MEMORY", "WINDOW"]
    assert [(row[0], row[1], read_usage(*row[2:4])) for row in printed.rows] == [
        (pod.workload.namespace, pod.name, usage_of(cluster, pod)) for pod in pods_where(cluster, lambda pod: True)
    ]


async def test_get_prints_nodes_as_a_table(cluster: Aggregated) -> None:
    printed = await kubectl(cluster.sim, "get", "nodes.metrics.k8s.io")
    assert printed.out.splitlines()[0].split() == ["NAME", "CPU", "MEMORY", "WINDOW"]
    assert {row[0]: read_usage(*row[1:3]) for row in printed.rows} == usage_of_nodes(cluster)


async def test_a_viewer_reads_what_they_may(cluster: Aggregated) -> None:
    wanted = pods_where(cluster, lambda pod: pod.workload.namespace == "shop")
    printed = await kubectl(cluster.sim, "--context", "viewer", "top", "pod")
    assert printed.rows == [pod_row(cluster, pod) for pod in wanted]


FORBIDDEN = 'Error from server (Forbidden): {} is forbidden: User "simulated-viewer" cannot {} '


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["top", "node"],
            FORBIDDEN.format("nodes.metrics.k8s.io", 'list resource "nodes" in API group "metrics.k8s.io" at the')
            + "cluster scope",
        ),
        (
            ["top", "pod", "-A"],
            FORBIDDEN.format("pods.metrics.k8s.io", 'list resource "pods" in API group "metrics.k8s.io" at the')
            + "cluster scope",
        ),
        (
            ["top", "pod", "web-1", "-n", "default"],
            FORBIDDEN.format('pods.metrics.k8s.io "web-1"', 'get resource "pods" in API group "metrics.k8s.io" in the')
            + 'namespace "default"',
        ),
    ],
)
async def test_a_viewer_is_refused_the_rest(cluster: Aggregated, words: list[str], complaint: str) -> None:
    printed = await kubectl(cluster.sim, "--context", "viewer", *words)
    assert printed == Printed(1, "", f"{complaint}: no rule of the simulated cluster allows it\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["top", "pod", "nobody"], 'Error from server (NotFound): pods "nobody" not found'),
        (["top", "node", "nobody"], 'Error from server (NotFound): node "nobody" not found'),
        (
            ["top", "pod", "-A", "--field-selector", "spec.nodeName=node-0001"],
            (
                'Error from server (BadRequest): "spec.nodeName" is not a known field selector: '
                'only "metadata.name", "metadata.namespace"'
            ),
        ),
        (
            ["get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes?labelSelector=!!"],
            "Error from server (BadRequest): unable to parse requirement: found '!', expected: identifier",
        ),
        (["top", "node", "-l", "pool=none"], "error: metrics not available yet"),
    ],
)
async def test_what_cannot_be_had_is_said_in_known_words(cluster: Aggregated, words: list[str], complaint: str) -> None:
    assert await kubectl(cluster.sim, *words) == Printed(1, "", f"{complaint}\n")
