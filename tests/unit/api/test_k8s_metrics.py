"""metrics.k8s.io beyond what is recorded: v1, pages, selectors together, long lists, ages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from heapfast.store.requirement import Operator, Requirement
from tests.unit.api.client import ask
from tests.unit.api.k8s_cluster import PODS, PREFIX, SecureCluster

N_MANY = 3_000


@pytest.fixture(scope="module")
def cluster() -> SecureCluster:
    return SecureCluster()


@pytest.fixture(scope="module")
def crowd() -> SecureCluster:
    return SecureCluster(extra_pods=N_MANY)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_each_version_states_itself(cluster: SecureCluster, version: str) -> None:
    prefix = f"/apis/metrics.k8s.io/{version}"
    for path, kind in (("nodes", "NodeMetricsList"), ("nodes/node-1", "NodeMetrics"), ("pods", "PodMetricsList")):
        value = (await cluster.get(f"{prefix}/{path}")).json
        assert (value["apiVersion"], value["kind"]) == (f"metrics.k8s.io/{version}", kind)


async def test_a_pod_is_served_with_its_times_and_labels(cluster: SecureCluster) -> None:
    value = (await cluster.get("namespaces/shop/pods/web-0")).json
    assert value["metadata"]["labels"] == {"app": "web"}
    assert value["window"] == "15s"
    assert value["containers"] == [{"name": "c", "usage": {"cpu": "100m", "memory": "1Mi"}}]


async def test_nodes_are_known_by_name_and_not_by_hostname(cluster: SecureCluster) -> None:
    assert (await cluster.get("nodes/node-1")).status == 200
    answer = await cluster.get("nodes/node-1.example")
    assert (answer.status, answer.json["message"]) == (404, 'node "node-1.example" not found')


async def test_a_node_that_is_not_selected_is_not_served() -> None:
    selector = (Requirement("pool", Operator.IN, ("green",)),)
    cluster = SecureCluster(node_selector=selector)
    assert await cluster.names("nodes") == []
    answer = await cluster.get("nodes/node-1")
    assert answer.json["details"] == {"name": "node-1", "group": "metrics.k8s.io", "kind": "nodemetrics"}


async def test_a_pod_that_is_not_running_is_not_there() -> None:
    cluster = SecureCluster()
    slot = cluster.store.find(Kind.POD, "default", "job")
    assert slot in cluster.running
    cluster.running.discard(slot)
    cluster.pod_roster.remove(slot)
    assert (await cluster.get("namespaces/default/pods/job")).json["details"] == {"name": "job", "kind": "pods"}
    assert "job" not in await cluster.names("pods")


SELECTIONS = {
    "pods": ["job", "web-0", "web-1", "web-0"],
    "pods?fieldSelector=metadata.name=web-0": ["web-0", "web-0"],
    "pods?fieldSelector=metadata.name!=web-0": ["job", "web-1"],
    "pods?fieldSelector=metadata.namespace!=default": ["web-0"],
    "pods?fieldSelector=metadata.namespace=shop,metadata.name=web-1": [],
    "pods?labelSelector=app=web&fieldSelector=metadata.name!=web-0": ["web-1"],
    "namespaces/default/pods?fieldSelector=metadata.namespace=shop": [],
    "namespaces/default/pods?labelSelector=app%20in%20(job)": ["job"],
    "namespaces//pods": ["job", "web-0", "web-1", "web-0"],
    "nodes": ["node-1"],
    "nodes?fieldSelector=metadata.namespace!=": [],
}


@pytest.mark.parametrize("target", SELECTIONS)
async def test_selectors_are_and_ed(cluster: SecureCluster, target: str) -> None:
    assert await cluster.names(target) == SELECTIONS[target]


@pytest.mark.parametrize("target", SELECTIONS)
async def test_selectors_mean_the_same_in_slices(
    cluster: SecureCluster, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heapfast.api.metrics_k8s_io.SLICE_LOOKUPS", 1)
    monkeypatch.setattr("heapfast.query.selection.SLICE_CONDITIONS", 1)
    assert await cluster.names(target) == SELECTIONS[target]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 500])
async def test_pages_are_the_list(cluster: SecureCluster, limit: int) -> None:
    whole = (await cluster.get("pods")).json["items"]
    token, seen, n_pages = "", [], 0
    while True:
        value = (await cluster.get(f"pods?limit={limit}&continue={token}")).json
        assert len(value["items"]) <= limit
        seen += value["items"]
        n_pages += 1
        token = value["metadata"].get("continue", "")
        if not token:
            break
    assert seen == whole
    assert n_pages == -(-len(PODS) // limit)


async def test_a_page_goes_on_behind_a_name_whoever_has_come_and_gone() -> None:
    cluster = SecureCluster()
    token = (await cluster.get("pods?limit=2")).json["metadata"]["continue"]
    slot = cluster.store.find(Kind.POD, "default", "web-0")
    cluster.running.discard(slot)
    cluster.pod_roster.remove(slot)
    cluster.put_pod("default", "a-first", {})
    assert await cluster.names(f"pods?continue={token}") == ["web-1", "web-0"]


@pytest.mark.parametrize("token", ["abc", "%00", "aGVhcGZhc3QvMQ", "%C3%A4"])
async def test_a_token_that_is_not_ours_is_refused_with_a_limit_and_else_ignored(
    cluster: SecureCluster, token: str
) -> None:
    answer = await cluster.get(f"pods?limit=1&continue={token}")
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")
    assert len(await cluster.names(f"pods?continue={token}")) == len(PODS)


async def test_pages_come_in_every_form(cluster: SecureCluster) -> None:
    table = await cluster.get("pods?limit=1", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert table.json["metadata"]["continue"]
    assert len(table.json["rows"]) == 1
    token = table.json["metadata"]["continue"].encode()
    protobuf = await cluster.get("pods?limit=1", accept="application/vnd.kubernetes.protobuf")
    assert token in protobuf.body
    yaml = await cluster.get("pods?limit=1", accept="application/yaml")
    assert b"continue: " + token in yaml.body


async def test_a_long_list_is_rendered_in_turns_with_others(crowd: SecureCluster) -> None:
    order: list[str] = []

    async def long_list() -> Any:
        answer = await crowd.get("pods")
        order.append("list")
        return answer

    async def discovery() -> None:
        for path in ("/livez", "/apis", PREFIX):
            assert (await crowd.get(path)).status == 200
            order.append(path)

    answer, _ = await asyncio.gather(long_list(), discovery())
    assert order[-1] == "list"
    assert answer.n_messages > 2
    assert len(answer.json["items"]) == N_MANY + len(PODS)


@pytest.mark.parametrize("accept", ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"])
async def test_long_lists_are_compressed_and_short_ones_not(crowd: SecureCluster, accept: str) -> None:
    plain = await crowd.get("pods", accept=accept)
    packed = await crowd.get("pods", accept=accept, accept_encoding="deflate, gzip")
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert packed.body == plain.body
    assert len(packed.raw) < len(plain.raw) / 4
    for coding in ("gzip;q=0.5", "GZIP", "*", "br"):
        assert "content-encoding" not in (await crowd.get("pods", accept=accept, accept_encoding=coding)).headers
    short = await crowd.get("namespaces/default/pods", accept=accept, accept_encoding="gzip")
    assert "content-encoding" not in short.headers


async def test_a_time_limit_ends_a_long_list(crowd: SecureCluster) -> None:
    answer = await crowd.get("pods?timeout=10us", accept="application/vnd.kubernetes.protobuf")
    assert (answer.status, json.loads(answer.body)["reason"]) == (504, "Timeout")


async def test_ages_are_counted_for_each_object_that_is_returned() -> None:
    cluster = SecureCluster()
    cluster.clock.advance(2)
    await cluster.get("pods")
    await cluster.get("nodes/node-1", accept="application/vnd.kubernetes.protobuf")
    await cluster.get("nodes/node-2")
    text = (await cluster.get("/metrics")).text
    name = "metrics_server_api_metric_freshness_seconds"
    assert f"{name}_count 5.0\n" in text
    assert f"{name}_sum 10.0\n" in text
    assert f'{name}_bucket{{le="1.8604960000000004"}} 0.0\n' in text
    assert f'{name}_bucket{{le="2.5377165440000007"}} 5.0\n' in text


async def test_exactly_six_families_are_metrics_server_s() -> None:
    cluster = SecureCluster()
    cluster.monitor.observe_request("node-1", 1_500_000_000, 0.02, is_success=True)
    cluster.monitor.observe_request("gone", 0, 0.02, is_success=False)
    cluster.monitor.forget("gone")
    cluster.monitor.observe_round(11)
    await cluster.get("pods")
    lines = (await cluster.get("/metrics")).text.splitlines()
    families = [line.split()[2] for line in lines if line.startswith("# TYPE metrics_server_")]
    assert families == [
        "metrics_server_api_metric_freshness_seconds",
        "metrics_server_kubelet_last_request_time_seconds",
        "metrics_server_kubelet_request_duration_seconds",
        "metrics_server_kubelet_request_total",
        "metrics_server_manager_tick_duration_seconds",
        "metrics_server_storage_points",
    ]
    for line in (
        'metrics_server_kubelet_last_request_time_seconds{node="node-1"} 1.5',
        'metrics_server_kubelet_request_duration_seconds_bucket{node="node-1",le="0.025"} 1.0',
        'metrics_server_kubelet_request_total{success="false"} 1.0',
        'metrics_server_manager_tick_duration_seconds_bucket{le="12.5"} 1.0',
        'metrics_server_storage_points{type="node"} 1.0',
        f'metrics_server_storage_points{{type="container"}} {float(len(PODS))}',
    ):
        assert line in lines
    assert not [line for line in lines if "gone" in line]
    labels = 'code="200",group="metrics.k8s.io",resource="pods",scope="cluster",verb="LIST",version="v1"'
    assert f"apiserver_request_total{{{labels}}} 1.0" in lines


async def test_a_request_target_with_a_bad_escape_makes_no_sense(cluster: SecureCluster) -> None:
    answer = await ask(cluster.app, f"{PREFIX}/nodes/%zz")
    assert (answer.status, answer.body) == (400, b"400 Bad Request")
