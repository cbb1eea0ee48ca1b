"""Labels as bytes that only need copying, one copy for all objects whose labels are equal."""
from cpython.object cimport PyObject

from heapfast._types cimport uint32_t


cdef struct fragment_t:
    uint32_t refs              # objects that have these labels
    uint32_t json_len
    uint32_t protobuf_len
    const char* protobuf       # entries of field 11 of ObjectMeta; borrowed from `key`
    PyObject* key              # owned by the pool's dict
    char json[8]               # `,"labels":{...}`, nothing without labels; really longer than declared


cdef class FragmentPool:
    cdef:
        dict pool              # protobuf bytes -> address of the one fragment with these labels
        readonly size_t nbytes # of fragments, with their keys

    cdef fragment_t* acquire(self, labels) except NULL     # with one reference more
    cdef int release(self, fragment_t* fragment) except -1
