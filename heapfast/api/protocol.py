"""What a client may cost, and the protocol of one connection that holds it to that.

In      limits
Out     HttpProtocol, one for each connection
Callers host.py
Source  asyncio's protocols: transports look at the class
Never   does anything itself: _connection.pyx does
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from heapfast.api._connection import Connection


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


class HttpProtocol(Connection, asyncio.Protocol):
    """See _connection.pyx."""
