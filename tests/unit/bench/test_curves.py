"""Curves that need no daemon, with two small points each."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from bench.curves import measuring
from bench.curves.measuring import CURVES

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


def _in_thread(call: Callable[..., T], *words: object) -> T:
    """A process of its own is for its memory; where the installed package is tested, it would not find bench."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call, *words).result()
