"""Labels as bytes that only need copying, one copy for all objects whose labels are equal."""
from heapfast._types cimport uint32_t


cdef struct fragment_t:
    uint32_t refs              # objects that have these labels
    uint32_t json_len
    uint32_t protobuf_len
    const char* protobuf       # entries of field 11 of ObjectMeta; borrowed from this block, behind `json`
    char json[8]               # `,"labels":{...}`, nothing without labels; really longer than declared


# A hash table by the protobuf form: open addressing, linear probing, at most half full.
cdef class FragmentPool:
    cdef:
        fragment_t** bucket    # owned, as are the fragments; NULL: free
        uint32_t n_buckets     # a power of two
        uint32_t n
        readonly size_t nbytes # of fragments and buckets

    cdef fragment_t* acquire(self, labels) except NULL     # with one reference more
    cdef void release(self, fragment_t* fragment) noexcept
    cdef int _grow(self) except -1
    cdef void _insert(self, fragment_t* fragment) noexcept
    cdef void _take_out(self, fragment_t* fragment) noexcept
