"""Durations in parameters, with Go's words for those that are none.

In      text
Out     nanoseconds, or ValueError with Go's text
Callers timeout.py, mean.py
Source  Go's documentation of time.ParseDuration
Never   reads the text itself: codec/duration.py does
"""

from __future__ import annotations

from heapfast.codec import duration
from heapfast.codec.duration import NotADuration
from heapfast.query.quoting import quote


def parse_duration_ns(text: str) -> int:
    """Parse a duration, which may be negative.

    Raises:
        ValueError: no duration; its text is Go's.
    """
    try:
        return duration.parse_duration_ns(text)
    except NotADuration as error:
        if error.unit is None:
            why = "invalid duration"
        elif error.unit:
            why = f"unknown unit {quote(error.unit)} in duration"
        else:
            why = "missing unit in duration"
        raise ValueError(f"{why} {quote(text)}") from error
