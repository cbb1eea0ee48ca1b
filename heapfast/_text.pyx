"""Immutable text of entities (see _text.pxd).

In      bytes from kubelets and API objects
Out     text_t: length, bytes, NUL
Callers _entities, _core; _latest and render read
Never   frees what a batch may still show: that is decided in _entities.retire
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy


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


cdef class TextPool:
    """One copy of each text that many entities share. Loop only."""

    def __cinit__(self):
        self.pool = {}

    def __dealloc__(self):
        for address in self.pool.values():
            text_free(<text_t*><size_t>address)

    def __len__(self):
        return len(self.pool)

    cdef text_t* intern(self, const char* ptr, uint32_t len) except NULL:
        """The text with this content, with one reference more."""
        cdef bytes content = PyBytes_FromStringAndSize(ptr, len)
        address = self.pool.get(content)
        cdef text_t* text
        if address is not None:
            text = <text_t*><size_t>address
            text.refs += 1
            return text
        text = text_new(ptr, len)
        if text == NULL:
            raise MemoryError
        text.refs |= TEXT_POOLED
        self.pool[content] = <size_t>text
        return text

    cdef void forget(self, text_t* text):
        """Takes a text without references out of the pool; the caller frees it in its own time."""
        self.pool.pop(PyBytes_FromStringAndSize(text.data, text.len), None)
