"""Protobuf into a growing buffer: varints, bytes, and messages whose length is known only afterwards.

In      a buffer of _json.pxd, which is one of bytes
Out     fields; a tag is one byte, as all fields here have numbers below 16
Callers _fragments, _k8s_protobuf
Source  spec/metrics-k8s-io.md 7.2; the encoding itself is protobuf's
Never   needs the GIL; running out of memory sets `failed` (see _json.pxd)

    begin_message       ^ here the length will stand; one byte is kept free for it
    fields              the body grows
    end_message         a length over 127 needs more bytes: the body moves up by one or two
"""
from libc.string cimport memmove

from heapfast._types cimport int64_t, uint64_t
from heapfast.render._json cimport buffer_t, put_char, put_raw, reserve

cdef enum:
    VARINT_MAX = 10            # bytes of a uint64


cdef inline Py_ssize_t write_varint(uint64_t value, char* out) noexcept nogil:
    cdef Py_ssize_t n = 0
    while value > 0x7F:
        out[n] = <char>(value & 0x7F | 0x80)
        value >>= 7
        n += 1
    out[n] = <char>value
    return n + 1


# A negative number takes ten bytes, as protobuf wants it.
cdef inline void put_varint(buffer_t* buffer, char tag, int64_t value) noexcept nogil:
    if reserve(buffer, 1 + VARINT_MAX):
        buffer.data[buffer.len] = tag
        buffer.len += 1 + write_varint(<uint64_t>value, buffer.data + buffer.len + 1)


cdef inline void put_bytes(buffer_t* buffer, char tag, const char* ptr, Py_ssize_t n) noexcept nogil:
    if reserve(buffer, 1 + VARINT_MAX + n):
        buffer.data[buffer.len] = tag
        buffer.len += 1 + write_varint(<uint64_t>n, buffer.data + buffer.len + 1)
        put_raw(buffer, ptr, n)


# After the tag of the message: gives what end_message needs.
cdef inline Py_ssize_t begin_message(buffer_t* buffer) noexcept nogil:
    put_char(buffer, 0)
    return buffer.len


cdef inline void end_message(buffer_t* buffer, Py_ssize_t start) noexcept nogil:
    cdef char length[VARINT_MAX]
    cdef Py_ssize_t n = buffer.len - start
    cdef Py_ssize_t width = write_varint(<uint64_t>n, length)
    cdef Py_ssize_t i
    if buffer.failed:
        return
    if width > 1:
        if not reserve(buffer, width - 1):
            return
        memmove(buffer.data + start + width - 1, buffer.data + start, n)
        buffer.len += width - 1
    for i in range(width):
        buffer.data[start - 1 + i] = length[i]
