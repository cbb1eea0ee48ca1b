"""The spellings of Go's flag values: booleans, integers, durations and lists.

In      the text after a flag's name
Out     a value, or ValueError whose text says what was wanted
Callers config.flag, config.help, config.source and config.resolution
Source  spec/heapster-rest.md 12, spec/heapster-pipeline.md 3.1; Go's strconv, time and pflag
"""

from __future__ import annotations

import csv

from heapfast.codec.duration import NotADuration, parse_duration_ns

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


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
    """Reads a Go duration such as "1m30s" as nanoseconds. A number without a unit is refused, except 0."""
    try:
        return parse_duration_ns(text)
    except NotADuration:
        raise ValueError("a duration such as 60s, 1m30s or 1.5h") from None


def parse_list(text: str) -> list[str]:
    """Reads one line of comma-separated values; "" is no value at all."""
    if not text:
        return []
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        raise ValueError("a comma-separated list, quotes in pairs") from None
    return rows[0]
