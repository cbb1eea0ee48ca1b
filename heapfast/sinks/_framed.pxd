"""Payloads that are lists of messages, each of which travels alone: datagrams, records, requests.

A format puts samples as with any BatchWriter and calls `end_frame` where a message is over; `begin_frame` opens the
next one. Neither is called for a message without samples.
"""
from heapfast._types cimport uint32_t
from heapfast.sinks._walk cimport BatchWriter


cdef class FramedWriter(BatchWriter):
    cdef:
        uint32_t n_in_frame        # samples of the message that is open
        Py_ssize_t frame_start     # where in `out` it begins

        Py_ssize_t* _ends          # owned; where messages end
        uint32_t _n_ends, _cap_ends

    cdef void end_frame(self) noexcept nogil
