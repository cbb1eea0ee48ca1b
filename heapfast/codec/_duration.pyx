"""Durations as Go writes them ("15.011s", "1h0m0s", "1.5ms").

In      nanoseconds as int64
Out     text
Callers render (window of usage), config (faults and --help); body for _duration.pxd
Source  spec/metrics-k8s-io.md 3.6
Never   reads durations: duration.py does
"""
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcpy

from heapfast._types cimport int64_t, uint64_t

cdef enum:
    NS_PER_US = 1000
    NS_PER_MS = 1000000
    NS_PER_SECOND = 1000000000


cdef Py_ssize_t write_duration(int64_t ns, char* out) noexcept nogil:
    # Negated as unsigned, so that the smallest int64 has its absolute value too.
    cdef uint64_t left = 0 - <uint64_t>ns if ns < 0 else <uint64_t>ns
    cdef uint64_t minutes
    cdef Py_ssize_t n = 0
    if ns < 0:
        out[0] = c"-"
        n = 1
    if left == 0:
        memcpy(out, b"0s", 2)
        return 2
    if left < NS_PER_US:
        n += _write_integer(left, out + n)
        memcpy(out + n, b"ns", 2)
        return n + 2
    if left < NS_PER_MS:
        n += _write_fixed(left, NS_PER_US, out + n)
        memcpy(out + n, b"\xc2\xb5s", 3)       # U+00B5, the micro sign
        return n + 3
    if left < NS_PER_SECOND:
        n += _write_fixed(left, NS_PER_MS, out + n)
        memcpy(out + n, b"ms", 2)
        return n + 2
    minutes = left // NS_PER_SECOND // 60
    if minutes >= 60:
        n += _write_integer(minutes // 60, out + n)
        out[n] = c"h"
        n += 1
    if minutes:
        n += _write_integer(minutes % 60, out + n)
        out[n] = c"m"
        n += 1
    n += _write_fixed(left - minutes * 60 * NS_PER_SECOND, NS_PER_SECOND, out + n)
    out[n] = c"s"
    return n + 1


# value / unit without trailing zeros; `unit` is a power of ten.
cdef Py_ssize_t _write_fixed(uint64_t value, uint64_t unit, char* out) noexcept nogil:
    cdef Py_ssize_t n = _write_integer(value // unit, out)
    cdef uint64_t fraction = value % unit
    if fraction == 0:
        return n
    out[n] = c"."
    n += 1
    while fraction:
        unit //= 10
        out[n] = <char>(c"0" + fraction // unit)
        fraction %= unit
        n += 1
    return n


cdef Py_ssize_t _write_integer(uint64_t value, char* out) noexcept nogil:
    cdef char digits[20]
    cdef Py_ssize_t n = 0
    cdef Py_ssize_t i
    while True:
        digits[n] = <char>(c"0" + value % 10)
        value //= 10
        n += 1
        if value == 0:
            break
    for i in range(n):
        out[i] = digits[n - 1 - i]
    return n


def format_duration(int64_t ns) -> str:
    """Write nanoseconds as Go writes a time.Duration."""
    cdef char out[DURATION_MAX]
    return PyUnicode_DecodeUTF8(out, write_duration(ns, out), NULL)
