"""One TCP connection, plain or with TLS, as a stream of bytes.

In      what the socket has received; requests to send
Out     calls of the owner: opened, received, ended
Callers http.py
Never   knows HTTP, or holds a buffer of its own while nothing is in flight

The loop says that a socket can be read, and the stream reads it: with TLS, OpenSSL does, from the socket itself, as
much as is there at a time (tls.read_ahead). All streams of a loop read into one buffer, which is its owner's while it
is delivered.

    readable ──▶ read a record ──▶ more there? ──no──▶ received
                      ▲                yes
                      └─────────────────┘  until the buffer is full or READS_A_TURN are read: the rest in the next turn

What OpenSSL has taken from the socket the loop cannot know of. So a stream reads until nothing is left, and does not
stop where an answer ends.

The loop's own transports want TLS to work on memory BIOs, one copy of every byte more, and BIOs never shrink: thousands
of idle connections then keep what one of them had to hold at a time. A connection here keeps 26 to 35 KB, OpenSSL's
own included (bench/micro/scrape.py).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, Final, Protocol, cast

from heapfast.scrape.limits import RECEIVE_BUFFER_BYTES

#: Records of TLS that are read in one step of the loop, and hold it for about 1 ms when they are long.
READS_A_TURN: Final = 64


class Owner(Protocol):
    """Who uses a stream."""

    def stream_opened(self, stream: Stream) -> None:
        """Data can be sent."""

    def stream_received(self, stream: Stream, data: memoryview) -> None:
        """Takes data, borrowed until it returns."""

    def stream_ended(self, stream: Stream, error: Exception | None) -> None:
        """The last that is heard of a stream: closed by the other side, or broken."""


def make_buffer() -> memoryview:
    """What all streams of one loop receive into."""
    return memoryview(bytearray(RECEIVE_BUFFER_BYTES))


class Stream:
    """A connection without TLS. Made on the loop that it is used on; opened once.

    Args:
        buffer: of make_buffer.
    """

    __slots__ = ("_buffer", "_is_closed", "_loop", "_owner", "_socket", "_unsent")

    def __init__(self, owner: Owner, buffer: memoryview) -> None:
        self._owner = owner
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._unsent = b""
        self._is_closed = False

    async def open(self, host: str, port: int) -> None:
        """Connects; the owner hears when data can be sent.

        Args:
            host: an address, or a name; of several addresses the first that can be connected to is taken.

        Raises:
            OSError: there is no connection; what was wrong with the last address.
        """
        failure = OSError(f"{host} has no address")
        for family, _, _, _, address in await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                connected = await self._connect(family, address)
            except OSError as error:
                failure = error
                continue
            if self._is_closed:
                connected.close()
            else:
                self.adopt(connected)
            return
        raise failure

    async def _connect(self, family: int, address: Any) -> socket.socket:
        connecting = socket.socket(family, socket.SOCK_STREAM)
        try:
            connecting.setblocking(False)
            # What is sent is sent at once: nothing follows that could go along with it.
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(connecting, address)
        except BaseException:
            connecting.close()
            raise
        return connecting

    def adopt(self, connected: socket.socket) -> None:
        """Take a connected socket that does not block; it is the stream's from now on."""
        self._socket = connected
        self._loop.add_reader(connected.fileno(), self._readable)
        self._owner.stream_opened(self)

    def send(self, data: bytes) -> None:
        """Send on an open stream. A failure is told to the owner later."""
        self._unsent += data
        self._flush()

    def is_usable(self) -> bool:
        """Whether nothing is known to be wrong with an open stream."""
        return self._socket is not None

    def close(self) -> None:
        """Close at once; the owner hears no more of it."""
        self._is_closed = True
        opened, self._socket = self._socket, None
        if opened is not None:
            self._loop.remove_reader(opened.fileno())
            self._loop.remove_writer(opened.fileno())
            opened.close()

    def _flush(self) -> None:
        opened = self._socket
        if opened is None:
            return
        try:
            while self._unsent:
                self._unsent = self._unsent[opened.send(self._unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._loop.add_writer(opened.fileno(), self._writable)
        except ssl.SSLWantReadError:
            pass  # the other side wants new keys first: it goes on when that has come
        except OSError as error:
            self._loop.call_soon(self._end, error)

    def _writable(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
        self._flush()

    def _readable(self) -> None:
        opened = self._socket
        if opened is None:
            return
        try:
            count = opened.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if count:
            self._owner.stream_received(self, self._buffer[:count])
        else:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self._is_closed:
            self.close()
            self._owner.stream_ended(self, error)


class TlsStream(Stream):
    """A connection with TLS.

    Args:
        server_name: address or name that the certificate must have, where the context checks it.
    """

    __slots__ = ("_context", "_is_shaking", "_server_name")

    def __init__(self, owner: Owner, buffer: memoryview, context: ssl.SSLContext, server_name: str) -> None:
        super().__init__(owner, buffer)
        self._context = context
        self._server_name = server_name
        self._is_shaking = True

    def adopt(self, connected: socket.socket) -> None:
        try:
            self._socket = self._context.wrap_socket(
                connected,
                server_hostname=self._server_name,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
        except OSError as error:
            connected.close()
            self._break(error)
            return
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._shake()

    def _shake(self) -> None:
        """Goes on with the handshake."""
        opened = cast(ssl.SSLSocket, self._socket)
        try:
            opened.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self._loop.add_writer(opened.fileno(), self._writable)
            return
        except OSError as error:
            self._break(error)
            return
        self._is_shaking = False
        self._owner.stream_opened(self)
        self._loop.call_soon(self._readable)  # what came along with the end of the handshake

    def _writable(self) -> None:
        super()._writable()
        if self._is_shaking and not self._is_closed:
            self._shake()

    def _readable(self) -> None:
        if self._is_shaking:
            if not self._is_closed:
                self._shake()
            return
        if self._unsent:
            self._flush()
        opened, buffer = cast("ssl.SSLSocket | None", self._socket), self._buffer
        if opened is None:
            return
        filled = 0
        is_over = False
        failure: OSError | None = None
        try:
            for _ in range(READS_A_TURN):
                room = buffer[filled:] if filled else buffer
                # With a buffer `read` gives a count, and takes any that can be written; typeshed knows neither.
                count = cast(int, opened.read(len(room), cast(bytearray, room)))
                filled += count
                if not count:
                    is_over = True  # closed, and said so
                    break
                if filled == RECEIVE_BUFFER_BYTES:
                    break
            if not is_over:
                self._loop.call_soon(self._readable)
        except ssl.SSLWantReadError:
            pass
        except OSError as error:
            failure = error
        if filled:
            self._owner.stream_received(self, buffer[:filled])
        if failure is not None:
            self._break(failure)
        elif is_over:
            self._end(None)

    def _break(self, error: OSError) -> None:
        if isinstance(error, ssl.SSLEOFError):
            # Nobody can tell a whole answer from one that was cut, nor is anything wrong with the other side's TLS.
            error = ConnectionResetError("closed without a TLS closing alert")
        self._end(error)
