"""custom.metrics.k8s.io: values of pods, nodes and namespaces, exactly; and who gets none."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from heapfast.api import custom_metrics
from heapfast.api.custom_metrics import SLICE_OBJECTS
from heapfast.api.params import parse_query
from heapfast.api.secure_app import create_secure_app
from heapfast.api.secure_state import SecureState
from heapfast.auth.attributes import AttributeReader, QueryParsers
from heapfast.catalog.keys import Kind
from heapfast.query._selector import parse_field_selector, parse_selector
from heapfast.render._roster import Roster
from heapfast.sim._rows import rows_of
from tests.unit.api.client import Answer, ask
from tests.unit.api.cluster import STEP_NS, Cluster
from tests.unit.store.rows import SECOND_NS, T0_NS, container, custom, pod

PREFIX = "/apis/custom.metrics.k8s.io"
LAST = "2017-12-11T10:02:00Z"
DEFAULT = "namespaces/default/pods"


class CustomCluster(Cluster):
    """The cluster of the model's tests, with the secure app on top; all pods are running."""

    def __init__(self, *, is_enabled: bool = True, n_batches: int = 3, **options: Any) -> None:
        super().__init__(n_batches=n_batches)
        state = SecureState(
            store=self.store,
            latest=self.store.latest,
            nodes=self.nodes,
            running=self.pods,
            node_roster=Roster(self.store.latest, Kind.NODE),
            pod_roster=Roster(self.store.latest, Kind.POD),
            clock=self.clock,
            resolution_ns=STEP_NS,
            enable_custom_metrics=is_enabled,
            **options,
        )
        self.secure = create_secure_app(state).app

    async def get(self, target: str, version: str = "v1beta2", **headers: str) -> Answer:
        path = target if target.startswith("/") else f"{PREFIX}/{version}/{target}"
        return await ask(self.secure, path, headers=tuple(headers.items()))

    async def values(self, target: str) -> dict[str, str]:
        """Values by the names of their objects, as they are listed."""
        answer = await self.get(target)
        assert answer.status == 200, answer.text
        return {item["describedObject"]["name"]: item["value"] for item in answer.json["items"]}

    async def refusal(self, target: str) -> tuple[int, str]:
        answer = await self.get(target)
        assert answer.json["kind"] == "Status"
        return answer.status, answer.json["message"]


@pytest.fixture(scope="module")
def cluster() -> CustomCluster:
    return CustomCluster()


# -- the form of an answer ------------------------------------------------------------------------


async def test_a_pods_rate_has_the_form_of_v1beta2(cluster: CustomCluster) -> None:
    answer = await cluster.get(f"{DEFAULT}/web-0/network_rx_rate")
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == (
        '{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta2","metadata":{},"items":['
        '{"describedObject":{"kind":"Pod","namespace":"default","name":"web-0","apiVersion":"/v1"},'
        '"metric":{"name":"network_rx_rate","selector":null},'
        f'"timestamp":"{LAST}","windowSeconds":60,"value":"1517m"}}]}}\n'
    )


async def test_v1beta1_names_the_metric_beside_the_object(cluster: CustomCluster) -> None:
    answer = await cluster.get(f"{DEFAULT}/web-0/network_rx_rate", "v1beta1")
    assert answer.json["apiVersion"] == "custom.metrics.k8s.io/v1beta1"
    assert answer.json["items"] == [
        {
            "describedObject": {"kind": "Pod", "namespace": "default", "name": "web-0", "apiVersion": "/v1"},
            "metricName": "network_rx_rate",
            "timestamp": LAST,
            "window": 60,
            "value": "1517m",
            "selector": None,
        }
    ]


async def test_what_looks_back_over_no_time_has_no_window(cluster: CustomCluster) -> None:
    for version, member in (("v1beta2", "windowSeconds"), ("v1beta1", "window")):
        (item,) = (await cluster.get(f"{DEFAULT}/web-0/memory_working_set", version)).json["items"]
        assert member not in item


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/vnd.kubernetes.protobuf, */*", "application/vnd.kubernetes.protobuf"),
        ("application/json", "application/json"),
        ("application/yaml", "application/yaml"),
        ("*/*", "application/json"),
    ],
)
async def test_the_form_is_negotiated(cluster: CustomCluster, accept: str, content_type: str) -> None:
    answer = await cluster.get(f"{DEFAULT}/*/memory_usage", accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)


async def test_other_forms_are_refused(cluster: CustomCluster) -> None:
    assert (await cluster.get(f"{DEFAULT}/*/memory_usage", accept="text/plain")).status == 406


async def test_tables_are_not_offered(cluster: CustomCluster) -> None:
    accept = "application/json;as=Table;g=meta.k8s.io;v=v1"
    assert (await cluster.get(f"{DEFAULT}/*/memory_usage", accept=accept)).status == 406


async def test_people_get_it_indented(cluster: CustomCluster) -> None:
    assert (await cluster.get(f"{DEFAULT}/web-0/uptime?pretty=1")).text.startswith('{\n  "kind": "MetricValueList"')


# -- values ---------------------------------------------------------------------------------------

VALUES: dict[str, dict[str, str]] = {
    f"{DEFAULT}/web-0/cpu_usage_rate": {"web-0": "1k"},
    f"{DEFAULT}/web-0/memory_working_set": {"web-0": "25166824"},
    f"{DEFAULT}/web-0/network_rx": {"web-0": "182"},
    f"{DEFAULT}/web-0/restart_count": {"web-0": "0"},
    f"{DEFAULT}/web-0/custom_qps": {"web-0": "17"},
    f"{DEFAULT}/web-0/custom_ratio": {"web-0": "250m"},
    f"{DEFAULT}/*/network_rx_rate": {"half": "17m", "job": "17m", "over": "17m", "web-0": "1517m"},
    f"{DEFAULT}/%2A/network_rx_rate?labelSelector=app%3Djob": {"job": "17m", "over": "17m"},
    f"{DEFAULT}/*/custom_qps": {"web-0": "17"},
    f"{DEFAULT}/*/network_rx_rate?labelSelector=app=none": {},
    "namespaces/shop/pods/*/network_rx_rate": {"web-0": "34m"},
    "namespaces/nowhere/pods/*/network_rx_rate": {},
    "nodes/node-1/network_rx_rate": {"node-1": "1667m"},
    "nodes/*/cpu_usage_rate": {"node-1": "10k"},
    "nodes/*/cpu_node_utilization": {"node-1": "2500m"},
    "nodes/*/cpu_usage_rate?labelSelector=pool=green": {},
    "namespaces/default/metrics/cpu_usage_rate": {"default": "2k"},
    "namespaces/shop/metrics/memory_usage": {"shop": "1073742848"},
    f"{DEFAULT}/web-0/network_rx_avg_3m": {"web-0": "91"},
    f"{DEFAULT}/web-0/network_rx_avg_2m": {"web-0": "136500m"},
    f"{DEFAULT}/web-0/network_rx_max_3m": {"web-0": "182"},
    f"{DEFAULT}/web-0/network_rx_min_2m": {"web-0": "91"},
    f"{DEFAULT}/web-0/network_rx_p50_3m": {"web-0": "91"},
    f"{DEFAULT}/web-0/network_rx_p95_3m": {"web-0": "182"},
    f"{DEFAULT}/*/custom_qps_p95_5m": {"web-0": "17"},
    "namespaces/default/metrics/cpu_usage_rate_p95_5m": {"default": "2k"},
    "nodes/node-1/network_rx_max_1s": {"node-1": "200"},
    f"{DEFAULT}/*/filesystem_usage?metricLabelSelector=resource_id%3DVolume.data": {"web-0": "12"},
    "nodes/node-1/filesystem_usage?metricLabelSelector=resource_id%3Droot": {"node-1": "40960"},
    "nodes/node-1/filesystem_limit_max_5m?metricLabelSelector=resource_id%3Droot": {"node-1": "1G"},
    "nodes/*/filesystem_usage?metricLabelSelector=resource_id%3Dlogs": {"node-1": "7"},
}


@pytest.mark.parametrize("target", VALUES)
async def test_a_metric_has_values(cluster: CustomCluster, target: str) -> None:
    for _ in range(2):
        values = await cluster.values(target)
        assert values == VALUES[target]
        assert list(values) == sorted(values)


OBJECTS = {
    "nodes/node-1/uptime": {"kind": "Node", "name": "node-1", "apiVersion": "/v1"},
    "namespaces/shop/metrics/cpu_limit": {"kind": "Namespace", "name": "shop", "apiVersion": "/v1"},
}


@pytest.mark.parametrize("target", OBJECTS)
async def test_what_lives_in_no_namespace_names_none(cluster: CustomCluster, target: str) -> None:
    (item,) = (await cluster.get(target)).json["items"]
    assert item["describedObject"] == OBJECTS[target]


async def test_the_selector_of_a_metric_is_repeated(cluster: CustomCluster) -> None:
    target = f"{DEFAULT}/web-0/filesystem_usage?metricLabelSelector=resource_id%3DVolume.data"
    selector = {"matchLabels": {"resource_id": "Volume.data"}}
    assert (await cluster.get(target)).json["items"][0]["metric"] == {"name": "filesystem_usage", "selector": selector}
    assert (await cluster.get(target, "v1beta1")).json["items"][0]["selector"] == selector


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("network_rx_avg_2m", 120),
        ("network_rx_avg_1h", 180),
        ("network_rx_avg_30s", 30),
        ("network_rx_rate_p95_5m", 120),
    ],
)
async def test_a_window_is_what_was_looked_at(cluster: CustomCluster, name: str, seconds: int) -> None:
    (item,) = (await cluster.get(f"{DEFAULT}/web-0/{name}")).json["items"]
    assert (item["windowSeconds"], item["timestamp"]) == (seconds, LAST)


# -- who gets none --------------------------------------------------------------------------------

NOWHERE = "the server could not find the metric"
REFUSALS = {
    f"{DEFAULT}/*/nonsense": f"{NOWHERE} nonsense for pods",
    f"{DEFAULT}/web-0/nonsense": f"{NOWHERE} nonsense for pods web-0",
    f"{DEFAULT}/*/custom_nonsense": f"{NOWHERE} custom_nonsense for pods",
    f"{DEFAULT}/nobody/uptime": f"{NOWHERE} uptime for pods nobody",
    f"{DEFAULT}/web-0/cpu_node_capacity": f"{NOWHERE} cpu_node_capacity for pods web-0",
    f"{DEFAULT}/web-0/uptime?metricLabelSelector=a%3Db": f"{NOWHERE} uptime for pods web-0 with selector a=b",
    f"{DEFAULT}/*/uptime?metricLabelSelector=a": f"{NOWHERE} uptime for pods * with selector a",
    f"{DEFAULT}/*/filesystem_usage": f"{NOWHERE} filesystem_usage for pods",
    f"{DEFAULT}/web-0/filesystem_usage?metricLabelSelector=resource_id%3Dx": (
        f"{NOWHERE} filesystem_usage for pods web-0 with selector resource_id=x"
    ),
    f"{DEFAULT}/*/filesystem_usage?metricLabelSelector=resource_id%21%3Dx": (
        f"{NOWHERE} filesystem_usage for pods * with selector resource_id!=x"
    ),
    "nodes/node-2/network_rx": f"{NOWHERE} network_rx for nodes node-2",
    "nodes/node-1.example/uptime": f"{NOWHERE} uptime for nodes node-1.example",
    "nodes/nobody/uptime": f"{NOWHERE} uptime for nodes nobody",
    "namespaces/nowhere/metrics/cpu_usage_rate": f"{NOWHERE} cpu_usage_rate for namespaces nowhere",
    "namespaces/default/metrics/network_rx": f"{NOWHERE} network_rx for namespaces default",
    "namespaces/default/deployments.apps/web/uptime": f"{NOWHERE} uptime for deployments.apps web",
    "namespaces/default/deployments.apps/*/uptime": f"{NOWHERE} uptime for deployments.apps",
    "persistentvolumes/*/uptime": f"{NOWHERE} uptime for persistentvolumes",
}


@pytest.mark.parametrize("target", REFUSALS)
async def test_what_is_not_there_is_named(cluster: CustomCluster, target: str) -> None:
    assert await cluster.refusal(target) == (404, REFUSALS[target])


@pytest.mark.parametrize(
    "target", [f"{DEFAULT}/web-0", f"{DEFAULT}/*/network/rx_rate", "nodes/node-1", "namespaces/default/metrics"]
)
async def test_other_paths_are_nobodys(cluster: CustomCluster, target: str) -> None:
    assert await cluster.refusal(target) == (404, "the server could not find the requested resource")


@pytest.mark.parametrize("parameter", ["labelSelector", "metricLabelSelector"])
async def test_a_bad_selector_is_a_bad_request(cluster: CustomCluster, parameter: str) -> None:
    status, message = await cluster.refusal(f"{DEFAULT}/*/uptime?{parameter}=%3D%3D")
    assert (status, message) == (400, "found '==', expected: !, identifier, or 'end of string'")


async def test_a_pod_that_is_not_running_has_no_values() -> None:
    cluster = CustomCluster()
    cluster.pods.remove(cluster.store.find(Kind.POD, "default", "job"))
    assert list(await cluster.values(f"{DEFAULT}/*/network_rx")) == ["half", "over", "web-0"]
    assert (await cluster.get(f"{DEFAULT}/job/network_rx")).status == 404


async def test_a_node_that_is_not_selected_has_no_values() -> None:
    cluster = CustomCluster(node_selector=parse_selector("pool=green"))
    assert await cluster.values("nodes/*/network_rx") == {}
    assert (await cluster.get("nodes/node-1/network_rx")).status == 404


async def test_before_the_first_batch_nothing_has_values() -> None:
    cluster = CustomCluster(n_batches=0)
    assert await cluster.values(f"{DEFAULT}/*/network_rx") == {}
    assert (await cluster.get("nodes/node-1/network_rx_p95_5m")).status == 404


async def test_a_daemon_that_has_stopped_ticking_has_no_values() -> None:
    cluster = CustomCluster()
    names = ("network_rx", "network_rx_p95_5m")
    cluster.clock.advance(3 * STEP_NS / SECOND_NS - 31)
    assert [len(await cluster.values(f"{DEFAULT}/*/{name}")) for name in names] == [4, 4]
    cluster.clock.advance(1)
    assert [len(await cluster.values(f"{DEFAULT}/*/{name}")) for name in names] == [0, 0]


async def test_a_pod_may_miss_two_ticks() -> None:
    cluster = CustomCluster()
    target = "namespaces/default/pods/*/network_rx_max_10m"
    for batch, is_there in ((3, True), (4, True), (5, False)):
        at = T0_NS + batch * STEP_NS
        cluster.clock.advance(STEP_NS / SECOND_NS)
        rows = [pod("default", "job", {"network/rx": batch}, at=at)]
        cluster.store.ingest(rows_of(rows), cluster.store.find(Kind.NODE, "node-1"), at)
        cluster.tick(at)
        for path in (target, target.removesuffix("_max_10m")):
            assert ("web-0" in await cluster.values(path)) is is_there
        assert (await cluster.values(target))["job"] == str(batch)


@pytest.mark.parametrize(("n", "threads"), [(SLICE_OBJECTS, 0), (2 * SLICE_OBJECTS + 1, 1)])
async def test_a_long_list_is_whole_and_made_beside_the_loop(
    n: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = CustomCluster()
    names = [f"pod-{i:03}" for i in range(n)]
    rendered_in = []
    render = custom_metrics.render_values

    def render_somewhere(*arguments: Any, **options: Any) -> bytes:
        rendered_in.append(threading.current_thread())
        return render(*arguments, **options)

    monkeypatch.setattr(custom_metrics, "render_values", render_somewhere)
    at = T0_NS + 3 * STEP_NS
    for name in names:
        slot = cluster.store.put_pod("many", name, uid="", labels="")
        cluster.pods.put(slot, "many", {}, "node-1")
    rows = [container("many", name, "c", {"memory/usage": n}, at=at) for n, name in enumerate(names)]
    cluster.store.ingest(rows_of(rows), cluster.store.find(Kind.NODE, "node-1"), at)
    cluster.tick(at)
    assert await cluster.values("namespaces/many/pods/*/memory_usage") == {name: str(n) for n, name in enumerate(names)}
    assert sum(thread is not threading.main_thread() for thread in rendered_in) == threads


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
async def test_a_value_that_is_no_number_is_a_gap(value: float) -> None:
    cluster = CustomCluster()
    at = T0_NS + 3 * STEP_NS
    rows = [
        container("default", name, main, {"memory/usage": 1}, at=at, custom=[custom("ratio", ratio)])
        for name, main, ratio in (("web-0", "nginx", value), ("job", "main", 0.5))
    ]
    cluster.store.ingest(rows_of(rows), cluster.store.find(Kind.NODE, "node-1"), at)
    cluster.tick(at)
    assert await cluster.values(f"{DEFAULT}/*/custom_ratio") == {"job": "500m", "web-0": "250m"}
    answer = await cluster.get(f"{DEFAULT}/web-0/custom_ratio")
    assert answer.json["items"][0]["timestamp"] == LAST


async def test_a_namespace_that_only_pods_tell_of_has_values() -> None:
    cluster = CustomCluster()
    cluster.store.put_pod("new", "p", uid="", labels="")
    at = T0_NS + 3 * STEP_NS
    rows = [container("new", "p", "c", {"memory/usage": 5}, at=at)]
    cluster.store.ingest(rows_of(rows), cluster.store.find(Kind.NODE, "node-1"), at)
    cluster.tick(at)
    assert await cluster.values("namespaces/new/metrics/memory_usage") == {"new": "5"}


# -- what belongs to a group ----------------------------------------------------------------------


async def test_discovery_lists_the_group_and_prefers_v1beta2(cluster: CustomCluster) -> None:
    groups = (await cluster.get("/apis")).json["groups"]
    assert [group["name"] for group in groups] == ["metrics.k8s.io", "custom.metrics.k8s.io"]
    for group in (groups[1], (await cluster.get(PREFIX)).json):
        assert [version["version"] for version in group["versions"]] == ["v1beta2", "v1beta1"]
        assert group["preferredVersion"]["groupVersion"] == "custom.metrics.k8s.io/v1beta2"


async def test_aggregated_discovery_has_every_version_though_empty(cluster: CustomCluster) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    items = (await cluster.get("/apis", accept=accept)).json["items"]
    assert [item["metadata"]["name"] for item in items] == ["metrics.k8s.io", "custom.metrics.k8s.io"]
    assert items[1]["versions"] == [
        {"version": version, "resources": [], "freshness": "Current"} for version in ("v1beta2", "v1beta1")
    ]
    assert [len(version["resources"]) for version in items[0]["versions"]] == [2, 2]


async def test_a_version_lists_every_metric_of_each_kind(cluster: CustomCluster) -> None:
    document = (await cluster.get(f"{PREFIX}/v1beta2")).json
    assert document["groupVersion"] == "custom.metrics.k8s.io/v1beta2"
    names = [resource["name"] for resource in document["resources"]]
    assert names == sorted(set(names))
    assert {
        "name": "pods/network_rx_rate",
        "singularName": "",
        "namespaced": True,
        "kind": "MetricValueList",
        "verbs": ["get"],
    } in document["resources"]
    assert [name for name in names if name.startswith("namespaces/")] == [
        f"namespaces/{metric}"
        for metric in ("cpu_limit", "cpu_request", "cpu_usage_rate", "memory_limit", "memory_request", "memory_usage")
    ]
    assert [resource["name"] for resource in document["resources"] if resource["namespaced"]] == [
        name for name in names if name.startswith("pods/")
    ]


@pytest.mark.parametrize("kind", [Kind.POD, Kind.NODE, Kind.NAMESPACE])
async def test_every_metric_in_the_store_is_listed(cluster: CustomCluster, kind: Kind) -> None:
    resources = (await cluster.get(f"{PREFIX}/v1beta1")).json["resources"]
    listed = {resource["name"] for resource in resources}
    names = {Kind.POD: ("default", "web-0"), Kind.NODE: ("node-1",), Kind.NAMESPACE: ("default",)}[kind]
    stored = cluster.store.metric_names(kind, cluster.store.find(kind, *names))
    wanted = {f"{kind.name.lower()}s/{name.replace('/', '_')}" for name in stored if not name.startswith("custom/")}
    assert wanted
    assert wanted <= listed


async def test_the_group_is_served_only_when_it_is_asked_for() -> None:
    cluster = CustomCluster(is_enabled=False)
    assert [group["name"] for group in (await cluster.get("/apis")).json["groups"]] == ["metrics.k8s.io"]
    for path in (PREFIX, f"{PREFIX}/v1beta2", f"{PREFIX}/v1beta2/nodes/node-1/uptime"):
        assert (await cluster.get(path)).status == 404
    assert not any("custom" in path for path in (await cluster.get("/")).json["paths"])


async def test_the_index_has_the_group(cluster: CustomCluster) -> None:
    paths = (await cluster.get("/")).json["paths"]
    assert {PREFIX, f"{PREFIX}/v1beta1", f"{PREFIX}/v1beta2"} <= set(paths)


async def test_requests_are_counted_by_resource() -> None:
    cluster = CustomCluster()
    await cluster.get(f"{DEFAULT}/*/uptime")
    await cluster.get("persistentvolumes/x/uptime")
    counts = [line for line in (await cluster.get("/metrics")).text.splitlines() if "custom.metrics" in line]
    labels = 'group="custom.metrics.k8s.io",resource="{}",scope="resource",verb="GET",version="v1beta2"'
    for code, resource in ((200, "pods"), (404, "others")):
        assert f'apiserver_request_total{{code="{code}",{labels.format(resource)}}} 1.0' in counts


ATTRIBUTES = {
    f"{DEFAULT}/*/network_rx_rate": ("get", "pods", "network_rx_rate", "default", "*"),
    f"{DEFAULT}/web-0/uptime": ("get", "pods", "uptime", "default", "web-0"),
    "nodes/node-1/uptime": ("get", "nodes", "uptime", "", "node-1"),
    "namespaces/shop/metrics/cpu_limit": ("get", "metrics", "", "shop", "cpu_limit"),
}


@pytest.mark.parametrize("target", ATTRIBUTES)
def test_authorizers_are_asked_for_the_same_object(target: str) -> None:
    reader = AttributeReader(QueryParsers(parse_query, parse_selector, parse_field_selector))
    read = reader.read("GET", f"{PREFIX}/v1beta2/{target}", b"labelSelector=app=web")
    assert (read.group, read.version) == ("custom.metrics.k8s.io", "v1beta2")
    assert (read.verb, read.resource, read.subresource, read.namespace, read.name) == ATTRIBUTES[target]
