"""Families of histograms, made when somebody asks.

In      histograms of _histogram.pyx
Out     whole families with a series for each value of a label
Callers the monitoring of api/; api/exposition.py
Never   makes a sample before it is read
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from heapfast._histogram import Histogram


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
