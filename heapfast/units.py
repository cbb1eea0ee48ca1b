"""Units of time, and the one place where they are converted.

In      what protocols state (RFC 3339 instants as datetime, seconds)
Out     what heapfast keeps: Unix nanoseconds in int64
Callers whoever has a time; _types.pxd has TIME_ZERO_NS for compiled code
Source  spec/heapster-pipeline.md N8
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000
NS_PER_MICROSECOND: Final = 1_000

#: "Unknown": year 1 as its difference to 1970 wraps in int64; equals time_zero() of _types.pxd.
TIME_ZERO_NS: Final = -6795364578871345152

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64_MAX: Final = 2**63 - 1


def datetime_to_ns(instant: datetime | None) -> int:
    """Turn an instant with a time zone into Unix nanoseconds.

    None, and instants that int64 nanoseconds cannot hold (before 1678, after 2262), give
    TIME_ZERO_NS: the year-1 instant, which Kubernetes writes for "not set", is one of these.
    """
    if instant is None:
        return TIME_ZERO_NS
    since = instant - _EPOCH
    # Integers all the way: instant.timestamp() is a float and loses nanoseconds.
    ns = (since.days * 86_400 + since.seconds) * NS_PER_SECOND + since.microseconds * NS_PER_MICROSECOND
    return ns if -_INT64_MAX <= ns <= _INT64_MAX else TIME_ZERO_NS
