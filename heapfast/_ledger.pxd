"""Which batches are in memory, so that what they show is not freed; and what is free already.

The columns of a batch that is gone are 60 MiB on the largest cluster, and take the system 4 to 15 ms to take back: too
long for the loop. So they are buried, and a thread sweeps.
"""
from heapfast._types cimport uint32_t, uint64_t


ctypedef void (*free_t)(void* what) noexcept nogil


cdef struct dead_t:
    void* what
    free_t free_it
    dead_t* next


cdef class Ledger:
    cdef:
        object entities              # owner of all texts; batches keep it alive through their ledger
        uint64_t* seq                # owned, ascending; two may be one: spares that were never used
        uint32_t n, cap
        dead_t* dead                 # owned; a list by `next`
        readonly uint32_t n_dead     # so many are in it

    cdef int add(self, uint64_t seq) except -1
    cdef void remove(self, uint64_t seq) noexcept
    cdef uint64_t oldest(self) noexcept      # UINT64_MAX when there are none
    # Takes what nobody reads any more, to be freed by the next sweep.
    cdef void bury(self, void* what, free_t free_it) noexcept
    # Frees what was taken so far. In any thread; takes a millisecond for some ten MiB.
    cdef void sweep(self) noexcept
