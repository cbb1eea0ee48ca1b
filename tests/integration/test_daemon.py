"""The whole daemon against the simulated cluster: every number exact, by both sources, plain and over TLS."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from heapfast.catalog.keys import Kind
from heapfast.sim.expected import Values
from heapfast.sim.faults import parse_fault
from heapfast.sim.loads import PAGE_BYTES
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from heapfast.units import NS_PER_SECOND
from tests.integration.expectations import check_batch, check_model, expected_metrics, rfc3339
from tests.integration.running import RunningDaemon, SteppedClock, eventually, run_both, run_daemon

SMALL = SimulateOptions(nodes=3, pods_per_node=4, containers=2, namespaces=3, seed=7)
SOURCES = ("kubernetes.summary_api", "kubernetes")
V1ALPHA1 = "/apis/metrics/v1alpha1"

Both = tuple[SimulatedCluster, RunningDaemon]


def usage(values: Values) -> dict[str, str]:
    """CPU and memory as quantities in the shortest spelling."""
    cpu = f"{values.cpu_millicores}m" if values.cpu_millicores % 1000 else f"{values.cpu_millicores // 1000}"
    size, suffixes = values.working_set_bytes, iter(("", "Ki", "Mi", "Gi"))
    suffix = next(suffixes)
    while size % 1024 == 0:
        size, suffix = size // 1024, next(suffixes)
    return {"cpu": cpu, "memory": f"{size}{suffix}"}


async def pods_of(daemon: RunningDaemon, path: str, **params: str) -> dict[str, dict[str, Any]]:
    """A list of pods as {"namespace/name": {container: usage}}."""
    answer = await daemon.get(f"{V1ALPHA1}{path}", params=params)
    return {
        f"{item['metadata']['namespace']}/{item['metadata']['name']}": {
            container["name"]: container["usage"] for container in item["containers"]
        }
        for item in answer["items"] or ()
    }


def only(items: dict[str, Any], is_wanted: Callable[[str], bool]) -> dict[str, Any]:
    return {key: value for key, value in items.items() if is_wanted(key)}


def write_token_kubeconfig(sim: SimulatedCluster, token: str) -> Path:
    """The cluster's kubeconfig with a token in place of the client certificate."""
    config = json.loads(sim.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = sim.directory / "token-kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with run_both(SMALL) as running:
        yield running


@pytest.mark.parametrize("key", SOURCES)
async def test_every_number_is_exact(key: str) -> None:
    async with run_both(SMALL, key=key) as (sim, daemon):
        first = await daemon.tick()
        check_batch(first, expected_metrics(sim, daemon.clock.now_ms, key=key, rates=False))
        second = await daemon.tick()
        expected = expected_metrics(sim, daemon.clock.now_ms, key=key)
        check_batch(second, expected)
        await check_model(daemon, second, expected)


@pytest.mark.parametrize("key", SOURCES)
async def test_every_number_is_exact_over_tls_and_with_a_token(key: str) -> None:
    clock = SteppedClock()
    options = msgspec.structs.replace(SMALL, tls=True, token="s3cret")
    async with SimulatedCluster(options, clock) as sim:
        kubeconfig = write_token_kubeconfig(sim, "s3cret")
        source = f"{key}:?inClusterConfig=false&auth={kubeconfig}&kubeletHttps=true&kubeletPort={sim.kubelets.port}"
        async with run_daemon(source, clock) as daemon:
            await daemon.is_synced()
            await daemon.tick()
            check_batch(await daemon.tick(), expected_metrics(sim, clock.now_ms, key=key))
        assert sim.kubelets.answered == {"200": 6}


async def test_a_wrong_token_is_a_status_that_everybody_can_read() -> None:
    clock = SteppedClock()
    options = msgspec.structs.replace(SMALL, tls=True, token="s3cret")
    async with SimulatedCluster(options, clock) as sim:
        kubeconfig = write_token_kubeconfig(sim, "wrong")
        source = f"kubernetes.summary_api:?inClusterConfig=false&auth={kubeconfig}&kubeletHttps=true"
        async with run_daemon(source, clock) as daemon:
            await daemon.until('heapfast_kube_errors_total{reason="status_401",resource="nodes"}', 1)
            assert await daemon.text("/readyz") == (
                500,
                "not ready: the API server's list of nodes, pods, namespaces is not complete\n",
            )
            assert (await daemon.text("/livez"))[0] == 200


async def test_series_go_back_as_far_as_they_are_asked_for(both: Both) -> None:
    sim, daemon = both
    pod = next(iter(sim.cluster.pods.items))
    path = "/api/v1/model/namespaces/{}/pods/{}/metrics/memory/usage".format(*pod.split("/"))
    key = "namespace:{}/pod:{}".format(*pod.split("/"))
    want = []
    for _ in range(4):
        batch = await daemon.tick()
        value = expected_metrics(sim, daemon.clock.now_ms)[key]["memory/usage"]
        want.append({"timestamp": rfc3339(batch.timestamp_ns), "value": value})
    assert (await daemon.get(path))["metrics"] == want
    window = {"start": want[1]["timestamp"], "end": want[2]["timestamp"]}
    answer = await daemon.get(path, params=window)
    assert answer == {"metrics": want[1:3], "latestTimestamp": want[2]["timestamp"]}
    assert (await daemon.get(path, params={"start": "2030-01-01T00:00:00Z"}))["metrics"] == []


async def test_lists_name_who_is_there(both: Both) -> None:
    sim, daemon = both
    await daemon.tick()
    assert await daemon.get("/api/v1/model/nodes") == ["node-0000", "node-0001", "node-0002"]
    assert await daemon.get("/api/v1/model/namespaces") == ["default", "kube-system", "shop"]
    for namespace in ("default", "kube-system", "shop"):
        pods = [pod.name for pod in sim.cluster.pods.items.values() if pod.workload.namespace == namespace]
        assert await daemon.get(f"/api/v1/model/namespaces/{namespace}/pods") == sorted(pods)
        assert await daemon.get(f"/api/v1/model/namespaces/{namespace}/pods/{pods[0]}/containers") == ["main", "proxy"]


async def test_filesystems_are_chosen_by_label(both: Both) -> None:
    sim, daemon = both
    await daemon.tick()
    pod = next(iter(sim.cluster.pods.items.values()))
    path = f"/api/v1/model/namespaces/{pod.workload.namespace}/pods/{pod.name}/containers/main/metrics/filesystem/usage"
    load = sim.cluster.container_load(pod, 0)
    for resource, pages in (("/", load.rootfs_pages), ("logs", load.logs_pages)):
        answer = await daemon.get(path, params={"labels": f"resource_id:{resource}"})
        assert [point["value"] for point in answer["metrics"]] == [pages * PAGE_BYTES]
    assert (await daemon.get(path, params={"labels": "resource_id:none"}))["metrics"] == []


async def test_export_has_every_pod_container_and_node(both: Both) -> None:
    sim, daemon = both
    assert await daemon.get("/api/v1/metric-export") is None
    await daemon.tick()
    await daemon.tick()
    expected = expected_metrics(sim, daemon.clock.now_ms)
    got = {}
    for entry in await daemon.get("/api/v1/metric-export"):
        labels = entry["labels"]
        if labels["container_name"] == "machine":
            key = f"node:{labels['nodename']}"
        elif "pod_name" in labels:
            pod = next(pod for pod in sim.cluster.pods.items.values() if pod.name == labels["pod_name"])
            assert labels["pod_id"] == sim.cluster.pod_uid(pod)
            assert labels["nodename"] == pod.node.name
            key = f"namespace:{pod.workload.namespace}/pod:{pod.name}"
            if labels["container_name"] != "/pod":
                key += f"/container:{labels['container_name']}"
        else:
            continue
        got[key] = {name: points[0]["value"] for name, points in entry["metrics"].items()}
    named = {metric["name"] for metric in (await daemon.get("/api/v1/metric-export-schema"))["metrics"]}
    want = {
        key: {name: value for name, value in metrics.items() if name in named}
        for key, metrics in expected.items()
        if key != "cluster" and not (key.startswith("namespace:") and "/" not in key)
    }
    assert got.keys() == want.keys()
    for key, metrics in want.items():
        assert {name: got[key].get(name) for name in metrics} == metrics, key


async def test_usage_of_nodes_and_pods_and_their_selectors(both: Both) -> None:
    sim, daemon = both
    await daemon.tick()
    await daemon.tick()
    now_ms = daemon.clock.now_ms
    nodes = {item["metadata"]["name"]: item["usage"] for item in (await daemon.get(f"{V1ALPHA1}/nodes"))["items"]}
    assert nodes == {host.name: usage(sim.cluster.expected_node(host.name, now_ms).total) for host in sim.cluster.hosts}
    assert (await daemon.get(f"{V1ALPHA1}/nodes/node-0001"))["usage"] == nodes["node-0001"]

    wanted = {
        key: {
            name: usage(values) for name, values in sim.cluster.expected_pod(*key.split("/"), now_ms).containers.items()
        }
        for key in sim.cluster.pods.items
    }
    assert await pods_of(daemon, "/pods") == wanted
    assert await pods_of(daemon, "/namespaces/shop/pods") == only(wanted, lambda key: key.startswith("shop/"))

    by_app = {key: pod.workload.labels["app"] for key, pod in sim.cluster.pods.items.items()}
    selected = await pods_of(daemon, "/pods", labelSelector="app in (web,worker),tier!=backend")
    assert selected == only(wanted, lambda key: by_app[key] == "web")
    assert selected
    assert await pods_of(daemon, "/pods", labelSelector="app=nothing") == {}
    zone_a = await daemon.get(f"{V1ALPHA1}/nodes", params={"labelSelector": "topology.kubernetes.io/zone=zone-a"})
    assert [item["metadata"]["name"] for item in zone_a["items"]] == ["node-0000"]

    key = next(iter(sorted(wanted)))
    one = await daemon.get(f"{V1ALPHA1}/namespaces/{key.replace('/', '/pods/')}")
    assert {container["name"]: container["usage"] for container in one["containers"]} == wanted[key]


async def test_a_pod_that_is_deleted_leaves_every_list(both: Both) -> None:
    sim, daemon = both
    await daemon.tick()
    pod = sim.cluster.delete_pod(min(sim.cluster.pods.items))
    await daemon.forgets(pod.key)
    check_batch(await daemon.tick(), expected_metrics(sim, daemon.clock.now_ms))
    assert pod.name not in await daemon.get(f"/api/v1/model/namespaces/{pod.workload.namespace}/pods")
    assert pod.key not in await pods_of(daemon, "/pods")
    assert (await daemon.text(f"{V1ALPHA1}/namespaces/{pod.key.replace('/', '/pods/')}"))[0] == 404
    assert pod.name not in (await daemon.text("/api/v1/metric-export"))[1]


async def test_a_pod_that_is_replaced_under_its_name_inherits_nothing() -> None:
    # The fourth workload is a StatefulSet; with a namespace for each there are four.
    options = msgspec.structs.replace(SMALL, namespaces=4)
    async with run_both(options) as (sim, daemon):
        await daemon.tick()
        await daemon.tick()
        key = min(key for key, pod in sim.cluster.pods.items.items() if pod.workload.is_stateful)
        entity = "namespace:{}/pod:{}".format(*key.split("/"))
        old_uid = sim.cluster.pod_uid(sim.cluster.pods.items[key])
        new = sim.churn.replace(key, daemon.clock.now_ms)
        assert new.key == key
        await daemon.until('heapfast_kube_events_total{resource="pods",type="ADDED"}', 1)

        first_listed = None
        for _ in range(4):
            batch = await daemon.tick()
            now_ms = daemon.clock.now_ms
            sets = batch.sets()
            found = sets.get(entity, {"metrics": {}, "labels": {}})
            if not sim.cluster.expected_pod(*key.split("/"), now_ms).listed:
                assert first_listed is None
                assert "memory/usage" not in found["metrics"]
                continue
            assert found["labels"]["pod_id"] == sim.cluster.pod_uid(sim.cluster.pods.items[key]) != old_uid
            if first_listed is None:
                first_listed = batch
                rates = [metric for metric in found["metrics"] if metric.endswith("_rate")]
                assert rates == [], "a rate over two lives"
                container = sets[f"{entity}/container:main"]["metrics"]
                values = sim.cluster.expected_container(*key.split("/"), "main", now_ms)
                assert container["cpu/usage"] == values.cpu_usage_ns
                assert "cpu/usage_rate" not in container
            else:
                check_batch(batch, expected_metrics(sim, now_ms))
        assert first_listed is not None


async def test_churn_leaves_numbers_exact_and_nobody_behind() -> None:
    options = msgspec.structs.replace(SMALL, pods_per_node=10)
    async with run_both(options) as (sim, daemon):
        await daemon.tick()
        gone: set[str] = set()
        for _ in range(12):
            key = min(sim.cluster.pods.items)
            new = sim.churn.replace(key, daemon.clock.now_ms)
            gone.add(key)
            await daemon.knows(new.key)
            await daemon.tick()
        gone -= sim.cluster.pods.items.keys()
        assert len(gone) == 12
        await daemon.forgets(*gone)
        for _ in range(3):
            batch = await daemon.tick()
        check_batch(batch, expected_metrics(sim, daemon.clock.now_ms))
        assert set(await pods_of(daemon, "/pods")) == set(sim.cluster.pods.items)
        assert len(daemon.store.stats()["entities"]) > Kind.POD


async def test_a_node_that_is_not_ready_is_not_scraped_until_it_is(both: Both) -> None:
    sim, daemon = both
    await daemon.tick()
    sim.cluster.set_node("node-0001", ready=False)
    await daemon.until('heapfast_kube_events_total{resource="nodes",type="MODIFIED"}', 1)
    target = (await daemon.targets())["node-0001"]
    assert target == {"node": "node-0001", "outcome": "skipped", "error": "condition Ready is not True"}
    batch = await daemon.tick()
    check_batch(batch, expected_metrics(sim, daemon.clock.now_ms, without=["node-0001"]))
    sim.cluster.set_node("node-0001", ready=True, unschedulable=True)
    await daemon.until('heapfast_kube_events_total{resource="nodes",type="MODIFIED"}', 2)
    await daemon.tick()
    check_batch(await daemon.tick(), expected_metrics(sim, daemon.clock.now_ms))


@pytest.mark.parametrize("key", SOURCES)
async def test_counters_that_start_again_give_no_rate_once(key: str) -> None:
    async with run_both(SMALL, key=key) as (sim, daemon):
        await daemon.tick()
        await daemon.tick()
        sim.faults.set(parse_fault("node-0001=restart"), daemon.clock.now_ms)
        batch = await daemon.tick(seconds=20)
        sets = batch.sets()
        assert "cpu/usage_rate" not in sets["node:node-0001"]["metrics"]
        assert sets["node:node-0000"]["metrics"]["cpu/usage_rate"] > 0
        check_batch(await daemon.tick(), expected_metrics(sim, daemon.clock.now_ms, key=key))


async def test_the_port_speaks_tls_and_asks_for_certificates(tmp_path: Path) -> None:
    clock = SteppedClock(time.time_ns() // 1_000_000)  # certificates are dated by the machine's clock
    async with SimulatedCluster(msgspec.structs.replace(SMALL, tls=True), clock) as sim:
        files = sim.certificates
        assert files is not None
        flags = (
            f"--tls-cert={sim.directory}/api.crt",
            f"--tls-key={sim.directory}/api.key",
            f"--tls-client-ca={files.client_ca_file}",
            "--allowed-users=simulated-admin",
        )
        source = f"kubernetes.summary_api:?inClusterConfig=false&auth={sim.kubeconfig}&kubeletHttps=true"
        async with run_daemon(f"{source}&kubeletPort={sim.kubelets.port}", clock, *flags) as daemon:
            context = ssl.create_default_context(cafile=str(files.ca_file))
            url = daemon.url.replace("http://", "https://")
            async with aiohttp.ClientSession(url) as session:
                async with session.get("/api/v1/model/nodes", ssl=context) as response:
                    assert response.status == 401
                async with session.get("/livez", ssl=context) as response:
                    assert response.status == 200
            context.load_cert_chain(files.client_cert_file, files.client_key_file)
            async with (
                aiohttp.ClientSession(url) as session,
                session.get("/api/v1/model/nodes", ssl=context) as response,
            ):
                assert (response.status, await response.json()) == (200, [])


async def test_the_wall_clock_may_step_back_and_forth(both: Both) -> None:
    sim, daemon = both
    await daemon.tick()
    before = await daemon.tick()
    daemon.clock.set_ns(daemon.clock.now_ns() - 3600 * NS_PER_SECOND)
    # No batch may be older than the last one, so windows go on ahead of the clock, at their own pace.
    after = await daemon.tick()
    assert after.timestamp_ns == before.timestamp_ns + 10 * NS_PER_SECOND
    assert await daemon.metric("heapfast_windows_ahead_total") == 1
    assert "cpu/usage_rate" not in after.sets()["node:node-0000"]["metrics"]
    daemon.clock.set_ns(before.timestamp_ns + 7200 * NS_PER_SECOND)
    await eventually(lambda: daemon.batches[-1] is not after)
    await daemon.tick()
    check_batch(await daemon.tick(), expected_metrics(sim, daemon.clock.now_ms))
    assert await daemon.metric("heapfast_windows_skipped_total") > 700
