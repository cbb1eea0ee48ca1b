"""What can be awaited at little cost; see _awaitables.pyx."""


cdef class Done:
    pass


cdef class Given:
    cdef object _value


cdef Given given(value)


cdef class Bell:
    cdef public bint _asyncio_future_blocking
    cdef object _loop, _wake, _context
    cdef bint _is_cancelled, _is_awaited

    cdef ring(self)
