"""Values of labels that are integers, for conditions with `>` and `<`."""
from heapfast._types cimport int64_t


# Whether a text is a decimal int64 with an optional sign; of more than 40 digits none is.
cdef bint read_int64(const char* ptr, Py_ssize_t len, int64_t* number) noexcept nogil
