"""What the REST side is given: the parts it asks and the few settings it obeys.

In      built by daemon.py, or by a test
Out     fields
Callers daemon fills it; app.create_app and every family below it read
Never   changes after start
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from heapfast import __version__
from heapfast._core import Store
from heapfast.api.query_limits import QueryLimits
from heapfast.api.query_monitoring import QueryMonitoring
from heapfast.api.targets import Targets, no_targets
from heapfast.auth.client_cert import ClientRule
from heapfast.clock import Clock
from heapfast.history.backend import HistoryBackend
from heapfast.store.index import PostingIndex, Postings
from heapfast.store.requirement import Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLimits:
    """What one question about history may cost.

    Attributes:
        max_points: samples or buckets in its answer (--historical-max-points).
        timeout_seconds: how long the store of history may take for it (--historical-timeout).
    """

    max_points: int = 1_000_000
    timeout_seconds: float = 30.0


def _ready() -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that requests are answered from.

    Attributes:
        store: asked on the loop only.
        pods: postings of pods; nodes likewise.
        clock: wall time of requests.
        resolution_ns: spacing of batches; health allows for it.
        disable_export: metric-export is an empty list.
        disable_metric_sink: no model API, and what needs batches answers 503.
        unready: why the daemon is not ready to serve, None when it is.
        targets: scrape state, one JSON object a target; of one node where that is named.
        running: postings of the pods whose phase is Running; why others have no metrics is asked of it.
        node_selector: nodes that it does not take are not scraped.
        registry: of self-metrics.
        client_rule: who may ask; None for everybody.
        history: answers the historical API, None where that is not served.
        history_limits: of one question to it, and of the model's aggregates.
        executor: for work of more than a millisecond; None for the loop's own.
        version: as GET /version shows it.
        query_limits: what a question to /apis/heapfast/v1 may cost.
        query_monitoring: counts them; one for all ports.
    """

    store: Store
    pods: PostingIndex
    nodes: PostingIndex
    clock: Clock
    resolution_ns: int
    disable_export: bool = False
    disable_metric_sink: bool = False
    unready: Callable[[], str | None] = _ready
    targets: Targets = no_targets
    running: Postings = field(default_factory=PostingIndex)
    node_selector: Selector = ()
    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=False))
    client_rule: ClientRule | None = None
    history: HistoryBackend | None = None
    history_limits: HistoryLimits = field(default_factory=lambda: HistoryLimits())
    executor: Executor | None = None
    version: str = __version__
    query_limits: QueryLimits = field(default_factory=QueryLimits)
    query_monitoring: QueryMonitoring = field(default_factory=lambda: QueryMonitoring(CollectorRegistry()))
