"""Reading of packed columns (see _unpack.pxd).

In      bytes of a part of a record; the column as the record before had it
Out     the column as this record has it
Callers _stored
Source  docs/warm-restart.md for the format; store/naive/segments.py is the slow way
Never   reads past the end, whatever the bytes are
"""
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from heapfast._segment cimport BLOCK_BASE, BLOCK_BITS, BLOCK_EMPTY, BLOCK_MASK, BLOCK_RELATIVE
from heapfast._types cimport absent_i64, int64_t, uint8_t, uint32_t, uint64_t


cdef int open_input(input_t* c, const uint8_t[::1] text) except -1:
    c.start = &text[0] if text.shape[0] else NULL
    c.at = c.start
    c.end = c.start + text.shape[0]
    return 0


cdef int get_block(input_t* c, int64_t* value, uint32_t n) noexcept nogil:
    """One block of n <= 64 slots; *value holds what the batch before had, and then what this one has."""
    cdef uint64_t full = ~<uint64_t>0 if n == 64 else (<uint64_t>1 << n) - 1
    cdef uint64_t mask = full, base = 0, number, below
    cdef const uint8_t* words
    cdef uint8_t form, width = 0, shift = 0
    cdef uint32_t i, bit, at
    if not has(c, 1):
        return -1
    form = get_u8(c)
    if form & ~<uint8_t>(BLOCK_EMPTY | BLOCK_MASK | BLOCK_BASE | BLOCK_BITS | BLOCK_RELATIVE):
        return -1
    if form & BLOCK_EMPTY:
        for i in range(n):
            value[i] = absent_i64()
        return 0
    if form & BLOCK_MASK:
        if not has(c, 8):
            return -1
        mask = get_u64(c)
        if mask & ~full:
            return -1
    if form & BLOCK_BASE:
        if not has(c, 8):
            return -1
        base = get_u64(c)
    if form & BLOCK_BITS:
        if not has(c, 2):
            return -1
        width = get_u8(c)
        shift = get_u8(c)
        if not 1 <= width <= 64 or shift > 63 or not has(c, <size_t>width * 8):
            return -1
    words = c.at
    c.at += <size_t>width * 8
    below = ~<uint64_t>0 if width == 64 else (<uint64_t>1 << width) - 1
    for i in range(n):
        if not (mask >> i) & 1:
            value[i] = absent_i64()
            continue
        number = 0
        if width:
            bit = i * width
            at = bit & 63
            memcpy(&number, words + (bit >> 6) * 8, 8)
            number >>= at
            if at + width > 64:
                memcpy(&full, words + (bit >> 6) * 8 + 8, 8)
                number |= full << (64 - at)
            number &= below
        number = (number << shift) + base
        if form & BLOCK_RELATIVE and value[i] != absent_i64():
            number += <uint64_t>value[i]
        value[i] = <int64_t>number
    return 0


cdef int column_reserve(column_t* column, uint32_t n) noexcept nogil:
    """Room for n values; new ones are absent."""
    cdef int64_t* bigger
    cdef uint32_t i, cap
    if n <= column.cap:
        return 0
    cap = n + n // 8 + 64
    bigger = <int64_t*>realloc(column.value, <size_t>cap * 8)
    if bigger == NULL:
        return -1
    for i in range(column.cap, cap):
        bigger[i] = absent_i64()
    column.value = bigger
    column.cap = cap
    return 0


cdef int64_t column_samples(const int64_t* value, uint32_t n) noexcept nogil:
    cdef int64_t total = 0
    cdef uint32_t i
    for i in range(n):
        total += value[i] != absent_i64()
    return total
