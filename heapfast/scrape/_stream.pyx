"""One TCP connection, plain or with TLS, as a stream of bytes.

In      what the socket has received; requests to send
Out     calls of the owner: opened, received, ended
Callers _http.pyx
Never   knows HTTP, or holds a buffer of its own while nothing is in flight

The loop says that a socket can be read, and the stream reads it: with TLS, OpenSSL does, from the socket itself, as
much as is there at a time (tls.read_ahead). All streams of a loop read into one buffer, which is its owner's while it
is delivered.

    readable ──▶ read a record ──▶ more there? ──no──▶ received
                      ▲                yes
                      └─────────────────┘  until the buffer is full or READS_A_TURN are read: the rest in the next turn

What OpenSSL has taken from the socket the loop cannot know of. So a stream reads until OpenSSL has nothing left, and
does not stop where an answer ends. OpenSSL is asked for that where it can be (_openssl.pxd), as it mostly can, and else
read from until the ssl module says so: the same bytes and the same ends, for some 5 us more.

The loop's own transports want TLS to work on memory BIOs, one copy of every byte more, and BIOs never shrink: thousands
of idle connections then keep what one of them had to hold at a time. A connection here keeps 24 to 36 KB, OpenSSL's
own included (bench/micro/scrape.py).
"""
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from heapfast.scrape._openssl cimport OpenSsl

import asyncio
import socket
import ssl

from heapfast.scrape.limits import RECEIVE_BUFFER_BYTES

READS_A_TURN = MAX_READS

cdef object AGAIN = (BlockingIOError, ssl.SSLWantWriteError)


cdef class Buffer:
    """What all streams of one loop receive into."""

    def __cinit__(self):
        self.array = bytearray(RECEIVE_BUFFER_BYTES)
        self.view = memoryview(self.array)
        self.start = PyByteArray_AS_STRING(self.array)
        self.size = PyByteArray_GET_SIZE(self.array)


cdef class Owner:
    """Who uses a stream."""

    cpdef stream_opened(self, Stream stream):
        """Data can be sent."""

    cpdef stream_received(self, Stream stream, data):
        """Takes data, borrowed until it returns."""

    cpdef stream_ended(self, Stream stream, error):
        """The last that is heard of a stream: closed by the other side, or broken."""


cdef class Stream:
    """A connection without TLS. Made on the loop that it is used on; opened once."""

    def __init__(self, Owner owner not None, Buffer buffer not None):
        self._owner = owner
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._unsent = b""

    async def open(self, host, port):
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

    async def _connect(self, family, address):
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

    cpdef adopt(self, connected):
        """Take a connected socket that does not block; it is the stream's from now on."""
        self._socket = connected
        self._loop.add_reader(connected.fileno(), self._readable)
        self._owner.stream_opened(self)

    cpdef send(self, bytes data):
        """Send on an open stream. A failure is told to the owner later."""
        self._unsent = self._unsent + data if self._unsent else data
        self._flush()

    cpdef bint is_usable(self):
        """Whether nothing is known to be wrong with an open stream."""
        return self._socket is not None

    cpdef close(self):
        """Close at once; the owner hears no more of it."""
        self._is_closed = True
        opened, self._socket = self._socket, None
        if opened is not None:
            self._loop.remove_reader(opened.fileno())
            self._loop.remove_writer(opened.fileno())
            opened.close()

    cdef int _flush(self) except -1:
        cdef Py_ssize_t count
        if self._socket is None:
            return 0
        try:
            while self._unsent:
                count = self._write()
                if count < 0:
                    return 0  # the other side wants new keys first: it goes on when that has come
                self._unsent = self._unsent[count:]
        except AGAIN:
            self._loop.add_writer(self._socket.fileno(), self._writable)
        except OSError as error:
            self._loop.call_soon(self._end, error)
        return 0

    cdef Py_ssize_t _write(self) except? -1:
        return self._socket.send(self._unsent)

    def _writable(self):
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
        self._flush()

    def _readable(self):
        cdef Py_ssize_t count
        if self._socket is None:
            return
        try:
            count = self._socket.recv_into(self._buffer.view)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if count:
            self._owner.stream_received(self, self._buffer.view[:count])
        else:
            self._end(None)

    def _end(self, error):
        if not self._is_closed:
            self.close()
            self._owner.stream_ended(self, error)


cdef class TlsStream(Stream):
    """A connection with TLS."""

    def __init__(self, Owner owner not None, Buffer buffer not None, context, server_name, OpenSsl openssl=None):
        super().__init__(owner, buffer)
        self._context = context
        self._server_name = server_name
        self._openssl = openssl
        self._is_shaking = True

    cpdef adopt(self, connected):
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
        if self._openssl is not None:
            self._connection = self._openssl.connection_of(self._socket)
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._shake()

    cpdef close(self):
        self._connection = NULL
        Stream.close(self)

    cdef int _shake(self) except -1:
        """Goes on with the handshake."""
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            return 0
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._socket.fileno(), self._writable)
            return 0
        except OSError as error:
            self._break(error)
            return 0
        self._is_shaking = False
        self._owner.stream_opened(self)
        self._loop.call_soon(self._readable)  # what came along with the end of the handshake
        return 0

    def _writable(self):
        Stream._writable(self)
        if self._is_shaking and not self._is_closed:
            self._shake()

    def _readable(self):
        cdef Py_ssize_t filled = 0, count = 0
        cdef bint is_over = False, is_empty = False
        if self._is_shaking:
            if not self._is_closed:
                self._shake()
            return
        if self._unsent:
            self._flush()
        if self._socket is None:
            return
        failure = None
        try:
            for _ in range(MAX_READS):
                count = self._read(filled)
                if count == 0:
                    is_over = True  # closed, and said so
                    break
                if count < 0:
                    is_empty = True
                    break
                filled += count
                if self._connection != NULL and not self._openssl.has_pending(self._connection):
                    is_empty = True
                    break
                if filled == self._buffer.size:
                    break
        except OSError as error:
            failure = error
        if not is_over and not is_empty and failure is None:
            self._loop.call_soon(self._readable)
        if filled:
            self._owner.stream_received(self, self._buffer.view[:filled])
        if failure is not None:
            self._break(failure)
        elif is_over:
            self._end(None)

    cdef Py_ssize_t _read(self, Py_ssize_t filled) except? -1:
        """A record into the buffer, behind so much of it; 0 at the end, -1 for nothing now."""
        cdef Py_ssize_t count
        if self._connection != NULL:
            count = self._openssl.read(self._connection, self._buffer.start + filled, self._buffer.size - filled)
            if count >= 0:
                return count or -1
        room = self._buffer.view[filled:] if filled else self._buffer.view
        try:
            return self._socket.read(len(room), room)
        except ssl.SSLWantReadError:
            return -1

    cdef Py_ssize_t _write(self) except? -1:
        cdef Py_ssize_t count
        if self._connection != NULL:
            count = self._openssl.write(
                self._connection, PyBytes_AS_STRING(self._unsent), PyBytes_GET_SIZE(self._unsent)
            )
            if count >= 0:
                return count or -1
        try:
            return self._socket.send(self._unsent)
        except ssl.SSLWantReadError:
            return -1

    cdef int _break(self, error) except -1:
        if isinstance(error, ssl.SSLEOFError):
            # Nobody can tell a whole answer from one that was cut, nor is anything wrong with the other side's TLS.
            error = ConnectionResetError("closed without a TLS closing alert")
        self._end(error)
        return 0
