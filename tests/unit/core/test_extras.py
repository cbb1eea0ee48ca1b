"""What is served beside CPU and memory: swap, ephemeral storage, network, accelerators."""

from __future__ import annotations

from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from heapfast.catalog.usage_keys import USAGE_KEYS
from heapfast.errors import StoreError
from tests.unit.core.cluster import WEB, Cluster, spec
from tests.unit.store.rows import SECOND_NS, START_NS, Row, container, node, pod, resource, system

C = (*WEB, "c")
RX, TX = "heapfast.io/network-rx-bytes-per-second", "heapfast.io/network-tx-bytes-per-second"


@pytest.fixture
def cluster() -> Cluster:
    """One source that says everything, every 15 s."""
    return Cluster(usage_keys=USAGE_KEYS, resolution_ns=15 * SECOND_NS)


def usage(cluster: Cluster, kind: Kind, *names: str, after_s: float = 0) -> dict[str, int]:
    extras = cluster.store.latest.extras
    assert extras is not None
    return extras.usage(kind, cluster.slot(kind, *names), cluster.at + int(after_s * SECOND_NS))


def answer(cluster: Cluster, rx: int = 0, *, swap: int | None = None, start: int = START_NS) -> list[Row]:
    more: dict[str, Any] = {} if swap is None else {"swap": swap}
    network = {"network/rx": rx, "network/tx": 2 * rx}
    return [
        node(metrics=network, at=cluster.at, resources=[resource("filesystem", "/", usage=500, limit=900)], **more),
        pod(*WEB, network, at=cluster.at, start=start),
        container(
            *C,
            at=cluster.at,
            resources=[
                resource("accelerator", "0", make="m", model="n", memory_used=100, duty_cycle=40),
                resource("accelerator", "1", make="m", model="n", memory_used=20, duty_cycle=45),
                resource("filesystem", "/", usage=30),
                resource("filesystem", "logs", usage=4),
                resource("volume", "v", usage=1000),
            ],
            **more,
        ),
    ]


def test_each_entity_has_what_its_kubelet_says_of_it(cluster: Cluster) -> None:
    cluster.ingest(*answer(cluster, 100, swap=7))
    cluster.at += 15 * SECOND_NS
    cluster.ingest(*answer(cluster, 400, swap=8))
    assert usage(cluster, Kind.NODE, "n1") == {"ephemeral-storage": 500, RX: 20, TX: 40, "swap": 8}
    assert usage(cluster, Kind.POD, *WEB) == {RX: 20, TX: 40}
    assert usage(cluster, Kind.POD_CONTAINER, *C) == {
        "ephemeral-storage": 34,
        "heapfast.io/accelerator-memory": 120,
        "heapfast.io/accelerators": 850,
        "swap": 8,
    }


@pytest.mark.parametrize("names", [("swap",), ("ephemeral-storage",), ("network",), ("accelerators",)])
def test_only_what_is_asked_for_is_there(names: tuple[str, ...]) -> None:
    cluster = Cluster(usage_keys=names)
    for rx in (0, 15):
        cluster.at += 15 * SECOND_NS
        cluster.ingest(*answer(cluster, rx, swap=7))
    found = {**usage(cluster, Kind.NODE, "n1"), **usage(cluster, Kind.POD_CONTAINER, *C)}
    wanted = {
        "swap": {"swap"},
        "ephemeral-storage": {"ephemeral-storage"},
        "network": {RX, TX},
        "accelerators": {"heapfast.io/accelerator-memory", "heapfast.io/accelerators"},
    }
    assert set(found) == wanted[names[0]]


def test_without_keys_there_is_nothing_to_ask() -> None:
    assert Cluster().store.latest.extras is None


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(StoreError, match="cannot serve disk: want swap, ephemeral-storage"):
        Cluster(usage_keys=("disk",))


def test_network_rates_need_two_samples_and_stay_with_the_newer(cluster: Cluster) -> None:
    cluster.ingest(*answer(cluster, 100))
    assert RX not in usage(cluster, Kind.POD, *WEB)
    cluster.at += 15 * SECOND_NS
    cluster.ingest(*answer(cluster, 400))
    cluster.ingest(*answer(cluster, 400))
    assert usage(cluster, Kind.POD, *WEB)[RX] == 20


@pytest.mark.parametrize(("rx", "start"), [(50, START_NS), (400, START_NS + 1)], ids=["fell", "restarted"])
def test_a_counter_that_begins_anew_has_no_rate(cluster: Cluster, rx: int, start: int) -> None:
    cluster.ingest(*answer(cluster, 100))
    cluster.at += 15 * SECOND_NS
    cluster.ingest(*answer(cluster, rx, start=start))
    assert usage(cluster, Kind.POD, *WEB) == {}
    cluster.at += 15 * SECOND_NS
    cluster.ingest(*answer(cluster, rx + 150, start=start))
    assert usage(cluster, Kind.POD, *WEB) == {RX: 10, TX: 20}


def test_what_an_answer_does_not_say_any_more_is_gone(cluster: Cluster) -> None:
    cluster.ingest(*answer(cluster, swap=7))
    cluster.ingest(node(at=cluster.at), container(*C, at=cluster.at))
    assert usage(cluster, Kind.NODE, "n1") == usage(cluster, Kind.POD_CONTAINER, *C) == {}


def test_a_node_that_does_not_answer_is_served_until_it_is_stale(cluster: Cluster) -> None:
    cluster.ingest(*answer(cluster, swap=7))
    assert usage(cluster, Kind.NODE, "n1", after_s=45) == {"ephemeral-storage": 500, "swap": 7}
    assert usage(cluster, Kind.NODE, "n1", after_s=45.1) == {}


def test_with_a_side_source_swap_is_the_main_ones_and_each_is_stale_by_itself() -> None:
    cluster = Cluster(usage_keys=USAGE_KEYS, resolution_ns=15 * SECOND_NS, side_ns=60 * SECOND_NS)
    cluster.ingest(*answer(cluster), is_side=True)
    cluster.ingest(node(at=cluster.at, swap=7), container(*C, at=cluster.at, swap=5))
    assert usage(cluster, Kind.NODE, "n1") == {"ephemeral-storage": 500, "swap": 7}
    assert usage(cluster, Kind.NODE, "n1", after_s=46) == {"ephemeral-storage": 500}
    assert usage(cluster, Kind.NODE, "n1", after_s=181) == {}


def test_a_pod_that_is_replaced_takes_nothing_over(cluster: Cluster) -> None:
    cluster.put_web(spec("c"), uid="uid-1")
    more = {"cpu/usage": 1, "memory/working_set": 1}
    rows = answer(cluster, swap=7)
    rows[2]["metrics"] = more
    cluster.ingest(*rows)
    cluster.put_web(spec("c"), uid="uid-2")
    assert usage(cluster, Kind.POD_CONTAINER, *C) == {}


def test_system_containers_are_not_served(cluster: Cluster) -> None:
    cluster.ingest(node(at=cluster.at), system("kubelet", at=cluster.at))
    assert usage(cluster, Kind.NODE, "n1") == {}
