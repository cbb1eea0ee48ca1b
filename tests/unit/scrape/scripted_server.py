"""A kubelet that does what a test tells it, one step a request.

In      steps: what to do after each request, in order, over all connections
Out     the requests that came, and how many connections
Callers the tests of scrape/
Never   sleeps
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType

Step = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(
    body: bytes = b"{}", *, status: str = "200 OK", headers: Iterable[str] = (), length: int | None = None
) -> bytes:
    """A whole answer with a content length, by default the right one."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def send(data: bytes) -> Step:
    """Sends and keeps the connection open."""

    async def step(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        # A client that has had enough hangs up on a long answer.
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    return step


def send_and_close(data: bytes = b"") -> Step:
    async def step(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    return step


def send_and_reset(data: bytes = b"") -> Step:
    """Ends the connection without a farewell: TCP's end, but not TLS's."""

    async def step(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.transport.abort()

    return step


def reset() -> Step:
    """Ends the connection as if the server's machine had forgotten it."""

    async def step(writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return step


def trickle(data: bytes, sent: list[int], stop: asyncio.Event) -> Step:
    """Sends byte after byte, as fast as the loop turns, until told to stop; `sent` counts them."""

    async def step(writer: asyncio.StreamWriter) -> None:
        for byte in data:
            if stop.is_set():
                return
            writer.write(bytes((byte,)))
            sent.append(byte)
            await asyncio.sleep(0)
        await stop.wait()

    return step


class ScriptedServer:
    """The server; an async context manager."""

    def __init__(self, *steps: Step, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.asked = asyncio.Event()  # a request has come
        self.closed = asyncio.Event()  # a connection has ended
        self._steps = list(steps)
        self._tls = tls
        self._host = host
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append(head + body)
                self.asked.set()
                await self._steps.pop(0)(writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client hung up
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)
            self.closed.set()
