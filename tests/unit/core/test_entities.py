"""Who is there: slots that stay, are given back, and pass nothing on to who comes next."""

from __future__ import annotations

import random

import pytest

from heapfast.catalog.keys import Kind
from heapfast.errors import StoreError
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary
from tests.unit.core.cluster import EVER, WEB, Cluster, spec
from tests.unit.store.rows import SECOND_NS, container, node, pod, resource, system

C = (*WEB, "c")
KEY = "namespace:shop/pod:web"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(short_retention_ns=30 * SECOND_NS, long_retention_ns=30 * SECOND_NS)


def test_tables_grow_beyond_what_they_were_made_for(cluster: Cluster) -> None:
    slots = {name: cluster.put_node(name) for name in (f"node-{n}" for n in range(1000))}
    for number in range(1000):
        cluster.store.put_pod("ns", f"pod-{number}", uid=f"{number}", labels="", containers=[spec("c"), spec("d")])
    assert len(set(slots.values())) == 1000
    assert {name: cluster.store.find(Kind.NODE, name) for name in slots} == slots
    batch = cluster.tick(*(pod("ns", f"pod-{n}", at=cluster.at) for n in range(1000)))
    assert batch.names(Kind.POD) == sorted(f"pod-{n}" for n in range(1000))
    assert len(batch.names(Kind.POD_CONTAINER)) == 2000
    assert batch.value(Kind.POD, cluster.slot(Kind.POD, "ns", "pod-999"), cluster.store.metric_id("cpu/request")) == 0


def test_an_open_batch_grows_while_answers_come(cluster: Cluster) -> None:
    for number in range(300):
        cluster.ingest(container("ns", f"p-{number}", "c", {"memory/usage": number}, at=cluster.at))
    batch = cluster.tick()
    usage = cluster.store.metric_id("memory/usage")
    for number in range(300):
        slot = cluster.slot(Kind.POD_CONTAINER, "ns", f"p-{number}", "c")
        assert batch.value(Kind.POD_CONTAINER, slot, usage) == number
    assert cluster.value("memory/usage", Kind.NAMESPACE, "ns") == sum(range(300))


def test_find_wants_all_names_of_an_entity(cluster: Cluster) -> None:
    cluster.tick(*cluster.web(1), system("kubelet"))
    assert cluster.store.find(Kind.CLUSTER) == 0
    assert cluster.store.find(Kind.SYS_CONTAINER, "n1", "kubelet") == 0
    assert cluster.store.find(Kind.POD, "shop", "no") == -1
    assert cluster.store.find(Kind.POD, "no", "web") == -1
    assert cluster.store.find(Kind.POD_CONTAINER, *WEB, "no") == -1
    assert cluster.store.find(Kind.SYS_CONTAINER, "n1", "no") == -1
    with pytest.raises(ValueError, match="want 2"):
        cluster.store.find(Kind.POD, "web")
    with pytest.raises(ValueError, match="want -1"):
        cluster.store.find(Kind.RESOURCE)


def test_names_parents_and_knowledge_of_slots(cluster: Cluster) -> None:
    store = cluster.store
    web = cluster.put_web(spec("c"))
    c = cluster.slot(Kind.POD_CONTAINER, *C)
    assert (store.name(Kind.POD, web), store.name(Kind.POD_CONTAINER, c), store.name(Kind.POD, 99)) == ("web", "c", "")
    assert store.parent(Kind.POD_CONTAINER, c) == web
    assert store.parent(Kind.POD, web) == store.find(Kind.NAMESPACE, "shop")
    assert store.parent(Kind.NODE, cluster.n1) == -1
    assert store.parent(Kind.POD, 1 << 31) == -1
    assert store.is_known(Kind.POD, web)
    assert not store.is_known(Kind.NAMESPACE, store.find(Kind.NAMESPACE, "shop"))
    assert not store.is_known(Kind.POD, 99)
    assert store.spec_containers(web) == [c]
    assert store.spec_containers(99) == []


@pytest.mark.parametrize("kind", [-1, 7, 1000])
def test_a_kind_that_is_none_is_refused(cluster: Cluster, kind: int) -> None:
    store, batch = cluster.store, cluster.tick()
    asked = (
        lambda: store.name(kind, 0),
        lambda: store.parent(kind, 0),
        lambda: store.is_known(kind, 0),
        lambda: store.metric_names(kind, 0),
        lambda: store.series(kind, 0, 0, *EVER),
        lambda: store.resource_series(kind, 0, 36, {"resource_id": "/"}, *EVER),
        lambda: store.find(kind, "x"),
        lambda: batch.names(kind),
        lambda: batch.present(kind, 0),
        lambda: batch.value(kind, 0, 0),
    )
    for ask in asked:
        with pytest.raises(ValueError, match="BUG"):
            ask()


@pytest.mark.parametrize("metric", [-1, 255, 256, 1 << 30, -(1 << 30)])
def test_a_metric_that_nothing_has_gives_nothing(cluster: Cluster, metric: int) -> None:
    batch = cluster.tick(*cluster.web(1))
    slot = cluster.slot(Kind.POD, *WEB)
    assert batch.value(Kind.POD, slot, metric) is None
    assert cluster.store.series(Kind.POD, slot, metric, *EVER) == []
    assert cluster.store.metric_id("never/seen") == -1


def test_slots_far_out_have_nothing(cluster: Cluster) -> None:
    batch = cluster.tick(*cluster.web(1))
    far = (1 << 32) - 2
    assert batch.value(Kind.POD, far, 1) is None
    assert batch.present(Kind.POD, far) == 0
    assert cluster.store.series(Kind.POD, far, 1, *EVER) == []
    assert cluster.store.metric_names(Kind.POD, far) == []
    with pytest.raises(KeyError):
        batch.resource_labels(far)


@pytest.mark.parametrize("slot", [1, 1 << 31, 1 << 40])
def test_rows_of_a_node_that_nobody_put_are_refused(cluster: Cluster, slot: int) -> None:
    with pytest.raises(StoreError, match="no node has it"):
        cluster.ingest(node(), node=slot)


def test_rows_may_come_without_a_node(cluster: Cluster) -> None:
    batch = cluster.tick(node("stray"), system("kubelet"), *cluster.web(1), node=-1)
    assert batch.sets()["node:stray"]["labels"] == {"type": "node"}
    assert "nodename" not in batch.sets()[KEY]["labels"]


def test_a_system_container_without_any_node_is_left_out(cluster: Cluster) -> None:
    assert cluster.tick(system("kubelet"), node=-1).keys() == ["cluster"]


def test_a_node_without_a_name_goes_by_the_api_servers(cluster: Cluster) -> None:
    """cAdvisor does not name the node; its system containers went to a node called ""."""
    batch = cluster.tick(node("", {"memory/usage": 3}), system("kubelet"))
    assert batch.keys() == ["cluster", "node:n1", "node:n1/container:kubelet"]
    assert cluster.store.find(Kind.NODE, "") == -1


# -- names ------------------------------------------------------------------------------------

ODD_NAMES = {
    "empty": "",
    "one letter": "x",
    "eight bytes": "12345678",
    "nine bytes": "123456789",
    "beyond ASCII": "Ünïcode-😀",
    "a slash": "a/b",
    "NUL inside": "a\0b",
    "huge": "n" * 200_000,
}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_names_are_whatever_kubelets_say(cluster: Cluster, name: str) -> None:
    row = container(name, name, name, {"memory/usage": 5}, at=cluster.at, image=name, uid=name)
    batch = cluster.tick(row, container(name, name, name + "2", at=cluster.at, uid=name))
    assert batch.names(Kind.NAMESPACE) == [name]
    assert batch.names(Kind.POD_CONTAINER, cluster.slot(Kind.POD, name, name)) == [name, name + "2"]
    assert cluster.value("memory/usage", Kind.POD_CONTAINER, name, name, name) == 5
    labels = batch.sets()[f"namespace:{name}/pod:{name}/container:{name}"]["labels"]
    assert (labels["container_base_image"], labels["pod_id"]) == (name, name)


def test_names_that_are_not_utf_8_show_replaced_bytes(cluster: Cluster) -> None:
    rows = Rows()
    parse_summary(b'{"pods":[{"podRef":{"name":"p\xff","namespace":"a","uid":"u"},"containers":[]}]}', rows)
    cluster.store.ingest(rows, cluster.n1, cluster.at)
    assert cluster.tick().names(Kind.POD) == ["p\ufffd"]


# -- what many have in common -------------------------------------------------------------------


def test_requests_and_limits_are_each_containers_own_whoever_asks_for_the_same(cluster: Cluster) -> None:
    """Pods come, change and go, of one to four containers; what they ask for is drawn from few values."""
    draw = random.Random(3)
    metrics = ("cpu/request", "cpu/limit", "memory/request", "memory/limit")
    told: dict[str, dict[str, tuple[int, ...]]] = {}
    for _ in range(60):
        for _ in range(20):
            name = f"p{draw.randrange(40)}"
            if name in told and draw.random() < 0.4:
                cluster.store.remove_pod("ns", name)
                del told[name]
                continue
            told[name] = {
                called: tuple(draw.randrange(4) for _ in metrics)
                for called in draw.sample("abcd", draw.randrange(1, 5))
            }
            specs = [(called, "image:1", *values, 0, False) for called, values in told[name].items()]
            slot = cluster.store.put_pod("ns", name, uid="u", labels="", containers=specs)
            assert cluster.store.spec_containers(slot) == [
                cluster.slot(Kind.POD_CONTAINER, "ns", name, called) for called in told[name]
            ]
        cluster.tick(*(pod("ns", name, uid="u", at=cluster.at) for name in told))
        for name, containers in told.items():
            for called, values in containers.items():
                want = dict(zip(metrics, values, strict=True))
                got = {metric: cluster.value(metric, Kind.POD_CONTAINER, "ns", name, called) for metric in metrics}
                assert got == want
        different = {values for containers in told.values() for values in containers.values()}
        assert cluster.store.stats()["requirements"] == len(different - {(0, 0, 0, 0)})
    for name in told:
        cluster.store.remove_pod("ns", name)
    assert cluster.store.stats()["requirements"] == 0


def test_labels_are_each_pods_own_whoever_has_the_same(cluster: Cluster) -> None:
    draw = random.Random(4)
    n_others = cluster.store.stats()["pooled_texts"]
    labels: dict[str, str] = {}
    for _ in range(60):
        for _ in range(40):
            name = f"p{draw.randrange(200)}"
            # Some of a workload, some that nobody shares.
            labels[name] = draw.choice((f"app:{draw.randrange(5)}", f"pod:{draw.randrange(10_000)}"))
            cluster.store.put_pod("ns", name, uid="u", labels=labels[name])
        sets = cluster.tick(*(pod("ns", name, uid="u", at=cluster.at) for name in labels)).sets()
        assert {name: sets[f"namespace:ns/pod:{name}"]["labels"]["labels"] for name in labels} == labels
        assert cluster.store.stats()["pooled_texts"] == n_others + len(set(labels.values()))


def test_a_label_that_is_stored_comes_and_goes(cluster: Cluster) -> None:
    def stored() -> dict[str, str]:
        sets = cluster.tick(*(pod("ns", name, uid="u", at=cluster.at) for name in ("a", "b"))).sets()
        return {name: sets[f"namespace:ns/pod:{name}"]["labels"].get("team", "") for name in ("a", "b")}

    cluster.store.put_pod("ns", "a", uid="u", labels="")
    cluster.store.put_pod("ns", "b", uid="u", labels="")
    assert stored() == {"a": "", "b": ""}
    cluster.store.put_pod("ns", "b", uid="u", labels="", stored=[("team", "red")])
    for number in range(500):
        cluster.store.put_pod("ns", f"more-{number}", uid="u", labels="")
    assert stored() == {"a": "", "b": "red"}
    cluster.store.put_pod("ns", "b", uid="u", labels="")
    assert stored() == {"a": "", "b": ""}


# -- coming and going -------------------------------------------------------------------------


def test_a_slot_is_given_back_once_no_batch_shows_it(cluster: Cluster) -> None:
    entities = []
    cluster.tick(node(), *cluster.web(1, resources=[resource("filesystem", "/", usage=1)]))
    for _ in range(3):
        cluster.tick(node())
        entities.append(cluster.store.stats()["entities"])
    assert entities == [[1, 1, 1, 1, 1, 0, 1], [1, 0, 1, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0]]


def test_a_slot_stays_while_its_long_class_shows_it() -> None:
    cluster = Cluster(short_retention_ns=1, long_retention_ns=60 * SECOND_NS)
    cluster.tick(container(*C, {"memory/usage": 9}, at=cluster.at))
    for _ in range(3):
        cluster.tick(*(container("new", f"p{n}", "c", at=cluster.at) for n in range(3)))
    assert cluster.series("memory/usage", Kind.POD_CONTAINER, *C) == [9]
    cluster.tick()
    cluster.tick()
    assert cluster.store.find(Kind.POD_CONTAINER, *C) == -1


def test_who_takes_a_slot_inherits_nothing(cluster: Cluster) -> None:
    cluster.put_web(spec("c", "secret:1", cpu_request_millicores=100, restarts=3))
    web, c = cluster.slot(Kind.POD, *WEB), cluster.slot(Kind.POD_CONTAINER, *C)
    for second in range(2):
        cluster.tick(*cluster.web(second * SECOND_NS, custom=[], image="own:1"))
    cluster.store.remove_pod(*WEB)
    for _ in range(3):
        cluster.tick()
    batch = cluster.tick(container("other", "pod", "d", at=cluster.at, start=-(1 << 62)))
    assert (cluster.slot(Kind.POD, "other", "pod"), cluster.slot(Kind.POD_CONTAINER, "other", "pod", "d")) == (web, c)
    found = batch.sets()["namespace:other/pod:pod/container:d"]
    assert "container_base_image" not in found["labels"]
    assert "labels" not in found["labels"]
    assert set(found["metrics"]) == {"uptime"}
    assert found["create_time_ns"] is None
    assert not cluster.store.is_known(Kind.POD, web)
    assert cluster.store.spec_containers(web) == []


def test_a_known_pod_keeps_its_slot_unseen(cluster: Cluster) -> None:
    slot = cluster.put_web(spec("c"))
    for _ in range(5):
        cluster.tick()
    assert cluster.slot(Kind.POD, *WEB) == slot
    assert cluster.store.remove_pod(*WEB) == slot
    assert cluster.store.remove_pod(*WEB) == -1
    for _ in range(5):
        cluster.tick()
    assert cluster.store.find(Kind.POD, *WEB) == -1
    assert cluster.store.find(Kind.NAMESPACE, "shop") == -1


def test_a_node_removed_and_added_again_keeps_its_slot(cluster: Cluster) -> None:
    cluster.tick(node(metrics={"memory/usage": 1}))
    assert cluster.store.remove_node("n1") == cluster.n1
    assert cluster.put_node("n1", cpu_capacity_millicores=7) == cluster.n1
    cluster.tick(node(metrics={"memory/usage": 2}))
    assert cluster.series("memory/usage", Kind.NODE, "n1") == [1, 2]
    assert cluster.value("cpu/node_capacity", Kind.NODE, "n1") == 7.0


def test_a_removed_node_loses_labels_and_shares(cluster: Cluster) -> None:
    cluster.put_node("n1", labels="zone:a", cpu_allocatable_millicores=10)
    assert cluster.tick(node()).sets()["node:n1"]["labels"]["labels"] == "zone:a"
    assert cluster.store.remove_node("n1") == cluster.n1
    assert cluster.store.remove_node("n1") == -1
    found = cluster.tick(node()).sets()["node:n1"]
    assert "labels" not in found["labels"]
    assert "cpu/node_allocatable" not in found["metrics"]


def test_a_removed_node_keeps_its_slot_while_answers_still_come(cluster: Cluster) -> None:
    cluster.store.remove_node("n1")
    for _ in range(5):
        cluster.tick(node("calls-itself-so"), *cluster.web(1))
        cluster.put_node("taker")
        assert cluster.store.remove_node("taker") != cluster.n1
    batch = cluster.store.newest
    assert batch is not None
    assert batch.sets()[KEY]["labels"]["nodename"] == "n1"


def test_a_namespace_goes_with_its_uid(cluster: Cluster) -> None:
    cluster.store.put_namespace("shop", "uid-shop")
    assert cluster.tick(*cluster.web(1)).sets()[KEY]["labels"]["namespace_id"] == "uid-shop"
    assert cluster.store.remove_namespace("shop") >= 0
    assert cluster.store.remove_namespace("shop") == -1
    assert cluster.store.remove_namespace("never") == -1
    assert "namespace_id" not in cluster.tick(*cluster.web(1)).sets()[KEY]["labels"]


def test_a_spec_that_changes_takes_its_containers_along(cluster: Cluster) -> None:
    cluster.put_web(spec("c", "c:1", cpu_request_millicores=1), spec("d", cpu_request_millicores=2))
    cluster.tick(*cluster.web(1))
    cluster.put_web(spec("e", cpu_request_millicores=4), spec("c", "c:2", cpu_request_millicores=8))
    batch = cluster.tick(*cluster.web(1))
    assert batch.names(Kind.POD_CONTAINER) == ["c", "e"]
    assert cluster.value("cpu/request", Kind.POD, *WEB) == 12
    assert batch.sets()[f"{KEY}/container:c"]["labels"]["container_base_image"] == "c:2"
    assert [cluster.store.name(Kind.POD_CONTAINER, slot) for slot in cluster.store.spec_containers(0)] == ["e", "c"]
    assert cluster.store.remove_pod(*WEB) >= 0
    assert cluster.tick(*cluster.web(1)).names(Kind.POD_CONTAINER) == ["c"]
