"""RFC 3339 times as Unix nanoseconds, both directions, without the GIL."""
from heapfast._types cimport int32_t, int64_t

# Room that format_rfc3339 may need: 2006-01-02T15:04:05.999999999+07:00
cdef enum:
    RFC3339_MAX = 35

# True when `text` is a time that int64 nanoseconds can hold, or year 1 (then *out_ns is time_zero()).
# Otherwise *out_ns stays as it was. `text` is borrowed for the call and need not end in NUL.
cdef bint parse_rfc3339(const char* text, Py_ssize_t size, int64_t* out_ns) noexcept nogil

# Writes at most RFC3339_MAX bytes without a NUL; returns how many.
cdef int format_rfc3339(int64_t time_ns, int32_t offset_seconds, char* out) noexcept nogil
