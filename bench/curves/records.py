"""Curves as data.

In      bench/results/curves.json
Out     Curve, CurveResults
Callers measuring.py writes, bench/report reads
Never   measures anything
"""

from __future__ import annotations

from typing import Final

import msgspec

from bench.provenance import Provenance

#: What the curve `work` counts.
ROUND: Final = "an answer parsed and taken in, and its share of closing the batch"


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One chart.

    Attributes:
        claim: what the curve must show, of the design.
        series: points in ascending order of x, by name.
        load_average: before the first point.
    """

    title: str
    claim: str
    x: str
    y: str
    is_log: bool = True
    series: dict[str, list[tuple[float, float]]]
    load_average: float

    def spread(self) -> dict[str, float]:
        """By series: the highest y over the lowest, 1 for a flat line."""
        return {
            name: round(max(y for _, y in points) / min(y for _, y in points), 2)
            for name, points in self.series.items()
            if points and min(y for _, y in points) > 0
        }


class CurveResults(msgspec.Struct, kw_only=True):
    """The file: provenance is of the newest curve."""

    provenance: Provenance
    curves: dict[str, Curve] = {}
