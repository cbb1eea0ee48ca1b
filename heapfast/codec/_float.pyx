"""Doubles as the shortest decimal text that reads back as the same double.

In      a double
Out     text as ECMAScript and Go write JSON numbers: 5, 0.25, 1e+21, 1.5e-7
Callers render/_json, tests
Source  spec/heapster-rest.md 2.5
Never   allocates, needs the GIL, or depends on the locale's decimal separator
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport isfinite, signbit
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memcpy, memset

cdef enum:
    DIGITS_SURE = 15           # any decimal of so many digits survives the way through a double
    DIGITS_MAX = 17            # so many digits tell any two doubles apart
    TEXT_MAX = 40              # "-d.dddddddddddddddde-308" and room

cdef double INTEGRAL_MAX = 9007199254740992.0   # 2^53: every smaller integral double is exact in int64
cdef double NORMAL_MIN = 2.2250738585072014e-308  # below, doubles have fewer digits than DIGITS_SURE


cdef Py_ssize_t write_double(double value, char* out) noexcept nogil:
    cdef char digits[TEXT_MAX]
    cdef int exponent
    cdef int n_digits
    cdef Py_ssize_t n = 0
    if not isfinite(value):
        return 0
    if signbit(value):
        out[0] = c"-"
        n = 1
        value = -value
    if value < INTEGRAL_MAX and <double>(<long long>value) == value:
        return n + snprintf(out + n, FLOAT_MAX - n, b"%lld", <long long>value)
    n_digits = _shortest(value, digits, &exponent)
    return n + _layout(digits, n_digits, exponent, out + n)


# The shortest digits d1 d2 ... of a positive double = d1.d2... * 10^exponent; returns how many.
cdef int _shortest(double value, char* digits, int* exponent) noexcept nogil:
    cdef char text[TEXT_MAX]
    cdef int precision
    for precision in range(DIGITS_SURE if value >= NORMAL_MIN else 1, DIGITS_MAX + 1):
        snprintf(text, TEXT_MAX, b"%.*e", precision - 1, value)
        if strtod(text, NULL) == value:
            break
        # At a power of two the next double below is only half as far away as the one above. The
        # nearest text of this length may then read back as that neighbour although the text one
        # unit above reads back right: 2^-44 is 5.684341886080802e-14.
        if precision < DIGITS_MAX and strtod(text, NULL) < value and _increment(text, precision):
            if strtod(text, NULL) == value:
                break
    digits[0] = text[0]
    memcpy(digits + 1, text + 2, precision - 1)
    # One digit has no point behind it.
    exponent[0] = _exponent(text + (1 if precision == 1 else 1 + precision))
    while precision > 1 and digits[precision - 1] == c"0":
        precision -= 1
    return precision


# Adds one to the last digit of "d.ddd"; false where that would carry into another power of ten.
cdef bint _increment(char* text, int precision) noexcept nogil:
    cdef int i = precision
    while i >= 2 and text[i] == c"9":
        text[i] = c"0"
        i -= 1
    if i >= 2:
        text[i] += 1
        return True
    if text[0] == c"9":
        return False
    text[0] += 1
    return True


# Reads "e-05".
cdef int _exponent(const char* text) noexcept nogil:
    cdef int value = 0
    cdef int i = 2
    while text[i] != 0:
        value = value * 10 + (text[i] - c"0")
        i += 1
    return -value if text[1] == c"-" else value


cdef Py_ssize_t _layout(const char* digits, int n_digits, int exponent, char* out) noexcept nogil:
    cdef Py_ssize_t n = 0
    if exponent < -6 or exponent >= 21:
        out[0] = digits[0]
        n = 1
        if n_digits > 1:
            out[1] = c"."
            memcpy(out + 2, digits + 1, n_digits - 1)
            n = n_digits + 1
        return n + snprintf(out + n, FLOAT_MAX - n, b"e%+d", exponent)
    if exponent < 0:
        out[0] = c"0"
        out[1] = c"."
        memset(out + 2, c"0", -exponent - 1)
        n = 1 - exponent
        memcpy(out + n, digits, n_digits)
        return n + n_digits
    if n_digits <= exponent + 1:
        memcpy(out, digits, n_digits)
        memset(out + n_digits, c"0", exponent + 1 - n_digits)
        return exponent + 1
    n = exponent + 1
    memcpy(out, digits, n)
    out[n] = c"."
    memcpy(out + n + 1, digits + n, n_digits - n)
    return n_digits + 1


def format_double(double value) -> bytes:
    """Return the shortest JSON number that reads back as a double.

    Raises:
        ValueError: for NaN and infinities.
    """
    cdef char out[FLOAT_MAX]
    cdef Py_ssize_t n = write_double(value, out)
    if n == 0:
        raise ValueError(f"cannot write {value!r} as a JSON number: it is not finite")
    return PyBytes_FromStringAndSize(out, n)
