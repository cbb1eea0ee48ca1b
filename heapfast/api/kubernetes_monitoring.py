"""Self-metrics of the secure port: requests, by the names that dashboards of API servers know.

In      one `observe` a request
Out     apiserver_request_total, apiserver_request_duration_seconds, apiserver_current_inflight_requests
Callers secure_app.py, secure_routes.py (a counter a route), kubernetes_responders.py; the registry, when /metrics is
        asked for
Source  spec/metrics-k8s-io.md 9.4
Never   has a label whose values clients can make up
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from heapfast._histogram import Bounds, Histogram

_BOUNDS: Final = Bounds(
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
)
_LABELS: Final = ("verb", "group", "version", "resource", "scope")


class RouteLabels(NamedTuple):
    """What requests of one route have in common.

    Attributes:
        verb: "LIST" or "GET".
        scope: "cluster", "namespace" or "resource".
    """

    verb: str
    group: str
    version: str
    resource: str
    scope: str


class RouteMonitor:
    """Counts one route's requests."""

    __slots__ = ("codes", "durations", "labels")

    def __init__(self, labels: RouteLabels) -> None:
        self.labels = labels
        self.codes: Counter[int] = Counter()
        self.durations = Histogram(_BOUNDS)

    def observe(self, code: int, seconds: float) -> None:
        """Count one request whose answer begins."""
        self.codes[code] += 1
        self.durations.observe(seconds)


class KubernetesMonitor(Collector):
    """All routes' monitors, as one collector. Belongs to the loop.

    Args:
        count_in_flight: requests that are being answered now.
    """

    def __init__(self, count_in_flight: Callable[[], int]) -> None:
        self._routes: list[RouteMonitor] = []
        self._count_in_flight = count_in_flight

    def route(self, labels: RouteLabels) -> RouteMonitor:
        """Make the monitor of a route."""
        self._routes.append(RouteMonitor(labels))
        return self._routes[-1]

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            "apiserver_request_total",
            "Requests, by what they ask for and how they are answered.",
            labels=(*_LABELS, "code"),
        )
        duration = Metric(
            "apiserver_request_duration_seconds", "Time until the answer begins, in seconds.", "histogram"
        )
        for route in self._routes:
            for code, count in sorted(route.codes.items()):
                total.add_metric((*route.labels, str(code)), count)
            if route.codes:
                duration.samples.extend(route.durations.samples(duration.name, route.labels._asdict()))
        yield total
        yield duration
        in_flight = GaugeMetricFamily(
            "apiserver_current_inflight_requests", "Requests that are being answered.", labels=("request_kind",)
        )
        in_flight.add_metric(("readOnly",), self._count_in_flight())
        in_flight.add_metric(("mutating",), 0)
        yield in_flight
