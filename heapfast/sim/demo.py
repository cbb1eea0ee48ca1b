"""`heapfast demo`: a simulated cluster and the daemon on it, with both its ports, and what to try.

In      DemoOptions
Out     two child processes; hints for a person, once there is something to see
Callers cli
Never   leaves a child behind, or returns before both have ended
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from heapfast.errors import HeapfastError
from heapfast.sim.options import SimulateOptions
from heapfast.sim.process import Endpoints, SimulatedProcess

ASK_SECONDS: Final = 0.25
STOP_SECONDS: Final = 15.0
#: What `kubectl top` shows comes with it: it takes two samples of a kubelet.
RATE: Final = "cpu/usage_rate"


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One demo.

    Attributes:
        nodes, pods_per_node, containers: size of the cluster; `containers` is per pod.
        resolution: the daemon's --metric-resolution.
        port: of Heapster's API, on loopback; 0 takes a free one.
        secure_port: of metrics.k8s.io, on loopback; 0 takes a free one.
        api_port: the simulated API server's; 0 takes a free one.
    """

    nodes: int = 10
    pods_per_node: int = 10
    containers: int = 2
    resolution: str = "5s"
    port: int = 8082
    secure_port: int = 16444
    api_port: int = 16443


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `heapfast demo`."""
    default = DemoOptions()
    parser.add_argument("--nodes", type=int, default=default.nodes, metavar="N")
    parser.add_argument("--pods-per-node", type=int, default=default.pods_per_node, metavar="M")
    parser.add_argument("--containers", type=int, default=default.containers, metavar="C", help="per pod")
    parser.add_argument("--resolution", default=default.resolution, metavar="DURATION", help="at least 5s")
    parser.add_argument("--port", type=int, default=default.port, help="of Heapster's API; 0: any free one")
    parser.add_argument(
        "--secure-port",
        type=int,
        default=default.secure_port,
        metavar="PORT",
        help="of metrics.k8s.io; 0: any free one",
    )
    parser.add_argument("--api-port", type=int, default=default.api_port, metavar="PORT", help="0: any free one")


def options_from_args(namespace: argparse.Namespace) -> DemoOptions:
    """The options that parsed flags state."""
    return DemoOptions(**vars(namespace))


def run(options: DemoOptions) -> None:
    """Runs a demo until SIGINT, SIGTERM or SIGHUP."""
    asyncio.run(_demonstrate(options))


async def _demonstrate(options: DemoOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    port, secure_port = options.port or _free_port(), options.secure_port or _free_port()
    url = f"http://127.0.0.1:{port}"
    cluster = SimulateOptions(
        nodes=options.nodes,
        pods_per_node=options.pods_per_node,
        containers=options.containers,
        api_port=options.api_port,
        tls=True,  # certificates are what the secure port knows its callers by
        daemon_url=url,
        aggregated_url=f"https://127.0.0.1:{secure_port}",
    )
    async with (
        SimulatedProcess(cluster) as sim,
        _daemon(port, secure_port, options.resolution, sim.endpoints) as daemon,
    ):
        _say(f"simulated cluster on {sim.endpoints.api_url}, heapfast on {url}: waiting for the first samples")
        stopped = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(daemon.wait())
        ready = asyncio.create_task(_wait_for_samples(url))
        try:
            await asyncio.wait((stopped, ended, ready), return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                _say(_hints(url, sim.endpoints, await ready))
                await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopped, ended, ready):
                task.cancel()
        if daemon.returncode is not None and not stop.is_set():
            raise HeapfastError(f"the daemon ended with exit code {daemon.returncode}; its reason is above")


@contextlib.asynccontextmanager
async def _daemon(
    port: int, secure_port: int, resolution: str, cluster: Endpoints
) -> AsyncIterator[asyncio.subprocess.Process]:
    source = f"?inClusterConfig=false&kubeletPort={cluster.kubelet_port}&kubeletHttps=true&auth={cluster.kubeconfig}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "heapfast",
        f"--source=kubernetes.summary_api:{source}",
        f"--metric-resolution={resolution}",
        "--listen-ip=127.0.0.1",
        f"--heapster-port={port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={secure_port}",
        f"--cert-dir={Path(cluster.kubeconfig).parent / 'serving'}",
        start_new_session=True,  # Ctrl-C is for the parent, which ends this in its own time
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _wait_for_samples(url: str) -> tuple[str, str]:
    """Asks until there are rates; gives the names of a node and a namespace to try."""
    async with aiohttp.ClientSession(url) as session:
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                nodes = await _names(session, "/api/v1/model/nodes/")
                namespaces = await _names(session, "/api/v1/model/namespaces/")
                if nodes and namespaces and RATE in await _names(session, f"/api/v1/model/nodes/{nodes[0]}/metrics/"):
                    return nodes[0], namespaces[0]
            await asyncio.sleep(ASK_SECONDS)


async def _names(session: aiohttp.ClientSession, path: str) -> list[str]:
    async with session.get(path) as response:
        return msgspec.json.decode(await response.read(), type=list[str]) if response.status == 200 else []


def _hints(url: str, cluster: Endpoints, names: tuple[str, str]) -> str:
    node, namespace = names
    kubectl = f"kubectl --kubeconfig {cluster.kubeconfig}"
    proxy = "/api/v1/namespaces/kube-system/services/http:heapster:/proxy"
    return "\n".join(
        (
            "",
            "Ask the daemon:",
            f"  curl {url}/api/v1/model/metrics/",
            f"  curl {url}/api/v1/model/metrics/{RATE}",
            f"  curl {url}/api/v1/model/nodes/{node}/metrics/memory/usage",
            f"  curl {url}/api/v1/model/namespaces/{namespace}/pods/",
            f"  curl -s {url}/api/v1/metric-export | head -c 1000",
            f"  curl {url}/apis/metrics/v1alpha1/nodes",
            f"  curl '{url}/apis/heapfast/v1/query?metric={RATE}&window=2m&groupBy=pod&top=5'",
            f"  curl '{url}/apis/heapfast/v1/query?metric=filesystem/usage&groupBy=pod,resource_id&top=5'",
            f"  curl {url}/healthz",
            f"  curl {url}/metrics",
            "Through the API server, which asks metrics.k8s.io on the daemon's secure port:",
            f"  {kubectl} top nodes",
            f"  {kubectl} top pods -n {namespace} --containers",
            f"  {kubectl} get podmetrics -A",
            "And as old clients of Heapster do:",
            f"  {kubectl} get --raw {proxy}/apis/metrics/v1alpha1/nodes/{node}",
            "Break something, and see what it costs:",
            f'  curl --cacert {cluster.ca_file} {cluster.api_url}/sim/faults -d \'{{"faults": ["{node}=hang"]}}\'',
            "",
            "Ctrl-C stops both.",
        )
    )


def _free_port() -> int:
    # Both sides must know it beforehand: the API server forwards to it.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _say(text: str) -> None:
    print(text, flush=True)
