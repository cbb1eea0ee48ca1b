"""A bounded cursor over JSON text: tokens, and skipping whole values.

In      a body, whole in memory; it need not end in NUL
Out     the position of what was read; a value that nobody wants is checked and passed over
Callers _walk.pxd, _read.pxd, and the parsers
Source  RFC 8259, as strict as Go's encoding/json: no control characters in strings, no leading zeros
Never   reads at or beyond `end`, allocates, or stops half-way: the first error moves the cursor to the end, so that
        every loop over it finishes by itself and only the door has to look
"""
from heapfast._types cimport uint32_t, uint64_t
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
    bint escaped               # there are backslashes in it


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


cdef inline void fail_at(cursor_t* c, const char* at, int error) noexcept nogil:
    c.at = at
    fail(c, error)


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
    cdef const char* at = find_stop(c.at + 1, c.end)
    out.ptr = c.at + 1
    out.escaped = False
    while at < c.end and at[0] == c'\\':
        out.escaped = True
        c.at = at
        if not skip_escape(c):
            return False
        at = find_stop(c.at, c.end)
    if at == c.end or at[0] != c'"':
        fail_at(c, at, CURSOR_TOKEN if at == c.end else CURSOR_STRING)
        return False
    out.len = <uint32_t> (at - out.ptr)
    c.at = at + 1
    return True


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


# The functions below take a position and return the one behind, or the end after an error: what runs through most bytes
# of a body keeps its position in a register. Storing it in the cursor at each token cost a quarter of the speed.

# Passes over the number at `at`.
cdef inline const char* pass_number(cursor_t* c, const char* at) noexcept nogil:
    cdef uint64_t value
    cdef Py_ssize_t n
    if at[0] == c'-':
        at += 1
    n = take_digits(at, c.end, &value)
    if n == 0:
        fail_at(c, at, CURSOR_TOKEN if at == c.end else CURSOR_NUMBER)
        return c.end
    if n > 1 and at[0] == c'0':
        fail_at(c, at + 1, CURSOR_NUMBER)
        return c.end
    at += n
    if at < c.end and (at[0] == c'.' or at[0] | 0x20 == c'e'):
        c.at = at
        skip_fraction(c)
        return c.at
    return at


# Passes over the string whose opening quote is at `at`.
cdef inline const char* pass_string(cursor_t* c, const char* at) noexcept nogil:
    at = find_stop(at + 1, c.end)
    while at < c.end and at[0] == c'\\':
        c.at = at
        if not skip_escape(c):
            return c.end
        at = find_stop(c.at, c.end)
    if at < c.end and at[0] == c'"':
        return at + 1
    fail_at(c, at, CURSOR_TOKEN if at == c.end else CURSOR_STRING)
    return c.end


# Passes over true, false, null, or what is no value at all.
cdef inline const char* pass_word(cursor_t* c, const char* at) noexcept nogil:
    c.at = at
    if peek(c) == c't':
        scan_word(c, "true")
    elif peek(c) == c'f':
        scan_word(c, "false")
    elif peek(c) == c'n':
        scan_word(c, "null")
    else:
        fail(c, CURSOR_TOKEN)
    return c.at


# Passes over one value. `depth` is how many values are open around it in this pass.
cdef inline const char* pass_value(cursor_t* c, const char* at, int depth) noexcept nogil:
    cdef char close
    if at == c.end:
        fail_at(c, at, CURSOR_TOKEN)
        return at
    if at[0] == c'"':
        return pass_string(c, at)
    if c'0' <= at[0] <= c'9' or at[0] == c'-':
        return pass_number(c, at)
    if at[0] != c'{' and at[0] != c'[':
        return pass_word(c, at)
    if depth == JSON_DEPTH_MAX:
        fail_at(c, at, CURSOR_DEPTH)
        return c.end
    close = c'}' if at[0] == c'{' else c']'
    at = skip_blanks(at + 1, c.end)
    if at < c.end and at[0] == close:
        return at + 1
    while True:
        if close == c'}':
            if at == c.end or at[0] != c'"':
                break
            at = skip_blanks(pass_string(c, at), c.end)
            if at == c.end or at[0] != c':':
                break
            at = skip_blanks(at + 1, c.end)
        at = skip_blanks(pass_value(c, at, depth + 1), c.end)
        if at < c.end and at[0] == c',':
            at = skip_blanks(at + 1, c.end)
        elif at < c.end and at[0] == close:
            return at + 1
        else:
            break
    fail_at(c, at, CURSOR_TOKEN)
    return c.end


# Passes over the value at the cursor.
cdef inline void skip_value(cursor_t* c) noexcept nogil:
    c.at = pass_value(c, c.at, 0)
