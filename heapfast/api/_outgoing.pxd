"""What is written on one connection; see _outgoing.pyx."""


cdef class Outgoing:
    cdef:
        object transport       # None before the connection is there
        object _loop
        object _writable       # an Event, once somebody has to wait
        list _held
        Py_ssize_t _held_bytes
        bint _flushes_soon
        bint is_paused         # the client has not read enough of what was written
        bint is_lost

    cdef hold(self, bytes data)
    cdef flush_soon(self)
    cdef flush(self)
    cdef write_now(self, bytes data)
    cdef pause(self)
    cdef resume(self)
    cdef end(self)
    cdef bint is_long(self, body) except -1
