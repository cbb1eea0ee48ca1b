"""Every sample of a window is seen in its bucket and in no other, be ranges closed at their older end or open."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.catalog.keys import Kind
from heapfast.history.backend import CHUNK_POINTS, AggregateQuery, Entity
from heapfast.history.spans import n_steps, parts_of
from heapfast.query.aggregation import parse_aggregations

NS = 1_000_000_000
T0 = 1_795_338_000


def query(start: int, end: int, bucket: int) -> AggregateQuery:
    return AggregateQuery(
        entities=(Entity(Kind.CLUSTER),),
        metric="memory/usage",
        labels=None,
        start_ns=start * NS,
        end_ns=end * NS,
        max_points=1,
        timeout_seconds=1.0,
        bucket_ns=bucket * NS,
        aggregations=parse_aggregations("count"),
    )


def seen(asked: AggregateQuery, stamps: set[int], *, is_closed: bool) -> dict[int, list[int]]:
    """Which samples, by their second, each bucket gets."""
    found: dict[int, list[int]] = defaultdict(list)
    start_ms, end_ms = asked.start_ns // 1_000_000, asked.end_ns // 1_000_000
    for part in parts_of(asked, start_ms, end_ms):
        for at_ms in range(part.first_ms, part.last_ms + 1, part.step_ms or 1):
            oldest_ms = at_ms - part.width_ms
            inside = [s for s in sorted(stamps) if oldest_ms + (not is_closed) <= s * 1000 <= at_ms]
            if inside:
                found[part.stamp_ns(at_ms, asked)] += inside
    return found


@given(
    st.integers(0, 200),
    st.integers(-5, 200),
    st.sampled_from([0, 1, 7, 60, 3600]),
    st.sets(st.integers(-9, 400), max_size=9),
)
def test_buckets_have_exactly_their_samples(start: int, length: int, bucket: int, offsets: set[int]) -> None:
    asked = query(T0 + start, T0 + start + length, bucket)
    stamps = {T0 + offset for offset in offsets}
    want: dict[int, list[int]] = defaultdict(list)
    for stamp in sorted(stamps):
        if T0 + start < stamp < T0 + start + length:
            want[stamp // bucket * bucket * NS if bucket else asked.start_ns + 1].append(stamp)
    assert seen(asked, stamps, is_closed=True) == want
    assert seen(asked, stamps, is_closed=False) == want


def test_a_run_of_buckets_is_no_longer_than_a_chunk() -> None:
    asked = query(T0, T0 + 10 * CHUNK_POINTS, 1)
    parts = list(parts_of(asked, T0 * 1000, (T0 + 10 * CHUNK_POINTS) * 1000))
    sizes = [(part.last_ms - part.first_ms) // 1000 + 1 for part in parts]
    assert max(sizes) == CHUNK_POINTS
    assert sum(sizes) <= n_steps(asked, T0 * 1000, (T0 + 10 * CHUNK_POINTS) * 1000)


@pytest.mark.parametrize("end", [T0, T0 - 1, T0 - 1000])
def test_a_window_with_nothing_in_it_asks_nothing(end: int) -> None:
    assert list(parts_of(query(T0, end, 60), T0 * 1000, end * 1000)) == []
