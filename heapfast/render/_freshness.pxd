"""How old what is served is, as a histogram.

    bucket[i]              ages in (bound(i - 1), bound(i)] seconds, bound(i) = 1.364 ** i
    bucket[N_BOUNDS]       ages above
"""
from heapfast._types cimport int64_t, uint64_t

cdef enum:
    N_BOUNDS = 20


cdef class Freshness:
    cdef:
        uint64_t bucket[N_BOUNDS + 1]
        double bound_seconds[N_BOUNDS]     # ascending
        double sum_seconds

    cdef void observe(self, int64_t age_ns) noexcept
