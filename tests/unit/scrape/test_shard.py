"""Which replica scrapes a node: every node has one owner, and few nodes move when replicas come and go."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.scrape.shard import Shard, parse_shard

NODES = [f"node-{i:04}" for i in range(3000)]


def owners(count: int) -> dict[str, int]:
    return {node: Shard(0, count).owner(node) for node in NODES}


@given(st.text(), st.integers(1, 40))
def test_every_node_belongs_to_exactly_one_replica(node: str, count: int) -> None:
    assert sum(Shard(index, count).takes(node) for index in range(count)) == 1


def test_shares_are_even() -> None:
    sizes = Counter(owners(3).values())
    # 3000 nodes over 3: the standard deviation of a share is 26.
    assert all(abs(size - 1000) < 130 for size in sizes.values()), sizes


def test_only_the_new_replica_takes_nodes() -> None:
    before, after = owners(4), owners(5)
    moved = [node for node in NODES if before[node] != after[node]]
    assert {after[node] for node in moved} == {4}
    assert abs(len(moved) - len(NODES) / 5) < 110


def test_a_single_replica_takes_every_node() -> None:
    assert set(owners(1).values()) == {0}


def test_shares_are_the_same_in_every_release() -> None:
    # Replicas of two releases run beside each other while one replaces the other.
    assert [Shard(0, 7).owner(f"node-{i}") for i in range(8)] == [1, 4, 5, 6, 2, 1, 1, 2]


@pytest.mark.parametrize(
    ("text", "shard"), [("", Shard(0, 1)), ("0/1", Shard(0, 1)), ("2/3", Shard(2, 3)), ("07/10", Shard(7, 10))]
)
def test_reads_i_of_n(text: str, shard: Shard) -> None:
    assert parse_shard(text) == shard


@pytest.mark.parametrize(
    "text",
    ["3/3", "-1/3", "0/0", "1", "1/", "/3", "a/b", "1/3/5", " 1/3", "0/1001", "\u0661/\u0663"],
)
def test_refuses_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="I/N with 0 <= I < N <= 1000"):
        parse_shard(text)


def test_is_written_as_it_is_read() -> None:
    assert str(parse_shard("2/3")) == "2/3"
