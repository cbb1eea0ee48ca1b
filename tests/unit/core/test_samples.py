"""What answers say, and how it comes out of a batch."""

from __future__ import annotations

import math
import zlib
from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from heapfast.units import TIME_ZERO_NS
from tests.unit.core.cluster import EVER, WEB, Cluster, spec
from tests.unit.store.rows import SECOND_NS, T0_NS, container, custom, node, pod, resource

C = (*WEB, "c")
KEY = "namespace:shop/pod:web"
MAX = (1 << 63) - 1


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


# -- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead_ns", "uptime_ms"),
    [(0, 0), (1, 0), (999_999, 0), (1_000_000, -1), (1_999_999, -1), (-999_999, 0), (-1_000_000, 1), (-1_500_000, 1)],
)
def test_uptime_is_cut_toward_zero_also_for_a_start_in_the_future(
    cluster: Cluster, ahead_ns: int, uptime_ms: int
) -> None:
    cluster.tick(node(start=cluster.at + ahead_ns))
    assert cluster.value("uptime", Kind.NODE, "n1") == uptime_ms


@pytest.mark.parametrize("start", [MAX, -MAX, 0])
def test_a_start_out_of_this_world_harms_nothing(cluster: Cluster, start: int) -> None:
    cluster.tick(*cluster.web(1, start=start))
    assert isinstance(cluster.value("uptime", Kind.POD, *WEB), int)


def test_an_unknown_start_gives_no_uptime(cluster: Cluster) -> None:
    row = node()
    row["start_ns"] = None
    cluster.tick(row)
    assert cluster.value("uptime", Kind.NODE, "n1") is None


def test_a_long_answer_gives_each_container_what_is_its_own(cluster: Cluster) -> None:
    # Rows are taken in chunks. Between two answers of one order comes one of another, with newcomers in between.
    names = [(f"p{i}", f"c{j}") for i in range(40) for j in range(3)]
    for order in (names[::2], names[::-1], names):
        cluster.tick(node(), *(container("shop", p, c, {"memory/usage": hash_of(p, c)}) for p, c in order))
        for p, c in order:
            assert cluster.value("memory/usage", Kind.POD_CONTAINER, "shop", p, c) == hash_of(p, c)
    assert cluster.value("memory/usage", Kind.POD, "shop", "p7") == sum(hash_of("p7", f"c{j}") for j in range(3))


def hash_of(*names: str) -> int:
    """A number that no other container has."""
    return zlib.crc32("/".join(names).encode())


# -- rates ------------------------------------------------------------------------------------


def test_cpu_rate_is_exact_beyond_106_days_of_cpu(cluster: Cluster) -> None:
    cluster.tick(*cluster.web(0))
    cluster.tick(*cluster.web(MAX))
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) == 1000 * MAX // (15 * SECOND_NS)


def test_cpu_rate_that_does_not_fit_is_the_largest_number(cluster: Cluster) -> None:
    cluster.ingest(container(*C, {"cpu/usage": 0}, at=cluster.at))
    cluster.tick()
    cluster.tick(container(*C, {"cpu/usage": MAX}, at=cluster.at - 15 * SECOND_NS + 1))
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) == MAX


def test_sample_times_far_apart_give_small_rates(cluster: Cluster) -> None:
    cluster.ingest(container(*C, {"cpu/usage": 0}, at=-MAX))
    cluster.tick()
    cluster.tick(container(*C, {"cpu/usage": 5}, at=MAX))
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) is None


def test_an_unchanged_sample_gives_no_rate(cluster: Cluster) -> None:
    same = cluster.web(1)
    cluster.tick(*same)
    cluster.tick(*same)
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) is None
    assert cluster.value("cpu/usage", Kind.POD_CONTAINER, *C) == 1


def test_rates_restart_after_a_missed_tick(cluster: Cluster) -> None:
    cluster.tick(*cluster.web(0))
    cluster.tick()
    cluster.tick(*cluster.web(15 * SECOND_NS))
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) is None
    cluster.tick(*cluster.web(30 * SECOND_NS))
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) == 1000


# -- a pod and its UID ------------------------------------------------------------------------


def test_a_pod_of_the_same_name_has_no_rates_across(cluster: Cluster) -> None:
    cluster.tick(*cluster.web(0, uid="first"))
    cluster.tick(*cluster.web(SECOND_NS, uid="second"))
    assert cluster.value("network/rx_rate", Kind.POD, *WEB) is None
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) is None
    cluster.tick(*cluster.web(2 * SECOND_NS, uid="second"))
    assert cluster.value("network/rx_rate", Kind.POD, *WEB) == 1e9 / 15
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) == 66


def test_the_uid_of_a_pod_without_a_row_counts_too(cluster: Cluster) -> None:
    """Its UID was noted once and never compared: rates went across."""
    cluster.tick(*cluster.web(0, uid="first")[1:])
    batch = cluster.tick(*cluster.web(SECOND_NS, uid="second")[1:])
    assert batch.sets()[KEY]["labels"]["pod_id"] == "second"
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) is None


def test_an_empty_uid_says_nothing(cluster: Cluster) -> None:
    for number, uid in enumerate(("first", "", "first")):
        cluster.tick(*cluster.web(number * 15 * SECOND_NS, uid=uid))
    assert cluster.series("cpu/usage_rate", Kind.POD_CONTAINER, *C) == [1000, 1000]


def test_the_uid_of_an_unknown_pod_is_the_kubelets_and_of_a_known_one_its_objects(cluster: Cluster) -> None:
    assert cluster.tick(*cluster.web(1)).sets()[KEY]["labels"]["pod_id"] == "kubelet-web"
    cluster.put_web(spec("c"))
    assert cluster.tick(*cluster.web(1)).sets()[KEY]["labels"]["pod_id"] == "uid-1"
    cluster.store.remove_pod(*WEB)
    assert cluster.tick(*cluster.web(1)).sets()[KEY]["labels"]["pod_id"] == "kubelet-web"


def test_what_comes_after_the_swap_does_not_show_in_the_batch(cluster: Cluster) -> None:
    """Images, UIDs, nodes and the end of rates were read from tables that newer answers had changed."""
    n2 = cluster.put_node("n2")
    cluster.tick(*cluster.web(0, uid="first", image="i:1"))
    cluster.ingest(*cluster.web(15 * SECOND_NS, uid="first", image="i:1"))
    closing = cluster.swap()
    cluster.ingest(*cluster.web(0, uid="second", image="i:2"), node=n2)
    closing.run()
    labels = cluster.store.commit(closing, cluster.at).sets()[f"{KEY}/container:c"]["labels"]
    assert (labels["pod_id"], labels["container_base_image"], labels["nodename"]) == ("first", "i:1", "n1")
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) == 1000
    labels = cluster.tick().sets()[f"{KEY}/container:c"]["labels"]
    assert (labels["pod_id"], labels["container_base_image"], labels["nodename"]) == ("second", "i:2", "n2")
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *C) is None


# -- images -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "shown"), [({"image": "own:1"}, "own:1"), ({"image": ""}, ""), ({}, "spec:1")])
def test_the_image_of_the_answer_wins_where_there_is_one(cluster: Cluster, own: dict[str, Any], shown: str) -> None:
    cluster.put_web(spec("c", "spec:1"))
    cluster.tick(*cluster.web(1, image="former:1"))
    batch = cluster.tick(*cluster.web(1, **own))
    assert batch.sets()[f"{KEY}/container:c"]["labels"]["container_base_image"] == shown


def test_a_stub_has_the_image_of_the_spec(cluster: Cluster) -> None:
    cluster.put_web(spec("c", "spec:1"))
    cluster.tick(*cluster.web(1, image="own:1"))
    batch = cluster.tick(cluster.web(1)[0])
    assert batch.sets()[f"{KEY}/container:c"]["labels"]["container_base_image"] == "spec:1"


# -- two answers in one tick ------------------------------------------------------------------


def test_of_two_answers_the_later_stands_alone(cluster: Cluster) -> None:
    n2 = cluster.put_node("n2")
    first = [resource("volume", "old", usage=1), resource("volume", "both", usage=2, limit=3)]
    cluster.ingest(pod(*WEB, {"network/rx": 1, "network/tx": 2}, resources=first, custom=[custom("x", 1)]))
    cluster.ingest(pod(*WEB, {"network/rx": 9}, resources=[resource("volume", "both", usage=5)]), node=n2)
    found = cluster.tick().sets()[KEY]
    assert found["labels"]["nodename"] == "n2"
    assert found["metrics"] == {"network/rx": 9, "uptime": 3600_000}
    assert found["labeled"] == [{"name": "filesystem/usage", "labels": {"resource_id": "Volume:both"}, "value": 5}]
    slot = cluster.slot(Kind.POD, *WEB)
    usage = cluster.store.metric_id("filesystem/usage")
    assert cluster.store.resource_series(Kind.POD, slot, usage, {"resource_id": "Volume:old"}, *EVER) == []


def test_requests_of_a_pod_that_moved_count_for_its_new_node(cluster: Cluster) -> None:
    n2 = cluster.put_node("n2")
    cluster.put_web(spec("c", cpu_request_millicores=100))
    cluster.ingest(node(), pod(*WEB))
    cluster.ingest(node("n2"), pod(*WEB), node=n2)
    cluster.tick()
    assert cluster.value("cpu/request", Kind.NODE, "n1") is None
    assert cluster.value("cpu/request", Kind.NODE, "n2") == 100


# -- custom metrics ---------------------------------------------------------------------------


def test_custom_metrics_are_212_and_the_rest_is_counted(cluster: Cluster) -> None:
    customs = [custom(f"m{n}", n) for n in range(220)]
    batch = cluster.tick(container(*C, at=cluster.at, custom=customs))
    found = {name for name in batch.sets()[f"{KEY}/container:c"]["metrics"] if name.startswith("custom/")}
    assert found == {f"custom/m{n}" for n in range(212)}
    assert cluster.store.stats()["custom_metrics_dropped"] == 8
    assert cluster.value("custom/m211", Kind.POD_CONTAINER, *C) == 211
    assert cluster.value("custom/m211", Kind.POD, *WEB) == 211
    assert cluster.store.metric_id("custom/m212") == -1
    cluster.tick(container(*C, at=cluster.at, custom=[custom("m3", 7)]))
    assert cluster.series("custom/m3", Kind.POD_CONTAINER, *C) == [3, 7]


def test_twins_of_one_name_live_side_by_side_and_a_pod_keeps_its_type(cluster: Cluster) -> None:
    rows = [
        pod(*WEB, custom=[custom("x", 1.5)]),
        container(*WEB, "whole", custom=[custom("x", 2)]),
        container(*WEB, "half", custom=[custom("x", 0.5)]),
    ]
    sets = cluster.tick(*rows).sets()
    assert [sets[f"{KEY}/container:{name}"]["metrics"]["custom/x"] for name in ("whole", "half")] == [2, 0.5]
    assert sets[KEY]["metrics"]["custom/x"] == 2.0


def test_of_two_values_of_one_name_the_later_counts(cluster: Cluster) -> None:
    batch = cluster.tick(
        container(*WEB, "a", custom=[custom("x", 1), custom("x", 2.5)]),
        container(*WEB, "b", custom=[custom("x", 2.5), custom("x", 1)]),
    )
    assert batch.sets()[f"{KEY}/container:a"]["metrics"]["custom/x"] == 2.5
    assert batch.sets()[f"{KEY}/container:b"]["metrics"]["custom/x"] == 1


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1e308, math.inf, -math.inf])
def test_floats_come_out_as_they_went_in(cluster: Cluster, value: float) -> None:
    cluster.tick(container(*C, custom=[custom("f", value)]))
    cluster.tick(container(*C, custom=[custom("f", 0.1)]))
    assert cluster.series("custom/f", Kind.POD_CONTAINER, *C) == [value, 0.1]


@pytest.mark.parametrize("value", [0, 1, -1, MAX, -MAX])
def test_whole_numbers_come_out_as_they_went_in(cluster: Cluster, value: int) -> None:
    for number in (value, 3, value, -value):
        cluster.tick(container(*C, custom=[custom("i", number)]))
    assert cluster.series("custom/i", Kind.POD_CONTAINER, *C) == [value, 3, value, -value]


def test_the_one_number_that_columns_cannot_hold_is_no_sample(cluster: Cluster) -> None:
    cluster.tick(container(*C, custom=[custom("i", -(1 << 63))]))
    assert cluster.value("custom/i", Kind.POD_CONTAINER, *C) is None
    assert cluster.store.metric_names(Kind.POD_CONTAINER, cluster.slot(Kind.POD_CONTAINER, *C)) == ["uptime"]


# -- resources --------------------------------------------------------------------------------

GPU = {"type": "accelerator", "make": "nv", "model": "k80", "id": "0", "memory_total": 10, "duty_cycle": 3}


def test_resources_of_every_type_answer_to_their_labels_alone(cluster: Cluster) -> None:
    files = [resource("filesystem", "/", usage=1), resource("filesystem", "logs", usage=2)]
    volumes = [resource("volume", "/", usage=3, inodes=4), resource("filesystem", "Volume:x", usage=5)]
    disks = [resource("disk", "8:0", read_bytes=6, write_bytes=7)]
    cluster.tick(container(*C, resources=[*files, *volumes, *disks, GPU]))
    slot = cluster.slot(Kind.POD_CONTAINER, *C)

    def read(metric: str, **labels: str) -> list[int | float]:
        metric_id = cluster.store.metric_id(metric)
        found = cluster.store.resource_series(Kind.POD_CONTAINER, slot, metric_id, labels, *EVER)
        return [value for _, value in found]

    assert read("filesystem/usage", resource_id="/") == [1]
    assert read("filesystem/usage", resource_id="logs") == [2]
    assert read("filesystem/usage", resource_id="Volume:/") == [3]
    assert read("filesystem/usage", resource_id="Volume:x") == [5]
    assert read("filesystem/inodes", resource_id="Volume:/") == [4]
    assert read("disk/io_read_bytes", resource_id="8:0") == [6]
    assert read("disk/io_write_bytes", resource_id="/") == []
    who = {"make": "nv", "model": "k80", "accelerator_id": "0"}
    assert read("accelerator/memory_total", **who) == [10]
    assert read("accelerator/duty_cycle", **who) == [3]
    assert read("accelerator/memory_used", **who) == []
    for wrong in ({}, who | {"x": "y"}, who | {"model": "k8"}, {"make": "nv"}, {"resource_id": "0"}):
        assert read("accelerator/memory_total", **wrong) == []
    assert read("memory/usage", resource_id="/") == []
    assert read("never/seen", resource_id="/") == []


def test_labels_of_resources_are_told_from_their_names(cluster: Cluster) -> None:
    odd = {"type": "accelerator", "make": "", "model": "a", "id": "b\0c", "memory_used": 1}
    batch = cluster.tick(container(*C, resources=[GPU, odd, resource("volume", "v", usage=1)]))
    labels = [entry["labels"] for entry in batch.sets()[f"{KEY}/container:c"]["labeled"]]
    assert {"make": "nv", "model": "k80", "accelerator_id": "0"} in labels
    assert {"make": "", "model": "a", "accelerator_id": "b\0c"} in labels
    assert {"resource_id": "Volume:v"} in labels


def test_each_disk_is_measured_against_itself(cluster: Cluster) -> None:
    for number in range(2):
        disks = [resource("disk", "a", read_bytes=15 * number), resource("disk", "b", read_bytes=7000 + 30 * number)]
        cluster.tick(node(at=cluster.at, resources=disks))
    rate = cluster.store.metric_id("disk/io_read_bytes_rate")
    found = [
        cluster.store.resource_series(Kind.NODE, cluster.n1, rate, {"resource_id": disk}, *EVER) for disk in ("a", "b")
    ]
    assert found == [[(cluster.at, 1.0)], [(cluster.at, 2.0)]]


@pytest.mark.parametrize("has_timed", [False, True], ids=["nobody has a time", "another node has"])
def test_rates_from_a_sample_without_a_time_do_not_depend_on_others(has_timed: bool, cluster: Cluster) -> None:
    """Times that nobody in a batch has are not kept; a rate over them is as if they were there, and unknown."""
    for number, at in enumerate((TIME_ZERO_NS, cluster.at)):
        metrics = {"cpu/usage": 10**18 * number}
        disks = [resource("disk", "a", read_bytes=10**10 * number)]
        rows = [node(metrics=metrics, at=at, start=TIME_ZERO_NS, resources=disks)]
        cluster.tick(*rows, *([node("n2", {"cpu/usage": 1})] if has_timed else []))
    rate = cluster.store.metric_id("disk/io_read_bytes_rate")
    [(_, disk_rate)] = cluster.store.resource_series(Kind.NODE, cluster.n1, rate, {"resource_id": "a"}, *EVER)
    assert cluster.series("cpu/usage_rate", Kind.NODE, "n1") == [120]
    assert disk_rate == pytest.approx(1.2036, abs=1e-4)


def test_pods_that_only_containers_tell_of_have_no_times(cluster: Cluster) -> None:
    cluster.put_web(spec("c"))
    found = cluster.tick(container(*C, {"cpu/usage": 1}, at=T0_NS)).sets()
    assert found["namespace:shop/pod:web"]["scrape_time_ns"] is None
    assert found["namespace:shop/pod:web/container:c"]["scrape_time_ns"] == T0_NS


def test_metric_names_tell_labelled_metrics_too(cluster: Cluster) -> None:
    cluster.tick(node(metrics={"memory/usage": 1}, resources=[resource("filesystem", "/", usage=1)]))
    cluster.tick(node(metrics={"memory/rss": 1}))
    names = cluster.store.metric_names(Kind.NODE, cluster.n1)
    assert [name for name in names if not name.endswith("node_capacity")][-3:] == [
        "memory/rss",
        "memory/usage",
        "uptime",
    ]
    cluster.tick(node(resources=[resource("filesystem", "/", usage=1)]))
    assert "filesystem/usage" in cluster.store.metric_names(Kind.NODE, cluster.n1)


def test_counts_of_what_came_in(cluster: Cluster) -> None:
    assert cluster.ingest() == 0
    assert cluster.ingest(node(), *cluster.web(1)) == 3
    assert (cluster.store.ingested_rows, cluster.store.ingested_targets) == (3, 2)
    stats = cluster.store.stats()
    assert (stats["ingested_rows"], stats["ingested_targets"]) == (3, 2)


def test_times_of_a_batch_are_those_of_the_answer(cluster: Cluster) -> None:
    found = cluster.tick(*cluster.web(1)).sets()[KEY]
    assert (found["scrape_time_ns"], found["start_time_ns"]) == (T0_NS, T0_NS - 3600 * SECOND_NS)
