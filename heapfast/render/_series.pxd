"""One series as a MetricResult, for the one-series answer and for pod lists."""
from heapfast._types cimport int64_t
from heapfast.render._json cimport buffer_t


# Appends the answer for `n` points, oldest first. `bits` holds int64, or doubles if `is_float`.
cdef void put_series(
    buffer_t* buffer, const int64_t* ts, const int64_t* bits, Py_ssize_t n, bint is_float, bint indented
) noexcept nogil
