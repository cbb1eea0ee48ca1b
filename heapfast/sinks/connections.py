"""Connections that sinks without HTTP have: TCP streams and UDP sockets, made when there is something to send.

In      an address; bytes
Out     bytes on the wire, or a SinkError that says why not
Callers graphite.py, statsd.py, riemann.py
Source  spec/heapster-pipeline.md 7.2, 7.6 and 7.7; Q22: what cannot be reached again is tried again, never a crash
Never   limits how long a call takes: the manager does
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

from heapfast.errors import SinkError

if TYPE_CHECKING:
    from heapfast.sinks.sink import Address

#: No thread is held longer by a socket that takes nothing.
DATAGRAM_SECONDS: Final = 5.0


class Stream:
    """One TCP connection, made anew after whatever went wrong with the last one."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def write(self, data: bytes) -> None:
        """Returns when the kernel has taken all of it. A call that is cancelled ends the connection.

        Raises:
            SinkError: nobody listens, or the other side went.
        """
        _, writer = await self._connected()
        try:
            writer.write(data)
            await writer.drain()
        except OSError as error:
            self._drop()
            raise self._error("lost", error) from error
        except asyncio.CancelledError:
            self._drop()  # who knows how much of it was written
            raise

    async def read_exactly(self, n_bytes: int) -> bytes:
        """Reads part of an answer. A call that is cancelled ends the connection.

        Raises:
            SinkError: the other side went.
        """
        reader, _ = await self._connected()
        try:
            return await reader.readexactly(n_bytes)
        except (OSError, asyncio.IncompleteReadError) as error:
            self._drop()
            raise self._error("lost", error) from error
        except asyncio.CancelledError:
            self._drop()
            raise

    async def close(self) -> None:
        """Ends the connection; what the kernel has taken still goes out."""
        writer = self._writer
        self._reader = self._writer = None
        if writer is not None:
            writer.close()
            await writer.wait_closed()

    def drop(self) -> None:
        """Ends the connection at once: the other side said what cannot be gone on with."""
        self._drop()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is not None and self._reader.at_eof():
            self._drop()  # the other side went between two batches
        if self._reader is None or self._writer is None:
            try:
                self._reader, self._writer = await asyncio.open_connection(self._address.host, self._address.port)
            except (OSError, UnicodeError) as error:
                raise self._error("connect", error) from error
            # Else the loop would hold what the kernel does not take, and call it written.
            self._writer.transport.set_write_buffer_limits(high=0)
        return self._reader, self._writer

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    def _error(self, reason: str, error: Exception) -> SinkError:
        doing = "connect to" if reason == "connect" else "send to"
        return SinkError(f"cannot {doing} {self._address}: {error}", reason=reason)


class Datagrams:
    """One UDP socket. Sends in threads: thousands of datagrams would hold the loop."""

    def __init__(self, address: Address, executor: Executor) -> None:
        self._address = address
        self._executor = executor
        self._socket: socket.socket | None = None

    async def send(self, datagrams: Sequence[bytes]) -> None:
        """Sends them in order.

        Raises:
            SinkError: there is no such host, or nobody listens there (which UDP does not always tell).
        """
        loop = asyncio.get_running_loop()
        if self._socket is None:
            try:
                found = await loop.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_DGRAM)
                family, kind, protocol, _, place = found[0]
                self._socket = socket.socket(family, kind, protocol)
                self._socket.settimeout(DATAGRAM_SECONDS)
                self._socket.connect(place)
            except (OSError, UnicodeError) as error:
                await self.close()
                raise SinkError(f"cannot find {self._address}: {error}", reason="connect") from error
        try:
            await loop.run_in_executor(self._executor, _send_all, self._socket, datagrams)
        except OSError as error:
            await self.close()
            raise SinkError(f"cannot send to {self._address}: {error}", reason="lost") from error

    async def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _send_all(to: socket.socket, datagrams: Sequence[bytes]) -> None:
    for datagram in datagrams:
        to.send(datagram)
