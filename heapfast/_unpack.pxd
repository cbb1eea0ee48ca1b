"""Columns of a segment, read: the other side of _segment, with a look at the end before each step.

A column is read in place: before a block is read its values are those of the record before, which it may lean on.
"""
from libc.string cimport memcpy

from heapfast._types cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef struct input_t:
    const uint8_t* start       # borrowed from the caller
    const uint8_t* at
    const uint8_t* end


# A column as a segment has it, by the segment's slots: what the next record leans on.
cdef struct column_t:
    int64_t* value             # owned; absent_i64() where there is none
    uint32_t cap               # values that are filled in
    uint64_t record            # the record that had it last
    uint8_t is_detail          # which part it comes in


cdef int open_input(input_t* c, const uint8_t[::1] text) except -1
cdef int get_block(input_t* c, int64_t* value, uint32_t n) noexcept nogil         # -1: it is none
cdef int column_reserve(column_t* column, uint32_t n) noexcept nogil              # -1: no memory
cdef int64_t column_samples(const int64_t* value, uint32_t n) noexcept nogil


cdef inline bint has(const input_t* c, size_t n) noexcept nogil:
    return <size_t>(c.end - c.at) >= n


cdef inline uint8_t get_u8(input_t* c) noexcept nogil:
    cdef uint8_t number = c.at[0]
    c.at += 1
    return number


cdef inline uint16_t get_u16(input_t* c) noexcept nogil:
    cdef uint16_t number
    memcpy(&number, c.at, 2)
    c.at += 2
    return number


cdef inline uint32_t get_u32(input_t* c) noexcept nogil:
    cdef uint32_t number
    memcpy(&number, c.at, 4)
    c.at += 4
    return number


cdef inline uint64_t get_u64(input_t* c) noexcept nogil:
    cdef uint64_t number
    memcpy(&number, c.at, 8)
    c.at += 8
    return number
