"""custom.metrics.k8s.io of a whole daemon: the numbers of the simulated cluster, and who may not ask."""

from __future__ import annotations

from heapfast.sim.options import SimulateOptions
from tests.integration.metrics_server import RESOLUTION_SECONDS, Aggregated, client_context, run_aggregated
from tests.protobuf import all_of, text, unwrap

OPTIONS = SimulateOptions(nodes=3, pods_per_node=6, containers=2, namespaces=3, seed=11)
PREFIX = "/apis/custom.metrics.k8s.io/v1beta2"
ACCEPT = {"Accept": "application/vnd.kubernetes.protobuf, */*"}


async def working_sets(cluster: Aggregated, metric: str, selector: str = "app=worker") -> dict[str, int]:
    """What the autoscaler would make of an answer: values by pod."""
    path = f"{PREFIX}/namespaces/shop/pods/*/{metric}"
    async with cluster.daemon.session.get(path, params={"labelSelector": selector}, headers=ACCEPT) as response:
        assert response.content_type == "application/vnd.kubernetes.protobuf"
        raw = unwrap(await response.read(), "custom.metrics.k8s.io/v1beta2", "MetricValueList")
    values = {}
    for item in all_of(raw, 2):
        (described,), (quantity,) = all_of(item, 1), all_of(item, 5)
        values[text(described, 3)] = int(text(quantity, 1))
    return values


def expected(cluster: Aggregated, at_ms: int) -> dict[str, int]:
    """The sum over each pod's containers."""
    pods = [pod for pod in cluster.sim.cluster.pods.items.values() if pod.workload.namespace == "shop"]
    return {
        pod.name: sum(
            container.working_set_bytes
            for container in cluster.sim.cluster.expected_pod("shop", pod.name, at_ms).containers.values()
        )
        for pod in pods
        if pod.labels["app"] == "worker"
    }


async def test_values_and_aggregates_are_exact() -> None:
    async with run_aggregated(OPTIONS, "--enable-custom-metrics") as cluster:
        ticks = []
        for _ in range(3):
            await cluster.daemon.tick(RESOLUTION_SECONDS)
            ticks.append(expected(cluster, cluster.now_ms))
        assert len(ticks[-1]) == 6
        assert await working_sets(cluster, "memory_working_set") == ticks[-1]
        assert await working_sets(cluster, "memory_working_set", "app=web") == {}
        largest = {name: max(tick[name] for tick in ticks) for name in ticks[-1]}
        assert await working_sets(cluster, "memory_working_set_max_45s") == largest
        median = {name: sorted(tick[name] for tick in ticks)[1] for name in ticks[-1]}
        assert await working_sets(cluster, "memory_working_set_p50_45s") == median


async def test_strangers_get_nothing() -> None:
    async with run_aggregated(OPTIONS, "--enable-custom-metrics") as cluster:
        stranger = client_context(cluster.sim)
        path = f"{cluster.daemon.url}{PREFIX}/nodes/*/memory_usage"
        async with cluster.daemon.session.get(path, ssl=stranger) as response:
            assert response.status == 401


async def test_the_group_is_not_there_unless_it_is_asked_for() -> None:
    async with run_aggregated(OPTIONS) as cluster, cluster.daemon.session.get(PREFIX) as response:
        assert response.status == 404
