"""Model series over REST: what one request costs, in process and over a socket.

In      how many requests; one node, 30 pods, 15 batches
Out     requests a second a core, the daemon's side alone (in process) and all of it (socket)
Callers `python -m bench.micro.rest [REQUESTS]`, bench/micro/command.py
Source  design section 10: at least 15,000 requests a second a core for one pod's series, without TLS
Never   counts time before the answer was checked

Over the socket the client runs in a process of its own, and the server's CPU time is what counts.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import socket
import sys
import time
from functools import partial
from typing import Any

import uvloop

from bench.figures import Figures, Scale, at_least, main
from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.host import Host
from heapfast.api.state import State
from heapfast.clock import ManualClock
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex

N_PODS = 30
N_BATCHES = 15
STEP_NS = 60 * 10**9
START_NS = 1_512_986_400 * 10**9
SCALE = Scale(full=30_000, quick=3_200, unit="requests")
N_CONNECTIONS = 16
BUDGETS = {"over a socket, requests/s of CPU": at_least(15_000)}

PATH = "/api/v1/model/namespaces/default/pods/pod-7/metrics/cpu/usage_rate"


def filled_store() -> Store:
    """Fill a store as a small cluster would."""
    store = Store()
    node = store.put_node("node-1", hostname="node-1", host_id="", labels="")
    for batch in range(N_BATCHES + 1):
        at_ns = START_NS + batch * STEP_NS
        rows: list[dict[str, Any]] = []
        for pod in range(N_PODS):
            place = {"namespace": "default", "start_ns": START_NS, "sample_ns": at_ns, "resources": [], "custom": []}
            usage = {"cpu/usage": batch * (pod + 1) * 10**9, "memory/usage": 10**6 * pod}
            rows.append({"kind": "pod", "name": f"pod-{pod}", "uid": f"uid-{pod}", "metrics": {}, **place})
            rows.append({"kind": "pod_container", "pod": f"pod-{pod}", "name": "web", "metrics": usage, **place})
        store.ingest(rows_of(rows), node, at_ns)
        closing = store.swap(at_ns + 1)
        closing.run()
        store.commit(closing, at_ns + 1)
    return store


def app() -> Any:
    """Build the app over a filled store."""
    clock = ManualClock(START_NS + N_BATCHES * STEP_NS + 10**9)
    return create_app(
        State(store=filled_store(), pods=PostingIndex(), nodes=PostingIndex(), clock=clock, resolution_ns=STEP_NS)
    )


async def in_process(application: Any, n_requests: int) -> float:
    """Return requests a second of CPU, driving the ASGI app directly."""
    headers = [(b"host", b"localhost"), (b"accept", b"application/json"), (b"user-agent", b"bench")]
    body = b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal body
        body = message.get("body", b"")

    async def ask() -> None:
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
            "method": "GET", "path": PATH, "raw_path": PATH.encode(), "query_string": b"", "headers": headers,
            "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
        }  # fmt: skip
        await application(scope, receive, send)

    await ask()
    check(body)
    start = time.process_time()
    for _ in range(n_requests):
        await ask()
    return n_requests / (time.process_time() - start)


def check(body: bytes) -> None:
    """Fail unless the answer is the whole series."""
    points = json.loads(body)["metrics"]
    assert len(points) == N_BATCHES, f"BUG: {len(points)} points, want {N_BATCHES}"
    # pod-7 uses 8 cpu seconds more each minute.
    assert {point["value"] for point in points} == {133}, points


class _Client(asyncio.Protocol):
    REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n".encode()

    def __init__(self, count: int, done: asyncio.Future[bytes]) -> None:
        self.left = count
        self.done = done
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.transport.write(self.REQUEST)

    def data_received(self, data: bytes) -> None:
        self.got += data
        head, _, body = self.got.partition(b"\r\n\r\n")
        if len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        self.left -= 1
        if self.left:
            self.got = b""
            self.transport.write(self.REQUEST)
        else:
            self.transport.close()
            self.done.set_result(body)


def _client(port: int, n_requests: int) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(N_CONNECTIONS)]
        for done in futures:
            await loop.create_connection(partial(_Client, n_requests // N_CONNECTIONS, done), "127.0.0.1", port)
        for done in futures:
            check(await done)

    uvloop.run(run())


async def over_socket(application: Any, n_requests: int) -> tuple[float, float]:
    """Return requests a second of the server's CPU, and of wall time."""
    listening = socket.create_server(("127.0.0.1", 0))
    host = Host(application)
    await host.start([listening])
    arguments = (listening.getsockname()[1], n_requests)
    process = multiprocessing.get_context("spawn").Process(target=_client, args=arguments)
    process.start()
    # The client's own start is not the server's doing: time starts with the first request.
    total = host._server.server_state
    while not total.total_requests:  # noqa: ASYNC110 - uvicorn counts, it does not tell
        await asyncio.sleep(0.01)
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    served = total.total_requests
    await asyncio.get_running_loop().run_in_executor(None, process.join)
    after, end = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    served = total.total_requests - served
    assert process.exitcode == 0, "BUG: the client failed"
    await host.stop()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return served / cpu, served / (end - begin)


def run(n_requests: int) -> Figures:
    return uvloop.run(_measure(n_requests))


async def _measure(n_requests: int) -> Figures:
    application = app()
    alone = await in_process(application, n_requests)
    cpu, wall = await over_socket(application, n_requests)
    return {
        "in process, requests/s of CPU": alone,
        "over a socket, requests/s of CPU": cpu,
        "over a socket, requests/s on the wall": wall,
    }


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
