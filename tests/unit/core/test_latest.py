"""The latest view: which two points count, and what is served of them (spec/metrics-k8s-io.md 15 and 16)."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from heapfast.catalog.keys import Kind
from tests.unit.core.cluster import WEB, Cluster, spec
from tests.unit.store.rows import SECOND_NS, T0_NS, container, node

C = (*WEB, "c")
OK, NONE, STALE, ONE_POINT, START_FELL, CPU_FELL, NOT_WHOLE = range(7)
RESOLUTION_S = 60


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


class Served(NamedTuple):
    """What is served of a node, or of a pod and its containers by name."""

    status: int
    cpu_nanocores: int
    memory_bytes: int
    time_ns: int
    window_ns: int
    containers: dict[str, tuple[int, int]] | None = None


def _pod(cluster: Cluster, *, after_s: float = 0) -> Served:
    found = cluster.store.latest.pod_sample(cluster.slot(Kind.POD, *WEB), cluster.at + round(after_s * SECOND_NS))
    names = {cluster.store.name(Kind.POD_CONTAINER, slot): (cpu, memory) for slot, cpu, memory in found[5]}
    return Served(*found[:5], names)


def _node(cluster: Cluster) -> Served:
    return Served(*cluster.store.latest.node_sample(cluster.n1, cluster.at))


def _answer(
    cluster: Cluster, cpu_ns: int, *, after_s: float = 60, name: str = "c", memory: int = 7, **more: Any
) -> None:
    cluster.at += round(after_s * SECOND_NS)
    at = more.pop("at", cluster.at)
    metrics = {"cpu/usage": cpu_ns, "memory/working_set": memory}
    cluster.ingest(container(*WEB, name, metrics, at=at, **more))


def test_a_second_sample_is_served_before_any_tick(cluster: Cluster) -> None:
    _answer(cluster, 0)
    assert _pod(cluster).status == ONE_POINT
    _answer(cluster, 18 * SECOND_NS)
    assert _pod(cluster) == (OK, 300_000_000, 7, cluster.at, 60 * SECOND_NS, {"c": (300_000_000, 7)})
    assert cluster.store.newest is None


def test_rates_are_cut_as_the_reference_cuts_them(cluster: Cluster) -> None:
    """0.3 of a core over 15.011 s, in 64-bit floats: one nanocore short."""
    _answer(cluster, 0)
    _answer(cluster, 4_503_300_000, after_s=15.011)
    assert _pod(cluster).cpu_nanocores == int(4_503_300_000 / (15 + 11_000_000 / 1e9))


CONTAINER_CASES = {
    # start and time in seconds of (first, second, third) point -> status, window in seconds
    "first seen": ([(-1000, 0, 0)], ONE_POINT, 0),
    "newer": ([(-1000, 0, 0), (-1000, 60, 6)], OK, 60),
    "same time again, no older point": ([(-1000, 0, 0), (-1000, 0, 6)], ONE_POINT, 0),
    "same time again keeps the older point": ([(-1000, 0, 0), (-1000, 60, 6), (-1000, 60, 12)], OK, 60),
    "between the two": ([(-1000, 0, 0), (-1000, 60, 6), (-1000, 30, 3)], OK, 30),
    "older than both": ([(-1000, 0, 5), (-1000, 60, 6), (-1000, -30, 3)], ONE_POINT, 0),
    "fresh: from its start": ([(10, 30, 4)], OK, 20),
    "fresh at just 10 s": ([(20, 30, 4)], OK, 10),
    "younger than 10 s": ([(21, 30, 4)], ONE_POINT, 0),
    "as old as a resolution": ([(-30, 30, 4)], ONE_POINT, 0),
    "restarted since": ([(-1000, 0, 9), (55, 60, 1)], ONE_POINT, 0),
    "restarted since, and fresh": ([(-1000, 0, 9), (45, 60, 3)], OK, 15),
    "start fell": ([(-100, 0, 0), (-1000, 60, 6)], START_FELL, 0),
    "counter fell": ([(-1000, 0, 9), (-1000, 60, 6)], CPU_FELL, 0),
    "start after the sample": ([(90, 60, 6)], ONE_POINT, 0),
    "no start": ([(None, 0, 0), (None, 60, 6)], OK, 60),
    "start missing after it was there": ([(-1000, 0, 0), (None, 60, 6)], START_FELL, 0),
    "used no CPU": ([(-1000, 0, 5), (-1000, 60, 5)], OK, 60),
    "never used CPU": ([(-1000, 0, 0), (-1000, 60, 0)], OK, 60),
}


@pytest.mark.parametrize("case", CONTAINER_CASES)
def test_which_points_of_a_container_count(cluster: Cluster, case: str) -> None:
    points, status, window_s = CONTAINER_CASES[case]
    zero = cluster.at
    for start_s, time_s, cpu_s in points:
        start = None if start_s is None else zero + start_s * SECOND_NS
        row = container(
            *C, {"cpu/usage": cpu_s * SECOND_NS, "memory/working_set": 7}, at=zero + time_s * SECOND_NS, start=start
        )
        cluster.ingest(row)
    found = _pod(cluster)
    assert (found.status, found.window_ns if status == OK else 0) == (status, window_s * SECOND_NS)


NODE_CASES: dict[str, tuple[list[tuple[int, int]], int, int]] = {
    "first seen": ([(0, 1)], ONE_POINT, 0),
    "newer": ([(0, 1), (60, 6)], OK, 60),
    "same time keeps the older point": ([(0, 1), (60, 6), (60, 7)], OK, 60),
    "older than both": ([(0, 5), (60, 6), (-30, 3)], ONE_POINT, 0),
    "counter fell": ([(0, 9), (60, 6)], CPU_FELL, 0),
    "without CPU is no point": ([(0, 1), (60, 0)], ONE_POINT, 0),
}


@pytest.mark.parametrize("case", NODE_CASES)
def test_which_points_of_a_node_count(cluster: Cluster, case: str) -> None:
    points, status, window_s = NODE_CASES[case]
    zero = cluster.at
    for time_s, cpu_s in points:
        metrics = {"cpu/usage": cpu_s * SECOND_NS, "memory/working_set": 7}
        cluster.ingest(node(metrics=metrics, at=zero + time_s * SECOND_NS))
    found = _node(cluster)
    assert (found.status, found.window_ns if status == OK else 0) == (status, window_s * SECOND_NS)


def test_a_pod_has_the_earliest_time_of_its_containers_and_their_sums(cluster: Cluster) -> None:
    for second in (0, 60):
        metrics = {"cpu/usage": second * SECOND_NS // 10, "memory/working_set": 5}
        at = cluster.at + second * SECOND_NS
        cluster.ingest(
            *(container(*WEB, name, metrics, at=at + late) for name, late in (("z", 0), ("a", 3), ("m", -2)))
        )
    found = _pod(cluster)
    assert (found.status, found.memory_bytes, found.time_ns) == (OK, 15, cluster.at + 60 * SECOND_NS - 2)
    assert list(found.containers or ()) == ["a", "m", "z"]


def test_a_container_that_was_never_whole_hides_its_pod(cluster: Cluster) -> None:
    for second in (0, 60):
        at = cluster.at + second * SECOND_NS
        whole = container(*WEB, "a", {"cpu/usage": second, "memory/working_set": 5}, at=at)
        cluster.ingest(whole, container(*WEB, "b", {"memory/working_set": 5}, at=at))
    assert _pod(cluster).status == NOT_WHOLE


@pytest.mark.parametrize(
    "left", [{"memory/working_set": 5}, {"cpu/usage": 1}, {"cpu/usage": 1, "memory/working_set": 0}]
)
def test_one_sample_that_is_missing_keeps_the_one_before(cluster: Cluster, left: dict[str, int]) -> None:
    _answer(cluster, 0)
    _answer(cluster, 18 * SECOND_NS)
    before = _pod(cluster)
    cluster.at += 60 * SECOND_NS
    cluster.ingest(container(*C, left, at=cluster.at))
    assert _pod(cluster) == before


def test_samples_that_stay_missing_are_stale_though_the_node_answers(cluster: Cluster) -> None:
    whole = {"cpu/usage": 1, "memory/working_set": 7}
    for metrics, status in ((whole, ONE_POINT), (whole, OK), *[({"cpu/usage": 1}, OK)] * 3, ({"cpu/usage": 1}, STALE)):
        cluster.at += RESOLUTION_S * SECOND_NS
        cluster.ingest(node(metrics=metrics, at=cluster.at), container(*C, metrics, at=cluster.at))
        assert (_pod(cluster).status, _node(cluster).status) == (status, status)


def test_a_pod_that_is_in_no_answer_any_more_is_gone_with_it(cluster: Cluster) -> None:
    _answer(cluster, 0)
    _answer(cluster, 18 * SECOND_NS)
    cluster.ingest(container("other", "pod", "c", {"cpu/usage": 1, "memory/working_set": 1}, at=cluster.at))
    assert _pod(cluster).status == NONE


def test_a_node_that_does_not_answer_keeps_what_it_had_until_it_is_stale(cluster: Cluster) -> None:
    for cpu in (1, 2):
        cluster.at += RESOLUTION_S * SECOND_NS
        metrics = {"cpu/usage": cpu, "memory/working_set": 7}
        cluster.ingest(node(metrics=metrics, at=cluster.at), container(*C, metrics, at=cluster.at))
    assert _pod(cluster, after_s=3 * RESOLUTION_S).status == OK
    assert _pod(cluster, after_s=3 * RESOLUTION_S + 1).status == STALE
    assert cluster.store.latest.node_sample(cluster.n1, cluster.at + 4 * RESOLUTION_S * SECOND_NS)[0] == STALE
    assert cluster.store.latest.counts(cluster.at) == (1, 1)
    assert cluster.store.latest.counts(cluster.at + 4 * RESOLUTION_S * SECOND_NS) == (0, 0)


def test_a_sample_without_a_time_was_sampled_when_it_was_asked_for(cluster: Cluster) -> None:
    for cpu_s in (0, 6):
        cluster.at += 60 * SECOND_NS
        row = container(*C, {"cpu/usage": cpu_s * SECOND_NS, "memory/working_set": 7})
        row["sample_ns"] = None
        cluster.ingest(row)
    assert _pod(cluster)[:4] == (OK, 100_000_000, 7, cluster.at)


def test_another_pod_of_the_same_name_inherits_no_points(cluster: Cluster) -> None:
    _answer(cluster, 0, uid="first")
    _answer(cluster, 18 * SECOND_NS, uid="second")
    assert _pod(cluster).status == ONE_POINT
    _answer(cluster, 24 * SECOND_NS, uid="second")
    assert _pod(cluster).cpu_nanocores == 100_000_000


def test_a_pod_that_is_replaced_in_the_api_inherits_no_points(cluster: Cluster) -> None:
    cluster.put_web(spec("c"), uid="uid-1")
    _answer(cluster, 0, uid="")
    _answer(cluster, 18 * SECOND_NS, uid="")
    cluster.put_web(spec("c"), uid="uid-1")
    assert _pod(cluster).status == OK
    cluster.put_web(spec("c"), uid="uid-2")
    assert _pod(cluster).status == NONE
    _answer(cluster, 0, uid="")
    cluster.store.remove_pod(*WEB)
    assert _pod(cluster).status == NONE


def test_the_first_point_counts_when_the_watch_comes_after_it(cluster: Cluster) -> None:
    """The kubelet knows a new pod first; resource metrics say no UID."""
    _answer(cluster, 0, uid="")
    cluster.put_web(spec("c"), uid="uid-1")
    _answer(cluster, 18 * SECOND_NS, uid="")
    assert _pod(cluster).status == OK


def test_the_latest_view_outlives_ticks_and_is_forgotten_with_the_slot() -> None:
    cluster = Cluster(short_retention_ns=1, long_retention_ns=1)
    _answer(cluster, 0)
    _answer(cluster, 18 * SECOND_NS)
    slot = cluster.slot(Kind.POD, *WEB)
    cluster.tick()
    assert cluster.store.latest.pod_sample(slot, cluster.at)[0] == OK
    cluster.tick()
    cluster.tick()
    assert cluster.store.latest.pod_sample(slot, cluster.at)[0] == NONE


def test_a_pod_that_goes_takes_nothing_from_who_has_its_slots_now() -> None:
    """A finished pod stays known long after its answers; a container outside its spec gives its slot back before."""
    cluster = Cluster(short_retention_ns=1, long_retention_ns=1)
    cluster.store.put_pod("shop", "job", uid="j", labels="")
    metrics = {"cpu/usage": 0, "memory/working_set": 7}
    cluster.ingest(container("shop", "job", "sidecar", metrics, at=cluster.at))
    slot = cluster.slot(Kind.POD_CONTAINER, "shop", "job", "sidecar")
    for _ in range(3):
        cluster.tick()
    _answer(cluster, 0)
    assert cluster.slot(Kind.POD_CONTAINER, *C) == slot
    _answer(cluster, 18 * SECOND_NS)
    cluster.store.remove_pod("shop", "job")
    assert _pod(cluster).status == OK


def test_more_pods_than_at_first_are_all_served(cluster: Cluster) -> None:
    for second in (0, 60):
        at = cluster.at + second * SECOND_NS
        rows = (
            container("a", f"p{n}", "c", {"cpu/usage": n * second, "memory/working_set": 1}, at=at) for n in range(500)
        )
        cluster.ingest(*rows)
    for n in (0, 63, 64, 499):
        slot = cluster.store.find(Kind.POD, "a", f"p{n}")
        assert cluster.store.latest.pod_sample(slot, cluster.at)[:2] == (OK, n)


def test_slots_far_out_have_nothing(cluster: Cluster) -> None:
    assert cluster.store.latest.node_sample(1 << 31, cluster.at)[0] == NONE
    assert cluster.store.latest.pod_sample(1 << 31, cluster.at)[0] == NONE


def test_a_pod_may_have_more_containers_than_most(cluster: Cluster) -> None:
    names = [f"c{number}" for number in range(9)]
    for count in (2, 3, 9, 1):
        for second in range(2):
            cluster.at += 60 * SECOND_NS
            cluster.ingest(
                *(
                    container(
                        *WEB, name, {"cpu/usage": second * 60 * SECOND_NS, "memory/working_set": 7}, at=cluster.at
                    )
                    for name in reversed(names[:count])
                )
            )
        # Those of the answer before are gone with it.
        served = _pod(cluster)
        assert (served.status, served.memory_bytes) == (OK, 7 * count)
        assert list(served.containers or {}) == names[:count]


def _young(cluster: Cluster, *, started_s: float = 0.0) -> int | None:
    """What shop/web waits with, in nanoseconds after T0; None when it waits for nothing."""
    slot = cluster.slot(Kind.POD, *WEB)
    found = cluster.store.latest.young_sample_ns(slot, T0_NS + round(started_s * SECOND_NS), cluster.at)
    return found and found - T0_NS


def test_a_pod_that_is_not_there_yet_waits_with_no_sample() -> None:
    cluster = Cluster()
    cluster.put_web(spec("c"))
    assert _young(cluster) == 0
    assert cluster.store.latest.young_sample_ns(10_000, T0_NS, cluster.at) == 0


def test_a_young_container_waits_with_its_newest_sample_and_then_no_more(cluster: Cluster) -> None:
    started = T0_NS + SECOND_NS
    _answer(cluster, 100, after_s=5, start=started)
    assert _young(cluster, started_s=1) == 5 * SECOND_NS
    _answer(cluster, 100, after_s=4, start=started, at=T0_NS + 5 * SECOND_NS)
    assert _young(cluster, started_s=1) == 5 * SECOND_NS
    _answer(cluster, 200, after_s=6, start=started)
    assert _young(cluster, started_s=1) is None


def test_a_pod_waits_for_the_youngest_of_its_containers(cluster: Cluster) -> None:
    old = {"cpu/usage": 10, "memory/working_set": 7}
    for at_s in (0, 60):
        cluster.at = T0_NS + at_s * SECOND_NS
        cluster.ingest(container(*WEB, "old", old, at=cluster.at))
    assert _young(cluster) is None
    started = T0_NS + 62 * SECOND_NS
    cluster.at = T0_NS + 66 * SECOND_NS
    cluster.ingest(
        container(*WEB, "old", old, at=cluster.at - SECOND_NS),
        container(*WEB, "new", old, at=cluster.at, start=started),
    )
    assert _young(cluster, started_s=62) == 66 * SECOND_NS


def test_what_is_served_from_before_a_restart_is_no_number_of_it(cluster: Cluster) -> None:
    _answer(cluster, 0)
    _answer(cluster, 18 * SECOND_NS)
    assert _young(cluster, started_s=60) is None
    assert _young(cluster, started_s=121) == 0


def test_who_is_stale_or_not_whole_waits_with_no_sample_that_counts(cluster: Cluster) -> None:
    _answer(cluster, 0)
    cluster.at += 1000 * SECOND_NS
    assert _young(cluster) == 0
    cluster.ingest(container(*WEB, "d", {}, at=cluster.at))
    assert _young(cluster) == 0
