"""What metrics.k8s.io says beside CPU and memory, from the simulated kubelets to clients."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from heapfast.sim.loads import PAGE_BYTES
from heapfast.sim.options import SimulateOptions
from tests.integration.metrics_server import Aggregated, kubectl, needs_kubectl, run_aggregated
from tests.protobuf import all_of, text, unwrap

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPTIONS = SimulateOptions(nodes=2, pods_per_node=3, containers=2, namespaces=2, seed=7, sampling_seconds=5.0)
NODES, PODS = "/apis/metrics.k8s.io/v1beta1/nodes", "/apis/metrics.k8s.io/v1beta1/pods"
RX, TX = "heapfast.io/network-rx-bytes-per-second", "heapfast.io/network-tx-bytes-per-second"
KEYS = "swap,ephemeral-storage,network,accelerators"
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Aggregated]:
    """A summary comes with every second batch; the warm-up and three batches have two of each node."""
    async with run_aggregated(OPTIONS, f"--usage-keys={KEYS}", "--summary-resolution=30s") as running:
        for _ in range(3):
            await running.daemon.tick(15)
        yield running


def size(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]] if quantity[-2:] in UNITS else int(quantity)


async def usage_of_pods(cluster: Aggregated, path: str = PODS) -> dict[tuple[str, str], list[dict[str, Any]]]:
    items = (await cluster.daemon.get(path))["items"]
    return {(i["metadata"]["namespace"], i["metadata"]["name"]): [c["usage"] for c in i["containers"]] for i in items}


async def test_nodes_have_every_key_in_order(cluster: Aggregated) -> None:
    for item in (await cluster.daemon.get(NODES))["items"]:
        host = cluster.sim.cluster.get_host(item["metadata"]["name"])
        values = cluster.sim.cluster.expected_node(host.name, cluster.now_ms)
        usage = item["usage"]
        assert list(usage) == ["cpu", "ephemeral-storage", RX, TX, "memory", "swap"]
        assert size(usage["swap"]) == values.total.swap_bytes > 0
        assert size(usage["ephemeral-storage"]) == PAGE_BYTES * host.load.rootfs_pages
        assert size(usage[RX]) == values.network.rx_bytes_per_second
        assert size(usage[TX]) == values.network.tx_bytes_per_second


async def test_containers_have_their_own_and_the_first_has_the_network_of_its_pod(cluster: Aggregated) -> None:
    pods = await usage_of_pods(cluster)
    assert len(pods) == 6
    for (namespace, name), usages in pods.items():
        values = cluster.sim.cluster.expected_pod(namespace, name, cluster.now_ms)
        assert [list(usage) for usage in usages] == [
            ["cpu", "ephemeral-storage", RX, TX, "memory", "swap"],
            ["cpu", "ephemeral-storage", "memory", "swap"],
        ]
        expected = [values.containers[container] for container in sorted(values.containers)]
        assert [size(usage["swap"]) for usage in usages] == [value.swap_bytes for value in expected]
        assert size(usages[0][RX]) == values.network.rx_bytes_per_second
        assert all(size(usage["ephemeral-storage"]) > 0 for usage in usages)


async def test_protobuf_says_the_same(cluster: Aggregated) -> None:
    json_items = {i["metadata"]["name"]: i["usage"] for i in (await cluster.daemon.get(NODES))["items"]}
    accept = {"Accept": "application/vnd.kubernetes.protobuf"}
    async with cluster.daemon.session.get(NODES, headers=accept) as response:
        raw = unwrap(await response.read(), "metrics.k8s.io/v1beta1", "NodeMetricsList")
    for item in all_of(raw, 2):
        usage = [(text(entry, 1), text(all_of(entry, 2)[0], 1)) for entry in all_of(item, 4)]
        assert usage == list(json_items[text(all_of(item, 1)[0], 1)].items())


async def test_a_window_is_a_mean_of_what_batches_have(cluster: Aggregated) -> None:
    for item in (await cluster.daemon.get(f"{NODES}?window=5m"))["items"]:
        values = cluster.sim.cluster.expected_node(item["metadata"]["name"], cluster.now_ms)
        # Swap is of now, and in no batch.
        assert list(item["usage"]) == ["cpu", "ephemeral-storage", RX, TX, "memory"]
        assert size(item["usage"][RX]) == values.network.rx_bytes_per_second
    newest = await usage_of_pods(cluster)
    for key, usages in (await usage_of_pods(cluster, f"{PODS}?window=5m")).items():
        assert [list(usage) for usage in usages] == [
            ["cpu", "ephemeral-storage", RX, TX, "memory"],
            ["cpu", "ephemeral-storage", "memory"],
        ]
        stored = [usage["ephemeral-storage"] for usage in usages]
        assert stored == [usage["ephemeral-storage"] for usage in newest[key]]


async def test_a_table_has_the_columns_of_metrics_server(cluster: Aggregated) -> None:
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    table = await cluster.daemon.get(NODES, headers=accept)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]


async def test_without_keys_nothing_differs() -> None:
    async with run_aggregated(OPTIONS, "--summary-resolution=15s") as cluster:
        for _ in range(2):
            await cluster.daemon.tick(15)
        assert [list(item["usage"]) for item in (await cluster.daemon.get(NODES))["items"]] == [["cpu", "memory"]] * 2


def _knows_swap() -> bool:
    try:
        told = subprocess.run(["kubectl", "top", "node", "--help"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return "--show-swap" in told.stdout


@needs_kubectl
@pytest.mark.skipif(not _knows_swap(), reason="NO KUBECTL WITH --show-swap: it came with 1.34")
async def test_kubectl_shows_swap(cluster: Aggregated) -> None:
    printed = await kubectl(cluster.sim, "top", "node", "--show-swap")
    header, *rows = printed.rows
    assert "SWAP(bytes)" in header
    assert len(rows) == OPTIONS.nodes
