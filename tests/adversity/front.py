"""Something in front of the simulated API server that spoils what goes through.

In      requests of the daemon; what a test says to do to them
Out     the API server's answers: whole, refused, edited, cut, or others in their place
Callers test_apiserver.py
Never   sleeps, or changes its port once it has one: while away it refuses connections there
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

#: Changes one object of a list or an event, given its JSON and kind ("nodes", "pods", "namespaces").
Edit = Callable[[dict[str, Any], str], Any]
#: Answers a request in place of the API server.
Instead = Callable[[web.BaseRequest], Awaitable[web.Response]]


class Front:
    """A proxy that a test controls.

    Attributes:
        url: where the daemon finds it.
        instead: answers every request in place of the API server, when set.
        edit: changes every object on its way, when set.
        asked: lists and watches that came, as ("list" or "watch", kind).
    """

    def __init__(self, target_url: str) -> None:
        self.instead: Instead | None = None
        self.edit: Edit | None = None
        self.asked: Counter[tuple[str, str]] = Counter()
        self._target_url = target_url
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        self._runner: web.ServerRunner | None = None
        self._watches: dict[web.StreamResponse, web.BaseRequest] = {}
        self._holder = socket.socket()  # bound and never listening: the port is ours, and refuses
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._holder.getsockname()[1]}"

    async def come(self) -> None:
        """Listens."""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._holder.getsockname()[1], reuse_address=True).start()

    async def go(self) -> None:
        """Cuts what is open, and refuses."""
        if self._runner is not None:
            self.cut_watches()
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        await self.go()
        await self._session.close()
        self._holder.close()

    async def say(self, data: bytes) -> None:
        """Puts bytes of its own into every open watch."""
        for response in list(self._watches):
            await response.write(data)

    def cut_watches(self) -> None:
        """Breaks every open watch off."""
        for request in list(self._watches.values()):
            if request.transport is not None:
                request.transport.abort()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        kind = request.path.rpartition("/")[2]
        is_watch = request.query.get("watch") == "1"
        self.asked["watch" if is_watch else "list", kind] += 1
        if self.instead is not None:
            return await self.instead(request)
        async with self._session.get(self._target_url + request.path_qs) as answer:
            if is_watch:
                return await self._pass_watch(request, answer, kind)
            body = await answer.read()
            if self.edit is not None:
                page = msgspec.json.decode(body)
                page["items"] = [self.edit(item, kind) for item in page["items"]]
                body = msgspec.json.encode(page)
            return web.Response(status=answer.status, body=body, content_type="application/json")

    async def _pass_watch(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, kind: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watches[response] = request
        try:
            async for line in answer.content:
                await response.write(self._edited(line, kind))
        except ConnectionError:
            pass  # it was cut
        finally:
            del self._watches[response]
        return response

    def _edited(self, line: bytes, kind: str) -> bytes:
        if self.edit is None:
            return line
        event = msgspec.json.decode(line)
        event["object"] = self.edit(event["object"], kind)
        return msgspec.json.encode(event) + b"\n"


@contextlib.asynccontextmanager
async def in_front_of(target_url: str) -> AsyncIterator[Front]:
    """A Front that does not listen yet."""
    front = Front(target_url)
    try:
        yield front
    finally:
        await front.close()
