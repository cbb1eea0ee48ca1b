"""/debug/why on both ports: the facts it finds, and the verdict on them."""

from __future__ import annotations

from typing import Any

import pytest

from heapfast.auth.attributes import Attributes
from heapfast.auth.identity import User
from heapfast.auth.refusals import Forbidden
from heapfast.catalog.keys import Kind
from heapfast.query._selector import parse_selector
from heapfast.store.index import PostingIndex
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster
from tests.unit.api.k8s_cluster import SecureCluster
from tests.unit.api.test_k8s_filters import ScriptedAuth
from tests.unit.store.rows import SECOND_NS, T0_NS

TARGETS: list[dict[str, Any]] = [
    {
        "node": "node-1",
        "address": "10.0.0.1:10250",
        "outcome": "ok",
        "error": "",
        "last_good_ns": T0_NS + 30 * SECOND_NS,
    },
    {"node": "node-2", "outcome": "skipped", "error": "no address"},
]


def targets_of(node: str | None = None) -> list[dict[str, Any]]:
    return [target for target in TARGETS if node in (None, target["node"])]


POD = "/debug/why/namespaces/default/pods"


def secure(**options: Any) -> SecureCluster:
    return SecureCluster(targets=targets_of, **options)


async def why(cluster: SecureCluster, path: str) -> Any:
    answer = await cluster.get(path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return answer.json


async def test_a_node_that_is_served() -> None:
    told = await why(secure(), "/debug/why/nodes/node-1")
    assert told == {
        "node": "node-1",
        "verdict": "It has metrics: its newest sample is 0.0 s old, and its rate over 15.0 s.",
        "remedy": "",
        "facts": {
            "is_known": True,
            "is_selected": True,
            "usage": {
                "status": "OK",
                "meaning": "It has metrics.",
                "remedy": "",
                "age_seconds": 0.0,
                "window_seconds": 15.0,
            },
            "target": {**TARGETS[0], "last_good_age_seconds": 0.0},
        },
    }


async def test_a_node_that_is_skipped() -> None:
    told = await why(secure(), "/debug/why/nodes/node-2")
    assert told["verdict"].endswith("node node-2 is not scraped, because of this: no address.")
    assert told["facts"]["usage"]["status"] == "NONE"
    assert told["facts"]["target"] == {**TARGETS[1], "last_good_age_seconds": None}


@pytest.mark.parametrize("name", ["nowhere", "node-1.example"])
async def test_only_names_of_nodes_count(name: str) -> None:
    told = await why(secure(), f"/debug/why/nodes/{name}")
    assert told["verdict"] == "The API server has told of no node of this name."
    assert (told["facts"]["is_known"], told["facts"]["target"]) == (False, None)


async def test_the_node_selector_is_obeyed() -> None:
    cluster = secure(node_selector=parse_selector("pool=green"))
    told = await why(cluster, "/debug/why/nodes/node-1")
    assert told["verdict"] == "The node selector does not take the node's labels."
    assert (told["facts"]["is_known"], told["facts"]["is_selected"]) == (True, False)


@pytest.mark.parametrize(
    ("n_answers", "silent_seconds", "status"), [(0, 0, "NONE"), (1, 0, "ONE_POINT"), (2, 0, "OK"), (2, 46, "STALE")]
)
@pytest.mark.parametrize("path", ["/debug/why/nodes/node-1", f"{POD}/web-0"])
async def test_statuses_are_those_of_the_latest_view(
    path: str, n_answers: int, silent_seconds: int, status: str
) -> None:
    cluster = secure(n_answers=n_answers)
    cluster.clock.advance(silent_seconds)
    usage = (await why(cluster, path))["facts"]["usage"]
    assert usage["status"] == status
    assert ("age_seconds" in usage) is (status == "OK")


async def test_a_pod_shows_its_node() -> None:
    told = await why(secure(n_answers=1), f"{POD}/web-0")
    assert (told["namespace"], told["pod"]) == ("default", "web-0")
    assert told["verdict"] == "It has been sampled once, and a CPU rate needs two samples."
    assert (told["facts"]["is_known"], told["facts"]["is_running"]) == (True, True)
    assert told["facts"]["node"]["name"] == "node-1"
    assert told["facts"]["node"]["target"]["address"] == "10.0.0.1:10250"


async def test_a_pod_that_has_ended() -> None:
    cluster = secure()
    cluster.running.discard(cluster.store.find(Kind.POD, "default", "job"))
    told = await why(cluster, f"{POD}/job")
    assert told["verdict"] == "Its phase is not Running, and only pods that run have metrics."
    assert (told["facts"]["is_known"], told["facts"]["is_running"], told["facts"]["node"]) == (True, False, None)


async def test_a_pod_that_nobody_knows() -> None:
    told = await why(secure(), "/debug/why/namespaces/shop/pods/web-1")
    assert told["verdict"] == "The API server has told of no pod of this name in this namespace."
    assert told["facts"]["is_known"] is False


async def test_a_pod_that_a_kubelet_has_and_the_api_server_has_not() -> None:
    cluster = secure()
    cluster.store.remove_pod("shop", "web-0")
    cluster.answer()
    slot = cluster.store.find(Kind.POD, "shop", "web-0")
    cluster.running.discard(slot)
    told = await why(cluster, "/debug/why/namespaces/shop/pods/web-0")
    assert told["facts"]["is_known"] is False


async def test_the_secure_port_asks_its_chain_first() -> None:
    attributes = Attributes("get", "/debug/why/nodes/node-1")
    auth = ScriptedAuth(Forbidden(User("u"), attributes))
    answer = await secure(auth=auth).get("/debug/why/nodes/node-1")
    assert answer.status == 403
    assert auth.asked[0].path == "/debug/why/nodes/node-1"


@pytest.mark.parametrize("path", ["/debug/why", "/debug/why/nodes", "/debug/why/nodes/a/b", "/debug/why/pods/a"])
async def test_other_paths_are_not_found(path: str) -> None:
    assert (await secure().get(path)).status == 404
    assert (await ask(Cluster(n_batches=0).app, path)).status == 404


async def test_heapsters_port_says_the_same() -> None:
    running = PostingIndex()
    cluster = Cluster({"running": running, "targets": targets_of, "node_selector": parse_selector("pool=blue")})
    slot = cluster.store.find(Kind.POD, "default", "web-0")
    running.put(slot, "default", {}, "node-1")
    node = (await ask(cluster.app, "/debug/why/nodes/node-1")).json
    assert (node["facts"]["is_known"], node["facts"]["is_selected"]) == (True, True)
    assert (await ask(cluster.app, "/debug/why/nodes/node-2")).json["facts"]["is_selected"] is False
    pod = (await ask(cluster.app, f"{POD}/web-0")).json
    assert (pod["facts"]["is_running"], pod["facts"]["node"]["name"]) == (True, "node-1")
