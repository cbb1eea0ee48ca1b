"""Which pods were announced, against a dict, while pods come, go and wait for a batch to be closed."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.kube.pods import Pod
from heapfast.processors.gate import Gate
from heapfast.processors.known import KnownPods
from heapfast.processors.labels import LabelCopier
from heapfast.processors.pod import PodEnricher
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex
from tests.unit.store.rows import SECOND_NS, T0_NS, container

keys = st.sampled_from([f"{namespace}/p{number}" for namespace in ("a", "b") for number in range(4)])


def pod(key: str) -> Pod:
    namespace, _, name = key.partition("/")
    return Pod(
        namespace=namespace, name=name, uid="u", labels={}, node_name="", phase="Running", start_ns=0, containers=()
    )


class KnownAgainstDict(RuleBasedStateMachine):
    """A reflector's calls, in its order: what it announces, it has noted before."""

    @initialize()
    def start(self) -> None:
        self.store = Store(short_retention_ns=SECOND_NS, long_retention_ns=SECOND_NS)
        self.node = self.store.put_node("n", hostname="", host_id="", labels="")
        self.at = T0_NS
        self.gate = Gate()
        self.known = KnownPods(self.store)
        self.enricher = PodEnricher(self.store, PostingIndex(), LabelCopier(), self.gate, known=self.known)
        self.want: dict[str, int] = {}

    @rule(key=keys, number=st.integers(1, 3))
    def announce(self, key: str, number: int) -> None:
        self.known[key] = self.want[key] = number
        self.enricher.upsert(pod(key))

    @rule(key=keys, number=st.integers(1, 3))
    def announce_in_vain(self, key: str, number: int) -> None:
        """The store does not take it."""
        self.known[key] = self.want[key] = number

    @rule(key=keys)
    def delete(self, key: str) -> None:
        if key in self.want:
            del self.known[key], self.want[key]
            self.enricher.delete(key)

    @rule(key=keys)
    def hear_of_by_a_kubelet(self, key: str) -> None:
        self.store.ingest(rows_of([container(*key.split("/"), "c", at=self.at)]), self.node, self.at)

    @rule(wait=st.lists(st.tuples(keys, st.booleans()), max_size=4))
    def close_a_batch(self, wait: list[tuple[str, bool]]) -> None:
        """Gives slots back; meanwhile some come and some go."""
        self.at += 15 * SECOND_NS
        self.gate.shut()
        closing = self.store.swap(self.at)
        closing.run()
        for key, comes in wait:
            if comes:
                self.announce(key, 1)
            else:
                self.delete(key)
        self.store.commit(closing, self.at)
        self.gate.open()

    @invariant()
    def is_the_dict(self) -> None:
        assert len(self.known) == len(self.want)
        assert dict(self.known.items()) == self.want
        for namespace in ("a", "b"):
            for number in range(4):
                key = f"{namespace}/p{number}"
                assert (key in self.known) == (key in self.want)


TestKnownAgainstDict = KnownAgainstDict.TestCase
TestKnownAgainstDict.settings = settings(max_examples=80, stateful_step_count=40, deadline=None, derandomize=True)


def test_deleting_what_was_never_announced_is_an_error() -> None:
    store = Store()
    known = KnownPods(store)
    store.put_pod("a", "p", uid="u", labels="")
    for key in ("a/p", "a/q", "b/p", "p"):
        assert key not in known
        with pytest.raises(KeyError):
            del known[key]


def test_a_pod_that_the_store_has_is_kept_by_its_slot_alone() -> None:
    store = Store()
    known = KnownPods(store)
    enricher = PodEnricher(store, PostingIndex(), LabelCopier(), Gate(), known=known)
    for number in range(100):
        known[f"a/p{number}"] = 1
        enricher.upsert(pod(f"a/p{number}"))
    assert known._waiting == {}
    assert store.find(Kind.POD, "a", "p99") >= 0
    assert sorted(known) == sorted(f"a/p{number}" for number in range(100))
