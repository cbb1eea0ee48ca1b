"""Immutable text of entities (see _text.pxd).

In      bytes from kubelets and API objects
Out     text_t: length, bytes, NUL
Callers _entities, _core; _latest and render read
Never   frees what a batch may still show: that is decided in _entities.retire
"""
import os

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cdef extern from *:
    """
    #ifdef __SANITIZE_ADDRESS__
    #define HEAPFAST_SHORT_STEPS 0     /* each text a block of its own, so that whoever reads behind it is caught */
    #else
    #define HEAPFAST_SHORT_STEPS 16
    #endif
    """
    const uint32_t HEAPFAST_SHORT_STEPS

cdef enum:
    FIRST_BUCKETS = 64
    CHUNK_BYTES = 64 * 1024 - 32       # whole pages, with what malloc puts before it

# Texts come from outside, so the hash is seeded: nobody can prepare texts that all collide.
cdef uint64_t SEED = int.from_bytes(os.urandom(8), "little")


cdef uint32_t text_hash(const char* ptr, uint32_t len) noexcept nogil:
    return <uint32_t>hash_bytes(ptr, len, SEED)


cdef inline uint32_t steps_of(uint32_t len) noexcept nogil:
    """Of a text with so many bytes, its NUL and what stands before them included."""
    return <uint32_t>((sizeof(text_t) - 8 + <size_t>len + TEXT_STEP) // TEXT_STEP)


cdef str text_str(const text_t* text):
    if text == NULL:
        return ""
    # What a kubelet sends need not be UTF-8; JSON answers show such bytes as U+FFFD too.
    return PyBytes_FromStringAndSize(text.data, text.len).decode("utf-8", "replace")


cdef inline uint32_t home_of(const text_t* text, uint32_t mask) noexcept nogil:
    return text_hash(text.data, text.len) & mask


cdef class TextPool:
    """Every text of some entities, and one copy of each that many of them share. Loop only.

    Not a dict of bytes: a text that nobody shares took its content twice there, and 300 bytes in all.
    """

    def __dealloc__(self):
        """Short texts end with the pool, long ones that are not interned are to be dropped before."""
        cdef uint32_t i
        cdef char* before
        for i in range(self.n_buckets):
            if self.bucket[i] != NULL:
                self.drop(self.bucket[i])
        free(self.bucket)
        while self.chunk != NULL:
            before = (<char**>self.chunk)[0]
            free(self.chunk)
            self.chunk = before

    cdef text_t* make(self, const char* ptr, uint32_t len) except NULL:
        cdef uint32_t steps = steps_of(len)
        cdef text_t* text
        if steps > HEAPFAST_SHORT_STEPS:
            text = <text_t*>malloc(<size_t>steps * TEXT_STEP)
        elif self.dropped[steps] != NULL:
            text = self.dropped[steps]
            self.dropped[steps] = (<text_t**>text)[0]
        else:
            text = self._make_room(steps)
        if text == NULL:
            raise MemoryError
        text.refs = 1
        text.len = len
        if len:
            memcpy(text.data, ptr, len)
        text.data[len] = 0
        return text

    cdef text_t* _make_room(self, uint32_t steps) noexcept:
        cdef char* chunk
        cdef uint32_t start
        if self.chunk == NULL or self.used + steps * TEXT_STEP > CHUNK_BYTES:
            chunk = <char*>malloc(CHUNK_BYTES)
            if chunk == NULL:
                return NULL
            (<char**>chunk)[0] = self.chunk
            self.chunk = chunk
            self.used = sizeof(char*)
        start = self.used
        self.used += steps * TEXT_STEP
        return <text_t*>(self.chunk + start)

    cdef void drop(self, text_t* text) noexcept:
        cdef uint32_t steps = steps_of(text.len)
        if steps > HEAPFAST_SHORT_STEPS:
            free(text)
        else:
            (<text_t**>text)[0] = self.dropped[steps]
            self.dropped[steps] = text

    def __len__(self):
        return self.n

    cdef text_t* intern(self, const char* ptr, uint32_t len) except NULL:
        """The text with this content, with one reference more."""
        if 2 * (self.n + 1) > self.n_buckets:
            self._grow()
        cdef uint32_t mask = self.n_buckets - 1
        cdef uint32_t i = text_hash(ptr, len) & mask
        cdef text_t* text
        while self.bucket[i] != NULL:
            if text_is(self.bucket[i], ptr, len):
                self.bucket[i].refs += 1
                return self.bucket[i]
            i = (i + 1) & mask
        text = self.make(ptr, len)
        text.refs |= TEXT_POOLED
        self.bucket[i] = text
        self.n += 1
        return text

    cdef void forget(self, text_t* text) noexcept:
        """Has a text without references interned no more; the caller drops it in its own time."""
        cdef uint32_t mask = self.n_buckets - 1
        cdef uint32_t i = home_of(text, mask)
        cdef uint32_t j
        while self.bucket[i] != text:
            i = (i + 1) & mask
        j = i
        while True:
            j = (j + 1) & mask
            if self.bucket[j] == NULL:
                break
            # As in _entities: one may move back to i unless its home lies in the cyclic range (i, j].
            if ((j - home_of(self.bucket[j], mask)) & mask) >= ((j - i) & mask):
                self.bucket[i] = self.bucket[j]
                i = j
        self.bucket[i] = NULL
        self.n -= 1

    cdef int _grow(self) except -1:
        cdef text_t** old = self.bucket
        cdef uint32_t n_old = self.n_buckets, i
        cdef uint32_t n = 2 * n_old if n_old else FIRST_BUCKETS
        cdef text_t** bucket = <text_t**>calloc(n, sizeof(text_t*))
        if bucket == NULL:
            raise MemoryError
        self.bucket = bucket
        self.n_buckets = n
        for i in range(n_old):
            if old[i] != NULL:
                self._insert(old[i])
        free(old)
        return 0

    cdef void _insert(self, text_t* text) noexcept:
        cdef uint32_t mask = self.n_buckets - 1
        cdef uint32_t i = home_of(text, mask)
        while self.bucket[i] != NULL:
            i = (i + 1) & mask
        self.bucket[i] = text
