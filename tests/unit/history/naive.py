"""History as anybody would write it: the oracle of every backend.

In      metric sets by key, batch after batch, in the shape of Batch.sets()
Out     what a HistoryBackend says, by looks at every sample
Callers the tests of history, tests/property/test_history.py, tests/conformance/heapster
Source  spec/heapster-rest.md 8; how InfluxDB 1.6 aligns and ranks, by recorded answers
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any, NamedTuple

from heapfast._name_list import NameList
from heapfast.catalog.keys import Kind
from heapfast.history.backend import AggregateQuery, Buckets, Entity, Points, RawQuery
from heapfast.query.aggregation import Aggregation, Function

Value = int | float


class Sample(NamedTuple):
    timestamp_ns: int
    entity: Mapping[str, str]
    metric: str
    labels: Mapping[str, str]
    value: Value


#: Which label of an entity its last name is.
_NAME_OF = {
    Kind.NODE: "nodename",
    Kind.NAMESPACE: "namespace_name",
    Kind.POD: "pod_name",
    Kind.POD_CONTAINER: "container_name",
    Kind.SYS_CONTAINER: "container_name",
}


_ENTITY_LABELS = ("type", "nodename", "namespace_name", "pod_name", "pod_id", "container_name")


def entity_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of a set's labels that single its entity out."""
    return {name: labels[name] for name in _ENTITY_LABELS if name in labels}


class NaiveHistory:
    """See HistoryBackend."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def put(self, timestamp_ns: int, sets: Mapping[str, Any]) -> None:
        for metric_set in sets.values():
            entity = entity_labels(metric_set["labels"])
            for metric, value in metric_set["metrics"].items():
                self.samples.append(Sample(timestamp_ns, entity, metric, {}, value))
            for one in metric_set["labeled"]:
                self.samples.append(Sample(timestamp_ns, entity, one["name"], one["labels"], one["value"]))

    def find(self, entity: Entity, query: RawQuery) -> list[Sample]:
        wanted = entity.labels().items()
        labels = (query.labels or {}).items()
        return [
            sample
            for sample in self.samples
            if sample.metric == query.metric
            and query.start_ns < sample.timestamp_ns < query.end_ns
            and wanted <= sample.entity.items()
            and labels <= sample.labels.items()
        ]

    async def read_raw(self, query: RawQuery) -> AsyncGenerator[Points]:
        for item, entity in enumerate(query.entities):
            found = self.find(entity, query)
            values = [sample.value for sample in found]
            typecode = "d" if any(isinstance(value, float) for value in values) else "q"
            if found:
                yield Points(item, array("q", [s.timestamp_ns for s in found]), array(typecode, values))

    async def read_aggregated(self, query: AggregateQuery) -> AsyncGenerator[Buckets]:
        for item, entity in enumerate(query.entities):
            stamps, values = aggregate(
                [(s.timestamp_ns, s.value) for s in self.find(entity, query)],
                query.aggregations,
                start_ns=query.start_ns,
                bucket_ns=query.bucket_ns,
            )
            if stamps:
                yield Buckets(item, array("q", stamps), values)

    async def list_metrics(self, entity: Entity) -> list[str]:
        wanted = entity.labels().items()
        return sorted({sample.metric for sample in self.samples if wanted <= sample.entity.items()})

    async def list_entities(self, kind: Kind, parent: Entity | None = None) -> NameList:
        wanted = set() if parent is None else set(parent.labels().items()) - {("type", parent.labels()["type"])}
        type_ = Entity(kind).labels()["type"]
        names = {
            sample.entity[_NAME_OF[kind]]
            for sample in self.samples
            if sample.entity["type"] == type_ and wanted <= sample.entity.items()
        }
        return NameList(sorted(names))

    async def close(self) -> None: ...


def aggregate(
    points: list[tuple[int, Value]], aggregations: tuple[Aggregation, ...], *, start_ns: int, bucket_ns: int
) -> tuple[list[int], dict[Aggregation, list[Value]]]:
    """The oracle of query/buckets.py, for samples that stand for themselves."""
    buckets: dict[int, list[tuple[int, Value]]] = defaultdict(list)
    for at, value in points:
        buckets[at - at % bucket_ns if bucket_ns else start_ns + 1].append((at, value))
    stamps = sorted(buckets)
    values = {a: [_aggregate([value for _, value in buckets[at]], a) for at in stamps] for a in aggregations}
    lone = aggregations[0] if len(aggregations) == 1 else None
    if points and not bucket_ns and lone and lone.function in (Function.MIN, Function.MAX, Function.PERCENTILE):
        stamps = [_time_of(points, lone)]
    return stamps, values


def _time_of(points: list[tuple[int, Value]], aggregation: Aggregation) -> int:
    ranked = sorted(points, key=lambda point: (point[1], point[0]))
    match aggregation.function:
        case Function.MIN:
            return ranked[0][0]
        case Function.MAX:
            return min(at for at, value in points if value == ranked[-1][1])
    return ranked[_rank(len(ranked), aggregation)][0]


def _rank(n: int, aggregation: Aggregation) -> int:
    return max(int(n * aggregation.percentile / 100 + 0.5) - 1, 0)


def _aggregate(values: list[Value], aggregation: Aggregation) -> Value:
    ranked = sorted(values)
    n = len(ranked)
    match aggregation.function:
        case Function.AVERAGE:
            return sum(ranked) / n
        case Function.MIN:
            return ranked[0]
        case Function.MAX:
            return ranked[-1]
        case Function.COUNT:
            return n
        case Function.MEDIAN:
            return float(ranked[n // 2] if n % 2 else (ranked[n // 2 - 1] + ranked[n // 2]) / 2)
        case Function.PERCENTILE:
            return float(ranked[_rank(n, aggregation)])


def iter_values(chunks: list[Buckets]) -> Iterator[tuple[int, int, dict[str, Value]]]:
    """Item, stamp and values by name of each bucket, however they were cut into chunks."""
    for chunk in chunks:
        for i, at in enumerate(chunk.timestamps_ns):
            yield chunk.item, int(at), {a.name: column[i] for a, column in chunk.values.items()}
