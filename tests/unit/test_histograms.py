"""Histograms in plain integers: where an observation counts, and how bounds are written."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast._histogram import DEFAULT_BOUNDS, Bounds, Histogram, format_bound

BOUNDS = Bounds((0.25, 1.0, 20.0))


def series(histogram: Histogram) -> dict[str, float]:
    return {sample.labels.get("le", sample.name): sample.value for sample in histogram.samples("h", {})}


def test_before_the_first_observation_every_bucket_is_there() -> None:
    assert series(Histogram(BOUNDS)) == {"0.25": 0, "1": 0, "20": 0, "+Inf": 0, "h_count": 0, "h_sum": 0}


def test_buckets_are_cumulative_and_a_bound_belongs_to_its_own() -> None:
    histogram = Histogram(BOUNDS)
    for value in (0.0, 0.25, math.nextafter(0.25, 1), 20.0, 1000.0):
        histogram.observe(value)
    assert series(histogram) == {"0.25": 2, "1": 3, "20": 4, "+Inf": 5, "h_count": 5, "h_sum": pytest.approx(1020.5)}


@given(st.lists(st.one_of(st.sampled_from(BOUNDS.values), st.floats(allow_nan=False, allow_infinity=False))))
def test_observations_count_where_bisection_finds_their_bucket(values: list[float]) -> None:
    histogram, counts = Histogram(BOUNDS), [0] * len(BOUNDS.texts)
    for value in values:
        histogram.observe(value)
        counts[bisect_left(BOUNDS.values, value)] += 1
    assert histogram.cumulative() == list(zip(BOUNDS.texts, accumulate(counts), strict=True))


def test_every_sample_has_the_labels_of_the_series() -> None:
    samples = list(Histogram(Bounds((1.0,))).samples("h", {"node": "a"}))
    assert [(sample.name, sample.labels) for sample in samples] == [
        ("h_bucket", {"node": "a", "le": "1"}),
        ("h_bucket", {"node": "a", "le": "+Inf"}),
        ("h_count", {"node": "a"}),
        ("h_sum", {"node": "a"}),
    ]


def test_a_series_is_whole_whatever_is_observed_while_it_is_taken() -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(0.5)
    samples = histogram.samples("h", {})
    first = next(samples)
    histogram.observe(0.5)
    assert [sample.value for sample in (first, *samples)] == [0, 1, 1, 1, 1, 0.5]


@pytest.mark.parametrize(
    ("bound", "text"), [(0.005, "0.005"), (1.0, "1"), (2.5, "2.5"), (60.0, "60"), (math.inf, "+Inf")]
)
def test_bounds_are_written_as_go_does(bound: float, text: str) -> None:
    assert format_bound(bound) == text


def test_a_family_may_write_its_bounds_otherwise() -> None:
    assert Bounds((0.5, 20.0), str).texts == ("0.5", "20.0", "+Inf")
    assert len(DEFAULT_BOUNDS.texts) == len(DEFAULT_BOUNDS.values) + 1
