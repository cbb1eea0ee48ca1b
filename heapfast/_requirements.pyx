"""Requests and limits, each combination once (see _requirements.pxd).

In      four values of a container
Out     the number of that combination
Callers _core holds, _entities releases, _enrich reads
Never   gives a number to another combination while a container has it
"""
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memset

from heapfast._text cimport text_hash
from heapfast._types cimport uint32_t

cdef enum:
    FIRST_CAP = 64


cdef inline uint32_t hash_of(const requirements_t* values) noexcept nogil:
    return text_hash(<const char*>values, sizeof(requirements_t))


cdef class RequirementPool:

    def __cinit__(self):
        self._grow()
        memset(&self.entry[NO_REQUIREMENTS], 0, sizeof(requirements_t))
        self.n = 1

    def __dealloc__(self):
        free(self.entry)
        free(self.refs)
        free(self.next_free)
        free(self.bucket)

    def __len__(self):
        return self.n_used

    cdef size_t nbytes(self) noexcept:
        return (
            <size_t>self.cap * (sizeof(requirements_t) + 2 * sizeof(uint32_t))
            + <size_t>self.n_buckets * sizeof(uint32_t)
        )

    cdef uint32_t hold(self, const requirements_t* values) except? 0xFFFFFFFE:
        cdef uint32_t number, i, mask
        if memcmp(values, &self.entry[NO_REQUIREMENTS], sizeof(requirements_t)) == 0:
            return NO_REQUIREMENTS
        mask = self.n_buckets - 1
        i = hash_of(values) & mask
        while self.bucket[i] != NO_REQUIREMENTS:
            number = self.bucket[i]
            if memcmp(values, &self.entry[number], sizeof(requirements_t)) == 0:
                self.refs[number] += 1
                return number
            i = (i + 1) & mask
        if self.first_free != NO_REQUIREMENTS:
            number = self.first_free
            self.first_free = self.next_free[number]
        else:
            if self.n == self.cap:
                self._grow()
            number = self.n
            self.n += 1
        self.entry[number] = values[0]
        self.refs[number] = 1
        self._insert(number)
        self.n_used += 1
        return number

    cdef void release(self, uint32_t number) noexcept:
        if number == NO_REQUIREMENTS:
            return
        self.refs[number] -= 1
        if self.refs[number] == 0:
            self._take_out(number)
            self.next_free[number] = self.first_free
            self.first_free = number
            self.n_used -= 1

    cdef void _insert(self, uint32_t number) noexcept:
        cdef uint32_t mask = self.n_buckets - 1
        cdef uint32_t i = hash_of(&self.entry[number]) & mask
        while self.bucket[i] != NO_REQUIREMENTS:
            i = (i + 1) & mask
        self.bucket[i] = number

    cdef void _take_out(self, uint32_t number) noexcept:
        cdef uint32_t mask = self.n_buckets - 1
        cdef uint32_t i = hash_of(&self.entry[number]) & mask
        cdef uint32_t j
        while self.bucket[i] != number:
            i = (i + 1) & mask
        j = i
        while True:
            j = (j + 1) & mask
            if self.bucket[j] == NO_REQUIREMENTS:
                break
            # As in _entities: one may move back to i unless its home lies in the cyclic range (i, j].
            if ((j - hash_of(&self.entry[self.bucket[j]])) & mask) >= ((j - i) & mask):
                self.bucket[i] = self.bucket[j]
                i = j
        self.bucket[i] = NO_REQUIREMENTS

    cdef int _grow(self) except -1:
        """Twice as many. Nobody reads meanwhile: the API server's word waits while a batch is being closed."""
        cdef uint32_t cap = 2 * self.cap if self.cap else FIRST_CAP
        cdef uint32_t number
        cdef uint32_t* bucket
        cdef requirements_t* entry = <requirements_t*>realloc(self.entry, cap * sizeof(requirements_t))
        if entry == NULL:
            raise MemoryError
        self.entry = entry
        cdef uint32_t* refs = <uint32_t*>realloc(self.refs, cap * sizeof(uint32_t))
        if refs == NULL:
            raise MemoryError
        self.refs = refs
        cdef uint32_t* next_free = <uint32_t*>realloc(self.next_free, cap * sizeof(uint32_t))
        if next_free == NULL:
            raise MemoryError
        self.next_free = next_free
        bucket = <uint32_t*>calloc(2 * cap, sizeof(uint32_t))
        if bucket == NULL:
            raise MemoryError
        free(self.bucket)
        self.bucket = bucket
        self.n_buckets = 2 * cap
        self.cap = cap
        # It grows only when no number is free.
        for number in range(1, self.n):
            self._insert(number)
        return 0
