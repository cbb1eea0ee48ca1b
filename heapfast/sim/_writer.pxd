"""A growing buffer of bytes, and how numbers, times and indented JSON go into it.

In      C values
Out     bytes in out_t; `failed` after a refused allocation
Callers _bodies.pyx, _blocks.pxd, _lines.pxd
Never   raises or needs the GIL; all inline, so there is no module behind it
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy, strlen


cdef enum:
    MAX_DEPTH = 24                     # deepest indentation any answer needs

cdef struct out_t:
    char* data                         # owned by who holds the struct; never freed while the process lives
    size_t len
    size_t cap
    bint failed                        # out of memory; what was put since is lost

cdef inline bint out_grow(out_t* out, size_t more) noexcept nogil:
    cdef size_t cap = (out.cap or 65536) * 2
    cdef char* data
    while cap < out.len + more:
        cap *= 2
    data = <char*>realloc(out.data, cap)
    if data == NULL:
        out.failed = True
        return False
    out.data = data
    out.cap = cap
    return True


cdef inline void put(out_t* out, const char* text, size_t size) noexcept nogil:
    if out.len + size > out.cap and not out_grow(out, size):
        return
    memcpy(out.data + out.len, text, size)
    out.len += size


cdef inline void put_text(out_t* out, const char* text) noexcept nogil:
    put(out, text, strlen(text))


cdef inline bint out_reserve(out_t* out, size_t size) noexcept nogil:
    """Room for `size` more bytes, which the caller then writes at data + len."""
    return out.len + size <= out.cap or out_grow(out, size)


cdef inline void two_digits(char* at, int64_t value) noexcept nogil:
    at[0] = <char>(48 + value // 10)
    at[1] = <char>(48 + value % 10)


cdef inline void put_int(out_t* out, int64_t value) noexcept nogil:
    cdef char digits[24]
    cdef int at = 24
    cdef uint64_t rest = <uint64_t>(-value) if value < 0 else <uint64_t>value
    while rest >= 100:
        at -= 2
        two_digits(&digits[at], <int64_t>(rest % 100))
        rest //= 100
    if rest >= 10:
        at -= 2
        two_digits(&digits[at], <int64_t>rest)
    else:
        at -= 1
        digits[at] = <char>(48 + rest)
    if value < 0:
        at -= 1
        digits[at] = 45
    put(out, &digits[at], 24 - at)


cdef inline void put_padded(out_t* out, int64_t value, int width) noexcept nogil:
    cdef char digits[8]
    cdef int i
    for i in range(width):
        digits[width - 1 - i] = <char>(48 + value % 10)
        value //= 10
    put(out, digits, width)


cdef inline void put_hex(out_t* out, uint64_t value, int width) noexcept nogil:
    """The lowest `width` hex digits of value."""
    cdef const char* names = b"0123456789abcdef"
    cdef char digits[16]
    cdef int i
    for i in range(width):
        digits[width - 1 - i] = names[value & 15]
        value >>= 4
    put(out, digits, width)


cdef inline void put_time(out_t* out, int64_t unix_ms, bint with_ms) noexcept nogil:
    """RFC 3339 in UTC, whole seconds or milliseconds (days to date: the era method, no tables)."""
    cdef int64_t seconds = unix_ms // 1000
    cdef int64_t days = seconds // 86400
    cdef int64_t second = seconds - days * 86400
    cdef int64_t shifted = days + 719468
    cdef int64_t era = shifted // 146097
    cdef int64_t day_of_era = shifted - era * 146097
    cdef int64_t year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    cdef int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef int64_t month = (5 * day_of_year + 2) // 153
    cdef int64_t day = day_of_year - (153 * month + 2) // 5 + 1
    cdef int64_t year
    cdef char* at
    month = month + 3 if month < 10 else month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    if not out_reserve(out, 24):
        return
    at = out.data + out.len
    memcpy(at, b"0000-00-00T00:00:00", 19)
    two_digits(at, year // 100)
    two_digits(at + 2, year % 100)
    two_digits(at + 5, month)
    two_digits(at + 8, day)
    two_digits(at + 11, second // 3600)
    two_digits(at + 14, second // 60 % 60)
    two_digits(at + 17, second % 60)
    out.len += 19
    if with_ms:
        put(out, b".", 1)
        put_padded(out, unix_ms - seconds * 1000, 3)
    put(out, b"Z", 1)


cdef inline void put_micros(out_t* out, int64_t micros) noexcept nogil:
    """A number of millionths, not negative, as Prometheus' Go client prints it: shortest, exponent from 1e+06."""
    cdef char digits[24]
    cdef int n = 0, at = 24, exponent, i, _
    cdef int64_t rest = micros
    if micros == 0:
        put(out, b"0", 1)
        return
    while rest:
        at -= 1
        digits[at] = <char>(48 + rest % 10)
        rest //= 10
    n = 24 - at
    exponent = n - 7                   # of the first digit
    while n > 1 and digits[at + n - 1] == 48:
        n -= 1
    if exponent < -4 or exponent >= 6:
        put(out, &digits[at], 1)
        if n > 1:
            put(out, b".", 1)
            put(out, &digits[at + 1], n - 1)
        if exponent >= 0:
            put(out, b"e+", 2)
            put_padded(out, exponent, 2)
        else:
            put(out, b"e-", 2)
            put_padded(out, -exponent, 2)
        return
    if exponent < 0:
        put(out, b"0.", 2)
        for _ in range(-exponent - 1):
            put(out, b"0", 1)
        put(out, &digits[at], n)
        return
    for i in range(exponent + 1):
        if i < n:
            put(out, &digits[at + i], 1)
        else:
            put(out, b"0", 1)
    if n > exponent + 1:
        put(out, b".", 1)
        put(out, &digits[at + exponent + 1], n - exponent - 1)


# ---------------------------------------------------------------------------------------------
# Indented JSON: a value writes its own comma and line break, by what stands before it.

cdef inline void next_line(out_t* out, int depth) noexcept nogil:
    cdef char* at
    if out.len == 0 or not out_reserve(out, 2 + MAX_DEPTH):
        return
    at = out.data + out.len
    if (at - 1)[0] != 123 and (at - 1)[0] != 91: # { and [ open a list of values
        at[0] = 44
        at += 1
    memcpy(at, b"\n                        ", 1 + MAX_DEPTH)
    out.len = at - out.data + 1 + (depth if depth < MAX_DEPTH else MAX_DEPTH)


cdef inline void put_key(out_t* out, int depth, const char* key) noexcept nogil:
    cdef size_t size = strlen(key)
    cdef char* at
    next_line(out, depth)
    if not out_reserve(out, size + 4):
        return
    at = out.data + out.len
    at[0] = 34
    memcpy(at + 1, key, size)
    memcpy(at + 1 + size, b'": ', 3)
    out.len += size + 4


cdef inline void open_object(out_t* out, int depth, const char* key) noexcept nogil:
    put_key(out, depth, key)
    put(out, b"{", 1)


cdef inline void open_list(out_t* out, int depth, const char* key) noexcept nogil:
    put_key(out, depth, key)
    put(out, b"[", 1)


cdef inline void open_item(out_t* out, int depth) noexcept nogil:
    next_line(out, depth)
    put(out, b"{", 1)


cdef inline void close_with(out_t* out, int depth, const char* bracket) noexcept nogil:
    put(out, b"\n                        ", 1 + (depth if depth < MAX_DEPTH else MAX_DEPTH))
    put(out, bracket, 1)


cdef inline void close_object(out_t* out, int depth) noexcept nogil:
    close_with(out, depth, b"}")


cdef inline void close_list(out_t* out, int depth) noexcept nogil:
    close_with(out, depth, b"]")


cdef inline void int_field(out_t* out, int depth, const char* key, int64_t value) noexcept nogil:
    put_key(out, depth, key)
    put_int(out, value)


cdef inline void word_field(out_t* out, int depth, const char* key, const char* word) noexcept nogil:
    put_key(out, depth, key)
    put_text(out, word)


cdef inline void text_field(out_t* out, int depth, const char* key, const char* text) noexcept nogil:
    put_key(out, depth, key)
    put(out, b'"', 1)
    put_text(out, text)
    put(out, b'"', 1)


cdef inline void time_field(out_t* out, int depth, const char* key, int64_t unix_ms, bint with_ms) noexcept nogil:
    put_key(out, depth, key)
    put(out, b'"', 1)
    put_time(out, unix_ms, with_ms)
    put(out, b'"', 1)
