"""The lean kubelet client: one keep-alive connection a target, callbacks instead of tasks.

In      request bytes (head without the empty line, body), credentials
Out     on_done(body, error), once for each request, never from inside `request`
Callers round.py asks, manager.py opens and closes
Source  RFC 9112; design: Q23 (everything ends), Q24 (the token goes over TLS only)
Never   follows a redirect, asks for compression, or has two requests of one target in flight

    request ──▶ stream open? ──no──▶ connect ──▶ opened ─┐
                  │ yes                                  ▼
                  └────────────────────────────────▶ send ──▶ received … ──▶ on_done
                                                       │
                          ended before the first byte ─┘ on a kept stream: connect again, once

A request of 32 KB costs 9 us of CPU without TLS and 18 us with it, where aiohttp takes 50 and 64
(bench/micro/scrape.py): no task, no timer of its own, no object for headers, and one buffer that all connections
receive into.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import ssl
from collections.abc import Callable
from typing import Final

from heapfast.errors import ScrapeError
from heapfast.scrape._openssl import OpenSsl
from heapfast.scrape._response import ResponseReader
from heapfast.scrape._stream import Buffer, Stream, TlsStream
from heapfast.scrape.deadlines import Deadlines
from heapfast.scrape.limits import Limits
from heapfast.tls import read_ahead

OnDone = Callable[[bytes | None, ScrapeError | None], None]

_UNREACHABLE: Final = frozenset((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN))


class KubeletClient:
    """What all connections share. Made and used on one running loop.

    Args:
        limits: of each request.
        tls: context to ask with, for this client alone, as OpenSSL reads ahead with it; None asks without TLS.
        token: gives the bearer token, None for none; called for each request, so it must only look.
        send_token_over_http: send the token without TLS too, where anybody on the way can read it (Q24).
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        token: Callable[[], str | None] | None = None,
        send_token_over_http: bool = False,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits or Limits()
        self.deadlines = Deadlines(self.loop, self.limits.tick_seconds)
        self.scheme = "http" if tls is None else "https"
        self._tls = tls
        self._token = token if tls is not None or send_token_over_http else None
        self._last_token: str | None = None
        self._authorization = b""
        self._buffer = Buffer()
        self._openssl: OpenSsl | None = None
        if tls is not None:
            read_ahead(tls)
            with contextlib.suppress(LookupError):
                self._openssl = OpenSsl(tls)

    def connect(self, ip: str, port: int, label: str) -> Connection:
        """Gives a connection to an address; nothing is opened before its first request.

        Args:
            label: names the target in errors.
        """
        return Connection(self, ip, port, label)

    def close(self) -> None:
        """Stops looking for time-outs. Close the connections first."""
        self.deadlines.close()

    def authorization(self, label: str) -> bytes:
        """The header line that shows the token, b"" for none.

        Raises:
            ScrapeError: there is a token, but not one that can be sent.
        """
        if self._token is None:
            return b""
        try:
            token = self._token()
        except OSError as error:
            raise ScrapeError(label, "token", f"the bearer token cannot be read ({error.strerror})") from error
        if token != self._last_token:
            stripped = (token or "").strip()
            if not (stripped.isascii() and stripped.isprintable() and " " not in stripped):
                # A line end in it would be a header of somebody else's choice.
                raise ScrapeError(label, "token", "the bearer token holds other than printable ASCII")
            self._authorization = b"Authorization: Bearer %b\r\n" % stripped.encode() if stripped else b""
            self._last_token = token
        return self._authorization

    def make_stream(self, connection: Connection, ip: str) -> Stream:
        """A stream that is not open yet, with TLS where the client asks with it."""
        if self._tls is None:
            return Stream(connection, self._buffer)
        return TlsStream(connection, self._buffer, self._tls, ip, self._openssl)


class Connection:
    """Asks one target, one request at a time.

    Attributes:
        due: the loop's time at which the request in flight has taken too long.
    """

    __slots__ = (
        "_client",
        "_ip",
        "_is_kept",
        "_label",
        "_message",
        "_on_done",
        "_opening",
        "_phase",
        "_port",
        "_reader",
        "_stream",
        "_total_due",
        "_total_seconds",
        "due",
    )

    def __init__(self, client: KubeletClient, ip: str, port: int, label: str) -> None:
        self._client = client
        self._ip = ip
        self._port = port
        self._label = label
        self._reader = ResponseReader(label, client.limits)
        self._stream: Stream | None = None
        self._opening: asyncio.Task[None] | None = None
        self._on_done: OnDone | None = None
        self._message = b""
        self._is_kept = False  # the stream has carried an answer, and none of this request's has come yet
        self._phase = ""
        self._total_due = 0.0
        self._total_seconds = client.limits.total_seconds
        self.due = 0.0

    @property
    def content_type(self) -> str:
        """Content type of the last answer."""
        return self._reader.content_type

    @property
    def is_open(self) -> bool:
        """Whether the next request goes out at once, without a handshake before it."""
        return self._stream is not None and self._stream.is_usable()

    def request(self, head: bytes, body: bytes, on_done: OnDone, *, at_most_seconds: float = math.inf) -> None:
        """Send a request, and have its outcome delivered.

        Args:
            head: request line and headers, each with its line end, without the empty line.
            body: b"" for none; its length is among the headers.
            on_done: gets the body of an answer with status 200, or an error. It must not raise.
            at_most_seconds: an earlier end than the limit's.
        """
        if self._on_done is not None:
            raise RuntimeError(f"BUG: two requests to {self._label} at a time")
        client = self._client
        self._on_done = on_done
        now = client.loop.time()
        self._total_seconds = min(client.limits.total_seconds, at_most_seconds)
        self._total_due = self.due = now + self._total_seconds
        client.deadlines.watch(self)
        try:
            self._message = b"%b%b\r\n%b" % (head, client.authorization(self._label), body)
        except ScrapeError as error:
            client.loop.call_soon(self._finish, None, error)
            return
        stream = self._stream
        if stream is not None and stream.is_usable():
            self._is_kept = True
            self._send(stream, now)
        else:
            self._open(now)

    def close(self) -> None:
        """Close the connection; a request in flight fails at once, with reason "removed"."""
        self._drop()
        if self._on_done is not None:
            self._finish(None, ScrapeError(self._label, "removed", "it is not a target any more"))

    def expire(self) -> None:
        """Fail the request in flight: it has taken too long."""
        limits = self._client.limits
        if self.due >= self._total_due:
            message = f"got {self._reader.received} bytes and no end within {self._total_seconds:g} s"
        elif self._phase == "connect":
            message = f"got no connection within {limits.connect_seconds:g} s"
        else:
            message = f"got no answer within {limits.first_byte_seconds:g} s"
        self._fail(ScrapeError(self._label, "timeout", message))

    # What the stream says.

    def stream_opened(self, stream: Stream) -> None:
        if stream is self._stream and self._on_done is not None:
            self._send(stream, self._client.loop.time())

    def stream_received(self, stream: Stream, data: memoryview) -> None:
        if stream is not self._stream:
            return
        if self._on_done is None:
            # Nothing was asked: a server's farewell (408), or noise. Either way the stream is of no more use.
            self._drop()
            return
        self._is_kept = False
        self.due = self._total_due
        try:
            is_complete = self._reader.feed(data)
        except ScrapeError as error:
            self._fail(error)
            return
        if is_complete:
            self._take_answer()

    def stream_ended(self, stream: Stream, error: Exception | None) -> None:
        if stream is not self._stream:
            return
        self._stream = None
        if self._on_done is None:
            return
        reader = self._reader
        if isinstance(error, ssl.SSLError):
            self._fail(_tls_error(self._label, error))
        elif self._is_kept:
            # It was closed while idle, and the news had not come yet when the request went out.
            self._is_kept = False
            self._open(self._client.loop.time())
        elif error is None and reader.end():
            self._take_answer()
        else:
            self._fail(ScrapeError(self._label, "closed", f"the connection ended after {reader.received} bytes"))

    # Steps of a request.

    def _open(self, now: float) -> None:
        client = self._client
        self._drop()
        self._reader = ResponseReader(self._label, client.limits)
        self._phase = "connect"
        self.due = min(now + client.limits.connect_seconds, self._total_due)
        self._stream = stream = client.make_stream(self, self._ip)
        # A task, because connecting has no other form; it happens once a target, not once a scrape.
        self._opening = client.loop.create_task(stream.open(self._ip, self._port))
        self._opening.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._opening is not task:
            return  # given up meanwhile
        self._opening = None
        if error is not None:
            self._fail(_connect_error(self._label, error))

    def _send(self, stream: Stream, now: float) -> None:
        self._phase = "answer"
        self.due = min(now + self._client.limits.first_byte_seconds, self._total_due)
        self._reader.expect()
        stream.send(self._message)

    def _take_answer(self) -> None:
        reader = self._reader
        if not reader.reusable:
            self._drop()
        error = reader.error()
        self._finish(None if error else reader.take_body(), error)

    def _fail(self, error: ScrapeError) -> None:
        self._drop()
        self._finish(None, error)

    def _finish(self, body: bytes | None, error: ScrapeError | None) -> None:
        on_done = self._on_done
        if on_done is None:
            return
        self._on_done = None
        self._message = b""
        self._reader.release()
        self._client.deadlines.forget(self)
        on_done(body, error)

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()


def _connect_error(label: str, error: BaseException) -> ScrapeError:
    if isinstance(error, ConnectionRefusedError):
        return ScrapeError(label, "refused", "the connection was refused")
    if isinstance(error, TimeoutError):
        return ScrapeError(label, "timeout", "the connection timed out")
    if isinstance(error, OSError):
        reason = "unreachable" if error.errno in _UNREACHABLE else "connect"
        return ScrapeError(label, reason, f"no connection ({error.strerror or error})")
    return ScrapeError(label, "connect", f"no connection ({error!r})")


def _tls_error(label: str, error: ssl.SSLError) -> ScrapeError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ScrapeError(label, "tls", f"the certificate is not to be trusted ({error.verify_message})")
    why = (error.reason or str(error)).lower().replace("_", " ")
    return ScrapeError(label, "tls", f"the TLS connection failed ({why})")
