"""When two rows are the same entity, and which of them stays.

In      two rows, or one name
Out     a hash, or yes or no
Callers _rows.pyx (keep_unique); _resource.pyx and _sample.pyx compare names
Source  spec/heapster-pipeline.md 3.6 (duplicates); design.md section 4 (sample times)
Never   compares a UID: it is no part of any key
"""
from libc.string cimport memcmp, memcpy

from heapfast._types cimport KIND_POD_CONTAINER, KIND_SYS_CONTAINER, span_t, uint64_t
from heapfast.wire._rows cimport row_t


# Mixes one name into a hash, eight bytes at a time.
cdef inline uint64_t hash_name(uint64_t hash, span_t name) noexcept nogil:
    cdef const char* at = name.ptr
    cdef size_t left = name.len
    cdef uint64_t word
    hash ^= left
    while left >= 8:
        memcpy(&word, at, 8)
        hash = (hash ^ word) * <uint64_t> 0x9E3779B97F4A7C15
        hash ^= hash >> 32
        at += 8
        left -= 8
    if left:
        word = 0
        memcpy(&word, at, left)
        hash ^= word
    hash *= <uint64_t> 0x9E3779B97F4A7C15
    return hash ^ hash >> 32


cdef inline bint same_text(span_t a, span_t b) noexcept nogil:
    return a.len == b.len and (a.ptr == b.ptr or memcmp(a.ptr, b.ptr, a.len) == 0)


cdef inline bint same_span(span_t a, span_t b) noexcept nogil:
    return a.ptr == b.ptr and a.len == b.len


cdef inline bint same_names(const row_t* a, const row_t* b) noexcept nogil:
    return (a.kind == b.kind and same_text(a.name, b.name) and same_text(a.pod, b.pod)
            and same_text(a.namespace, b.namespace))


# Both have the same names; `newer` comes later in the answer.
cdef inline bint replaces(const row_t* newer, const row_t* older) noexcept nogil:
    if newer.kind != KIND_POD_CONTAINER and newer.kind != KIND_SYS_CONTAINER:
        return True
    if newer.start_ns != older.start_ns:
        # time_zero() is negative and before any start that a kubelet states.
        return newer.start_ns > older.start_ns
    return newer.sample_ns >= older.sample_ns
