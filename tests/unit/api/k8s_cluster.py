"""A small cluster behind the secure app: nodes and pods, and what they use.

In      nothing, or fields of SecureState
Out     SecureCluster: store, clock, app
Callers the tests of the secure port
"""

from __future__ import annotations

from typing import Any

from heapfast._core import Store
from heapfast.api.secure_app import create_secure_app
from heapfast.api.secure_state import SecureState
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.render._roster import Roster
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex, Subset
from tests.unit.api.client import Answer, ask
from tests.unit.store.rows import SECOND_NS, T0_NS, container, node

RESOLUTION_NS = 15 * SECOND_NS
PREFIX = "/apis/metrics.k8s.io/v1"

NODES = (("node-1", {"pool": "blue"}), ("node-2", {"pool": "green"}))
PODS = (
    ("default", "web-0", {"app": "web"}),
    ("default", "web-1", {"app": "web"}),
    ("default", "job", {"app": "job"}),
    ("shop", "web-0", {"app": "web"}),
)


class SecureCluster:
    """Two nodes; the pods are on the first, which has answered twice."""

    def __init__(self, *, n_answers: int = 2, extra_pods: int = 0, **options: Any) -> None:
        self.clock = ManualClock(T0_NS)
        self.store = Store(resolution_ns=RESOLUTION_NS)
        self.nodes, self.index = PostingIndex(), PostingIndex()
        self.running = Subset(self.index)
        self.node_roster = Roster(self.store.latest, Kind.NODE)
        self.pod_roster = Roster(self.store.latest, Kind.POD)
        self.pods = [*PODS, *(("many", f"pod-{n:05}", {"app": "many"}) for n in range(extra_pods))]
        for name, labels in NODES:
            self.put_node(name, labels)
        for namespace, name, labels in self.pods:
            self.put_pod(namespace, name, labels)
        for _ in range(n_answers):
            self.answer()
        self.state = SecureState(
            store=self.store,
            latest=self.store.latest,
            nodes=self.nodes,
            running=self.running,
            node_roster=self.node_roster,
            pod_roster=self.pod_roster,
            clock=self.clock,
            resolution_ns=RESOLUTION_NS,
            **options,
        )
        self.app, self.monitor = create_secure_app(self.state)

    def put_node(self, name: str, labels: dict[str, str]) -> None:
        slot = self.store.put_node(name, hostname=f"{name}.example", host_id="", labels="")
        self.nodes.put(slot, "", labels)
        self.node_roster.put(slot, labels)

    def put_pod(self, namespace: str, name: str, labels: dict[str, str]) -> None:
        slot = self.store.put_pod(namespace, name, uid="", labels="")
        self.index.put(slot, namespace, labels, "node-1")
        self.running.add(slot)
        self.pod_roster.put(slot, labels)

    def answer(self) -> None:
        """One answer of node-1, a resolution after the one before: 0.1 cores each."""
        self.clock.advance(RESOLUTION_NS / SECOND_NS)
        at = self.clock.now_ns()
        metrics = {"cpu/usage": (at - T0_NS) // 10, "memory/working_set": 2**20}
        rows = [node("node-1", metrics, at=at)]
        rows += [container(namespace, name, "c", metrics, at=at) for namespace, name, _ in self.pods]
        self.store.ingest(rows_of(rows), self.store.find(Kind.NODE, "node-1"), at)

    async def get(self, target: str, method: str = "GET", **headers: str) -> Answer:
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return await ask(self.app, target if target.startswith("/") else f"{PREFIX}/{target}", method, named)

    async def names(self, target: str, **headers: str) -> list[str]:
        """Names in a list, as they are listed."""
        answer = await self.get(target, **headers)
        assert answer.status == 200, answer.text
        return [item["metadata"]["name"] for item in answer.json["items"]]
