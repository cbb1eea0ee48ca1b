"""Names, one behind the other: as long a list as there is, filled, sorted and written without the GIL.

    data    w e b - 0 w e b - 1 d b
    end               5         10  12
"""
from heapfast._text cimport text_t


cdef class NameList:
    cdef:
        char* data             # owned: all names in UTF-8; what was not is kept as it came
        size_t size            # bytes in it
        size_t cap             # bytes there is room for
        size_t* end            # owned: by name, where it ends
        readonly Py_ssize_t n
        Py_ssize_t n_cap
        readonly bint is_sorted  # and each is there once

    cdef bint _put(self, const char* ptr, size_t len) noexcept nogil     # False: out of memory
    cdef bint _put_text(self, const text_t* text) noexcept nogil         # the same
    cdef bint _reserve(self, Py_ssize_t n, size_t size) noexcept nogil   # the same; room for so much more
    cdef bint _sort(self) noexcept nogil                                 # the same
    cdef int _put_json(self, const char* ptr, size_t len, size_t* error_at) noexcept nogil
