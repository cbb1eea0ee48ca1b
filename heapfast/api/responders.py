"""From a family's handler to a Falcon responder: checks before it, compression and counting after.

In      a handler that takes a request and path parameters and gives bytes, or chunks of bytes
Out     method maps for the router
Callers routes.py; app.py for failures that nobody foresaw; kubernetes_responders.py builds on it, families use
        put_plain
Source  spec/heapster-rest.md 1.4 to 1.7; B20: failures are text/plain also when compressed
Never   knows what an answer means
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from time import perf_counter
from typing import Any, Final

import falcon.asgi

from heapfast.api.errors import METHOD_NOT_ALLOWED, NOT_ACCEPTABLE, TEXT, Dialect
from heapfast.api.monitoring import HandlerMonitor
from heapfast.api.negotiation import Coding, accepts_json, coding_of, compress, compress_chunks
from heapfast.api.request import Request
from heapfast.errors import HeapfastError
from heapfast.render.forms import Encoding

JSON: Final = Encoding.JSON.value

#: Longer bodies are compressed in a thread.
COMPRESS_INLINE_BYTES = 32 * 1024

Body = bytes | AsyncIterator[bytes]
#: Gives a Body, or is a coroutine function that does.
Handler = Callable[..., Any]
Responder = Callable[..., Awaitable[None]]


class MethodMap(dict[str, Responder]):
    """Responders by method, with one for all others, so that Falcon never answers by itself."""

    def __init__(self, responders: dict[str, Responder], otherwise: Responder) -> None:
        super().__init__(responders)
        self._otherwise = otherwise

    def __missing__(self, method: str) -> Responder:
        return self._otherwise


class Responders:
    """Makes responders of handlers; one for an app."""

    def __init__(self, executor: Executor | None) -> None:
        self._executor = executor

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function in a thread: compiled code without the GIL, or zlib."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def restful(self, handler: Handler, dialect: Dialect, monitor: HandlerMonitor | None) -> MethodMap:
        """GET only, JSON only, compressed on demand: how every route behind go-restful behaves.

        Args:
            handler: gets the request and the path's parameters by name.
            dialect: of its failures.
            monitor: counts requests; None for routes that are not counted.
        """
        is_async = inspect.iscoroutinefunction(handler)

        async def on_get(req: Request, resp: falcon.asgi.Response, **params: str) -> None:
            start = perf_counter()
            counter = monitor
            size = 0
            if not accepts_json(req.first_header(b"accept")):
                await self._answer_text(req, resp, 406, NOT_ACCEPTABLE)
                return
            try:
                body: Body = await handler(req, **params) if is_async else handler(req, **params)
                if not isinstance(body, bytes):
                    body = await _settle(body)
            except HeapfastError as error:
                status, text = dialect(error)
                await self._answer_text(req, resp, status, text)
                size = len(text)
            else:
                status = 200
                resp.content_type = JSON
                if isinstance(body, bytes):
                    size = len(body)
                elif counter is not None:
                    body, counter = _counted(body, counter, req, start), None
                await self._put_body(resp, body, coding_of(req.first_header(b"accept-encoding")))
            if counter is not None:
                counter.observe("GET", status, perf_counter() - start, req.size_bytes(), size)

        async def on_other(req: Request, resp: falcon.asgi.Response, **params: str) -> None:
            await self._answer_text(req, resp, 405, METHOD_NOT_ALLOWED)

        return MethodMap({"GET": on_get}, on_other)

    def failing(self, status: int, text: bytes) -> MethodMap:
        """Answer every method with one failure, compressed on demand."""

        async def fail(req: Request, resp: falcon.asgi.Response, **params: str) -> None:
            await self._answer_text(req, resp, status, text)

        return MethodMap({}, fail)

    async def _answer_text(self, req: Request, resp: falcon.asgi.Response, status: int, text: bytes) -> None:
        resp.status = status
        resp.content_type = TEXT
        await self._put_body(resp, text, coding_of(req.first_header(b"accept-encoding")))

    async def _put_body(self, resp: falcon.asgi.Response, body: Body, coding: Coding | None) -> None:
        if coding is not None:
            resp.set_header("content-encoding", coding)
        if not isinstance(body, bytes):
            resp.stream = body if coding is None else compress_chunks(body, coding, self.run)
        elif coding is None:
            resp.data = body
        elif len(body) <= COMPRESS_INLINE_BYTES:
            resp.data = compress(body, coding)
        else:
            resp.data = await self.run(compress, body, coding)


# A body of one chunk is sent with its length; and what fails early still gets an answer.
async def _settle(chunks: AsyncIterator[bytes]) -> Body:
    first = await anext(chunks, b"")
    second = await anext(chunks, None)
    return first if second is None else _chain(first, second, chunks)


async def _chain(first: bytes, second: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    yield second
    async for chunk in rest:
        yield chunk


# A long body is counted when its last chunk is written.
async def _counted(
    chunks: AsyncIterator[bytes], monitor: HandlerMonitor, req: Request, start: float
) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        yield chunk
    monitor.observe("GET", 200, perf_counter() - start, req.size_bytes(), size)


def put_plain(
    resp: falcon.asgi.Response, status: int, text: bytes, *, content_type: str = TEXT, nosniff: bool = False
) -> None:
    """Answer text as Go's own library does, outside go-restful: never compressed."""
    resp.status = status
    resp.content_type = content_type
    resp.data = text
    if nosniff:
        resp.set_header("x-content-type-options", "nosniff")


def plain(responder: Responder) -> MethodMap:
    """Answer every method alike."""
    return MethodMap({}, responder)


def plain_failure(status: int, text: bytes) -> MethodMap:
    """Answer every method with one text of Go's own library."""

    async def fail(req: Request, resp: falcon.asgi.Response, **params: str) -> None:
        put_plain(resp, status, text, nosniff=status != 400)

    return plain(fail)
