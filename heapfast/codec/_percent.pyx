"""Query strings as forms and URLs write them: `+` for a blank, `%` and two hexadecimal digits for any byte.

In      bytes
Out     text; bytes that are no UTF-8 become surrogates ("surrogateescape")
Callers api/params.py
Source  RFC 3986 2.1, and what browsers post; naive form: urllib.parse.unquote_plus
Never   refuses: a percent sign that no two digits follow stays as it is
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8


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
