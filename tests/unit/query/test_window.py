"""`start` and `end`: what is accepted, and how the rest is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.errors import QueryError
from heapfast.query.window import TIME_MAX_NS, TIME_MIN_NS, parse_time, parse_window

NOON_NS = 1_512_993_600 * 10**9  # 2017-12-11T12:00:00Z


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("2017-12-11T12:00:00Z", NOON_NS),
        ("2017-12-11T12:00:00.25Z", NOON_NS + 250_000_000),
        ("2017-12-11T12:00:00,25Z", NOON_NS + 250_000_000),
        ("2017-12-11T12:00:00.0000000019Z", NOON_NS + 1),
        ("2017-12-11T20:00:00+08:00", NOON_NS),
        ("2017-12-11T9:30:00-02:30", NOON_NS),
        ("0001-01-01T00:00:00Z", TIME_MIN_NS),
        ("9999-12-31T23:59:59Z", TIME_MAX_NS),
        ("2016-02-29T00:00:00Z", 1_456_704_000 * 10**9),
    ],
)
def test_accepts(text: str, time_ns: int) -> None:
    assert parse_time(text) == time_ns


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abc", ' as "2006-01-02T15:04:05Z07:00": cannot parse "abc" as "2006"'),
        ("20x7-12-11T12:00:00Z", ' as "2006-01-02T15:04:05Z07:00": cannot parse "-12-11T12:00:00Z" as "2006"'),
        ("1700000000", ' as "2006-01-02T15:04:05Z07:00": cannot parse "000000" as "-"'),
        ("2017-1-11T12:00:00Z", ' as "2006-01-02T15:04:05Z07:00": cannot parse "1-11T12:00:00Z" as "01"'),
        ("2017-12-11", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2017-12-11 12:00:00Z", ' as "2006-01-02T15:04:05Z07:00": cannot parse " 12:00:00Z" as "T"'),
        ("2017-12-11T12:00:00", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'),
        ("2017-12-11T12:00:00 08:00", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'),
        ("2017-12-11T12:00:00z", ' as "2006-01-02T15:04:05Z07:00": cannot parse "z" as "Z07:00"'),
        ("2017-13-11T12:00:00Z", ": month out of range"),
        ("2017-11-31T12:00:00Z", ": day out of range"),
        ("2017-02-29T12:00:00Z", ": day out of range"),
        ("2017-12-11T24:00:00Z", ": hour out of range"),
        ("2017-12-11T12:60:00Z", ": minute out of range"),
        ("2017-12-11T12:00:60Z", ": second out of range"),
        ("2017-12-11T12:00:00Zx", ': extra text: "x"'),
    ],
)
def test_refuses_as_go_does(text: str, reason: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse_time(text)
    assert str(refusal.value) == f'timestamp argument cannot be parsed: parsing time "{text}"{reason}'


def test_odd_bytes_are_shown_in_hex() -> None:
    with pytest.raises(QueryError, match=r'parsing time "\\"\\\\\\xc3\\xa9\\xff\\x00" as'):
        parse_time('"\\é\udcff\0')


@given(
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_reads_what_datetime_writes(moment: datetime, offset_minutes: int) -> None:
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_time(moment.isoformat()) == microseconds * 1000


@given(st.text(max_size=40))
def test_never_fails_otherwise(text: str) -> None:
    try:
        parse_time(text)
    except QueryError as error:
        assert str(error).startswith("timestamp argument cannot be parsed: parsing time ")  # noqa: PT017


def test_missing_ends_are_the_beginning_and_now() -> None:
    assert parse_window(None, None, NOON_NS) == (TIME_MIN_NS, NOON_NS)
    assert parse_window("", "", NOON_NS) == (TIME_MIN_NS, NOON_NS)
    assert parse_window("2018-01-01T00:00:00Z", "2017-12-11T12:00:00Z", 0) == (1_514_764_800 * 10**9, NOON_NS)


def test_start_is_refused_before_end() -> None:
    with pytest.raises(QueryError, match='"s" as'):
        parse_window("s", "e", 0)
