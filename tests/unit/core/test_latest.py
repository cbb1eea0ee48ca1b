"""The latest view: the newest sample of each container and node, the moment its target was ingested."""

from __future__ import annotations

from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from tests.unit.core.cluster import WEB, Cluster, spec
from tests.unit.store.rows import SECOND_NS, START_NS, container, node

C = (*WEB, "c")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def _rate(cluster: Cluster) -> int | None:
    latest = cluster.latest(*C)
    assert latest is not None
    return latest["rate_millicores"]


def _answer(cluster: Cluster, cpu_ns: int, after_s: int = 10, **more: Any) -> None:
    cluster.at += after_s * SECOND_NS
    cluster.ingest(*cluster.web(cpu_ns, **more))


def test_a_first_sample_has_no_rate(cluster: Cluster) -> None:
    cluster.ingest(*cluster.web(5))
    assert cluster.latest(*C) == {
        "sample_ns": cluster.at,
        "start_ns": START_NS,
        "cpu_ns": 5,
        "memory_bytes": 7,
        "rate_millicores": None,
        "window_ns": 0,
    }


def test_a_second_sample_has_a_rate_before_any_tick(cluster: Cluster) -> None:
    _answer(cluster, 0)
    _answer(cluster, 5 * SECOND_NS)
    latest = cluster.latest(*C)
    assert latest is not None
    assert (latest["rate_millicores"], latest["window_ns"]) == (500, 10 * SECOND_NS)
    assert cluster.store.newest is None


@pytest.mark.parametrize("after_s", [0, -5], ids=["the same", "older"])
def test_a_sample_that_is_not_newer_changes_nothing(cluster: Cluster, after_s: int) -> None:
    _answer(cluster, 0)
    _answer(cluster, 5 * SECOND_NS)
    before = cluster.latest(*C)
    _answer(cluster, 9 * SECOND_NS, after_s)
    assert cluster.latest(*C) == before


def test_a_sample_without_a_time_changes_nothing(cluster: Cluster) -> None:
    _answer(cluster, 0)
    before = cluster.latest(*C)
    row = container(*C, {"cpu/usage": 5}, uid="kubelet-web")
    row["sample_ns"] = None
    cluster.ingest(row)
    assert cluster.latest(*C) == before


@pytest.mark.parametrize("more", [{"start": START_NS + 1}, {"uid": "another"}], ids=["restart", "another pod"])
def test_a_rate_begins_anew_after(cluster: Cluster, more: dict[str, Any]) -> None:
    _answer(cluster, 0)
    _answer(cluster, SECOND_NS, **more)
    assert _rate(cluster) is None
    _answer(cluster, 2 * SECOND_NS, **more)
    assert _rate(cluster) == 100


def test_a_counter_that_falls_gives_no_rate(cluster: Cluster) -> None:
    _answer(cluster, 5)
    _answer(cluster, 4)
    assert _rate(cluster) is None


def test_a_sample_without_cpu_keeps_none(cluster: Cluster) -> None:
    _answer(cluster, 5)
    cluster.at += SECOND_NS
    cluster.ingest(container(*C, {"memory/working_set": 3}, at=cluster.at, uid="kubelet-web"))
    latest = cluster.latest(*C)
    assert latest is not None
    assert (latest["cpu_ns"], latest["rate_millicores"], latest["memory_bytes"]) == (None, None, 3)


def test_two_answers_in_one_tick_both_count(cluster: Cluster) -> None:
    """After a new UID each further answer of that tick forgot the former."""
    _answer(cluster, 0, uid="first")
    for number in range(3):
        _answer(cluster, number * SECOND_NS, uid="second")
    assert _rate(cluster) == 100


def test_a_pod_that_is_gone_leaves_no_sample_to_its_successor(cluster: Cluster) -> None:
    cluster.put_web(spec("c"), uid="uid-1")
    _answer(cluster, 0)
    cluster.put_web(spec("c"), uid="uid-1")
    assert cluster.latest(*C) is not None
    cluster.put_web(spec("c"), uid="uid-2")
    assert cluster.latest(*C) is None
    _answer(cluster, 0)
    cluster.store.remove_pod(*WEB)
    assert cluster.latest(*C) is None


def test_nodes_have_a_latest_sample_and_pods_do_not(cluster: Cluster) -> None:
    cluster.ingest(node(metrics={"cpu/usage": 1}, at=cluster.at), *cluster.web(1))
    assert cluster.store.latest_sample(Kind.NODE, cluster.n1) is not None
    assert cluster.store.latest_sample(Kind.POD, cluster.slot(Kind.POD, *WEB)) is None


def test_the_latest_view_outlives_ticks_and_is_forgotten_with_the_slot() -> None:
    cluster = Cluster(short_retention_ns=1, long_retention_ns=1)
    _answer(cluster, 0)
    slot = cluster.slot(Kind.POD_CONTAINER, *C)
    cluster.tick()
    assert cluster.store.latest_sample(Kind.POD_CONTAINER, slot) is not None
    cluster.tick()
    cluster.tick()
    assert cluster.store.latest_sample(Kind.POD_CONTAINER, slot) is None


def test_more_containers_than_at_first_all_have_a_latest_sample(cluster: Cluster) -> None:
    cluster.ingest(*(container("a", f"p{n}", "c", {"cpu/usage": n}, at=cluster.at) for n in range(500)))
    for n in (0, 63, 64, 499):
        latest = cluster.latest("a", f"p{n}", "c")
        assert latest is not None
        assert latest["cpu_ns"] == n
