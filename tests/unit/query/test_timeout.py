"""Time limits of requests, as Go writes durations."""

from __future__ import annotations

import pytest

from heapfast.errors import QueryError
from heapfast.query.timeout import parse_timeout_ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("", None),
        ("0", None),
        ("0s", None),
        ("-1s", None),
        ("1ns", 1),
        ("1us", 1_000),
        ("1\u00b5s", 1_000),
        ("1.5ms", 1_500_000),
        (".5s", 500_000_000),
        ("+32s", 32_000_000_000),
        ("1h2m3.5s", 3_723_500_000_000),
    ],
)
def test_durations_are_read(text: str, ns: int | None) -> None:
    assert parse_timeout_ns(text) == ns


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("abc", 'invalid duration "abc"'),
        ("1", 'missing unit in duration "1"'),
        ("1x", 'unknown unit "x" in duration "1x"'),
        ("-", 'invalid duration "-"'),
        (".s", 'invalid duration ".s"'),
        ("1s 2s", 'unknown unit "s " in duration "1s 2s"'),
        ("9999999999h", 'invalid duration "9999999999h"'),
        ("1" * 100 + "s", f'invalid duration "{"1" * 100}s"'),
    ],
)
def test_what_is_no_duration_is_refused(text: str, fault: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_timeout_ns(text)
    assert str(caught.value) == f"invalid timeout specified in the request URL - time: {fault}"
