"""One HTTP connection: uvicorn's protocol with limits, and the client's certificate in the scope.

In      bytes of one client
Out     ASGI calls; 414 and 431 for heads that are too long; the end for clients that are too slow
Callers host.py
Source  RFC 9110 and RFC 6585 for the two statuses
Never   looks at what is asked
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from heapfast.api.joined_writes import JoiningTransport


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may cost.

    Attributes:
        head_bytes: of request line and headers together.
        request_seconds: from a connection's start, or a request's first byte, to the request's end.
        keep_alive_seconds: that a connection may idle between requests.
        stall_seconds: that a client may leave an answer unread.
        connections: beyond, requests get 503; beyond twice as many, connections are cut at once.
    """

    head_bytes: int = 64 * 1024
    request_seconds: float = 10
    keep_alive_seconds: int = 75
    stall_seconds: float = 30
    connections: int = 2000


class HttpProtocol(HttpToolsProtocol):
    """See the module."""

    def __init__(self, config: uvicorn.Config, *, limits: Limits, **more: Any) -> None:
        super().__init__(config, **more)
        self._limits = limits
        self._is_head = True  # what comes next belongs to a request line or headers
        self._head_bytes = 0  # of the current head
        self._is_begun = False  # a request has begun and is not complete
        self._request_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._tls: dict[Any, Any] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > 2 * self._limits.connections:
            transport.abort()
            return
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            der = ssl_object.getpeercert(binary_form=True)
            chain = [ssl.DER_cert_to_PEM_cert(der)] if der else []
            self._tls = {"client_cert_chain": chain}
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_request_timer()
        self._end_stall_timer()
        # uvicorn leaves its own timer running when a connection breaks.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_head:
            room = self._limits.head_bytes - self._head_bytes
            self._head_bytes += len(data)
            # Behind the head there may be a body, or the next request.
            if len(data) > room and data.find(b"\r\n\r\n", 0, max(room, 0)) < 0:
                self._refuse_head(data)
                return
        super().data_received(data)
        if self._is_begun and self._request_timer is None:
            self._await_request()

    # -- the parser's callbacks --

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_begun = True
        if self._tls is not None:
            self.scope["extensions"] = {"tls": self._tls}

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_head = True
        self._head_bytes = 0
        self._is_begun = False
        self._end_request_timer()
        super().on_message_complete()

    # -- the transport's callbacks --

    def pause_writing(self) -> None:
        super().pause_writing()
        self._end_stall_timer()
        self._stall_timer = self.loop.call_later(self._limits.stall_seconds, self._cut)

    def resume_writing(self) -> None:
        self._end_stall_timer()
        super().resume_writing()

    # -- limits --

    def _await_request(self) -> None:
        self._request_timer = self.loop.call_later(self._limits.request_seconds, self._cut)

    def _end_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _end_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _cut(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    def _refuse_head(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        limit = self._limits.head_bytes
        has_line = bool(self.headers) or b"\r\n" in data[:limit]
        status, part = (431, "headers") if has_line else (414, "request line")
        text = f"{part} too long: at most {limit} bytes are read\n".encode()
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(text)
            + text
        )
        self.transport.close()
