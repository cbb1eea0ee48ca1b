"""The API server: lists, pages, watches, reviews, forwarding, and the switches below /sim/."""

import asyncio
import json
import urllib.parse
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from heapfast.clock import ManualClock
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = (
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)


class Api:
    """Asks one API server."""

    def __init__(self, sim: SimulatedCluster, client: aiohttp.ClientSession) -> None:
        self.sim, self.client = sim, client
        self.watches: list[aiohttp.ClientResponse] = []

    async def ask(self, method: str, path: str, **rest: Any) -> tuple[int, Any]:
        async with self.client.request(method, self.sim.api.url + path, **rest) as response:
            return response.status, json.loads(await response.read())

    async def get(self, path: str, accept: str = "application/json", **query: str) -> Any:
        status, value = await self.ask("GET", path, params=query, headers={"Accept": accept})
        assert status == 200, value
        return value

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        return await self.ask("POST", path, data=json.dumps(body))


@pytest.fixture
async def api(sim: SimulatedCluster, client: aiohttp.ClientSession) -> AsyncIterator[Api]:
    api = Api(sim, client)
    yield api
    for response in api.watches:
        response.close()


def keys(listed: dict[str, Any]) -> list[str]:
    return [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in listed["items"]]


# -- lists -----------------------------------------------------------------------------------------


async def test_a_list_has_everything_in_key_order(api: Api) -> None:
    listed = await api.get("/api/v1/pods")
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
    assert keys(listed) == sorted(api.sim.cluster.pods.items)
    assert listed["metadata"]["resourceVersion"] == str(api.sim.cluster.pods.newest_version)
    assert len((await api.get("/api/v1/nodes"))["items"]) == 4
    namespaces = await api.get("/api/v1/namespaces")
    assert [item["metadata"]["name"] for item in namespaces["items"]] == ["default", "kube-system", "shop"]


async def test_a_pod_states_what_the_daemon_needs(api: Api) -> None:
    pod = next(pod for pod in api.sim.cluster.pods.items.values() if pod.workload.containers[0].cpu_limit_millicores)
    item = await api.get(f"/api/v1/namespaces/{pod.workload.namespace}/pods/{pod.name}")
    spec = pod.workload.containers[0]
    assert (item["kind"], item["metadata"]["uid"]) == ("Pod", api.sim.cluster.pod_uid(pod))
    assert item["metadata"]["labels"] == pod.labels
    assert item["metadata"]["resourceVersion"] == str(pod.resource_version)
    assert item["spec"]["nodeName"] == pod.node.name
    assert item["spec"]["containers"][0]["resources"]["requests"]["cpu"] == f"{spec.cpu_request_millicores}m"
    assert item["spec"]["containers"][0]["resources"]["limits"]["memory"].endswith("Mi")
    assert item["status"]["phase"] == "Running"
    assert item["status"]["hostIP"] == pod.node.host.address
    names = [status["name"] for status in item["status"]["containerStatuses"]]
    assert names == [container.name for container in pod.workload.containers]


async def test_container_ids_are_those_the_kubelet_knows(api: Api) -> None:
    host = api.sim.cluster.hosts[0]
    infos = json.loads(api.sim.cluster.bodies(host).stats_container(api.sim.clock.now_ns() // 1_000_000))
    known = {path.rpartition("/")[2] for path in infos}
    listed = await api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={host.name}")
    ids = [status["containerID"] for item in listed["items"] for status in item["status"]["containerStatuses"]]
    assert len(set(ids)) == 20
    assert {text.removeprefix("containerd://") for text in ids} < known


async def test_a_node_states_where_its_kubelet_is(api: Api) -> None:
    for item in (await api.get("/api/v1/nodes"))["items"]:
        host = api.sim.cluster.get_host(item["metadata"]["name"])
        addresses = {address["type"]: address["address"] for address in item["status"]["addresses"]}
        assert addresses["InternalIP"] == host.address
        assert item["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] == api.sim.kubelets.port
        assert item["status"]["capacity"]["cpu"] == str(host.cores)
        assert item["spec"]["externalID"]
    first = await api.get("/api/v1/nodes/node-0000")
    assert first["status"]["addresses"][1] == {"type": "Hostname", "address": "node-0000"}
    # Every third has a Hostname that is not its name.
    third = await api.get("/api/v1/nodes/node-0002")
    assert third["status"]["addresses"][1] == {"type": "Hostname", "address": "node-0002.example.internal"}


@pytest.mark.parametrize("limit", [1, 7, 40, 41])
async def test_pages_add_up_to_the_list(api: Api, limit: int) -> None:
    query = {"limit": str(limit)}
    found, versions = [], set()
    while True:
        page = await api.get("/api/v1/pods", **query)
        assert len(page["items"]) <= limit
        found += keys(page)
        versions.add(page["metadata"]["resourceVersion"])
        if "continue" not in page["metadata"]:
            break
        assert page["metadata"]["remainingItemCount"] == 40 - len(found)
        query["continue"] = page["metadata"]["continue"]
    assert found == sorted(api.sim.cluster.pods.items)
    assert len(versions) == 1


async def test_pages_of_a_selection_hold_only_what_it_selects(api: Api) -> None:
    whole = keys(await api.get("/api/v1/pods", labelSelector="app=web"))
    first = await api.get("/api/v1/pods", labelSelector="app=web", limit="3")
    rest = await api.get("/api/v1/pods", labelSelector="app=web", **{"continue": first["metadata"]["continue"]})
    assert len(keys(first)) == 3
    assert "remainingItemCount" not in first["metadata"]
    assert keys(first) + keys(rest) == whole


async def test_a_continue_token_expires_with_its_events(api: Api) -> None:
    page = await api.get("/api/v1/pods", limit="5")
    api.sim.churn.replace(keys(page)[0], 0)
    api.sim.cluster.pods.compact()
    status, error = await api.ask("GET", "/api/v1/pods", params={"continue": page["metadata"]["continue"]})
    assert (status, error["reason"], error["code"]) == (410, "Expired", 410)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"continue": "nonsense"}, 400),
        ({"limit": "many"}, 400),
        ({"labelSelector": "=x"}, 400),
        ({"fieldSelector": "spec.color=red"}, 400),
        ({"resourceVersion": "999999999"}, 504),
        ({"resourceVersion": "0"}, 200),
        ({"watch": "1", "timeoutSeconds": "soon"}, 400),
        ({"watch": "1", "resourceVersion": "x"}, 400),
    ],
)
async def test_odd_parameters_get_a_status(api: Api, query: dict[str, str], status: int) -> None:
    code, value = await api.ask("GET", "/api/v1/pods", params=query)
    assert code == status
    assert status == 200 or (value["kind"], value["code"]) == ("Status", status)


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "app=web"},
        {"labelSelector": "tier in (backend),app!=worker"},
        {"fieldSelector": "spec.nodeName=node-0002"},
        {"fieldSelector": "status.phase=Running", "labelSelector": "!pod-template-hash"},
        {"fieldSelector": "status.phase!=Running"},
    ],
)
async def test_selectors_choose(api: Api, query: dict[str, str]) -> None:
    chosen = keys(await api.get("/api/v1/pods", **query))
    want = []
    for key, pod in sorted(api.sim.cluster.pods.items.items()):
        labels = pod.labels
        fits = {
            "app=web": labels["app"] == "web",
            "tier in (backend),app!=worker": labels["tier"] == "backend" and labels["app"] != "worker",
            "!pod-template-hash": "pod-template-hash" not in labels,
        }.get(query.get("labelSelector", ""), True) and {
            "spec.nodeName=node-0002": pod.node.name == "node-0002",
            "status.phase!=Running": False,
        }.get(query.get("fieldSelector", ""), True)
        if fits:
            want.append(key)
    assert chosen == want


async def test_one_namespace_and_one_name(api: Api) -> None:
    shop = keys(await api.get("/api/v1/namespaces/shop/pods"))
    assert shop == [key for key in sorted(api.sim.cluster.pods.items) if key.startswith("shop/")]
    name = shop[0].partition("/")[2]
    query = {"fieldSelector": f"metadata.name={name}"}
    assert keys(await api.get("/api/v1/namespaces/shop/pods", **query)) == [shop[0]]
    assert keys(await api.get("/api/v1/namespaces/default/pods", **query)) == []
    assert (await api.get("/api/v1/namespaces/nowhere/pods"))["items"] == []


@pytest.mark.parametrize(
    "path", ["/api/v1/nodes/nobody", "/api/v1/namespaces/shop/pods/nobody", "/api/v1/secrets", "/apis/none/v1", "/"]
)
async def test_what_is_not_there_is_a_404_status(api: Api, path: str) -> None:
    status, value = await api.ask("GET", path)
    assert (status, value["kind"], value["reason"]) == (404, "Status", "NotFound")


async def test_a_method_that_is_not_served_is_a_405_status(api: Api) -> None:
    status, value = await api.ask("POST", "/api/v1/nodes")
    assert (status, value["reason"]) == (405, "MethodNotAllowed")


async def test_tables_and_metadata_are_served_when_asked_for(api: Api) -> None:
    table = await api.get("/api/v1/nodes", accept=TABLE)
    assert table["kind"] == "Table"
    assert [row["cells"][:2] for row in table["rows"]] == [[f"node-{i:04d}", "Ready"] for i in range(4)]
    assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])
    metadata = await api.get("/api/v1/pods", accept=METADATA)
    assert metadata["kind"] == "PartialObjectMetadataList"
    assert {(item["kind"], *item) for item in metadata["items"]} == {
        ("PartialObjectMetadata", "kind", "apiVersion", "metadata")
    }
    assert keys(metadata) == sorted(api.sim.cluster.pods.items)
    one = await api.get("/api/v1/namespaces/shop", accept=TABLE)
    assert one["rows"][0]["cells"] == ["shop", "Active", "30d"]


# -- watches ---------------------------------------------------------------------------------------


class Watch:
    """The lines of one watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(10):
            line = json.loads(await self.response.content.readline())
        return line["type"], line["object"]

    async def ended(self) -> bool:
        async with asyncio.timeout(10):
            return await self.response.content.readline() == b""


async def start_watch(api: Api, path: str = "/api/v1/pods", accept: str = "application/json", **query: str) -> Watch:
    response = await api.client.get(
        api.sim.api.url + path, params={"watch": "true", **query}, headers={"Accept": accept}
    )
    api.watches.append(response)
    assert response.status == 200
    return Watch(response)


def version(api: Api) -> str:
    return str(api.sim.cluster.pods.newest_version)


def a_pod(api: Api, *, stateful: bool = False) -> str:
    return next(key for key, pod in api.sim.cluster.pods.items.items() if pod.workload.is_stateful is stateful)


async def test_a_watch_tells_of_a_replacement(api: Api, clock: ManualClock) -> None:
    watch = await start_watch(api, resourceVersion=version(api))
    old = a_pod(api)
    new = api.sim.churn.replace(old, clock.now_ns() // 1_000_000)
    kind, thing = await watch.next()
    assert (kind, thing["kind"], thing["metadata"]["name"]) == ("DELETED", "Pod", old.partition("/")[2])
    deleted_version = int(thing["metadata"]["resourceVersion"])
    kind, thing = await watch.next()
    assert (kind, thing["metadata"]["name"], thing["status"]["phase"]) == ("ADDED", new.name, "Pending")
    assert int(thing["metadata"]["resourceVersion"]) > deleted_version
    clock.advance(10)
    api.sim.advance()
    kind, thing = await watch.next()
    assert (kind, thing["metadata"]["name"], thing["status"]["phase"]) == ("MODIFIED", new.name, "Running")
    assert thing["status"]["startTime"]


async def test_list_and_watch_lead_to_the_same_state(api: Api, clock: ManualClock) -> None:
    """The first page is old, the second is new, and churn goes on: events mend the difference."""
    page = await api.get("/api/v1/pods", limit="20")
    known = {key: item["metadata"]["uid"] for key, item in zip(keys(page), page["items"], strict=True)}
    api.sim.churn.set_rate(600, clock.now_ns() // 1_000_000)
    clock.advance(5)
    api.sim.advance()
    rest = await api.get("/api/v1/pods", **{"continue": page["metadata"]["continue"]})
    known.update({key: item["metadata"]["uid"] for key, item in zip(keys(rest), rest["items"], strict=True)})
    watch = await start_watch(api, resourceVersion=page["metadata"]["resourceVersion"], timeoutSeconds="0")
    while line := await watch.response.content.readline():
        event = json.loads(line)
        metadata = event["object"]["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        if event["type"] == "DELETED":
            known.pop(key, None)
        else:
            known[key] = metadata["uid"]
    cluster = api.sim.cluster
    assert known == {key: cluster.pod_uid(pod) for key, pod in cluster.pods.items.items()}


async def test_a_filtered_watch_sees_things_come_into_sight_and_go(api: Api, clock: ManualClock) -> None:
    watch = await start_watch(api, resourceVersion=version(api), fieldSelector="status.phase=Running")
    new = api.sim.churn.replace(a_pod(api), clock.now_ns() // 1_000_000)
    clock.advance(10)
    api.sim.advance()
    api.sim.cluster.delete_pod(new.key)
    seen = [await watch.next() for _ in range(3)]
    assert [kind for kind, _ in seen] == ["DELETED", "ADDED", "DELETED"]
    assert seen[1][1]["metadata"]["name"] == seen[2][1]["metadata"]["name"] == new.name


@pytest.mark.parametrize("start", ["", "0"])
async def test_a_watch_without_a_version_begins_with_everything(api: Api, start: str) -> None:
    query = {"resourceVersion": start} if start else {}
    watch = await start_watch(api, "/api/v1/namespaces/shop/pods", timeoutSeconds="0", **query)
    want = [key for key in sorted(api.sim.cluster.pods.items) if key.startswith("shop/")]
    seen = [await watch.next() for _ in want]
    assert {kind for kind, _ in seen} == {"ADDED"}
    assert [f"shop/{thing['metadata']['name']}" for _, thing in seen] == want
    assert await watch.ended()


async def test_initial_events_end_with_a_marked_bookmark(api: Api) -> None:
    watch = await start_watch(
        api, "/api/v1/nodes", sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"
    )
    assert [(await watch.next())[0] for _ in range(4)] == ["ADDED"] * 4
    kind, mark = await watch.next()
    assert (kind, mark["kind"]) == ("BOOKMARK", "Node")
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_of_forgotten_events_gets_410(api: Api, clock: ManualClock) -> None:
    old = version(api)
    api.sim.churn.replace(a_pod(api), clock.now_ns() // 1_000_000)
    assert (await api.post("/sim/compact", {}))[0] == 200
    watch = await start_watch(api, resourceVersion=old)
    kind, status = await watch.next()
    assert (kind, status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")
    assert await watch.ended()


async def test_a_node_that_changes_is_told_to_watches(api: Api) -> None:
    watch = await start_watch(api, "/api/v1/nodes", resourceVersion=version(api))
    await api.post("/sim/nodes", {"name": "node-0001", "ready": False, "unschedulable": True})
    kind, node = await watch.next()
    assert (kind, node["status"]["conditions"][0]["status"], node["spec"]["unschedulable"]) == (
        "MODIFIED", "False", True,
    )  # fmt: skip


async def test_watches_come_as_tables_and_metadata_too(api: Api, clock: ManualClock) -> None:
    start = version(api)
    api.sim.churn.replace(a_pod(api), clock.now_ns() // 1_000_000)
    for accept, kind in ((TABLE, "Table"), (METADATA.replace("MetadataList", "Metadata"), "PartialObjectMetadata")):
        watch = await start_watch(api, accept=accept, resourceVersion=start)
        assert (await watch.next())[1]["kind"] == kind


class TestBookmarks:
    @pytest.fixture
    def options(self) -> SimulateOptions:
        return SimulateOptions(nodes=2, pods_per_node=5, bookmark_seconds=0.02)

    async def test_bookmarks_carry_the_newest_version(self, api: Api) -> None:
        watch = await start_watch(api, resourceVersion=version(api), allowWatchBookmarks="true")
        first = await watch.next()
        assert (first[0], first[1]["metadata"]["resourceVersion"]) == ("BOOKMARK", version(api))
        # A change of another kind moves the version on, and bookmarks with it.
        api.sim.cluster.set_node("node-0001", ready=False)
        while True:
            kind, mark = await watch.next()
            assert kind == "BOOKMARK"
            if mark["metadata"]["resourceVersion"] == version(api):
                break

    async def test_who_does_not_allow_bookmarks_gets_none(self, api: Api, clock: ManualClock) -> None:
        watch = await start_watch(api, resourceVersion=version(api))
        marked = await start_watch(api, resourceVersion=version(api), allowWatchBookmarks="true")
        await marked.next()
        await marked.next()
        api.sim.churn.replace(a_pod(api), clock.now_ns() // 1_000_000)
        assert (await watch.next())[0] == "DELETED"


class TestSmallWindow:
    @pytest.fixture
    def options(self) -> SimulateOptions:
        return SimulateOptions(nodes=2, pods_per_node=5, event_window=5)

    async def test_a_burst_beyond_the_window_ends_a_watch_with_410(self, api: Api, clock: ManualClock) -> None:
        watch = await start_watch(api, resourceVersion=version(api))
        # In one step of the loop, so that the watch cannot follow.
        for _ in range(20):
            api.sim.churn.replace(a_pod(api), clock.now_ns() // 1_000_000)
        kind, status = await watch.next()
        assert (kind, status["code"]) == ("ERROR", 410)
        assert await watch.ended()


async def test_watches_end_when_the_server_stops(clock: ManualClock, client: aiohttp.ClientSession) -> None:
    async with SimulatedCluster(SimulateOptions(nodes=1), clock) as sim:
        watch = await start_watch(Api(sim, client), "/api/v1/nodes", resourceVersion="0")
        await watch.next()
    with pytest.raises(aiohttp.ClientError):
        await watch.ended()
    watch.response.close()


# -- discovery, probes, reviews --------------------------------------------------------------------


async def test_discovery_leads_to_every_kind(api: Api) -> None:
    assert (await api.get("/api"))["versions"] == ["v1"]
    names = [resource["name"] for resource in (await api.get("/api/v1"))["resources"]]
    assert names == ["configmaps", "namespaces", "nodes", "pods"]
    for group in (await api.get("/apis"))["groups"]:
        if group["name"] != "metrics.k8s.io":
            version_document = await api.get(f"/apis/{group['preferredVersion']['groupVersion']}")
            assert version_document["groupVersion"] == group["preferredVersion"]["groupVersion"]
    assert (await api.get("/version"))["major"] == "1"


class TestCredentials:
    @pytest.fixture
    def options(self) -> SimulateOptions:
        return SimulateOptions(nodes=1, pods_per_node=1, token="s3cret")

    async def test_a_token_is_demanded_except_by_probes(self, api: Api) -> None:
        assert (await api.ask("GET", "/api/v1/nodes"))[0] == 401
        assert (await api.ask("GET", "/sim/state"))[0] == 401
        assert (await api.ask("GET", "/api/v1/nodes", headers={"Authorization": "Bearer wrong"}))[0] == 401
        assert (await api.ask("GET", "/api/v1/nodes", headers={"Authorization": "Bearer s3cret"}))[0] == 200
        async with api.client.get(api.sim.api.url + "/readyz") as response:
            assert await response.text() == "ok"

    @pytest.mark.parametrize(("token", "known"), [("s3cret", True), ("other", False), ("", False)])
    async def test_a_token_is_reviewed(self, api: Api, token: str, known: bool) -> None:
        status, review = await api.ask(
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            data=json.dumps({"kind": "TokenReview", "spec": {"token": token}}),
            headers={"Authorization": "Bearer s3cret"},
        )
        assert status == 201
        assert review["status"]["authenticated"] is known
        assert ("user" in review["status"]) is known

    @pytest.mark.parametrize(
        ("spec", "allowed"),
        [
            ({"user": "simulated-admin"}, True),
            ({"user": "bob", "groups": ["system:masters"]}, True),
            ({"user": "bob", "groups": ["devs"], "resourceAttributes": {"verb": "list"}}, False),
            ({}, False),
        ],
    )
    async def test_access_is_reviewed(self, api: Api, spec: dict[str, Any], allowed: bool) -> None:
        status, review = await api.ask(
            "POST",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            data=json.dumps({"spec": spec}),
            headers={"Authorization": "Bearer s3cret"},
        )
        assert (status, review["status"]["allowed"]) == (201, allowed)


@pytest.mark.parametrize("body", ["", "{}", '{"spec": 1}', "["])
async def test_a_review_of_nothing_is_refused(api: Api, body: str) -> None:
    status, error = await api.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", data=body)
    assert (status, error["reason"]) == (400, "BadRequest")


async def test_without_a_token_nobody_is_known(api: Api) -> None:
    _, review = await api.post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": ""}})
    assert review["status"]["authenticated"] is False


# -- forwarding ------------------------------------------------------------------------------------


class Daemon:
    """What a daemon was asked, and a server that echoes it."""

    def __init__(self) -> None:
        self.url = ""

    async def echo(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=203, headers={"X-From": "daemon", "Content-Type": "application/json"})
        await response.prepare(request)
        told = {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): request.headers.getall(name) for name in request.headers},
            "body": (await request.read()).decode(),
        }
        text = json.dumps(told).encode()
        for start in range(0, len(text), 100):
            await response.write(text[start : start + 100])
        return response


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    daemon = Daemon()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", daemon.echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    daemon.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield daemon
    await runner.cleanup()


class TestForwarding:
    @pytest.fixture
    def options(self, daemon: Daemon) -> SimulateOptions:
        return SimulateOptions(nodes=1, pods_per_node=1, daemon_url=daemon.url)

    @pytest.mark.parametrize(
        ("path", "want"),
        [
            ("/apis/metrics.k8s.io", "/apis/metrics.k8s.io"),
            ("/apis/metrics.k8s.io/v1beta1/pods?labelSelector=app%3Dweb", None),
            (
                "/api/v1/namespaces/kube-system/services/http:heapster:/proxy/api/v1/model/nodes/",
                "/api/v1/model/nodes/",
            ),
            ("/api/v1/namespaces/kube-system/services/heapster/proxy/healthz", "/healthz"),
            ("/api/v1/namespaces/kube-system/services/https:heapster:api/proxy/a%2Fb?c=d%20e", "/a%2Fb?c=d%20e"),
            ("/api/v1/namespaces/kube-system/services/http:heapster:/proxy", "/"),
            ("/api/v1/namespaces/kube-system/services/http:heapster:/proxy?a=1", "/?a=1"),
        ],
    )
    async def test_the_daemon_is_asked_for_its_own_paths(self, api: Api, path: str, want: str | None) -> None:
        status, told = await api.ask("GET", urllib.parse.quote(path, safe="/:?=%&"))
        assert (status, told["path"], told["method"]) == (203, want or path, "GET")

    async def test_headers_say_who_asks_and_hide_how(self, api: Api) -> None:
        _, told = await api.ask(
            "POST",
            "/apis/metrics.k8s.io/v1beta1/x",
            data="hello",
            headers={"Authorization": "Bearer secret", "Accept": "application/yaml", "X-Other": "1"},
        )
        headers = told["headers"]
        assert told["body"] == "hello"
        assert "authorization" not in headers
        assert headers["x-remote-user"] == ["simulated-admin"]
        assert headers["x-remote-group"] == ["system:masters", "system:authenticated"]
        assert headers["x-remote-uid"] == ["1"]
        assert headers["x-forwarded-uri"] == ["/apis/metrics.k8s.io/v1beta1/x"]
        assert (headers["accept"], headers["x-other"]) == (["application/yaml"], ["1"])

    async def test_nobody_makes_themselves_somebody_else(self, api: Api) -> None:
        claims = {"X-Remote-User": "root", "x-remote-group": "system:masters", "X-Remote-Extra-Scopes": "all"}
        _, told = await api.ask("GET", "/apis/metrics.k8s.io/v1", headers=claims)
        assert told["headers"]["x-remote-user"] == ["simulated-admin"]
        assert told["headers"]["x-remote-group"] == ["system:masters", "system:authenticated"]
        assert "x-remote-extra-scopes" not in told["headers"]

    @pytest.mark.parametrize(
        "path",
        [
            "/apis/metrics.k8s.iox",
            "/api/v1/namespaces/default/services/http:heapster:/proxy/x",
            "/api/v1/namespaces/kube-system/services/http:other:/proxy/x",
            "/api/v1/namespaces/kube-system/services/heapster/proxyx",
        ],
    )
    async def test_other_paths_stay_here(self, api: Api, path: str) -> None:
        assert (await api.ask("GET", path))[0] == 404


class TestTwoPorts:
    @pytest.fixture
    def options(self, daemon: Daemon) -> SimulateOptions:
        # Port 1 of an address that nothing listens on.
        return SimulateOptions(nodes=1, pods_per_node=1, daemon_url="http://127.0.0.77:1", aggregated_url=daemon.url)

    async def test_metrics_have_their_own_port(self, api: Api) -> None:
        assert (await api.ask("GET", "/apis/metrics.k8s.io/v1beta1/nodes"))[0] == 203
        proxy = "/api/v1/namespaces/kube-system/services/http:heapster:/proxy/healthz"
        assert (await api.ask("GET", proxy))[0] == 503


class TestDaemonAway:
    @pytest.fixture
    async def options(self, daemon: Daemon) -> SimulateOptions:
        # Port 1 of an address that nothing listens on.
        return SimulateOptions(nodes=1, pods_per_node=1, daemon_url="http://127.0.0.77:1")

    async def test_a_daemon_that_is_away_is_a_503_status(self, api: Api) -> None:
        status, value = await api.ask("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
        assert (status, value["kind"], value["reason"]) == (503, "Status", "ServiceUnavailable")
        assert (await api.ask("GET", "/api/v1/nodes"))[0] == 200


# -- /sim/ -----------------------------------------------------------------------------------------


async def test_state_and_switches(api: Api, clock: ManualClock) -> None:
    assert await api.post("/sim/faults", {"faults": ["node-0003=hang", "50%=500"]}) == (
        200, {"node-0003": ["node-0003"], "50%": api.sim.faults.select("50%")},
    )  # fmt: skip
    assert len(await api.get("/sim/faults")) == len({"node-0003", *api.sim.faults.select("50%")})
    assert (await api.ask("DELETE", "/sim/faults", params={"target": "node-0003"}))[1] == {"node-0003": ["node-0003"]}
    assert (await api.ask("DELETE", "/sim/faults"))[0] == 200
    assert await api.get("/sim/faults") == {}
    assert (await api.post("/sim/churn", {"per_minute": 60}))[1] == {"per_minute": 60}
    clock.advance(60)
    api.sim.advance()
    state = await api.get("/sim/state")
    assert state["churn"] == {"per_minute": 60, "replaced_total": 60}
    assert (state["nodes"], state["pods"], state["seed"]) == (4, 40, 7)
    key = a_pod(api)
    namespace, _, name = key.partition("/")
    status, replaced = await api.post("/sim/replace", {"namespace": namespace, "name": name})
    assert (status, f"{namespace}/{replaced['name']}" in api.sim.cluster.pods.items) == (200, True)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sim/faults", {"faults": ["node-0003=sulk"]}, 400),
        ("/sim/faults", [], 400),
        ("/sim/churn", {"per_minute": -1}, 400),
        ("/sim/replace", {"namespace": "shop", "name": "nobody"}, 404),
        ("/sim/nodes", {"name": "nobody", "ready": True}, 404),
    ],
)
async def test_switches_refuse_what_they_cannot_do(api: Api, path: str, body: Any, status: int) -> None:
    assert (await api.post(path, body))[0] == status


async def test_expected_values_are_served(api: Api) -> None:
    pod = api.sim.cluster.pods.items[a_pod(api)]
    at_ms = api.sim.clock.now_ns() // 1_000_000 + 60_000
    told = await api.get("/sim/expected", namespace=pod.workload.namespace, pod=pod.name, at=str(at_ms))
    want = api.sim.cluster.expected_container(pod.workload.namespace, pod.name, "main", at_ms)
    assert told["containers"]["main"]["cpu_usage_ns"] == want.cpu_usage_ns
    assert told["containers"]["main"]["cpu_millicores"] == want.cpu_millicores
    node = await api.get("/sim/expected", node="node-0001")
    assert node["total"]["cpu_millicores"] == api.sim.cluster.hosts[1].load.cpu_millicores
    assert (await api.ask("GET", "/sim/expected", params={"node": "nobody"}))[0] == 404
    assert (await api.ask("GET", "/sim/expected"))[0] == 400
    assert (await api.ask("GET", "/sim/expected", params={"node": "node-0001", "at": "now"}))[0] == 400
