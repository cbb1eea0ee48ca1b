"""Packing of columns (see _pack.pxd for the layout).

In      a column and the one that came after it
Out     a packed_t, about as large as the column's surprises
Callers _closing packs, _ring reads; tests/property/test_pack.py plays it against a list
Never   loses a bit: what is read equals what was packed
"""
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from heapfast._types cimport absent_i64, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #define heapfast_clz64(x) __builtin_clzll(x)
    #define heapfast_ctz64(x) __builtin_ctzll(x)
    #define heapfast_popcount64(x) __builtin_popcountll(x)
    """
    int heapfast_clz64(uint64_t) noexcept nogil
    int heapfast_ctz64(uint64_t) noexcept nogil
    int heapfast_popcount64(uint64_t) noexcept nogil


cdef inline int measure(
    const uint64_t* number, uint64_t mask, uint64_t* base_out, uint8_t* shift_out
) noexcept nogil:
    """Bits a number for one block (signed numbers, given modulo 2^64), with base and shift."""
    cdef int64_t low = 0, high = 0, value
    cdef uint64_t differing = 0
    cdef uint64_t rest = mask
    cdef bint first = True
    cdef int i
    while rest:
        i = heapfast_ctz64(rest)
        rest &= rest - 1
        value = <int64_t>number[i]
        if first:
            low = high = value
            first = False
        elif value < low:
            low = value
        elif value > high:
            high = value
    base_out[0] = <uint64_t>low
    rest = mask
    while rest:
        i = heapfast_ctz64(rest)
        rest &= rest - 1
        differing |= number[i] - <uint64_t>low
    if differing == 0:
        shift_out[0] = 0
        return 0
    shift_out[0] = <uint8_t>heapfast_ctz64(differing)
    return 64 - heapfast_clz64((<uint64_t>high - <uint64_t>low) >> shift_out[0])


cdef int pack_column(
    const int64_t* value,
    const int64_t* newer,
    uint32_t n,
    uint32_t n_newer,
    packed_t* out,
) noexcept nogil:
    cdef uint32_t n_blocks = (n + 63) // 64
    cdef uint64_t plain[64]
    cdef uint64_t delta[64]
    cdef uint64_t base, base_delta, mask, rest, number
    cdef uint64_t* numbers
    cdef uint64_t* bigger
    cdef uint8_t shift, shift_delta
    cdef uint32_t block, slot, cap = n_blocks * 8 + 1, used = 0, bit
    cdef int width, width_delta, i
    cdef block_t* b
    memset(out, 0, sizeof(packed_t))
    out.block = <block_t*>calloc(n_blocks if n_blocks else 1, sizeof(block_t))
    out.bits = <uint64_t*>calloc(cap, sizeof(uint64_t))
    if out.block == NULL or out.bits == NULL:
        packed_clear(out)
        return -1
    out.n = n
    for block in range(n_blocks):
        b = &out.block[block]
        mask = 0
        for i in range(64):
            slot = block * 64 + i
            if slot >= n:
                break
            if value[slot] == absent_i64():
                continue
            mask |= <uint64_t>1 << i
            plain[i] = <uint64_t>value[slot]
            delta[i] = plain[i]
            if newer != NULL and slot < n_newer and newer[slot] != absent_i64():
                delta[i] -= <uint64_t>newer[slot]
        b.mask = mask
        b.offset = used
        if mask == 0:
            continue
        width = measure(plain, mask, &base, &shift)
        numbers = plain
        if newer != NULL and width:
            width_delta = measure(delta, mask, &base_delta, &shift_delta)
            if width_delta < width:
                width, base, shift, numbers = width_delta, base_delta, shift_delta, delta
                b.relative = 1
        b.base = <int64_t>base
        b.width = <uint8_t>width
        b.shift = shift
        if width == 0:
            continue
        if used + width + 1 > cap:
            bigger = <uint64_t*>realloc(out.bits, (<size_t>cap * 2 + width) * sizeof(uint64_t))
            if bigger == NULL:
                packed_clear(out)
                return -1
            out.bits = bigger
            memset(bigger + cap, 0, (<size_t>cap + width) * sizeof(uint64_t))
            cap = cap * 2 + width
        rest = mask
        while rest:
            i = heapfast_ctz64(rest)
            rest &= rest - 1
            number = (numbers[i] - base) >> shift
            bit = i * width
            out.bits[used + (bit >> 6)] |= number << (bit & 63)
            if (bit & 63) + width > 64:
                out.bits[used + (bit >> 6) + 1] |= number >> (64 - (bit & 63))
        used += width
    out.n_words = used
    bigger = <uint64_t*>realloc(out.bits, (<size_t>used + 1) * sizeof(uint64_t))
    if bigger != NULL:
        out.bits = bigger
    return 0


cdef void packed_clear(packed_t* column) noexcept nogil:
    free(column.block)
    free(column.bits)
    memset(column, 0, sizeof(packed_t))


cdef size_t packed_nbytes(const packed_t* column) noexcept nogil:
    return <size_t>((column.n + 63) // 64) * sizeof(block_t) + (<size_t>column.n_words + 1) * sizeof(uint64_t)


cdef int64_t packed_samples(const packed_t* column) noexcept nogil:
    cdef int64_t total = 0
    cdef uint32_t i
    for i in range((column.n + 63) // 64):
        total += heapfast_popcount64(column.block[i].mask)
    return total


def roundtrip(values, newer=None):
    """Packs a list of int64 (None = absent) against a newer one and reads it back: the door for tests.

    Returns (values, bytes used).
    """
    cdef uint32_t n = len(values), n_newer = 0 if newer is None else len(newer)
    cdef int64_t* value = <int64_t*>malloc((n + 1) * sizeof(int64_t))
    cdef int64_t* after = <int64_t*>malloc((n_newer + 1) * sizeof(int64_t))
    cdef packed_t packed
    cdef uint32_t i
    cdef int64_t known, read
    if value == NULL or after == NULL:
        free(value)
        free(after)
        raise MemoryError
    try:
        for i in range(n):
            value[i] = absent_i64() if values[i] is None else values[i]
        for i in range(n_newer):
            after[i] = absent_i64() if newer[i] is None else newer[i]
        if pack_column(value, NULL if newer is None else after, n, n_newer, &packed) < 0:
            raise MemoryError
        try:
            found = []
            for i in range(n + 1):
                known = after[i] if i < n_newer and after[i] != absent_i64() else 0
                read = packed_value(&packed, i, known)
                found.append(None if read == absent_i64() else read)
            if found.pop() is not None:
                raise AssertionError("BUG: a slot past the end has a value")
            return found, packed_nbytes(&packed)
        finally:
            packed_clear(&packed)
    finally:
        free(value)
        free(after)
