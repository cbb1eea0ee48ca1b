"""An API server that answers what a test tells it, one answer after the other.

In      a script of Answers
Out     a URL on loopback; the requests that came
Callers the tests of kube/
Never   sleeps: when the script is through, the next request is held and `through` is set
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web


@dataclass
class Answer:
    """One answer: a body in chunks, after which the connection ends well or is cut."""

    chunks: list[bytes]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer([body if isinstance(body, bytes) else msgspec.json.encode(body)], status, named)


def page(*objects: object, version: str = "100", then: str = "") -> Answer:
    """One page of a list; `then` is its continue token."""
    return answer({"metadata": {"resourceVersion": version, "continue": then}, "items": list(objects)})


def status(code: int, message: str = "no", **more: Any) -> Answer:
    return answer({"kind": "Status", "code": code, "message": message, **more}, code)


def watch(*events: tuple[str, object] | bytes, is_cut: bool = False) -> Answer:
    """A watch with one line an event; bytes are sent as they stand."""
    chunks = [
        event if isinstance(event, bytes) else msgspec.json.encode({"type": event[0], "object": event[1]}) + b"\n"
        for event in events
    ]
    return Answer(chunks, is_cut=is_cut)


class ScriptedApi:
    """The server's side of a test.

    Attributes:
        requests: those that came, oldest first.
        through: set when a request came for which the script has no answer any more.
    """

    def __init__(self, *script: Answer) -> None:
        self._script = list(script)
        self._closing = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=1)
        self.requests: list[web.BaseRequest] = []
        self.through = asyncio.Event()
        self.url = ""

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=tls).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Cut what is open and refuse what comes; twice is fine."""
        self._closing.set()
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        if not self._script:
            self.through.set()
            await self._closing.wait()
            return _cut(request)
        answer = self._script.pop(0)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        for chunk in answer.chunks:
            await response.write(chunk)
        return _cut(request) if answer.is_cut else response


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def serve(*script: Answer, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedApi]:
    """Run a ScriptedApi on loopback, on a free port unless one is given."""
    api = ScriptedApi(*script)
    try:
        await api.start(port, tls)
        yield api
    finally:
        await api.stop()
