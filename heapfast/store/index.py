"""Postings: which slots have a label, a namespace, a node; selectors as bitmap algebra.

In      slots with labels, one call for each change the watch brings
Out     BitMap of the slots that a selector means
Callers processors put and remove; api and render/mean_items.py select, long selectors by way of query/selection.py
Source  design section 5; selectors: query/_selector.pyx, naive form: `requirement.matches` on every object
Never   scans entities: a question costs what its result and its terms' postings cost; keeps equal texts twice

One index a kind of entity: pods, with namespace and node; nodes, without. Running pods, which alone some may see, are a
Subset of it. Belongs to the loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pyroaring import BitMap

from heapfast.store._values import gather_postings, integers_beyond, slots_beyond
from heapfast.store.requirement import Operator, Requirement, Selector

KeptT = TypeVar("KeptT")
Label = tuple[str, str]


class Postings(Protocol):
    """What may be asked of an index, or of a part of one: see PostingIndex."""

    def __contains__(self, slot: int) -> bool: ...
    def namespaces(self) -> tuple[str, ...]: ...
    def node_of(self, slot: int) -> str: ...
    def labels_of(self, slot: int) -> dict[str, str]: ...
    def select(self, selector: Selector = (), namespace: str | None = None, node: str | None = None) -> BitMap: ...
    def values_of(self, key: str) -> list[str]: ...
    def count_values(self, key: str) -> int: ...
    def having(self, key: str, value: str) -> BitMap: ...
    def beyond(self, key: str, bound: int, slots: Iterable[int], *, is_greater: bool) -> BitMap: ...


class _LabelSet:
    """Labels that some entities have, all of them the same: kept once, with how many these are."""

    __slots__ = ("labels", "uses")

    def __init__(self, labels: tuple[Label, ...]) -> None:
        self.labels = labels
        self.uses = 0


class _Term(Generic[KeptT]):
    """Postings of one value of a label, one namespace or one node; `kept`: the label or the name, for all of them."""

    __slots__ = ("kept", "slots")

    def __init__(self, kept: KeptT, slots: BitMap) -> None:
        self.kept = kept
        self.slots = slots


class _Key:
    """Postings of one label key: all slots that have it, and those of each value.

    A value that one slot alone has stands with that slot, since every pod of a StatefulSet has a value of its own: with
    a bitmap each, and labels that share nothing, such a pod took 1,399 bytes; it takes 465 (RSS).
    """

    __slots__ = ("slots", "text", "values")

    def __init__(self, text: str) -> None:
        self.text = text
        self.slots = BitMap()
        self.values: dict[str, _Term[Label] | int] = {}


class PostingIndex:
    """Inverted index over the slots of one kind of entity."""

    def __init__(self) -> None:
        # By slot. Siblings share their set, and whoever lives in one place its name: of 150,000 pods of 3,000
        # workloads, 1,198 bytes a pod became 74 (RSS, postings included).
        self._sets: list[_LabelSet | None] = []
        self._namespace_of: list[str] = []
        self._node_of: list[str] = []
        self._kept_sets: dict[tuple[Label, ...], _LabelSet] = {}
        self._all = BitMap()
        self._keys: dict[str, _Key] = {}
        self._namespaces: dict[str, _Term[str]] = {}
        self._nodes: dict[str, _Term[str]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, slot: int) -> bool:
        return 0 <= slot < len(self._sets) and self._sets[slot] is not None

    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces that have an entity, in no order."""
        return tuple(self._namespaces)

    def node_of(self, slot: int) -> str:
        """Return the node that an entity is bound to; "" for none.

        Raises:
            KeyError: it is not in the index.
        """
        self._set_of(slot)
        return self._node_of[slot]

    def labels_of(self, slot: int) -> dict[str, str]:
        """Return an entity's labels, as a dict of the caller's own.

        Raises:
            KeyError: it is not in the index.
        """
        return dict(self._set_of(slot).labels)

    def values_of(self, key: str) -> list[str]:
        """Return every value of a label, in no order."""
        postings = self._keys.get(key)
        return list(postings.values) if postings else []

    def count_values(self, key: str) -> int:
        """Return how many values a label has."""
        postings = self._keys.get(key)
        return len(postings.values) if postings else 0

    def having(self, key: str, value: str) -> BitMap:
        """Return the slots with a label: perhaps the index's own bitmap, which goes on changing; not to be changed."""
        postings = self._keys.get(key)
        return _slots(postings.values.get(value) if postings else None)

    def beyond(self, key: str, bound: int, slots: Iterable[int], *, is_greater: bool) -> BitMap:
        """Return those of some slots whose value of a label is an integer above a bound, or below it.

        Slot by slot: of a label that each pod has for itself, to list the values alone would hold the loop for 2.5 ms.
        """
        return BitMap(slots_beyond(self._sets, key, slots, bound, is_greater))

    def put(self, slot: int, namespace: str, labels: Mapping[str, str], node: str = "") -> None:
        """Enter an entity, or replace what is known of it. Costs O(its labels).

        Args:
            slot: of the entity in the store's table.
            namespace: it lives in; "" for nodes.
            labels: of the API object, copied.
            node: a pod is bound to; "" for none, and for nodes.
        """
        items = tuple(labels.items())
        if slot in self:
            if (self._namespace_of[slot], self._set_of(slot).labels, self._node_of[slot]) == (namespace, items, node):
                return
            self.remove(slot)
        self._reserve(slot)
        labels_kept = tuple([self._add_label(key, value, slot) for key, value in items])
        kept = self._kept_sets.get(items)
        if kept is None:
            kept = self._kept_sets[labels_kept] = _LabelSet(labels_kept)
        kept.uses += 1
        self._sets[slot] = kept
        self._all.add(slot)
        if namespace:
            self._namespace_of[slot] = _add(self._namespaces, namespace, slot)
        if node:
            self._node_of[slot] = _add(self._nodes, node, slot)

    def remove(self, slot: int) -> None:
        """Take an entity out; one that is not in is no error."""
        if slot not in self:
            return
        kept = self._set_of(slot)
        for key, value in kept.labels:
            self._discard_label(key, value, slot)
        if self._namespace_of[slot]:
            _discard(self._namespaces, self._namespace_of[slot], slot)
        if self._node_of[slot]:
            _discard(self._nodes, self._node_of[slot], slot)
        kept.uses -= 1
        if not kept.uses:
            del self._kept_sets[kept.labels]
        self._sets[slot] = None
        self._namespace_of[slot] = self._node_of[slot] = ""
        self._all.discard(slot)

    def _add_label(self, key: str, value: str, slot: int) -> Label:
        """Enters a slot under a label; returns the label as it is kept."""
        postings = self._keys.get(key)
        if postings is None:
            postings = self._keys[key] = _Key(key)
        postings.slots.add(slot)
        found = postings.values.get(value)
        if found is None:
            postings.values[value] = slot
            return postings.text, value
        if isinstance(found, int):
            kept = next(label for label in self._set_of(found).labels if label[0] == key)
            found = postings.values[value] = _Term(kept, BitMap((found,)))
        found.slots.add(slot)
        return found.kept

    def _discard_label(self, key: str, value: str, slot: int) -> None:
        postings = self._keys[key]
        found = postings.values[value]
        if not isinstance(found, int):
            found.slots.discard(slot)
        if isinstance(found, int) or not found.slots:
            del postings.values[value]
        postings.slots.discard(slot)
        if not postings.slots:
            del self._keys[key]

    def _set_of(self, slot: int) -> _LabelSet:
        found = self._sets[slot] if 0 <= slot < len(self._sets) else None
        if found is None:
            raise KeyError(slot)
        return found

    def _reserve(self, slot: int) -> None:
        more = slot + 1 - len(self._sets)
        if more > 0:
            self._sets.extend([None] * more)
            self._namespace_of.extend([""] * more)
            self._node_of.extend([""] * more)

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
            wanted.append(_slots(self._namespaces.get(namespace)))
        if node is not None:
            wanted.append(_slots(self._nodes.get(node)))
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
                wanted.append(_slots(key))
            case Operator.DOES_NOT_EXIST:
                unwanted.append(_slots(key))
            case _:
                is_greater = requirement.operator is Operator.GREATER_THAN
                values = list(key.values) if key else []
                wanted.append(_union(key, integers_beyond(values, int(requirement.values[0]), is_greater)))


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

    def values_of(self, key: str) -> list[str]:
        """Return those of the whole index: some may have none of these slots."""
        return self._index.values_of(key)

    def count_values(self, key: str) -> int:
        """Return how many there are in the whole index."""
        return self._index.count_values(key)

    def having(self, key: str, value: str) -> BitMap:
        """Return those of the whole index: some may be none of these."""
        return self._index.having(key, value)

    def beyond(self, key: str, bound: int, slots: Iterable[int], *, is_greater: bool) -> BitMap:
        """See PostingIndex."""
        return self._index.beyond(key, bound, slots, is_greater=is_greater)

    def select(self, selector: Selector = (), namespace: str | None = None, node: str | None = None) -> BitMap:
        """See PostingIndex."""
        return self._index.select(selector, namespace, node) & self._slots


_NOTHING = BitMap()


def _slots(of: _Term[Any] | _Key | int | None) -> BitMap:
    if of is None:
        return _NOTHING
    return BitMap((of,)) if isinstance(of, int) else of.slots


def _union(key: _Key | None, values: Sequence[str]) -> BitMap:
    if key is None:
        return _NOTHING
    if len(values) == 1:
        return _slots(key.values.get(values[0]))
    slots, terms = gather_postings(key.values, values)
    found = [term.slots for term in terms]
    if slots:
        # One for all of them: with a bitmap each, 20,000 took 6 ms.
        found.append(BitMap(slots))
    if len(found) == 1:
        return found[0]
    return BitMap.union(*found) if found else _NOTHING


def _add(postings: dict[str, _Term[str]], name: str, slot: int) -> str:
    """Enters a slot under a name; returns the name as it is kept."""
    found = postings.get(name)
    if found is None:
        found = postings[name] = _Term(name, BitMap())
    found.slots.add(slot)
    return found.kept


def _discard(postings: dict[str, _Term[str]], name: str, slot: int) -> None:
    found = postings[name]
    found.slots.discard(slot)
    if not found.slots:
        del postings[name]
