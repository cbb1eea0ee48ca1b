"""Exactly the six families that metrics-server has of its own, by its names.

In      ages of served objects, what the latest view can serve; requests to kubelets and rounds, told by the daemon
Out     metrics_server_* for a Prometheus registry
Callers secure_app.py registers it; daemon hands it to the scrape manager, which tells it of requests and rounds
Source  spec/metrics-k8s-io.md 9.4: upstream's end-to-end suite compares the set of names
Never   keeps a node that `forget` was called for
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from heapfast._histogram import DEFAULT_BOUNDS, Bounds, Histogram, format_bound
from heapfast.histograms import HistogramFamily
from heapfast.render._freshness import Freshness
from heapfast.units import NS_PER_SECOND


class MetricsServerMonitor(Collector):
    """The families. Belongs to the loop.

    Args:
        freshness: filled by the renderers.
        count_points: nodes and containers that can be served now.
        resolution_ns: of scrapes; buckets of rounds lie around it.
    """

    def __init__(self, freshness: Freshness, count_points: Callable[[], tuple[int, int]], resolution_ns: int) -> None:
        self._freshness = freshness
        self._count_points = count_points
        self._requests: dict[str, Histogram] = {}
        self._last_request_ns: dict[str, int] = {}
        self._outcomes: Counter[str] = Counter()
        self._rounds = Histogram(round_bounds(resolution_ns / NS_PER_SECOND))

    def observe_request(self, node: str, start_ns: int, seconds: float, *, is_success: bool) -> None:
        """Count one request to a kubelet that has ended.

        Args:
            start_ns: when it was sent, Unix nanoseconds.
            seconds: until the answer was there.
        """
        histogram = self._requests.get(node)
        if histogram is None:
            histogram = self._requests[node] = Histogram()
        histogram.observe(seconds)
        self._last_request_ns[node] = start_ns
        self._outcomes["true" if is_success else "false"] += 1

    def observe_round(self, seconds: float) -> None:
        """Count one round of scrapes: from its start until every kubelet has answered or been given up."""
        self._rounds.observe(seconds)

    def forget(self, node: str) -> None:
        """Drop the series of a node that is gone."""
        self._requests.pop(node, None)
        self._last_request_ns.pop(node, None)

    def collect(self) -> Iterator[Metric]:
        freshness = HistogramMetricFamily(
            "metrics_server_api_metric_freshness_seconds", "[ALPHA] Age of served usage, in seconds."
        )
        rows = [(format_bound(bound), count) for bound, count in self._freshness.cumulative()]
        freshness.add_metric((), rows, self._freshness.total_seconds)
        yield freshness
        last = GaugeMetricFamily(
            "metrics_server_kubelet_last_request_time_seconds",
            "[ALPHA] Unix time of the last request to a kubelet, in seconds.",
            labels=("node",),
        )
        requests = sorted(self._requests.items())
        for node, _ in requests:
            last.add_metric((node,), self._last_request_ns[node] / NS_PER_SECOND)
        yield last
        yield HistogramFamily(
            "metrics_server_kubelet_request_duration_seconds",
            "[ALPHA] Time of requests to kubelets, in seconds.",
            "node",
            requests,
        )
        total = CounterMetricFamily(
            "metrics_server_kubelet_request_total", "[ALPHA] Requests to kubelets, by outcome.", labels=("success",)
        )
        for outcome, count in sorted(self._outcomes.items()):
            total.add_metric((outcome,), count)
        yield total
        rounds = Metric(
            "metrics_server_manager_tick_duration_seconds",
            "[ALPHA] Time of rounds of scrapes, in seconds.",
            "histogram",
        )
        rounds.samples.extend(self._rounds.samples(rounds.name, {}))
        yield rounds
        points = GaugeMetricFamily(
            "metrics_server_storage_points", "[ALPHA] What usage can be served of, by type.", labels=("type",)
        )
        nodes, containers = self._count_points()
        points.add_metric(("node",), nodes)
        points.add_metric(("container",), containers)
        yield points


def round_bounds(resolution_seconds: float) -> Bounds:
    """Return the bounds of a round's histogram: the default ones, and some around a resolution beyond them."""
    last = DEFAULT_BOUNDS.values[-1]
    if resolution_seconds <= last:
        return DEFAULT_BOUNDS
    around = ((last + resolution_seconds) / 2, resolution_seconds, 1.5 * resolution_seconds, 2 * resolution_seconds)
    return Bounds((*DEFAULT_BOUNDS.values, *around))
