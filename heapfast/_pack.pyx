"""Packing of columns (see _pack.pxd for the layout).

In      a column and the one that came after it, each plain or packed on its own
Out     a packed_t, about as large as the column's surprises
Callers _batch and _closing pack, _ring reads; tests/property/test_pack.py plays it against a list
Never   loses a bit: what is read equals what was packed
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

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


cdef inline int measure(const uint64_t* number, uint64_t* base_out, uint8_t* shift_out) noexcept nogil:
    """Bits a number for 64 of them (signed, given modulo 2^64), with base and shift. Straight loops, no branches."""
    cdef int64_t low = <int64_t>number[0], high = low, value
    cdef uint64_t differing = 0
    cdef int i
    for i in range(1, 64):
        value = <int64_t>number[i]
        low = value if value < low else low
        high = value if value > high else high
        # Low zero bits that all differences to one number share, all differences to any other do.
        differing |= number[i] - number[0]
    base_out[0] = <uint64_t>low
    shift_out[0] = 0
    if differing == 0:
        return 0
    shift_out[0] = <uint8_t>heapfast_ctz64(differing)
    return 64 - heapfast_clz64((<uint64_t>high - <uint64_t>low) >> shift_out[0])


cdef inline uint64_t load_block(
    const int64_t* value, const int64_t* newer, uint32_t n, uint32_t n_newer, uint64_t* plain, uint64_t* delta
) noexcept nogil:
    """Fills in 64 values and their differences to the newer ones; the mask of samples. Absent ones equal the first."""
    cdef uint64_t mask = 0, base
    cdef uint32_t i, first
    for i in range(n):
        mask |= <uint64_t>(value[i] != absent_i64()) << i
    if mask == 0:
        return 0
    first = heapfast_ctz64(mask)
    for i in range(64):
        plain[i] = <uint64_t>value[i if (mask >> i) & 1 else first]
    if n_newer == 0:
        return mask
    memcpy(delta, plain, 64 * sizeof(uint64_t))
    for i in range(n_newer):
        base = 0 if newer[i] == absent_i64() else <uint64_t>newer[i]
        delta[i] -= base
    if mask != ~<uint64_t>0:
        for i in range(64):
            if not (mask >> i) & 1:
                delta[i] = delta[first]
    return mask


cdef inline void put_block(
    const uint64_t* number, uint64_t base, int shift, int width, uint64_t* bits
) noexcept nogil:
    """Writes 64 numbers of `width` bits, 1 .. 64, which are `width` words."""
    cdef uint64_t word = 0, n
    cdef int filled = 0, i
    for i in range(64):
        n = (number[i] - base) >> shift
        word |= n << filled
        filled += width
        if filled >= 64:
            bits[0] = word
            bits += 1
            filled -= 64
            word = n >> (width - filled) if filled else 0


cdef inline const int64_t* block_values(samples_t samples, uint32_t block, int64_t* room) noexcept nogil:
    """The values of a block that there is; `room` is for 64."""
    if samples.packed == NULL:
        return samples.plain + <size_t>block * 64
    decode_block(samples.packed, block, room)
    return room


cdef inline bint is_same_block(const packed_t* a, const packed_t* b, uint32_t block) noexcept nogil:
    """Whether a block of two columns that are packed on their own has the same samples."""
    cdef const block_t* x = &a.block[block]
    cdef const block_t* y = &b.block[block]
    return (
        x.mask == y.mask
        and x.base == y.base
        and x.width == y.width
        and x.shift == y.shift
        and memcmp(a.bits + x.offset, b.bits + y.offset, <size_t>x.width * sizeof(uint64_t)) == 0
    )


cdef bint are_same(samples_t a, samples_t b) noexcept nogil:
    cdef uint32_t block
    if a.n != b.n or a.n == 0:
        return False
    if a.plain != NULL and b.plain != NULL:
        return memcmp(a.plain, b.plain, <size_t>a.n * sizeof(int64_t)) == 0
    if a.packed == NULL or b.packed == NULL:
        return False
    for block in range((a.n + 63) // 64):
        if not is_same_block(a.packed, b.packed, block):
            return False
    return True


cdef void decode_block(const packed_t* packed, uint32_t block, int64_t* value) noexcept nogil:
    cdef const block_t* b = &packed.block[block]
    cdef const uint8_t* bytes = <const uint8_t*>(packed.bits + b.offset)
    cdef uint64_t mask = b.mask, number, low, newer
    cdef uint32_t i, bit = 0, width = b.width
    cdef int shift = b.shift
    cdef uint64_t base = <uint64_t>b.base
    cdef uint64_t relative = <uint64_t>0 - b.relative       # all ones or none
    if mask == 0:
        for i in range(64):
            value[i] = absent_i64()
        return
    if width > 57:             # more than eight bytes from a byte's border
        for i in range(64):
            value[i] = packed_value(packed, block * 64 + i, 0 if value[i] == absent_i64() else value[i])
        return
    low = (<uint64_t>1 << width) - 1
    if width == 0:
        for i in range(64):
            newer = 0 if value[i] == absent_i64() else <uint64_t>value[i]
            value[i] = <int64_t>(base + (newer & relative)) if (mask >> i) & 1 else absent_i64()
        return
    for i in range(64):
        memcpy(&number, bytes + (bit >> 3), 8)
        number = ((number >> (bit & 7)) & low) << shift
        newer = 0 if value[i] == absent_i64() else <uint64_t>value[i]
        number += base + (newer & relative)
        value[i] = <int64_t>number if (mask >> i) & 1 else absent_i64()
        bit += width


cdef int pack_column(samples_t value, samples_t newer, packed_t* out) noexcept nogil:
    cdef uint32_t n = value.n, n_newer = newer.n
    cdef uint32_t n_blocks = (n + 63) // 64
    cdef int64_t[64] room
    cdef int64_t[64] room_newer
    cdef const int64_t* from_newer
    cdef uint64_t plain[64]
    cdef uint64_t delta[64]
    cdef uint64_t base, base_delta
    cdef uint64_t* bits
    cdef uint8_t shift, shift_delta
    cdef uint32_t block, start, used = 0
    cdef int width, width_delta
    cdef block_t* b
    cdef const block_t* from_packed
    memset(out, 0, sizeof(packed_t))
    out.block = <block_t*>calloc(n_blocks if n_blocks else 1, sizeof(block_t))
    # As much as a column can need. Not shrunk but copied below: columns that stay, each cut off a block of full size,
    # leave gaps that nothing fits into (5.1 bytes of RSS a sample of 1.6 bytes).
    bits = <uint64_t*>malloc((<size_t>n_blocks * 64 + 1) * sizeof(uint64_t))
    if out.block == NULL or bits == NULL:
        free(bits)
        packed_clear(out)
        return -1
    out.n = n
    memset(room, 0, sizeof(room))
    memset(room_newer, 0, sizeof(room_newer))
    for block in range(n_blocks):
        b = &out.block[block]
        b.offset = used
        start = block * 64
        if value.packed != NULL and newer.packed != NULL and start < n_newer:
            if is_same_block(value.packed, newer.packed, block):
                # What is found below for 64 differences of 0. Nearly all blocks of what hardly ever changes are so.
                b.mask = value.packed.block[block].mask
                if value.packed.block[block].width:
                    b.relative = 1
                else:
                    b.base = value.packed.block[block].base
                continue
        from_newer = block_values(newer, block, room_newer) if start < n_newer else NULL
        b.mask = load_block(
            block_values(value, block, room), from_newer, min(n - start, 64),
            min(n_newer - start, 64) if start < n_newer else 0, plain, delta,
        )
        if b.mask == 0:
            continue
        if value.packed == NULL:
            width = measure(plain, &base, &shift)
        else:
            # Measured already, when it was packed on its own.
            from_packed = &value.packed.block[block]
            width, base, shift = from_packed.width, <uint64_t>from_packed.base, from_packed.shift
        if start < n_newer and width:
            width_delta = measure(delta, &base_delta, &shift_delta)
            if width_delta < width:
                width, base, shift = width_delta, base_delta, shift_delta
                b.relative = 1
        b.base = <int64_t>base
        b.width = <uint8_t>width
        b.shift = shift
        if width == 0:
            continue
        if b.relative:
            put_block(delta, base, shift, width, bits + used)
        else:
            put_block(plain, base, shift, width, bits + used)
        used += width
    bits[used] = 0
    out.n_words = used
    out.bits = <uint64_t*>malloc((<size_t>used + 1) * sizeof(uint64_t))
    if out.bits != NULL:
        memcpy(out.bits, bits, (<size_t>used + 1) * sizeof(uint64_t))
    free(bits)
    if out.bits == NULL:
        packed_clear(out)
        return -1
    return 0


cdef void packed_clear(packed_t* column) noexcept nogil:
    free(column.block)
    free(column.bits)
    memset(column, 0, sizeof(packed_t))


cdef void packed_free(packed_t* column) noexcept nogil:
    if column != NULL:
        packed_clear(column)
        free(column)


cdef size_t packed_nbytes(const packed_t* column) noexcept nogil:
    return <size_t>((column.n + 63) // 64) * sizeof(block_t) + (<size_t>column.n_words + 1) * sizeof(uint64_t)


cdef int64_t packed_samples(const packed_t* column) noexcept nogil:
    cdef int64_t total = 0
    cdef uint32_t i
    for i in range((column.n + 63) // 64):
        total += heapfast_popcount64(column.block[i].mask)
    return total


def roundtrip(values, newer=None, *, are_packed=False):
    """Packs a list of int64 (None = absent) against a newer one and reads it back: the door for tests.

    Args:
        are_packed: both are packed on their own before, as a batch has some of its columns.

    Returns (values, bytes used).
    """
    cdef uint32_t n = len(values), n_newer = 0 if newer is None else len(newer)
    cdef int64_t* value = <int64_t*>malloc((n + 1) * sizeof(int64_t))
    cdef int64_t* after = <int64_t*>malloc((n_newer + 1) * sizeof(int64_t))
    cdef int64_t[64] block
    cdef packed_t packed, own, own_newer
    cdef samples_t this, that
    cdef uint32_t i
    cdef int64_t known, read
    memset(&packed, 0, sizeof(packed_t))
    memset(&own, 0, sizeof(packed_t))
    memset(&own_newer, 0, sizeof(packed_t))
    try:
        if value == NULL or after == NULL:
            raise MemoryError
        for i in range(n):
            value[i] = absent_i64() if values[i] is None else values[i]
        for i in range(n_newer):
            after[i] = absent_i64() if newer[i] is None else newer[i]
        this = plain_samples(value, n)
        that = plain_samples(NULL if newer is None else after, n_newer)
        if are_packed:
            if pack_column(this, plain_samples(NULL, 0), &own) or pack_column(that, plain_samples(NULL, 0), &own_newer):
                raise MemoryError
            if are_same(this, that) != (n > 0 and values == newer):
                raise AssertionError("BUG: plain columns are not told from others")
            this.plain = that.plain = NULL
            this.packed = &own
            that.packed = NULL if newer is None else &own_newer
            if are_same(this, that) != (n > 0 and values == newer):
                raise AssertionError("BUG: packed columns are not told from others")
        if pack_column(this, that, &packed) < 0:
            raise MemoryError
        found = []
        for i in range(n + 1):
            known = after[i] if i < n_newer and after[i] != absent_i64() else 0
            read = packed_value(&packed, i, known)
            found.append(None if read == absent_i64() else read)
        if found.pop() is not None:
            raise AssertionError("BUG: a slot past the end has a value")
        for i in range(n):
            if i % 64 == 0:
                for k in range(64):
                    block[k] = after[i + k] if i + k < n_newer else absent_i64()
                decode_block(&packed, i // 64, block)
            if found[i] != (None if block[i % 64] == absent_i64() else block[i % 64]):
                raise AssertionError(f"BUG: slot {i} reads otherwise by itself than with its block")
        return found, packed_nbytes(&packed)
    finally:
        packed_clear(&packed)
        packed_clear(&own)
        packed_clear(&own_newer)
        free(value)
        free(after)
