"""The spellings of Go's flag values: booleans, integers, durations and lists.

In      the text after a flag's name
Out     a value, or ValueError whose text says what was wanted
Callers config.flag, config.help and config.source read with it; config.findings, config.patience, config.build write
        durations
Source  spec/heapster-rest.md 12, spec/heapster-pipeline.md 3.1; Go's strconv, time and pflag
"""

from __future__ import annotations

import csv
import re
from decimal import Decimal

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))

_UNIT_NS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # micro sign
    "\u03bcs": 1_000,  # Greek mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_INT64_MAX = (1 << 63) - 1


def parse_bool(text: str) -> bool:
    """Reads one of the twelve spellings of Go's ParseBool."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("true or false")


def parse_int(text: str) -> int:
    """Reads an integer, in the bases that Go and Python both spell 0x, 0o and 0b."""
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError("an integer") from None


def parse_duration(text: str) -> int:
    """Reads a Go duration such as "1m30s" as nanoseconds, rounded towards zero.

    A number without a unit is refused, except 0.
    """
    wanted = ValueError("a duration such as 60s, 1m30s or 1.5h")
    sign = -1 if text.startswith("-") else 1
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0
    end = 0
    total_ns = Decimal(0)
    while part := _PART.match(body, end):
        total_ns += Decimal(part[1]) * _UNIT_NS[part[2]]
        end = part.end()
    if not body or end != len(body) or total_ns > _INT64_MAX:
        raise wanted
    return sign * int(total_ns)


def format_duration(duration_ns: int) -> str:
    """Writes nanoseconds as Go does: "1m30s", "1.5s", "250ms"; 0 is "0s"."""
    sign = "-" if duration_ns < 0 else ""
    rest = abs(duration_ns)
    for unit in ("ns", "\u00b5s", "ms"):
        if 0 < rest < _UNIT_NS["s"] and rest < 1000 * _UNIT_NS[unit]:
            return f"{sign}{_decimal(rest, _UNIT_NS[unit])}{unit}"
    hours, rest = divmod(rest, _UNIT_NS["h"])
    minutes, rest = divmod(rest, _UNIT_NS["m"])
    seconds = f"{_decimal(rest, _UNIT_NS['s'])}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def parse_list(text: str) -> list[str]:
    """Reads one line of comma-separated values; "" is no value at all."""
    if not text:
        return []
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        raise ValueError("a comma-separated list, quotes in pairs") from None
    return rows[0]


def _decimal(value_ns: int, unit_ns: int) -> str:
    text = f"{Decimal(value_ns) / unit_ns:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
