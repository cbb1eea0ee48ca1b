"""Histograms in plain integers: the client library's take a lock for each observation.

In      observations
Out     samples of Prometheus families of type histogram; whole families with a series for each value of a label
Callers the monitoring of scrape/ and of api/; api/exposition.py
Never   writes a bound twice: all histograms of a family share theirs
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, cast

from prometheus_client.core import Metric
from prometheus_client.samples import Sample


def format_bound(bound: float) -> str:
    """Write a bound as Go's expositions do: no fraction where there is none."""
    if math.isinf(bound):
        return "+Inf"
    return str(int(bound)) if bound == int(bound) else repr(bound)


class Bounds:
    """Upper bounds of buckets; each bound belongs to its bucket.

    Args:
        values: ascending and finite.
        write: one of them, as an exposition has it.

    Attributes:
        texts: of the values, and of the bucket above all of them.
    """

    __slots__ = ("texts", "values")

    def __init__(self, values: tuple[float, ...], write: Callable[[float], str] = format_bound) -> None:
        self.values = values
        self.texts = (*map(write, values), "+Inf")


#: Those that Go's client has unless told.
DEFAULT_BOUNDS: Final = Bounds((0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0))


class Histogram:
    """One series of a family: observations by size."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._bounds = bounds
        self._counts = [0] * len(bounds.texts)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds.values, value)] += 1
        self._sum += value

    def samples(self, name: str, labels: Mapping[str, str]) -> Iterator[Sample]:
        """The series as it is when the first sample is taken, whatever is observed until the last one.

        Args:
            name: of the family.
        """
        labels = dict(labels)
        bucket = f"{name}_bucket"
        rows, seen = self.cumulative(), self._sum
        for bound, total in rows:
            yield Sample(bucket, {**labels, "le": bound}, total)
        yield Sample(f"{name}_count", labels, rows[-1][1])
        yield Sample(f"{name}_sum", labels, seen)

    @property
    def sum(self) -> float:
        """Of all observations."""
        return self._sum

    def cumulative(self) -> list[tuple[str, int]]:
        """Return each bound, as an exposition has it, with how many observations it has room for; the last for all."""
        return list(zip(self._bounds.texts, accumulate(self._counts), strict=True))


class HistogramFamily(Metric):
    """A family with a series for each value of one label.

    Its samples are made as they are read, once. Who writes thousands of series reads `series` instead, and makes none.

    Args:
        series: values of the label with their histograms, in the order of the exposition.
    """

    def __init__(self, name: str, documentation: str, label: str, series: Sequence[tuple[str, Histogram]]) -> None:
        super().__init__(name, documentation, "histogram")
        self.label = label
        self.series = series
        samples = (sample for value, one in series for sample in one.samples(name, {label: value}))
        self.samples = cast(list[Sample], samples)
