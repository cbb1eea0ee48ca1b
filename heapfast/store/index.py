"""Postings: which slots have a label, a namespace, a node; selectors as bitmap algebra.

In      slots with labels, one call for each change the watch brings
Out     BitMap of the slots that a selector means
Callers processors put and remove; api and render/mean_items.py select
Source  design section 5; selectors: query/selector.py, naive form: `requirement.matches` on every object
Never   scans entities: a question costs what its result and its terms' postings cost

One index a kind of entity: pods, with namespace and node; nodes, without. Running pods, which alone some may see, are a
Subset of it. Belongs to the loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from pyroaring import BitMap

from heapfast.store.requirement import Operator, Requirement, Selector


class Postings(Protocol):
    """What may be asked of an index, or of a part of one: see PostingIndex."""

    def __contains__(self, slot: int) -> bool: ...
    def namespaces(self) -> tuple[str, ...]: ...
    def node_of(self, slot: int) -> str: ...
    def labels_of(self, slot: int) -> dict[str, str]: ...
    def select(self, selector: Selector = (), namespace: str | None = None, node: str | None = None) -> BitMap: ...


class _Entry(NamedTuple):
    namespace: str
    labels: tuple[tuple[str, str], ...]
    node: str


class _Key:
    """Postings of one label key: all slots that have it, and those of each value."""

    __slots__ = ("slots", "values")

    def __init__(self) -> None:
        self.slots = BitMap()
        self.values: dict[str, BitMap] = {}


class PostingIndex:
    """Inverted index over the slots of one kind of entity."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._all = BitMap()
        self._keys: dict[str, _Key] = {}
        self._namespaces: dict[str, BitMap] = {}
        self._nodes: dict[str, BitMap] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, slot: int) -> bool:
        return slot in self._entries

    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces that have an entity, in no order."""
        return tuple(self._namespaces)

    def node_of(self, slot: int) -> str:
        """Return the node that an entity is bound to; "" for none.

        Raises:
            KeyError: it is not in the index.
        """
        return self._entries[slot].node

    def labels_of(self, slot: int) -> dict[str, str]:
        """Return an entity's labels, as a dict of the caller's own.

        Raises:
            KeyError: it is not in the index.
        """
        return dict(self._entries[slot].labels)

    def put(self, slot: int, namespace: str, labels: Mapping[str, str], node: str = "") -> None:
        """Enter an entity, or replace what is known of it. Costs O(its labels).

        Args:
            slot: of the entity in the store's table.
            namespace: it lives in; "" for nodes.
            labels: of the API object, copied.
            node: a pod is bound to; "" for none, and for nodes.
        """
        entry = _Entry(namespace, tuple(labels.items()), node)
        former = self._entries.get(slot)
        if former == entry:
            return
        if former is not None:
            self._forget(slot, former)
        self._entries[slot] = entry
        self._all.add(slot)
        for key, value in entry.labels:
            postings = self._keys.get(key)
            if postings is None:
                postings = self._keys[key] = _Key()
            postings.slots.add(slot)
            _add(postings.values, value, slot)
        if namespace:
            _add(self._namespaces, namespace, slot)
        if node:
            _add(self._nodes, node, slot)

    def remove(self, slot: int) -> None:
        """Take an entity out; one that is not in is no error."""
        entry = self._entries.pop(slot, None)
        if entry is not None:
            self._all.discard(slot)
            self._forget(slot, entry)

    def _forget(self, slot: int, entry: _Entry) -> None:
        for key, value in entry.labels:
            postings = self._keys[key]
            _discard(postings.values, value, slot)
            postings.slots.discard(slot)
            if not postings.slots:
                del self._keys[key]
        if entry.namespace:
            _discard(self._namespaces, entry.namespace, slot)
        if entry.node:
            _discard(self._nodes, entry.node, slot)

    def select(self, selector: Selector = (), namespace: str | None = None, node: str | None = None) -> BitMap:
        """Return the slots that fulfil every requirement, as a bitmap of the caller's own.

        Args:
            selector: parsed; empty selects everything.
            namespace: only of this one; None for all.
            node: only bound to this one; None for all.
        """
        wanted: list[BitMap] = []
        unwanted: list[BitMap] = []
        if namespace is not None:
            wanted.append(self._namespaces.get(namespace, _NOTHING))
        if node is not None:
            wanted.append(self._nodes.get(node, _NOTHING))
        for requirement in selector:
            self._collect(requirement, wanted, unwanted)
        if not wanted:
            result = self._all.copy()
        else:
            # Smallest first: each step then costs no more than the one before.
            wanted.sort(key=len)
            result = wanted[0].copy()
            for postings in wanted[1:]:
                if not result:
                    return result
                result &= postings
        for postings in unwanted:
            result -= postings
        return result

    def _collect(self, requirement: Requirement, wanted: list[BitMap], unwanted: list[BitMap]) -> None:
        key = self._keys.get(requirement.key)
        match requirement.operator:
            case Operator.IN:
                wanted.append(_union(key, requirement.values))
            case Operator.NOT_IN:
                unwanted.append(_union(key, requirement.values))
            case Operator.EXISTS:
                wanted.append(key.slots if key else _NOTHING)
            case Operator.DOES_NOT_EXIST:
                unwanted.append(key.slots if key else _NOTHING)
            case _:
                values = key.values if key else ()
                wanted.append(_union(key, tuple(filter(requirement.admits_number, values))))


class Subset:
    """Some of the slots of an index, with its postings: a bit a slot instead of a second index."""

    def __init__(self, index: PostingIndex) -> None:
        self._index = index
        self._slots = BitMap()

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, slot: int) -> bool:
        return slot >= 0 and slot in self._slots

    def add(self, slot: int) -> None:
        """Take in a slot that the index has."""
        self._slots.add(slot)

    def discard(self, slot: int) -> None:
        """Take a slot out; one that is not in is no error. To be called before the index forgets it."""
        if slot >= 0:
            self._slots.discard(slot)

    def namespaces(self) -> tuple[str, ...]:
        """Return those of the whole index: some may have none of these slots."""
        return self._index.namespaces()

    def node_of(self, slot: int) -> str:
        """See PostingIndex."""
        return self._index.node_of(slot)

    def labels_of(self, slot: int) -> dict[str, str]:
        """See PostingIndex."""
        return self._index.labels_of(slot)

    def select(self, selector: Selector = (), namespace: str | None = None, node: str | None = None) -> BitMap:
        """See PostingIndex."""
        return self._index.select(selector, namespace, node) & self._slots


_NOTHING = BitMap()


def _union(key: _Key | None, values: tuple[str, ...]) -> BitMap:
    if key is None:
        return _NOTHING
    found = [key.values[value] for value in values if value in key.values]
    if len(found) == 1:
        return found[0]
    return BitMap.union(*found) if found else _NOTHING


def _add(postings: dict[str, BitMap], term: str, slot: int) -> None:
    slots = postings.get(term)
    if slots is None:
        slots = postings[term] = BitMap()
    slots.add(slot)


def _discard(postings: dict[str, BitMap], term: str, slot: int) -> None:
    slots = postings[term]
    slots.discard(slot)
    if not slots:
        del postings[term]
