"""What the Kubernetes side is given: the parts it asks and the settings it obeys.

In      built by daemon.py, or by a test
Out     fields
Callers secure_port.py fills it; secure_app.create_secure_app and every family below it read
Never   changes after start
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from heapfast import __version__
from heapfast.api.query_limits import QueryLimits
from heapfast.api.query_monitoring import QueryMonitoring
from heapfast.api.targets import Targets, no_targets
from heapfast.store.requirement import Selector

if TYPE_CHECKING:
    from heapfast._core import Store
    from heapfast._latest import Latest
    from heapfast.auth.chain import AuthChain
    from heapfast.clock import Clock
    from heapfast.render._roster import Roster
    from heapfast.store.index import PostingIndex, Postings

#: Of metrics.k8s.io.
VERSIONS: Final = ("v1", "v1beta1")


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What the probes look at.

    Attributes:
        are_nodes_synced, are_pods_synced: the watches have given their first full list.
        is_collecting: the last round of scrapes began less than one and a half resolutions ago.
        is_stopping: the daemon has been told to stop.
    """

    are_nodes_synced: Callable[[], bool] = _yes
    are_pods_synced: Callable[[], bool] = _yes
    is_collecting: Callable[[], bool] = _yes
    is_stopping: Callable[[], bool] = _no


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureState:
    """All that requests on the secure port are answered from.

    Attributes:
        store: asked for slots and names; on the loop only, as everything here.
        latest: the newest usage of every node and pod.
        nodes: postings of all nodes; node_roster has the same.
        running: postings of the pods whose phase is Running; pod_roster has the same.
        clock: wall time of answers.
        resolution_ns: spacing of scrapes.
        auth: lets requests pass; None for everybody.
        node_selector: nodes that it does not select are not served.
        signs: for the probes.
        targets: scrape state, one JSON object a target; of one node where that is named.
        needs_metrics: not ready before a node's and a container's usage can be served.
        max_in_flight: requests at once; beyond, 429.
        max_seconds: that a request may take until its answer begins.
        versions: of the group that are served, the preferred one first.
        port: as discovery states it.
        registry: of self-metrics.
        executor: for work of more than a millisecond; None for the loop's own.
        version: as GET /version shows it.
        enable_custom_metrics: serve custom.metrics.k8s.io, too.
        query_limits: what a question to /apis/heapfast/v1 may cost.
        query_monitoring: counts them; one for all ports.
    """

    store: Store
    latest: Latest
    nodes: PostingIndex
    running: Postings
    node_roster: Roster
    pod_roster: Roster
    clock: Clock
    resolution_ns: int
    auth: AuthChain | None = None
    node_selector: Selector = ()
    signs: Signs = field(default_factory=Signs)
    targets: Targets = no_targets
    needs_metrics: bool = False
    max_in_flight: int = 400
    max_seconds: float = 60.0
    versions: tuple[str, ...] = VERSIONS
    port: int = 10250
    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=False))
    executor: Executor | None = None
    version: str = __version__
    enable_custom_metrics: bool = False
    query_limits: QueryLimits = field(default_factory=QueryLimits)
    query_monitoring: QueryMonitoring = field(default_factory=lambda: QueryMonitoring(CollectorRegistry()))
