"""What is written on one connection: short pieces together, long ones a turn of the loop each, at the client's pace.

In      heads, and pieces of bodies
Out     writes of a transport
Callers _connection.pyx
Source  issue 5: the loop never held more than 5 ms
Never   knows what a piece is of

uvloop encrypts what it is given at once: 20 MB took 61 ms.
"""
from cpython.bytes cimport PyBytes_GET_SIZE

import asyncio

cdef enum:
    JOINED_BYTES = 65536      # of what is held to be written at once: beyond, one more write is nothing beside them
    PIECE_BYTES = 262144      # of a long body that are written in a turn of the loop: 1 ms of TLS

cdef object _sleep = asyncio.sleep
cdef object _Event = asyncio.Event


cdef class Outgoing:
    """Belongs to a connection."""

    def __cinit__(self, loop):
        self._loop = loop
        self._held = []

    cdef hold(self, bytes data):
        self._held.append(data)
        self._held_bytes += PyBytes_GET_SIZE(data)

    cdef flush_soon(self):
        """Write what is held together with all that comes in this turn of the loop."""
        if self._held_bytes >= JOINED_BYTES:
            self.flush()
        elif not self._flushes_soon:
            self._flushes_soon = True
            self._loop.call_soon(self._flush_held)

    def _flush_held(self):
        self._flushes_soon = False
        self.flush()

    cdef flush(self):
        cdef list held = self._held
        cdef bytes data
        self._held = []
        self._held_bytes = 0
        before = []
        for data in held:
            # A long piece is not copied only to stand behind a short one.
            if PyBytes_GET_SIZE(data) >= JOINED_BYTES:
                if before:
                    self.transport.write(b"".join(before))
                    before = []
                self.transport.write(data)
            else:
                before.append(data)
        if before:
            self.transport.write(b"".join(before))

    cdef write_now(self, bytes data):
        self.hold(data)
        self.flush()

    cdef bint is_long(self, body) except -1:
        """Whether a body, or None, is too long to be written at once."""
        return body is not None and len(body) > PIECE_BYTES

    async def write_pieces(self, bytes body):
        """Write a long body; others have the loop in between."""
        cdef Py_ssize_t start
        for start in range(0, PyBytes_GET_SIZE(body), PIECE_BYTES):
            if start:
                await _sleep(0)
            if self.is_paused:
                await self.writable()
            if self.is_lost:
                return
            self.write_now(body[start:start + PIECE_BYTES])

    async def writable(self):
        """Wait until the client has read enough of what was written."""
        if self._writable is None:
            self._writable = _Event()
            if not self.is_paused:
                self._writable.set()
        await self._writable.wait()

    cdef pause(self):
        self.is_paused = True
        if self._writable is not None:
            self._writable.clear()

    cdef resume(self):
        self.is_paused = False
        if self._writable is not None:
            self._writable.set()

    cdef end(self):
        """There is nobody to write to any more."""
        self.is_lost = True
        self._held.clear()
        self._held_bytes = 0
        self.resume()
