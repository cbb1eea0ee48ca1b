"""Counters of the embedded store.

In      what history/writer.py and history/embedded.py have done
Out     heapfast_history_... series
Callers history/embedded.py registers it
Source  docs/history.md
Never   looks at a file
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class HistoryMonitoring:
    """Self-metrics of the embedded store."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batches = Counter("heapfast_history_batches", "Batches written to disk.", registry=registry)
        self.dropped = Counter(
            "heapfast_history_dropped_batches",
            "Batches that are not on disk: the disk was too slow, or failed.",
            ("reason",),
            registry=registry,
        )
        self.failures = Counter(
            "heapfast_history_failures", "Pieces of work on files that failed.", ("work",), registry=registry
        )
        self.bad_files = Counter(
            "heapfast_history_bad_files", "Files left out because they are damaged, or gone.", registry=registry
        )
        self.deleted = Counter(
            "heapfast_history_deleted_files", "Files deleted by retention.", ("reason",), registry=registry
        )
        self.bytes = Gauge("heapfast_history_bytes", "Size of all files.", registry=registry)
        self.files = Gauge("heapfast_history_files", "Number of files.", registry=registry)
        self.work_seconds = Histogram(
            "heapfast_history_work_seconds",
            "How long pieces of work took, in a thread.",
            ("work",),
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
            registry=registry,
        )
        self.queries = Counter(
            "heapfast_history_queries", "Questions answered from files, by how they ended.", ("end",), registry=registry
        )
        for work in ("write", "merge", "thin", "delete"):
            self.failures.labels(work)
            self.work_seconds.labels(work)
        for reason in ("slow", "failed"):
            self.dropped.labels(reason)
        for reason in ("age", "size"):
            self.deleted.labels(reason)
