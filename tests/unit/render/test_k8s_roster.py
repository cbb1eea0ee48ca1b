"""Rosters against a dict: order, membership, labels, and that nothing is kept too long."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.catalog.keys import Kind
from heapfast.render._roster import Roster
from tests.unit.render.usage import Usage

#: Short names over few letters: neighbours, prefixes of each other, and equal ones in two namespaces.
NAMES = st.tuples(st.sampled_from(["a", "a-b", "b"]), st.text("ab-é", min_size=1, max_size=4))
STEPS = st.lists(st.tuples(st.sampled_from(["put", "put", "put", "remove"]), NAMES, st.integers(0, 3)), max_size=60)


def bytewise(key: tuple[str, str]) -> tuple[bytes, bytes]:
    return key[0].encode(), key[1].encode()


@given(STEPS)
def test_a_roster_is_a_sorted_dict(steps: list[tuple[str, tuple[str, str], int]]) -> None:
    usage = Usage()
    slot_of: dict[tuple[str, str], int] = {}
    model: dict[tuple[str, str], dict[str, str]] = {}
    for step, key, number in steps:
        if step == "put":
            model[key] = {"n": str(number)}
            slot_of[key] = usage.put_pod(*key, model[key])
        elif key in slot_of:
            model.pop(key, None)
            usage.pods.remove(slot_of[key])
    every = array("I", slot_of.values())
    assert len(usage.pods) == len(model)
    assert [slot in usage.pods for slot in slot_of.values()] == [key in model for key in slot_of]
    assert list(usage.pods.ordered(every)) == [slot_of[key] for key in sorted(model, key=bytewise)]
    assert usage.pods.fragments == len({tuple(labels.items()) for labels in model.values()})


def test_many_names_stay_in_order_while_blocks_are_cut_and_given_back() -> None:
    usage = Usage()
    # 7 and 4999 have no common factor: every name once, in an order that is no order.
    names = [f"pod-{i * 7 % 4999:05}" for i in range(4999)]
    slots = {name: usage.put_pod("n", name) for name in names}
    assert list(usage.pods.ordered(array("I", slots.values()))) == [slots[name] for name in sorted(names)]
    few = array("I", [slots[name] for name in names[:40]])
    assert list(usage.pods.ordered(few)) == [slots[name] for name in sorted(names[:40])]
    for name in sorted(names)[:4000]:
        usage.pods.remove(slots[name])
    assert list(usage.pods.ordered(array("I", slots.values()))) == [slots[name] for name in sorted(names)[4000:]]
    for name in names:
        usage.pods.remove(slots[name])
    assert (len(usage.pods), usage.pods.fragments) == (0, 0)


def test_labels_that_come_and_go_are_kept_once_however_many_there_are() -> None:
    """Some of a workload, some that no other pod has."""
    usage = Usage()
    draw = random.Random(8)
    model: dict[str, dict[str, str]] = {}
    for _ in range(6_000):
        name = f"pod-{draw.randrange(900)}"
        if name in model and draw.random() < 0.3:
            usage.pods.remove(usage.put_pod("n", name, model.pop(name)))
        else:
            model[name] = {"app": f"{draw.randrange(20)}"} if draw.random() < 0.5 else {"pod": f"{draw.random()}"}
            usage.put_pod("n", name, model[name])
    assert usage.pods.fragments == len({tuple(labels.items()) for labels in model.values()})


def test_equal_labels_are_kept_once() -> None:
    usage = Usage()
    first = usage.put_pod("n", "a", {"app": "web", "tier": "fe"})
    usage.put_pod("n", "b", {"tier": "fe", "app": "web"})
    assert usage.pods.fragments == 1
    before = usage.pods.nbytes()
    usage.pods.put(first, {"app": "other"})
    assert usage.pods.fragments == 2
    assert usage.pods.nbytes() > before
    usage.pods.remove(first)
    assert usage.pods.fragments == 1
    assert usage.pods.nbytes() == before


def test_removing_twice_and_asking_for_strangers_is_no_error() -> None:
    usage = Usage()
    slot = usage.put_node("n")
    usage.nodes.remove(slot)
    usage.nodes.remove(slot)
    usage.nodes.remove(10**6)
    assert slot not in usage.nodes
    assert list(usage.nodes.ordered(array("I", [slot, 10**6]))) == []
    assert list(usage.nodes.ordered(array("I"))) == []


def test_a_slot_without_a_name_cannot_be_listed() -> None:
    with pytest.raises(ValueError, match="has no name"):
        Usage().pods.put(3, {})


def test_only_nodes_and_pods_can_be_listed() -> None:
    with pytest.raises(ValueError, match="only nodes and pods"):
        Roster(Usage().latest, Kind.NAMESPACE)
