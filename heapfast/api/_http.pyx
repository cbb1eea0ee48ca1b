"""The parts of an HTTP message: status lines, names, values, targets.

In      bytes of a head
Out     whether they may stand there; a target's path and query; names and methods that are the same object each time
Callers _connection.pyx
Source  RFC 9110 5 and 9112 3.2; llhttp's rules for what a target is
Never   reads a message: llhttp does
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memchr

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

cdef object _parse_url = httptools.parse_url
cdef list _STATUS_LINES = [STATUS_LINE.get(status) for status in range(600)]
cdef dict _METHODS = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
# What clients send, as they write it, with the form that apps compare with: the same object each time.
cdef dict _NAMES = {}
for _name in (
    b"Accept", b"Accept-Encoding", b"Audit-Id", b"Authorization", b"Connection", b"Content-Length", b"Content-Type",
    b"Host", b"User-Agent", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Forwarded-Uri",
    b"X-Remote-Group", b"X-Remote-Uid", b"X-Remote-User",
):
    _NAMES[_name] = _NAMES[_name.lower()] = _name.lower()


cdef bytes known_name(bytes name):
    """A header's name in lower case."""
    known = _NAMES.get(name)
    return name.lower() if known is None else known


cdef str known_method(bytes name):
    return _METHODS.get(name) or name.decode("ascii")


cdef bytes status_line(int status):
    if not 100 <= status < 600:
        raise RuntimeError(f"Invalid HTTP status {status}.")
    return _STATUS_LINES[status]


# RFC 9110 5.6.2: what the name of a header is made of. As uvicorn has it: whatever is no separator.
cdef bint is_name(bytes name) noexcept:
    cdef const unsigned char* at = <const unsigned char*> PyBytes_AS_STRING(name)
    cdef Py_ssize_t i
    for i in range(PyBytes_GET_SIZE(name)):
        if at[i] <= 0x20 or at[i] == 0x7F or memchr(<const char*> b"()<>@,;:\\[]={}\"", at[i], 15) != NULL:
            return False
    return True


# RFC 9110 5.5: what a value may hold.
cdef bint is_value(bytes value) noexcept:
    cdef const unsigned char* at = <const unsigned char*> PyBytes_AS_STRING(value)
    cdef Py_ssize_t i
    for i in range(PyBytes_GET_SIZE(value)):
        if at[i] == 0x7F or (at[i] < 0x20 and at[i] != c'\t'):
            return False
    return True


cpdef tuple split_target(bytes target):
    """Split a request's target into raw path and query.

    Raises:
        HttpParserInvalidURLError: it is none.
    """
    cdef const unsigned char* at = <const unsigned char*> PyBytes_AS_STRING(target)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(target), i, mark = -1
    cdef bint is_plain = size > 0 and at[0] == c'/'
    for i in range(size):
        if at[i] <= 0x20 or at[i] >= 0x7F or at[i] == c'#':
            is_plain = False
            break
        if at[i] == c'?' and mark < 0:
            mark = i
    if not is_plain:
        # An absolute form, a fragment, or nonsense: rare, and left to who knows all of it.
        url = _parse_url(target)
        return url.path, url.query or b""
    if mark < 0:
        return target, b""
    return target[:mark], target[mark + 1:]
