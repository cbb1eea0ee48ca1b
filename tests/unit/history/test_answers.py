"""Whatever a server answers, a question ends with samples or with a HistoryError, and with nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.errors import HistoryError, HistoryRefused, HistoryUnavailable
from heapfast.history.backend import AggregateQuery, Entity, HistoryBackend, RawQuery
from heapfast.history.influxdb import InfluxDbHistory
from heapfast.history.influxdb_server import InfluxDbAddress, InfluxDbServer
from heapfast.history.prometheus import PrometheusHistory
from heapfast.history.prometheus_server import PrometheusAddress, PrometheusServer
from heapfast.history.server import ServerFailure
from heapfast.query.aggregation import parse_aggregations

NS = 1_000_000_000
NOW_NS = 1_795_338_000 * NS
NODE = Entity(Kind.NODE, node="n1")


class Scripted:
    """In place of the connection: gives the same body to every request, or fails."""

    url = "http://store"

    def __init__(self, body: bytes | ServerFailure) -> None:
        self._body = body

    async def request(self, *_: Any, **__: Any) -> bytes:
        if isinstance(self._body, ServerFailure):
            raise self._body
        return self._body

    async def iter_lines(self, *_: Any, **__: Any) -> AsyncIterator[bytes]:
        for line in (await self.request()).split(b"\n"):
            if line:
                yield line


def influxdb(body: bytes | ServerFailure, *, is_sharded: bool = False) -> InfluxDbHistory:
    server = InfluxDbServer(InfluxDbAddress("store", "k8s", "", "", secure=False), None)
    server._server = Scripted(body)  # type: ignore[assignment]
    return InfluxDbHistory(server, with_fields=False, cluster_name="default", is_sharded=is_sharded)


def prometheus(body: bytes | ServerFailure) -> PrometheusHistory:
    server = PrometheusServer(PrometheusAddress("http://store"), None)
    server._server = Scripted(body)  # type: ignore[assignment]
    return PrometheusHistory(server, labels={}, clock=ManualClock(NOW_NS))


def query(metric: str = "cpu/usage_rate", entity: Entity = NODE, **members: Any) -> RawQuery:
    usual: dict[str, Any] = {
        "entities": (entity,),
        "metric": metric,
        "labels": None,
        "start_ns": NOW_NS - 3600 * NS,
        "end_ns": NOW_NS,
        "max_points": 1000,
        "timeout_seconds": 1.0,
    }
    return RawQuery(**usual | members)


def aggregated(metric: str = "cpu/usage_rate", entity: Entity = NODE, **members: Any) -> AggregateQuery:
    raw = query(metric, entity)
    usual: dict[str, Any] = {
        "bucket_ns": 600 * NS,
        "aggregations": parse_aggregations("average,max,95-perc,median,count"),
    }
    fields = {name: getattr(raw, name) for name in raw.__dataclass_fields__}
    return AggregateQuery(**fields | usual | members)


async def ask_everything(backend: HistoryBackend) -> list[str]:
    """Asks every kind of question; gives what each ended with."""
    cluster = Entity(Kind.CLUSTER)

    async def drain(chunks: Any) -> None:
        async for _ in chunks:
            pass

    questions = [
        drain(backend.read_raw(query())),
        drain(backend.read_raw(query("custom/x"))),
        drain(backend.read_raw(query("memory/usage", cluster))),
        drain(backend.read_aggregated(aggregated())),
        drain(backend.read_aggregated(aggregated(bucket_ns=0))),
        drain(backend.read_aggregated(aggregated("memory/usage", cluster))),
        backend.list_metrics(NODE),
        backend.list_entities(Kind.NODE),
    ]
    ends = []
    for question in questions:
        try:
            await question
            ends.append("answered")
        except HistoryError as error:
            ends.append(type(error).__name__)
    return ends


def ends_of(backend: HistoryBackend) -> list[str]:
    return asyncio.run(ask_everything(backend))


INFLUX_RAW = {
    "results": [
        {
            "statement_id": 0,
            "series": [
                {"name": "m", "columns": ["time", "value"], "values": [[NOW_NS - 60 * NS, 5], [NOW_NS - 30 * NS, 7]]}
            ],
        }
    ]
}
PROMETHEUS_MATRIX = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [{"metric": {"node": "n1"}, "values": [[NOW_NS / NS - 60, "5"], [NOW_NS / NS - 30, "7"]]}],
    },
}
PROMETHEUS_NAMES = {"status": "success", "data": ["a", "b"]}

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["NaN", "+Inf", "1e999", ""]),
)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, *templates: Any) -> bytes:
    """A right answer with something else in one place, or cut off anywhere."""
    template = json.loads(json.dumps(draw(st.sampled_from(templates))))
    at = template
    while isinstance(at, dict | list) and at:
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or draw(st.booleans()):
            at[key] = draw(anything)
            break
        at = at[key]
    body = json.dumps(template).encode()
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body


@given(mutated(INFLUX_RAW, {"results": [{"error": "x"}]}, {"error": "x"}), st.booleans())
def test_influxdb_may_answer_anything(body: bytes, is_sharded: bool) -> None:
    assert len(ends_of(influxdb(body, is_sharded=is_sharded))) == 8


@given(mutated(PROMETHEUS_MATRIX, PROMETHEUS_NAMES, {"status": "error", "error": "x", "errorType": "bad_data"}))
def test_prometheus_may_answer_anything(body: bytes) -> None:
    assert len(ends_of(prometheus(body))) == 8


@given(st.binary(max_size=64))
def test_both_may_answer_garbage(body: bytes) -> None:
    ends_of(influxdb(body))
    assert set(ends_of(prometheus(body))) == {"HistoryRefused"}


@pytest.mark.parametrize(
    ("reason", "status", "kind"),
    [
        ("connect", None, HistoryUnavailable),
        ("timeout", None, HistoryUnavailable),
        ("broken", None, HistoryUnavailable),
        ("status", 500, HistoryUnavailable),
        ("status", 503, HistoryUnavailable),
        ("status", 429, HistoryUnavailable),
        ("status", 400, HistoryRefused),
        ("status", 401, HistoryRefused),
        ("status", 422, HistoryRefused),
        ("protocol", None, HistoryRefused),
        ("too_large", None, HistoryRefused),
    ],
)
def test_a_failure_says_whether_asking_again_can_help(
    reason: str, status: int | None, kind: type[HistoryError]
) -> None:
    failure = ServerFailure("it went wrong", reason=reason, status=status)
    for backend in (influxdb(failure), prometheus(failure)):
        assert set(ends_of(backend)) == {kind.__name__}
