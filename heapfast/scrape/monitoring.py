"""What stage 2 says about itself.

In      outcomes of scrapes, counted by _counters.pyx; the state that targets keep anyway
Out     Heapster's heapster_scraper_... and heapster_kubelet_..., and ours, heapfast_scrape_...
Callers daemon registers the collector
Source  spec/heapster-pipeline.md 3.7; values are true here (Q25)
Never   costs a scrape anything: families are made when somebody asks

Per-target families have no quantiles: 500 observations of 5,000 targets would be 80 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from heapfast.scrape._counters import ScrapeCounters
    from heapfast.scrape._target import Target
    from heapfast.scrape.loop import Windows
    from heapfast.scrape.manager import ScrapeManager

#: With more targets than this the per-target families are left out, and heapfast_scrape_unlisted_targets says so.
MAX_LISTED_TARGETS: Final = 5_000

_MICROSECONDS: Final = 1e6


class ScrapeCollector(Collector):
    """Makes the families when somebody asks. May be asked in any thread."""

    def __init__(self, manager: ScrapeManager, registry: CollectorRegistry) -> None:
        self._manager = manager
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        targets = self._manager.targets
        is_listed = len(targets) <= MAX_LISTED_TARGETS
        yield from self._own(self._manager.counters, len(targets), 0 if is_listed else len(targets))
        if is_listed:
            twins = [target.twin for target in targets if target.twin is not None]
            yield from self._heapsters(
                [target for target in targets if target.scrapes], [twin for twin in twins if twin.scrapes]
            )

    def _own(self, counters: ScrapeCounters, targets: int, unlisted: int) -> Iterable[Metric]:
        yield GaugeMetricFamily("heapfast_scrape_targets", "Kubelets that are scraped.", targets)
        yield GaugeMetricFamily(
            "heapfast_scrape_unlisted_targets",
            f"Targets without series of their own, because there are more than {MAX_LISTED_TARGETS}.",
            unlisted,
        )
        if self._manager.follows_rhythm:
            yield GaugeMetricFamily(
                "heapfast_scrape_placed_targets",
                "Kubelets with a steady sampling rhythm, which are asked just after they have sampled.",
                self._manager.placed,
            )
        outcomes = CounterMetricFamily("heapfast_scrape_scrapes", "Scrapes that ended.", labels=["outcome"])
        for outcome, count in sorted(counters.outcomes.copy().items()):
            outcomes.add_metric([outcome], count)
        yield outcomes
        if self._manager.beside is not None:
            outcomes = CounterMetricFamily(
                "heapfast_scrape_side_scrapes",
                "Of the scrapes that ended, those of the source beside the main one.",
                labels=["outcome"],
            )
            for outcome, count in sorted(counters.side_outcomes.copy().items()):
                outcomes.add_metric([outcome], count)
            yield outcomes
        yield CounterMetricFamily(
            "heapfast_scrape_late", "Scrapes that ended after their window was closed.", counters.late
        )
        yield CounterMetricFamily(
            "heapfast_scrape_skipped", "Scrapes left out: the one before had not ended.", counters.skipped
        )
        yield CounterMetricFamily(
            "heapfast_scrape_backed_off", "Scrapes left out: the node has been away.", counters.backed_off
        )
        yield CounterMetricFamily(
            "heapfast_scrape_extra", "Scrapes out of turn, because a pod had started on the node.", counters.extra
        )
        yield CounterMetricFamily("heapfast_scrape_body_bytes", "Bytes of answers.", counters.body_bytes)
        yield CounterMetricFamily(
            "heapfast_scrape_bad_values",
            "Values in answers that were left out: negative, too large, of the wrong type.",
            counters.bad_values,
        )
        yield CounterMetricFamily("heapfast_scrape_parse_seconds", "Time spent parsing.", counters.parse_seconds)
        yield GaugeMetricFamily("heapfast_scrape_in_flight", "Requests that are out.", counters.in_flight)
        duration = Metric("heapfast_scrape_duration_seconds", "Request, parsing and delivery.", "histogram")
        duration.samples.extend(counters.durations.samples(duration.name, {}))
        yield duration

    def _heapsters(self, targets: Sequence[Target], twins: Sequence[Target]) -> Iterable[Metric]:
        prefix = self._manager.source.label_prefix
        beside = self._manager.beside
        side_prefix = beside.source.label_prefix if beside is not None else ""

        def name(target: Target) -> str:
            return f"{side_prefix if target.is_side else prefix}:{target.address}"

        last = Metric("heapster_scraper_last_time_seconds", "Unix time at which the last scrape began.", "gauge")
        yield _lazily(
            last,
            (
                Sample(last.name, {"source": name(target)}, target.last_start_ns / NS_PER_SECOND)
                for target in (*targets, *twins)
            ),
        )
        yield _summary(
            "heapster_scraper_duration_microseconds",
            "Time of scrapes, microseconds: request, parsing and delivery.",
            "source",
            (*targets, *twins),
            lambda target: (name(target), target.scrape_seconds),
        )
        sources = [(self._manager.source, targets)] + ([(beside.source, twins)] if beside is not None else [])
        for source, asked in sources:
            yield _summary(
                source.request_metric,
                "Time of requests, microseconds.",
                "node",
                asked,
                lambda target: (target.hostname, target.request_seconds),
            )


def _summary(
    name: str, documentation: str, label: str, targets: Sequence[Target], read: Callable[[Target], tuple[str, float]]
) -> Metric:
    """One series a label value: hostnames need not be unique, and a series twice spoils a whole exposition."""
    sums: dict[str, tuple[int, float]] = {}
    for target in targets:
        value, seconds = read(target)
        count, total = sums.get(value, (0, 0.0))
        sums[value] = (count + target.scrapes, total + seconds)
    return _lazily(
        Metric(name, documentation, "summary"),
        (
            Sample(f"{name}{suffix}", {label: value}, number)
            for value, (count, total) in sums.items()
            for suffix, number in (("_count", count), ("_sum", total * _MICROSECONDS))
        ),
    )


def _lazily(family: Metric, samples: Iterator[Sample]) -> Metric:
    """A family whose samples are made as they are read, once: those of 5,000 targets hold the loop for 15 ms."""
    family.samples = cast(list[Sample], samples)
    return family


class WindowCollector(Collector):
    """Windows that had no batch of their own time."""

    def __init__(self, windows: Windows, registry: CollectorRegistry) -> None:
        self._windows = windows
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "heapfast_windows_skipped", "Windows that were over before their turn.", self._windows.skipped_total
        )
        yield CounterMetricFamily(
            "heapfast_windows_ahead", "Windows ahead of a wall clock that was set back.", self._windows.ahead_total
        )
