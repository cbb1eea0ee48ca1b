"""Self-metrics of /apis/heapfast/v1/query: how questions end, how long they take, which limits they meet.

In      one `observe` a question, one `met` a limit
Out     heapfast_query_... series
Callers daemon makes it, for both ports; query.py counts
Source  docs/query.md
Never   has a label whose values callers can make up
"""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Histogram


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    REFUSED = "refused"  # what is asked cannot be meant, or not in this form
    LIMITED = "limited"  # it met a limit; which, `met` says
    UNAVAILABLE = "unavailable"  # there is no batch yet
    CANCELLED = "cancelled"  # the client has gone
    FAILED = "failed"  # a bug


#: Names of flags.
LIMITS = ("query-max-body-bytes", "query-max-rows", "query-max-samples", "query-timeout")


class QueryMonitoring:
    """All series of questions; one object a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "heapfast_query_seconds",
            "Time from a question to its answer, by how it ended.",
            ("outcome",),
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=registry,
        )
        self._rows = Counter("heapfast_query_rows", "Rows of answers: groups times buckets.", registry=registry)
        self._bytes = Counter("heapfast_query_bytes", "Size of answers before compression.", registry=registry)
        self._limits = Counter(
            "heapfast_query_limits", "Questions that met a limit, by its flag.", ("limit",), registry=registry
        )
        for outcome in Outcome:
            self._seconds.labels(outcome.value)
        for limit in LIMITS:
            self._limits.labels(limit)

    def observe(self, outcome: Outcome, seconds: float) -> None:
        """Count one question that has ended."""
        self._seconds.labels(outcome.value).observe(seconds)

    def answered(self, n_rows: int, n_bytes: int) -> None:
        """Count what an answer has in it."""
        self._rows.inc(n_rows)
        self._bytes.inc(n_bytes)

    def met(self, limit: str) -> None:
        """Count a question that met a limit, by the name of its flag."""
        self._limits.labels(limit).inc()
