"""Curves that need no daemon, with two small points each."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from bench.curves import measuring
from bench.curves.measuring import CURVES
from bench.work.counting import CannotCount

T = TypeVar("T")


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("lists", {"JSON", "protobuf"}),
        ("selectors", {"postings", "looking at every pod"}),
        ("retention", {"history, packed", "resident memory, the fleet's own included"}),
    ],
)
def test_a_curve_has_a_point_a_size(name: str, series: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_in_process", _in_thread)
    told: list[str] = []
    ((_, curve),) = asyncio.run(CURVES[name](told.append, is_small=True)).items()
    assert set(curve.series) == series
    assert told
    for points in curve.series.values():
        assert len(points) == 2
        assert points[0][0] < points[1][0]
        assert all(y >= 0 for _, y in points)


def test_work_is_told_by_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(names: Sequence[str], timeout_seconds: float) -> dict[str, int]:
        return {name: 300_000 * int(name.removeprefix("round@")) for name in names}

    monkeypatch.setattr(measuring, "count", count)
    ((_, curve),) = asyncio.run(CURVES["work"]([].append, is_small=True)).items()
    (points,) = curve.series.values()
    assert points == [(10, 300.0), (20, 300.0)]


def test_no_curve_of_work_where_nothing_can_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(names: Sequence[str], timeout_seconds: float) -> dict[str, int]:
        raise CannotCount("valgrind is not installed")

    monkeypatch.setattr(measuring, "count", count)
    told: list[str] = []
    assert asyncio.run(CURVES["work"](told.append, is_small=True)) == {}
    assert "valgrind is not installed" in told[-1]


def _in_thread(call: Callable[..., T], *words: object) -> T:
    """A process of its own is for its memory; where the installed package is tested, it would not find bench."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call, *words).result()
