"""Immutable text of entities: names, UIDs, labels, images.

A text is a copy of its own, except those that are interned (images, "/", "logs", labels of
pods), of which there is one copy for all. Both belong to a TextPool. Reference counts belong to
the loop; a reader in a thread holds the Batch instead, which keeps what it shows from being freed.

Short texts lie side by side, in steps of eight bytes:

    chunk        | the chunk before | text | text | text | ...                 | room
    dropped[i]   a text of i steps -> another, dropped before it -> ...

To malloc each took 8 bytes more, in steps of 16: of 150,000 pods, the UIDs 64 bytes each where they take 48.
"""
from libc.string cimport memcmp, memcpy

from heapfast._types cimport uint32_t, uint64_t


cdef struct text_t:
    uint32_t refs              # owners; TEXT_POOLED is set in those of a TextPool
    uint32_t len               # bytes
    char data[8]               # `len` bytes of UTF-8 and a NUL; really longer than declared


cdef enum:
    TEXT_POOLED = 0x80000000


cdef inline const char* text_ptr(const text_t* text) noexcept nogil:
    return text.data


cdef inline bint text_is(const text_t* text, const char* ptr, uint32_t len) noexcept nogil:
    # An empty span may be NULL, which memcmp must not see.
    return text.len == len and (len == 0 or memcmp(text.data, ptr, len) == 0)


# Below 0, 0 or above 0: bytewise, a prefix first, NULL before any text.
cdef inline int text_compare(const text_t* a, const text_t* b) noexcept nogil:
    cdef int order
    if a == b:
        return 0
    if a == NULL or b == NULL:
        return -1 if a == NULL else 1
    order = memcmp(a.data, b.data, min(a.len, b.len))
    if order != 0:
        return order
    return (a.len > b.len) - (a.len < b.len)


cdef str text_str(const text_t* text)


# Eight bytes a step, multiply and fold; good enough for tables, not for signatures.
cdef inline uint64_t hash_bytes(const char* ptr, uint32_t len, uint64_t seed) noexcept nogil:
    cdef uint64_t h = seed ^ (<uint64_t>len * 0x9E3779B97F4A7C15ULL)
    cdef uint64_t word
    while len >= 8:
        memcpy(&word, ptr, 8)
        h = (h ^ word) * 0xD6E8FEB86659FD93ULL
        h ^= h >> 32
        ptr += 8
        len -= 8
    if len:
        word = 0
        memcpy(&word, ptr, len)
        h = (h ^ word) * 0xD6E8FEB86659FD93ULL
        h ^= h >> 32
    return (h * 0xD6E8FEB86659FD93ULL) >> 16


cdef uint32_t text_hash(const char* ptr, uint32_t len) noexcept nogil      # seeded, another in each process


cdef enum:
    TEXT_STEP = 8              # bytes
    SHORT_STEPS = 16           # a text of more has a block of its own


# Where texts live, and a hash table of those that are interned: open addressing, linear probing, at most half full.
cdef class TextPool:
    cdef:
        text_t** bucket        # owned, as are the texts; NULL: free
        uint32_t n_buckets     # a power of two
        uint32_t n
        char* chunk            # owned; the newest, which begins with the address of the one before
        uint32_t used          # bytes of it
        text_t* dropped[SHORT_STEPS + 1] # by steps; each begins with the address of the next

    cdef text_t* make(self, const char* ptr, uint32_t len) except NULL     # refs 1
    cdef void drop(self, text_t* text) noexcept                            # whatever its refs; no interned one
    cdef text_t* intern(self, const char* ptr, uint32_t len) except NULL
    cdef void forget(self, text_t* text) noexcept
    cdef text_t* _make_room(self, uint32_t steps) noexcept
    cdef int _grow(self) except -1
    cdef void _insert(self, text_t* text) noexcept


# A text dropped by its entity while batches may still show it. Freed once every batch up to `seq` is gone.
cdef struct retired_t:
    text_t* text
    uint64_t seq
