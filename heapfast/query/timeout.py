"""The parameter `timeout`: how long a request may take.

In      a duration as Go writes it: "1m30s", "500ms"
Out     nanoseconds, or QueryError with Go's text
Callers api/admission.py
Source  spec/metrics-k8s-io.md section 4; Go's documentation of time.ParseDuration
Never   knows the longest time that is allowed
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from heapfast.errors import QueryError
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


def parse_timeout_ns(text: str) -> int | None:
    """Parse a time limit.

    Returns:
        None when there is none: an empty text, zero, or a negative duration.

    Raises:
        QueryError: no duration.
    """
    if not text:
        return None
    try:
        total_ns = _parse_ns(text)
    except ValueError as error:
        raise QueryError(f"invalid timeout specified in the request URL - time: {error}") from error
    return total_ns if total_ns > 0 else None


def _parse_ns(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
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
