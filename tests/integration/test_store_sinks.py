"""Our sinks against real servers: databases and policies that are made, names of all kinds, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.errors import SinkError
from heapfast.history.backend import Entity, RawQuery
from heapfast.history.influxql import quote_identifier
from heapfast.sim._rows import rows_of
from heapfast.sinks.influxdb import InfluxDbSpec
from heapfast.sinks.prometheus import PrometheusSpec
from heapfast.sinks.sink import Address, Secret, Sink
from tests import store_servers
from tests.unit.store.rows import SECOND_NS, T0_NS, container, custom, resource

#: What names may be like; of line protocol's own signs each is among them.
NASTY = ("plain", "a b", "a,b", "a=b", "it's", 'say "x"', "back\\slash", "é日本", "/dev/sd a", "#", "x\\,y")


def batch_at(at_ns: int, store: Store | None = None) -> Batch:
    """A batch with a container of every nasty name, each with a filesystem and a custom metric of that name."""
    store = store or Store()
    node = store.put_node("n1", hostname="", host_id="", labels="")
    rows = [
        container(
            "shop",
            "web",
            name,
            {"memory/usage": 1000 + i},
            at=at_ns,
            resources=[resource("filesystem", name, usage=i)],
            custom=[custom(name, i + 0.5)],
        )
        for i, name in enumerate(NASTY)
    ]
    store.ingest(rows_of(rows), node, at_ns)
    closing = store.swap(at_ns)
    closing.run()
    return store.commit(closing, at_ns)


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


async def send(sink: Sink, batch: Batch) -> None:
    chunks = sink.chunks(batch)
    while (chunk := chunks.read()) is not None:
        await sink.send(chunk.payload)


def influxdb(host: str, **options: Any) -> InfluxDbSpec:
    address, _, port = host.rpartition(":")
    return InfluxDbSpec(**{"address": Address(address, int(port))} | options)


async def policies(spec: InfluxDbSpec) -> dict[str, str]:
    """Duration by name of policy."""
    server = spec.server()
    result = await server.run(f"SHOW RETENTION POLICIES ON {quote_identifier(spec.database)}")
    await server.close()
    return {str(row[0]): str(row[1]) for series in result.series for row in series.values}


@pytest.mark.parametrize(
    ("retention", "duration"), [("0", "0s"), ("5000d", "120000h0m0s")], ids=["for ever", "some years"]
)
async def test_a_database_is_made_with_its_policy(
    influxdb_host: str, executor: ThreadPoolExecutor, retention: str, duration: str
) -> None:
    spec = influxdb(influxdb_host, database=f'made "{retention}"', retention=retention)
    sink = spec.build(executor)
    await send(sink, batch_at(T0_NS))
    assert await policies(spec) == {"default": duration}
    await sink.close()


async def test_a_policy_is_made_where_there_is_none_and_left_where_there_is_one(
    influxdb_host: str, executor: ThreadPoolExecutor
) -> None:
    spec = influxdb(influxdb_host, database="older", retention="5000d")
    server = spec.server()
    await server.run('CREATE DATABASE "older"')
    await server.close()
    for retention in ("5000d", "4000d"):
        sink = influxdb(influxdb_host, database="older", retention=retention).build(executor)
        await send(sink, batch_at(T0_NS))
        await sink.close()
        assert (await policies(spec))["default"] == "120000h0m0s"


async def test_a_database_that_was_dropped_is_made_again(influxdb_host: str, executor: ThreadPoolExecutor) -> None:
    spec = influxdb(influxdb_host, database="dropped")
    sink, server = spec.build(executor), spec.server()
    await send(sink, batch_at(T0_NS))
    await server.run('DROP DATABASE "dropped"')
    with pytest.raises(SinkError) as failure:
        await send(sink, batch_at(T0_NS))
    assert failure.value.costs == "nothing"
    await send(sink, batch_at(T0_NS))
    assert await policies(spec) == {"default": "0s"}
    await server.close()
    await sink.close()


async def test_a_wrong_password_costs_the_batch(
    tmp_path_factory: pytest.TempPathFactory, executor: ThreadPoolExecutor
) -> None:
    with store_servers.influxdb(tmp_path_factory.mktemp("auth"), auth=True) as host:
        admin = influxdb(host, user="").server()
        await admin.run("CREATE USER root WITH PASSWORD 'right' WITH ALL PRIVILEGES")
        await admin.close()
        sink = influxdb(host, password=Secret("wrong")).build(executor)
        with pytest.raises(SinkError, match="authorization failed") as failure:
            await send(sink, batch_at(T0_NS))
        assert failure.value.costs == "batch"
        await sink.close()
        sink = influxdb(host, password=Secret("right")).build(executor)
        await send(sink, batch_at(T0_NS))
        await sink.close()


def remote_write(store: store_servers.RemoteStore) -> PrometheusSpec:
    return PrometheusSpec(url=store.write_url, write_path=store.write_path, query_url=store.query_url)


class Place:
    """A store's sink and its backend."""

    def __init__(self, spec: Any, show: Any, executor: ThreadPoolExecutor) -> None:
        self.sink: Sink = spec.build(executor)
        self.history = spec.build_history(ManualClock(T0_NS + 3600 * SECOND_NS))
        self.show = show

    async def close(self) -> None:
        await self.sink.close()
        await self.history.close()

    async def values(self, name: str, metric: str, labels: dict[str, str] | None = None) -> list[float]:
        asked = RawQuery(
            entities=(Entity(Kind.POD_CONTAINER, namespace="shop", pod="web", container=name),),
            metric=metric,
            labels=labels,
            start_ns=T0_NS - SECOND_NS,
            end_ns=T0_NS + SECOND_NS,
            max_points=1000,
            timeout_seconds=10.0,
        )
        return [value async for points in self.history.read_raw(asked) for value in points.values]


@pytest.fixture(params=["influxdb", "influxdb with fields", "prometheus", "victoria_metrics", "thanos"])
async def place(request: pytest.FixtureRequest, tmp_path: Any, executor: ThreadPoolExecutor) -> AsyncIterator[Place]:
    kind = request.param.partition(" ")[0]
    with getattr(store_servers, kind)(tmp_path) as where:
        if kind == "influxdb":
            place = Place(influxdb(where, with_fields=request.param != kind), lambda: None, executor)
        else:
            spec = remote_write(where)
            place = Place(spec, where.show, executor)
        yield place
        await place.close()


async def test_any_name_is_written_and_found_again(place: Place) -> None:
    batch = batch_at(T0_NS)
    await send(place.sink, batch)
    # An answer that got lost is sent again.
    await send(place.sink, batch)
    place.show()
    for i, name in enumerate(NASTY):
        assert await place.values(name, "memory/usage") == [1000 + i], name
        assert await place.values(name, "filesystem/usage", {"resource_id": name}) == [i], name
        if "\\" in name:
            continue  # InfluxDB loses measurements with a backslash before a comma
        assert await place.values(name, f"custom/{name}") == [i + 0.5], name
        found = await place.history.list_metrics(
            Entity(Kind.POD_CONTAINER, namespace="shop", pod="web", container=name)
        )
        assert f"custom/{name}" in found
    pod = Entity(Kind.POD, namespace="shop", pod="web")
    assert list(await place.history.list_entities(Kind.POD_CONTAINER, pod)) == sorted(NASTY)


async def test_what_prometheus_finds_too_old_costs_its_request(tmp_path: Any, executor: ThreadPoolExecutor) -> None:
    with store_servers.prometheus(tmp_path, out_of_order="0s") as store:
        sink = remote_write(store).build(executor)
        await send(sink, batch_at(T0_NS + 3600 * SECOND_NS))
        with pytest.raises(SinkError) as failure:
            await send(sink, batch_at(T0_NS))
        assert (failure.value.costs, failure.value.reason) == ("chunk", "status_400")
        await send(sink, batch_at(T0_NS + 3630 * SECOND_NS))
        await sink.close()
