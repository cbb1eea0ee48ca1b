"""A stock kubectl asks the daemon through the API server's service proxy, as old clients of Heapster do."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from typing import Any

import pytest

from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.expectations import check_batch, expected_metrics, rfc3339
from tests.integration.running import SteppedClock, run_daemon, source_of

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(
    KUBECTL is None, reason="NO KUBECTL: it is not on the PATH; these tests run a stock one"
)

PROXY = "/api/v1/namespaces/kube-system/services/http:heapster:/proxy"


async def get_raw(sim: SimulatedCluster, path: str) -> tuple[int | None, str, str]:
    """Exit code, output and complaints of `kubectl get --raw`."""
    assert KUBECTL is not None
    process = await asyncio.create_subprocess_exec(
        KUBECTL, "--kubeconfig", str(sim.kubeconfig), "get", "--raw", f"{PROXY}{path}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_service_proxy_leads_to_every_family() -> None:
    clock = SteppedClock()
    with socket.socket() as holder:  # keeps the port for the daemon: both sides must know it beforehand
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        options = SimulateOptions(nodes=2, pods_per_node=2, seed=7, daemon_url=f"http://127.0.0.1:{port}")
        async with (
            SimulatedCluster(options, clock) as sim,
            run_daemon(source_of(sim), clock, f"--heapster-port={port}") as daemon,
        ):
            await daemon.is_synced()
            await daemon.tick()
            batch = await daemon.tick()
            expected = expected_metrics(sim, clock.now_ms)
            check_batch(batch, expected)

            async def ask(path: str) -> Any:
                code, out, err = await get_raw(sim, path)
                assert (code, err) == (0, "")
                return json.loads(out)

            assert await ask("/api/v1/model/nodes/") == ["node-0000", "node-0001"]
            assert await ask("/api/v1/model/metrics/memory/usage?start=2026-11-22T09:00:15Z") == {
                "metrics": [{"timestamp": rfc3339(batch.timestamp_ns), "value": expected["cluster"]["memory/usage"]}],
                "latestTimestamp": rfc3339(batch.timestamp_ns),
            }
            node = await ask("/apis/metrics/v1alpha1/nodes/node-0001")
            assert node["usage"]["cpu"] == f"{expected['node:node-0001']['cpu/usage_rate']}m"
            assert len(await ask("/api/v1/metric-export")) > 2 + 4 + 8
            code, _, err = await get_raw(sim, "/apis/metrics/v1alpha1/nodes/nobody")
            assert (code, err) == (
                1,
                "Error from server (NotFound): the server could not find the requested resource\n",
            )
