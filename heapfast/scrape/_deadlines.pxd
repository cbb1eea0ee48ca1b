"""The fields of the watch (see _deadlines.pyx)."""


cdef class Deadlines:
    cdef:
        set _pending         # whose `due` is looked at
        object _timer        # of the next look; None while nothing is pending
        object _loop
        double _tick_seconds

    cpdef watch(self, pending)
    cpdef forget(self, pending)
    cpdef close(self)
