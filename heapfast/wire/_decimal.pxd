"""A number as it stands in text -> the nearest double.

In      the first byte of the number, and the end of the body
Out     the byte behind it, and its value; NULL when there is no number, or one beyond the range of a double
Callers _exposition.pyx
Source  Go's strconv.ParseFloat without hexadecimal and underscores (spec/metrics-k8s-io.md 15): 1, +1.5, .5, 5., 1e3,
        Inf, infinity and NaN in any case. So "0.3" is the same double here as in metrics-server, to the last bit
Never   looks at what follows the number: 15s is 15 here, and the caller's to refuse
"""
from libc.math cimport INFINITY, NAN
from libc.stdlib cimport strtod
from libc.string cimport memcpy

from heapfast._types cimport uint64_t
from heapfast.wire._scan cimport take_digits

cdef extern from *:
    """
    static const uint64_t heapfast_integer_power_of_10[20] = {
        1ull, 10ull, 100ull, 1000ull, 10000ull, 100000ull, 1000000ull, 10000000ull, 100000000ull, 1000000000ull,
        10000000000ull, 100000000000ull, 1000000000000ull, 10000000000000ull, 100000000000000ull,
        1000000000000000ull, 10000000000000000ull, 100000000000000000ull, 1000000000000000000ull,
        10000000000000000000ull};
    static const double heapfast_double_power_of_10[23] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22};

    #ifdef __SIZEOF_INT128__
    #include <math.h>
    #define HEAPFAST_HAS_INT128 1
    /* The double nearest to m / d, ties to even. The quotient is taken to 64 bits or more; the rest decides ties:

           m, moved up until its top bit is set   00000 ... 0     128 bits, divided by d
           quotient: head (53 bits) | tail         and a rest */
    static inline double heapfast_quotient(uint64_t m, uint64_t d) {
        const int shift = __builtin_clzll(m);
        const unsigned __int128 n = (unsigned __int128) (m << shift) << 64;
        const unsigned __int128 q = n / d;
        const uint64_t upper = (uint64_t) (q >> 64);
        const int drop = (upper ? 128 - __builtin_clzll(upper) : 64) - 53;
        const unsigned __int128 half = (unsigned __int128) 1 << (drop - 1);
        const unsigned __int128 tail = q & (2 * half - 1);
        uint64_t head = (uint64_t) (q >> drop);
        if (tail > half || (tail == half && (q * d != n || head & 1)))
            head++;
        return ldexp((double) head, drop - 64 - shift);
    }
    #else
    #define HEAPFAST_HAS_INT128 0
    static inline double heapfast_quotient(uint64_t m, uint64_t d) { return (double) m / (double) d; }
    #endif
    """
    bint HAS_INT128 "HEAPFAST_HAS_INT128"
    # Right to the last bit where HAS_INT128; m is not 0.
    double nearest_quotient "heapfast_quotient"(uint64_t m, uint64_t d) noexcept nogil
    const uint64_t* integer_power_of_10 "heapfast_integer_power_of_10"
    const double* double_power_of_10 "heapfast_double_power_of_10"

cdef enum:
    DECIMAL_DIGITS_MAX = 19    # any number of so many digits fits uint64
    DECIMAL_POWER_MAX = 22     # the largest power of ten that is exact as a double
    DECIMAL_MANTISSA_BITS = 53
    DECIMAL_EXPONENT_MAX = 4   # digits of an exponent that is looked at here
    DECIMAL_TEXT_MAX = 400     # bytes of a number that needs care; no program writes more than 25


# Steps over `word`, in any case; NULL when it is not there.
cdef inline const char* take_word(const char* at, const char* end, const char* word) noexcept nogil:
    while word[0]:
        if at == end or at[0] | 0x20 != word[0]:
            return NULL
        at += 1
        word += 1
    return at


# Infinities, and NaN, which has no sign.
cdef inline const char* read_number_word(const char* at, const char* end, double* out) noexcept nogil:
    cdef bint negative = at < end and at[0] == c'-'
    cdef const char* stop = take_word(at, end, "nan")
    cdef const char* longer
    if stop != NULL:
        out[0] = NAN
        return stop
    if negative or (at < end and at[0] == c'+'):
        at += 1
    stop = take_word(at, end, "inf")
    if stop != NULL:
        longer = take_word(stop, end, "inity")
        stop = stop if longer == NULL else longer
        out[0] = -INFINITY if negative else INFINITY
    return stop


# The digits from `at` to `stop` have been checked. strtod rounds right, whatever their number.
cdef inline const char* read_long_decimal(const char* at, const char* stop, double* out) noexcept nogil:
    cdef char[DECIMAL_TEXT_MAX + 1] text
    cdef size_t size = <size_t> (stop - at)
    if size > DECIMAL_TEXT_MAX:
        return NULL
    # strtod wants a NUL, and the body may end right here. Python leaves LC_NUMERIC at "C".
    memcpy(text, at, size)
    text[size] = 0
    out[0] = strtod(text, NULL)
    return stop if out[0] - out[0] == 0 else NULL


# Most numbers are an integer m of at most 53 bits times 10^k with |k| <= 22. Both are exact as doubles, so that their
# product or quotient, rounded once, is the nearest double (W. D. Clinger, "How to read floating point numbers
# accurately", 1990). Start times, in nanoseconds since 1970, have 17 digits: for up to 19 an integer division gives the
# same. What is left goes to strtod, which takes several times as long.
cdef inline const char* read_decimal(const char* at, const char* end, double* out) noexcept nogil:
    cdef:
        const char* start = at
        uint64_t mantissa, fraction
        uint64_t exponent = 0
        Py_ssize_t n, digits, power = 0
        bint negative = False
        bint divide = False
    if at < end and (at[0] == c'-' or at[0] == c'+'):
        negative = at[0] == c'-'
        at += 1
    digits = take_digits(at, end, &mantissa)
    at += digits
    if at < end and at[0] == c'.':
        at += 1
        n = take_digits(at, end, &fraction)
        at += n
        digits += n
        power = -n
        if digits <= DECIMAL_DIGITS_MAX:
            mantissa = mantissa * integer_power_of_10[n] + fraction
    if digits == 0:
        return read_number_word(start, end, out)
    if at < end and at[0] | 0x20 == c'e':
        at += 1
        if at < end and (at[0] == c'-' or at[0] == c'+'):
            divide = at[0] == c'-'
            at += 1
        n = take_digits(at, end, &exponent)
        if n == 0:
            return NULL
        at += n
        if n > DECIMAL_EXPONENT_MAX:
            return read_long_decimal(start, at, out)
        power += -<Py_ssize_t> exponent if divide else <Py_ssize_t> exponent
    if digits > DECIMAL_DIGITS_MAX:
        return read_long_decimal(start, at, out)
    if mantissa >> DECIMAL_MANTISSA_BITS == 0 and -DECIMAL_POWER_MAX <= power <= DECIMAL_POWER_MAX:
        out[0] = <double> mantissa
        if power < 0:
            out[0] /= double_power_of_10[-power]
        else:
            out[0] *= double_power_of_10[power]
    elif HAS_INT128 and mantissa and -DECIMAL_DIGITS_MAX <= power < 0:
        out[0] = nearest_quotient(mantissa, integer_power_of_10[-power])
    else:
        return read_long_decimal(start, at, out)
    if negative:
        out[0] = -out[0]
    return at
