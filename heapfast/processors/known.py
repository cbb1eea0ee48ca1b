"""Which pods the API server has told of, by their slots in the store.

In      keys, "namespace/name", each with the number of the list that had it last; slots, once pods have one
Out     the same as a mapping
Callers kube.watch sets, asks and deletes, through the Reflector of pods; pod.py tells slots
Never   keeps a key that the store has: as texts in a dict, those of 150,000 pods took 19 MiB

A pod that was announced has its slot until it is deleted here: the store gives none away that the API server knows. One
whose way into the store is not over, since a batch is being closed (gate.py), waits under its key.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, MutableMapping
from typing import Protocol

from heapfast.catalog.keys import Kind


class PodNames(Protocol):
    """The part of the store that knows pods by name."""

    def find(self, kind: int, *names: str) -> int: ...
    def name(self, kind: int, slot: int) -> str: ...
    def parent(self, kind: int, slot: int) -> int: ...
    def is_known(self, kind: int, slot: int) -> bool: ...


class KnownPods(MutableMapping[str, int]):
    """Numbers above 0 by key, in no order. May change while somebody iterates."""

    def __init__(self, store: PodNames) -> None:
        self._store = store
        self._by_slot = array("I")  # 0: none
        self._n_by_slot = 0
        self._waiting: dict[str, int] = {}

    def settle(self, slot: int, namespace: str, name: str) -> None:
        """Notes that a pod has come into the store."""
        if self._waiting:
            number = self._waiting.pop(f"{namespace}/{name}", 0)
            if number:
                self._put(slot, number)

    def __len__(self) -> int:
        return self._n_by_slot + len(self._waiting)

    def __getitem__(self, key: str) -> int:
        number = self._waiting.get(key, 0) or self._at(self._slot(key))
        if not number:
            raise KeyError(key)
        return number

    def __setitem__(self, key: str, number: int) -> None:
        slot = self._slot(key)
        if slot >= 0 and self._store.is_known(Kind.POD, slot):
            self._put(slot, number)
        else:
            self._waiting[key] = number

    def __delitem__(self, key: str) -> None:
        if self._waiting.pop(key, 0):
            return
        slot = self._slot(key)
        if not self._at(slot):
            raise KeyError(key)
        self._by_slot[slot] = 0
        self._n_by_slot -= 1

    def __iter__(self) -> Iterator[str]:
        yield from tuple(self._waiting)
        for slot in range(len(self._by_slot)):
            if self._by_slot[slot]:
                yield self._key(slot)

    def _put(self, slot: int, number: int) -> None:
        if slot >= len(self._by_slot):
            self._by_slot.extend([0] * (slot + 1 - len(self._by_slot)))
        self._n_by_slot += not self._by_slot[slot]
        self._by_slot[slot] = number

    def _at(self, slot: int) -> int:
        return self._by_slot[slot] if 0 <= slot < len(self._by_slot) else 0

    def _slot(self, key: str) -> int:
        namespace, _, name = key.partition("/")
        return self._store.find(Kind.POD, namespace, name)

    def _key(self, slot: int) -> str:
        namespace = self._store.name(Kind.NAMESPACE, self._store.parent(Kind.POD, slot))
        return f"{namespace}/{self._store.name(Kind.POD, slot)}"
