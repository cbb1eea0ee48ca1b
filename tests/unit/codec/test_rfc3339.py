"""RFC 3339 times, against tables and against datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.codec._rfc3339 import format_time, parse_time
from heapfast.errors import ParseError

TIME_ZERO = -6795364578871345152
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

READ = {
    "the epoch": ("1970-01-01T00:00:00Z", 0),
    "whole seconds": ("2017-12-11T10:00:00Z", 1512986400_000000000),
    "nanoseconds": ("2017-12-11T10:00:20.123456789Z", 1512986420_123456789),
    "a fraction and an offset (S-07)": ("2017-12-11T10:00:03.25+01:00", 1512982803_250000000),
    "an offset west of UTC": ("2017-12-11T10:00:00-07:30", 1513013400_000000000),
    "UTC as an offset": ("2017-12-11T10:00:00+00:00", 1512986400_000000000),
    "digits below a nanosecond are cut": ("1970-01-01T00:00:00.0000000019999Z", 1),
    "a leap day": ("2000-02-29T00:00:00Z", 951782400_000000000),
    "before 1970": ("1969-12-31T23:59:59.5Z", -500000000),
    "no time": ("0001-01-01T00:00:00Z", TIME_ZERO),
    "no time in another zone": ("0001-01-01T01:00:00+01:00", TIME_ZERO),
    "the first second that fits": ("1677-09-21T00:12:44Z", -9223372036_000000000),
    "the last second that fits": ("2262-04-11T23:47:15.999999999Z", 9223372035_999999999),
}

BAD = {
    "empty": "",
    "words": "notatime",
    "a date alone": "2017-12-11",
    "no zone": "2017-12-11T10:00:00",
    "a blank for T": "2017-12-11 10:00:00Z",
    "lower case t": "2017-12-11t10:00:00Z",
    "lower case z": "2017-12-11T10:00:00z",
    "month 0": "2017-00-11T10:00:00Z",
    "month 13": "2017-13-11T10:00:00Z",
    "day 0": "2017-12-00T10:00:00Z",
    "day 31 of April": "2017-04-31T10:00:00Z",
    "February 29 of a plain year": "2017-02-29T10:00:00Z",
    "February 29 of a plain century": "1900-02-29T10:00:00Z",
    "hour 24": "2017-12-11T24:00:00Z",
    "minute 60": "2017-12-11T10:60:00Z",
    "a leap second": "2016-12-31T23:59:60Z",
    "a letter among the digits": "2017-12-1aT10:00:00Z",
    "a point without digits": "2017-12-11T10:00:00.Z",
    "a fraction that never ends": "2017-12-11T10:00:00.123",
    "a decimal comma": "2017-12-11T10:00:00,5Z",
    "text after Z": "2017-12-11T10:00:00Zx",
    "an offset without a colon": "2017-12-11T10:00:00+0100",
    "half an offset": "2017-12-11T10:00:00+01:",
    "an offset of 24 h": "2017-12-11T10:00:00+24:00",
    "an offset of 60 min": "2017-12-11T10:00:00+00:60",
    "a year that int64 does not hold": "2262-04-11T23:47:16Z",
    "a year before int64 begins": "1677-09-21T00:12:43Z",
    "year 0": "0000-01-01T00:00:00Z",
    "one nanosecond after year 1 began": "0001-01-01T00:00:00.000000001Z",
    "a letter beyond ASCII": "2017-12-11T10:00:00é",
}

WRITE = {
    "whole seconds": (1512986400_000000000, 0, "2017-12-11T10:00:00Z"),
    "a fraction without its zeros": (1512986400_250000000, 0, "2017-12-11T10:00:00.25Z"),
    "one nanosecond": (1, 0, "1970-01-01T00:00:00.000000001Z"),
    "before 1970": (-500000000, 0, "1969-12-31T23:59:59.5Z"),
    "east of UTC": (1512986400_000000000, 3600, "2017-12-11T11:00:00+01:00"),
    "west of UTC, into the day before": (0, -9000, "1969-12-31T21:30:00-02:30"),
    "odd seconds of an offset": (0, 3599, "1970-01-01T00:59:59+00:59"),
    "no time is never moved": (TIME_ZERO, 3600, "0001-01-01T00:00:00Z"),
    "a leap day": (951782400_000000000, 0, "2000-02-29T00:00:00Z"),
    "the last day of a leap year": (978220800_000000000, 0, "2000-12-31T00:00:00Z"),
    "the least int64": (-(2**63), 0, "1677-09-21T00:12:43.145224192Z"),
    "the greatest int64": (2**63 - 1, 0, "2262-04-11T23:47:16.854775807Z"),
}


@pytest.mark.parametrize(("text", "want"), READ.values(), ids=READ.keys())
def test_time_is_read(text: str, want: int) -> None:
    assert parse_time(text) == want


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_bad_time_is_refused(text: str) -> None:
    with pytest.raises(ParseError, match="cannot parse time"):
        parse_time(text)


@pytest.mark.parametrize(("time_ns", "offset", "want"), WRITE.values(), ids=WRITE.keys())
def test_time_is_written(time_ns: int, offset: int, want: str) -> None:
    assert format_time(time_ns, offset) == want


@pytest.mark.parametrize("offset", [86_400, -86_400])
def test_offset_of_a_day_is_refused(offset: int) -> None:
    with pytest.raises(ValueError, match="want less than a day"):
        format_time(0, offset)


@given(st.integers(-9223372036_000000000, 9223372035_999999999), st.integers(-1439, 1439))
def test_time_survives_both_ways(time_ns: int, offset_minutes: int) -> None:
    assert parse_time(format_time(time_ns, offset_minutes * 60)) == time_ns


@given(st.datetimes(datetime(1678, 1, 1), datetime(2261, 12, 31)), st.integers(-1439, 1439))
def test_time_agrees_with_datetime(moment: datetime, offset_minutes: int) -> None:
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert parse_time(moment.isoformat()) == (moment - EPOCH) // timedelta(microseconds=1) * 1000
    assert datetime.fromisoformat(format_time(parse_time(moment.isoformat()), offset_minutes * 60)) == moment
