"""The JSON writer: a growing buffer and what is written into it.

Every `put_` appends to the buffer and may be called without the GIL. Running out of memory sets
`failed` and drops what follows; `take` raises MemoryError then, so nobody checks in between.
"""
from libc.string cimport memcpy, strlen

from heapfast._text cimport text_t
from heapfast._types cimport int64_t, uint8_t
from heapfast.codec._rfc3339 cimport RFC3339_MAX

cdef enum:
    TIME_MAX_LEN = RFC3339_MAX + 2

# What put_time puts, for those who write the same time again and again; returns the length.
cdef Py_ssize_t write_time(int64_t time_ns, char* out) noexcept nogil


cdef struct buffer_t:
    char* data                 # owned
    Py_ssize_t len             # bytes written
    Py_ssize_t cap
    bint failed                # out of memory: what is in the buffer is not the whole answer


# Owns a buffer. Writers take the pointer once, as they must not touch objects without the GIL.
cdef class JsonBuffer:
    cdef buffer_t buffer

    cdef bytes take(self)


# Makes room for `n` more bytes; the one place that allocates. False: none to be had.
cdef bint grow(buffer_t* buffer, Py_ssize_t n) noexcept nogil

# Bytes of the UTF-8 rune at `s`, of at most `n`; 0 where there is none.
cdef Py_ssize_t rune_width(const uint8_t* s, Py_ssize_t n) noexcept nogil

cdef void put_text(buffer_t* buffer, const text_t* text) noexcept nogil
cdef void put_string(buffer_t* buffer, const char* ptr, Py_ssize_t n) noexcept nogil
cdef void put_content(buffer_t* buffer, const char* ptr, Py_ssize_t n) noexcept nogil  # a string without its quotes
cdef void put_int(buffer_t* buffer, int64_t value) noexcept nogil
cdef void put_double(buffer_t* buffer, double value) noexcept nogil
cdef void put_time(buffer_t* buffer, int64_t time_ns) noexcept nogil
cdef void put_utc_seconds(buffer_t* buffer, int64_t time_ns) noexcept nogil


cdef inline bint reserve(buffer_t* buffer, Py_ssize_t n) noexcept nogil:
    return buffer.cap - buffer.len >= n or grow(buffer, n)


cdef inline void put_raw(buffer_t* buffer, const char* ptr, Py_ssize_t n) noexcept nogil:
    if n and reserve(buffer, n):
        memcpy(buffer.data + buffer.len, ptr, n)
        buffer.len += n


# Raw text that is a constant: the compiler knows its length.
cdef inline void put_literal(buffer_t* buffer, const char* text) noexcept nogil:
    put_raw(buffer, text, strlen(text))


cdef inline void put_char(buffer_t* buffer, char c) noexcept nogil:
    if reserve(buffer, 1):
        buffer.data[buffer.len] = c
        buffer.len += 1


# Starts a member's line in the indented layout: one space a depth, and one before every line but
# the first. (spec/heapster-rest.md 2.1)
cdef inline void put_line(buffer_t* buffer, int depth) noexcept nogil:
    cdef int _
    put_char(buffer, c"\n")
    for _ in range(depth + 1):
        put_char(buffer, c" ")


# Columns hold doubles as their 64 bits.
cdef inline double bits_to_double(int64_t bits) noexcept nogil:
    cdef double value
    memcpy(&value, &bits, sizeof(value))
    return value
