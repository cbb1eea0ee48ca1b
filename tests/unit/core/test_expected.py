"""Where a node's last answer went its next one is expected to go; each row goes where its names say."""

from __future__ import annotations

import pytest

from heapfast.catalog.keys import Kind
from tests.unit.core.cluster import Cluster
from tests.unit.store.rows import SECOND_NS, Row, container, node, pod

FIRST = [("shop", f"web-{i}", name) for i in range(5) for name in ("app", "sidecar")]
GONE_SECONDS = 1_000


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def rows_of(names: list[tuple[str, str, str]], start: int = 1) -> list[Row]:
    """A value for each that no other one has."""
    return [container(*one, {"memory/usage": start + i}) for i, one in enumerate(names)]


def values(cluster: Cluster, names: list[tuple[str, str, str]]) -> list[int | float | None]:
    return [cluster.value("memory/usage", Kind.POD_CONTAINER, *one) for one in names]


@pytest.mark.parametrize(
    "second",
    [
        FIRST,
        FIRST[::-1],
        sorted(FIRST, key=lambda one: (one[2], one[1])),
        FIRST[:3] + FIRST[5:],
        [*FIRST[:4], ("shop", "new", "app"), *FIRST[4:]],
        [*FIRST[:4], ("shop", "web-2", "renamed"), *FIRST[5:]],
        [("other", *one[1:]) for one in FIRST],
        [*FIRST[:2], ("other", "web-0", "app"), *FIRST[2:]],
        [("shop", f"else-{i}", "app") for i in range(100)],
        FIRST[:1],
        [],
    ],
    ids=[
        "the same", "backwards", "by container", "some are gone", "one is new", "one is renamed", "another namespace",
        "a namesake in another namespace", "all others, and more", "one is left", "none is left",
    ],
)  # fmt: skip
def test_rows_go_to_whom_they_name(cluster: Cluster, second: list[tuple[str, str, str]]) -> None:
    cluster.tick(node(), *rows_of(FIRST))
    for start in (100, 200, 300):
        cluster.tick(node(), *rows_of(second, start))
        assert values(cluster, second) == list(range(start, start + len(second)))
        gone = [one for one in FIRST if one not in second]
        assert values(cluster, gone) == [None] * len(gone)


def test_a_pod_that_moves_is_found_on_both_nodes(cluster: Cluster) -> None:
    n2 = cluster.put_node("n2")
    for start in (1, 100, 200):
        cluster.ingest(node(), *rows_of(FIRST[:4], start))
        cluster.tick(node("n2"), *rows_of(FIRST[4:], start + 50), node=n2)
        assert values(cluster, FIRST) == [*range(start, start + 4), *range(start + 50, start + 56)]
        cluster.ingest(node(), *rows_of(FIRST[4:], start))
        cluster.tick(node("n2"), *rows_of(FIRST[:4], start + 50), node=n2)
        assert values(cluster, FIRST) == [*range(start + 50, start + 54), *range(start, start + 6)]


def test_a_slot_that_was_given_to_another_is_not_taken_for_the_one_before(cluster: Cluster) -> None:
    n2 = cluster.put_node("n2")
    cluster.tick(node(), *rows_of(FIRST))
    slots = [cluster.store.find(Kind.POD_CONTAINER, *one) for one in FIRST]
    cluster.at += GONE_SECONDS * SECOND_NS
    cluster.tick()
    cluster.tick()
    others = [("shop", f"other-{i}", name) for i in range(5) for name in ("app", "sidecar")]
    cluster.tick(node("n2"), *rows_of(others, 50), node=n2)
    assert {cluster.store.find(Kind.POD_CONTAINER, *one) for one in others} == set(slots)
    cluster.ingest(node(), *rows_of(FIRST, 100))
    cluster.tick(node("n2"), *rows_of(others, 150), node=n2)
    assert values(cluster, FIRST) == list(range(100, 110))
    assert values(cluster, others) == list(range(150, 160))


def test_an_answer_with_pods_of_its_own_changes_nothing_of_what_is_expected(cluster: Cluster) -> None:
    cluster.tick(node(), *rows_of(FIRST))
    before = cluster.store.stats()["expected_bytes"]
    cluster.tick(node(), pod("shop", "web-0"), *rows_of(FIRST[:2], 100))
    assert values(cluster, FIRST[:2]) == [100, 101]
    assert cluster.store.stats()["expected_bytes"] == before
    cluster.tick(node(), *rows_of(FIRST, 200))
    assert values(cluster, FIRST) == list(range(200, 210))


def test_what_is_expected_of_a_node_goes_with_it(cluster: Cluster) -> None:
    cluster.tick(node("n1"), *rows_of(FIRST))
    with_it = cluster.store.stats()["expected_bytes"]
    cluster.store.remove_node("n1")
    for _ in range(3):
        cluster.at += GONE_SECONDS * SECOND_NS
        cluster.tick()
    assert cluster.store.find(Kind.NODE, "n1") == -1
    assert cluster.store.stats()["expected_bytes"] == with_it - 8 * (len(FIRST) + 1)
