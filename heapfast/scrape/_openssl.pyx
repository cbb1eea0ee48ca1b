"""Reads and writes TLS connections by OpenSSL's own functions (see _openssl.pxd).

In      a context whose library is known (tls.find_functions)
Out     OpenSsl: bytes of a connection; whether there are more of them where the loop does not see them
Callers _http.pyx makes one a client, _stream.pyx reads and writes
Source  OpenSSL's manual: SSL_read_ex(3), SSL_has_pending(3), SSL_get_error(3)
Never   waits, or makes up an exception of TLS: what has gone wrong the ssl module says, asked for the same once more
"""
from libc.errno cimport errno

import os

from heapfast.tls import find_connection, find_functions

cdef enum:
    # Of openssl/ssl.h.
    ERROR_WANT_READ = 2
    ERROR_SYSCALL = 5


cdef class OpenSsl:
    """The functions of one context's library.

    Raises:
        LookupError: they are not known.
    """

    def __cinit__(self, context):
        found = find_functions(
            context, "SSL_read_ex", "SSL_write_ex", "SSL_has_pending", "SSL_get_error", "ERR_clear_error"
        )
        if found is None:
            raise LookupError("the functions of this Python's OpenSSL are not known")
        self.context = context
        self._read = <int (*)(void*, void*, size_t, size_t*) noexcept> <size_t> found[0]
        self._write = <int (*)(void*, const void*, size_t, size_t*) noexcept> <size_t> found[1]
        self._has_pending = <int (*)(const void*) noexcept> <size_t> found[2]
        self._get_error = <int (*)(const void*, int) noexcept> <size_t> found[3]
        self._clear_errors = <void (*)() noexcept> <size_t> found[4]

    cdef void* connection_of(self, connected) except? NULL:
        """OpenSSL's own connection, until the socket is closed; NULL where it is not known."""
        return <void*> <size_t> find_connection(connected, self.context)

    cdef Py_ssize_t read(self, void* connection, char* to, Py_ssize_t room) except -2:
        """Bytes of one record; 0 for none now, -1 for something that the ssl module has a word for."""
        cdef size_t count = 0
        self._clear_errors()
        cdef int result = self._read(connection, to, room, &count)
        return <Py_ssize_t> count if result == 1 else self._outcome(connection, result, errno)

    cdef Py_ssize_t write(self, void* connection, const char* data, Py_ssize_t size) except -2:
        """Bytes that were taken; -1 or 0 as for `read`."""
        cdef size_t count = 0
        self._clear_errors()
        cdef int result = self._write(connection, data, size, &count)
        return <Py_ssize_t> count if result == 1 else self._outcome(connection, result, errno)

    cdef bint has_pending(self, void* connection) noexcept:
        """Whether something has been read from the socket and not been given yet, if only a part of a record."""
        return self._has_pending(connection) != 0

    cdef Py_ssize_t _outcome(self, void* connection, int result, int error_number) except -2:
        cdef int why = self._get_error(connection, result)
        if why == ERROR_WANT_READ:
            return 0
        if why == ERROR_SYSCALL and error_number != 0:
            # Nothing is told twice by a socket.
            raise OSError(error_number, os.strerror(error_number))
        return -1
