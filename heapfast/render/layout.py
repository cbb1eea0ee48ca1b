"""Heapster's indented JSON layout for small answers that are built from Python objects.

In      anything json can write
Out     bytes: one space a depth, one more before every line but the first, no newline at the end
Callers render/export.py, api/debug.py, api/why.py, api/health.py
Source  spec/heapster-rest.md 2.1
Never   on a hot path: compiled writers lay out what is long or asked for often
"""

from __future__ import annotations

import json


def indented(value: object, depth: int = 0) -> bytes:
    """Return `value` as indented JSON, as it stands at a depth in something larger."""
    return json.dumps(value, indent=1, ensure_ascii=False).replace("\n", "\n " + " " * depth).encode()
