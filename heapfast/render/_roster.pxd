"""Who is listed, in the order of names, each with its labels as bytes.

Names are kept in order as they come and go, so that no list ever sorts them:

    block[0] .. block[n_blocks - 1]      ascending
    block.slot[0] .. [block.n - 1]       ascending; at most BLOCK_CAP, then the block is cut in two

A new one costs a binary search and a move of up to 2 KB. Belongs to the loop.
"""
from heapfast._entities cimport Entities
from heapfast._types cimport uint32_t
from heapfast.render._fragments cimport FragmentPool, fragment_t

cdef enum:
    BLOCK_CAP = 512


cdef struct block_t:
    uint32_t rank              # its place among the blocks
    uint32_t n
    uint32_t slot[BLOCK_CAP]


cdef struct entry_t:
    block_t* block             # borrowed from the roster; NULL: not in
    fragment_t* labels         # owned, one reference
    uint32_t number            # how many had come before it


cdef class Roster:
    cdef:
        readonly int kind      # KIND_NODE or KIND_POD
        Entities entities
        FragmentPool pool
        entry_t* entry         # owned; by slot
        uint32_t n_entries
        block_t** block        # owned, as are the blocks
        uint32_t n_blocks, cap_blocks
        uint32_t n             # objects that are in
        uint32_t came          # objects that ever came

    # The labels of an object that is in and was among the first `came` to come, else NULL.
    cdef const fragment_t* find(self, uint32_t slot, uint32_t came) noexcept
    # Those of `slots` that are in, in order; `out` has room for n. Gives how many, -1: out of memory.
    cdef Py_ssize_t order(self, const uint32_t* slots, Py_ssize_t n, uint32_t* out) noexcept

    cdef Py_ssize_t _order_few(self, const uint32_t* slots, Py_ssize_t n, uint32_t* out) noexcept
    cdef Py_ssize_t _order_many(self, const uint32_t* slots, Py_ssize_t n, uint32_t* out) noexcept
    cdef int _compare(self, uint32_t a, uint32_t b) noexcept
    cdef int _insert(self, uint32_t slot) except -1
    cdef int _add_block(self, uint32_t rank) except -1
    cdef void _take_out(self, uint32_t slot) noexcept
    cdef int _reserve(self, uint32_t slot) except -1
