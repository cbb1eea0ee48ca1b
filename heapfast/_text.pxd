"""Immutable shared text: names, UIDs, labels and images of entities.

One copy per distinct text that is marked shared (images, "/", "logs"), a copy of its own
for the rest. Reference counts belong to the loop; readers in threads hold the Batch instead.
"""
from heapfast._types cimport uint32_t


cdef struct text_t:
    uint32_t refs
    uint32_t len
    char data[8]               # `len` bytes of UTF-8 and a NUL; really longer than declared


cdef inline const char* text_ptr(const text_t* text) noexcept nogil:
    return text.data
