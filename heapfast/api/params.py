"""Query strings by the rules that Heapster's clients have met.

In      the raw query string
Out     the first value of each parameter, or all values of one
Callers request.py, probes.py; secure_port.py for attributes; the routers take BAD_ESCAPE
Source  spec/heapster-rest.md section 3; recorded answers: a pair with a semicolon or a bad escape is dropped
Never   fails: what is malformed is as if it were not there
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from heapfast.codec._percent import unescape

#: A percent sign that no two hexadecimal digits follow, in a query or in a path.
BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_query(raw: bytes) -> dict[str, str]:
    """Parse a query string; bytes that are no UTF-8 become surrogates ("surrogateescape")."""
    params: dict[str, str] = {}
    for key, value in _pairs(raw):
        params.setdefault(key, value)
    return params


def values_of(raw: bytes, name: str) -> list[str]:
    """Return every value of one parameter, in order."""
    return [value for key, value in _pairs(raw) if key == name]


def _pairs(raw: bytes) -> Iterator[tuple[str, str]]:
    if not raw:
        return
    for pair in raw.split(b"&"):
        if b";" in pair or (b"%" in pair and BAD_ESCAPE.search(pair)):
            continue
        key, _, value = pair.partition(b"=")
        if key or value:
            yield unescape(key), unescape(value)
