"""/debug/why and `?window=` of the whole daemon, in metrics-server's place and in Heapster's."""

from __future__ import annotations

import aiohttp

from heapfast.sim.faults import parse_fault
from heapfast.sim.options import SimulateOptions
from tests.integration.metrics_server import RESOLUTION_SECONDS, client_context, run_aggregated
from tests.integration.running import run_both

OPTIONS = SimulateOptions(nodes=2, pods_per_node=2, containers=1, namespaces=2, seed=7)
WHY = "/debug/why/nodes"
NODES = "/apis/metrics.k8s.io/v1/nodes"


async def test_the_secure_port_says_why_and_over_which_span() -> None:
    async with run_aggregated(OPTIONS) as cluster:
        daemon = cluster.daemon
        assert (await daemon.get(f"{WHY}/node-0001"))["facts"]["usage"]["status"] == "ONE_POINT"
        cluster.sim.faults.set(parse_fault("node-0001=500"), cluster.now_ms)
        for _ in range(2):
            await daemon.tick(RESOLUTION_SECONDS)
        failing = await daemon.get(f"{WHY}/node-0001")
        assert failing["verdict"].startswith(
            "It has been sampled once, and a CPU rate needs two samples: the kubelet of node node-0001 at "
            f"{failing['facts']['target']['address']} answered "
        )
        assert "and fails with status (" in failing["verdict"]
        served = await daemon.get(f"{WHY}/node-0000")
        assert (served["facts"]["usage"]["status"], served["remedy"]) == ("OK", "")
        pods = [key.split("/") for key in cluster.sim.cluster.pods.items]
        told = [await daemon.get(f"/debug/why/namespaces/{namespace}/pods/{name}") for namespace, name in pods]
        assert {(pod["facts"]["node"]["name"], pod["facts"]["usage"]["status"]) for pod in told} == {
            ("node-0000", "OK"),
            ("node-0001", "ONE_POINT"),
        }

        for window in ("15s", "30s"):
            listed = (await daemon.get(f"{NODES}?window=5m"))["items"]
            assert [(node["metadata"]["name"], node["window"]) for node in listed] == [("node-0000", window)]
            await daemon.tick(RESOLUTION_SECONDS)

        async with (
            aiohttp.ClientSession(
                daemon.url, connector=aiohttp.TCPConnector(ssl=client_context(cluster.sim))
            ) as anonymous,
            anonymous.get(f"{WHY}/node-0001") as answer,
        ):
            assert answer.status == 401


async def test_heapsters_port_says_why_a_node_is_not_scraped() -> None:
    async with run_both(OPTIONS) as (sim, daemon):
        await daemon.tick()
        sim.cluster.set_node("node-0001", ready=False)
        await daemon.until('heapfast_kube_events_total{resource="nodes",type="MODIFIED"}', 1)
        told = await daemon.get(f"{WHY}/node-0001")
        assert told["verdict"].endswith("node node-0001 is not scraped, because of this: condition Ready is not True.")
        assert told["facts"]["is_selected"] is True
