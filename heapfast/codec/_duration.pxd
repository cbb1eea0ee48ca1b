"""Durations as Go writes them, for compiled writers."""
from heapfast._types cimport int64_t

cdef enum:
    DURATION_MAX = 32          # "-2562047h47m16.854775808s" rounded up

# Writes at most DURATION_MAX bytes without a NUL; returns how many.
cdef Py_ssize_t write_duration(int64_t ns, char* out) noexcept nogil
