"""History from a real InfluxDB 1.x that holds what Heapster wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from heapfast.errors import HistoryRefused, HistoryTooLarge
from heapfast.history.backend import CHUNK_POINTS, AggregateQuery, Entity, RawQuery
from heapfast.history.influxdb import InfluxDbHistory
from heapfast.history.influxdb_server import InfluxDbAddress, InfluxDbServer
from heapfast.query.aggregation import parse_aggregations

NS = 1_000_000_000
#: 2026-11-22T09:00:00Z
T0 = 1_795_338_000

NODE = Entity(Kind.NODE, node="n1")
POD = Entity(Kind.POD, namespace="shop", pod="web-1")


def server(host: str, database: str = "k8s") -> InfluxDbServer:
    return InfluxDbServer(InfluxDbAddress(host, database, "root", "root", secure=False), None)


@pytest.fixture(scope="module", autouse=True)
def filled(influxdb_host: str) -> None:
    """Points as Heapster's sink wrote them, in both schemas (spec/heapster-pipeline.md 7.1.6)."""
    lines = []
    for i in range(6):
        at = (T0 + 30 * i) * NS
        lines += [
            f"cpu/usage_rate,cluster_name=default,nodename=n1,type=node value={100 + i}i {at}",
            f"cpu/usage_rate,cluster_name=other,nodename=n1,type=node value=7i {at}",
            f"network/rx_rate,cluster_name=default,nodename=n1,type=node value={i / 4} {at}",
            f"filesystem/usage,cluster_name=default,nodename=n1,resource_id=/,type=node value={i}i {at}",
            f"filesystem/usage,cluster_name=default,nodename=n1,resource_id=/dev/sd\\ a,type=node value={10 * i}i {at}",
            f"uptime,cluster_name=default,nodename=n1,type=node value={i}i {at}",
            f"uptime,cluster_name=default,container_name=system.slice/x,nodename=n1,type=sys_container value=1i {at}",
            f"memory/usage,cluster_name=default,namespace_name=shop,type=ns value={i}i {at}",
            f"memory/usage,cluster_name=default,namespace_name=shop,pod_name=web-1,type=pod value={i}i {at}",
            f"memory/usage,cluster_name=default,namespace_name=shop,pod_name=web-2,type=pod value={2 * i}i {at}",
            f"custom/qps,cluster_name=default,namespace_name=shop,pod_name=web-1,type=pod value={i + 0.5} {at}",
            f"cpu,cluster_name=fields,nodename=n1,type=node usage_rate={200 + i}i {at}",
            f"uptime,cluster_name=fields,nodename=n1,type=node value={i}i {at}",
            f"memory/usage,cluster_name=shards,shard=0,type=cluster value={100 + i}i {at}",
            f"memory/usage,cluster_name=shards,shard=1,type=cluster value={1000}i {at}",
        ]

    async def write() -> None:
        database = server(influxdb_host)
        assert not (await database.run('CREATE DATABASE k8s WITH NAME "default"')).error
        await database.write("\n".join(lines).encode())
        await database.close()

    asyncio.run(write())


@pytest.fixture
async def history(influxdb_host: str) -> AsyncIterator[InfluxDbHistory]:
    backend = of(influxdb_host)
    yield backend
    await backend.close()


def of(host: str, cluster: str = "default", **members: Any) -> InfluxDbHistory:
    usual = {"with_fields": False, "is_sharded": False}
    return InfluxDbHistory(server(host), cluster_name=cluster, **usual | members)


def query(*entities: Entity, metric: str = "cpu/usage_rate", **members: Any) -> RawQuery:
    usual: dict[str, Any] = {
        "labels": None,
        "start_ns": T0 * NS - NS,
        "end_ns": (T0 + 3600) * NS,
        "max_points": 1000,
        "timeout_seconds": 10.0,
    }
    return RawQuery(entities=entities or (NODE,), metric=metric, **usual | members)


def aggregated(names: str, *entities: Entity, metric: str = "cpu/usage_rate", **members: Any) -> AggregateQuery:
    usual: dict[str, Any] = {
        "labels": None,
        "start_ns": T0 * NS - NS,
        "end_ns": (T0 + 3600) * NS,
        "max_points": 1000,
        "timeout_seconds": 10.0,
        "bucket_ns": 0,
        "aggregations": parse_aggregations(names),
    }
    return AggregateQuery(entities=entities or (NODE,), metric=metric, **usual | members)


async def read(backend: InfluxDbHistory, asked: RawQuery) -> dict[int, list[tuple[int, float]]]:
    """Samples by item: seconds after T0, and value."""
    found: dict[int, list[tuple[int, float]]] = {}
    async for points in backend.read_raw(asked):
        times = [at // NS - T0 for at in points.timestamps_ns]
        found.setdefault(points.item, []).extend(zip(times, points.values, strict=True))
    return found


async def read_buckets(backend: InfluxDbHistory, asked: AggregateQuery) -> list[tuple[int, int, dict[str, Any]]]:
    """Item, timestamp and values by name of each bucket."""
    found = []
    async for buckets in backend.read_aggregated(asked):
        for i, at in enumerate(buckets.timestamps_ns):
            found.append((buckets.item, at, {one.name: column[i] for one, column in buckets.values.items()}))
    return found


async def test_samples_come_in_order_of_time(history: InfluxDbHistory) -> None:
    assert await read(history, query()) == {0: [(30 * i, 100 + i) for i in range(6)]}


async def test_bounds_are_exclusive(history: InfluxDbHistory) -> None:
    found = await read(history, query(start_ns=(T0 + 30) * NS, end_ns=(T0 + 120) * NS))
    assert found == {0: [(60, 102), (90, 103)]}


async def test_floats_stay_floats(history: InfluxDbHistory) -> None:
    found = await read(history, query(metric="network/rx_rate"))
    assert found[0][0] == (0, 0.0)
    assert [type(value) for _, value in found[0]] == [float] * 6


async def test_custom_metrics_have_the_type_of_their_values(history: InfluxDbHistory) -> None:
    found = await read(history, query(POD, metric="custom/qps"))
    assert found == {0: [(30 * i, i + 0.5) for i in range(6)]}


async def test_items_keep_their_order_and_what_has_no_data_has_no_item(history: InfluxDbHistory) -> None:
    pods = [Entity(Kind.POD, namespace="shop", pod=name) for name in ("gone", "web-2", "it's", "web-1", "web-2")]
    found = await read(history, query(*pods, metric="memory/usage"))
    assert list(found) == [1, 3, 4]
    assert found[1] == found[4] == [(30 * i, 2 * i) for i in range(6)]
    assert found[3] == [(30 * i, i) for i in range(6)]


async def test_labels_single_out_a_series_and_without_them_all_are_one(history: InfluxDbHistory) -> None:
    root = await read(history, query(metric="filesystem/usage", labels={"resource_id": "/"}))
    other = await read(history, query(metric="filesystem/usage", labels={"resource_id": "/dev/sd a"}))
    both = await read(history, query(metric="filesystem/usage"))
    assert root == {0: [(30 * i, i) for i in range(6)]}
    assert other == {0: [(30 * i, 10 * i) for i in range(6)]}
    assert sorted(both[0]) == sorted(root[0] + other[0])
    assert await read(history, query(metric="filesystem/usage", labels={"resource_id": "x' OR 'a'='a"})) == {}


async def test_fields_are_read_too(influxdb_host: str) -> None:
    backend = of(influxdb_host, "fields", with_fields=True)
    assert await read(backend, query()) == {0: [(30 * i, 200 + i) for i in range(6)]}
    assert await backend.list_metrics(NODE) == ["cpu/usage_rate", "uptime"]
    await backend.close()


async def test_buckets_are_aligned_to_the_epoch_and_empty_ones_are_left_out(history: InfluxDbHistory) -> None:
    asked = aggregated("average,count,max,min,median,95-perc", bucket_ns=60 * NS)
    found = await read_buckets(history, asked)
    assert [(at // NS - T0, values) for _, at, values in found] == [
        (
            60 * i,
            {
                "average": 100.5 + 2 * i,
                "count": 2,
                "max": 101 + 2 * i,
                "min": 100 + 2 * i,
                "median": 100.5 + 2 * i,
                "95-perc": 101.0 + 2 * i,
            },
        )
        for i in range(3)
    ]
    assert {name: type(value) for name, value in found[0][2].items()} == {
        "average": float,
        "count": int,
        "max": int,
        "min": int,
        "median": float,
        "95-perc": float,
    }


@pytest.mark.parametrize(
    ("names", "at_ns"),
    [("average", T0 * NS - NS + 1), ("max,count", T0 * NS - NS + 1), ("max", (T0 + 150) * NS), ("min", T0 * NS)],
)
async def test_one_bucket_begins_with_the_window_unless_it_is_one_sample(
    history: InfluxDbHistory, names: str, at_ns: int
) -> None:
    ((item, at, values),) = await read_buckets(history, aggregated(names))
    assert (item, at) == (0, at_ns)
    assert set(values) == set(names.split(","))


async def test_nothing_gives_no_bucket(history: InfluxDbHistory) -> None:
    assert await read_buckets(history, aggregated("count", Entity(Kind.NODE, node="n2"))) == []


async def test_shares_of_replicas_are_added_up(influxdb_host: str) -> None:
    backend = of(influxdb_host, "shards", is_sharded=True)
    cluster = Entity(Kind.CLUSTER)
    assert await read(backend, query(cluster, metric="memory/usage")) == {0: [(30 * i, 1100 + i) for i in range(6)]}
    found = await read_buckets(backend, aggregated("max,count", cluster, metric="memory/usage", bucket_ns=120 * NS))
    assert [values for _, _, values in found] == [{"max": 1103, "count": 4}, {"max": 1105, "count": 2}]
    await backend.close()


async def test_names_are_lists_of_names(history: InfluxDbHistory) -> None:
    assert list(await history.list_entities(Kind.NODE)) == ["n1"]
    assert list(await history.list_entities(Kind.NAMESPACE)) == ["shop"]
    assert list(await history.list_entities(Kind.POD, Entity(Kind.NAMESPACE, namespace="shop"))) == ["web-1", "web-2"]
    assert list(await history.list_entities(Kind.SYS_CONTAINER, NODE)) == ["system.slice/x"]
    assert list(await history.list_entities(Kind.POD, Entity(Kind.NAMESPACE, namespace="' OR ''='"))) == []
    assert await history.list_metrics(NODE) == ["cpu/usage_rate", "filesystem/usage", "network/rx_rate", "uptime"]
    assert await history.list_metrics(Entity(Kind.NODE, node="a\nb")) == []


async def test_too_many_samples_are_refused(history: InfluxDbHistory) -> None:
    with pytest.raises(HistoryTooLarge):
        await read(history, query(max_points=5))
    with pytest.raises(HistoryTooLarge):
        await read_buckets(history, aggregated("max", bucket_ns=30 * NS, max_points=5))
    assert len((await read(history, query(max_points=6)))[0]) == 6


async def test_a_database_that_is_not_there_is_an_error_that_says_so(influxdb_host: str) -> None:
    backend = InfluxDbHistory(
        server(influxdb_host, "nope"), with_fields=False, cluster_name="default", is_sharded=False
    )
    with pytest.raises(HistoryRefused, match="database not found: nope"):
        await read(backend, query())
    await backend.close()


async def test_a_long_answer_comes_in_chunks(influxdb_host: str) -> None:
    n = 3 * CHUNK_POINTS
    lines = "\n".join(f"uptime,cluster_name=long,nodename=n9,type=node value={i}i {(T0 + i) * NS}" for i in range(n))
    database = server(influxdb_host)
    await database.write(lines.encode())
    backend = of(influxdb_host, "long")
    sizes = []
    asked = query(Entity(Kind.NODE, node="n9"), metric="uptime", end_ns=(T0 + n) * NS, max_points=n)
    async for points in backend.read_raw(asked):
        sizes.append(len(points.values))
    assert sum(sizes) == n
    assert max(sizes) <= CHUNK_POINTS
    await backend.close()
    await database.close()
