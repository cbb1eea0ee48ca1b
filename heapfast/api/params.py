"""Query strings by the rules that Heapster's clients have met.

In      the raw query string
Out     the first value of each parameter, or all values of one
Callers request.py, probes.py; secure_port.py for attributes; the routers take BAD_ESCAPE
Source  spec/heapster-rest.md section 3; recorded answers: a pair with a semicolon or a bad escape is dropped
Never   fails: what is malformed is as if it were not there
"""

from __future__ import annotations

import re
from typing import Final

from heapfast.codec._percent import parse_query, values_of

__all__ = ["BAD_ESCAPE", "parse_query", "values_of"]

#: A percent sign that no two hexadecimal digits follow, in a query or in a path.
BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
