"""Payloads that are lists of messages (see _framed.pxd).

In      samples, and where messages end
Out     chunks whose payload is a list of bytes
Callers _statsd, _documents, _riemann
Never   leaves a message open at the end of a chunk: a format's end_chunk ends it
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, realloc

from heapfast._types cimport uint32_t
from heapfast.sinks._walk cimport BatchWriter


cdef class FramedWriter(BatchWriter):

    def __dealloc__(self):
        free(self._ends)

    cdef void end_frame(self) noexcept nogil:
        """Ends the message that is open, if it has anything in it."""
        cdef Py_ssize_t* bigger
        if self.out.len == self.frame_start:
            return
        if self._n_ends == self._cap_ends:
            bigger = <Py_ssize_t*>realloc(self._ends, (<size_t>self._cap_ends * 2 + 64) * sizeof(Py_ssize_t))
            if bigger == NULL:
                self.out.failed = True
                return
            self._ends = bigger
            self._cap_ends = self._cap_ends * 2 + 64
        self._ends[self._n_ends] = self.out.len
        self._n_ends = self._n_ends + 1
        self.frame_start = self.out.len
        self.n_in_frame = 0

    cdef object take(self):
        cdef list messages = []
        cdef Py_ssize_t start = 0
        cdef uint32_t i
        cdef uint32_t n = self._n_ends
        self._n_ends = 0
        self.frame_start = 0
        self.n_in_frame = 0
        if self.out.failed:
            self._out.take()      # raises MemoryError
        for i in range(n):
            messages.append(PyBytes_FromStringAndSize(self.out.data + start, self._ends[i] - start))
            start = self._ends[i]
        self.out.len = 0
        return messages
