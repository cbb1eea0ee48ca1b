"""From a handler of the Kubernetes side to Falcon responders: negotiation before it, compression after it.

In      a handler that takes a request and path parameters and gives an Answer
Out     method maps for the router; answers and Status bodies in the form that the client accepts
Callers secure_routes.py, secure_router.py, secure_app.py, filters.py; the families give Answers
Source  spec/metrics-k8s-io.md 5 and 8
Never   knows what an answer means
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

import falcon.asgi

from heapfast.api.accept import allows_plain, is_pretty, is_produced, negotiate
from heapfast.api.errors import TEXT, kubernetes_status
from heapfast.api.kubernetes_errors import KubernetesError, method_not_allowed, not_produced
from heapfast.api.negotiation import compress, compress_chunks
from heapfast.api.request import Request
from heapfast.api.responders import Body, Handler, MethodMap, Responders
from heapfast.errors import HeapfastError
from heapfast.render.forms import Encoding
from heapfast.render.status import Status, render_status

if TYPE_CHECKING:
    from heapfast.api.kubernetes_monitoring import RouteMonitor

#: Objects up to this size are never compressed.
COMPRESS_ABOVE_BYTES: Final = 128 * 1024

#: A long body is compressed in pieces of about this size, each in a thread.
_PIECE_BYTES: Final = 256 * 1024

_TIMED_OUT: Final = (
    b'{"metadata":{},"status":"Failure","message":"Timeout: request did not complete within the allotted timeout",'
    b'"reason":"Timeout","details":{},"code":504}'
)


class Answer(NamedTuple):
    """What a handler gives.

    Attributes:
        body: bytes, or chunks of them.
        content_type: of the body; "" when there is none.
        headers: beside it.
        status: of HTTP.
    """

    body: Body
    content_type: str
    headers: Sequence[tuple[str, str]] = ()
    status: int = 200


class KubernetesResponders:
    """Makes responders of handlers; one for an app.

    Attributes:
        run: runs a function in a thread.
    """

    def __init__(self, responders: Responders) -> None:
        self.run = responders.run

    def restful(self, handler: Handler, produced: tuple[str, ...], monitor: RouteMonitor | None = None) -> MethodMap:
        """GET only, and only for who accepts one of the types that are produced."""
        is_async = inspect.iscoroutinefunction(handler)

        async def on_get(req: Request, resp: falcon.asgi.Response, **params: str) -> None:
            start = perf_counter()
            try:
                if not is_produced(req.first_header(b"accept"), produced):
                    raise not_produced(produced)
                answer: Answer = await handler(req, **params) if is_async else handler(req, **params)
                await self._put(req, resp, answer)
                code = answer.status
            except HeapfastError as error:
                code = put_error(req, resp, error)
            except TimeoutError:
                code = put_timed_out(resp)
            if monitor is not None:
                monitor.observe(code, perf_counter() - start)

        return MethodMap({"GET": on_get}, _failing(method_not_allowed))

    def failing(self, make: Callable[[], KubernetesError]) -> MethodMap:
        """Answer every method with one failure."""
        return MethodMap({}, _failing(make))

    async def _put(self, req: Request, resp: falcon.asgi.Response, answer: Answer) -> None:
        if answer.status != 200:
            resp.status = answer.status
        if answer.content_type:
            resp.content_type = answer.content_type
        for name, value in answer.headers:
            resp.set_header(name, value)
        body = answer.body
        if not isinstance(body, bytes):
            async with asyncio.timeout(req.context.timeout_seconds):
                body = await _gather(body)
        if isinstance(body, bytes) and len(body) <= COMPRESS_ABOVE_BYTES:
            resp.data = body
            return
        is_compressed = accepts_gzip(req.first_header(b"accept-encoding"))
        if is_compressed:
            resp.set_header("content-encoding", "gzip")
            resp.set_header("vary", "Accept-Encoding")
        if isinstance(body, bytes):
            resp.data = await self.run(compress, body, "gzip") if is_compressed else body
        else:
            resp.stream = compress_chunks(_pieces(body), "gzip", self.run) if is_compressed else body


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether one listed item is `gzip`, bare and in lower case; qualities disqualify it."""
    return "gzip" in accept_encoding and any(item.strip() == "gzip" for item in accept_encoding.split(","))


def is_pretty_request(req: Request) -> bool:
    """Whether the answer is for people."""
    return is_pretty(req.query(), req.first_header(b"user-agent"))


def put_error(req: Request, resp: falcon.asgi.Response, error: Exception) -> int:
    """Answer with an exception's Status; returns its code."""
    status = kubernetes_status(error)
    put_status(req, resp, status)
    return status.code


def put_status(req: Request, resp: falcon.asgi.Response, status: Status) -> None:
    """Answer with a Status, as JSON for people where the client accepts nothing that there is."""
    negotiated = negotiate(req.first_header(b"accept"), allows_plain)
    encoding = Encoding.JSON if negotiated is None else negotiated.encoding
    is_indented = negotiated is None or negotiated.is_indented or is_pretty_request(req)
    resp.status = status.code
    resp.content_type = encoding.value
    resp.data = render_status(status, encoding, is_indented=is_indented)
    resp.stream = None
    if status.code == 403:
        resp.set_header("x-content-type-options", "nosniff")


def put_nothing(resp: falcon.asgi.Response, status: int) -> None:
    """Answer without a body, and without a type for it."""
    resp.status = status
    resp.data = b""


def put_timed_out(resp: falcon.asgi.Response) -> int:
    """Answer that the time limit has passed; returns the code."""
    resp.status = 504
    resp.content_type = TEXT
    resp.data = _TIMED_OUT
    resp.stream = None
    return 504


def _failing(make: Callable[[], KubernetesError]) -> Callable[..., Awaitable[None]]:
    status = make().status

    async def fail(req: Request, resp: falcon.asgi.Response, **params: str) -> None:
        put_status(req, resp, status)

    return fail


async def _gather(chunks: AsyncIterator[bytes]) -> Body:
    """The whole body when it is short, so that it is sent with its length; else chunks, the first ones as one."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > COMPRESS_ABOVE_BYTES:
            return _chain(b"".join(parts), chunks)
    return b"".join(parts)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= _PIECE_BYTES:
            yield b"".join(parts)
            parts.clear()
            size = 0
    if parts:
        yield b"".join(parts)
