"""Durations against the table of the spec, Go's extremes, and a plain form of the rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.codec._duration import format_duration
from heapfast.codec.duration import NotADuration, parse_duration_ns

UNITS_NS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "µs": 1_000, "ns": 1}


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (999, "999ns"),
        (1_000, "1µs"),
        (1_001, "1.001µs"),
        (1_000_000, "1ms"),
        (1_500_000, "1.5ms"),
        (999_999_999, "999.999999ms"),
        (1_000_000_000, "1s"),
        (14_999_000_064, "14.999000064s"),
        (15_000_000_000, "15s"),
        (15_011_000_000, "15.011s"),
        (60_000_000_000, "1m0s"),
        (61_500_000_000, "1m1.5s"),
        (600_000_000_000, "10m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (3_661_000_000_001, "1h1m1.000000001s"),
        (-1, "-1ns"),
        (-61_500_000_000, "-1m1.5s"),
        (2**63 - 1, "2562047h47m16.854775807s"),
        (-(2**63), "-2562047h47m16.854775808s"),
    ],
)
def test_a_duration_is_written_as_go_writes_it(ns: int, text: str) -> None:
    assert format_duration(ns) == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_written_duration_adds_up_to_its_nanoseconds(ns: int) -> None:
    text = format_duration(ns)
    total, number = 0, ""
    rest = text.removeprefix("-")
    while rest:
        number = rest[: next(i for i, c in enumerate(rest) if c not in "0123456789.")]
        rest = rest.removeprefix(number)
        unit = next(name for name in ("ms", "h", "m", "s", "µs", "ns") if rest.startswith(name))
        rest = rest.removeprefix(unit)
        whole, _, fraction = number.partition(".")
        assert not fraction.endswith("0")
        total += int(whole) * UNITS_NS[unit] + int(fraction or 0) * UNITS_NS[unit] // 10 ** len(fraction)
    assert total == abs(ns)
    assert text.startswith("-") == (ns < 0)


def test_more_than_int64_is_refused() -> None:
    with pytest.raises(OverflowError):
        format_duration(2**63)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_what_is_written_is_read_back(ns: int) -> None:
    assert parse_duration_ns(format_duration(ns)) == ns


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", None),
        ("-", None),
        (".s", None),
        ("2562048h", None),
        ("1" * 70 + "ns", None),
        ("5", ""),
        ("1h1", ""),
        ("1x", "x"),
    ],
)
def test_what_is_no_duration_says_why(text: str, unit: str | None) -> None:
    with pytest.raises(NotADuration) as refusal:
        parse_duration_ns(text)
    assert refusal.value.unit == unit


def test_parts_of_a_nanosecond_are_cut_off_one_by_one() -> None:
    assert parse_duration_ns("0.9ns0.9ns") == 0
    assert parse_duration_ns("-1.9ns") == -1
