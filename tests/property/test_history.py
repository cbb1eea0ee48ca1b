"""What DuckDB finds in files against a look at every sample; and names that would be SQL if they were let."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.history.backend import AggregateQuery, Entity, RawQuery
from heapfast.history.embedded import open_embedded
from heapfast.history.options import EmbeddedOptions
from heapfast.query.aggregation import parse_aggregations
from tests.conformance.heapster.test_history import write
from tests.unit.history.naive import NaiveHistory, iter_values
from tests.unit.history.store import points_of

SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS
ALL = parse_aggregations("average,max,min,median,count,50-perc,95-perc,99-perc")

#: What somebody would write who wants more than an answer.
SQL = ('"', "'", "a'; DROP TABLE x; --", '" FROM range(9) --', "?", "$1", "%", "\\", "\u00e9", "value", "time")
#: Names as pods have them, and as no pod has them.
NAMES = (
    st.sampled_from(("web", "web-0", "db"))
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
    | st.sampled_from(SQL)
)
METRICS = st.sampled_from(("memory/usage", "cpu/usage_rate", "network/rx_rate")) | NAMES.map("custom/{}".format)
PODS = st.builds(lambda namespace, pod: (namespace, pod), NAMES, NAMES)
VALUES = st.integers(-(2**62), 2**62)


@st.composite
def histories(draw: st.DrawFn) -> tuple[NaiveHistory, list[tuple[str, str]], list[str]]:
    pods = draw(st.lists(PODS, min_size=1, max_size=3, unique=True))
    metrics = draw(st.lists(METRICS, min_size=1, max_size=3, unique=True))
    history = NaiveHistory()
    for at_s in sorted(draw(st.sets(st.integers(0, 120).map(lambda i: i * 30), min_size=1, max_size=5))):
        sets = {}
        for namespace, pod in pods:
            values: dict[str, Any] = {}
            for metric in metrics:
                if draw(st.booleans()):
                    value = draw(VALUES)
                    values[metric] = value / 8 if metric == "network/rx_rate" else value
            labels = {"type": "pod", "namespace_name": namespace, "pod_name": pod, "pod_id": f"{namespace} {pod}"}
            sets[f"{namespace} {pod}"] = {"labels": labels, "metrics": values, "labeled": []}
        history.put(at_s * SECOND_NS, sets)
    return history, pods, metrics


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.data())
def test_files_say_what_the_samples_say(
    drawn: tuple[Any, list[tuple[str, str]], list[str]], data: st.DataObject
) -> None:
    history, pods, metrics = drawn
    entities = tuple(
        data.draw(
            st.lists(
                st.sampled_from(pods).map(lambda pod: Entity(Kind.POD, namespace=pod[0], pod=pod[1]))
                | st.sampled_from(pods).map(lambda pod: Entity(Kind.POD, pod_id=f"{pod[0]} {pod[1]}"))
                | PODS.map(lambda pod: Entity(Kind.POD, namespace=pod[0], pod=pod[1])),
                min_size=1,
                max_size=4,
            )
        )
    )
    metric = data.draw(st.sampled_from(metrics) | METRICS)
    start_s, end_s = data.draw(st.integers(-30, 3700)), data.draw(st.integers(-30, 3700))
    bucket_s = data.draw(st.sampled_from((0, 30, 45, 600, 7200)))
    bounds: dict[str, Any] = {"start_ns": start_s * SECOND_NS, "end_ns": end_s * SECOND_NS}
    shared: dict[str, Any] = bounds | {
        "entities": entities, "metric": metric, "labels": None, "max_points": 10**6, "timeout_seconds": 60
    }  # fmt: skip
    raw = RawQuery(**shared)
    aggregated = AggregateQuery(**shared, bucket_ns=bucket_s * SECOND_NS, aggregations=ALL)

    async def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "history", history)
            opened = open_embedded(
                Path(folder) / "history", EmbeddedOptions(), store=Store(), clock=ManualClock(),
                registry=CollectorRegistry(),
            )  # fmt: skip
            async with opened as (backend, _):
                want = points_of([chunk async for chunk in history.read_raw(raw)])
                assert points_of([chunk async for chunk in backend.read_raw(raw)]) == want
                want_buckets = list(iter_values([chunk async for chunk in history.read_aggregated(aggregated)]))
                got_buckets = list(iter_values([chunk async for chunk in backend.read_aggregated(aggregated)]))
                assert [bucket[:2] for bucket in got_buckets] == [bucket[:2] for bucket in want_buckets]
                for (_, _, ours), (_, _, theirs) in zip(got_buckets, want_buckets, strict=True):
                    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-3)
                assert await backend.list_metrics(entities[0]) == await history.list_metrics(entities[0])
                namespace = Entity(Kind.NAMESPACE, namespace=pods[0][0])
                names = await backend.list_entities(Kind.POD, namespace)
                assert list(names) == list(await history.list_entities(Kind.POD, namespace))

    asyncio.run(check())
