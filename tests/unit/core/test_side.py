"""A side source beside the main one: CPU and working sets in every batch, all else from scrapes that are seldomer."""

from __future__ import annotations

import pytest

from heapfast._batch import Batch
from heapfast.catalog.keys import Kind
from heapfast.errors import StoreError
from tests.unit.core.cluster import WEB, Cluster, spec
from tests.unit.store.rows import SECOND_NS, START_NS, Row, container, node, pod, resource, system

C = (*WEB, "c")
KUBELET = ("n1", "kubelet")
MINUTE_NS = 60 * SECOND_NS


@pytest.fixture
def cluster() -> Cluster:
    """Ticks of 15 s, and a side source that is due every fourth time."""
    return Cluster(resolution_ns=15 * SECOND_NS, side_ns=MINUTE_NS)


def main(cluster: Cluster, cpu_s: float, *, start: int = START_NS, has_web: bool = True) -> list[Row]:
    """What /metrics/resource says now: to the millisecond, and without a start time of the node."""
    values = {"cpu/usage": int(cpu_s * SECOND_NS), "memory/working_set": 1000}
    rows = [node("", values, at=cluster.at, start=0) | {"start_ns": None}]
    return [*rows, container(*C, values, uid="", at=cluster.at, start=start)] if has_web else rows


def side(
    cluster: Cluster, rx: int, *, uid: str = "kubelet-web", sampled_s: int = 0, start: int = START_NS
) -> list[Row]:
    """What /stats/summary says now, or said `sampled_s` ago."""
    at = cluster.at - sampled_s * SECOND_NS
    # Its CPU and working sets are there too, and not asked for.
    of_both = {"cpu/usage": 5, "memory/working_set": 5}
    return [
        node(metrics={"memory/usage": 4000, "network/rx": rx, **of_both}, at=at, start=START_NS),
        system("kubelet", {"cpu/usage": rx * SECOND_NS, "memory/working_set": 30}, at=at),
        pod(*WEB, {"network/rx": rx}, uid=uid, at=at),
        container(
            *C,
            {"memory/usage": 2000, "memory/page_faults": rx, **of_both},
            uid=uid,
            at=at,
            start=start,
            resources=[resource("filesystem", "/", usage=700 + rx)],
        ),
    ]


def tick(cluster: Cluster, main_rows: list[Row], side_rows: list[Row] | None = None) -> Batch:
    if main_rows:
        cluster.ingest(*main_rows)
    if side_rows:
        cluster.ingest(*side_rows, is_side=True)
    return cluster.tick()


def filesystem(batch: Batch) -> list[int]:
    found = batch.sets()["namespace:shop/pod:web/container:c"]["labeled"]
    return [entry["value"] for entry in found if entry["name"] == "filesystem/usage"]


def test_the_side_sources_values_stand_in_every_batch_until_it_is_asked_again(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0))
    for quarter in range(1, 5):
        batch = tick(cluster, main(cluster, 3 * quarter), side(cluster, 60) if quarter == 4 else None)
        assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) == 200
        assert cluster.value("memory/usage", Kind.POD_CONTAINER, *C) == 2000
        assert cluster.value("memory/working_set", Kind.POD_CONTAINER, *C) == 1000
        assert cluster.value("memory/working_set", Kind.SYS_CONTAINER, *KUBELET) == 30
        assert cluster.value("network/rx", Kind.NODE, "n1") == (60 if quarter == 4 else 0)
        assert filesystem(batch) == [760 if quarter == 4 else 700]


def test_sums_do_not_flicker(cluster: Cluster) -> None:
    cluster.put_web(spec("c"))
    for quarter in range(9):
        tick(cluster, main(cluster, quarter), side(cluster, quarter) if quarter % 4 == 0 else None)
        for kind, names in ((Kind.POD, WEB), (Kind.NAMESPACE, WEB[:1]), (Kind.CLUSTER, ())):
            assert cluster.value("memory/usage", kind, *names) == 2000
    assert cluster.series("memory/usage", Kind.CLUSTER) == [2000] * 9


def test_its_rates_are_over_its_own_times_and_stay_between(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0, sampled_s=3))
    for quarter in range(1, 4):
        tick(cluster, main(cluster, quarter))
        assert cluster.value("network/rx_rate", Kind.POD, *WEB) is None
    for quarter in range(4, 8):
        tick(cluster, main(cluster, quarter), side(cluster, 126) if quarter == 4 else None)
        assert cluster.value("network/rx_rate", Kind.POD, *WEB) == 2.0
        assert cluster.value("network/rx_rate", Kind.NODE, "n1") == 2.0
        assert cluster.value("memory/page_faults_rate", Kind.POD_CONTAINER, *C) == 2.0
        assert cluster.value("cpu/usage_rate", Kind.SYS_CONTAINER, *KUBELET) == 2000
        assert cluster.value("cpu/usage_rate", Kind.NODE, "n1") == 1000 // 15


def test_a_scrape_of_the_side_source_that_fails_once_leaves_no_gap(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0))
    for quarter in range(1, 5):
        tick(cluster, main(cluster, quarter))
        assert cluster.value("memory/usage", Kind.NODE, "n1") == 4000
    tick(cluster, main(cluster, 5), side(cluster, 75))
    assert cluster.value("network/rx_rate", Kind.NODE, "n1") == 1.0


def test_one_that_fails_twice_costs_the_side_sources_values_only(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0))
    for quarter in range(1, 6):
        batch = tick(cluster, main(cluster, quarter))
    assert cluster.value("memory/usage", Kind.NODE, "n1") is None
    assert cluster.value("memory/usage", Kind.POD_CONTAINER, *C) is None
    assert "node:n1/container:kubelet" not in batch.sets()
    assert filesystem(batch) == []
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) == 1000 // 15
    assert cluster.value("memory/working_set", Kind.NODE, "n1") == 1000


def test_one_of_the_main_source_that_fails_costs_its_values_only(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0))
    tick(cluster, [])
    assert cluster.value("cpu/usage", Kind.NODE, "n1") is None
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) is None
    assert cluster.value("memory/usage", Kind.POD_CONTAINER, *C) == 2000
    assert cluster.value("memory/usage", Kind.NODE, "n1") == 4000


def test_what_the_main_source_lists_no_more_is_gone_at_once(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0))
    batch = tick(cluster, main(cluster, 1, has_web=False))
    assert [key for key in batch.sets() if "web" in key] == []
    assert cluster.value("memory/usage", Kind.NODE, "n1") == 4000


def test_what_the_main_source_never_listed_stays(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0, has_web=False), side(cluster, 0))
    tick(cluster, main(cluster, 1, has_web=False))
    assert cluster.value("network/rx", Kind.POD, *WEB) == 0
    assert cluster.value("memory/usage", Kind.POD_CONTAINER, *C) == 2000


def test_a_container_that_has_restarted_takes_nothing_over(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0))
    tick(cluster, main(cluster, 1, start=START_NS + 1))
    assert cluster.value("memory/usage", Kind.POD_CONTAINER, *C) is None
    assert cluster.value("network/rx", Kind.POD, *WEB) == 0


def test_a_pod_that_came_back_with_another_uid_takes_nothing_over(cluster: Cluster) -> None:
    cluster.put_web(spec("c"), uid="uid-1")
    tick(cluster, main(cluster, 0), side(cluster, 0))
    cluster.put_web(spec("c"), uid="uid-2")
    tick(cluster, main(cluster, 1))
    assert cluster.value("network/rx", Kind.POD, *WEB) is None
    assert cluster.value("memory/usage", Kind.POD_CONTAINER, *C) is None


@pytest.mark.parametrize("has_pod_row", [False, True])
@pytest.mark.parametrize("told", ["c", "d"])
def test_what_is_carried_of_a_pod_goes_to_the_node_that_tells_of_it(
    cluster: Cluster, told: str, *, has_pod_row: bool
) -> None:
    """Of one that has no UID, as /metrics/resource has none: else it would be another pod."""
    n2 = cluster.put_node("n2")

    def said(*names: str, has_pod: bool = False) -> list[Row]:
        rows = [pod(*WEB, {"network/rx": 1}, uid="", at=cluster.at)] if has_pod else []
        return rows + [container(*WEB, name, {"memory/usage": 1}, uid="", at=cluster.at) for name in names]

    cluster.ingest(*said("c", "d", has_pod=has_pod_row), is_side=True)
    sets = cluster.tick().sets()
    assert {one["labels"]["hostname"] for key, one in sets.items() if "pod:web" in key} == {"n1.example"}
    cluster.ingest(*said(told), node=n2)
    for _ in range(2):
        sets = cluster.tick().sets()
        of_web = {key: one["labels"]["hostname"] for key, one in sets.items() if "pod:web" in key}
        assert len(of_web) == 3
        assert set(of_web.values()) == {"n2.example"}


def test_a_node_that_is_gone_takes_its_values_with_it(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0))
    cluster.store.remove_node("n1")
    assert [key for key in tick(cluster, []).sets() if key != "cluster"] == []


def test_uptimes_go_on_between_scrapes_of_the_source_that_says_the_start(cluster: Cluster) -> None:
    tick(cluster, main(cluster, 0), side(cluster, 0))
    for quarter in range(1, 4):
        tick(cluster, main(cluster, quarter))
        wanted = (cluster.at - START_NS) // 1_000_000
        assert cluster.value("uptime", Kind.NODE, "n1") == wanted
        assert cluster.value("uptime", Kind.POD_CONTAINER, *C) == wanted


def test_times_are_the_main_sources_where_it_has_any(cluster: Cluster) -> None:
    sampled = cluster.at
    tick(cluster, main(cluster, 0), side(cluster, 0, sampled_s=7))
    sets = tick(cluster, main(cluster, 1)).sets()
    assert sets["namespace:shop/pod:web/container:c"]["scrape_time_ns"] == sampled + 15 * SECOND_NS
    assert sets["node:n1"]["start_time_ns"] == START_NS
    assert sets["namespace:shop/pod:web"]["scrape_time_ns"] == sampled - 7 * SECOND_NS


def test_what_is_carried_keeps_its_slot_as_long_as_a_batch_shows_it(cluster: Cluster) -> None:
    """A system container is known to nobody but the side source."""
    cluster = Cluster(resolution_ns=15 * SECOND_NS, side_ns=MINUTE_NS, short_retention_ns=1, long_retention_ns=1)
    tick(cluster, main(cluster, 0), side(cluster, 0))
    for quarter in range(1, 5):
        batch = tick(cluster, main(cluster, quarter))
        assert cluster.slot(Kind.SYS_CONTAINER, *KUBELET) >= 0
        assert "node:n1/container:kubelet" in batch.sets()
    for quarter in range(5, 8):
        tick(cluster, main(cluster, quarter))
    assert cluster.store.find(Kind.SYS_CONTAINER, *KUBELET) == -1


def test_a_slot_is_free_once_no_batch_in_memory_shows_what_was_carried() -> None:
    cluster = Cluster(
        resolution_ns=15 * SECOND_NS, side_ns=MINUTE_NS, short_retention_ns=MINUTE_NS, long_retention_ns=MINUTE_NS
    )
    tick(cluster, main(cluster, 0), side(cluster, 0))
    slot = cluster.slot(Kind.SYS_CONTAINER, *KUBELET)
    memory = cluster.store.metric_id("memory/working_set")
    found = []
    for quarter in range(1, 10):
        tick(cluster, main(cluster, quarter))
        is_shown = cluster.store.series(Kind.SYS_CONTAINER, slot, memory, 0, cluster.at) != []
        has_slot = cluster.store.find(Kind.SYS_CONTAINER, *KUBELET) == slot
        found.append((is_shown, has_slot))
    assert found[:4] == [(True, True)] * 4
    assert found[-1] == (False, False)
    assert (True, False) not in found


def test_the_later_of_two_answers_of_one_source_stands_alone(cluster: Cluster) -> None:
    cluster.ingest(*side(cluster, 1), is_side=True)
    cluster.ingest(*main(cluster, 7))
    cluster.ingest(node(metrics={"memory/rss": 9}, at=cluster.at), is_side=True)
    cluster.tick()
    assert cluster.value("memory/usage", Kind.NODE, "n1") is None
    assert cluster.value("memory/rss", Kind.NODE, "n1") == 9
    assert cluster.value("cpu/usage", Kind.NODE, "n1") == 7 * SECOND_NS


def test_the_latest_view_is_the_main_sources(cluster: Cluster) -> None:
    for cpu_s in (1, 4):
        cluster.ingest(*main(cluster, cpu_s))
        cluster.ingest(*side(cluster, 0), is_side=True)
        cluster.tick()
    status, cpu, memory, _, _ = cluster.store.latest.node_sample(cluster.n1, cluster.at)
    assert (status, cpu, memory) == (0, 200_000_000, 1000)


def test_rows_of_a_side_source_that_nobody_asked_for_are_a_bug() -> None:
    with pytest.raises(StoreError, match="where there is none"):
        Cluster().ingest(node(), is_side=True)
