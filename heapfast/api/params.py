"""Query strings by the rules that Heapster's clients have met.

In      the raw query string
Out     the first value of each parameter, or all values of one
Callers request.py, probes.py; secure_port.py for attributes; the routers take BAD_ESCAPE
Source  spec/heapster-rest.md section 3; recorded answers: a pair with a semicolon or a bad escape is dropped
Never   fails: what is malformed is as if it were not there
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from heapfast.codec._percent import parse_query, values_of

__all__ = ["BAD_ESCAPE", "parse_query", "values_of"]

#: A percent sign that no two hexadecimal digits follow, in a query or in a path.
BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")

#: Queries that are remembered, and up to which size: autoscalers repeat theirs every few seconds. A long one of many
#: short parameters would take fifty times its own size.
REMEMBERED: Final = 4096
MAX_REMEMBERED_BYTES: Final = 1024
MAX_REMEMBERED_PARAMS: Final = 16


def is_remembered(raw: bytes) -> bool:
    """Whether what a query string means is worth remembering."""
    return len(raw) <= MAX_REMEMBERED_BYTES and raw.count(b"&") < MAX_REMEMBERED_PARAMS


#: As parse_query, for one that is worth it. Whoever asks the same gets the same mapping, which is not to be changed.
remembered_query: Final[Callable[[bytes], Mapping[str, str]]] = lru_cache(REMEMBERED)(parse_query)
