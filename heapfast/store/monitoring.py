"""What stage 4 says about itself.

In      Store.stats, the times of ticks
Out     Prometheus series heapfast_store_... and heapfast_tick_..., and Heapster's heapster_processor_... and
        heapster_exporter_...
Callers daemon gives the registry; pipeline reports ticks, batches_out.py what sinks took
Source  spec/heapster-pipeline.md 3.7 for Heapster's names; their values are true here (Q25, B24)
Never   has a label whose values come from the cluster
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from heapfast.catalog.keys import Kind
from heapfast.summaries import SummaryFamily

if TYPE_CHECKING:
    from heapfast._core import Store

#: The in-memory sink, as Heapster calls it.
MEMORY_SINK = "Metric Sink"


class StoreCollector(Collector):
    """Sizes of the store, read when somebody asks."""

    def __init__(self, store: Store, registry: CollectorRegistry) -> None:
        self._store = store
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        stats = self._store.stats()
        entities = GaugeMetricFamily("heapfast_store_entities", "Entities that have a slot.", labels=["kind"])
        slots = GaugeMetricFamily("heapfast_store_slots", "Slots, in use or free.", labels=["kind"])
        for kind in Kind:
            entities.add_metric([kind.name.lower()], stats["entities"][kind])
            slots.add_metric([kind.name.lower()], stats["slots"][kind])
        yield entities
        yield slots
        sizes = GaugeMetricFamily("heapfast_store_bytes", "Memory of the store, without texts.", labels=["part"])
        for part in ("table", "open", "newest", "packed"):
            sizes.add_metric([part], stats[f"{part}_bytes"])
        yield sizes
        batches = GaugeMetricFamily("heapfast_store_batches", "Closed batches in memory.", labels=["class"])
        batches.add_metric(["any"], stats["batches"])
        batches.add_metric(["short"], stats["short_batches"])
        yield batches
        yield GaugeMetricFamily("heapfast_store_packed_samples", "Samples in packed batches.", stats["packed_samples"])
        yield CounterMetricFamily("heapfast_store_rows", "Rows that were ingested.", stats["ingested_rows"])
        yield CounterMetricFamily(
            "heapfast_store_custom_metrics_dropped",
            "Samples of custom metrics for which there was no column; 212 custom metrics fit.",
            stats["custom_metrics_dropped"],
        )


class TickMonitoring:
    """What the pipeline reports of each tick."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ticks = Counter("heapfast_ticks", "Ticks, by outcome.", ["outcome"], registry=registry)
        self._closed = self._ticks.labels("closed")
        self._failed = self._ticks.labels("failed")
        self._last = Gauge("heapfast_tick_last_timestamp_seconds", "Time stamp of the newest batch.", registry=registry)
        self._seconds = Histogram(
            "heapfast_tick_seconds",
            "How long a tick took, by part: scrape is the wait for targets, the others are work.",
            ["part"],
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
            registry=registry,
        )
        self._processors = SummaryFamily(
            "heapster_processor_duration_microseconds", "Time of one processor in one tick.", ["processor"], registry
        )
        self._exporter_seconds = Gauge(
            "heapster_exporter_last_time_seconds", "When an exporter last finished, Unix time.", ["exporter"],
            registry=registry,
        )  # fmt: skip
        self._exporter = SummaryFamily(
            "heapster_exporter_duration_milliseconds", "Time of one export.", ["exporter"], registry
        )
        self._exporter_seconds.labels(MEMORY_SINK)
        self._exporter.labels(MEMORY_SINK)

    def part(self, name: str, seconds: float) -> None:
        """Notes how long one part of a tick took: "scrape", "prepare", "close", "commit" or "sweep"; after
        a warm restart "settle", once.
        """
        self._seconds.labels(name).observe(seconds)

    def closed(self, timestamp_ns: int, now_ns: int, commit_seconds: float, processors_ns: Mapping[str, int]) -> None:
        """Notes a batch that became the newest."""
        self._closed.inc()
        self._last.set(timestamp_ns / 1e9)
        self.exported(MEMORY_SINK, now_ns, commit_seconds)
        for name, took_ns in processors_ns.items():
            self._processors.labels(name).observe(took_ns / 1e3)

    def exported(self, sink: str, now_ns: int, took_seconds: float) -> None:
        """Notes a batch that a sink has taken; the store is the first of them."""
        self._exporter_seconds.labels(sink).set(now_ns / 1e9)
        self._exporter.labels(sink).observe(took_seconds * 1e3)

    def failed(self) -> None:
        self._failed.inc()


class SegmentMonitoring:
    """What is kept for a warm restart. `written`, `failed` from the thread that writes, the rest from the loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._batches = Counter(
            "heapfast_segment_batches",
            "Batches for --data-dir, by outcome; skipped is one that a slow disk had no time for.",
            ["outcome"],
            registry=registry,
        )
        self._written = self._batches.labels("written")
        self._failed = self._batches.labels("failed")
        self._skipped = self._batches.labels("skipped")
        self._bytes = Counter("heapfast_segment_bytes", "Bytes written to segments.", registry=registry)
        self._files = Gauge("heapfast_segment_files", "Segments in --data-dir.", registry=registry)
        self._seconds = Histogram(
            "heapfast_segment_write_seconds",
            "How long it took to encode and write one batch, in a thread.",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
            registry=registry,
        )
        self._restored = Gauge("heapfast_restored_batches", "Batches that the start found on disk.", registry=registry)
        self._restore_seconds = Gauge(
            "heapfast_restore_seconds", "How long the start took to read them.", registry=registry
        )

    def written(self, n_bytes: int, seconds: float, n_files: int) -> None:
        self._written.inc()
        self._bytes.inc(n_bytes)
        self._files.set(n_files)
        self._seconds.observe(seconds)

    def failed(self) -> None:
        self._failed.inc()

    def skipped(self) -> None:
        self._skipped.inc()

    def restored(self, n_batches: int, seconds: float) -> None:
        self._restored.set(n_batches)
        self._restore_seconds.set(seconds)
