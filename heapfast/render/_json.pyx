"""The JSON writer: strings, numbers and times as Heapster's clients know them.

In      C values, texts of a batch
Out     bytes of JSON, HTML-safe as Go's encoder writes it
Callers every compiled writer of this folder
Source  spec/heapster-rest.md 2.1 to 2.5
Never   knows what an answer means, needs the GIL before `take`
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from heapfast._types cimport int32_t, time_zero, uint8_t
from heapfast.codec._float cimport FLOAT_MAX, write_double
from heapfast.codec._rfc3339 cimport format_rfc3339

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    cdef struct tm:
        long tm_gmtoff         # seconds east of UTC; glibc, musl and the BSDs have it
    tm* localtime_r(const time_t*, tm*)

cdef enum:
    BUFFER_FIRST = 4096        # bytes of the first allocation
    COPY_INLINE = 65536        # bytes that are copied without letting go of the GIL
    INT_MAX_LEN = 20           # "-9223372036854775808"
    NS_PER_SECOND = 1000000000

cdef const char* HEX = b"0123456789abcdef"

# What to do with a byte inside a string: 0 copy, 1 look closer (escape, or part of a longer rune).
cdef uint8_t SPECIAL[256]


cdef void _fill_special() noexcept:
    cdef int c
    for c in range(256):
        SPECIAL[c] = c < 0x20 or c >= 0x80 or c in (0x22, 0x5C, 0x3C, 0x3E, 0x26)


_fill_special()


cdef class JsonBuffer:
    """A growing buffer of JSON; one per answer, or taken again and again."""

    def __dealloc__(self):
        free(self.buffer.data)

    cdef bytes take(self):
        """Return what was written and start anew; the memory stays for the next answer."""
        cdef Py_ssize_t n = self.buffer.len
        cdef const char* data = self.buffer.data
        cdef bytes body
        cdef char* out
        self.buffer.len = 0
        if self.buffer.failed:
            self.buffer.failed = False
            raise MemoryError("cannot render an answer: out of memory")
        if n <= COPY_INLINE:
            return PyBytes_FromStringAndSize(data, n)
        # Copying 20 MB into fresh pages takes 6 ms, which the loop would spend waiting for the GIL.
        body = PyBytes_FromStringAndSize(NULL, n)
        out = PyBytes_AS_STRING(body)
        with nogil:
            memcpy(out, data, n)
        return body


cdef bint grow(buffer_t* buffer, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t cap = max(<Py_ssize_t>BUFFER_FIRST, buffer.cap * 2)
    cdef char* data
    if buffer.failed:
        return False
    while cap - buffer.len < n:
        cap *= 2
    data = <char*>realloc(buffer.data, cap)
    if data == NULL:
        buffer.failed = True
        return False
    buffer.data = data
    buffer.cap = cap
    return True


cdef void put_text(buffer_t* buffer, const text_t* text) noexcept nogil:
    if text == NULL:
        put_literal(buffer, b'""')
    else:
        put_string(buffer, text.data, text.len)


cdef void put_string(buffer_t* buffer, const char* ptr, Py_ssize_t n) noexcept nogil:
    put_char(buffer, c'"')
    put_content(buffer, ptr, n)
    put_char(buffer, c'"')


cdef void put_content(buffer_t* buffer, const char* ptr, Py_ssize_t n) noexcept nogil:
    cdef const uint8_t* s = <const uint8_t*>ptr
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t start = 0          # of the run of plain bytes not yet copied
    cdef Py_ssize_t width
    while i < n:
        if not SPECIAL[s[i]]:
            i += 1
            continue
        if s[i] >= 0x80:
            width = rune_width(s + i, n - i)
            if width and not _is_line_separator(s + i, width):
                i += width
                continue
            put_raw(buffer, ptr + start, i - start)
            if width:
                put_literal(buffer, b"\\u2028" if s[i + 2] == 0xA8 else b"\\u2029")
                i += width
            else:
                put_literal(buffer, b"\\ufffd")
                i += 1
        else:
            put_raw(buffer, ptr + start, i - start)
            _put_escaped(buffer, s[i])
            i += 1
        start = i
    put_raw(buffer, ptr + start, n - start)


cdef void put_int(buffer_t* buffer, int64_t value) noexcept nogil:
    cdef char text[INT_MAX_LEN]
    cdef int i = INT_MAX_LEN
    cdef uint64_t rest = <uint64_t>value
    if value < 0:
        rest = 0 - rest                # the one way that is right for INT64_MIN too
    while True:
        i -= 1
        text[i] = c"0" + <char>(rest % 10)
        rest //= 10
        if rest == 0:
            break
    if value < 0:
        put_char(buffer, c"-")
    put_raw(buffer, text + i, INT_MAX_LEN - i)


cdef void put_double(buffer_t* buffer, double value) noexcept nogil:
    cdef Py_ssize_t n
    if reserve(buffer, FLOAT_MAX):
        n = write_double(value, buffer.data + buffer.len)
        if n:
            buffer.len += n
        else:
            put_literal(buffer, b"null")  # NaN and infinities are absent samples: kernels keep them out


cdef void put_time(buffer_t* buffer, int64_t time_ns) noexcept nogil:
    """RFC 3339 with as many decimals as needed, in the process's own time zone, quoted."""
    if reserve(buffer, TIME_MAX_LEN):
        buffer.len += write_time(time_ns, buffer.data + buffer.len)


cdef void put_utc_seconds(buffer_t* buffer, int64_t time_ns) noexcept nogil:
    """RFC 3339 in UTC, fraction dropped, quoted; null for no time."""
    if time_ns == time_zero():
        put_literal(buffer, b"null")
    elif reserve(buffer, TIME_MAX_LEN):
        put_char(buffer, c'"')
        buffer.len += format_rfc3339(_floor_seconds(time_ns) * NS_PER_SECOND, 0, buffer.data + buffer.len)
        put_char(buffer, c'"')


cdef Py_ssize_t write_time(int64_t time_ns, char* out) noexcept nogil:
    cdef int n
    # Year 1 stands for "no time" and is the same in every zone.
    cdef int32_t offset = 0 if time_ns == time_zero() else _zone_offset(_floor_seconds(time_ns))
    out[0] = c'"'
    n = format_rfc3339(time_ns, offset, out + 1)
    out[n + 1] = c'"'
    return n + 2


# Bytes of the UTF-8 rune at `s`, or 0 where there is none: a bad or cut sequence, an overlong form,
# a surrogate, or past U+10FFFF.
cdef Py_ssize_t rune_width(const uint8_t* s, Py_ssize_t n) noexcept nogil:
    cdef uint8_t low = 0x80
    cdef uint8_t high = 0xBF
    cdef Py_ssize_t width
    cdef Py_ssize_t i
    if 0xC2 <= s[0] <= 0xDF:
        width = 2
    elif 0xE0 <= s[0] <= 0xEF:
        width = 3
        if s[0] == 0xE0:
            low = 0xA0
        elif s[0] == 0xED:
            high = 0x9F
    elif 0xF0 <= s[0] <= 0xF4:
        width = 4
        if s[0] == 0xF0:
            low = 0x90
        elif s[0] == 0xF4:
            high = 0x8F
    else:
        return 0
    if n < width or s[1] < low or s[1] > high:
        return 0
    for i in range(2, width):
        if s[i] & 0xC0 != 0x80:
            return 0
    return width


# U+2028 and U+2029 end a line in JavaScript, which may not happen inside a string.
cdef inline bint _is_line_separator(const uint8_t* s, Py_ssize_t width) noexcept nogil:
    return width == 3 and s[0] == 0xE2 and s[1] == 0x80 and (s[2] == 0xA8 or s[2] == 0xA9)


cdef void _put_escaped(buffer_t* buffer, uint8_t c) noexcept nogil:
    put_char(buffer, c"\\")
    if c == c'"' or c == c"\\":
        put_char(buffer, <char>c)
    elif c == c"\n":
        put_char(buffer, c"n")
    elif c == c"\r":
        put_char(buffer, c"r")
    elif c == c"\t":
        put_char(buffer, c"t")
    else:
        put_literal(buffer, b"u00")
        put_char(buffer, HEX[c >> 4])
        put_char(buffer, HEX[c & 15])


cdef inline int64_t _floor_seconds(int64_t time_ns) noexcept nogil:
    cdef int64_t seconds = time_ns // NS_PER_SECOND
    # C division, which the release build uses, rounds towards zero: a no-op in the debug build.
    return seconds - 1 if seconds * NS_PER_SECOND > time_ns else seconds


# Seconds east of UTC at a moment. An image without zone data, the usual case, is at UTC.
cdef inline int32_t _zone_offset(int64_t seconds) noexcept nogil:
    cdef time_t when = <time_t>seconds
    cdef tm local
    if localtime_r(&when, &local) == NULL:
        return 0
    return <int32_t>local.tm_gmtoff


def render_scalars(items) -> bytes:
    """Return a compact list of strings (bytes), integers, doubles, and times ("time", ns) or ("utc", ns).

    The Python door to this module; the answers themselves are written by its neighbours.
    """
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    cdef bytes raw
    put_char(buffer, c"[")
    for i, item in enumerate(items):
        if i:
            put_char(buffer, c",")
        if isinstance(item, bytes):
            raw = item
            put_string(buffer, raw, len(raw))
        elif isinstance(item, float):
            put_double(buffer, item)
        elif isinstance(item, int):
            put_int(buffer, item)
        elif item[0] == "time":
            put_time(buffer, item[1])
        else:
            put_utc_seconds(buffer, item[1])
    put_char(buffer, c"]")
    return owner.take()
