"""Means over a span: which samples count, and what the mean is true for."""

from __future__ import annotations

import pytest

from heapfast.errors import QueryError
from heapfast.query.mean import MeanUsage, mean_usage, parse_span_ns, sum_usage

MEANS: dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]], MeanUsage | None]] = {
    "nothing": ([], [], None),
    "no memory": ([(10, 100)], [], None),
    "no CPU": ([], [(10, 7)], None),
    "none has both": ([(10, 100)], [(20, 7)], None),
    "one": ([(10, 100)], [(10, 7)], MeanUsage(100_000_000, 7, 10, 10)),
    "two": ([(10, 100), (20, 201)], [(10, 6), (20, 9)], MeanUsage(150_500_000, 7, 20, 20)),
    "memory is shorter": ([(10, 900), (20, 100), (30, 200)], [(20, 1), (30, 3)], MeanUsage(150_000_000, 2, 30, 20)),
    "a gap": ([(10, 100), (40, 300)], [(10, 1), (20, 9), (40, 3)], MeanUsage(200_000_000, 2, 40, 40)),
    "idle": ([(10, 0)], [(10, 5)], MeanUsage(0, 5, 10, 10)),
}


@pytest.mark.parametrize("name", MEANS)
def test_mean(name: str) -> None:
    cpu, memory, mean = MEANS[name]
    assert mean_usage(cpu, memory, resolution_ns=10) == mean


def test_a_pod_has_the_time_and_window_of_its_earliest_container() -> None:
    parts = [MeanUsage(1, 10, 30, 5), MeanUsage(2, 20, 20, 9), MeanUsage(4, 40, 20, 7)]
    assert sum_usage(parts) == MeanUsage(7, 70, 20, 7)
    assert sum_usage(parts[:1]) == parts[0]


@pytest.mark.parametrize(("text", "ns"), [("5m", 300_000_000_000), ("1m30s", 90_000_000_000), ("1ns", 1)])
def test_span(text: str, ns: int) -> None:
    assert parse_span_ns(text) == ns


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", 'time: invalid duration ""'),
        ("5", 'time: missing unit in duration "5"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        ("m", 'time: invalid duration "m"'),
        ("0", "got 0, want more than 0s"),
        ("-5m", "got -5m, want more than 0s"),
    ],
)
def test_what_is_no_span_is_refused(text: str, fault: str) -> None:
    with pytest.raises(QueryError) as error:
        parse_span_ns(text)
    assert str(error.value) == f"invalid window specified in the request URL - {fault}"
