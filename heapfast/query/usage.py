"""Whether the usage of a node or a pod is served, and if not, why.

In      the numbers of `usage_status_t` in _latest.pxd
Out     their names
Callers render and api; why.py has the words for people
Never   decides: _latest.pyx does
"""

from __future__ import annotations

from enum import IntEnum


class UsageStatus(IntEnum):
    """Numbered as `usage_status_t`, where each is explained."""

    OK = 0
    NONE = 1
    STALE = 2
    ONE_POINT = 3
    START_FELL = 4
    CPU_FELL = 5
    NOT_WHOLE = 6
