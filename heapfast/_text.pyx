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

cdef enum:
    FIRST_BUCKETS = 64

# Texts come from outside, so the hash is seeded: nobody can prepare texts that all collide.
cdef uint64_t SEED = int.from_bytes(os.urandom(8), "little")


cdef uint32_t text_hash(const char* ptr, uint32_t len) noexcept nogil:
    return <uint32_t>hash_bytes(ptr, len, SEED)


cdef text_t* text_new(const char* ptr, uint32_t len) noexcept nogil:
    cdef text_t* text = <text_t*>malloc(sizeof(text_t) + len + 1 - 8 if len >= 8 else sizeof(text_t))
    if text == NULL:
        return NULL
    text.refs = 1
    text.len = len
    if len:
        memcpy(text.data, ptr, len)
    text.data[len] = 0
    return text


cdef void text_free(text_t* text) noexcept nogil:
    free(text)


cdef str text_str(const text_t* text):
    if text == NULL:
        return ""
    # What a kubelet sends need not be UTF-8; JSON answers show such bytes as U+FFFD too.
    return PyBytes_FromStringAndSize(text.data, text.len).decode("utf-8", "replace")


cdef inline uint32_t home_of(const text_t* text, uint32_t mask) noexcept nogil:
    return text_hash(text.data, text.len) & mask


cdef class TextPool:
    """One copy of each text that many entities share. Loop only.

    Not a dict of bytes: a text that nobody shares took its content twice there, and 300 bytes in all.
    """

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.n_buckets):
            if self.bucket[i] != NULL:
                text_free(self.bucket[i])
        free(self.bucket)

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
        text = text_new(ptr, len)
        if text == NULL:
            raise MemoryError
        text.refs |= TEXT_POOLED
        self.bucket[i] = text
        self.n += 1
        return text

    cdef void forget(self, text_t* text) noexcept:
        """Takes a text without references out of the pool; the caller frees it in its own time."""
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
