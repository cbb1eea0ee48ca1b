"""The parameter `window` of metrics.k8s.io: usage as the mean over a span, and not between the newest two samples.

In      a duration; samples of CPU rate and of working set
Out     nanoseconds; MeanUsage with the span that it is true for
Callers api/metrics_k8s_io.py, render/mean_items.py
Source  ours
Never   makes up a sample: what the ring has is what counts
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from heapfast.errors import QueryError
from heapfast.query.duration import parse_duration_ns

_NANOCORES_PER_MILLICORE = 1_000_000


class MeanUsage(NamedTuple):
    """What was used on average.

    Attributes:
        time_ns: of the newest sample that counts.
        window_ns: from the begin of the oldest sample's own window to time_ns.
    """

    cpu_nanocores: int
    memory_bytes: int
    time_ns: int
    window_ns: int


def parse_span_ns(text: str) -> int:
    """Parse `window`.

    Raises:
        QueryError: no duration, or none above zero.
    """
    try:
        span_ns = parse_duration_ns(text)
    except ValueError as error:
        raise QueryError(f"invalid window specified in the request URL - time: {error}") from error
    if span_ns <= 0:
        raise QueryError(f"invalid window specified in the request URL - got {text}, want more than 0s")
    return span_ns


def mean_usage(
    cpu_millicores: Iterable[tuple[int, int | float]],
    memory_bytes: Iterable[tuple[int, int | float]],
    resolution_ns: int,
) -> MeanUsage | None:
    """Average the batches that have both, so that both means are true for one window.

    Args:
        cpu_millicores: (timestamp_ns, rate over the resolution before it), ascending; memory_bytes likewise.

    Returns:
        None when no batch has both.
    """
    memory = dict(memory_bytes)
    both = [(time_ns, cpu, memory[time_ns]) for time_ns, cpu in cpu_millicores if time_ns in memory]
    if not both:
        return None
    times, cpus, memories = zip(*both, strict=True)
    return MeanUsage(
        int(sum(cpus) * _NANOCORES_PER_MILLICORE // len(both)),
        int(sum(memories) // len(both)),
        times[-1],
        times[-1] - times[0] + resolution_ns,
    )


def sum_usage(parts: Sequence[MeanUsage]) -> MeanUsage:
    """Add up containers to their pod, whose time and window are of the one that is the earliest."""
    earliest = min(parts, key=lambda part: (part.time_ns, part.window_ns))
    return earliest._replace(
        cpu_nanocores=sum(part.cpu_nanocores for part in parts),
        memory_bytes=sum(part.memory_bytes for part in parts),
    )
