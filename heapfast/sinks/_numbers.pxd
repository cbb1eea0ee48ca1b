"""Numbers as sinks write them, where that is not as JSON does.

In      doubles
Out     Go's %f (six decimals) and %v (shortest digits, exponents from 1e+06 on)
Callers _graphite, _statsd, _log
Source  spec/heapster-pipeline.md 0.3
Never   depends on the locale's decimal separator
"""
from libc.stdio cimport snprintf

from heapfast.render._json cimport buffer_t, reserve

cdef enum:
    FIXED_MAX = 320            # bytes of the longest double with six decimals
    FIXED_DECIMALS = 6


cdef inline void put_fixed(buffer_t* out, double value) noexcept nogil:
    cdef int n
    if reserve(out, FIXED_MAX):
        n = snprintf(out.data + out.len, FIXED_MAX, b"%.6f", value)
        out.data[out.len + n - FIXED_DECIMALS - 1] = c"."
        out.len += n
