"""Kubernetes quantities ("250m", "1.5Gi", "129e6"), both directions.

In      text of a quantity; or millicores, nanocores or bytes as int64
Out     int64 in thousandths or in whole units; or the canonical text
Callers kube (requests, limits, capacity), render (metrics APIs); bodies for _quantity.pxd
Source  spec/heapster-pipeline.md 5.2.4 and N9 (reading), spec/heapster-rest.md 9.5 (writing)
Never   rounds a written number, allocates while writing, or reads more than MAX_TEXT bytes

A text is [sign] digits [. digits] suffix. Up to 18 digits, which is every quantity that people
write, are read in C with 128-bit intermediates; more go through Python integers in `wide_quantity`.

What does not fit int64 follows the reference, because clients have learned to read it:
  - binary suffixes (Ki..Ei) are first capped at 2**63 - 1 units, then wrap modulo 2**64;
  - decimal ones of up to 18 digits give 0, longer ones wrap.
"""
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII
from libc.stdint cimport INT64_MAX

from heapfast._types cimport int32_t, int64_t, uint64_t
from heapfast.errors import ParseError

cdef extern from *:
    """
    typedef unsigned __int128 heapfast_u128_t;
    """
    ctypedef unsigned long long u128_t "heapfast_u128_t"   # really 128 bits; Cython only needs "an integer"

cdef enum:
    MAX_TEXT = 128             # longer is no quantity; bounds the work in wide_quantity
    MAX_SHORT_DIGITS = 18      # 10**18 - 1 fits int64
    MAX_EXPONENT = 10000       # beyond it every result is 0 or 1 already

cdef enum scan_status_t:
    SCAN_OK = 0
    SCAN_NO_DIGITS = 1
    SCAN_BAD_SUFFIX = 2

cdef struct scan_t:
    bint negative
    bint binary                # suffix Ki..Ei: `exponent` is a power of two, else of ten
    int32_t exponent           # of the suffix alone, the digits after the point not counted in
    Py_ssize_t whole_start, whole_stop         # digits before the point, without leading zeros
    Py_ssize_t fraction_start, fraction_stop   # digits after it
    Py_ssize_t offset          # where scanning stopped; the fault, if there is one
    uint64_t mantissa          # all digits as one number; only valid up to MAX_SHORT_DIGITS of them


cdef object MODULUS = int(1) << 64


# ---- reading -------------------------------------------------------------------------------

cdef inline bint is_digit(char c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef inline int32_t prefix_rank(char c) noexcept nogil:
    """K or k is 1, M is 2, up to E, which is 6; else 0."""
    if c == c'k' or c == c'K':
        return 1
    if c == c'M':
        return 2
    if c == c'G':
        return 3
    if c == c'T':
        return 4
    if c == c'P':
        return 5
    if c == c'E':
        return 6
    return 0


cdef scan_status_t scan_suffix(const char* text, Py_ssize_t stop, scan_t* scan) noexcept nogil:
    cdef Py_ssize_t at = scan.offset
    cdef Py_ssize_t left = stop - at
    cdef int32_t rank, exponent
    cdef bint minus
    scan.binary = False
    scan.exponent = 0
    if left == 0:
        return SCAN_OK
    rank = prefix_rank(text[at])
    if left == 2 and text[at + 1] == c'i' and rank and text[at] != c'k':
        scan.binary = True
        scan.exponent = 10 * rank
        return SCAN_OK
    if left == 1:
        if rank and text[at] != c'K':
            scan.exponent = 3 * rank
            return SCAN_OK
        if text[at] == c'm':
            scan.exponent = -3
            return SCAN_OK
        if text[at] == c'u':
            scan.exponent = -6
            return SCAN_OK
        if text[at] == c'n':
            scan.exponent = -9
            return SCAN_OK
        return SCAN_BAD_SUFFIX
    if text[at] != c'e' and text[at] != c'E':
        return SCAN_BAD_SUFFIX
    at += 1
    minus = text[at] == c'-'
    if minus or text[at] == c'+':
        at += 1
    if at == stop:
        return SCAN_BAD_SUFFIX
    exponent = 0
    while at < stop:
        if not is_digit(text[at]):
            scan.offset = at
            return SCAN_BAD_SUFFIX
        exponent = min(MAX_EXPONENT, 10 * exponent + (text[at] - c'0'))
        at += 1
    scan.exponent = -exponent if minus else exponent
    return SCAN_OK


cdef scan_status_t scan_quantity(
    const char* text,          # IN   borrowed for the call
    Py_ssize_t stop,           # IN   bytes of text, at most MAX_TEXT
    scan_t* scan,              # OUT  `offset` alone when the status is not SCAN_OK
) noexcept nogil:
    cdef Py_ssize_t at = 0
    cdef bint has_digits = False
    scan.mantissa = 0
    scan.negative = stop > 0 and text[0] == c'-'
    if stop > 0 and (text[0] == c'-' or text[0] == c'+'):
        at = 1
    while at < stop and text[at] == c'0':
        has_digits = True
        at += 1
    scan.whole_start = at
    while at < stop and is_digit(text[at]):
        has_digits = True
        scan.mantissa = 10 * scan.mantissa + <uint64_t>(text[at] - c'0')
        at += 1
    scan.whole_stop = at
    if at < stop and text[at] == c'.':
        at += 1
    scan.fraction_start = at
    while at < stop and is_digit(text[at]):
        has_digits = True
        scan.mantissa = 10 * scan.mantissa + <uint64_t>(text[at] - c'0')
        at += 1
    scan.fraction_stop = at
    scan.offset = at
    if not has_digits:
        return SCAN_NO_DIGITS
    return scan_suffix(text, stop, scan)


cdef inline u128_t power_of_ten(int32_t exponent) noexcept nogil:
    """10**exponent for 0 <= exponent <= 21."""
    cdef u128_t power = 1
    while exponent > 0:
        power *= 10
        exponent -= 1
    return power


cdef inline u128_t divide_up(u128_t value, u128_t divisor) noexcept nogil:
    return value // divisor + (value % divisor != 0)


cdef uint64_t short_decimal(const scan_t* scan, int32_t fraction, int32_t scale) noexcept nogil:
    """|text| * 10**scale rounded up, for at most 18 digits; 0 when that does not fit int64."""
    cdef int32_t exponent = scan.exponent - fraction + scale
    cdef u128_t scaled
    if scan.mantissa == 0:
        return 0
    if exponent < -MAX_SHORT_DIGITS:
        return 1
    if exponent < 0:
        return <uint64_t>divide_up(scan.mantissa, power_of_ten(-exponent))
    if exponent > MAX_SHORT_DIGITS:
        return 0
    scaled = <u128_t>scan.mantissa * power_of_ten(exponent)   # < 10**36
    return 0 if scaled > <u128_t>INT64_MAX else <uint64_t>scaled


cdef uint64_t short_binary(const scan_t* scan, int32_t fraction, int32_t scale) noexcept nogil:
    """|text| capped at 2**63 - 1, times 10**scale rounded up, modulo 2**64; at most 18 digits."""
    cdef u128_t units = (<u128_t>scan.mantissa) << scan.exponent       # < 10**18 * 2**60 < 2**120
    if units > <u128_t>INT64_MAX * power_of_ten(fraction):             # < 2**63 * 10**18 < 2**123
        return <uint64_t>INT64_MAX * <uint64_t>power_of_ten(scale)
    if fraction >= scale:
        return <uint64_t>divide_up(units, power_of_ten(fraction - scale))
    return <uint64_t>(units * power_of_ten(scale - fraction))          # < 2**63 * 10**3


cdef uint64_t wide_quantity(str text, const scan_t* scan, int32_t scale):
    """The same for any number of digits, exact, in Python integers; wraps modulo 2**64."""
    cdef object ten = 10       # an object, so that ** and * are Python's and cannot overflow
    cdef object limit = INT64_MAX
    cdef object numerator = int(
        text[scan.whole_start:scan.whole_stop] + text[scan.fraction_start:scan.fraction_stop]
    )
    cdef object denominator = ten ** (scan.fraction_stop - scan.fraction_start)
    if scan.binary:
        numerator = numerator << scan.exponent
        if numerator > limit * denominator:
            numerator = limit
            denominator = 1
        numerator = numerator * ten ** scale
    elif scan.exponent + scale >= 0:
        numerator = numerator * ten ** (scan.exponent + scale)
    else:
        denominator = denominator * ten ** -(scan.exponent + scale)
    return -(-numerator // denominator) % MODULUS


cdef int64_t read_quantity(str text, int32_t scale) except? -1:
    cdef scan_t scan
    cdef Py_ssize_t size = 0
    cdef const char* data = PyUnicode_AsUTF8AndSize(text, &size)
    cdef scan_status_t status
    cdef int32_t n_whole, n_fraction
    cdef uint64_t magnitude
    if size > MAX_TEXT:
        raise ParseError("quantity", f"got {size} bytes, want at most {MAX_TEXT}", MAX_TEXT)
    status = scan_quantity(data, size, &scan)
    if status == SCAN_NO_DIGITS:
        raise ParseError("quantity", f"got {text!r}, want a digit", scan.offset)
    if status == SCAN_BAD_SUFFIX:
        raise ParseError(
            "quantity", f"got {text!r}, want nothing, a suffix n u m k M G T P E Ki..Ei, or an exponent", scan.offset
        )
    n_whole = <int32_t>max(1, scan.whole_stop - scan.whole_start)
    n_fraction = <int32_t>(scan.fraction_stop - scan.fraction_start)
    if n_whole + n_fraction > MAX_SHORT_DIGITS:
        magnitude = wide_quantity(text, &scan, scale)
    elif scan.binary:
        magnitude = short_binary(&scan, n_fraction, scale)
    else:
        magnitude = short_decimal(&scan, n_fraction, scale)
    return <int64_t>(0 - magnitude if scan.negative else magnitude)


def parse_milli_value(str text not None):
    """Read a quantity as thousandths, rounded away from zero."""
    return read_quantity(text, 3)


def parse_value(str text not None):
    """Read a quantity as whole units, rounded away from zero."""
    return read_quantity(text, 0)


# ---- writing -------------------------------------------------------------------------------

cdef const char* DECIMAL_SUFFIXES = b"num\0kMGTPE"   # 10**-9 to 10**18 in steps of 10**3; NUL for none
cdef const char* BINARY_SUFFIXES = b"\0KMGTPE"

cdef inline uint64_t magnitude_of(int64_t value) noexcept nogil:
    return 0 - <uint64_t>value if value < 0 else <uint64_t>value


cdef Py_ssize_t write_number(bint negative, uint64_t magnitude, char* out) noexcept nogil:
    cdef char digits[20]
    cdef Py_ssize_t n = 0, at = 0
    if negative:
        out[0] = c'-'
        at = 1
    while True:
        digits[n] = <char>(c'0' + magnitude % 10)
        n += 1
        magnitude //= 10
        if magnitude == 0:
            break
    while n:
        n -= 1
        out[at] = digits[n]
        at += 1
    return at


cdef Py_ssize_t write_decimal(int64_t value, int step, char* out) noexcept nogil:
    """Writes value * 10**(3 * step - 9) with the largest suffix that needs no decimal point.

    Stripping all trailing zeros and stepping back to a multiple of three, as the rule is
    written, is the same as dividing by 1000 while nothing is lost.
    """
    cdef uint64_t magnitude = magnitude_of(value)
    cdef Py_ssize_t at
    if value == 0:
        out[0] = c'0'
        return 1
    while magnitude % 1000 == 0:
        magnitude //= 1000
        step += 1
    at = write_number(value < 0, magnitude, out)
    if DECIMAL_SUFFIXES[step]:
        out[at] = DECIMAL_SUFFIXES[step]
        at += 1
    return at


cdef Py_ssize_t write_cpu_millicores(int64_t millicores, char* out) noexcept nogil:
    return write_decimal(millicores, 2, out)


cdef Py_ssize_t write_cpu_nanocores(int64_t nanocores, char* out) noexcept nogil:
    return write_decimal(nanocores, 0, out)


cdef Py_ssize_t write_memory_bytes(int64_t n_bytes, char* out) noexcept nogil:
    cdef uint64_t magnitude = magnitude_of(n_bytes)
    cdef Py_ssize_t at
    cdef int step = 0
    if magnitude < 1024:
        return write_decimal(n_bytes, 3, out)
    while magnitude % 1024 == 0:
        magnitude //= 1024
        step += 1
    at = write_number(n_bytes < 0, magnitude, out)
    if step:
        out[at] = BINARY_SUFFIXES[step]
        out[at + 1] = c'i'
        at += 2
    return at


def format_cpu_millicores(int64_t millicores):
    """Write millicores as canonical CPU text: 1500 is "1500m", 2000 is "2"."""
    cdef char out[QUANTITY_MAX_CHARS]
    return PyUnicode_DecodeASCII(out, write_cpu_millicores(millicores, out), NULL)


def format_cpu_nanocores(int64_t nanocores):
    """Write nanocores as canonical CPU text: 1500 is "1500n", 250000000 is "250m"."""
    cdef char out[QUANTITY_MAX_CHARS]
    return PyUnicode_DecodeASCII(out, write_cpu_nanocores(nanocores, out), NULL)


def format_memory_bytes(int64_t n_bytes):
    """Write bytes as canonical memory text: 1536 is "1536", 2048 is "2Ki"."""
    cdef char out[QUANTITY_MAX_CHARS]
    return PyUnicode_DecodeASCII(out, write_memory_bytes(n_bytes, out), NULL)
