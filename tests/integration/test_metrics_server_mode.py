"""The daemon with metrics-server's published flags: who is let in, what probes say, and what is left of a lost node."""

from __future__ import annotations

import asyncio
import datetime
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from heapfast.sim.certificates import FRONT_PROXY_NAME, Authority, Certificates
from heapfast.sim.config_maps import publish_trust
from heapfast.sim.faults import parse_fault
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.metrics_server import (
    RESOLUTION_SECONDS,
    Aggregated,
    aggregated,
    client_context,
    flags_for,
    held_port,
    read_usage,
    run_aggregated,
)
from tests.integration.running import PATIENCE_SECONDS

OPTIONS = SimulateOptions(
    nodes=3, pods_per_node=3, containers=2, namespaces=3, seed=7, viewer_token="view", viewer_namespace="shop"
)
NODES = "/apis/metrics.k8s.io/v1/nodes"
PODS = "/apis/metrics.k8s.io/v1/pods"

READYZ = """\
[+]ping ok
[+]log ok
[+]poststarthook/max-in-flight-filter ok
[+]poststarthook/storage-object-count-tracker-hook ok
[+]metric-storage-ready ok
[+]metric-informer-sync ok
[+]metadata-informer-sync ok
{}
readyz check {}
"""
LIVEZ = """\
[+]ping ok
[+]log ok
[+]poststarthook/max-in-flight-filter ok
[+]poststarthook/storage-object-count-tracker-hook ok
[+]metric-collection-timely ok
[+]metadata-informer-sync ok
livez check passed
"""
RUNNING = "[+]shutdown ok"


@pytest.fixture
async def cluster() -> AsyncIterator[Aggregated]:
    async with run_aggregated(OPTIONS) as running:
        yield running


@pytest.fixture
def files(cluster: Aggregated) -> Certificates:
    assert cluster.sim.certificates is not None
    return cluster.sim.certificates


async def nodes_of(cluster: Aggregated) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in (await cluster.daemon.get(NODES))["items"]}


def seconds(cluster: Aggregated, node: str, at_ms: int) -> str:
    """The timestamp of a node's newest sample at a time, as answers have it."""
    sample_ms = cluster.sim.cluster.expected_node(node, at_ms).total.sample_ms
    return datetime.datetime.fromtimestamp(sample_ms // 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- probes ----------------------------------------------------------------------------------------


async def test_it_is_ready_before_there_are_rates_to_serve(cluster: Aggregated) -> None:
    assert await cluster.daemon.text("/readyz?verbose") == (200, READYZ.format(RUNNING, "passed"))
    assert await cluster.daemon.get(NODES) == {
        "kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1", "metadata": {}, "items": [],
    }  # fmt: skip
    await cluster.daemon.tick(RESOLUTION_SECONDS)
    assert sorted(await nodes_of(cluster)) == ["node-0000", "node-0001", "node-0002"]
    assert await cluster.daemon.text("/readyz?verbose") == (200, READYZ.format(RUNNING, "passed"))
    assert await cluster.daemon.text("/livez?verbose") == (200, LIVEZ)
    assert await cluster.daemon.text("/healthz") == (200, "ok")


async def test_a_daemon_that_is_to_stop_is_alive_but_not_ready(cluster: Aggregated) -> None:
    await cluster.daemon.tick(RESOLUTION_SECONDS)
    cluster.stop.set()
    stopping = "[-]shutdown failed: reason withheld"
    assert await cluster.daemon.text("/readyz?verbose") == (500, READYZ.format(stopping, "failed"))
    assert await cluster.daemon.text("/livez?verbose") == (200, LIVEZ)
    assert len(await nodes_of(cluster)) == 3


async def test_metrics_has_the_six_families_of_metrics_server(cluster: Aggregated) -> None:
    await cluster.daemon.tick(RESOLUTION_SECONDS)
    await cluster.daemon.get(PODS)
    _, text = await cluster.daemon.text("/metrics")
    assert sorted(re.findall(r"^# TYPE (metrics_server_\S+ \S+)$", text, re.MULTILINE)) == [
        "metrics_server_api_metric_freshness_seconds histogram",
        "metrics_server_kubelet_last_request_time_seconds gauge",
        "metrics_server_kubelet_request_duration_seconds histogram",
        "metrics_server_kubelet_request_total counter",
        "metrics_server_manager_tick_duration_seconds histogram",
        "metrics_server_storage_points gauge",
    ]
    for series, value in (
        ('metrics_server_kubelet_request_total{success="true"}', 6),
        ("metrics_server_manager_tick_duration_seconds_count", 2),
        ('metrics_server_storage_points{type="node"}', 3),
        ('metrics_server_storage_points{type="container"}', 18),
        ("metrics_server_api_metric_freshness_seconds_count", 9),
    ):
        assert await cluster.daemon.metric(series) == value, series


# -- who is let in ---------------------------------------------------------------------------------


async def ask_as(
    cluster: Aggregated, pair: tuple[Path, Path] | None, path: str = NODES, **headers: str
) -> tuple[int, str]:
    """Asks the daemon itself over a connection of its own."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(cluster.daemon.url, timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)) as session,
        session.get(path, headers=named, ssl=client_context(cluster.sim, pair)) as response,
    ):
        return response.status, await response.text()


def write_pair(directory: Path, pair: tuple[bytes, bytes]) -> tuple[Path, Path]:
    paths = directory / "shown.crt", directory / "shown.key"
    for path, content in zip(paths, pair, strict=True):
        path.write_bytes(content)
    return paths


MASTER = {"X_Remote_User": "root", "X_Remote_Group": "system:masters"}
VIEWER = {"X_Remote_User": "simulated-viewer", "X_Remote_Group": "system:authenticated"}


async def test_nobody_is_somebody_by_a_header_alone(cluster: Aggregated, files: Certificates) -> None:
    assert (await ask_as(cluster, None, **MASTER))[0] == 401
    # A good certificate, but not the front proxy's: its own name counts, whatever the headers say.
    client = files.client_cert_file, files.client_key_file
    assert (await ask_as(cluster, client, **VIEWER))[0] == 200


async def test_who_shows_a_strangers_certificate_is_cut_off(cluster: Aggregated) -> None:
    pair = write_pair(cluster.sim.directory, Authority("stranger").sign_client(FRONT_PROXY_NAME))
    with pytest.raises(aiohttp.ClientError):
        await ask_as(cluster, pair, **MASTER)


async def test_the_front_proxy_speaks_for_others(cluster: Aggregated, files: Certificates) -> None:
    proxy = files.front_proxy_cert_file, files.front_proxy_key_file
    assert (await ask_as(cluster, proxy, **MASTER))[0] == 200
    status, text = await ask_as(cluster, proxy, **VIEWER)
    assert (status, 'User \\"simulated-viewer\\" cannot list resource \\"nodes\\"' in text) == (403, True)
    shop = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"
    assert (await ask_as(cluster, proxy, shop, **VIEWER))[0] == 200
    assert (await ask_as(cluster, proxy))[0] == 401, "it speaks for nobody"


@pytest.mark.parametrize(("name", "age_hours"), [(FRONT_PROXY_NAME, 1), ("some-other-name", -1)])
async def test_the_front_proxy_is_known_by_name_and_in_its_time(
    cluster: Aggregated, files: Certificates, name: str, age_hours: int
) -> None:
    not_after = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=age_hours)
    pair = write_pair(cluster.sim.directory, files.front_proxy.sign_client(name, not_after=not_after))
    assert (await ask_as(cluster, pair, **MASTER))[0] == 401


async def test_a_new_front_proxy_is_believed_without_a_restart(cluster: Aggregated, files: Certificates) -> None:
    authority = Authority("next-front-proxy-ca")
    pair = write_pair(cluster.sim.directory, authority.sign_client(FRONT_PROXY_NAME))
    files.front_proxy_ca_file.write_bytes(authority.pem)
    publish_trust(cluster.sim.cluster, files)
    await cluster.daemon.until('heapfast_kube_events_total{resource="authentication config",type="MODIFIED"}', 1)
    assert (await ask_as(cluster, pair, **MASTER))[0] == 200
    old = files.front_proxy_cert_file, files.front_proxy_key_file
    with pytest.raises(aiohttp.ClientError):
        await ask_as(cluster, old, **MASTER)


async def test_tokens_are_reviewed_by_the_api_server(cluster: Aggregated) -> None:
    assert (await ask_as(cluster, None, Authorization="Bearer s3cret"))[0] == 200
    assert (await ask_as(cluster, None, Authorization="Bearer view"))[0] == 403
    assert (await ask_as(cluster, None, Authorization="Bearer wrong"))[0] == 401
    assert (await ask_as(cluster, None, "/metrics", Authorization="Bearer view"))[0] == 403


async def test_probes_are_for_everybody(cluster: Aggregated) -> None:
    assert await ask_as(cluster, None, "/livez") == (200, "ok")
    assert (await ask_as(cluster, None, "/metrics"))[0] == 401


# -- nodes that fail -------------------------------------------------------------------------------


async def test_a_node_that_fails_is_served_two_scrapes_longer(cluster: Aggregated) -> None:
    await cluster.daemon.tick(RESOLUTION_SECONDS)
    before = await nodes_of(cluster)
    lost = {pod.name for pod in cluster.sim.cluster.pods.items.values() if pod.node.name == "node-0001"}
    cluster.sim.faults.set(parse_fault("node-0001=500"), cluster.now_ms)
    for _ in range(2):
        await cluster.daemon.tick(RESOLUTION_SECONDS)
        nodes = await nodes_of(cluster)
        assert nodes["node-0001"]["usage"] == before["node-0001"]["usage"]
        assert nodes["node-0001"]["timestamp"] == before["node-0001"]["timestamp"]
        assert nodes["node-0002"]["timestamp"] == seconds(cluster, "node-0002", cluster.now_ms)
        assert lost <= {item["metadata"]["name"] for item in (await cluster.daemon.get(PODS))["items"]}
    # The third one is due now. Had it answered it would be fresh; it has not, and that is long enough.
    await cluster.daemon.tick(RESOLUTION_SECONDS + 1)
    assert sorted(await nodes_of(cluster)) == ["node-0000", "node-0002"]
    assert not lost & {item["metadata"]["name"] for item in (await cluster.daemon.get(PODS))["items"]}
    status, text = await cluster.daemon.text(f"{NODES}/node-0001")
    assert (status, 'nodemetrics.metrics.k8s.io \\"node-0001\\" not found' in text) == (404, True)
    assert (await cluster.daemon.text("/readyz"))[0] == 200


async def test_a_node_that_comes_back_is_served_again(cluster: Aggregated) -> None:
    await cluster.daemon.tick(RESOLUTION_SECONDS)
    cluster.sim.faults.set(parse_fault("node-0001=500"), cluster.now_ms)
    for _ in range(5):
        await cluster.daemon.tick(RESOLUTION_SECONDS)
    assert "node-0001" not in await nodes_of(cluster)
    cluster.sim.faults.clear()
    for _ in range(2):
        await cluster.daemon.tick(RESOLUTION_SECONDS)
    values = cluster.sim.cluster.expected_node("node-0001", cluster.now_ms).total
    node = (await nodes_of(cluster))["node-0001"]
    assert read_usage(**node["usage"]) == (values.cpu_millicores, values.working_set_bytes)


async def test_a_kubelet_that_hangs_delays_nobody(cluster: Aggregated) -> None:
    await cluster.daemon.tick(RESOLUTION_SECONDS)
    before = await nodes_of(cluster)
    cluster.sim.faults.set(parse_fault("node-0001=hang"), cluster.now_ms)
    closed = len(cluster.daemon.batches)
    cluster.daemon.clock.advance(RESOLUTION_SECONDS)
    fresh = {name: seconds(cluster, name, cluster.now_ms) for name in ("node-0000", "node-0002")}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while {name: (await nodes_of(cluster))[name]["timestamp"] for name in fresh} != fresh:
            await asyncio.sleep(0)
    assert len(cluster.daemon.batches) == closed, "the round is not over: one kubelet has still to answer"
    assert (await nodes_of(cluster))["node-0001"]["usage"] == before["node-0001"]["usage"]
    assert await cluster.daemon.text("/livez?verbose") == (200, LIVEZ)
    assert (await cluster.daemon.text("/readyz"))[0] == 200


# -- a process of its own --------------------------------------------------------------------------


async def read_until(process: asyncio.subprocess.Process, words: str) -> None:
    """Reads what a process complains of until it says so."""
    assert process.stderr is not None
    told = ""
    while words not in told:
        line = (await process.stderr.readline()).decode()
        assert line, f"it ended without saying {words!r}: {told}"
        told += line


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_sigterm_fails_readyz_at_once_and_ends_with_0(tmp_path: Path) -> None:
    with held_port() as port:
        async with SimulatedCluster(aggregated(OPTIONS, port)) as sim:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "heapfast", *flags_for(sim, port, tmp_path), "--shutdown-delay-duration=2s",
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                await read_until(process, "pods: the first list is complete")
                async with aiohttp.ClientSession(f"https://127.0.0.1:{port}") as session:
                    context = client_context(sim)
                    async with session.get("/livez", ssl=context) as response:
                        assert (response.status, await response.text()) == (200, "ok")
                    process.send_signal(signal.SIGTERM)
                    await read_until(process, "stopping")
                    async with session.get("/readyz?verbose", ssl=context) as response:
                        assert (response.status, await response.text()) == (
                            500,
                            READYZ.format("[-]shutdown failed: reason withheld", "failed"),
                        )
                async with asyncio.timeout(PATIENCE_SECONDS):
                    _, err = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    assert (process.returncode, err.decode()) == (0, "")
    assert names_in(tmp_path) == ["apiserver.crt", "apiserver.key"]
