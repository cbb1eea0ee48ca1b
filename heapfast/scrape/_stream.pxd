"""The fields of a stream (see _stream.pyx)."""
from heapfast.scrape._openssl cimport OpenSsl

cdef enum:
    MAX_READS = 64  # records of TLS that are read in one step of the loop: long ones hold it for about 1 ms


cdef class Buffer:
    cdef:
        bytearray array
        object view        # of all of it
        char* start        # of the array, which never grows
        Py_ssize_t size


cdef class Owner:
    cpdef stream_opened(self, Stream stream)
    cpdef stream_received(self, Stream stream, data)
    cpdef stream_ended(self, Stream stream, error)


cdef class Stream:
    cdef:
        Owner _owner
        object _socket     # None before it is open, and after its end
        bytes _unsent
        Buffer _buffer     # of all streams of the loop
        bint _is_closed
        object _loop

    cpdef adopt(self, connected)
    cpdef send(self, bytes data)
    cpdef bint is_usable(self)
    cpdef close(self)
    cdef int _flush(self) except -1
    cdef Py_ssize_t _write(self) except? -1


cdef class TlsStream(Stream):
    cdef:
        void* _connection  # OpenSSL's, until the socket is closed; NULL where it is not known
        OpenSsl _openssl   # None where its functions are not known
        bint _is_shaking
        object _context
        object _server_name

    cdef int _shake(self) except -1
    cdef Py_ssize_t _read(self, Py_ssize_t filled) except? -1
    cdef int _break(self, error) except -1
