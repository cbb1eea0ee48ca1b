"""Values by their rank, of an array that may be put into another order meanwhile."""
from heapfast._types cimport uint32_t


# The k-th smallest of n values, from 0: the smaller ones stand before it then, the larger ones behind.
cdef double select(double* value, uint32_t n, uint32_t k) noexcept nogil

# The median, or a percentile above 0 and at most 100, of n values; n > 0 and none is NaN.
cdef double rank(double* value, uint32_t n, bint is_median, double percentile) noexcept nogil
