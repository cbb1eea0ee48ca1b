"""Numbers as sinks write them, where that is not as JSON does.

In      doubles
Out     Go's %f (six decimals) and %v (shortest digits, exponents from 1e+06 on)
Callers _graphite, _statsd, _log
Source  spec/heapster-pipeline.md 0.3
Never   depends on the locale's decimal separator
"""
from libc.stdio cimport snprintf

from heapfast.codec._float cimport FLOAT_MAX, write_double
from heapfast.render._json cimport buffer_t, put_char, put_literal, put_raw, reserve

cdef enum:
    FIXED_MAX = 320            # bytes of the longest double with six decimals
    FIXED_DECIMALS = 6
    EXPONENT_FROM = 6          # of %v: 1000000 is 1e+06
    EXPONENT_BELOW = -4


cdef inline void put_fixed(buffer_t* out, double value) noexcept nogil:
    cdef int n
    if reserve(out, FIXED_MAX):
        n = snprintf(out.data + out.len, FIXED_MAX, b"%.6f", value)
        out.data[out.len + n - FIXED_DECIMALS - 1] = c"."
        out.len += n


# The shortest text in Go's %v: with an exponent of at least two digits below 1e-4 and from 1e+06 on.
cdef inline void put_general(buffer_t* out, double value) noexcept nogil:
    cdef char text[FLOAT_MAX]
    cdef char digits[FLOAT_MAX]
    cdef Py_ssize_t n = write_double(value, text)
    cdef Py_ssize_t n_digits = 0
    cdef Py_ssize_t n_before_point = -1    # digits in front of the point, leading zeros too
    cdef Py_ssize_t n_leading = 0          # zeros before the first other digit
    cdef Py_ssize_t i
    cdef Py_ssize_t seen = 0
    cdef int exponent = 0
    cdef int sign = 1
    for i in range(n):
        if text[i] == c"-":
            continue
        if text[i] == c".":
            n_before_point = seen
        elif text[i] == c"e":
            break
        else:
            seen += 1
            if n_digits == 0 and text[i] == c"0":
                n_leading += 1
            else:
                digits[n_digits] = text[i]
                n_digits += 1
    if n_before_point < 0:
        n_before_point = seen
    while n_digits > 1 and digits[n_digits - 1] == c"0":
        n_digits -= 1
    i = n
    while i > 0 and text[i - 1] != c"e":
        i -= 1
    if i > 0:
        sign = -1 if text[i] == c"-" else 1
        for i in range(i + (text[i] == c"-" or text[i] == c"+"), n):
            exponent = exponent * 10 + (text[i] - c"0")
    exponent = sign * exponent + <int>(n_before_point - n_leading) - 1
    if n_digits == 0 or EXPONENT_BELOW <= exponent < EXPONENT_FROM:
        # JSON's notation is the same there.
        put_raw(out, text, n)
        return
    if text[0] == c"-":
        put_char(out, c"-")
    put_char(out, digits[0])
    if n_digits > 1:
        put_char(out, c".")
        put_raw(out, digits + 1, n_digits - 1)
    put_literal(out, b"e-" if exponent < 0 else b"e+")
    if exponent < 0:
        exponent = -exponent
    if reserve(out, 4):
        out.len += snprintf(out.data + out.len, 4, b"%02d", exponent)
