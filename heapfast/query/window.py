"""The parameters `start` and `end`: the window that is asked for.

In      RFC 3339 times as text, or nothing
Out     Unix nanoseconds, both ends inclusive
Callers api/series_params.py; TIME_MIN_NS: api/dashboard.py, query/buckets.py
Source  spec/heapster-rest.md 3.1 and the recorded `bad-window` answers: what Go accepts and how it refuses
Never   reads the clock: a missing end is given by the caller
"""

from __future__ import annotations

import calendar
import re
from typing import NamedTuple

from heapfast.errors import QueryError
from heapfast.query.quoting import quote_time
from heapfast.units import NS_PER_SECOND

_LAYOUT = "2006-01-02T15:04:05Z07:00"

#: Beyond these a time is as good as its nearest bound: no batch is older or newer.
TIME_MIN_NS = -(2**63) + 1
TIME_MAX_NS = 2**63 - 1

# The usual form; whatever it does not match is taken apart step by step, for the error's sake.
_USUAL = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)

# The steps: what the layout calls it, what it may look like, and whether that is a literal.
_STEPS = (
    ("2006", re.compile(r"\d{4}", re.ASCII)),
    ("-", re.compile("-")),
    ("01", re.compile(r"\d\d", re.ASCII)),
    ("-", re.compile("-")),
    ("02", re.compile(r"\d\d", re.ASCII)),
    ("T", re.compile("T")),
    ("15", re.compile(r"\d\d?", re.ASCII)),
    (":", re.compile(":")),
    ("04", re.compile(r"\d\d", re.ASCII)),
    (":", re.compile(":")),
    ("05", re.compile(r"\d\d(?:[.,]\d+)?", re.ASCII)),
    ("Z07:00", re.compile(r"Z|[+-]\d\d:\d\d", re.ASCII)),
)
_RANGES = {"01": ("month", 1, 12), "15": ("hour", 0, 23), "04": ("minute", 0, 59), "05": ("second", 0, 59)}


_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Window(NamedTuple):
    """A span of time, Unix nanoseconds, both ends inclusive; empty when start is after end."""

    start_ns: int
    end_ns: int


def parse_window(start: str | None, end: str | None, now_ns: int) -> Window:
    """Parse both ends; a missing or empty start means no lower bound, such an end means now.

    Raises:
        QueryError: for the first end that is no time, start before end.
    """
    return Window(
        parse_time(start) if start else TIME_MIN_NS,
        parse_time(end) if end else now_ns,
    )


def parse_time(text: str) -> int:
    """Parse one time as Go does: a one-digit hour and a decimal comma pass, an unencoded `+` does not."""
    match = _USUAL.fullmatch(text)
    if match is None:
        raise _refusal(text)
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    if not (1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        raise _refusal(text)
    # The day is looked at last, when everything else is right.
    if not 1 <= day <= _days_in(month, year):
        raise _out_of_range(text, "day")
    fraction, sign, offset_hours, offset_minutes = match.group(7, 8, 9, 10)
    # Year 0 exists here, as in Go, which knows no calendar before the Gregorian one.
    days = _days_since_1970(year, month, day)
    seconds = days * 86400 + hour * 3600 + minute * 60 + second
    if sign:
        offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
        seconds -= offset if sign == "+" else -offset
    ns = int(fraction[:9].ljust(9, "0")) if fraction else 0
    return min(max(seconds * NS_PER_SECOND + ns, TIME_MIN_NS), TIME_MAX_NS)


def _days_in(month: int, year: int) -> int:
    return 29 if month == 2 and calendar.isleap(year) else _MONTH_DAYS[month - 1]


def _days_since_1970(year: int, month: int, day: int) -> int:
    # Years that start in March have their leap day last.
    if month < 3:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469


def _refusal(text: str) -> QueryError:
    rest = text
    for element, pattern in _STEPS:
        match = pattern.match(rest)
        if match is None:
            return _error(f"{quote_time(text)} as {quote_time(_LAYOUT)}: cannot parse {_stuck(element, rest)}")
        rest = rest[match.end() :]
        if element in _RANGES:
            name, low, high = _RANGES[element]
            if not low <= int(re.split("[.,]", match[0])[0]) <= high:
                return _out_of_range(text, name)
    return _error(f"{quote_time(text)}: extra text: {quote_time(rest)}")


def _stuck(element: str, rest: str) -> str:
    # A year or a zone of the right length is taken off before Go looks at what is in it, so that
    # its error shows what comes after.
    if element == "2006" and len(rest) >= 4 and rest[:1].isdecimal():
        rest = rest[4:]
    elif element == "Z07:00" and len(rest) >= 6 and rest[3] == ":":
        rest = rest[6:]
    return f"{quote_time(rest)} as {quote_time(element)}"


def _out_of_range(text: str, name: str) -> QueryError:
    return _error(f"{quote_time(text)}: {name} out of range")


def _error(detail: str) -> QueryError:
    return QueryError(f"timestamp argument cannot be parsed: parsing time {detail}")
