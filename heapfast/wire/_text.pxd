"""Text of JSON strings: escapes undone, and bytes that are no UTF-8 replaced.

In      what stands between the quotes, escapes already checked by the cursor
Out     UTF-8
Callers _read.pxd for names that are kept, _walk.pxd for odd member names; _exposition.pyx (utf8_length)
Source  Go's encoding/json: half a surrogate pair and every byte that is no UTF-8 become U+FFFD
Never   writes more than three bytes for one that it reads
"""
from heapfast._types cimport uint8_t, uint32_t, uint64_t
from heapfast.wire._scan cimport load64

cdef enum:
    REPLACEMENT = 0xFFFD


cdef inline bint is_ascii(const char* at, size_t size) noexcept nogil:
    cdef uint64_t seen = 0
    while size >= 8:
        seen |= load64(at)
        at += 8
        size -= 8
    while size:
        seen |= <uint64_t> (<uint8_t> at[0])
        at += 1
        size -= 1
    return seen & <uint64_t> 0x8080808080808080 == 0


cdef inline uint32_t hex4(const char* at) noexcept nogil:
    cdef uint32_t value = 0
    cdef int i
    for i in range(4):
        # '0'-'9' end in 0-9; 'A' and 'a' end in 1 and lack 9 to 10.
        value = value << 4 | ((<uint8_t> at[i] & 15) + (9 if at[i] > c'9' else 0))
    return value


cdef inline char* put_utf8(char* out, uint32_t rune) noexcept nogil:
    if rune < 0x80:
        out[0] = <char> rune
        return out + 1
    if rune < 0x800:
        out[0] = <char> (0xC0 | rune >> 6)
        out[1] = <char> (0x80 | (rune & 63))
        return out + 2
    if rune < 0x10000:
        out[0] = <char> (0xE0 | rune >> 12)
        out[1] = <char> (0x80 | (rune >> 6 & 63))
        out[2] = <char> (0x80 | (rune & 63))
        return out + 3
    out[0] = <char> (0xF0 | rune >> 18)
    out[1] = <char> (0x80 | (rune >> 12 & 63))
    out[2] = <char> (0x80 | (rune >> 6 & 63))
    out[3] = <char> (0x80 | (rune & 63))
    return out + 4


# Length of the UTF-8 sequence at `at`; 0 when there is none: cut short, overlong, a surrogate, or beyond U+10FFFF.
cdef inline int utf8_length(const char* at, const char* end) noexcept nogil:
    cdef:
        uint8_t lead = <uint8_t> at[0]
        uint8_t low = 0x80
        uint8_t high = 0xBF
        int n, i
    if lead < 0x80:
        return 1
    if 0xC2 <= lead <= 0xDF:
        n = 2
    elif 0xE0 <= lead <= 0xEF:
        n = 3
    elif 0xF0 <= lead <= 0xF4:
        n = 4
    else:
        return 0
    if end - at < n:
        return 0
    # Only the second byte has a narrower range, and only after these four.
    if lead == 0xE0:
        low = 0xA0
    elif lead == 0xED:
        high = 0x9F
    elif lead == 0xF0:
        low = 0x90
    elif lead == 0xF4:
        high = 0x8F
    if not low <= <uint8_t> at[1] <= high:
        return 0
    for i in range(2, n):
        if not 0x80 <= <uint8_t> at[i] <= 0xBF:
            return 0
    return n


# Room at `out`: 3 * size bytes.
cdef inline size_t decode_json(const char* raw, size_t size, char* out) noexcept nogil:
    cdef:
        const char* end = raw + size
        char* start = out
        uint32_t rune, second
        char kind
        int n
    while raw < end:
        if raw[0] != c'\\':
            n = utf8_length(raw, end)
            if n == 0:
                out = put_utf8(out, REPLACEMENT)
                raw += 1
                continue
            while n > 0:
                out[0] = raw[0]
                out += 1
                raw += 1
                n -= 1
            continue
        kind = raw[1]
        raw += 2
        if kind != c'u':
            rune = <uint8_t> kind
            if rune == c'b':
                rune = 8
            elif rune == c't':
                rune = 9
            elif rune == c'n':
                rune = 10
            elif rune == c'f':
                rune = 12
            elif rune == c'r':
                rune = 13
            out = put_utf8(out, rune)
            continue
        rune = hex4(raw)
        raw += 4
        if 0xD800 <= rune <= 0xDFFF:
            second = hex4(raw + 2) if end - raw >= 6 and raw[0] == c'\\' and raw[1] == c'u' else 0
            if rune <= 0xDBFF and 0xDC00 <= second <= 0xDFFF:
                rune = 0x10000 + ((rune - 0xD800) << 10) + (second - 0xDC00)
                raw += 6
            else:
                rune = REPLACEMENT
        out = put_utf8(out, rune)
    return <size_t> (out - start)
