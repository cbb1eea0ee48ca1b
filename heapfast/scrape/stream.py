"""One TCP connection, plain or with TLS, as a stream of bytes.

In      what the transport receives; requests to send
Out     calls of the owner: opened, received, ended
Callers http.py
Never   knows HTTP, or holds a buffer of its own while nothing is in flight

All streams of a loop receive into the same two buffers: the transports of uvloop and of asyncio ask for a
buffer, fill it and say so in one step of the loop, so no stream ever sees another's bytes.

TLS is done here on memory BIOs and not by the loop, for memory alone. At 100 KB an answer the loop's TLS keeps
190 KB a connection, 950 MB for 5,000 nodes; at 40 KB an answer this keeps 57 KB, of which 26 are OpenSSL's own. A BIO
never shrinks, so it is filled by a piece at a time:

    received  │ record │ record │ record │      long record          │ rec… whose rest comes with the next read
    pieces    └─────────────────┘────────┘──────────────┴────────────┘────┘
               whole ones while they fit   a long one in two: the first read finds nothing, which costs 1.5 us

Pieces of 16 KB keep 9 KB more a connection at the same CPU time; pieces of 4 KB keep 5 KB less and take 10 us more of
60 a request, where records are as long as can be (1,000 connections, answers of 40 KB).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, Protocol, cast

from heapfast.scrape.limits import RECEIVE_BUFFER_BYTES

#: Plain text of one TLS record, at most.
_RECORD_BYTES: Final = 16 * 1024
#: Of a record: type, version, length of what follows.
_HEADER_BYTES: Final = 5
#: Half of the longest record of TLS 1.3, header, type and tag included. The BIO grows to a third more.
_PIECE_BYTES: Final = (_RECORD_BYTES + 22) // 2


class Owner(Protocol):
    """Who uses a stream. `data` is borrowed until the call returns."""

    def stream_opened(self, stream: Stream) -> None: ...
    def stream_received(self, stream: Stream, data: memoryview) -> None: ...
    def stream_ended(self, stream: Stream, error: Exception | None) -> None: ...


class Buffers:
    """What all streams of one loop receive into."""

    __slots__ = ("plain", "received")

    def __init__(self) -> None:
        self.received = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        # What one read decrypts to, and the rest of a record from the read before.
        self.plain = memoryview(bytearray(RECEIVE_BUFFER_BYTES + 2 * _RECORD_BYTES))


class Stream(asyncio.BufferedProtocol):
    """A connection without TLS. Used once: from connection_made to connection_lost."""

    def __init__(self, owner: Owner, buffers: Buffers) -> None:
        self._owner = owner
        self._buffers = buffers
        self._transport: asyncio.Transport | None = None
        self._closed = False

    def send(self, data: bytes) -> None:
        """Sends on an open stream."""
        if self._transport is not None:
            self._transport.write(data)

    def is_usable(self) -> bool:
        """Whether nothing is known to be wrong with an open stream."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Closes at once; the owner hears no more of it."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._closed:
            self._transport.abort()
            return
        self._opened()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffers.received

    def buffer_updated(self, nbytes: int) -> None:
        if not self._closed:
            self._owner.stream_received(self, self._buffers.received[:nbytes])

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def _opened(self) -> None:
        self._owner.stream_opened(self)

    def _end(self, error: Exception | None) -> None:
        if not self._closed:
            self._closed = True
            self._owner.stream_ended(self, error)


class TlsStream(Stream):
    """A connection with TLS.

    Args:
        server_name: address or name that the certificate must have, where the context checks it.
    """

    def __init__(self, owner: Owner, buffers: Buffers, context: ssl.SSLContext, server_name: str) -> None:
        super().__init__(owner, buffers)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._is_shaking = True
        self._header = b""  # of a record, when it was cut before its length was known
        self._left = 0  # bytes of the current record that have not come yet

    def send(self, data: bytes) -> None:
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()

    def buffer_updated(self, nbytes: int) -> None:
        if self._closed:
            return
        try:
            size, is_over = self._decrypt(nbytes)
        except ssl.SSLError as error:
            self._flush()  # the alert that tells the other side why
            self._fail(error)
            return
        self._flush()  # the answer to a key update
        if size:
            self._owner.stream_received(self, self._buffers.plain[:size])
        if is_over:
            # The other side waits for our end before it closes its own.
            self._end(None)
            self._hang_up()

    def eof_received(self) -> None:
        # Without the closing alert nobody can tell a whole answer from one that was cut.
        self._end(ConnectionResetError("closed without a TLS closing alert"))

    def _opened(self) -> None:
        try:
            self._shake()
        except ssl.SSLError as error:
            self._fail(error)

    def _shake(self) -> bool:
        """Goes on with the handshake; True when that was its end."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._is_shaking = False
        self._flush()
        self._owner.stream_opened(self)
        return True

    def _decrypt(self, nbytes: int) -> tuple[int, bool]:
        """Plain bytes now in buffers.plain, and whether the other side has closed."""
        received, plain = self._buffers.received, self._buffers.plain
        incoming, tls = self._incoming, self._tls
        start = size = 0
        while start < nbytes:
            end = self._find_piece(start, nbytes)
            incoming.write(received[start:end])
            start = end
            if self._is_shaking and not self._shake():
                continue
            try:
                while incoming.pending or tls.pending():
                    # With a buffer `read` gives a count, and takes any that can be written; typeshed knows neither.
                    room = cast(bytearray, plain[size : size + _RECORD_BYTES])
                    count = cast(int, tls.read(_RECORD_BYTES, room))
                    if count == 0:
                        return size, True
                    size += count
            except ssl.SSLWantReadError:
                pass  # the rest of the record has not come yet
        return size, False

    def _find_piece(self, start: int, stop: int) -> int:
        """The end of the piece that begins at `start`, of what has been received up to `stop`."""
        received = self._buffers.received
        if self._header:
            had = len(self._header)
            self._header += received[start : min(start + _HEADER_BYTES - had, stop)]
            if len(self._header) < _HEADER_BYTES:
                return stop
            self._left = _HEADER_BYTES + (self._header[3] << 8 | self._header[4]) - had
            self._header = b""
        end, limit = start + self._left, start + _PIECE_BYTES
        while end < stop and end < limit:
            if end + _HEADER_BYTES > stop:
                self._header = bytes(received[end:stop])
                end = stop
                break
            size = _HEADER_BYTES + (received[end + 3] << 8 | received[end + 4])
            if end + size > limit and end > start:
                break
            end += size
        cut = min(end, stop, limit)
        self._left = end - cut
        return cut

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _fail(self, error: ssl.SSLError) -> None:
        self._end(error)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()
