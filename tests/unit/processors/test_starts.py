"""Pod starts: what counts as one, and that nothing is told twice."""

from __future__ import annotations

import pytest

from heapfast.processors.pod import ContainerSpec
from heapfast.processors.starts import PodStarts

NO_STATUS = -1


def container(restarts: int = 0, *, has_ended: bool = False) -> ContainerSpec:
    return ("c", "i:1", 0, 0, 0, 0, restarts, has_ended)


@pytest.fixture
def told() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def starts(told: list[tuple[str, int]]) -> PodStarts:
    return PodStarts(lambda node, slot: told.append((node, slot)))


@pytest.mark.parametrize(
    ("before", "after", "is_start"),
    [
        ([], [container()], True),
        ([], [container(NO_STATUS)], False),
        ([container(NO_STATUS)], [container()], True),
        ([container()], [container()], False),
        ([container()], [container(), container()], True),
        ([container(), container()], [container(), container(has_ended=True)], False),
        ([container(has_ended=True)], [container(1)], True),
        ([container(3)], [container(4)], True),
        ([container(255)], [container(256)], True),
        ([container(3)], [container(3, has_ended=True)], False),
        ([container()] * 300, [container()] * 300, False),
    ],
    ids=[
        "first", "not-yet", "then", "same", "one-more", "one-less", "after-its-end", "restart", "byte-wraps", "end",
        "more-than-a-byte",
    ],
)  # fmt: skip
def test_what_is_a_start(
    starts: PodStarts,
    told: list[tuple[str, int]],
    before: list[ContainerSpec],
    after: list[ContainerSpec],
    is_start: bool,
) -> None:
    starts.put(7, "n1", before)
    told.clear()
    for _ in range(2):
        starts.put(7, "n1", after)
    assert told == ([("n1", 7)] if is_start else [])


def test_pods_do_not_stand_for_each_other(starts: PodStarts, told: list[tuple[str, int]]) -> None:
    for slot in (3, 0, 100_000):
        starts.put(slot, f"n{slot}", [container()])
    assert told == [("n3", 3), ("n0", 0), ("n100000", 100_000)]


def test_the_next_pod_in_a_slot_is_a_new_one(starts: PodStarts, told: list[tuple[str, int]]) -> None:
    for node in ("n1", "n2"):
        starts.put(5, node, [container()])
        starts.remove(5)
    assert told == [("n1", 5), ("n2", 5)]


def test_what_was_never_there_can_be_removed(starts: PodStarts, told: list[tuple[str, int]]) -> None:
    for slot in (-1, 0, 50):
        starts.remove(slot)
    starts.put(50, "n1", [container()])
    assert told == [("n1", 50)]


def test_a_pod_on_no_node_starts_nowhere(starts: PodStarts, told: list[tuple[str, int]]) -> None:
    starts.put(0, "", [container()])
    assert told == []
