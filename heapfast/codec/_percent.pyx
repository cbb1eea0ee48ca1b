"""Query strings as forms and URLs write them: `+` for a blank, `%` and two hexadecimal digits for any byte.

In      bytes
Out     names and values as text; bytes that are no UTF-8 become surrogates ("surrogateescape")
Callers api/params.py
Source  RFC 3986 2.1, and what browsers post; naive form of `unescape`: urllib.parse.unquote_plus. Of pairs: recorded
        answers, by which one with a semicolon or a bad escape is dropped
Never   refuses: a percent sign that no two digits follow stays as it is, where its pair is not dropped
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memchr


cdef inline int digit_of(char c) noexcept nogil:
    if c"0" <= c <= c"9":
        return c - c"0"
    if c"a" <= c <= c"f":
        return c - c"a" + 10
    if c"A" <= c <= c"F":
        return c - c"A" + 10
    return -1


cdef Py_ssize_t write_unescaped(const char* ptr, Py_ssize_t len, char* out) noexcept nogil:
    """Writes at most `len` bytes; returns how many."""
    cdef Py_ssize_t i = 0, n = 0
    while i < len:
        if ptr[i] == c"%" and i + 2 < len and digit_of(ptr[i + 1]) >= 0 and digit_of(ptr[i + 2]) >= 0:
            out[n] = <char>(digit_of(ptr[i + 1]) << 4 | digit_of(ptr[i + 2]))
            i += 2
        else:
            out[n] = c" " if ptr[i] == c"+" else ptr[i]
        i += 1
        n += 1
    return n


def unescape(bytes text not None) -> str:
    """Read a name or a value of a query string."""
    cdef bytes room = PyBytes_FromStringAndSize(NULL, len(text))
    cdef char* out = PyBytes_AS_STRING(room)
    return PyUnicode_DecodeUTF8(out, write_unescaped(text, len(text), out), "surrogateescape")


# A pair that counts; borrowed from the query string.
cdef struct pair_t:
    const char* key
    const char* value
    Py_ssize_t key_len, value_len


cdef bint is_kept(const char* ptr, const char* end) noexcept nogil:
    """Whether a pair has no semicolon, and no percent sign that no two digits follow."""
    while ptr < end:
        if ptr[0] == c";":
            return False
        if ptr[0] == c"%":
            if end - ptr < 3 or digit_of(ptr[1]) < 0 or digit_of(ptr[2]) < 0:
                return False
            ptr += 2
        ptr += 1
    return True


cdef const char* find(const char* ptr, const char* end, char wanted) noexcept nogil:
    """Where a character is; the end when it is not there."""
    cdef const char* found = NULL
    if ptr < end:
        found = <const char*>memchr(ptr, wanted, end - ptr)
    return end if found == NULL else found


cdef const char* next_pair(const char* at, const char* end, pair_t* pair) noexcept nogil:
    """Reads the next pair that says something; returns what follows it, NULL when there is none."""
    cdef const char* stop
    cdef const char* equals
    while at < end:
        stop = find(at, end, c"&")
        equals = find(at, stop, c"=")
        pair.key = at
        pair.key_len = equals - at
        pair.value = equals + (equals < stop)
        pair.value_len = stop - pair.value
        at = stop + 1
        if (pair.key_len or pair.value_len) and is_kept(pair.key, stop):
            return at
    return NULL


cdef str text_of(const char* ptr, Py_ssize_t len, char* out):
    return PyUnicode_DecodeUTF8(out, write_unescaped(ptr, len, out), "surrogateescape")


def parse_query(bytes raw not None) -> dict:
    """Read a query string: the first value of each name, in order."""
    cdef dict params = {}
    cdef pair_t pair
    cdef const char* at = raw
    cdef const char* end = at + len(raw)
    cdef bytes room = PyBytes_FromStringAndSize(NULL, len(raw))
    cdef char* out = PyBytes_AS_STRING(room)
    cdef str key
    while True:
        at = next_pair(at, end, &pair)
        if at == NULL:
            return params
        key = text_of(pair.key, pair.key_len, out)
        if key not in params:
            params[key] = text_of(pair.value, pair.value_len, out)


def values_of(bytes raw not None, str name not None) -> list:
    """Read every value of one name, in order."""
    cdef list values = []
    cdef pair_t pair
    cdef const char* at = raw
    cdef const char* end = at + len(raw)
    cdef bytes room = PyBytes_FromStringAndSize(NULL, len(raw))
    cdef char* out = PyBytes_AS_STRING(room)
    while True:
        at = next_pair(at, end, &pair)
        if at == NULL:
            return values
        if text_of(pair.key, pair.key_len, out) == name:
            values.append(text_of(pair.value, pair.value_len, out))
