"""What asking a kubelet costs: this client beside aiohttp, in one run, on this machine.

In      how many requests a run; a server process of its own on loopback, plain, with TLS, and with TLS as Go's answers
Out     microseconds of client CPU a request, best and worst of several runs; what a kept connection keeps
Callers `python -m bench.micro.scrape [REQUESTS]`, bench/micro/command.py
Source  design section 3: 14 us a request without TLS, 45 us with TLS, for a body of 32 KB
Never   counts the server's time, or a run before both clients gave the right body

The first two kinds of answers have a content length, which aiohttp reads cheaper than chunks, and are written at once.
Go's server, and so a kubelet, sends long ones in chunks of 4 KB, each in a TLS record of its own: more reads for the
same bytes. Time is process time, so kernel time of the client's own reads is in it.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import cast

import aiohttp
import uvloop

from bench.figures import Figures, Scale, at_most, main
from bench.processes import memory_of
from heapfast.errors import ScrapeError
from heapfast.scrape._http import Connection, KubeletClient
from heapfast.sim.certificates import Authority
from heapfast.tls import client_context, server_context

BODY_BYTES = (32_000, 100_000)
KINDS = ("plain", "TLS", "TLS as Go sends")
CONNECTIONS = 8
#: Enough for RSS to show what each keeps, and within the usual limit of open files.
KEPT_CONNECTIONS = 500
SCALE = Scale(full=2_000, quick=160, unit="requests a run")
#: What the design was decided by, measured on a quiet machine.
BUDGETS = {"32 KB plain, lean, us of CPU": at_most(14.0), "32 KB TLS, lean, us of CPU": at_most(45.0)}
RUNS = 6
#: Of a chunk, head and end aside, as Go's net/http writes what comes to it in pieces.
CHUNK_BYTES = 4096
HEADERS = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nAudit-Id: 4f1c9c0a-2b5e-4c57-9f0e-2f6a1c5d7e11\r\n"
    "Cache-Control: no-cache, private\r\nDate: Mon, 11 Dec 2017 10:00:00 GMT\r\n"
)
HEAD = "GET /stats/summary/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: heapfast\r\n"

#: One run: does so many requests. The microseconds of CPU are taken around it.
Run = Callable[[int], Awaitable[None]]


def body_of(size: int) -> bytes:
    return (b'{"node":{"nodeName":"node-1"}}' * (size // 30 + 1))[:size]


def length_answer(body: bytes) -> list[bytes]:
    """The writes of an answer with a content length."""
    return [f"{HEADERS}Content-Length: {len(body)}\r\n\r\n".encode() + body]


def chunked_answer(body: bytes) -> list[bytes]:
    """The writes of an answer in chunks."""
    chunks = [body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES)]
    head = f"{HEADERS}Transfer-Encoding: chunked\r\n\r\n".encode()
    return [head, *(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks), b"0\r\n\r\n"]


class Server(asyncio.Protocol):
    """Answers every request with the same writes."""

    def __init__(self, writes: list[bytes]) -> None:
        self._writes = writes
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        assert self._transport is not None
        for _ in requests:
            for data in self._writes:
                self._transport.write(data)


async def serve(size: int, folder: Path) -> None:
    """Serve one body in each way of KINDS, and print their ports."""
    loop = asyncio.get_running_loop()
    whole, chunks = length_answer(body_of(size)), chunked_answer(body_of(size))
    context = server_context(cert_file=folder / "server.pem")
    servers = [
        await loop.create_server(lambda: Server(whole), "127.0.0.1", 0),
        await loop.create_server(lambda: Server(whole), "127.0.0.1", 0, ssl=context),
        await loop.create_server(lambda: Server(chunks), "127.0.0.1", 0, ssl=context),
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


def lean(
    port: int, context: ssl.SSLContext | None, body: bytes, connections_kept: int = CONNECTIONS
) -> tuple[Run, Callable[[], Awaitable[None]]]:
    """Runs with this client, and how to close it."""
    client = KubeletClient(tls=context)
    connections = [client.connect("127.0.0.1", port, "bench") for _ in range(connections_kept)]
    head = (HEAD % port).encode()

    async def run(requests: int) -> None:
        done = asyncio.get_running_loop().create_future()
        to_start = to_end = requests

        def start(connection: Connection) -> None:
            nonlocal to_start
            to_start -= 1

            def on_done(answer: bytes | None, error: ScrapeError | None) -> None:
                nonlocal to_end
                to_end -= 1
                if error is not None or answer is None or len(answer) != len(body):
                    done.set_exception(error or AssertionError("BUG: not the whole body"))
                elif to_end == 0:
                    done.set_result(answer)
                elif to_start > 0:
                    start(connection)

            connection.request(head, b"", on_done)

        for connection in connections:
            start(connection)
        assert await done == body

    async def close() -> None:
        for connection in connections:
            connection.close()
        client.close()

    return run, close


def with_aiohttp(port: int, context: ssl.SSLContext | None, body: bytes) -> tuple[Run, Callable[[], Awaitable[None]]]:
    """Runs with aiohttp, and how to close it."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))
    url = f"{'https' if context else 'http'}://127.0.0.1:{port}/stats/summary/"

    async def ask(requests: int) -> None:
        for _ in range(requests):
            async with session.get(url, ssl=context or True) as response:
                assert len(await response.read()) == len(body)

    async def run(requests: int) -> None:
        async with session.get(url, ssl=context or True) as response:
            assert await response.read() == body
        await asyncio.gather(*(ask(requests // CONNECTIONS) for _ in range(CONNECTIONS)))

    return run, session.close


async def measure(
    port: int, contexts: Sequence[ssl.SSLContext | None], body: bytes, requests: int
) -> dict[str, tuple[float, float]]:
    """Best and worst microseconds of CPU a request, for each client; their runs alternate."""
    clients = {"lean": lean(port, contexts[0], body), "aiohttp": with_aiohttp(port, contexts[1], body)}
    costs: dict[str, list[float]] = {name: [] for name in clients}
    for run, _ in clients.values():
        await run(CONNECTIONS * 20)
    for _ in range(RUNS):
        for name, (run, _) in clients.items():
            started = time.process_time()
            await run(requests)
            costs[name].append((time.process_time() - started) / requests * 1e6)
    for _, close in clients.values():
        await close()
    return {name: (min(us), max(us)) for name, us in costs.items()}


async def measure_kept(port: int, context: ssl.SSLContext, body: bytes) -> float:
    """Bytes of RSS that a connection keeps once it has had two answers, what lies free in the heap given back."""
    run, close = lean(port, context, body)
    await run(2 * CONNECTIONS)  # what is there once for all of them
    await close()
    before = _rss_bytes()
    run, close = lean(port, context, body, KEPT_CONNECTIONS)
    await run(2 * KEPT_CONNECTIONS)
    kept = _rss_bytes() - before
    await close()
    return kept / KEPT_CONNECTIONS


def _rss_bytes() -> int:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it, and needs it; so does the daemon
    if trim is not None:
        trim(0)
    return memory_of(os.getpid()).rss_bytes


def run(requests: int) -> Figures:
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority("bench-ca")
        (folder / "server.pem").write_bytes(b"".join(authority.sign_server("bench", ["127.0.0.1"])))
        # One each: OpenSSL reads ahead with the lean client's.
        contexts = [client_context(ca_pem=authority.pem.decode()) for _ in range(2)]
        for size in BODY_BYTES:
            command = [sys.executable, "-m", "bench.micro.scrape", "--serve", str(size), name]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
                assert server.stdout is not None
                try:
                    ports = [int(port) for port in server.stdout.readline().split()]
                    kept = uvloop.run(measure_kept(ports[1], contexts[0], body_of(size)))
                    figures[f"{size // 1000} KB TLS, lean, KB of RSS a connection"] = kept / 1e3
                    for kind, port, tls in zip(KINDS, ports, ((None, None), contexts, contexts), strict=True):
                        costs = uvloop.run(measure(port, tls, body_of(size), requests))
                        figures |= _figures(f"{size // 1000} KB {kind}", costs)
                finally:
                    server.terminate()
    return figures


def _figures(scenario: str, costs: dict[str, tuple[float, float]]) -> Figures:
    figures: Figures = {}
    for name, (best, worst) in costs.items():
        figures |= {f"{scenario}, {name}, us of CPU": best, f"{scenario}, {name}, worst, us of CPU": worst}
    return figures | {f"{scenario}, times as cheap": costs["aiohttp"][0] / costs["lean"][0]}


if __name__ == "__main__":
    if "--serve" in sys.argv:
        uvloop.run(serve(int(sys.argv[2]), Path(sys.argv[3])))
    else:
        sys.exit(main(__doc__, run, SCALE, BUDGETS))
