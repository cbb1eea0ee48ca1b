"""How long a new pod waits for its first usage: one is replaced now and then, and asked for until it has one.

In      the simulator's control endpoint; a server's API
Out     seconds from the start of each pod's containers to its first usage
Callers turn.py
Source  heapfast/sim/control.py: /sim/replace, /sim/expected
Never   replaces a pod that the load asks for

Heapster is asked by its model: its list of pods for /apis/metrics comes from a watch in protobuf, which the simulator
does not speak, so that there a new pod would never appear, and not by Heapster's fault.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
from yarl import URL

from bench.load.client import tls_context
from bench.load.model import WrongAnswer, read_pod
from bench.load.plan import Endpoint
from bench.load.profiles import Dialect, pod_target

if TYPE_CHECKING:
    from bench.load.model import Model
    from heapfast.sim.cluster import Pod
    from heapfast.sim.process import Endpoints

#: Between two questions for one pod: what it says is right to this much.
ASK_SECONDS: Final = 0.25
#: A pod that has no usage by then never gets one.
PATIENCE_SECONDS: Final = 120.0


class Newcomers:
    """Those of one turn.

    Args:
        base, tls, headers: of the server.
        avoid: targets that the load asks for.

    Attributes:
        missing: pods that had no usage in time.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        model: Model,
        base: str,
        tls: ssl.SSLContext | None,
        headers: dict[str, str],
        dialect: Dialect,
        avoid: set[str],
    ) -> None:
        self._endpoints = endpoints
        self._model = model
        self._base = base
        self._tls = tls
        self._headers = headers
        self._dialect = dialect
        self._avoid = avoid
        self.missing = 0

    async def run(self, count: int, seconds: float) -> list[float]:
        """Replaces so many pods, evenly over a span, and returns when each has had its first usage.

        Args:
            seconds: one resolution, or several: then no moment of the server's rhythm is favoured.
        """
        pods = [pod for pod in self._model.draw_pods(len(self._model.cluster.pods), seed=0) if self._may_go(pod)]
        tasks = []
        async with asyncio.TaskGroup() as group:
            for pod in pods[:count]:
                self._model.replaced.add(pod.key)
                tasks.append(group.create_task(self._replace(pod)))
                await asyncio.sleep(seconds / count)
        found = [task.result() for task in tasks]
        self.missing = found.count(None)
        return [round(waited, 2) for waited in found if waited is not None]

    def _may_go(self, pod: Pod) -> bool:
        return pod_target(self._dialect, pod.workload.namespace, pod.name) not in self._avoid

    async def _replace(self, pod: Pod) -> float | None:
        namespace = pod.workload.namespace
        asking = aiohttp.ClientSession(headers=self._headers)
        async with simulator_session(self._endpoints) as session, asking:
            body = msgspec.json.encode({"namespace": namespace, "name": pod.name})
            async with session.post(f"{self._endpoints.api_url}/sim/replace", data=body) as response:
                response.raise_for_status()
                name = (await response.json())["name"]
            gives_up = time.monotonic() + PATIENCE_SECONDS
            url = URL(self._base + cpu_target(self._dialect, namespace, name), encoded=True)
            while time.monotonic() < gives_up:
                if await self._has_usage(asking, url):
                    seen_ms = time.time() * 1e3
                    return (seen_ms - await self._started_ms(session, namespace, name)) / 1e3
                await asyncio.sleep(ASK_SECONDS)
        return None

    async def _has_usage(self, session: aiohttp.ClientSession, url: URL) -> bool:
        try:
            async with session.get(url, ssl=self._tls or True, headers={"accept": "application/json"}) as response:
                return response.status == 200 and has_usage(self._dialect, await response.read())
        except (aiohttp.ClientError, WrongAnswer):
            return False

    async def _started_ms(self, session: aiohttp.ClientSession, namespace: str, name: str) -> float:
        url = f"{self._endpoints.api_url}/sim/expected?namespace={namespace}&pod={name}"
        async with session.get(url) as response:
            return float((await response.json())["total"]["start_ms"])


def cpu_target(dialect: Dialect, namespace: str, name: str) -> str:
    """Where the CPU rate of a pod shows first."""
    if dialect is Dialect.HEAPSTER:
        return f"/api/v1/model/namespaces/{namespace}/pods/{name}/metrics/cpu/usage_rate"
    return pod_target(dialect, namespace, name)


def has_usage(dialect: Dialect, body: bytes) -> bool:
    """Whether an answer has a CPU rate in it. Raises WrongAnswer when it is none."""
    if dialect is Dialect.HEAPSTER:
        return bool(msgspec.json.decode(body).get("metrics"))
    return bool(read_pod(body))


def simulator_session(endpoints: Endpoints) -> aiohttp.ClientSession:
    """A session with the simulated API server, as its administrator."""
    tls = endpoints.api_url.startswith("https")
    endpoint = Endpoint(
        host="", port=0, tls=tls, cert_file=endpoints.client_cert_file, key_file=endpoints.client_key_file
    )
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls_context(endpoint) or True))


async def simulator_state(endpoints: Endpoints) -> dict[str, Any]:
    """What the simulator counts."""
    async with simulator_session(endpoints) as session, session.get(f"{endpoints.api_url}/sim/state") as response:
        state: dict[str, Any] = await response.json()
        return state
