"""Durations as Go reads them: "1m30s", "500ms", "-1.5h".

In      text
Out     nanoseconds as int64, or NotADuration, which says what is wrong
Callers config.values for flags, query.duration for parameters: each has an error text of its own
Source  Go's documentation of time.ParseDuration
Never   writes durations: _duration does; knows what a duration is for, or how long it may be
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # micro sign
    "\u03bcs": 1_000,  # Greek mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")
_MAX_NS: Final = 2**63 - 1
#: A longer text is no duration that anybody means, and reading it would cost.
_MAX_CHARS: Final = 64


class NotADuration(ValueError):
    """A text that is no duration.

    Attributes:
        unit: the unit that Go does not know; "" when one is missing; None when it is something else.
    """

    def __init__(self, unit: str | None = None) -> None:
        super().__init__("no duration")
        self.unit = unit


def parse_duration_ns(text: str) -> int:
    """Parse a duration, which may be negative; parts of a nanosecond are cut off.

    Raises:
        NotADuration: the text is none.
    """
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if digits == "0":
        return 0
    if not digits or len(digits) > _MAX_CHARS:
        raise NotADuration
    total_ns = 0
    at = 0
    while at < len(digits):
        part = _PART.match(digits, at)
        if part is None:
            raise NotADuration
        number, unit = part.groups()
        if unit not in UNITS_NS:
            raise NotADuration(unit)
        total_ns += int(Decimal(number) * UNITS_NS[unit])
        at = part.end()
    if total_ns > _MAX_NS:
        raise NotADuration
    return sign * total_ns
