"""`/apis/metrics/v1alpha1`: lists, single objects, selectors and failures."""

from __future__ import annotations

import pytest

from heapfast.catalog.keys import Kind
from heapfast.render.apis_metrics import EMPTY_LIST, SLICE_ITEMS
from heapfast.sim._rows import rows_of
from tests.unit.api.client import ask
from tests.unit.api.cluster import STEP_NS, Cluster
from tests.unit.store.rows import SECOND_NS, T0_NS, container

APIS = "/apis/metrics/v1alpha1"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.mark.parametrize(
    ("path", "items"),
    [
        ("/pods", ["default/job", "default/web-0", "shop/web-0"]),
        ("/namespaces/default/pods/", ["default/job", "default/web-0"]),
        ("/pods?labelSelector=app%3Dweb", ["default/web-0", "shop/web-0"]),
        ("/namespaces/shop/pods?labelSelector=app+in+(web,job)", ["shop/web-0"]),
        ("/pods?labelSelector=", ["default/job", "default/web-0", "shop/web-0"]),
        ("/pods?labelSelector=!tier", ["default/job", "shop/web-0"]),
    ],
)
async def test_pod_lists(cluster: Cluster, path: str, items: list[str]) -> None:
    listed = (await ask(cluster.app, APIS + path)).json
    assert listed["metadata"] == {}
    assert [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in listed["items"]] == items


@pytest.mark.parametrize(
    "path", ["/namespaces/nope/pods", "/pods?labelSelector=nope", "/nodes?labelSelector=pool=green"]
)
async def test_empty_lists_are_null(cluster: Cluster, path: str) -> None:
    assert (await ask(cluster.app, APIS + path)).raw == EMPTY_LIST


async def test_a_node(cluster: Cluster) -> None:
    node = {
        "metadata": {"name": "node-1", "creationTimestamp": "2017-12-11T10:02:31Z"},
        "timestamp": "2017-12-11T10:02:00Z",
        "window": "1m0s",
        "usage": {"cpu": "10", "memory": "8175292Ki"},
    }
    assert (await ask(cluster.app, f"{APIS}/nodes/node-1/?labelSelector=%3D")).json == node
    assert (await ask(cluster.app, f"{APIS}/nodes?labelSelector=pool")).json == {"metadata": {}, "items": [node]}


async def test_a_pods_containers_come_in_the_order_of_its_spec(cluster: Cluster) -> None:
    pod = (await ask(cluster.app, f"{APIS}/namespaces/default/pods/web-0?labelSelector=%3D")).json
    assert list(pod) == ["metadata", "timestamp", "window", "containers"]
    assert pod["containers"] == [
        {"name": "nginx", "usage": {"cpu": "1", "memory": "24Mi"}},
        {"name": "a-sidecar", "usage": {"cpu": "0", "memory": "1k"}},
    ]


async def test_a_pod_without_containers(cluster: Cluster) -> None:
    assert (await ask(cluster.app, f"{APIS}/namespaces/shop/pods/bare")).json["containers"] == []


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/nodes/nope", 404, "No metrics for node nope"),
        ("/nodes/node-2", 404, "No metrics for node node-2"),
        ("/namespaces/default/pods/nope", 404, 'Error while getting pod nope: pod "nope" not found'),
        ("/namespaces/nope/pods/x", 404, 'Error while getting pod x: pod "x" not found'),
        (
            "/namespaces/lost/pods/unknown-to-the-api",
            404,
            'Error while getting pod unknown-to-the-api: pod "unknown-to-the-api" not found',
        ),
        ("/namespaces/default/pods/half", 404, "No metrics available for pod default/half"),
        ("/namespaces/default/pods/over", 404, "No metrics available for pod default/over"),
        (
            "/nodes?labelSelector=%3Dx",
            400,
            "Error while parsing selector =x: found '=', expected: !, identifier, or 'end of string'",
        ),
        (
            "/namespaces/nope/pods?labelSelector=a%3Db%2C",
            400,
            "Error while parsing selector a=b,: found '', expected: identifier after ','",
        ),
    ],
)
async def test_failures(cluster: Cluster, path: str, status: int, text: str) -> None:
    answer = await ask(cluster.app, APIS + path)
    assert (answer.status, answer.text) == (status, text)


@pytest.mark.parametrize("n_batches", [0, 1])
async def test_nothing_before_the_second_batch(n_batches: int) -> None:
    cluster = Cluster(n_batches=n_batches)
    for path in ("/nodes", "/pods?labelSelector=app", "/namespaces/default/pods"):
        assert (await ask(cluster.app, APIS + path)).raw == EMPTY_LIST
    assert (await ask(cluster.app, f"{APIS}/namespaces/default/pods/web-0")).status == 404
    assert (await ask(cluster.app, f"{APIS}/nodes/node-1")).status == 404


async def test_a_long_list_comes_in_chunks_and_whole() -> None:
    cluster = Cluster(n_batches=0)
    count = 2 * SLICE_ITEMS + 7
    names = [f"pod-{i:05}" for i in range(count)]
    for name in names:
        spec = ("c", "image:1", 0, 0, 0, 0, 0, False)
        cluster.pods.put(cluster.store.put_pod("big", name, uid=name, labels="", containers=[spec]), "big", {}, "")
    node = cluster.store.find(Kind.NODE, "node-1")
    for batch in range(2):
        at = T0_NS + batch * STEP_NS
        usage = {"cpu/usage": batch * SECOND_NS, "memory/working_set": 5}
        cluster.store.ingest(rows_of([container("big", name, "c", usage, at=at) for name in names]), node, at)
        cluster.tick(at)
    plain = await ask(cluster.app, f"{APIS}/namespaces/big/pods")
    assert plain.n_messages > 2
    assert [item["metadata"]["name"] for item in plain.json["items"]] == names
    packed = await ask(cluster.app, f"{APIS}/namespaces/big/pods", headers=(("Accept-Encoding", "gzip"),))
    assert packed.body == plain.raw
    assert packed.headers["content-encoding"] == "gzip"
