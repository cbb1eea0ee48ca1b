"""The text of /metrics: label order, escapes and numbers; and families that are written without samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from heapfast._histogram import Bounds, Histogram
from heapfast.api.exposition import PIECE_LINES, expose
from heapfast.histograms import HistogramFamily

BOUNDS = Bounds((0.5, 20.0))

#: Values of a label, among them what has to be escaped.
NODES = ["a", 'say "b"', "back\\slash", "two\nlines", "é", ""]


class Families(Collector):
    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def text_of(*families: Metric) -> str:
    registry = CollectorRegistry()
    registry.register(Families(*families))
    return b"".join(expose(registry)).decode()


def observed(*values: float) -> Histogram:
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)
    return histogram


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7.0"), (0.1, "0.1"), (1e17, "1e+17"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN")],
)
def test_numbers_are_written_as_prometheus_reads_them(value: float, text: str) -> None:
    assert text_of(GaugeMetricFamily("g", "Help.", value)) == f"# HELP g Help.\n# TYPE g gauge\ng {text}\n"


def test_labels_are_in_order_of_their_names_and_the_bound_is_last() -> None:
    family = Metric("h", "", "histogram")
    family.add_sample("h_bucket", {"le": "1", "zone": "z", "code": "200"}, 3)
    assert 'h_bucket{code="200",zone="z",le="1"} 3.0\n' in text_of(family)


@pytest.mark.parametrize("value", [0.25, math.inf, math.nan], ids=str)
def test_a_family_of_histograms_reads_as_its_samples_do(value: float) -> None:
    series = [(node, observed(*[value] * number)) for number, node in enumerate(NODES)]
    plain = Metric("h", "Help.", "histogram")
    plain.samples = list(HistogramFamily("h", "Help.", "node", series).samples)
    written = text_of(HistogramFamily("h", "Help.", "node", series))
    assert written == text_of(plain)
    assert written.count("\n") == 2 + len(NODES) * (len(BOUNDS.texts) + 2)


def test_a_family_of_nothing_has_its_head() -> None:
    assert text_of(HistogramFamily("h", "Help.", "node", [])) == "# HELP h Help.\n# TYPE h histogram\n"


def test_a_long_family_comes_in_pieces() -> None:
    registry = CollectorRegistry()
    series = [(f"n{number}", observed(1)) for number in range(PIECE_LINES)]
    registry.register(Families(HistogramFamily("h", "", "node", series)))
    lines = [piece.count(b"\n") for piece in expose(registry)]
    assert sum(lines) == 2 + PIECE_LINES * (len(BOUNDS.texts) + 2)
    assert max(lines) < PIECE_LINES + len(BOUNDS.texts) + 2
