"""What containers ask for: requests and limits, one copy for all containers that ask for the same.

A workload's pods all ask for the same, so that a container needs a number only, where its four values took 32 bytes.
Belongs to the loop; a thread that closes a batch reads, while the API server's word waits (processors/gate.py).
"""
from heapfast._types cimport int64_t, uint32_t


# Of requests and limits, 0 = none.
cdef struct requirements_t:
    int64_t cpu_request_millicores
    int64_t cpu_limit_millicores
    int64_t memory_request_bytes
    int64_t memory_limit_bytes


cdef enum:
    NO_REQUIREMENTS = 0        # number of those that are all 0


cdef class RequirementPool:
    cdef:
        requirements_t* entry  # owned; by number
        uint32_t* refs         # owned; containers that have it; 0: free, but for NO_REQUIREMENTS
        uint32_t* next_free    # owned; of a free number the next one
        uint32_t n, cap
        uint32_t first_free    # NO_REQUIREMENTS: none
        uint32_t* bucket       # owned; numbers, open addressing; NO_REQUIREMENTS: free
        uint32_t n_buckets     # a power of two, at least twice `cap`
        uint32_t n_used

    # The number of these values, with one reference more.
    cdef uint32_t hold(self, const requirements_t* values) except? 0xFFFFFFFE
    cdef void release(self, uint32_t number) noexcept
    cdef size_t nbytes(self) noexcept

    cdef int _grow(self) except -1
    cdef void _insert(self, uint32_t number) noexcept
    cdef void _take_out(self, uint32_t number) noexcept
