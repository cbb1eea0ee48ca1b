"""A small cluster with every kind of thing that answers can show, in a filled store.

In      nothing
Out     Cluster: store, indexes, clock and app
Callers tests of render and api
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.state import State
from heapfast.clock import ManualClock
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex
from tests.unit.store.rows import SECOND_NS, START_NS, T0_NS, Row, container, custom, node, pod, resource, system

STEP_NS = 60 * SECOND_NS
N_BATCHES = 3
FIRST = "2017-12-11T10:00:00Z"
LAST = "2017-12-11T10:02:00Z"

GPU = {"make": "nvidia", "model": "k80"}

#: namespace, name, labels, containers as (name, is terminated)
PODS: tuple[tuple[str, str, dict[str, str], tuple[tuple[str, bool], ...]], ...] = (
    ("default", "web-0", {"app": "web", "tier": "front"}, (("nginx", False), ("a-sidecar", False))),
    ("default", "job", {"app": "job"}, (("main", False), ("init-done", True))),
    ("default", "half", {"app": "half"}, (("seen", False), ("unseen", False))),
    ("default", "over", {"app": "job"}, (("done", True),)),
    ("shop", "web-0", {"app": "web"}, (("nginx", False),)),
    ("shop", "bare", {}, ()),
)


def rows_at(batch: int) -> list[Row]:
    """What node-1's kubelet says at one batch."""
    at = T0_NS + batch * STEP_NS

    def usage(seconds: int, bytes_: int) -> dict[str, int]:
        cpu = batch * seconds * SECOND_NS
        return {"cpu/usage": cpu, "memory/usage": bytes_ + 1024, "memory/working_set": bytes_, "uptime": batch * 60_000}

    def network(rx: int) -> dict[str, int]:
        return {"network/rx": batch * rx, "network/tx": 0}

    disk = [resource("filesystem", "/", usage=40960, limit=10**9, available=5), resource("filesystem", "logs", usage=7)]
    return [
        node("node-1", usage(600, 8371499008) | network(100), at=at, start=START_NS, resources=disk),
        system("kubelet", usage(6, 1000), at=at),
        system("system.slice/docker.service", usage(3, 2048), at=at),
        pod("default", "web-0", network(91), at=at, resources=[resource("volume", "data", usage=12)]),
        container(
            "default", "web-0", "nginx", usage(60, 25165824), at=at,
            custom=[custom("qps", 17), custom("ratio", 0.25)],
            resources=[resource("accelerator", "GPU-0", memory_total=11, memory_used=10, duty_cycle=9) | GPU],
        ),
        container("default", "web-0", "a-sidecar", usage(0, 1000), at=at),
        pod("default", "job", network(1), at=at),
        container("default", "job", "main", usage(30, 1048576), at=at),
        pod("default", "half", network(1), at=at),
        container("default", "half", "seen", usage(30, 1048576), at=at),
        pod("default", "over", network(1), at=at),
        pod("shop", "web-0", network(2), at=at),
        container("shop", "web-0", "nginx", usage(90, 2**30), at=at),
        container("lost", "unknown-to-the-api", "app <&> \u2028", usage(1, 1), at=at),
    ]  # fmt: skip


@dataclass
class Cluster:
    """The store, what belongs to it, and the app on top."""

    options: dict[str, Any] = field(default_factory=dict)
    n_batches: int = N_BATCHES

    def __post_init__(self) -> None:
        self.store = Store()
        self.pods = PostingIndex()
        self.nodes = PostingIndex()
        self.clock = ManualClock(T0_NS + 2 * STEP_NS + 31 * SECOND_NS)
        slot = self._put_nodes()
        self._put_pods()
        for batch in range(self.n_batches):
            self.store.ingest(rows_of(rows_at(batch)), slot, T0_NS + batch * STEP_NS)
            self.tick(T0_NS + batch * STEP_NS)
        options = {"resolution_ns": STEP_NS, "clock": self.clock} | self.options
        self.state = State(store=self.store, pods=self.pods, nodes=self.nodes, **options)
        self.app = create_app(self.state)

    def tick(self, timestamp_ns: int) -> None:
        closing = self.store.swap(timestamp_ns)
        closing.run()
        self.store.commit(closing, timestamp_ns)

    def _put_nodes(self) -> int:
        slots = []
        for name, pool in (("node-1", "blue"), ("node-2", "green")):
            slot = self.store.put_node(
                name, hostname=f"{name}.example", host_id="", labels=f"pool:{pool}",
                cpu_capacity_millicores=4000, cpu_allocatable_millicores=4000,
                memory_capacity_bytes=2**34, memory_allocatable_bytes=2**34,
            )  # fmt: skip
            self.nodes.put(slot, "", {"pool": pool})
            slots.append(slot)
        return slots[0]

    def _put_pods(self) -> None:
        self.store.put_namespace("default", "ns-1")
        self.store.put_namespace("shop", "ns-2")
        for namespace, name, labels, containers in PODS:
            slot = self.store.put_pod(
                namespace, name, uid=f"uid-{name}", labels=",".join(f"{k}:{v}" for k, v in labels.items()),
                start_ns=START_NS, containers=[(c, "image:1", 0, 500, 0, 2**27, 0, over) for c, over in containers],
            )  # fmt: skip
            self.pods.put(slot, namespace, labels, "node-1")
