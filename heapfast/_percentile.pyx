"""Values by their rank (see _percentile.pxd).

In      values in any order
Out     the median, or the value at a percentile
Callers _aggregate; tests/property/test_aggregate.py plays them against sorting
Source  query/aggregation.py for what both are
Never   allocates
"""
from libc.math cimport floor

from heapfast._types cimport uint32_t


cdef double select(double* value, uint32_t n, uint32_t k) noexcept nogil:
    """The k-th smallest of n values, from 0; puts the smaller ones before it and the larger ones behind."""
    cdef uint32_t low = 0, high = n - 1, i, j
    cdef double pivot, swapped
    while low < high:
        pivot = value[low + (high - low) // 2]
        i = low
        j = high
        while True:
            while value[i] < pivot:
                i += 1
            while value[j] > pivot:
                j -= 1
            if i >= j:
                break
            swapped = value[i]
            value[i] = value[j]
            value[j] = swapped
            i += 1
            j -= 1
        # [low, j] is at most the pivot, [j + 1, high] at least; j < high, for the pivot is not the last.
        if k <= j:
            high = j
        else:
            low = j + 1
    return value[k]


cdef double rank(double* value, uint32_t n, bint is_median, double percentile) noexcept nogil:
    """The median or a percentile of n values, n > 0."""
    cdef double upper, low, place
    cdef uint32_t i
    if is_median:
        upper = select(value, n, n // 2)
        if n % 2:
            return upper
        low = value[0]
        for i in range(1, n // 2):
            low = max(low, value[i])
        return low + (upper - low) / 2
    place = floor(n * percentile / 100.0 + 0.5)
    return select(value, n, 0 if place < 1 else min(<uint32_t>place - 1, n - 1))
