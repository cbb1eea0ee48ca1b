"""The two ways to run the daemon, and what is asked of each under load.

In      a scenario, the simulated cluster's endpoints
Out     command-line flags; requests, by name; whether everything is there
Callers daemon.py
Source  the flags: `heapfast --help`
Never   measures anything

Heapster's port is open in both modes: ticks and self-metrics are read there, so that counting is the same.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from bench.load.client import tls_context
from bench.load.plan import Endpoint, Question
from bench.processes import Ports
from bench.scenarios import Scenario
from heapfast.sim.process import Endpoints

HEAPSTER: Final = "heapster"
METRICS_SERVER: Final = "metrics-server"
MODES: Final = (HEAPSTER, METRICS_SERVER)

#: metrics-server's least, and so ours in its mode.
LEAST_RESOLUTION_SECONDS: Final = 10
PODS: Final = "/apis/metrics.k8s.io/v1beta1/pods"
#: As the HorizontalPodAutoscaler asks.
PROTOBUF: Final = ("accept: application/vnd.kubernetes.protobuf, */*",)
JSON: Final = ("accept: application/json",)
REQUESTS_A_SECOND: Final = 50.0
#: Of one pod: enough for the CPU of one to show beside the CPU of scraping.
POD_REQUESTS_A_SECOND: Final = 200.0


class Request(NamedTuple):
    """One that is sent over and over, and how often a second."""

    endpoint: Endpoint
    question: Question
    per_second: float


def find_fault(scenario: Scenario, mode: str) -> str | None:
    """Why a scenario cannot be run in a mode; None when it can."""
    if mode == METRICS_SERVER and not scenario.tls:
        return f"{scenario.name} is without TLS, and the secure port knows its callers by certificate"
    if mode == METRICS_SERVER and scenario.resolution_seconds < LEAST_RESOLUTION_SECONDS:
        return f"{scenario.name} has a resolution of {scenario.resolution_seconds} s, want {LEAST_RESOLUTION_SECONDS}"
    return None


def flags_of(mode: str, scenario: Scenario, cluster: Endpoints, ports: Ports, folder: Path) -> list[str]:
    """The daemon's command line.

    Args:
        folder: for the serving certificate that it makes.
    """
    flags = [
        f"--metric-resolution={scenario.resolution_seconds}s",
        "--listen-ip=127.0.0.1",
        f"--heapster-port={ports.heapster}",
    ]
    if mode == METRICS_SERVER:
        return [
            *flags,
            f"--kubeconfig={cluster.kubeconfig}",
            f"--kubelet-port={cluster.kubelet_port}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-certificate-authority={cluster.ca_file}",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports.secure}",
            f"--cert-dir={folder}",
            f"--client-ca-file={cluster.client_ca_file}",
            "--authentication-skip-lookup",
        ]
    options = f"inClusterConfig=false&kubeletPort={cluster.kubelet_port}"
    source = f"{cluster.api_url}?{options}"
    if scenario.tls:
        source = f"?{options}&kubeletHttps=true&auth={cluster.kubeconfig}"
    return [f"--source=kubernetes.summary_api:{source}", *flags]


async def requests_of(mode: str, scenario: Scenario, cluster: Endpoints, ports: Ports) -> dict[str, Request]:
    """What is asked while it scrapes.

    Raises:
        RuntimeError: not every node and pod is there.
    """
    open_port = Endpoint(host="127.0.0.1", port=ports.heapster)
    heapster = f"http://127.0.0.1:{ports.heapster}"
    requests = {"healthz": Request(open_port, Question("/healthz"), REQUESTS_A_SECOND)}
    async with aiohttp.ClientSession() as session:
        nodes = await _get(session, f"{heapster}/api/v1/model/nodes/")
        if mode == HEAPSTER:
            pods = await _get(session, f"{heapster}/apis/metrics/v1alpha1/pods")
            meta = pods["items"][0]["metadata"]
            series = Question(f"/api/v1/model/nodes/{nodes[0]}/metrics/cpu/usage_rate")
            pod = Question(f"/apis/metrics/v1alpha1/namespaces/{meta['namespace']}/pods/{meta['name']}")
            requests["series"] = Request(open_port, series, REQUESTS_A_SECOND)
            requests["pod"] = Request(open_port, pod, POD_REQUESTS_A_SECOND)
        else:
            secure = Endpoint(
                host="127.0.0.1",
                port=ports.secure,
                tls=True,
                cert_file=cluster.client_cert_file,
                key_file=cluster.client_key_file,
            )
            pods = await _get(session, f"https://127.0.0.1:{ports.secure}{PODS}", tls_context(secure))
            meta = pods["items"][0]["metadata"]
            path = f"{PODS.removesuffix('/pods')}/namespaces/{meta['namespace']}/pods"
            selector = Question(f"{path}?labelSelector=app%3D{meta['labels']['app']}", PROTOBUF)
            requests["autoscaler"] = Request(secure, selector, REQUESTS_A_SECOND)
            requests["pod"] = Request(secure, Question(f"{path}/{meta['name']}", JSON), POD_REQUESTS_A_SECOND)
    _check(scenario, len(nodes), len(pods["items"] or ()))
    return requests


def _check(scenario: Scenario, nodes: int, pods: int) -> None:
    # A pod that has just been made has no rate yet.
    enough = scenario.pods - max(scenario.pods // 100, round(scenario.churn_per_minute))
    if not scenario.faults and (nodes != scenario.nodes or pods < enough):
        raise RuntimeError(
            f"cannot measure {scenario.name}: {nodes} of {scenario.nodes} nodes, {pods} of {scenario.pods} pods"
        )


async def _get(session: aiohttp.ClientSession, url: str, tls: ssl.SSLContext | None = None) -> Any:
    async with session.get(url, ssl=tls or True) as response:
        if response.status != 200:
            raise RuntimeError(f"cannot measure: {url} answers {response.status}: {await response.text()}")
        return await response.json(content_type=None)
