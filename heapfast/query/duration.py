"""Durations as Go writes them: "1m30s", "500ms".

In      text
Out     nanoseconds, or ValueError with Go's text
Callers timeout.py, mean.py
Source  Go's documentation of time.ParseDuration
Never   knows what a duration is for, or how long it may be
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from heapfast.query.quoting import quote

_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")
_MAX_NS: Final = 2**63 - 1
#: A longer text is no duration that anybody means, and reading it would cost.
_MAX_CHARS: Final = 64


def parse_duration_ns(text: str) -> int:
    """Parse a duration, which may be negative.

    Raises:
        ValueError: no duration; its text is Go's.
    """
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if digits == "0":
        return 0
    invalid = f"invalid duration {quote(text)}"
    if not digits or len(digits) > _MAX_CHARS:
        raise ValueError(invalid)
    total_ns = 0
    at = 0
    while at < len(digits):
        part = _PART.match(digits, at)
        if part is None:
            raise ValueError(invalid)
        number, unit = part.groups()
        if not unit:
            raise ValueError(f"missing unit in duration {quote(text)}")
        if unit not in _UNITS_NS:
            raise ValueError(f"unknown unit {quote(unit)} in duration {quote(text)}")
        total_ns += int(Decimal(number) * _UNITS_NS[unit])
        at = part.end()
    if total_ns > _MAX_NS:
        raise ValueError(invalid)
    return sign * total_ns
