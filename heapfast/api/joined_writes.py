"""A transport that sends what one step of the loop writes in one piece.

In      writes of one connection: a head, then a body, or parts of one
Out     the same bytes to the transport behind it, joined
Callers protocol.py
Source  ASGI has head and body sent apart; with TLS the loop encrypts and sends each as it comes
Never   holds anything beyond the step of the loop that it was written in, or more than JOINED_BYTES

A head that is sent alone is a system call and a TLS record more, and wakes its reader for nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

#: What is joined at most: beyond, one more write is nothing beside the bytes.
JOINED_BYTES: Final = 64 * 1024


class JoiningTransport:
    """Stands before a transport, and is used as one."""

    __slots__ = ("_held", "_held_bytes", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._held_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= JOINED_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._held.clear()
        self._held_bytes = 0
        self._transport.abort()

    def _flush(self) -> None:
        held = self._held
        if held:
            joined = held[0] if len(held) == 1 else b"".join(held)
            held.clear()
            self._held_bytes = 0
            self._transport.write(joined)
