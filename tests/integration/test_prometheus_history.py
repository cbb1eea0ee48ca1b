"""History by PromQL from real servers that take remote writes: Prometheus, VictoriaMetrics, Thanos."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator
from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from heapfast.catalog.prometheus_names import family_of
from heapfast.clock import ManualClock
from heapfast.errors import HistoryTooLarge
from heapfast.history import promql
from heapfast.history.backend import CHUNK_POINTS, AggregateQuery, Entity, RawQuery
from heapfast.history.prometheus import PrometheusHistory
from heapfast.history.prometheus_server import PrometheusAddress, PrometheusServer
from heapfast.query.aggregation import parse_aggregations
from tests.remote_write import Sent, compress, encode
from tests.store_servers import RemoteStore

NS = 1_000_000_000
#: 2026-11-22T09:00:00Z
T0 = 1_795_338_000

NODE = Entity(Kind.NODE, node="n1")
POD = Entity(Kind.POD, namespace="shop", pod="web-1")

#: Millicores of n1, 30 s apart; with ranks that interpolation would miss.
RATES = [100, 107, 3, 250, 250, 251, 90, 17, 1000, 12]


def server(url: str) -> PrometheusServer:
    return PrometheusServer(PrometheusAddress(url), None)


async def write(store: RemoteStore, written: list[Sent]) -> None:
    target = server(store.write_url)
    await target.write(store.write_path, compress(encode(written)))
    await target.close()
    await asyncio.to_thread(store.show)


def series(kind: Kind, metric: str, values: list[float], /, *, start: int = T0, step: int = 30, **labels: str) -> Sent:
    """A series as our sink writes it, values in the store's units."""
    family = family_of(kind, metric)
    named = sorted({"__name__": family.name, "cluster": "c1", **labels}.items())
    return Sent(named, [(value / family.divisor, (start + step * i) * 1000) for i, value in enumerate(values)])


SERIES = [
    series(Kind.NODE, "cpu/usage_rate", RATES, node="n1"),
    series(Kind.NODE, "cpu/usage_rate", [7.0] * 10, node="n1", cluster="other"),
    series(Kind.NODE, "network/rx_rate", [i / 4 for i in range(10)], node="n1"),
    series(Kind.NODE, "cpu/usage", [i * 123_456_789.0 for i in range(10)], node="n1"),
    series(Kind.NODE, "filesystem/usage", [float(i) for i in range(10)], node="n1", resource_id="/"),
    series(Kind.NODE, "filesystem/usage", [10.0 * i for i in range(10)], node="n1", resource_id='/dev/"sd" a\\'),
    series(Kind.NODE, "uptime", [1000.0] * 10, node="n1"),
    series(Kind.SYS_CONTAINER, "uptime", [1.0] * 10, node="n1", container="system.slice/x"),
    series(Kind.NAMESPACE, "memory/usage", [1.0] * 10, namespace="shop"),
    # A pod that was made anew after 90 s, on another node: two series, one after the other.
    series(Kind.POD, "memory/usage", [1.0, 2.0, 3.0], namespace="shop", pod="web-1", uid="u1", node="n1"),
    series(Kind.POD, "memory/usage", [4.0, 6.0], start=T0 + 90, namespace="shop", pod="web-1", uid="u2", node="n2"),
    series(Kind.POD, "memory/usage", [9.0] * 5, namespace="shop", pod="web-2", uid="u3", node="n1"),
    series(Kind.POD, "custom/qps", [0.5] * 5, namespace="shop", pod="web-1", uid="u1", node="n1"),
    series(Kind.POD_CONTAINER, "uptime", [1.0], namespace="shop", pod="web-1", uid="u1", node="n1", container="app"),
    series(Kind.CLUSTER, "memory/usage", [100.0 + i for i in range(10)], shard="0"),
    series(Kind.CLUSTER, "memory/usage", [1000.0] * 9, shard="1"),
]


@pytest.fixture(scope="module", autouse=True)
def filled(remote_store: RemoteStore) -> None:
    asyncio.run(write(remote_store, SERIES))


@pytest.fixture
async def history(remote_store: RemoteStore) -> AsyncIterator[PrometheusHistory]:
    backend = PrometheusHistory(
        server(remote_store.query_url), labels={"cluster": "c1"}, clock=ManualClock((T0 + 3600) * NS)
    )
    yield backend
    await backend.close()


def query(*entities: Entity, metric: str = "cpu/usage_rate", **members: Any) -> RawQuery:
    usual: dict[str, Any] = {
        "labels": None,
        "start_ns": (T0 - 1) * NS,
        "end_ns": (T0 + 3600) * NS,
        "max_points": 1000,
        "timeout_seconds": 10.0,
    }
    return RawQuery(entities=entities or (NODE,), metric=metric, **usual | members)


def aggregated(names: str, *entities: Entity, metric: str = "cpu/usage_rate", **members: Any) -> AggregateQuery:
    usual: dict[str, Any] = {
        "labels": None,
        "start_ns": (T0 - 1) * NS,
        "end_ns": (T0 + 3600) * NS,
        "max_points": 1000,
        "timeout_seconds": 10.0,
        "bucket_ns": 0,
        "aggregations": parse_aggregations(names),
    }
    return AggregateQuery(entities=entities or (NODE,), metric=metric, **usual | members)


async def read(backend: PrometheusHistory, asked: RawQuery) -> dict[int, list[tuple[int, float]]]:
    """Samples by item: seconds after T0, and value."""
    found: dict[int, list[tuple[int, float]]] = {}
    async for points in backend.read_raw(asked):
        times = [at // NS - T0 for at in points.timestamps_ns]
        found.setdefault(points.item, []).extend(zip(times, points.values, strict=True))
    return found


async def read_buckets(backend: PrometheusHistory, asked: AggregateQuery) -> list[tuple[int, int, dict[str, Any]]]:
    """Item, timestamp and values by name of each bucket."""
    found = []
    async for buckets in backend.read_aggregated(asked):
        for i, at in enumerate(buckets.timestamps_ns):
            found.append((buckets.item, at, {one.name: column[i] for one, column in buckets.values.items()}))
    return found


async def test_samples_come_back_as_the_store_had_them(history: PrometheusHistory) -> None:
    found = await read(history, query())
    assert found == {0: [(30 * i, rate) for i, rate in enumerate(RATES)]}
    assert {type(value) for _, value in found[0]} == {int}
    assert await read(history, query(metric="cpu/usage")) == {0: [(30 * i, i * 123_456_789) for i in range(10)]}


async def test_bounds_are_exclusive(history: PrometheusHistory) -> None:
    found = await read(history, query(start_ns=(T0 + 30) * NS, end_ns=(T0 + 120) * NS))
    assert found == {0: [(60, 3), (90, 250)]}


async def test_a_window_from_the_beginning_of_time_is_read(history: PrometheusHistory) -> None:
    found = await read(history, query(start_ns=-(2**63) + 1, end_ns=2**63 - 1))
    assert found == {0: [(30 * i, rate) for i, rate in enumerate(RATES)]}


async def test_floats_and_custom_metrics_are_floats(history: PrometheusHistory) -> None:
    assert await read(history, query(metric="network/rx_rate")) == {0: [(30 * i, i / 4) for i in range(10)]}
    assert await read(history, query(POD, metric="custom/qps")) == {0: [(30 * i, 0.5) for i in range(5)]}


async def test_a_pod_that_was_made_anew_is_one_item(history: PrometheusHistory) -> None:
    pods = [Entity(Kind.POD, namespace="shop", pod=name) for name in ("gone", "web-2", "web-1")]
    found = await read(history, query(*pods, metric="memory/usage"))
    assert found == {1: [(30 * i, 9) for i in range(5)], 2: [(0, 1), (30, 2), (60, 3), (90, 4), (120, 6)]}


async def test_pods_are_found_by_uid(history: PrometheusHistory) -> None:
    found = await read(history, query(Entity(Kind.POD, pod_id="u2"), metric="memory/usage"))
    assert found == {0: [(90, 4), (120, 6)]}


async def test_labels_single_out_a_series_and_without_them_all_are_one(history: PrometheusHistory) -> None:
    root = await read(history, query(metric="filesystem/usage", labels={"resource_id": "/"}))
    other = await read(history, query(metric="filesystem/usage", labels={"resource_id": '/dev/"sd" a\\'}))
    both = await read(history, query(metric="filesystem/usage"))
    assert root == {0: [(30 * i, i) for i in range(10)]}
    assert other == {0: [(30 * i, 10 * i) for i in range(10)]}
    assert sorted(both[0]) == sorted(root[0] + other[0])
    for labels in (
        {"resource_id": "/", "x": "y"},
        {"node": "n1"},
        {"resource_id": '/"} or up{a="'},
        {"resource_id": ""},
    ):
        assert await read(history, query(metric="filesystem/usage", labels=labels)) == {}


@pytest.mark.parametrize(
    "entity",
    [
        Entity(Kind.NODE, node=""),
        Entity(Kind.NODE, node='n1"} or {node="n1'),
        Entity(Kind.NODE, node=".*"),
        Entity(Kind.POD, pod_id=""),
        Entity(Kind.NODE, node="\ud800"),
    ],
    ids=["empty", "quotes", "pattern", "empty uid", "surrogate"],
)
async def test_a_name_that_is_none_finds_nothing(history: PrometheusHistory, entity: Entity) -> None:
    assert await read(history, query(entity, metric="memory/usage")) == {}
    assert await read_buckets(history, aggregated("max", entity, metric="memory/usage")) == []
    assert await history.list_metrics(entity) == []


async def test_buckets_are_those_of_the_samples(history: PrometheusHistory) -> None:
    names = "average,max,min,median,count,50-perc,95-perc,99-perc"
    asked = aggregated(names, bucket_ns=60 * NS, start_ns=T0 * NS, end_ns=(T0 + 270) * NS)
    found = await read_buckets(history, asked)
    inside = {60 * i: [RATES[j] for j in (2 * i, 2 * i + 1) if 0 < j < 9] for i in range(5)}
    assert [at // NS - T0 for _, at, _ in found] == list(inside)
    for (_, _, values), rates in zip(found, inside.values(), strict=True):
        ranks = sorted(rates)
        assert values == {
            "average": pytest.approx(statistics.fmean(rates), rel=1e-14),
            "max": max(rates),
            "min": min(rates),
            "median": statistics.median(rates),
            "count": len(rates),
            "50-perc": ranks[0],
            "95-perc": ranks[-1],
            "99-perc": ranks[-1],
        }
        assert [type(values[name]) for name in names.split(",")] == [float, int, int, float, int, float, float, float]


@pytest.mark.parametrize(("percentile", "rank"), [("50-perc", 5), ("95-perc", 10), ("99-perc", 10)])
async def test_a_percentile_is_a_sample_of_the_nearest_rank(
    history: PrometheusHistory, percentile: str, rank: int
) -> None:
    ((_, at, values),) = await read_buckets(history, aggregated(f"{percentile},count"))
    assert at == (T0 - 1) * NS + 1
    assert values == {percentile: sorted(RATES)[rank - 1], "count": 10}
    ((_, at, values),) = await read_buckets(history, aggregated(percentile))
    # Alone it is a sample, with its own time.
    assert (at // NS - T0, values) == (30 * RATES.index(sorted(RATES)[rank - 1]), {percentile: sorted(RATES)[rank - 1]})


async def test_buckets_over_two_series_are_made_of_all_samples(history: PrometheusHistory) -> None:
    asked = aggregated("average,count,max", POD, metric="memory/usage", bucket_ns=90 * NS)
    assert [(at // NS - T0, values) for _, at, values in await read_buckets(history, asked)] == [
        (0, {"average": 2.0, "count": 3, "max": 3}),
        (90, {"average": 5.0, "count": 2, "max": 6}),
    ]
    ((_, _, values),) = await read_buckets(history, aggregated("average,count,median", POD, metric="memory/usage"))
    assert values == {"average": 3.2, "count": 5, "median": 3.0}


async def test_more_buckets_than_a_server_would_evaluate_are_those_with_samples(history: PrometheusHistory) -> None:
    found = await read_buckets(history, aggregated("max", bucket_ns=NS, start_ns=1000 * NS))
    assert [(at // NS - T0, values["max"]) for _, at, values in found] == [
        (30 * i, rate) for i, rate in enumerate(RATES)
    ]


async def test_shares_of_replicas_are_added_up(history: PrometheusHistory) -> None:
    cluster = Entity(Kind.CLUSTER)
    shares = [*((30 * i, 1100 + i) for i in range(9)), (270, 109)]
    assert await read(history, query(cluster, metric="memory/usage")) == {0: shares}
    asked = aggregated("max,min,count", cluster, metric="memory/usage", bucket_ns=300 * NS)
    assert [values for _, _, values in await read_buckets(history, asked)] == [{"max": 1108, "min": 109, "count": 10}]


async def test_names_are_lists_of_names(history: PrometheusHistory) -> None:
    namespace = Entity(Kind.NAMESPACE, namespace="shop")
    assert list(await history.list_entities(Kind.NODE)) == ["n1"]
    assert list(await history.list_entities(Kind.NAMESPACE)) == ["shop"]
    assert list(await history.list_entities(Kind.POD, namespace)) == ["web-1", "web-2"]
    assert list(await history.list_entities(Kind.POD_CONTAINER, POD)) == ["app"]
    assert list(await history.list_entities(Kind.SYS_CONTAINER, NODE)) == ["system.slice/x"]
    assert list(await history.list_entities(Kind.POD, Entity(Kind.NAMESPACE, namespace='"}'))) == []
    assert await history.list_metrics(POD) == ["custom/qps", "memory/usage"]
    assert await history.list_metrics(NODE) == [
        "cpu/usage",
        "cpu/usage_rate",
        "filesystem/usage",
        "network/rx_rate",
        "uptime",
    ]


async def test_too_many_samples_are_refused_before_the_first(history: PrometheusHistory) -> None:
    with pytest.raises(HistoryTooLarge):
        await read(history, query(max_points=9))
    with pytest.raises(HistoryTooLarge):
        await read_buckets(history, aggregated("max", bucket_ns=30 * NS, max_points=9))
    assert len((await read(history, query(max_points=10)))[0]) == 10


async def test_a_long_answer_comes_in_chunks_and_whole(remote_store: RemoteStore) -> None:
    n = 5 * CHUNK_POINTS
    start = T0 - 15 * n
    long = series(Kind.NODE, "uptime", [1000.0 * i for i in range(n)], start=start, step=15, node="n9")
    await write(remote_store, [long])
    backend = PrometheusHistory(server(remote_store.query_url), labels={}, clock=ManualClock((T0 + 3600) * NS))
    values: list[float] = []
    times: list[int] = []
    asked = query(Entity(Kind.NODE, node="n9"), metric="uptime", start_ns=NS, max_points=n + 1)
    async for points in backend.read_raw(asked):
        assert len(points.values) <= CHUNK_POINTS
        values += points.values
        times += points.timestamps_ns
    assert values == [1000 * i for i in range(n)]
    assert times == [(start + 15 * i) * NS for i in range(n)]
    await backend.close()


NASTY = ['"', "\\", '\\"', "a\nb", "\ufffd", "\x00", "\u2028", "é", "{{", "`", "\t\x7f\x85", "日本", "'", "\\u0041"]


@pytest.mark.parametrize("text", NASTY, ids=[repr(text) for text in NASTY])
async def test_the_server_reads_a_quoted_name_as_that_name(remote_store: RemoteStore, text: str) -> None:
    target = server(remote_store.query_url)
    expression = f'label_replace(vector(1),"said",{promql.quote(text.replace("$", "$$"))},"","")'
    (answer,) = await target.query(expression, at_ms=T0 * 1000, timeout_seconds=9.0)
    assert answer.metric["said"] == text
    await target.close()
