"""At which instants a PromQL expression is evaluated, and over which span before each, to fill buckets.

In      an AggregateQuery
Out     Parts: runs of buckets that one query fills
Callers prometheus.py
Source  backend.py for what a bucket is; Prometheus: an expression of a range sees (t - width, t], or [t - width, t]
Never   asks anybody

Buckets are [begin, begin + size), windows are open at both ends, batches are stamped on whole seconds. So what a bucket
has is seen one millisecond before its end, and no span begins where a sample may be:

        start                 begin                  begin + size              end
    ------(--------------------|----------------------|-------------------------)----
           [<---- first ----->] [<----- middle ----->] [<------- last -------->]
           +1 ms           -1 ms                   -1 ms                     -1 ms
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from heapfast.history.backend import CHUNK_POINTS
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from heapfast.history.backend import AggregateQuery

NS_PER_MS: Final = NS_PER_SECOND // 1000


class Part(NamedTuple):
    """Buckets that one query fills. All in Unix milliseconds, or milliseconds.

    Attributes:
        first_ms, last_ms: the first and the last instant of evaluation.
        step_ms: from one instant to the next; the size of buckets, 0 for one bucket with everything.
        width_ms: of the span before each instant.
    """

    first_ms: int
    last_ms: int
    step_ms: int
    width_ms: int

    def stamp_ns(self, at_ms: int, query: AggregateQuery) -> int:
        """The timestamp of the bucket that is seen at an instant."""
        return at_ms // self.step_ms * self.step_ms * NS_PER_MS if self.step_ms else query.start_ns + 1


def parts_of(query: AggregateQuery, start_ms: int, end_ms: int) -> Iterator[Part]:
    """All buckets of the window (start_ms, end_ms), in order of time."""
    size_ms = query.bucket_ns // NS_PER_MS
    last_ms = end_ms - 1
    if start_ms + 1 > last_ms:
        return
    first_end_ms = end_ms if not size_ms else (start_ms // size_ms + 1) * size_ms
    yield _single(start_ms + 1, min(first_end_ms - 1, last_ms), size_ms)
    if first_end_ms > last_ms:
        return
    n_whole = (end_ms - first_end_ms) // size_ms
    for begin in range(0, n_whole, CHUNK_POINTS):
        n = min(CHUNK_POINTS, n_whole - begin)
        seen_ms = first_end_ms + (begin + 1) * size_ms - 1
        yield Part(seen_ms, seen_ms + (n - 1) * size_ms, size_ms, size_ms)
    rest_ms = first_end_ms + n_whole * size_ms
    if rest_ms <= last_ms:
        yield _single(rest_ms - 1, last_ms, size_ms)


def _single(from_ms: int, at_ms: int, size_ms: int) -> Part:
    # A span of nothing is no PromQL.
    return Part(at_ms, at_ms, size_ms, max(at_ms - from_ms, 1))


def n_steps(query: AggregateQuery, start_ms: int, end_ms: int) -> int:
    """How many buckets there may be."""
    size_ms = query.bucket_ns // NS_PER_MS
    return 1 if not size_ms else (end_ms - start_ms) // size_ms + 2
