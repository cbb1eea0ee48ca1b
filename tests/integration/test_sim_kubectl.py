"""A stock kubectl against the simulated API server, plain and over TLS."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(
    KUBECTL is None, reason="NO KUBECTL: it is not on the PATH; these tests run a stock one"
)

RESOURCES = [
    {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": ["get", "list"]},
    {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]},
]


async def _resources(request: web.Request) -> web.Response:
    group_version = f"metrics.k8s.io/{request.match_info['version']}"
    return web.json_response(
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": RESOURCES}
    )


async def _node_metrics(request: web.Request) -> web.Response:
    item = {
        "metadata": {"name": "node-0001"},
        "timestamp": "2026-11-22T09:00:00Z",
        "window": "15s",
        "usage": {"cpu": "1500m", "memory": "2Gi"},
    }
    return web.json_response(
        {"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": [item]}
    )


@pytest.fixture
async def daemon_url() -> AsyncIterator[str]:
    """A stand-in for the daemon: it knows one node."""
    app = web.Application()
    app.router.add_get("/apis/metrics.k8s.io/{version}", _resources)
    app.router.add_get("/apis/metrics.k8s.io/v1beta1/nodes", _node_metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture(params=["plain", "tls"])
async def sim(request: pytest.FixtureRequest, daemon_url: str) -> AsyncIterator[SimulatedCluster]:
    options = SimulateOptions(
        nodes=3,
        pods_per_node=6,
        seed=5,
        daemon_url=daemon_url,
        tls=request.param == "tls",
        # kubectl sends no token over plain HTTP. With TLS its kubeconfig has a client certificate instead.
        token="s3cret" if request.param == "tls" else "",
    )
    async with SimulatedCluster(options) as running:
        yield running


async def kubectl(sim: SimulatedCluster, *words: str) -> str:
    """What kubectl prints; it must succeed and complain of nothing."""
    assert KUBECTL is not None
    process = await asyncio.create_subprocess_exec(
        KUBECTL, "--kubeconfig", str(sim.kubeconfig), "--cache-dir", str(sim.directory / "cache"), *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert (process.returncode, err.decode().replace("No resources found\n", "")) == (0, "")
    return out.decode()


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


async def test_get_prints_tables(sim: SimulatedCluster) -> None:
    nodes = rows(await kubectl(sim, "get", "nodes"))
    assert nodes[0] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert [row[:2] for row in nodes[1:]] == [[f"node-000{i}", "Ready"] for i in range(3)]
    pods = rows(await kubectl(sim, "get", "pods", "-A", "-o", "wide"))
    assert pods[0] == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert [f"{row[0]}/{row[1]}" for row in pods[1:]] == sorted(sim.cluster.pods.items)
    assert [row[0] for row in rows(await kubectl(sim, "get", "ns"))[1:]] == ["default", "kube-system", "shop"]


async def test_selectors_and_chunks(sim: SimulatedCluster) -> None:
    chosen = await kubectl(sim, "get", "pods", "-A", "-l", "app=web", "--chunk-size=2", "-o", "name")
    want = [
        f"pod/{pod.name}" for _, pod in sorted(sim.cluster.pods.items.items()) if pod.workload.labels["app"] == "web"
    ]
    assert len(want) > 2
    assert chosen.split() == want
    on_node = await kubectl(sim, "get", "pods", "-A", "--field-selector", "spec.nodeName=node-0001", "-o", "name")
    assert len(on_node.split()) == 6
    assert await kubectl(sim, "get", "pods", "-A", "-l", "app=nothing", "-o", "name") == ""


async def test_objects_can_be_had_as_json(sim: SimulatedCluster) -> None:
    node = json.loads(await kubectl(sim, "get", "node", "node-0002", "-o", "json"))
    assert (node["kind"], node["metadata"]["name"]) == ("Node", "node-0002")
    assert json.loads(await kubectl(sim, "get", "--raw", "/sim/state"))["nodes"] == 3


async def test_top_asks_the_daemon(sim: SimulatedCluster) -> None:
    printed = rows(await kubectl(sim, "top", "nodes"))
    host = sim.cluster.get_host("node-0001")
    share = int(1_500 / (host.cores * 1000 - 200) * 100)
    assert printed[1][:4] == ["node-0001", "1500m", f"{share}%", "2048Mi"]
    # kubectl prints nodes that only the API server knows, too.
    assert sorted(row[0] for row in printed[2:]) == ["node-0000", "node-0002"]


async def test_version_is_told(sim: SimulatedCluster) -> None:
    assert "Server Version: v1.32" in await kubectl(sim, "version")
