"""A bounded cursor over JSON text: tokens, and skipping whole values.

In      a body, whole in memory; it need not end in NUL
Out     the position of what was read; a value that nobody wants is checked and passed over
Callers _walk.pxd, _read.pxd, and the parsers
Source  RFC 8259, as strict as Go's encoding/json: no control characters in strings, no leading zeros
Never   reads at or beyond `end`, allocates, or stops half-way: the first error moves the cursor to the end, so that
        every loop over it finishes by itself and only the door has to look
"""
from heapfast._types cimport uint8_t, uint32_t, uint64_t
from heapfast.wire._scan cimport find_stop, skip_blanks, take_digits


cdef enum cursor_error_t:
    CURSOR_OK = 0
    CURSOR_END = 1             # the text stops inside a value
    CURSOR_TOKEN = 2           # a byte that cannot stand here
    CURSOR_STRING = 3          # a control character or an unknown escape in a string
    CURSOR_NUMBER = 4          # a leading zero, or a point or exponent without digits
    CURSOR_DEPTH = 5           # more than JSON_DEPTH_MAX levels inside each other
    CURSOR_MEMORY = 6          # no memory for rows or text

cdef enum:
    JSON_DEPTH_MAX = 512       # levels of a value that is passed over; kubelets nest 7 deep

cdef struct cursor_t:
    const char* start          # borrowed from the caller, as are the others
    const char* at
    const char* end
    const char* error_at       # where the first error is
    int error                  # CURSOR_*

# A string as it stands in the text, between its quotes.
cdef struct string_t:
    const char* ptr
    uint32_t len
    bint plain                 # ASCII without escapes: the bytes are the text


cdef inline const char* cursor_message(int error) noexcept nogil:
    if error == CURSOR_END:
        return "got the end, want more JSON"
    if error == CURSOR_STRING:
        return "got a control character or an unknown escape in a string, want JSON"
    if error == CURSOR_NUMBER:
        return "got a malformed number, want JSON"
    if error == CURSOR_DEPTH:
        return "got more than 512 levels of nesting"
    return "got an unexpected byte, want JSON"


cdef inline void fail(cursor_t* c, int error) noexcept nogil:
    if c.error == CURSOR_OK:
        c.error = CURSOR_END if c.at == c.end and error == CURSOR_TOKEN else error
        c.error_at = c.at
    c.at = c.end


# The byte at the cursor; 0 at the end, which no JSON token starts with.
cdef inline char peek(const cursor_t* c) noexcept nogil:
    return c.at[0] if c.at < c.end else 0


# The first byte that is no blank; the cursor is on it then.
cdef inline char peek_token(cursor_t* c) noexcept nogil:
    c.at = skip_blanks(c.at, c.end)
    return peek(c)


cdef inline bint is_hex(char byte) noexcept nogil:
    return c'0' <= byte <= c'9' or c'a' <= (byte | 0x20) <= c'f'


# Steps over the escape whose backslash is at the cursor.
cdef inline bint skip_escape(cursor_t* c) noexcept nogil:
    cdef int _
    c.at += 1
    cdef char kind = peek(c)
    if kind == c'u':
        for _ in range(4):
            c.at += 1
            if not is_hex(peek(c)):
                fail(c, CURSOR_TOKEN if c.at == c.end else CURSOR_STRING)
                return False
    elif (kind != c'"' and kind != c'\\' and kind != c'/' and kind != c'b' and kind != c'f' and kind != c'n'
            and kind != c'r' and kind != c't'):
        fail(c, CURSOR_TOKEN if c.at == c.end else CURSOR_STRING)
        return False
    c.at += 1
    return True


# Reads the string whose opening quote is at the cursor.
cdef inline bint scan_string(cursor_t* c, string_t* out) noexcept nogil:
    cdef uint32_t odd = 0
    c.at += 1
    out.ptr = c.at
    while True:
        c.at = find_stop(c.at, c.end, &odd)
        if peek(c) == c'"':
            out.len = <uint32_t> (c.at - out.ptr)
            out.plain = odd == 0
            c.at += 1
            return True
        if peek(c) != c'\\':
            fail(c, CURSOR_TOKEN if c.at == c.end else CURSOR_STRING)
            return False
        odd = 1
        if not skip_escape(c):
            return False


# Steps over the word true, false or null.
cdef inline bint scan_word(cursor_t* c, const char* word) noexcept nogil:
    while word[0]:
        if peek(c) != word[0]:
            fail(c, CURSOR_TOKEN)
            return False
        word += 1
        c.at += 1
    return True


# Steps over a run of digits; no digit is an error.
cdef inline bint skip_digits(cursor_t* c) noexcept nogil:
    cdef uint64_t value
    cdef Py_ssize_t n = take_digits(c.at, c.end, &value)
    c.at += n
    if n == 0:
        fail(c, CURSOR_TOKEN if c.at == c.end else CURSOR_NUMBER)
        return False
    return True


# Steps over what may follow the integer part of a number. True when there was nothing.
cdef inline bint skip_fraction(cursor_t* c) noexcept nogil:
    cdef bint none = True
    if peek(c) == c'.':
        none = False
        c.at += 1
        if not skip_digits(c):
            return False
    if peek(c) | 0x20 == c'e':
        none = False
        c.at += 1
        if peek(c) == c'+' or peek(c) == c'-':
            c.at += 1
        skip_digits(c)
    return none


cdef inline void skip_number(cursor_t* c) noexcept nogil:
    if peek(c) == c'-':
        c.at += 1
    if peek(c) == c'0':
        c.at += 1
        if c'0' <= peek(c) <= c'9':
            fail(c, CURSOR_NUMBER)
            return
    elif not skip_digits(c):
        return
    skip_fraction(c)


# Passes over one value of any kind. `depth` is how many values of this skip are open around it.
cdef inline void skip_value(cursor_t* c, int depth) noexcept nogil:
    cdef:
        string_t text
        char first = peek_token(c)
        char close
    if first == c'"':
        scan_string(c, &text)
    elif first == c'-' or c'0' <= first <= c'9':
        skip_number(c)
    elif first == c't':
        scan_word(c, "true")
    elif first == c'f':
        scan_word(c, "false")
    elif first == c'n':
        scan_word(c, "null")
    elif first == c'{' or first == c'[':
        if depth == JSON_DEPTH_MAX:
            fail(c, CURSOR_DEPTH)
            return
        close = c'}' if first == c'{' else c']'
        c.at += 1
        if peek_token(c) == close:
            c.at += 1
            return
        while True:
            if close == c'}':
                if peek_token(c) != c'"':
                    fail(c, CURSOR_TOKEN)
                    return
                if not scan_string(c, &text):
                    return
                if peek_token(c) != c':':
                    fail(c, CURSOR_TOKEN)
                    return
                c.at += 1
            skip_value(c, depth + 1)
            first = peek_token(c)
            if first == close:
                c.at += 1
                return
            if first != c',':
                fail(c, CURSOR_TOKEN)
                return
            c.at += 1
    else:
        fail(c, CURSOR_TOKEN)
