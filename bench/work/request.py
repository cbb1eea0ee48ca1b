"""One autoscaler's request, from the bytes of a connection to the bytes of its answer, without TLS and sockets.

In      nothing: ten pods of one workload, and what kube-apiserver sends along when an autoscaler asks for them
Out     what is to be counted: so many requests on one connection
Callers kernels.py
Source  design section 10: the autoscaler's request; callers as in bench/micro/auth.py
Never   asks an API server: who asks and what they may is known
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from uvicorn.server import ServerState

from bench.micro.auth import PROXIED, build_chain
from heapfast._core import Store
from heapfast.api.protocol import HttpProtocol, Limits
from heapfast.api.secure_app import create_secure_app
from heapfast.api.secure_state import SecureState
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.render._roster import Roster
from heapfast.sim.certificates import Authority
from heapfast.store.index import PostingIndex
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

PODS: Final = 10
REQUESTS: Final = 20
NAMESPACE: Final = "shop"
RESOLUTION_MS: Final = 15_000
START_MS: Final = 1_795_337_822_000
NS_PER_MS: Final = 1_000_000
HEAD: Final = b"".join(
    (
        b"GET /apis/metrics.k8s.io/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb HTTP/1.1\r\n",
        *(name + b": " + value + b"\r\n" for name, value in PROXIED),
        b"\r\n",
    )
)


def requests() -> Callable[[], object]:
    """Answers an autoscaler's requests."""
    front_proxy = Authority("front-proxy-ca")
    app = _app(front_proxy)
    certificate = ssl.PEM_cert_to_DER_cert(front_proxy.sign_client("front-proxy-client")[0].decode())

    def answer(count: int = REQUESTS) -> None:
        with asyncio.Runner() as runner:
            runner.run(_ask(app, certificate, count))

    # What is asked once, and remembered.
    answer(1)
    return answer


async def _ask(app: Any, certificate: bytes, count: int) -> None:
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, interface="asgi3", proxy_headers=False)
    config.load()
    loop, wire = asyncio.get_running_loop(), _Wire(certificate, count)
    protocol = HttpProtocol(config, ServerState(), limits=Limits())
    protocol.connection_made(wire)
    await asyncio.sleep(0)
    for _ in range(count):
        loop.call_soon(protocol.data_received, HEAD)
    await wire.is_over.wait()
    protocol.connection_lost(None)
    complete = [b"HTTP/1.1 200 " in answer and answer.count(b"web-") == PODS for answer in wire.answers]
    assert complete == [True] * count, f"BUG: {complete}, want {count} whole answers"


def _app(front_proxy: Authority) -> Any:
    store = Store(resolution_ns=RESOLUTION_MS * NS_PER_MS)
    nodes, pods = PostingIndex(), PostingIndex()
    node_roster, pod_roster = Roster(store.latest, Kind.NODE), Roster(store.latest, Kind.POD)
    node = store.put_node("node-0", hostname="node-0", host_id="", labels="")
    labels = {"app": "web", "pod-template-hash": "5d4f8c7b9"}
    names = [f"web-{number}" for number in range(PODS)]
    for name in names:
        slot = store.put_pod(NAMESPACE, name, uid="", labels="")
        pods.put(slot, NAMESPACE, labels, "node-0")
        pod_roster.put(slot, labels)
    rows = Rows()
    for step in range(2):
        at_ms = START_MS + step * RESOLUTION_MS
        parse_resource(_body(names, at_ms, step), rows)
        store.ingest(rows, node, at_ms * NS_PER_MS)
    state = SecureState(
        store=store,
        latest=store.latest,
        nodes=nodes,
        running=pods,
        node_roster=node_roster,
        pod_roster=pod_roster,
        clock=ManualClock((START_MS + RESOLUTION_MS + 4_000) * NS_PER_MS),
        resolution_ns=RESOLUTION_MS * NS_PER_MS,
        auth=build_chain(Authority("client-ca"), front_proxy),
    )
    return create_secure_app(state).app


def _body(pods: list[str], at_ms: int, step: int) -> bytes:
    lines = []
    for number, pod in enumerate(pods):
        for container in ("main", "sidecar"):
            of = f'{{container="{container}",namespace="{NAMESPACE}",pod="{pod}"}}'
            lines.append(f"container_cpu_usage_seconds_total{of} {10 + step * (number + 1)} {at_ms}\n")
            lines.append(f"container_memory_working_set_bytes{of} {2**20 * (number + 1)} {at_ms}\n")
    return "".join(lines).encode()


class _Wire(asyncio.Transport):
    """A transport over TLS that keeps what is written.

    Attributes:
        is_over: as many answers have been written as were to be.
    """

    def __init__(self, certificate: bytes, count: int) -> None:
        super().__init__()
        self._certificate = certificate
        self._count = count
        self.is_over = asyncio.Event()
        self.answers: list[bytes] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self if name in ("ssl_object", "sslcontext") else default

    def getpeercert(self, binary_form: bool = False) -> bytes:
        return self._certificate

    def write(self, data: Any) -> None:
        self.answers.append(bytes(data))
        if len(self.answers) == self._count:
            self.is_over.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass
