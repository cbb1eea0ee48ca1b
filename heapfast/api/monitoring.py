"""Self-metrics of the REST side: requests by handler, their duration and sizes.

In      one `observe` a request
Out     Heapster's four http_* families, for a Prometheus registry
Callers app.py makes it, responders.py counts; the registry, when /metrics is asked for
Source  spec/heapster-rest.md 11.2
Never   costs more than about a microsecond a request: quantiles are worked out when they are read
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from heapfast.summaries import Summary

_SUMMARIES = (
    ("http_request_duration_microseconds", "Time from a request's routing to its answer, in microseconds."),
    ("http_request_size_bytes", "Size of requests: line, headers and declared body, in bytes."),
    ("http_response_size_bytes", "Size of answers before compression, in bytes."),
)


class HandlerMonitor:
    """Counts one handler's requests.

    Attributes:
        codes: answers, by method and status; none before the first request.
        summaries: one for each of the families in _SUMMARIES.
    """

    __slots__ = ("codes", "name", "summaries")

    def __init__(self, name: str) -> None:
        self.name = name
        self.codes: Counter[tuple[str, int]] = Counter()
        self.summaries = (Summary(), Summary(), Summary())

    def observe(self, method: str, status: int, seconds: float, request_bytes: int, response_bytes: int) -> None:
        """Count one request that was answered."""
        self.codes[method, status] += 1
        duration, request_size, response_size = self.summaries
        duration.observe(seconds * 1e6)
        request_size.observe(request_bytes)
        response_size.observe(response_bytes)


class HttpMonitor(Collector):
    """All handlers' monitors, as one collector. Belongs to the loop."""

    def __init__(self) -> None:
        self._handlers: dict[str, HandlerMonitor] = {}

    def handler(self, name: str) -> HandlerMonitor:
        """Return the monitor of a handler; routes of one name share it."""
        return self._handlers.setdefault(name, HandlerMonitor(name))

    def collect(self) -> Iterator[Metric]:
        asked = [monitor for _, monitor in sorted(self._handlers.items()) if monitor.codes]
        total = CounterMetricFamily("http_requests", "Requests answered.", labels=("handler", "method", "code"))
        for monitor in asked:
            for (method, status), count in sorted(monitor.codes.items()):
                total.add_metric((monitor.name, method.lower(), str(status)), count)
        yield total
        # One after another: to sort what all handlers have observed takes milliseconds.
        for i, (name, documentation) in enumerate(_SUMMARIES):
            family = Metric(name, documentation, "summary")
            for monitor in asked:
                summary, labels = monitor.summaries[i], {"handler": monitor.name}
                family.samples.extend(summary.quantile_samples(name, labels))
                # As Go's client has them: the sum comes first.
                family.add_sample(f"{name}_sum", labels, summary.sum)
                family.add_sample(f"{name}_count", labels, summary.count)
            yield family
