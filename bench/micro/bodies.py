"""A long answer of one piece on a connection, with TLS and without: time, and how long the loop is held.

In      MB of an answer; 100,000 rows of a query are 12 to 20
Out     milliseconds until the client has it, and the longest time that the loop did not turn
Callers `python -m bench.micro.bodies [MB]`, bench/micro/command.py
Source  issue 5: the loop never held more than 5 ms
Never   counts an answer that is not whole
"""

from __future__ import annotations

import asyncio
import os
import site
import socket
import ssl
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from bench.figures import Figures, Scale, at_most, main
from bench.micro.turns import watched
from heapfast.api.protocol import HttpProtocol, Limits
from heapfast.process_tuning import shorten_turns
from heapfast.sim.certificates import Authority

SCALE = Scale(full=20, quick=1, unit="MB")
ROUNDS = 5
HOST = "127.0.0.1"
ROOT = str(Path(__file__).resolve().parents[2])
KINDS = ("over TLS", "without TLS")
BUDGETS = {f"{kind}, loop held, ms": at_most(5.0) for kind in KINDS}


def read(port: int, authority: str) -> tuple[float, int]:
    """In a process of its own: asks once; seconds, and bytes with the head."""
    with socket.create_connection((HOST, port)) as connection:
        stream = connection
        if authority:
            stream = ssl.create_default_context(cadata=authority).wrap_socket(connection, server_hostname=HOST)
        start, size = time.perf_counter(), 0
        stream.sendall(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        while piece := stream.recv(1 << 20):
            size += len(piece)
        return time.perf_counter() - start, size


def context_of(authority: Authority) -> ssl.SSLContext:
    certificate, key = authority.sign_server("bench", [HOST])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        cert_file, key_file = Path(folder) / "crt", Path(folder) / "key"
        cert_file.write_bytes(certificate)
        key_file.write_bytes(key)
        context.load_cert_chain(cert_file, key_file)
    return context


async def _measure(n_mb: int) -> Figures:
    shorten_turns()
    body = os.urandom(10**6) * n_mb
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(head)
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, interface="asgi3", proxy_headers=False)
    config.load()
    loop, state, authority = asyncio.get_running_loop(), ServerState(), Authority("bench-ca")
    figures: Figures = {}
    # The child has the parent's path, which need not have the tree on it.
    with ProcessPoolExecutor(1, get_context("spawn"), site.addsitedir, (ROOT,)) as pool:
        for kind in KINDS:
            has_tls = kind == KINDS[0]
            server = await loop.create_server(
                lambda: HttpProtocol(config, state, limits=Limits()),
                HOST,
                0,
                ssl=context_of(authority) if has_tls else None,
            )
            port = server.sockets[0].getsockname()[1]
            seconds = []
            try:
                async with watched() as turns:
                    for _ in range(ROUNDS):
                        await turns.begin_round()
                        asked = await loop.run_in_executor(pool, read, port, authority.pem.decode() if has_tls else "")
                        assert asked[1] > len(body), f"BUG: {kind}: {asked[1]} bytes, want more than {len(body)}"
                        seconds.append(asked[0])
            finally:
                server.close()
            figures |= {
                f"{kind}, ms": min(seconds) * 1e3,
                f"{kind}, longest turn of the loop, ms": turns.longest_ms,
                f"{kind}, loop held, ms": turns.held_ms,
            }
    return figures


def run(n_mb: int) -> Figures:
    return uvloop.run(_measure(n_mb))


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
