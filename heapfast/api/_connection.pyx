"""One HTTP connection: requests to ASGI calls, and answers back, with limits on what a client may cost.

In      bytes of one client, as its transport hands them over
Out     one ASGI call a request, in order; answers; 414 and 431 for heads that are too long; the end for who is too slow
Callers protocol.py
Source  RFC 9112 and RFC 6585; ASGI 3.0 with its TLS extension; llhttp (httptools) says where a request ends
Never   looks at what is asked, takes a trailer for a header, or has two requests of a connection answered at once

    data_received ──▶ llhttp ──▶ Exchange (scope, body) ──▶ rings ──▶ the connection's task ──▶ app
    transport ◀── head and body in one write ◀────────────────────────────────── send

A connection has one task for all of its requests, which waits on a Bell in between. A task for each, as asyncio has it,
would start a turn of the loop later, behind everything else that is ready by then; a Bell wakes the task in the middle
of `data_received`, so that a short answer is written in the turn that read the question.
"""
from cpython.bytes cimport PyBytes_GET_SIZE

from heapfast.api._awaitables cimport Bell, Done, given
from heapfast.api._http cimport is_name, is_value, known_method, known_name, split_target, status_line
from heapfast.api._outgoing cimport Outgoing

import asyncio
import logging
import ssl
from collections import deque
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

_log = logging.getLogger("heapfast.api.protocol")

cdef enum:
    HIGH_WATER_BYTES = 65536  # of a body that nobody has read yet: then no more is taken from the client

cdef object _CancelledError = asyncio.CancelledError
cdef object _sleep = asyncio.sleep
cdef object _Event = asyncio.Event
cdef object _ParserError = httptools.HttpParserError
cdef object _ParserUpgrade = httptools.HttpParserUpgrade
cdef Done _DONE = Done()
cdef list _TEXT_OF_21_BYTES = [
    (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21"), (b"connection", b"close"),
]


cdef class Exchange:
    """One request, and its answer. `receive` and `send` are the app's side of it."""

    cdef Connection _connection
    cdef readonly dict scope
    cdef object _app
    cdef bint _is_head_request, _is_http_10, _keeps_alive, _awaits_continue, _is_gone
    # of the request
    cdef bytearray _body
    cdef bint _has_more, _has_news
    cdef object _news  # an Event, once somebody has to wait
    # of the answer
    cdef bint _is_started, _is_complete, _is_chunked, _has_length
    cdef Py_ssize_t _left_bytes

    cdef void tell(self) noexcept:
        """There is news for `receive`."""
        self._has_news = True
        if self._news is not None:
            self._news.set()

    def receive(self):
        cdef Connection connection = self._connection
        if self._awaits_continue and not connection.transport.is_closing():
            connection.out.write_now(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._awaits_continue = False
        if not self._is_gone and not self._is_complete:
            connection.resume_reading()
            if not self._has_news:
                return self._receive_later()
            self._has_news = False
        return given(self._message())

    async def _receive_later(self):
        if self._news is None:
            self._news = _Event()
        while not self._has_news:
            self._news.clear()
            await self._news.wait()
        self._has_news = False
        return self._message()

    cdef dict _message(self):
        if self._is_gone or self._is_complete:
            return {"type": "http.disconnect"}
        cdef bytes body = b""
        if self._body is not None:
            body = bytes(self._body)
            self._body = None
        return {"type": "http.request", "body": body, "more_body": self._has_more}

    def send(self, dict message not None):
        if self._connection.out.is_long(message.get("body")) and self._has_room_for_body(message):
            return self._send_in_pieces(bytes(message["body"]), message.get("more_body", False))
        if self._connection.out.is_paused and not self._is_gone:
            return self._send_later(message)
        self._put(message)
        return _DONE

    async def _send_later(self, dict message):
        await self._connection.out.writable()
        self._put(message)

    cdef bint _has_room_for_body(self, dict message) except -1:
        """Whether a body is to come now, and somebody is to have it."""
        is_open = self._is_started and not self._is_complete and not self._is_gone and not self._is_head_request
        return is_open and message["type"] == "http.response.body"

    async def _send_in_pieces(self, bytes body, bint has_more):
        self._begin_body(PyBytes_GET_SIZE(body))
        await self._connection.out.write_pieces(body)
        if not self._is_gone:
            self._end_body(has_more, PyBytes_GET_SIZE(body))

    cdef _put(self, dict message):
        cdef str kind
        if self._is_gone:
            return
        kind = message["type"]
        if not self._is_started:
            if kind != "http.response.start":
                raise RuntimeError(f"Expected ASGI message 'http.response.start', but got '{kind}'.")
            self._is_started = True
            self._awaits_continue = False
            self._put_head(message["status"], message.get("headers", ()))
        elif self._is_complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        elif kind != "http.response.body":
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{kind}'.")
        else:
            self._put_body(bytes(message.get("body", b"")), message.get("more_body", False))

    cdef _put_head(self, int status, headers):
        cdef list parts = [status_line(status), self._connection.default_lines()]
        cdef bytes name, value
        cdef bint says_close = False
        for name, value in headers:
            if not is_name(name):
                raise RuntimeError("Invalid HTTP header name.")
            if not is_value(value):
                raise RuntimeError("Invalid HTTP header value.")
            name = name.lower()
            if name == b"content-length":
                if not self._has_length and not self._is_chunked:
                    self._left_bytes = int(value)
                    self._has_length = True
            elif name == b"transfer-encoding":
                if value.lower() == b"chunked":
                    self._left_bytes = 0
                    self._is_chunked = True
            elif name == b"connection":
                if b"close" in [token.lower().strip() for token in value.split(b",")]:
                    self._keeps_alive = False
                    says_close = True
            parts += (name, b": ", value, b"\r\n")
        if not self._keeps_alive and not says_close:
            parts.append(b"connection: close\r\n")
        # To a client of HTTP/1.0, which knows no chunks, the end of the connection says where the answer ends.
        if not (self._has_length or self._is_chunked or self._is_head_request or status == 204 or status == 304):
            if self._is_http_10:
                self._left_bytes = -1
            else:
                self._is_chunked = True
                parts.append(b"transfer-encoding: chunked\r\n")
        parts.append(b"\r\n")
        # Not written before the first of the body, as ASGI has it: then they go out together.
        self._connection.out.hold(b"".join(parts))

    cdef _put_body(self, bytes body, bint has_more):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        if not self._is_head_request:
            self._begin_body(size)
            if size:
                self._connection.out.hold(body)
        else:
            self._left_bytes = 0
        self._end_body(has_more, size)

    cdef _begin_body(self, Py_ssize_t size):
        """What stands before so much of the body."""
        if self._is_chunked:
            if size:
                self._connection.out.hold(b"%x\r\n" % size)
        elif self._left_bytes >= 0:
            if size > self._left_bytes:
                raise RuntimeError("Response content longer than Content-Length")
            self._left_bytes -= size

    cdef _end_body(self, bint has_more, Py_ssize_t size):
        """What stands behind it, and the end of the answer, if it is that."""
        cdef Connection connection = self._connection
        if self._is_chunked and not self._is_head_request:
            if size:
                connection.out.hold(b"\r\n" if has_more else b"\r\n0\r\n\r\n")
            elif not has_more:
                connection.out.hold(b"0\r\n\r\n")
        if has_more:
            connection.out.flush_soon()
            return
        if self._left_bytes > 0:
            raise RuntimeError("Response content shorter than Content-Length")
        connection.out.flush()
        self._is_complete = True
        self.tell()
        if not self._keeps_alive:
            connection.transport.close()
        connection.answered()


cdef class Connection:
    """A protocol of asyncio, but for being one by class; see protocol.py.

    Attributes:
        transport: of the connection; None before there is one.
    """

    cdef readonly object transport
    cdef object _app, _loop, _limits, _parser, _state, _connections, _tasks
    cdef dict _scope        # what all requests have in common
    cdef object _task
    cdef Bell _bell
    # requests
    cdef bytes _url
    cdef list _headers
    cdef bint _expects_continue
    cdef Exchange _newest   # the last request that has begun
    cdef Exchange _current  # that the task is at
    cdef Exchange _next     # that it turns to then
    cdef object _pipelined  # requests behind that, None for none
    cdef bint _is_lost, _is_read_paused
    # what is to be written
    cdef Outgoing out
    cdef object _default_headers
    cdef bytes _default_lines
    # limits
    cdef bint _is_head      # what comes next belongs to a request line or headers
    cdef Py_ssize_t _head_bytes, _max_head_bytes
    cdef bint _is_begun     # a request has begun and is not complete
    cdef bint _is_idle
    cdef double _idle_since, _keep_alive_seconds
    cdef object _request_timer, _stall_timer, _idle_timer

    def __init__(self, config, server_state, app_state=None, _loop=None, *, limits):
        self._app = config.loaded_app
        self._loop = _loop or asyncio.get_running_loop()
        self._limits = limits
        self._state = server_state
        self._connections = server_state.connections
        self._tasks = server_state.tasks
        self._max_head_bytes = limits.head_bytes
        self._keep_alive_seconds = limits.keep_alive_seconds
        self._is_head = True
        self.out = Outgoing(self._loop)
        self._bell = Bell(self._loop)
        self._parser = httptools.HttpRequestParser(self)
        # A client that says it will not ask again may still send: the answer to what it asked is on its way.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

    # -- the transport's callbacks --

    def connection_made(self, transport):
        self._connections.add(self)
        self.transport = self.out.transport = transport
        if len(self._connections) > 2 * self._limits.connections:
            transport.abort()
            return
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "https" if is_ssl(transport) else "http",
            "root_path": "",
        }
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            der = ssl_object.getpeercert(binary_form=True)
            chain = [ssl.DER_cert_to_PEM_cert(der)] if der else []
            self._scope["extensions"] = {"tls": {"client_cert_chain": chain}}
        self._await_request()
        self._task = self._loop.create_task(self._serve())

    def connection_lost(self, error):
        self._connections.discard(self)
        self._is_lost = True
        self._end_request_timer()
        self._end_stall_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._current is not None:
            self._current._is_gone = not self._current._is_complete
            self._current.tell()
        # An exchange knows its connection: the two would keep each other.
        self._newest = self._next = self._pipelined = None
        self.out.end()
        if error is None:
            self.transport.close()
        self._parser = None
        # Otherwise the task finds out by itself.
        if self._current is None:
            self._bell.ring()

    def eof_received(self):
        # An end that is sent is an end: who has nothing more to ask hears no more.
        pass

    def data_received(self, data):
        cdef Py_ssize_t size = len(data), room
        self._is_idle = False
        if self._is_head:
            room = self._max_head_bytes - self._head_bytes
            self._head_bytes += size
            # Behind the head there may be a body, or the next request.
            if size > room and data.find(b"\r\n\r\n", 0, max(room, 0)) < 0:
                self._refuse_head(data)
                return
        try:
            self._parser.feed_data(data)
        except _ParserUpgrade:
            pass  # nobody is obliged to follow: the request is answered as if it had asked for nothing else
        except _ParserError as error:
            # What a callback of ours has failed with, if one has: the client's doing, but for what nobody foresaw.
            if not isinstance(error.__context__, (type(None), UnicodeDecodeError, _ParserError)):
                _log.error("BUG: a request could not be taken", exc_info=error.__context__)
            self._refuse(400, b"Invalid HTTP request received.")
            return
        if self._is_begun and self._request_timer is None:
            self._await_request()
        if self._next is not None and self._current is None:
            self._bell.ring()

    def pause_writing(self):
        self.out.pause()
        self._end_stall_timer()
        self._stall_timer = self._loop.call_later(self._limits.stall_seconds, self._cut)

    def resume_writing(self):
        self._end_stall_timer()
        self.out.resume()

    # -- the parser's callbacks --

    def on_message_begin(self):
        self._url = None
        self._headers = []
        self._expects_continue = False
        self._is_begun = True

    def on_url(self, bytes url):
        self._url = url if self._url is None else self._url + url

    def on_header(self, bytes name, bytes value):
        # After the head come trailers. Whoever forwards a request vouches for its headers, and for nothing else.
        if not self._is_head:
            return
        name = known_name(name)
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self):
        cdef Exchange exchange = Exchange.__new__(Exchange)
        cdef Exchange before = self._newest
        cdef bytes method = self._parser.get_method()
        cdef str version = self._parser.get_http_version()
        cdef str path
        self._is_head = False
        cdef dict scope = self._scope.copy()
        raw_path, query = split_target(self._url)
        path = (<bytes> raw_path).decode("ascii")
        scope["method"] = known_method(method)
        if version != "1.1":
            scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        scope["headers"] = self._headers
        exchange._connection = self
        exchange.scope = scope
        exchange._app = self._app
        exchange._is_head_request = method == b"HEAD"
        exchange._is_http_10 = version == "1.0"
        exchange._keeps_alive = version != "1.0" and self._parser.should_keep_alive()
        exchange._awaits_continue = self._expects_continue
        exchange._has_more = True
        if len(self._connections) >= self._limits.connections or len(self._tasks) >= self._limits.connections:
            exchange._app = service_unavailable
        self._newest = exchange
        if before is None or before._is_complete:
            self._next = exchange
        else:
            self._pause_reading()
            if self._pipelined is None:
                self._pipelined = deque()
            self._pipelined.append(exchange)

    def on_body(self, bytes body):
        cdef Exchange exchange = self._newest
        if exchange._is_complete:
            return
        if exchange._body is None:
            exchange._body = bytearray()
        exchange._body += body
        if len(exchange._body) > HIGH_WATER_BYTES:
            self._pause_reading()
        exchange.tell()

    def on_message_complete(self):
        self._is_head = True
        self._head_bytes = 0
        self._is_begun = False
        self._end_request_timer()
        if not self._newest._is_complete:
            self._newest._has_more = False
            self._newest.tell()

    # -- answering --

    async def _serve(self):
        """The connection's task."""
        try:
            while not self._is_lost:
                if self._next is None:
                    await self._bell
                    continue
                await self._serve_next()
                if self._next is not None:
                    # Those who ask many things at once wait for everybody else between two of them.
                    await _sleep(0)
        except _CancelledError:
            # By a server that has no time left. Without its task, a connection is of no use.
            self.out.flush()
            self.transport.close()
            raise
        finally:
            self._task = None

    async def _serve_next(self):
        cdef Exchange exchange = self._next
        task = self._task
        self._next = None
        self._current = exchange
        self._tasks.add(task)
        try:
            await exchange._app(exchange.scope, exchange.receive, exchange.send)
        except _CancelledError:
            self._fail(exchange)
            raise
        except Exception as error:
            _log.error("BUG: the app failed", exc_info=error)
            self._fail(exchange)
        else:
            if not exchange._is_complete and not exchange._is_gone:
                _log.error("BUG: the app returned before its answer was complete")
                self._fail(exchange)
        finally:
            self._current = None
            self._tasks.discard(task)

    cdef _fail(self, Exchange exchange):
        if exchange._is_gone:
            return
        if exchange._is_started:
            # What the client has is no whole answer, or it is one that the app thought was another.
            self.out.flush()
            self.transport.close()
            return
        exchange._put({"type": "http.response.start", "status": 500, "headers": _TEXT_OF_21_BYTES})
        exchange._put({"type": "http.response.body", "body": b"Internal Server Error"})

    cdef answered(self):
        """The answer to the current request is complete."""
        self._state.total_requests += 1
        if self.transport.is_closing():
            return
        self.resume_reading()
        if self._pipelined:
            self._next = self._pipelined.popleft()
            return
        self._is_idle = True
        self._idle_since = self._loop.time()
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_later(self._keep_alive_seconds, self._end_idle)

    def shutdown(self):
        """Stop once the request that is being answered, if any, has its answer."""
        if self._newest is None or self._newest._is_complete:
            self.transport.close()
        else:
            self._newest._keeps_alive = False

    # -- writing --

    cdef bytes default_lines(self):
        headers = self._state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
        return self._default_lines

    cdef _pause_reading(self):
        if not self._is_read_paused:
            self._is_read_paused = True
            self.transport.pause_reading()

    cdef resume_reading(self):
        if self._is_read_paused:
            self._is_read_paused = False
            self.transport.resume_reading()

    # -- limits --

    cdef _await_request(self):
        self._request_timer = self._loop.call_later(self._limits.request_seconds, self._cut)

    cdef _end_request_timer(self):
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    cdef _end_stall_timer(self):
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _cut(self):
        if not self.transport.is_closing():
            self.transport.abort()

    def _end_idle(self):
        # One timer for many requests, which looks when it is due whether it still is.
        self._idle_timer = None
        if not self._is_idle:
            return
        left = self._idle_since + self._keep_alive_seconds - self._loop.time()
        if left > 0:
            self._idle_timer = self._loop.call_later(left, self._end_idle)
        elif not self.transport.is_closing():
            self.transport.close()

    cdef _refuse_head(self, data):
        if self.transport.is_closing():
            return
        has_line = bool(self._headers) or b"\r\n" in data[:self._max_head_bytes]
        status, part = (431, "headers") if has_line else (414, "request line")
        self._refuse(status, f"{part} too long: at most {self._max_head_bytes} bytes are read\n".encode())

    cdef _refuse(self, int status, bytes text):
        if self.transport.is_closing():
            return
        self._next = self._pipelined = None
        self.out.write_now(
            status_line(status)
            + self.default_lines()
            + b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(text)
            + text
        )
        self.transport.close()
