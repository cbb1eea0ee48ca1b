"""One series of the model API as JSON: points and the latest timestamp.

In      points of one metric of one entity, oldest first
Out     bytes: indented for one series, compact in the list of a pod-list
Callers api/model.py
Source  spec/heapster-rest.md 6.2 and 6.3; B8 (values are signed), B13 (floatValue)
Never   asks where the points come from
"""
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MAX, INT64_MIN

from heapfast._types cimport time_zero
from heapfast.render._json cimport bits_to_double, double_to_bits, put_char, put_line, put_literal


cdef void put_series(
    JsonBuffer buffer, const int64_t* ts, const int64_t* bits, Py_ssize_t n, bint is_float, bint indented
) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t latest = time_zero() if n == 0 else ts[0]
    put_char(buffer, c"{")
    _put_key(buffer, 1, b'"metrics":', indented)
    put_char(buffer, c"[")
    for i in range(n):
        if i:
            put_char(buffer, c",")
        _put_point(buffer, ts[i], bits[i], is_float, indented)
        latest = max(latest, ts[i])
    if indented and n:
        put_line(buffer, 1)
    put_literal(buffer, b"],")
    _put_key(buffer, 1, b'"latestTimestamp":', indented)
    buffer.put_time(latest)
    if indented:
        put_line(buffer, 0)
    put_char(buffer, c"}")


cdef inline void _put_key(JsonBuffer buffer, int depth, const char* key, bint indented) noexcept nogil:
    if indented:
        put_line(buffer, depth)
    put_literal(buffer, key)
    if indented:
        put_char(buffer, c" ")


cdef inline void _put_point(
    JsonBuffer buffer, int64_t ts, int64_t bits, bint is_float, bint indented
) noexcept nogil:
    cdef double value = bits_to_double(bits)
    if indented:
        put_line(buffer, 2)
    put_char(buffer, c"{")
    _put_key(buffer, 3, b'"timestamp":', indented)
    buffer.put_time(ts)
    put_char(buffer, c",")
    _put_key(buffer, 3, b'"value":', indented)
    if is_float:
        buffer.put_int(truncate(value))
        put_char(buffer, c",")
        _put_key(buffer, 3, b'"floatValue":', indented)
        buffer.put_double(value)
    else:
        buffer.put_int(bits)
    if indented:
        put_line(buffer, 2)
    put_char(buffer, c"}")


# Towards zero, as old clients know it (K4); what int64 cannot hold ends at its bounds.
cdef inline int64_t truncate(double value) noexcept nogil:
    if value >= 9223372036854775808.0:
        return INT64_MAX
    if value < -9223372036854775808.0:
        return INT64_MIN
    return <int64_t>value


def render_points(points not None) -> bytes:
    """Return the indented answer for one series, given as (Unix ns, value) pairs, oldest first."""
    cdef JsonBuffer buffer = JsonBuffer()
    _put_points(buffer, points, True)
    return buffer.take()


def render_point_lists(lists not None) -> bytes:
    """Return the compact answer for many series: one item each, in the order given, empty ones too."""
    cdef JsonBuffer buffer = JsonBuffer()
    cdef bint first = True
    put_literal(buffer, b'{"items":[')
    for points in lists:
        if not first:
            put_char(buffer, c",")
        first = False
        _put_points(buffer, points, False)
    put_literal(buffer, b"]}\n")
    return buffer.take()


cdef int _put_points(JsonBuffer buffer, list points, bint indented) except -1:
    cdef Py_ssize_t n = len(points)
    cdef bint is_float = n > 0 and isinstance(points[0][1], float)
    cdef int64_t* ts = <int64_t*>PyMem_Malloc(max(n, 1) * 2 * sizeof(int64_t))
    cdef int64_t* bits
    cdef Py_ssize_t i
    if ts == NULL:
        raise MemoryError("cannot render a series: out of memory")
    bits = ts + n
    try:
        for i, (when, what) in enumerate(points):
            ts[i] = when
            if is_float:
                bits[i] = double_to_bits(what)
            else:
                bits[i] = what
        put_series(buffer, ts, bits, n, is_float, indented)
    finally:
        PyMem_Free(ts)
    return 0
