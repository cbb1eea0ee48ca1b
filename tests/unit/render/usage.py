"""A cluster that uses something: a store, rosters, and the renderer over them.

In      nodes and pods by name, with labels; what each uses
Out     slots, ResourceMetrics, whole bodies
Callers the tests of metrics.k8s.io's answers
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.query.usage import UsageStatus
from heapfast.render._roster import Roster
from heapfast.render.forms import Form
from heapfast.render.metrics_k8s_io import ResourceMetrics
from heapfast.sim._rows import rows_of
from heapfast.wire._rows import Rows
from tests.unit.store.rows import SECOND_NS, START_NS, T0_NS, Row, container, node

RESOLUTION_NS = 10 * SECOND_NS

#: When the newest samples were taken, and when answers are built.
AT_NS = T0_NS + RESOLUTION_NS
NOW_NS = AT_NS + 1_700_000_000


class Use(NamedTuple):
    """What a container uses; over the whole of RESOLUTION_NS, so that the rate comes out exactly."""

    name: str
    cpu_nanocores: int = 250_000_000
    memory_bytes: int = 1_500_000
    at_ns: int = AT_NS


class Usage:
    """Nodes and pods whose newest two samples a test states."""

    def __init__(self, usage_keys: Sequence[str] = ()) -> None:
        self.store = Store(resolution_ns=RESOLUTION_NS, usage_keys=usage_keys)
        self.latest = self.store.latest
        self.nodes = Roster(self.latest, Kind.NODE)
        self.pods = Roster(self.latest, Kind.POD)
        self.metrics = ResourceMetrics(self.latest, self.nodes, self.pods)

    def put_node(self, name: str, labels: Mapping[str, str] | None = None) -> int:
        slot = self.store.put_node(name, hostname=name, host_id="", labels="")
        self.nodes.put(slot, labels or {})
        return slot

    def put_pod(self, namespace: str, name: str, labels: Mapping[str, str] | None = None) -> int:
        slot = self.store.put_pod(namespace, name, uid="", labels="")
        self.pods.put(slot, labels or {})
        return slot

    def ingest(self, rows: Sequence[Row] | Rows, node_slot: int, now_ns: int) -> None:
        self.store.ingest(rows if isinstance(rows, Rows) else rows_of(list(rows)), node_slot, now_ns)

    def use(self, node_slot: int, of_pods: Mapping[tuple[str, str], Sequence[Use]], of_node: Use | None = None) -> None:
        """Two answers of a node: what its pods used between them."""
        for is_second in (False, True):
            rows: list[Row] = []
            if of_node is not None:
                rows.append(node("n", _metrics(of_node, is_second), at=_time(of_node, is_second), start=START_NS))
            for (namespace, pod), uses in of_pods.items():
                rows += [
                    container(
                        namespace, pod, use.name, _metrics(use, is_second), at=_time(use, is_second), start=START_NS
                    )
                    for use in uses
                ]
            self.ingest(rows, node_slot, NOW_NS if is_second else NOW_NS - RESOLUTION_NS)

    def once(self, node_slot: int, of_pods: Mapping[tuple[str, str], Sequence[Use]]) -> None:
        """One more answer of a node, the newest, with these pods alone."""
        self.ingest(
            [
                container(*key, use.name, _metrics(use, True), at=use.at_ns, start=START_NS)
                for key, uses in of_pods.items()
                for use in uses
            ],
            node_slot,
            NOW_NS,
        )

    def list_pods(self, slots: Sequence[int], form: Form | None = None, now_ns: int = NOW_NS) -> list[bytes]:
        return _chunks(self.metrics.render_pods(array("I", slots), form or Form(), now_ns))

    def list_nodes(self, slots: Sequence[int], form: Form | None = None, now_ns: int = NOW_NS) -> list[bytes]:
        return _chunks(self.metrics.render_nodes(array("I", slots), form or Form(), now_ns))

    def get_pod(self, slot: int, form: Form | None = None, now_ns: int = NOW_NS) -> bytes:
        return _served(self.metrics.render_pod(slot, form or Form(), now_ns))

    def get_node(self, slot: int, form: Form | None = None, now_ns: int = NOW_NS) -> bytes:
        return _served(self.metrics.render_node(slot, form or Form(), now_ns))


def _metrics(use: Use, is_second: bool) -> dict[str, int]:
    used_ns = use.cpu_nanocores * RESOLUTION_NS // SECOND_NS if is_second else 0
    return {"cpu/usage": 5_000_000_000 + used_ns, "memory/working_set": use.memory_bytes}


def _time(use: Use, is_second: bool) -> int:
    return use.at_ns if is_second else use.at_ns - RESOLUTION_NS


def _served(answer: tuple[UsageStatus, bytes]) -> bytes:
    status, body = answer
    assert status is UsageStatus.OK
    return body


def _chunks(answer: Any) -> list[bytes]:
    async def take() -> list[bytes]:
        return [chunk async for chunk in answer]

    return asyncio.run(take())
