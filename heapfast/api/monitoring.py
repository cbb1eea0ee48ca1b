"""Self-metrics of the REST side: requests by handler, their duration and sizes.

In      one `observe` a request
Out     Heapster's four http_* families, for a Prometheus registry
Callers responders.py; the registry, when /metrics is asked for
Source  spec/heapster-rest.md 11.2
Never   costs more than about a microsecond a request: quantiles are worked out when they are read
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

#: Of so many latest requests a handler's quantiles are taken.
SAMPLE_SIZE = 500
QUANTILES = (0.5, 0.9, 0.99)

_SUMMARIES = (
    ("http_request_duration_microseconds", "Time from a request's routing to its answer, in microseconds."),
    ("http_request_size_bytes", "Size of requests: line, headers and declared body, in bytes."),
    ("http_response_size_bytes", "Size of answers before compression, in bytes."),
)


class HandlerMonitor:
    """Counts one handler's requests."""

    __slots__ = ("_codes", "_latest", "_sums", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._codes: dict[tuple[str, int], int] = {}
        self._sums = [0.0, 0.0, 0.0]
        self._latest: deque[tuple[float, int, int]] = deque(maxlen=SAMPLE_SIZE)

    def observe(self, method: str, status: int, seconds: float, request_bytes: int, response_bytes: int) -> None:
        """Count one request that was answered."""
        key = (method, status)
        self._codes[key] = self._codes.get(key, 0) + 1
        microseconds = seconds * 1e6
        sums = self._sums
        sums[0] += microseconds
        sums[1] += request_bytes
        sums[2] += response_bytes
        self._latest.append((microseconds, request_bytes, response_bytes))

    def add_to(self, total: CounterMetricFamily, summaries: Sequence[Metric]) -> None:
        """Write this handler's samples, none before its first request."""
        if not self._codes:
            return
        for (method, status), count in sorted(self._codes.items()):
            total.add_metric((self.name, method.lower(), str(status)), count)
        count = sum(self._codes.values())
        for i, summary in enumerate(summaries):
            values = sorted(sample[i] for sample in self._latest)
            labels = {"handler": self.name}
            for quantile in QUANTILES:
                value = values[min(int(quantile * len(values)), len(values) - 1)]
                summary.add_sample(summary.name, {**labels, "quantile": str(quantile)}, value)
            summary.add_sample(f"{summary.name}_sum", labels, self._sums[i])
            summary.add_sample(f"{summary.name}_count", labels, count)


class HttpMonitor(Collector):
    """All handlers' monitors, as one collector. Belongs to the loop."""

    def __init__(self) -> None:
        self._handlers: dict[str, HandlerMonitor] = {}

    def handler(self, name: str) -> HandlerMonitor:
        """Return the monitor of a handler; routes of one name share it."""
        return self._handlers.setdefault(name, HandlerMonitor(name))

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily("http_requests", "Requests answered.", labels=("handler", "method", "code"))
        summaries = [Metric(name, documentation, "summary") for name, documentation in _SUMMARIES]
        for _, monitor in sorted(self._handlers.items()):
            monitor.add_to(total, summaries)
        yield total
        yield from summaries
