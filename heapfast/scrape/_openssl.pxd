"""OpenSSL's own functions, for what the ssl module has a price for at every call, or no word at all.

    ssl module                                          OpenSSL
    read, and again, until that is an exception:        read, while has_pending says that there is more: the next
    nothing else tells that nothing is left             reading is the loop's, when it sees something in the socket

A read that finds nothing is a system call and an exception, and each read gives the interpreter away and takes it back.
"""


cdef class OpenSsl:
    # Of the library that made the context; nothing of another one's may be given to them.
    cdef:
        object context                                       # which the connections are made by
        int (*_read)(void*, void*, size_t, size_t*) noexcept
        int (*_write)(void*, const void*, size_t, size_t*) noexcept
        int (*_has_pending)(const void*) noexcept
        int (*_get_error)(const void*, int) noexcept
        void (*_clear_errors)() noexcept

    cdef void* connection_of(self, connected) except? NULL
    cdef Py_ssize_t read(self, void* connection, char* to, Py_ssize_t room) except -2
    cdef Py_ssize_t write(self, void* connection, const char* data, Py_ssize_t size) except -2
    cdef bint has_pending(self, void* connection) noexcept
    cdef Py_ssize_t _outcome(self, void* connection, int result, int error_number) except -2
