"""Postings against a scan over plain dicts, for every operator and every order of changes."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heapfast.query._selector import parse_selector
from heapfast.store.index import PostingIndex, Subset
from heapfast.store.requirement import Operator, Requirement, Selector, matches

KEYS = ("app", "tier", "weight")
VALUES = ("", "a", "b", "5", "12", "-3")
NAMESPACES = ("default", "shop")
NODES = ("", "n1", "n2")

slots = st.integers(0, 20)
label_maps = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))


@st.composite
def requirements(draw: st.DrawFn) -> Requirement:
    operator = draw(st.sampled_from(list(Operator)))
    key = draw(st.sampled_from((*KEYS, "nobody-has-it")))
    if operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST):
        return Requirement(key, operator)
    if operator in (Operator.GREATER_THAN, Operator.LESS_THAN):
        return Requirement(key, operator, (draw(st.sampled_from(("-3", "5", "6"))),))
    values = draw(st.sets(st.sampled_from((*VALUES, "nobody-has-it")), min_size=1, max_size=3))
    return Requirement(key, operator, tuple(sorted(values)))


class IndexAgainstScan(RuleBasedStateMachine):
    """Plays the index against a dict of objects that is scanned for every question."""

    @initialize()
    def start(self) -> None:
        self.index = PostingIndex()
        self.objects: dict[int, tuple[str, dict[str, str], str]] = {}
        self.subset, self.chosen = Subset(self.index), set[int]()

    @rule(slot=slots, namespace=st.sampled_from(NAMESPACES), labels=label_maps, node=st.sampled_from(NODES))
    def put(self, slot: int, namespace: str, labels: dict[str, str], node: str) -> None:
        self.index.put(slot, namespace, labels, node)
        self.objects[slot] = (namespace, dict(labels), node)

    @rule(slot=slots)
    def remove(self, slot: int) -> None:
        self.leave(slot)
        self.index.remove(slot)
        self.objects.pop(slot, None)

    @rule(slot=slots)
    def choose(self, slot: int) -> None:
        if slot in self.objects:
            self.subset.add(slot)
            self.chosen.add(slot)

    @rule(slot=slots)
    def leave(self, slot: int) -> None:
        self.subset.discard(slot)
        self.chosen.discard(slot)

    @rule(
        selector=st.lists(requirements(), max_size=3).map(tuple),
        namespace=st.sampled_from((None, *NAMESPACES, "none-such")),
        node=st.sampled_from((None, "n1", "none-such")),
    )
    def select(self, selector: Selector, namespace: str | None, node: str | None) -> None:
        expected = [
            slot
            for slot, (its_namespace, labels, its_node) in self.objects.items()
            if namespace in (None, its_namespace) and node in (None, its_node) and matches(selector, labels)
        ]
        assert list(self.index.select(selector, namespace, node)) == sorted(expected)
        assert list(self.subset.select(selector, namespace, node)) == sorted(self.chosen.intersection(expected))

    @invariant()
    def holds_no_empty_postings(self) -> None:
        assert len(self.index) == len(self.objects)
        assert len(self.subset) == len(self.chosen)
        assert all((slot in self.subset) == (slot in self.chosen) for slot in self.objects)
        keys = {key for _, labels, _ in self.objects.values() for key in labels}
        assert set(self.index._keys) == keys
        assert set(self.index._namespaces) == {namespace for namespace, _, _ in self.objects.values()}
        assert set(self.index._nodes) == {node for _, _, node in self.objects.values() if node}


TestIndexAgainstScan = IndexAgainstScan.TestCase
TestIndexAgainstScan.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)


def test_result_is_the_callers_own() -> None:
    index = PostingIndex()
    index.put(1, "default", {"app": "web"})
    index.select(parse_selector("app=web")).discard(1)
    index.select().discard(1)
    index.select(namespace="default").discard(1)
    assert list(index.select(parse_selector("app"))) == [1]
    assert list(index.select()) == [1]


def test_a_subset_tells_what_its_index_knows() -> None:
    index = PostingIndex()
    index.put(1, "default", {"app": "web"}, "node-1")
    subset = Subset(index)
    assert 1 not in subset
    subset.add(1)
    assert (subset.node_of(1), subset.labels_of(1)) == ("node-1", {"app": "web"})
    # What a store says of a pod that nobody knew.
    subset.discard(-1)
    assert -1 not in subset


def test_labels_are_copied() -> None:
    index = PostingIndex()
    labels = {"app": "web"}
    index.put(1, "default", labels)
    labels["app"] = "other"
    assert list(index.select(parse_selector("app=web"))) == [1]
    index.remove(1)
    assert not index.select()


def test_nodes_are_found_by_slot() -> None:
    index = PostingIndex()
    index.put(1, "default", {}, "node-1")
    index.put(2, "default", {})
    assert (index.node_of(1), index.node_of(2)) == ("node-1", "")
    with pytest.raises(KeyError):
        index.node_of(3)


def test_removing_what_is_not_there_changes_nothing() -> None:
    index = PostingIndex()
    index.remove(7)
    assert 7 not in index
    assert not index.select()


def test_siblings_share_what_they_have_in_common() -> None:
    index, n = PostingIndex(), 2_000
    for slot in range(n):  # what the first of them needs is there already
        index.put(slot, "shop", {"app": "web"}, "n1")
    for slot in range(n):
        index.remove(slot)
    tracemalloc.start()
    try:
        for slot in range(n):
            # Texts of its own, as a decoder makes them.
            index.put(slot, "-shop"[1:], {"-app"[1:]: "-web"[1:], "tier": f"{'back' * 20}"}, "-n1"[1:])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 40 * n
    assert index.labels_of(n - 1) == {"app": "web", "tier": "back" * 20}


def test_a_label_of_ones_own_costs_no_bitmap() -> None:
    index, n = PostingIndex(), 2_000
    for slot in range(n):
        index.put(slot, "shop", {"app": "web"}, "n1")
    labels = [{"-app"[1:]: "-web"[1:], "-pod-name"[1:]: f"web-{slot:06}"} for slot in range(n)]
    tracemalloc.start()
    try:
        for slot in range(n):
            index.put(slot, "shop", labels[slot], "n1")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 500 * n
    assert list(index.select(parse_selector("pod-name=web-000007"))) == [7]
    assert list(index.having("pod-name", "web-000007")) == [7]
    assert index.values_of("pod-name") == [f"web-{slot:06}" for slot in range(n)]


def test_a_label_of_ones_own_may_become_that_of_others() -> None:
    index = PostingIndex()
    for slot in range(3):
        index.put(slot, "shop", {"app": "web", "index": "0"})
    for slot in range(2):
        index.remove(slot)
    assert list(index.select(parse_selector("index=0"))) == [2]
    index.put(0, "shop", {"index": "0", "tier": "back"})
    index.remove(2)
    assert list(index.select(parse_selector("index=0"))) == [0]
    assert index.labels_of(0) == {"index": "0", "tier": "back"}
    assert index.values_of("app") == []
