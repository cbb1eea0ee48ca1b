"""Nodes on their way from the watch into the store and the label index.

In      nodes: names, labels, capacity; ready or not, scraped or not
Out     Store.put_node, remove_node; the index's put, remove
Callers a node watch, as its consumer
Source  spec/heapster-pipeline.md 3.3 and 5.7
Never   decides which nodes are scraped
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heapfast.processors.gate import Gate
    from heapfast.processors.labels import Copier
    from heapfast.store.index import PostingIndex


class NodeFacts(Protocol):
    """What the store keeps of a node."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def hostname(self) -> str: ...
    @property
    def host_id(self) -> str: ...
    @property
    def unschedulable(self) -> bool: ...
    @property
    def cpu_capacity_millicores(self) -> int: ...
    @property
    def cpu_allocatable_millicores(self) -> int: ...
    @property
    def memory_capacity_bytes(self) -> int: ...
    @property
    def memory_allocatable_bytes(self) -> int: ...


class NodeRoster(Protocol):
    """Labels, ready to be printed, by slot."""

    def put(self, slot: int, labels: Mapping[str, str]) -> None: ...
    def remove(self, slot: int) -> None: ...


class NodeTable(Protocol):
    """The part of the store that nodes go to."""

    def put_node(
        self,
        name: str,
        *,
        hostname: str,
        host_id: str,
        labels: str,
        stored: Sequence[tuple[str, str]] = (),
        unschedulable: bool = False,
        cpu_capacity_millicores: int = 0,
        cpu_allocatable_millicores: int = 0,
        memory_capacity_bytes: int = 0,
        memory_allocatable_bytes: int = 0,
    ) -> int: ...
    def remove_node(self, name: str) -> int: ...


class NodeEnricher:
    """Keeps the store's nodes, and the index over their labels, as the API server has them.

    Args:
        roster: their labels as metrics.k8s.io prints them; None for nobody.
    """

    def __init__(
        self,
        store: NodeTable,
        index: PostingIndex,
        copier: Copier,
        gate: Gate,
        *,
        roster: NodeRoster | None = None,
    ) -> None:
        self._store = store
        self._index = index
        self._copier = copier
        self._gate = gate
        self._roster = roster

    def upsert(self, node: NodeFacts) -> None:
        self._gate.pass_through(partial(self._put, node))

    def delete(self, key: str) -> None:
        self._gate.pass_through(partial(self._remove, key))

    def _put(self, node: NodeFacts) -> None:
        labels, stored = self._copier.copy(node.labels)
        slot = self._store.put_node(
            node.name,
            hostname=node.hostname,
            host_id=node.host_id,
            labels=labels,
            stored=stored,
            unschedulable=node.unschedulable,
            cpu_capacity_millicores=node.cpu_capacity_millicores,
            cpu_allocatable_millicores=node.cpu_allocatable_millicores,
            memory_capacity_bytes=node.memory_capacity_bytes,
            memory_allocatable_bytes=node.memory_allocatable_bytes,
        )
        self._index.put(slot, "", node.labels)
        if self._roster is not None:
            self._roster.put(slot, node.labels)

    def _remove(self, key: str) -> None:
        slot = self._store.remove_node(key)
        self._index.remove(slot)
        if self._roster is not None and slot >= 0:
            self._roster.remove(slot)
