"""The parameter `timeout`: how long a request may take.

In      a duration as Go writes it: "1m30s", "500ms"
Out     nanoseconds, or QueryError with Go's text
Callers api/filters.py
Source  spec/metrics-k8s-io.md section 4
Never   knows the longest time that is allowed
"""

from __future__ import annotations

from heapfast.errors import QueryError
from heapfast.query.duration import parse_duration_ns


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
        total_ns = parse_duration_ns(text)
    except ValueError as error:
        raise QueryError(f"invalid timeout specified in the request URL - time: {error}") from error
    return total_ns if total_ns > 0 else None
