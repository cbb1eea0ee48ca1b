"""A lean HTTP/1.1 client: kept connections, one request at a time on each.

In      an Endpoint; requests as bytes
Out     Answer to a callback, once for each request
Callers worker.py
Source  RFC 9112; httptools finds the end of an answer
Never   decodes a body, follows a redirect, or sends a request again

Not the daemon's own client (scrape/_http.pyx): a fault in that one must not hide itself in the figures.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import httptools

from bench.load.plan import Endpoint

CONNECTION_ERROR: Final = "connection"
TIMEOUT_ERROR: Final = "time-out"


class Answer(NamedTuple):
    """What became of one request: a status and the body, or an error.

    `body` is empty unless it was to be kept; `n_bytes` is its length in any case.
    """

    status: int
    n_bytes: int
    body: bytes
    error: str


class Call:
    """One request on its way.

    Attributes:
        deadline: the moment, by time.monotonic, at which nobody waits any more.
    """

    __slots__ = ("deadline", "done", "keeps_body", "message")

    def __init__(self, message: bytes, deadline: float, keeps_body: bool, done: Callable[[Answer], None]) -> None:
        self.message = message
        self.deadline = deadline
        self.keeps_body = keeps_body
        self.done = done


def tls_context(endpoint: Endpoint) -> ssl.SSLContext | None:
    """TLS of a caller who does not look at the server's certificate."""
    if not endpoint.tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if endpoint.cert_file:
        context.load_cert_chain(endpoint.cert_file, endpoint.key_file)
    return context


class Pool:
    """So many connections to one endpoint.

    Attributes:
        queued: calls that found no free connection.
    """

    def __init__(self, endpoint: Endpoint, size: int) -> None:
        self._endpoint = endpoint
        self._tls = tls_context(endpoint)
        self._size = size
        self._free: deque[_Connection] = deque()
        self._waiting: deque[Call] = deque()
        self._busy: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        self.queued = 0

    async def open(self) -> None:
        """Opens every connection. Raises OSError when the server does not take them."""
        await asyncio.gather(*(self._open_one() for _ in range(self._size)))

    def send(self, call: Call) -> bool:
        """Sends a call as soon as a connection is free; says whether one was."""
        if self._free:
            self._start(self._free.popleft(), call)
            return True
        self.queued += 1
        self._waiting.append(call)
        return False

    def expire(self, now: float) -> None:
        """Gives up what nobody waits for any more."""
        for connection in [held for held in self._busy if held.call is not None and held.call.deadline <= now]:
            connection.fail(TIMEOUT_ERROR)
        while self._waiting and self._waiting[0].deadline <= now:
            self._waiting.popleft().done(Answer(0, 0, b"", TIMEOUT_ERROR))

    async def close(self) -> None:
        self._closed = True
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in (*self._free, *self._busy):
            connection.transport.abort()

    def _start(self, connection: _Connection, call: Call) -> None:
        self._busy.add(connection)
        connection.begin(call)

    def freed(self, connection: _Connection) -> None:
        """An answer is complete, and the connection may carry another request."""
        self._busy.discard(connection)
        if self._waiting:
            self._start(connection, self._waiting.popleft())
        else:
            self._free.append(connection)

    def lost(self, connection: _Connection) -> None:
        """A connection is over; another takes its place."""
        self._busy.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        if self._closed:
            return
        task = asyncio.get_running_loop().create_task(self._reopen())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_one(self) -> None:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(self), self._endpoint.host, self._endpoint.port, ssl=self._tls
        )
        self.freed(connection)

    async def _reopen(self) -> None:
        try:
            await self._open_one()
        except OSError:
            # Whoever waits is told so, or nobody would ever ask again.
            if self._waiting:
                self._waiting.popleft().done(Answer(0, 0, b"", CONNECTION_ERROR))
            await asyncio.sleep(0.1)
            if not self._closed:
                await self._reopen()


class _Connection(asyncio.Protocol):
    """Carries one call at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._n_bytes = 0
        self._is_over = False
        self.call: Call | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's are none by class

    def begin(self, call: Call) -> None:
        self.call = call
        self._parts = []
        self._n_bytes = 0
        self.transport.write(call.message)

    def fail(self, error: str) -> None:
        """Ends the call, and the connection with it: whatever comes on it later belongs to nobody."""
        if self.call is not None:
            self._finish(Answer(0, 0, b"", error))
        self._end()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.fail(CONNECTION_ERROR)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(CONNECTION_ERROR)

    # -- httptools' callbacks -------------------------------------------------------------------

    def on_body(self, body: bytes) -> None:
        self._n_bytes += len(body)
        if self.call is not None and self.call.keeps_body:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        if self.call is None:
            self._end()  # an answer that nobody asked for
            return
        is_kept = self._parser.should_keep_alive()
        self._finish(Answer(self._parser.get_status_code(), self._n_bytes, b"".join(self._parts), ""))
        if is_kept and not self._is_over:
            self._pool.freed(self)
        else:
            self._end()

    def _finish(self, answer: Answer) -> None:
        call, self.call = self.call, None
        assert call is not None
        call.done(answer)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.transport.abort()
            self._pool.lost(self)
