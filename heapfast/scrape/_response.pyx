"""Reads the answers of one connection, one after the other.

In      bytes as they arrive, cut anywhere
Out     status, body and content type of one answer; whether the connection can be used again
Callers _http.pyx
Source  RFC 9112, the strict side of it: what two readers could understand differently is refused
Never   holds more than the limits allow, or keeps a view of what it was fed

    head ──▶ length known ─────────────────────────────▶ done
      ▲  ├─▶ chunked: size ──▶ data ──▶ end of it         ▲
      │  │              ▲                  │              │
      │  │              └──────────────────┴──▶ trailers ─┤
      │  └─▶ until the connection ends ───────────────────┘
      └─── an interim answer (1xx)

A body is copied once, from the buffer of the stream into bytes of its own. Those are made as long as the answer says it
will be, or as the last one was: kubelets send everything of some length in chunks, and about the same each time.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from libc.string cimport memchr, memcmp, memcpy

from heapfast.errors import ScrapeError
from heapfast.scrape.limits import QUOTED_BYTES

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char*, const char*, size_t)

# As pointers: while it grows, a body must have one owner, and Cython counts a second one for every call.
cdef extern from "Python.h":
    PyObject* PyBytes_FromStringAndSize(const char*, Py_ssize_t) except NULL
    char* PyBytes_AS_STRING(PyObject*)
    int _PyBytes_Resize(PyObject**, Py_ssize_t) except -1
    void Py_XDECREF(PyObject*)

cdef enum:
    FIRST_BYTES = 4096           # room for a body of which nothing is known
    TRUSTED_BYTES = 1 << 20      # of an announced length; more is made room for once it comes
    MAX_SIZE_DIGITS = 15         # of a chunk's size: a larger one is more than any limit
    MAX_LENGTH_DIGITS = 18       # of a content length, likewise
    STATUS_BYTES = 12            # "HTTP/1.1 200"


# RFC 9110 5.6.2: what the name of a header is made of.
cdef bint is_token(unsigned char byte) noexcept nogil:
    if c'a' <= (byte | 0x20) <= c'z' or c'0' <= byte <= c'9':
        return True
    return byte != 0 and memchr(<const char*> b"!#$%&'*+-.^_`|~", byte, 15) != NULL


# RFC 9110 5.5: what a value may hold. Spaces and tabs inside are its own.
cdef bint is_value(value_t value) noexcept nogil:
    cdef Py_ssize_t i
    cdef unsigned char byte
    for i in range(value.len):
        byte = <unsigned char> value.ptr[i]
        if byte == 0x7F or (byte < 0x20 and byte != c'\t'):
            return False
    return True


cdef value_t strip(const char* ptr, Py_ssize_t size) noexcept nogil:
    cdef value_t value
    while size and (ptr[0] == c' ' or ptr[0] == c'\t'):
        ptr += 1
        size -= 1
    while size and (ptr[size - 1] == c' ' or ptr[size - 1] == c'\t'):
        size -= 1
    value.ptr = ptr
    value.len = size
    return value


cdef bint is_word(value_t value, const char* word, Py_ssize_t size) noexcept nogil:
    return value.len == size and strncasecmp(value.ptr, word, size) == 0


# Whether a list like that of Connection has a word.
cdef bint lists_word(value_t value, const char* word, Py_ssize_t size) noexcept nogil:
    cdef const char* comma
    cdef Py_ssize_t length
    while True:
        comma = <const char*> memchr(value.ptr, c',', value.len)
        length = value.len if comma == NULL else comma - value.ptr
        if is_word(strip(value.ptr, length), word, size):
            return True
        if comma == NULL:
            return False
        value.ptr += length + 1
        value.len -= length + 1


# Of a hexadecimal digit; -1 for anything else.
cdef int hex_value(unsigned char byte) noexcept nogil:
    if c'0' <= byte <= c'9':
        return byte - c'0'
    byte |= 0x20
    return byte - c'a' + 10 if c'a' <= byte <= c'f' else -1


cdef class ResponseReader:
    """The answers of one connection. `expect`, then `feed` until it is True.

    Attributes:
        status: of the final answer; 0 before its headers are complete.
        reusable: after a complete answer: the connection may carry another request.
        received: bytes of the current answer so far.
    """

    def __cinit__(self, str label not None, limits):
        self._label = label
        self._max_header_bytes = limits.max_header_bytes
        self._max_body_bytes = limits.max_body_bytes
        self._max_error_body_bytes = limits.max_error_body_bytes
        self._type = b""
        self._type_text = ""
        self._last_size = FIRST_BYTES
        self.expect()

    def __dealloc__(self):
        Py_XDECREF(self._body)

    cpdef expect(self):
        """Forget the last answer; the next one belongs to a new request."""
        self.release()
        self.status = 0
        self.reusable = False
        self.received = 0
        self._header_bytes = 0
        self._line = b""
        self._begin()

    cpdef bint feed(self, data) except -1:
        """Take what has arrived; True when the answer is complete.

        Raises:
            ScrapeError: it is no answer, or more than the limits allow. The connection is useless then.
        """
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.received += view.len
            self._take(<const char*> view.buf, (<const char*> view.buf) + view.len)
        finally:
            PyBuffer_Release(&view)
        if self._stage == DONE:
            return True
        # What stands around chunks counts too, so that chunks of one byte with long extensions come to an end.
        if self.received > self._max_header_bytes + 2 * self._max_body_bytes:
            raise self._too_large("answer", self._max_header_bytes + 2 * self._max_body_bytes)
        return False

    cpdef bint end(self):
        """Take the end of the connection; True when it completes an answer that had no other end."""
        if self._stage == BODY_TO_THE_END:
            self._complete()
        return self._stage == DONE

    cpdef release(self):
        """Let go of the body: thousands of idle connections must not keep one each."""
        Py_XDECREF(self._body)
        self._body = NULL
        self._size = self._room = 0

    cpdef bytes take_body(self):
        """The body, once; it is the caller's own."""
        cdef bytes body
        if self._size == 0:
            return b""
        _PyBytes_Resize(&self._body, self._size)
        body = <bytes> self._body
        self._last_size = self._size
        self.release()
        return body

    @property
    def content_type(self) -> str:
        """As stated, "" when it is not."""
        return self._type_text if self._has_type else ""

    def error(self):
        """What is wrong with a complete answer, None for status 200."""
        return None if self.status == 200 else self._status_error()

    cdef void _begin(self) noexcept:
        self._stage = STATUS_LINE
        self._is_chunked = self._has_length = self._has_type = self._closes = False

    cdef void _complete(self) noexcept:
        self._stage = DONE
        self.reusable = self._keeps_alive and not self._closes

    cdef int _take(self, const char* at, const char* end) except -1:
        while at < end:
            if self._stage == BODY_OF_LENGTH:
                at = self._take_data(at, end)
                if self._left == 0:
                    self._complete()
            elif self._stage == CHUNK_DATA:
                at = self._take_data(at, end)
                if self._left == 0:
                    self._stage = CHUNK_DATA_CR
            elif self._stage == BODY_TO_THE_END:
                self._left = end - at
                at = self._take_data(at, end)
            elif self._stage == CHUNK_SIZE:
                self._take_digit(<unsigned char> at[0])
                at += 1
            elif self._stage == CHUNK_EXTENSION:
                at = self._pass_extension(at, end)
            elif self._stage == CHUNK_SIZE_LF:
                self._expect(at[0], c'\n')
                at += 1
                self._begin_chunk()
            elif self._stage == CHUNK_DATA_CR:
                self._expect(at[0], c'\r')
                at += 1
                self._stage = CHUNK_DATA_LF
            elif self._stage == CHUNK_DATA_LF:
                self._expect(at[0], c'\n')
                at += 1
                self._begin_size()
            elif self._stage == DONE:
                self.reusable = False  # whatever follows a whole answer was not asked for
                return 0
            else:
                at = self._take_line(at, end)
        return 0

    # Lines: of the status, of headers, of trailers.

    cdef const char* _take_line(self, const char* at, const char* end) except NULL:
        cdef const char* newline = <const char*> memchr(at, c'\n', end - at)
        cdef const char* after = end if newline == NULL else newline + 1
        cdef const char* line = at
        cdef Py_ssize_t size = after - at
        if self._line or newline == NULL:
            self._line += at[:size]
            line = self._line
            size = len(self._line)
        if self._header_bytes + size > self._max_header_bytes:
            raise self._too_large("headers", self._max_header_bytes)
        if self._stage == STATUS_LINE and memcmp(line, <const char*> b"HTTP/1.", min(size, 7)) != 0:
            raise self._fault("no status line")
        if newline == NULL:
            return after
        self._header_bytes += size
        if size < 2 or line[size - 2] != c'\r':
            raise self._fault("a line that LF alone ends")
        if self._stage == STATUS_LINE:
            self._read_status(line, size - 2)
            self._stage = HEADER_LINE
        elif size == 2:
            if self._stage == TRAILER_LINE:
                self._complete()
            else:
                self._end_headers()
        else:
            self._read_header(line, size - 2)
        self._line = b""
        return after

    cdef int _read_status(self, const char* line, Py_ssize_t size) except -1:
        cdef int i
        if size < STATUS_BYTES or line[8] != c' ' or (size > STATUS_BYTES and line[STATUS_BYTES] != c' '):
            raise self._fault("no status line")
        if line[7] != c'1' and line[7] != c'0':
            raise self._fault("a version other than 1.1 and 1.0")
        self._keeps_alive = line[7] == c'1'
        self._code = 0
        for i in range(9, STATUS_BYTES):
            if not c'0' <= line[i] <= c'9':
                raise self._fault("no status code")
            self._code = self._code * 10 + line[i] - c'0'
        if self._code < 100:
            raise self._fault("no status code")
        if not is_value(strip(line + STATUS_BYTES, size - STATUS_BYTES)):
            raise self._fault("a control character in the status line")
        return 0

    cdef int _read_header(self, const char* line, Py_ssize_t size) except -1:
        cdef const char* colon
        cdef value_t name, value
        cdef Py_ssize_t i
        if line[0] == c' ' or line[0] == c'\t':
            raise self._fault("a folded header")
        colon = <const char*> memchr(line, c':', size)
        if colon == NULL or colon == line:
            raise self._fault("a header without a name")
        for i in range(colon - line):
            if not is_token(<unsigned char> line[i]):
                raise self._fault("a header's name that is none")
        name.ptr = line
        name.len = colon - line
        value = strip(colon + 1, line + size - colon - 1)
        if not is_value(value):
            raise self._fault("a control character in a header")
        if is_word(name, b"content-length", 14):
            self._read_length(value)
        elif is_word(name, b"transfer-encoding", 17):
            self._read_encoding(value)
        elif self._stage == TRAILER_LINE:
            pass
        elif is_word(name, b"connection", 10):
            self._closes = self._closes or lists_word(value, b"close", 5)
            self._keeps_alive = self._keeps_alive or lists_word(value, b"keep-alive", 10)
        elif is_word(name, b"content-type", 12):
            self._read_type(value)
        return 0

    cdef int _read_length(self, value_t value) except -1:
        cdef Py_ssize_t i
        self._check_framing()
        if value.len == 0:
            raise self._fault("a content length that is no number")
        self._left = 0
        for i in range(value.len):
            if not c'0' <= value.ptr[i] <= c'9':
                raise self._fault("a content length that is no number")
            if i < MAX_LENGTH_DIGITS:
                self._left = self._left * 10 + value.ptr[i] - c'0'
        if value.len > MAX_LENGTH_DIGITS or self._left > self._max_body_bytes:
            raise self._too_large("body", self._max_body_bytes)
        self._has_length = True
        return 0

    cdef int _read_encoding(self, value_t value) except -1:
        self._check_framing()
        if not is_word(value, b"chunked", 7):
            raise self._fault("a transfer encoding other than chunked")
        self._is_chunked = True
        return 0

    cdef int _check_framing(self) except -1:
        if self._stage == TRAILER_LINE:
            raise self._fault("a length among the trailers")
        if self._has_length or self._is_chunked:
            raise self._fault("two lengths")
        return 0

    cdef int _read_type(self, value_t value) except -1:
        self._has_type = True
        if len(self._type) != value.len or memcmp(<const char*> self._type, value.ptr, value.len) != 0:
            self._type = value.ptr[:value.len]
            self._type_text = self._type.decode("latin-1")
        return 0

    cdef int _end_headers(self) except -1:
        if self._code == 101:
            raise self._fault("another protocol")
        if self._code < 200:
            self._begin()  # an interim answer: the real one follows, and its headers count on
            return 0
        self.status = self._code
        if self._code == 204 or self._code == 304:
            self._complete()
        elif self._is_chunked:
            self._begin_size()
        elif not self._has_length:
            self._closes = True
            self._stage = BODY_TO_THE_END
        elif self._left == 0:
            self._complete()
        else:
            self._stage = BODY_OF_LENGTH
            self._make_room(min(self._left, <Py_ssize_t> TRUSTED_BYTES))
        return 0

    # Chunks: size in hexadecimal digits, extensions, CR LF, data, CR LF.

    cdef void _begin_size(self) noexcept:
        self._stage = CHUNK_SIZE
        self._digits = 0
        self._left = 0

    cdef int _take_digit(self, unsigned char byte) except -1:
        cdef int value = hex_value(byte)
        if value >= 0:
            self._digits += 1
            if self._digits > MAX_SIZE_DIGITS:
                raise self._too_large("body", self._max_body_bytes)
            self._left = self._left * 16 + value
        elif self._digits == 0:
            raise self._fault("a chunk without a size")
        elif byte == c'\r':
            self._stage = CHUNK_SIZE_LF
        elif byte == c';':
            self._stage = CHUNK_EXTENSION
        else:
            raise self._fault("a chunk's size that is no number")
        return 0

    cdef const char* _pass_extension(self, const char* at, const char* end) except NULL:
        while at < end:
            if at[0] == c'\r':
                self._stage = CHUNK_SIZE_LF
                return at + 1
            if at[0] == c'\n':
                raise self._fault("a line that LF alone ends")
            at += 1
        return at

    cdef int _begin_chunk(self) except -1:
        if self._left == 0:
            self._stage = TRAILER_LINE
            return 0
        if self._size + self._left > self._max_body_bytes:
            raise self._too_large("body", self._max_body_bytes)
        self._stage = CHUNK_DATA
        return 0

    cdef int _expect(self, char got, char want) except -1:
        if got != want:
            raise self._fault("a chunk that is longer than its size")
        return 0

    # The body.

    cdef const char* _take_data(self, const char* at, const char* end) except NULL:
        cdef Py_ssize_t count = min(self._left, end - at)
        if self._size + count > self._max_body_bytes:
            raise self._too_large("body", self._max_body_bytes)
        if self._size + count > self._room:
            self._make_room(self._size + count)
        memcpy(PyBytes_AS_STRING(self._body) + self._size, at, count)
        self._size += count
        self._left -= count
        if self.status != 200 and self._size > self._max_error_body_bytes:
            raise self._status_error()
        return at + count

    cdef int _make_room(self, Py_ssize_t wanted) except -1:
        if self._body == NULL:
            if self._stage != BODY_OF_LENGTH:
                wanted = max(wanted, self._last_size)
            self._body = PyBytes_FromStringAndSize(NULL, wanted)
        else:
            wanted = max(wanted, 2 * self._room)
            self._room = 0  # none, should there be no memory: then the body is gone
            _PyBytes_Resize(&self._body, wanted)
        self._room = wanted
        return 0

    # Faults.

    cdef _fault(self, str what):
        return ScrapeError(self._label, "protocol", f"not HTTP/1.1 ({what})")

    cdef _too_large(self, str what, Py_ssize_t limit):
        return ScrapeError(self._label, "too_large", f"{what} of more than {limit} bytes")

    cdef _status_error(self):
        cdef bytes quoted = b""
        if self._body != NULL:
            quoted = PyBytes_AS_STRING(self._body)[:min(self._size, <Py_ssize_t> QUOTED_BYTES)]
        text = quoted.decode("utf-8", "replace").strip()
        shown = "".join([c if c.isprintable() else " " for c in text])
        message = f"got status {self.status}, want 200"
        return ScrapeError(self._label, "status", f"{message}: {shown}" if shown else message)
