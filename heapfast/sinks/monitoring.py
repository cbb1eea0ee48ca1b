"""What the sinks say about themselves.

In      what the manager did with each batch and chunk
Out     Prometheus series heapfast_sink_..., a label `sink` with the key of its URI
Callers manager.py reports, daemon gives the registry
Never   has a label whose values come from outside: places may hold what nobody should see
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BatchOutcome = Literal["sent", "partly", "refused", "dropped", "failed"]


class SinksMonitoring:
    """The series of all sinks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._batches = Counter(
            "heapfast_sink_batches",
            "Batches, by outcome: sent, partly (some chunks were refused), refused, dropped (the sink was too slow or"
            " away), failed (a bug).",
            ["sink", "outcome"],
            registry=registry,
        )
        self._samples = Counter(
            "heapfast_sink_samples", "Samples that a sink took or refused.", ["sink", "outcome"], registry=registry
        )
        self._bytes = Counter("heapfast_sink_bytes", "Bytes of payload that a sink took.", ["sink"], registry=registry)
        self._errors = Counter(
            "heapfast_sink_errors", "Attempts that failed, by reason.", ["sink", "reason"], registry=registry
        )
        self._waiting = Gauge(
            "heapfast_sink_queue_batches", "Batches that wait for the sink.", ["sink"], registry=registry
        )
        self._seconds = Histogram(
            "heapfast_sink_export_seconds",
            "From a batch's turn to its last answer.",
            ["sink"],
            buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60),
            registry=registry,
        )
        self._last = Gauge(
            "heapfast_sink_last_sent_timestamp_seconds",
            "Time stamp of the newest batch that the sink took.",
            ["sink"],
            registry=registry,
        )

    def of(self, sink: str) -> SinkMonitoring:
        """The series of one sink; all of them are there from the start, at 0."""
        batches: dict[BatchOutcome, Counter] = {
            "sent": self._batches.labels(sink, "sent"),
            "partly": self._batches.labels(sink, "partly"),
            "refused": self._batches.labels(sink, "refused"),
            "dropped": self._batches.labels(sink, "dropped"),
            "failed": self._batches.labels(sink, "failed"),
        }
        return SinkMonitoring(
            batches=batches,
            sent=self._samples.labels(sink, "sent"),
            refused=self._samples.labels(sink, "refused"),
            size=self._bytes.labels(sink),
            error=lambda reason: self._errors.labels(sink, reason),
            waiting=self._waiting.labels(sink),
            seconds=self._seconds.labels(sink),
            last=self._last.labels(sink),
        )


class SinkMonitoring:
    """What the manager reports of one sink. Made by SinksMonitoring."""

    def __init__(
        self,
        *,
        batches: dict[BatchOutcome, Counter],
        sent: Counter,
        refused: Counter,
        size: Counter,
        error: Callable[[str], Counter],
        waiting: Gauge,
        seconds: Histogram,
        last: Gauge,
    ) -> None:
        self._batches = batches
        self._sent = sent
        self._refused = refused
        self._size = size
        self._error = error
        self._waiting = waiting
        self._seconds = seconds
        self._last = last

    def chunk_sent(self, samples: int, size_bytes: int) -> None:
        self._sent.inc(samples)
        self._size.inc(size_bytes)

    def chunk_refused(self, samples: int) -> None:
        self._refused.inc(samples)

    def attempt_failed(self, reason: str) -> None:
        self._error(reason).inc()

    def batch_done(self, outcome: BatchOutcome, timestamp_ns: int, took_seconds: float) -> None:
        """Notes a batch that had its turn."""
        self._batches[outcome].inc()
        self._seconds.observe(took_seconds)
        if outcome in ("sent", "partly"):
            self._last.set(timestamp_ns / 1e9)

    def batches_dropped(self, n: int) -> None:
        self._batches["dropped"].inc(n)

    def queue_is(self, n: int) -> None:
        self._waiting.set(n)
