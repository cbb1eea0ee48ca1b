"""One value of the answer at a time: counts, times, text, flags, and what to do when it is none of these.

In      a cursor on a value
Out     READ_OK and the value; READ_NULL; or READ_BAD, and the value was counted as bad and passed over
Callers _summary.pyx, _cadvisor.pyx, _sample.pyx, _resource_rows.pxd
Source  spec/heapster-pipeline.md 3.5 and 3.6. There one bad number loses the whole node; here it loses itself
        (design.md section 6, Q15)
Never   leaves the cursor inside the value; `out` is written only with READ_OK
"""
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport strtod
from libc.string cimport memcpy

from heapfast._types cimport int64_t, span_t, time_zero, uint32_t, uint64_t
from heapfast.codec._rfc3339 cimport parse_rfc3339
from heapfast.wire._cursor cimport (
    CURSOR_MEMORY,
    CURSOR_NUMBER,
    CURSOR_TOKEN,
    cursor_t,
    fail,
    peek,
    pass_number,
    scan_string,
    scan_word,
    skip_fraction,
    skip_value,
    string_t,
)
from heapfast.wire._rows cimport Rows
from heapfast.wire._scan cimport take_digits
from heapfast.wire._text cimport decode_json, is_ascii


cdef enum read_t:
    READ_OK = 0
    READ_NULL = 1
    READ_BAD = 2

cdef enum:
    FLOAT_TEXT_MAX = 400       # bytes of a float; no program writes more than 25
    INT64_DIGITS = 19


# Counts what stands at the cursor as bad and passes over it; null is no fault.
cdef inline read_t read_other(cursor_t* c, Rows rows) noexcept nogil:
    if peek(c) == c'n':
        scan_word(c, "null")
        return READ_NULL
    rows.note_bad(c.at - c.start)
    skip_value(c)
    return READ_BAD


# Enters an object or an array: the cursor is behind its bracket then.
cdef inline bint enter(cursor_t* c, Rows rows, char bracket) noexcept nogil:
    if peek(c) != bracket:
        read_other(c, rows)
        return False
    c.at += 1
    return True


# An unsigned integer that fits int64.
cdef inline read_t read_count(cursor_t* c, Rows rows, int64_t* out) noexcept nogil:
    cdef:
        const char* start = c.at
        uint64_t value
        Py_ssize_t n = take_digits(c.at, c.end, &value)
    if n == 0:
        return read_other(c, rows)
    c.at += n
    if n > 1 and start[0] == c'0':
        c.at = start + 1
        fail(c, CURSOR_NUMBER)
        return READ_BAD
    if (peek(c) == c'.' or peek(c) | 0x20 == c'e') and not skip_fraction(c) or (
            n > INT64_DIGITS or value > <uint64_t> INT64_MAX):
        rows.note_bad(start - c.start)
        return READ_BAD
    out[0] = <int64_t> value
    return READ_OK


# An integer that fits int64 but for the least, which means "absent" in columns.
cdef inline read_t read_signed(cursor_t* c, Rows rows, int64_t* out) noexcept nogil:
    cdef bint negative = peek(c) == c'-'
    cdef read_t status
    if negative:
        c.at += 1
        if not c'0' <= peek(c) <= c'9':
            fail(c, CURSOR_TOKEN if c.at == c.end else CURSOR_NUMBER)
            return READ_BAD
    status = read_count(c, rows, out)
    if status == READ_OK and negative:
        out[0] = -out[0]
    return status


# A string's text: borrowed from the body, or from the arena where it stands otherwise in the body. Once a string: the
# arena has room for that. False: no memory.
cdef inline bint own_text(Rows rows, const string_t* text, span_t* out) noexcept nogil:
    cdef char* copy
    if not text.escaped and is_ascii(text.ptr, text.len):
        out.ptr = text.ptr
        out.len = text.len
        return True
    copy = rows.reserve(3 * <size_t> text.len)
    if copy == NULL:
        return False
    out.ptr = copy
    out.len = <uint32_t> decode_json(text.ptr, text.len, copy)
    return True


cdef inline read_t read_text(cursor_t* c, Rows rows, span_t* out) noexcept nogil:
    cdef string_t text
    if peek(c) != c'"':
        return read_other(c, rows)
    if not scan_string(c, &text):
        return READ_BAD
    if not own_text(rows, &text, out):
        fail(c, CURSOR_MEMORY)
        return READ_BAD
    return READ_OK


# An RFC 3339 time. Whatever it is, *out_ns is set: time_zero() where there is none.
cdef inline void read_time(cursor_t* c, Rows rows, int64_t* out_ns) noexcept nogil:
    cdef span_t text
    cdef const char* start = c.at
    out_ns[0] = time_zero()
    if read_text(c, rows, &text) == READ_OK and not parse_rfc3339(text.ptr, text.len, out_ns):
        rows.note_bad(start - c.start)


# Any JSON number, as the nearest double; one beyond the range of a double is bad.
cdef inline read_t read_float(cursor_t* c, Rows rows, double* out) noexcept nogil:
    cdef:
        const char* start = c.at
        char[FLOAT_TEXT_MAX + 1] text
        size_t size
        double value
    if peek(c) != c'-' and not c'0' <= peek(c) <= c'9':
        return read_other(c, rows)
    c.at = pass_number(c, start)
    if c.error:
        return READ_BAD
    size = <size_t> (c.at - start)
    if size <= FLOAT_TEXT_MAX:
        # strtod wants a NUL, and the body may end right here. Python leaves LC_NUMERIC at "C".
        memcpy(text, start, size)
        text[size] = 0
        value = strtod(text, NULL)
        if value - value == 0:
            out[0] = value
            return READ_OK
    rows.note_bad(start - c.start)
    return READ_BAD


# true or false. Anything else counts as false.
cdef inline bint read_flag(cursor_t* c, Rows rows) noexcept nogil:
    if peek(c) == c't':
        return scan_word(c, "true")
    if peek(c) == c'f':
        scan_word(c, "false")
    else:
        read_other(c, rows)
    return False
