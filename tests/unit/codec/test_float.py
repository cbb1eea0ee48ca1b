"""Doubles as JSON numbers, against Python's own shortest repr."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.codec._float import format_double

NOTATION = re.compile(r"-?(0|[1-9]\d{0,20}|(0|[1-9]\d{0,20})\.\d*[1-9]|[1-9](\.\d*[1-9])?e[+-][1-9]\d{0,2})")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (5.0, "5"),
        (1300000000.0, "1300000000"),
        (0.25, "0.25"),
        (131.4, "131.4"),
        (-1.5, "-1.5"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (2.0**-44, "5.684341886080802e-14"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740993.0, "9007199254740992"),
    ],
)
def test_is_written_as_go_writes_it(value: float, text: str) -> None:
    assert format_double(value) == text.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_is_the_shortest_text_that_reads_back(value: float) -> None:
    text = format_double(value).decode()
    assert NOTATION.fullmatch(text)
    assert float(text) == value
    assert len(_digits(text)) <= len(_digits(repr(value)))


@given(st.integers(-1073, 1023))
def test_powers_of_two_are_as_short_as_others(exponent: int) -> None:
    value = math.ldexp(1.0, exponent)
    assert _digits(format_double(value).decode()) == _digits(repr(value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_refuses_what_json_has_no_number_for(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        format_double(value)


def _digits(text: str) -> str:
    return text.lower().partition("e")[0].replace(".", "").replace("-", "").strip("0")
