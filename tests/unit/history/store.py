"""An embedded store in a folder, fed with batches of a small cluster, and the oracle beside it.

In      a folder
Out     Kept: backend, writer, what they count, and what they should say
Callers the tests of history, tests/adversity/test_history.py, tests/property/test_history.py
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.history.backend import AggregateQuery, Buckets, Entity, Points, RawQuery
from heapfast.history.embedded import EmbeddedBackend, open_embedded
from heapfast.history.options import EmbeddedOptions
from heapfast.history.writer import HistoryWriter
from heapfast.query.aggregation import parse_aggregations
from heapfast.sim._rows import rows_of
from tests.unit.api.cluster import STEP_NS, Cluster, rows_at
from tests.unit.history.naive import NaiveHistory, iter_values
from tests.unit.store.rows import T0_NS

ENTITIES = (
    Entity(Kind.CLUSTER),
    Entity(Kind.NODE, node="node-1"),
    Entity(Kind.NODE, node="nope"),
    Entity(Kind.NAMESPACE, namespace="shop"),
    Entity(Kind.POD, namespace="default", pod="web-0"),
    Entity(Kind.POD, namespace="shop", pod="web-0"),
    Entity(Kind.POD, namespace="default", pod="web-0"),
    Entity(Kind.POD, pod_id="uid-job"),
    Entity(Kind.POD, pod_id="nope"),
    Entity(Kind.POD_CONTAINER, namespace="default", pod="web-0", container="nginx"),
    Entity(Kind.POD_CONTAINER, pod_id="uid-job", container="main"),
    Entity(Kind.SYS_CONTAINER, node="node-1", container="system.slice/docker.service"),
)
METRICS = (
    "memory/usage",
    "cpu/usage_rate",
    "cpu/node_utilization",
    "filesystem/usage",
    "accelerator/memory_used",
    "custom/ratio",
    "custom/qps",
    "nope",
)
LABELS = (
    None,
    {"resource_id": "/"},
    {"resource_id": "Volume:data"},
    {"resource_id": "nope"},
    {"make": "nvidia", "accelerator_id": "GPU-0"},
    {"nope": "nope"},
)
ALL = parse_aggregations("average,max,min,median,count,50-perc,95-perc,99-perc")


def raw(metric: str, labels: dict[str, str] | None = None, **more: Any) -> RawQuery:
    given = {"start_ns": 0, "end_ns": 2**62, "max_points": 10**6, "timeout_seconds": 60, "entities": ENTITIES} | more
    return RawQuery(metric=metric, labels=labels, **given)


def aggregated(metric: str, bucket_ns: int = 0, **more: Any) -> AggregateQuery:
    given = {"start_ns": 0, "end_ns": 2**62, "max_points": 10**6, "timeout_seconds": 60, "entities": ENTITIES} | more
    given = {"labels": None, "aggregations": ALL} | given
    return AggregateQuery(metric=metric, bucket_ns=bucket_ns, **given)


def points_of(chunks: list[Points]) -> list[tuple[int, int, float]]:
    """Item, time and value of each sample, however they were cut into chunks."""
    return [
        (chunk.item, at, value) for chunk in chunks for at, value in zip(chunk.timestamps_ns, chunk.values, strict=True)
    ]


@dataclass
class Kept:
    """The store and its oracle.

    Attributes:
        folder: of its files.
        cluster: has the ring; of it `batch` makes the batches.
    """

    folder: Path
    cluster: Cluster
    clock: ManualClock
    registry: CollectorRegistry
    backend: EmbeddedBackend
    writer: HistoryWriter
    oracle: NaiveHistory

    async def batch(self, i: int, *, written: bool = True) -> None:
        """Closes the i-th batch; `written`: whether it gets to disk."""
        store: Store = self.cluster.store
        at_ns = T0_NS + i * STEP_NS
        store.ingest(rows_of(rows_at(i)), store.find(Kind.NODE, "node-1"), at_ns)
        self.cluster.tick(at_ns)
        self.clock.set_ns(at_ns)
        self.oracle.put(at_ns, store.newest.sets())
        if written:
            await self.writer.write(store.newest)

    async def raw(self, query: RawQuery) -> list[tuple[int, int, float]]:
        return points_of([chunk async for chunk in self.backend.read_raw(query)])

    async def aggregated(self, query: AggregateQuery) -> list[tuple[int, int, dict[str, Any]]]:
        chunks: list[Buckets] = [chunk async for chunk in self.backend.read_aggregated(query)]
        return list(iter_values(chunks))

    async def want_raw(self, query: RawQuery) -> list[tuple[int, int, float]]:
        return points_of([chunk async for chunk in self.oracle.read_raw(query)])

    async def want_aggregated(self, query: AggregateQuery) -> list[tuple[int, int, dict[str, Any]]]:
        return list(iter_values([chunk async for chunk in self.oracle.read_aggregated(query)]))

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.suffix == ".parquet")

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@contextlib.asynccontextmanager
async def kept(
    folder: Path, options: EmbeddedOptions | None = None, oracle: NaiveHistory | None = None
) -> AsyncIterator[Kept]:
    cluster = Cluster(n_batches=0)
    clock = ManualClock(T0_NS)
    registry = CollectorRegistry()
    opened = open_embedded(folder, options or EmbeddedOptions(), store=cluster.store, clock=clock, registry=registry)
    async with opened as (backend, writer):
        yield Kept(folder, cluster, clock, registry, backend, writer, oracle or NaiveHistory())
