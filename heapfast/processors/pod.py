"""Pods on their way from the watch into the store and the label index.

In      pods: identity, labels, where they run, what their containers ask for
Out     Store.put_pod, remove_pod; the index's put, remove; PodStarts'
Callers a pod watch, as its consumer
Source  spec/heapster-pipeline.md 5.2
Never   filters by phase what Heapster's side sees, since Heapster did not
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heapfast.processors.gate import Gate
    from heapfast.processors.labels import Copier
    from heapfast.processors.starts import PodStarts
    from heapfast.store.index import PostingIndex, Subset

#: The phase of pods that metrics.k8s.io serves.
RUNNING = "Running"

#: As in heapfast._core: name, image, cpu_request_millicores, cpu_limit_millicores, memory_request_bytes,
#: memory_limit_bytes, restart_count (-1: no status), terminated.
ContainerSpec = tuple[str, str, int, int, int, int, int, bool]


class PodFacts(Protocol):
    """What the store and the index keep of a pod."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def node_name(self) -> str: ...
    @property
    def phase(self) -> str: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def containers(self) -> Sequence[ContainerSpec]: ...


class PodRoster(Protocol):
    """Labels, ready to be printed, by slot."""

    def put(self, slot: int, labels: Mapping[str, str]) -> None: ...
    def remove(self, slot: int) -> None: ...


class AnnouncedPods(Protocol):
    """Which pods were announced, by slot."""

    def settle(self, slot: int, namespace: str, name: str) -> None: ...


class PodTable(Protocol):
    """The part of the store that pods go to."""

    def put_pod(
        self,
        namespace: str,
        name: str,
        *,
        uid: str,
        labels: str,
        stored: Sequence[tuple[str, str]] = (),
        start_ns: int = ...,
        containers: Sequence[ContainerSpec] = (),
    ) -> int: ...
    def remove_pod(self, namespace: str, name: str) -> int: ...


class PodEnricher:
    """Keeps the store's pods, and the index over their labels, as the API server has them.

    Args:
        running: those of the index in phase Running, which alone metrics.k8s.io serves; None for nobody.
        roster: their labels as metrics.k8s.io prints them; None for nobody.
        starts: is shown what each of them runs; None for nobody.
        known: is told the slot of every pod; None for nobody.
    """

    def __init__(
        self,
        store: PodTable,
        index: PostingIndex,
        copier: Copier,
        gate: Gate,
        *,
        running: Subset | None = None,
        roster: PodRoster | None = None,
        starts: PodStarts | None = None,
        known: AnnouncedPods | None = None,
    ) -> None:
        self._store = store
        self._index = index
        self._copier = copier
        self._gate = gate
        self._running = running
        self._roster = roster
        self._starts = starts
        self._known = known

    def upsert(self, pod: PodFacts) -> None:
        self._gate.pass_through(partial(self._put, pod))

    def delete(self, key: str) -> None:
        """Takes a pod out.

        Args:
            key: "namespace/name".
        """
        self._gate.pass_through(partial(self._remove, key))

    def _put(self, pod: PodFacts) -> None:
        labels, stored = self._copier.copy(pod.labels)
        slot = self._store.put_pod(
            pod.namespace,
            pod.name,
            uid=pod.uid,
            labels=labels,
            stored=stored,
            start_ns=pod.start_ns,
            containers=pod.containers,
        )
        if self._known is not None:
            self._known.settle(slot, pod.namespace, pod.name)
        self._index.put(slot, pod.namespace, pod.labels, pod.node_name)
        if pod.phase != RUNNING:
            self._forget_running(slot)
            return
        if self._running is not None:
            self._running.add(slot)
        if self._roster is not None:
            self._roster.put(slot, pod.labels)
        if self._starts is not None:
            self._starts.put(slot, pod.node_name, pod.containers)

    def _remove(self, key: str) -> None:
        namespace, _, name = key.partition("/")
        slot = self._store.remove_pod(namespace, name)
        self._forget_running(slot)
        self._index.remove(slot)

    def _forget_running(self, slot: int) -> None:
        if self._running is not None:
            self._running.discard(slot)
        if self._roster is not None and slot >= 0:
            self._roster.remove(slot)
        if self._starts is not None:
            self._starts.remove(slot)
