"""The ring as a store of history: what the naive one would say."""

from __future__ import annotations

import pytest

from heapfast.catalog.keys import Kind
from heapfast.errors import HistoryTooLarge
from heapfast.history.backend import AggregateQuery, Entity, RawQuery
from heapfast.history.memory import SLICE_ITEMS, MemoryBackend
from heapfast.query.aggregation import parse_aggregations
from tests.unit.api.cluster import Cluster
from tests.unit.history.naive import NaiveHistory, iter_values
from tests.unit.store.rows import T0_NS

ENTITIES = (
    Entity(Kind.CLUSTER),
    Entity(Kind.NODE, node="node-1"),
    Entity(Kind.NODE, node="nope"),
    Entity(Kind.NAMESPACE, namespace="shop"),
    Entity(Kind.POD, namespace="default", pod="web-0"),
    Entity(Kind.POD, pod_id="uid-job"),
    Entity(Kind.POD, pod_id="nope"),
    Entity(Kind.POD_CONTAINER, namespace="default", pod="web-0", container="nginx"),
    Entity(Kind.POD_CONTAINER, pod_id="uid-job", container="main"),
    Entity(Kind.POD_CONTAINER, pod_id="nope", container="main"),
    Entity(Kind.SYS_CONTAINER, node="node-1", container="kubelet"),
)
METRICS = ("memory/usage", "cpu/usage_rate", "filesystem/usage", "accelerator/memory_used", "custom/ratio", "nope")
LABELS = (None, {"resource_id": "/"}, {"resource_id": "nope"}, {"make": "nvidia"})


def raw(metric: str, labels: dict[str, str] | None = None, **more: int) -> RawQuery:
    limits = {"start_ns": 0, "end_ns": 2**62, "max_points": 10**6} | more
    return RawQuery(entities=ENTITIES, metric=metric, labels=labels, timeout_seconds=1, **limits)


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster(n_batches=1)


@pytest.fixture(scope="module")
def oracle(cluster: Cluster) -> NaiveHistory:
    history = NaiveHistory()
    history.put(T0_NS, cluster.store.newest.sets())
    return history


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("labels", LABELS)
async def test_samples_are_those_of_the_oracle(
    cluster: Cluster, oracle: NaiveHistory, metric: str, labels: dict[str, str] | None
) -> None:
    query = raw(metric, labels)
    backend = MemoryBackend(cluster.store)
    assert [chunk async for chunk in backend.read_raw(query)] == [chunk async for chunk in oracle.read_raw(query)]


@pytest.mark.parametrize("metric", METRICS)
async def test_buckets_are_those_of_the_oracle(cluster: Cluster, oracle: NaiveHistory, metric: str) -> None:
    query = AggregateQuery(
        entities=ENTITIES, metric=metric, labels=None, start_ns=0, end_ns=2**62, max_points=100, timeout_seconds=1,
        bucket_ns=60 * 10**9, aggregations=parse_aggregations("average,max,min,median,count,95-perc"),
    )  # fmt: skip
    ours = [chunk async for chunk in MemoryBackend(cluster.store).read_aggregated(query)]
    assert list(iter_values(ours)) == list(iter_values([chunk async for chunk in oracle.read_aggregated(query)]))


@pytest.mark.parametrize(
    ("bounds", "n"), [((T0_NS - 1, T0_NS + 1), 1), ((T0_NS, T0_NS + 2), 0), ((T0_NS - 2, T0_NS), 0), ((5, 5), 0)]
)
async def test_bounds_are_exclusive(cluster: Cluster, bounds: tuple[int, int], n: int) -> None:
    query = raw("memory/working_set", start_ns=bounds[0], end_ns=bounds[1])
    chunks = [chunk async for chunk in MemoryBackend(cluster.store).read_raw(query)]
    assert sum(len(chunk.values) for chunk in chunks if chunk.item == 1) == n


async def test_what_is_too_large_is_refused(cluster: Cluster) -> None:
    with pytest.raises(HistoryTooLarge):
        _ = [chunk async for chunk in MemoryBackend(cluster.store).read_raw(raw("memory/usage", max_points=3))]


async def test_a_long_list_of_items_is_answered_in_order(cluster: Cluster) -> None:
    node = Entity(Kind.NODE, node="node-1")
    many = RawQuery(
        entities=(node,) * (3 * SLICE_ITEMS), metric="memory/usage", labels=None, start_ns=0, end_ns=2**62,
        max_points=10**6, timeout_seconds=1,
    )  # fmt: skip
    items = [chunk.item async for chunk in MemoryBackend(cluster.store).read_raw(many)]
    assert items == list(range(3 * SLICE_ITEMS))


async def test_names_are_those_of_the_oracle(cluster: Cluster, oracle: NaiveHistory) -> None:
    backend = MemoryBackend(cluster.store)
    for entity in ENTITIES:
        assert await backend.list_metrics(entity) == await oracle.list_metrics(entity)
    for kind, parent in (
        (Kind.NODE, None),
        (Kind.NAMESPACE, None),
        (Kind.POD, Entity(Kind.NAMESPACE, namespace="default")),
        (Kind.POD, Entity(Kind.NAMESPACE, namespace="nope")),
        (Kind.POD_CONTAINER, Entity(Kind.POD, namespace="default", pod="web-0")),
        (Kind.SYS_CONTAINER, Entity(Kind.NODE, node="node-1")),
    ):
        assert list(await backend.list_entities(kind, parent)) == list(await oracle.list_entities(kind, parent))
    await backend.close()


async def test_an_empty_store_has_nothing() -> None:
    backend = MemoryBackend(Cluster(n_batches=0).store)
    assert list(await backend.list_entities(Kind.NODE)) == []
    assert await backend.list_metrics(Entity(Kind.NODE, node="node-1")) == []
    assert [chunk async for chunk in backend.read_raw(raw("memory/usage"))] == []
