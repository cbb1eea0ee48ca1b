"""Shortest decimal text of a double, for compiled writers."""

cdef enum:
    FLOAT_MAX = 32             # bytes that `write_double` may write at most


# Writes the shortest text that reads back as `value`, in the notation of JSON numbers:
# plain for 1e-6 <= |value| < 1e21, else with an exponent. `out` has FLOAT_MAX bytes.
# Returns the length, or 0 for NaN and infinities, which JSON has no number for.
cdef Py_ssize_t write_double(double value, char* out) noexcept nogil
