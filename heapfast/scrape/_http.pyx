"""The lean kubelet client: one keep-alive connection a target, callbacks instead of tasks.

In      request bytes (head without the empty line, body), credentials
Out     on_done(body, error), once for each request, never from inside `request`
Callers _round.pyx asks, manager.py opens and closes
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
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY
from libc.string cimport memcpy

from heapfast.scrape._deadlines cimport Deadlines
from heapfast.scrape._openssl cimport OpenSsl
from heapfast.scrape._response cimport ResponseReader
from heapfast.scrape._stream cimport Buffer, Owner, Stream, TlsStream

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Callable

from heapfast.errors import ScrapeError
from heapfast.scrape.limits import Limits
from heapfast.tls import read_ahead

OnDone = Callable[[bytes | None, ScrapeError | None], None]

cdef object UNREACHABLE = frozenset((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN))


cdef class KubeletClient:
    """What all connections share. Made and used on one running loop.

    Args:
        limits: of each request.
        tls: context to ask with, for this client alone, as OpenSSL reads ahead with it; None asks without TLS.
        token: gives the bearer token, None for none; called for each request, so it must only look.
        send_token_over_http: send the token without TLS too, where anybody on the way can read it (Q24).
    """

    def __init__(self, *, limits=None, tls=None, token=None, bint send_token_over_http=False):
        self.loop = asyncio.get_running_loop()
        self.limits = limits or Limits()
        self.deadlines = Deadlines(self.loop, self.limits.tick_seconds)
        self._connect_seconds = self.limits.connect_seconds
        self._first_byte_seconds = self.limits.first_byte_seconds
        self._total_seconds = self.limits.total_seconds
        self.scheme = "http" if tls is None else "https"
        self._tls = tls
        self._token = token if tls is not None or send_token_over_http else None
        self._authorization = b""
        self._buffer = Buffer()
        if tls is not None:
            read_ahead(tls)
            with contextlib.suppress(LookupError):
                self._openssl = OpenSsl(tls)

    def connect(self, str ip, int port, str label):
        """Gives a connection to an address; nothing is opened before its first request.

        Args:
            label: names the target in errors.
        """
        return Connection(self, ip, port, label)

    def close(self):
        """Stops looking for time-outs. Close the connections first."""
        self.deadlines.close()

    cdef bytes authorization(self, str label):
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

    cdef Stream make_stream(self, Connection connection, str ip):
        """A stream that is not open yet, with TLS where the client asks with it."""
        if self._tls is None:
            return Stream(connection, self._buffer)
        return TlsStream(connection, self._buffer, self._tls, ip, self._openssl)


cdef class Connection(Owner):
    """Asks one target, one request at a time."""

    def __init__(self, KubeletClient client not None, str ip, int port, str label):
        self._client = client
        self._ip = ip
        self._port = port
        self._label = label
        self._reader = ResponseReader(label, client.limits)
        self._message = b""

    @property
    def content_type(self):
        """Content type of the last answer."""
        return self._reader.content_type

    @property
    def is_open(self):
        """Whether the next request goes out at once, without a handshake before it."""
        return self._stream is not None and self._stream.is_usable()

    def request(self, bytes head not None, bytes body not None, on_done not None, *, double at_most_seconds=INFINITY):
        """Send a request, and have its outcome delivered.

        Args:
            head: request line and headers, each with its line end, without the empty line.
            body: b"" for none; its length is among the headers.
            on_done: gets the body of an answer with status 200, or an error. It must not raise.
            at_most_seconds: an earlier end than the limit's.
        """
        cdef KubeletClient client = self._client
        cdef double now
        if self._on_done is not None:
            raise RuntimeError(f"BUG: two requests to {self._label} at a time")
        self._on_done = on_done
        now = client.loop.time()
        self._total_seconds = min(client._total_seconds, at_most_seconds)
        self._total_due = self.due = now + self._total_seconds
        client.deadlines.watch(self)
        try:
            self._message = message_of(head, client.authorization(self._label), body)
        except ScrapeError as error:
            client.loop.call_soon(self._finish, None, error)
            return
        if self._stream is not None and self._stream.is_usable():
            self._is_kept = True
            self._send(now)
        else:
            self._open(now)

    def close(self):
        """Close the connection; a request in flight fails at once, with reason "removed"."""
        self._drop()
        if self._on_done is not None:
            self._finish(None, ScrapeError(self._label, "removed", "it is not a target any more"))

    def expire(self):
        """Fail the request in flight: it has taken too long."""
        if self.due >= self._total_due:
            message = f"got {self._reader.received} bytes and no end within {self._total_seconds:g} s"
        elif self._is_connecting:
            message = f"got no connection within {self._client._connect_seconds:g} s"
        else:
            message = f"got no answer within {self._client._first_byte_seconds:g} s"
        self._fail(ScrapeError(self._label, "timeout", message))

    # What the stream says.

    cpdef stream_opened(self, Stream stream):
        if stream is self._stream and self._on_done is not None:
            self._send(self._client.loop.time())

    cpdef stream_received(self, Stream stream, data):
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

    cpdef stream_ended(self, Stream stream, error):
        if stream is not self._stream:
            return
        self._stream = None
        if self._on_done is None:
            return
        if isinstance(error, ssl.SSLError):
            self._fail(tls_error(self._label, error))
        elif self._is_kept:
            # It was closed while idle, and the news had not come yet when the request went out.
            self._is_kept = False
            self._open(self._client.loop.time())
        elif error is None and self._reader.end():
            self._take_answer()
        else:
            received = self._reader.received
            self._fail(ScrapeError(self._label, "closed", f"the connection ended after {received} bytes"))

    # Steps of a request.

    cdef int _open(self, double now) except -1:
        cdef KubeletClient client = self._client
        self._drop()
        self._reader = ResponseReader(self._label, client.limits)
        self._is_connecting = True
        self.due = min(now + client._connect_seconds, self._total_due)
        self._stream = client.make_stream(self, self._ip)
        # A task, because connecting has no other form; it happens once a target, not once a scrape.
        self._opening = client.loop.create_task(self._stream.open(self._ip, self._port))
        self._opening.add_done_callback(self._connected)
        return 0

    def _connected(self, task):
        error = None if task.cancelled() else task.exception()
        if self._opening is not task:
            return  # given up meanwhile
        self._opening = None
        if error is not None:
            self._fail(connect_error(self._label, error))

    cdef int _send(self, double now) except -1:
        self._is_connecting = False
        self.due = min(now + self._client._first_byte_seconds, self._total_due)
        self._reader.expect()
        self._stream.send(self._message)
        return 0

    cdef int _take_answer(self) except -1:
        cdef ResponseReader reader = self._reader
        if not reader.reusable:
            self._drop()
        if reader.status == 200:
            self._finish(reader.take_body(), None)
        else:
            self._finish(None, reader.error())
        return 0

    cdef int _fail(self, error) except -1:
        self._drop()
        self._finish(None, error)
        return 0

    cpdef _finish(self, bytes body, error):
        on_done = self._on_done
        if on_done is None:
            return
        self._on_done = None
        self._message = b""
        self._reader.release()
        self._client.deadlines.forget(self)
        on_done(body, error)

    cdef int _drop(self) except -1:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
        return 0


cdef bytes message_of(bytes head, bytes authorization, bytes body):
    """A whole request: credentials go behind the other headers."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head) + PyBytes_GET_SIZE(authorization)
    cdef bytes message = PyBytes_FromStringAndSize(NULL, size + 2 + PyBytes_GET_SIZE(body))
    cdef char* to = PyBytes_AS_STRING(message)
    memcpy(to, PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
    memcpy(to + PyBytes_GET_SIZE(head), PyBytes_AS_STRING(authorization), PyBytes_GET_SIZE(authorization))
    memcpy(to + size, <const char*> b"\r\n", 2)
    memcpy(to + size + 2, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))
    return message


cdef object connect_error(str label, error):
    if isinstance(error, ConnectionRefusedError):
        return ScrapeError(label, "refused", "the connection was refused")
    if isinstance(error, TimeoutError):
        return ScrapeError(label, "timeout", "the connection timed out")
    if isinstance(error, OSError):
        reason = "unreachable" if error.errno in UNREACHABLE else "connect"
        return ScrapeError(label, reason, f"no connection ({error.strerror or error})")
    return ScrapeError(label, "connect", f"no connection ({error!r})")


cdef object tls_error(str label, error):
    if isinstance(error, ssl.SSLCertVerificationError):
        return ScrapeError(label, "tls", f"the certificate is not to be trusted ({error.verify_message})")
    why = (error.reason or str(error)).lower().replace("_", " ")
    return ScrapeError(label, "tls", f"the TLS connection failed ({why})")
