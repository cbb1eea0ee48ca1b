"""Samples of one series into buckets, by one rule for everything that heapfast aggregates itself.

In      samples in order of time, or averages that stand for several samples each
Out     one value a bucket and aggregation
Callers history/memory.py
Source  spec/heapster-rest.md 6.4 and 8.4; how InfluxDB 1.6 aligns buckets and ranks percentiles, by recorded answers
Never   reads a store, or holds the loop: whoever has many samples calls it in a thread
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import mul
from typing import Final, TypeVar

from heapfast.query.aggregation import Aggregation, Function
from heapfast.query.window import TIME_MIN_NS

Numbers = Sequence[int] | Sequence[float]
NumberT = TypeVar("NumberT", int, float)

#: Numbers that are worked on at once: well under a millisecond.
PIECE: Final = 8192

#: What alone in a question without buckets is an actual sample, and has that one's time.
_SELECTORS: Final = (Function.MIN, Function.MAX, Function.PERCENTILE)


@dataclass(frozen=True, slots=True)
class Samples:
    """One series, or a part of it.

    Attributes:
        timestamps_ns: ascending.
        values: as many; where a sample stands for several, their average.
        counts: how many samples each stands for; None where each is one.
        minima, maxima: of those; None likewise.
    """

    timestamps_ns: Sequence[int]
    values: Numbers
    counts: Sequence[int] | None = None
    minima: Numbers | None = None
    maxima: Numbers | None = None


def aggregate(
    samples: Samples, aggregations: Sequence[Aggregation], *, start_ns: int, bucket_ns: int
) -> tuple[array[int], dict[Aggregation, list[int | float]]]:
    """Aggregates one series.

    Args:
        samples: all inside the window.
        start_ns: the window's exclusive beginning; without buckets the answer is stamped one nanosecond later,
            or as the first sample where the window has no beginning.
        bucket_ns: 0 for one bucket.

    Returns:
        Where each bucket begins, empty ones left out; and as many values for each aggregation.
    """
    timestamps_ns = samples.timestamps_ns
    stamps = array("q")
    found: dict[Aggregation, list[int | float]] = {aggregation: [] for aggregation in aggregations}
    if not len(timestamps_ns):
        return stamps, found
    edges = _edges(timestamps_ns, bucket_ns)
    for first, end in pairwise(edges):
        if bucket_ns:
            stamps.append(timestamps_ns[first] // bucket_ns * bucket_ns)
        else:
            stamps.append(start_ns + 1 if start_ns > TIME_MIN_NS else timestamps_ns[first])
        bucket = _Bucket(samples, first, end)
        for aggregation, values in found.items():
            values.append(bucket.value(aggregation))
    if not bucket_ns and len(found) == 1:
        ((aggregation, values),) = found.items()
        if aggregation.function in _SELECTORS:
            stamps[0] = timestamps_ns[_Bucket(samples, 0, len(timestamps_ns)).find(aggregation, values[0])]
    return stamps, found


def _edges(timestamps_ns: Sequence[int], bucket_ns: int) -> list[int]:
    """Index of the first sample of each bucket that has any, and the number of samples."""
    if not bucket_ns:
        return [0, len(timestamps_ns)]
    edges = [0]
    while edges[-1] < len(timestamps_ns):
        next_ns = (timestamps_ns[edges[-1]] // bucket_ns + 1) * bucket_ns
        edges.append(bisect_left(timestamps_ns, next_ns, lo=edges[-1]))
    return edges


class _Bucket:
    """The samples of one bucket; what several aggregations need of them is made once."""

    def __init__(self, samples: Samples, first: int, end: int) -> None:
        self._values = samples.values[first:end]
        self._counts = None if samples.counts is None else samples.counts[first:end]
        self._minima = self._values if samples.minima is None else samples.minima[first:end]
        self._maxima = self._values if samples.maxima is None else samples.maxima[first:end]
        self._ranked: Sequence[int] | None = None

    def value(self, aggregation: Aggregation) -> int | float:
        match aggregation.function:
            case Function.COUNT:
                return self._n()
            case Function.MIN:
                return min(min(piece) for piece in _pieces(self._minima))
            case Function.MAX:
                return max(max(piece) for piece in _pieces(self._maxima))
            case Function.AVERAGE:
                return self._total() / self._n()
            case Function.MEDIAN:
                n = self._n()
                return (self._at((n - 1) // 2) + self._at(n // 2)) / 2
            case Function.PERCENTILE:
                return float(self._at(self._rank(aggregation)))

    def find(self, aggregation: Aggregation, value: int | float) -> int:
        """Index of the first sample that the value is of."""
        match aggregation.function:
            case Function.MIN:
                return list(self._minima).index(value)
            case Function.MAX:
                return list(self._maxima).index(value)
        return self._index_at(self._rank(aggregation))

    def _total(self) -> int | float:
        if self._counts is None:
            return sum(sum(piece) for piece in _pieces(self._values))
        pieces = zip(_pieces(self._values), _pieces(self._counts), strict=True)
        return sum(sum(map(mul, values, counts)) for values, counts in pieces)

    def _n(self) -> int:
        return len(self._values) if self._counts is None else sum(sum(piece) for piece in _pieces(self._counts))

    def _rank(self, aggregation: Aggregation) -> int:
        """Index of a percentile among the ranked samples: the nearest rank, halves rounded up, at least the first."""
        return max((self._n() * aggregation.percentile + 50) // 100 - 1, 0)

    def _at(self, rank: int) -> int | float:
        return self._values[self._index_at(rank)]

    def _index_at(self, rank: int) -> int:
        """Index of the sample of a rank, from 0; an average has the ranks of all samples that it stands for.

        Among equal samples the earlier ranks lower.
        """
        if self._ranked is None:
            self._ranked = _order(self._values)
        if self._counts is None:
            return self._ranked[rank]
        for index in self._ranked:
            rank -= self._counts[index]
            if rank < 0:
                return index
        raise AssertionError(f"BUG: no sample of rank {rank}")


def _pieces(numbers: Sequence[NumberT]) -> Iterator[Sequence[NumberT]]:
    """The same in pieces: what one call does to a million numbers holds the interpreter, and with it the loop."""
    for first in range(0, len(numbers), PIECE):
        yield numbers[first : first + PIECE]


def _order(numbers: Numbers) -> Sequence[int]:
    """Indices by value; among equal ones the earlier first."""
    if len(numbers) <= PIECE:
        return sorted(range(len(numbers)), key=numbers.__getitem__)
    # Sorts without the interpreter. Only who has files has so many, and he has Arrow loaded.
    import pyarrow as pa
    import pyarrow.compute as pc

    indices = pc.array_sort_indices(pa.array(numbers))
    ranked = array("Q")
    ranked.frombytes(memoryview(indices.buffers()[1])[: 8 * len(indices)])
    return ranked
