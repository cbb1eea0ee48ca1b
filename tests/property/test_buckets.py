"""Aggregation against its oracle, and averages that stand for samples against these samples."""

from __future__ import annotations

from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast.query.aggregation import HEAPSTER_AGGREGATIONS, Aggregation, Function
from heapfast.query.buckets import PIECE, Samples, aggregate
from tests.unit.history import naive

ALL = tuple(HEAPSTER_AGGREGATIONS.values())
TIMES = st.integers(0, 2**40)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False, width=32)
AGGREGATIONS = st.lists(
    st.sampled_from(ALL) | st.integers(1, 99).map(lambda p: Aggregation(Function.PERCENTILE, p)),
    min_size=1,
    max_size=4,
    unique=True,
).map(tuple)


@given(
    st.lists(st.tuples(TIMES, st.integers(-50, 50)), max_size=60)
    | st.lists(st.tuples(TIMES, NUMBERS), max_size=12).filter(lambda points: len({type(v) for _, v in points}) < 2),
    AGGREGATIONS,
    st.sampled_from((0, 1, 10**6, 10**9, 2**39)),
    TIMES,
)
def test_buckets_are_those_of_the_oracle(
    points: list[tuple[int, int | float]], aggregations: tuple[Aggregation, ...], bucket_ns: int, start_ns: int
) -> None:
    points.sort(key=lambda point: point[0])
    samples = Samples([at for at, _ in points], [value for _, value in points])
    stamps, values = aggregate(samples, aggregations, start_ns=start_ns, bucket_ns=bucket_ns)
    want_stamps, want = naive.aggregate(points, aggregations, start_ns=start_ns, bucket_ns=bucket_ns)
    assert list(stamps) == want_stamps
    for aggregation in aggregations:
        if aggregation.function is Function.AVERAGE:
            # Floats are added in another order.
            for ours, theirs in zip(values[aggregation], want[aggregation], strict=True):
                assert abs(ours - theirs) <= 1e-9 * max(map(abs, (value for _, value in points)), default=0)
        else:
            assert values[aggregation] == want[aggregation]


@given(st.lists(st.lists(st.integers(-1000, 1000), min_size=1, max_size=8), min_size=1, max_size=8))
def test_averages_with_their_counts_give_true_averages_extremes_and_counts(groups: list[list[int]]) -> None:
    thinned = Samples(
        array("q", range(len(groups))),
        array("d", [sum(group) / len(group) for group in groups]),
        array("q", [len(group) for group in groups]),
        array("q", [min(group) for group in groups]),
        array("q", [max(group) for group in groups]),
    )
    every = [value for group in groups for value in group]
    aggregations = tuple(
        HEAPSTER_AGGREGATIONS[name] for name in ("average", "min", "max", "count", "median", "95-perc")
    )
    _, values = aggregate(thinned, aggregations, start_ns=0, bucket_ns=0)
    average, low, high, count, median, percentile = (values[aggregation][0] for aggregation in aggregations)
    assert abs(average - sum(every) / len(every)) < 1e-9 * (1 + max(map(abs, every)))
    assert (low, high, count) == (min(every), max(every), len(every))
    assert low <= median <= high
    assert low <= percentile <= high


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30))
def test_a_lone_percentile_has_the_time_of_its_own_sample(numbers: list[int]) -> None:
    samples = Samples(array("q", range(len(numbers))), array("q", numbers))
    aggregation = HEAPSTER_AGGREGATIONS["95-perc"]
    stamps, values = aggregate(samples, (aggregation,), start_ns=-1, bucket_ns=0)
    assert numbers[stamps[0]] == values[aggregation][0]


@settings(max_examples=10)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=50), st.booleans(), st.integers(1, 3))
def test_many_samples_are_aggregated_as_few_are(numbers: list[int], are_floats: bool, times: int) -> None:
    many = numbers * (times * PIECE // len(numbers) + 1)
    points = [(at, value / 4 if are_floats else value) for at, value in enumerate(many)]
    samples = Samples([at for at, _ in points], array("d" if are_floats else "q", [value for _, value in points]))
    for bucket_ns in (0, len(many) - 1):
        stamps, values = aggregate(samples, ALL, start_ns=0, bucket_ns=bucket_ns)
        assert (list(stamps), values) == naive.aggregate(points, ALL, start_ns=0, bucket_ns=bucket_ns)
    twice = array("q", [2] * len(many))
    thinned = Samples(samples.timestamps_ns, samples.values, twice, samples.values, samples.values)
    _, values = aggregate(thinned, ALL, start_ns=0, bucket_ns=0)
    _, want = naive.aggregate(points, ALL, start_ns=0, bucket_ns=0)
    for name in ("average", "max", "min", "median"):
        assert values[HEAPSTER_AGGREGATIONS[name]] == want[HEAPSTER_AGGREGATIONS[name]]
    assert values[HEAPSTER_AGGREGATIONS["count"]] == [2 * len(many)]
