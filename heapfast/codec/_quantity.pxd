"""What compiled renderers need of Kubernetes quantities: canonical text into a buffer.

Each `write_` puts at most QUANTITY_MAX_CHARS bytes at `out`, without a NUL, and gives their number.
"""
from heapfast._types cimport int64_t


cdef enum:
    QUANTITY_MAX_CHARS = 24    # "-9223372036854775808" and a suffix of two, rounded up


cdef Py_ssize_t write_cpu_millicores(int64_t millicores, char* out) noexcept nogil
cdef Py_ssize_t write_cpu_nanocores(int64_t nanocores, char* out) noexcept nogil
cdef Py_ssize_t write_memory_bytes(int64_t n_bytes, char* out) noexcept nogil
