"""Compact JSON laid out by two spaces a depth.

In      compact JSON, in chunks that may end anywhere
Out     the same value with line breaks, as Go's encoder indents; the newline that ends compact JSON goes
Callers metrics_k8s_io.py
Source  spec/metrics-k8s-io.md 5.3
Never   checks the JSON: its neighbours have written it
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from heapfast.render._json cimport JsonBuffer, buffer_t, put_char, put_raw


cdef class Indenter:
    cdef:
        JsonBuffer owner
        int depth
        bint in_string
        bint is_escaped        # the character before was a backslash
        bint is_opened         # the character before was a brace or bracket that opens

    def __cinit__(self):
        self.owner = JsonBuffer()

    def feed(self, bytes chunk not None) -> bytes:
        """Return what the chunk comes to; may be called again and again for the chunks of one document."""
        cdef buffer_t* out = &self.owner.buffer
        cdef const char* text = PyBytes_AS_STRING(chunk)
        cdef Py_ssize_t n = PyBytes_GET_SIZE(chunk)
        self._put(out, text, n)
        return self.owner.take()

    cdef void _put(self, buffer_t* out, const char* text, Py_ssize_t n) noexcept:
        cdef Py_ssize_t i
        cdef char c
        for i in range(n):
            c = text[i]
            if self.in_string:
                put_char(out, c)
                if self.is_escaped:
                    self.is_escaped = False
                elif c == c"\\":
                    self.is_escaped = True
                elif c == c'"':
                    self.in_string = False
                continue
            if c == c"}" or c == c"]":
                self.depth -= 1
                # Nothing between the two: they stay together.
                if not self.is_opened:
                    self._put_line(out)
                self.is_opened = False
                put_char(out, c)
                continue
            if c == c"\n":
                continue
            if self.is_opened:
                self._put_line(out)
                self.is_opened = False
            put_char(out, c)
            if c == c'"':
                self.in_string = True
            elif c == c"{" or c == c"[":
                self.depth += 1
                self.is_opened = True
            elif c == c",":
                self._put_line(out)
            elif c == c":":
                put_char(out, c" ")

    cdef void _put_line(self, buffer_t* out) noexcept:
        cdef int _
        put_char(out, c"\n")
        for _ in range(self.depth):
            put_raw(out, b"  ", 2)
