"""Which batches are in memory (see _ledger.pxd).

In      batches that come and go; what they had
Out     the oldest; memory given back
Callers _batch and _ring tell it, _core asks; _closing and pipeline.py sweep
Never   looks into what it frees
"""
from libc.stdint cimport UINT64_MAX
from libc.stdlib cimport free, malloc, realloc

from heapfast._types cimport uint32_t, uint64_t


cdef class Ledger:

    def __cinit__(self, entities):
        self.entities = entities

    def __dealloc__(self):
        self.sweep()
        free(self.seq)

    cdef int add(self, uint64_t seq) except -1:
        cdef uint64_t* bigger
        if self.n == self.cap:
            bigger = <uint64_t*>realloc(self.seq, (self.cap * 2 + 8) * sizeof(uint64_t))
            if bigger == NULL:
                raise MemoryError
            self.seq = bigger
            self.cap = self.cap * 2 + 8
        self.seq[self.n] = seq
        self.n += 1
        return 0

    cdef void remove(self, uint64_t seq) noexcept:
        """Takes out one batch of that seq, and leaves the others."""
        cdef uint32_t i = 0
        while i < self.n and self.seq[i] != seq:
            i += 1
        if i == self.n:
            return
        self.n -= 1
        while i < self.n:
            self.seq[i] = self.seq[i + 1]
            i += 1

    cdef uint64_t oldest(self) noexcept:
        return self.seq[0] if self.n else UINT64_MAX

    cdef void bury(self, void* what, free_t free_it) noexcept:
        cdef dead_t* dead = <dead_t*>malloc(sizeof(dead_t))
        if dead == NULL:
            free_it(what)
            return
        dead.what = what
        dead.free_it = free_it
        dead.next = self.dead
        self.dead = dead
        self.n_dead += 1

    cdef void sweep(self) noexcept:
        # Taken with the GIL: a reader may bury something else while this frees.
        cdef dead_t* dead = self.dead
        self.dead = NULL
        self.n_dead = 0
        with nogil:
            free_all(dead)


cdef void free_all(dead_t* dead) noexcept nogil:
    cdef dead_t* next
    while dead != NULL:
        next = dead.next
        dead.free_it(dead.what)
        free(dead)
        dead = next
