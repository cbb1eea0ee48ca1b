"""A server that answers what a test says.

In      statuses and bodies, in the order in which they are given
Out     the requests that came
Callers tests of this folder and tests/adversity
Never   knows what it is asked
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web


class Request(NamedTuple):
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form; {} for a body that is none."""
        if self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            return {}
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Peer:
    """Answers requests in the order they come in.

    Attributes:
        answers: (status, body) or (status, body, headers) of each; when they are used up, the last one counts.
        wait_for: so many requests after the first are answered together.
    """

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.requests: list[Request] = []
        self.wait_for = 0
        self.port = 0
        self._runner: web.ServerRunner | None = None
        self._last: Any = (500, b"no answer was prepared")
        self._together = asyncio.Event()
        self._n_waiting = 0

    async def __aenter__(self) -> Peer:
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Listens no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        self.requests.append(Request(request.method, request.path, dict(request.query), dict(request.headers), body))
        if self.answers:
            self._last = self.answers.pop(0)
        last = self._last
        if self.wait_for and len(self.requests) > 1:
            self._n_waiting += 1
            if self._n_waiting == self.wait_for:
                self._together.set()
            await self._together.wait()
        status, text, *headers = last
        return web.Response(status=status, body=text, headers=headers[0] if headers else None)
