"""Several series of one entity as one, and their aggregates, where a store cannot do it.

In      series as columns: timestamps ascending, values
Out     one series; buckets
Callers influxdb.py and prometheus.py, for namespaces and the cluster as replicas have written them, each its share, and
        for what PromQL has no function for
Source  ours; backend.py for what a bucket is
Never   asks anybody
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from heapfast.history.backend import CHUNK_POINTS, Buckets, Points
from heapfast.query import buckets
from heapfast.query.aggregation import Aggregation, Function

if TYPE_CHECKING:
    from heapfast.history.backend import AggregateQuery

Number = int | float
#: A timestamp in Unix nanoseconds, and a value.
Sample = tuple[int, Number]


def sum_by_time(series: Iterable[Iterable[Sample]]) -> list[Sample]:
    """Adds up what several replicas have of one instant: their batches are stamped alike.

    Where a replica lacks an instant, the sum lacks its share: it was down, or had nothing of the entity.
    """
    sums: dict[int, Number] = {}
    for one in series:
        for timestamp_ns, value in one:
            sums[timestamp_ns] = sums.get(timestamp_ns, 0) + value
    return sorted(sums.items())


def interleave(series: Iterable[Iterable[Sample]]) -> list[Sample]:
    """All samples in order of time; those of one instant in the order of their series."""
    return sorted((sample for one in series for sample in one), key=itemgetter(0))


def points_of(item: int, samples: Sequence[Sample], *, is_float: bool) -> Iterator[Points]:
    """Cuts one item's samples into chunks."""
    typecode, kind = ("d", float) if is_float else ("q", int)
    for start in range(0, len(samples), CHUNK_POINTS):
        part = samples[start : start + CHUNK_POINTS]
        yield Points(
            item,
            array("q", [timestamp_ns for timestamp_ns, _ in part]),
            array(typecode, [kind(value) for _, value in part]),
        )


def aggregate(item: int, samples: Sequence[Sample], query: AggregateQuery, *, is_float: bool) -> Buckets | None:
    """Aggregates one item's samples, which are in order of time; None when there are none."""
    if not samples:
        return None
    times_ns, values = zip(*samples, strict=True)
    stamps_ns, found = buckets.aggregate(
        buckets.Samples(times_ns, values), query.aggregations, start_ns=query.start_ns, bucket_ns=query.bucket_ns
    )
    columns = {
        aggregation: array("d" if is_double(aggregation, is_float=is_float) else "q", column)
        for aggregation, column in found.items()
    }
    return Buckets(item, stamps_ns, columns)


def is_double(aggregation: Aggregation, *, is_float: bool) -> bool:
    """Whether an aggregation's values are floats, of samples that are or are not (B17)."""
    return aggregation.is_float or (is_float and aggregation.function is not Function.COUNT)


def has_time_of_its_own(query: AggregateQuery) -> bool:
    """Whether the answer is one sample, with that sample's own time: a lone maximum, minimum or percentile."""
    if query.bucket_ns or len(query.aggregations) != 1:
        return False
    return query.aggregations[0].function in (Function.MAX, Function.MIN, Function.PERCENTILE)
