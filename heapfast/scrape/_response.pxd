"""The fields of a reader (see _response.pyx)."""
from cpython.object cimport PyObject

cdef enum stage_t:
    STATUS_LINE
    HEADER_LINE
    BODY_OF_LENGTH
    CHUNK_SIZE             # its digits
    CHUNK_EXTENSION        # what follows them, unread
    CHUNK_SIZE_LF
    CHUNK_DATA
    CHUNK_DATA_CR
    CHUNK_DATA_LF
    TRAILER_LINE
    BODY_TO_THE_END
    DONE


cdef struct value_t:
    const char* ptr
    Py_ssize_t len


cdef class ResponseReader:
    cdef readonly int status
    cdef readonly bint reusable
    cdef readonly Py_ssize_t received
    cdef str _label
    cdef Py_ssize_t _max_header_bytes
    cdef Py_ssize_t _max_body_bytes
    cdef Py_ssize_t _max_error_body_bytes
    cdef stage_t _stage
    cdef int _code               # of the answer whose headers are being read
    cdef int _digits             # of the chunk's size
    cdef bint _is_chunked
    cdef bint _has_length
    cdef bint _keeps_alive       # by its version, or because it says so
    cdef bint _closes            # says so, or has no other end
    cdef bint _has_type
    cdef Py_ssize_t _header_bytes
    cdef Py_ssize_t _left        # of the body, or of the chunk
    cdef bytes _line             # of which the end has not come
    cdef bytes _type
    cdef str _type_text
    cdef PyObject* _body
    cdef Py_ssize_t _size
    cdef Py_ssize_t _room
    cdef Py_ssize_t _last_size   # of the last body

    cpdef expect(self)
    cpdef bint feed(self, data) except -1
    cpdef bint end(self)
    cpdef release(self)
    cpdef bytes take_body(self)
    cdef void _begin(self) noexcept
    cdef void _complete(self) noexcept
    cdef int _take(self, const char* at, const char* end) except -1
    cdef const char* _take_line(self, const char* at, const char* end) except NULL
    cdef int _read_status(self, const char* line, Py_ssize_t size) except -1
    cdef int _read_header(self, const char* line, Py_ssize_t size) except -1
    cdef int _read_length(self, value_t value) except -1
    cdef int _read_encoding(self, value_t value) except -1
    cdef int _check_framing(self) except -1
    cdef int _read_type(self, value_t value) except -1
    cdef int _end_headers(self) except -1
    cdef void _begin_size(self) noexcept
    cdef int _take_digit(self, unsigned char byte) except -1
    cdef const char* _pass_extension(self, const char* at, const char* end) except NULL
    cdef int _begin_chunk(self) except -1
    cdef int _expect(self, char got, char want) except -1
    cdef const char* _take_data(self, const char* at, const char* end) except NULL
    cdef int _make_room(self, Py_ssize_t wanted) except -1
    cdef _fault(self, str what)
    cdef _too_large(self, str what, Py_ssize_t limit)
    cdef _status_error(self)
