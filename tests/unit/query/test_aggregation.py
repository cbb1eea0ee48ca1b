"""Aggregations and bucket sizes as Heapster's clients write them."""

import pytest

from heapfast.errors import QueryError
from heapfast.query.aggregation import (
    HEAPSTER_AGGREGATIONS,
    MAX_BUCKET_NS,
    Aggregation,
    Function,
    parse_aggregations,
    parse_bucket_ns,
)


def test_every_name_is_its_aggregations_own() -> None:
    names = ["average", "max", "min", "median", "count", "50-perc", "95-perc", "99-perc"]
    assert list(HEAPSTER_AGGREGATIONS) == names
    assert [aggregation.name for aggregation in parse_aggregations(",".join(names))] == names


def test_an_aggregation_given_twice_is_one() -> None:
    assert parse_aggregations("max,99-perc,max") == (
        Aggregation(Function.MAX),
        Aggregation(Function.PERCENTILE, 99),
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", '""'),
        ("average,", '""'),
        ("AVERAGE", '"AVERAGE"'),
        ("average,sum", '"sum"'),
        ("99", '"99"'),
        ("perc", '"perc"'),
        ('a"b', '"a\\"b"'),
        ("average, max", '" max"'),
    ],
)
def test_an_unknown_aggregation_is_named(text: str, shown: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_aggregations(text)
    assert str(caught.value) == f"Unknown aggregation {shown}"


def test_averages_and_percentiles_are_floats_and_the_rest_is_as_the_samples() -> None:
    floats = {name for name, aggregation in HEAPSTER_AGGREGATIONS.items() if aggregation.is_float}
    assert floats == {"average", "median", "50-perc", "95-perc", "99-perc"}


@pytest.mark.parametrize(
    ("text", "bucket_ns"),
    [
        (None, 0),
        ("", 0),
        ("0s", 0),
        ("00000m", 0),
        ("5ms", 5_000_000),
        ("30s", 30_000_000_000),
        ("5m", 300_000_000_000),
        ("2h", 7_200_000_000_000),
        ("1d", 86_400_000_000_000),
        ("106751d", 106751 * 86_400_000_000_000),
        ("0" * 5000 + "1s", 1_000_000_000),
    ],
)
def test_a_bucket_is_read(text: str | None, bucket_ns: int) -> None:
    assert parse_bucket_ns(text) == bucket_ns <= MAX_BUCKET_NS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", 'unable to parse bucket size: "5" is too short to be a duration'),
        ("10x", 'unable to parse bucket size: "10x" has no known duration suffix'),
        ("10S", 'unable to parse bucket size: "10S" has no known duration suffix'),
        ("ms", 'strconv.ParseUint: parsing "m": invalid syntax'),
        ("-5s", 'strconv.ParseUint: parsing "-5": invalid syntax'),
        ("1.5m", 'strconv.ParseUint: parsing "1.5": invalid syntax'),
        ("\u0663s", 'strconv.ParseUint: parsing "\u0663": invalid syntax'),
        ("99999999999999999999s", 'strconv.ParseUint: parsing "99999999999999999999": value out of range'),
        ("106752d", 'unable to parse bucket size: "106752d" is longer than 106751d'),
        ("18446744073709551615s", 'unable to parse bucket size: "18446744073709551615s" is longer than 106751d'),
    ],
)
def test_a_bad_bucket_is_refused_in_heapsters_words(text: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_bucket_ns(text)
    assert str(caught.value) == message


def test_a_number_longer_than_any_bucket_costs_nothing() -> None:
    with pytest.raises(QueryError, match="value out of range"):
        parse_bucket_ns("9" * 100_000 + "s")
