"""Packed columns: what the ring keeps of a batch once a newer one has come.

Values are kept as differences to the same slot in the next newer batch, 64 slots a block,
each block with the smallest number of bits that holds it. To read an old value one walks
from the newest batch backwards, a few nanoseconds a step; nothing is unpacked for that.

    column
    +-----------+-----------+-----
    | block 0   | block 1   | ...        one header a block, then the bits of all blocks
    +-----------+-----------+-----

    header (24 bytes)                     bits: 64 numbers of `width` bits, slot i at bit i * width
    base      int64   subtracted from each number
    mask      uint64  bit i: slot i has a sample
    offset    uint32  of the block's first word in `bits`
    width     uint8   0 .. 64; 0: all numbers are equal to base
    shift     uint8   low zero bits that all numbers share (memory comes in pages)
    relative  uint8   1: numbers are differences to the newer batch; 0: they are the values

A block of 64 slots with all samples at `width` w costs 24 + 8w bytes.
"""
from heapfast._types cimport absent_i64, int64_t, uint8_t, uint32_t, uint64_t


cdef struct block_t:
    int64_t base
    uint64_t mask
    uint32_t offset
    uint8_t width
    uint8_t shift
    uint8_t relative
    uint8_t unused


cdef struct packed_t:
    uint32_t n                 # slots; further ones are absent
    uint32_t n_words
    block_t* block             # owned; (n + 63) // 64 of them
    uint64_t* bits             # owned; n_words, and one more so that a number may be read across the end
    packed_t* next             # of the columns that were dropped while somebody read them; see _ring.pxd


# A column as a batch has it, which is one of these, or neither: nobody has it. Borrowed.
cdef struct samples_t:
    const int64_t* plain       # n values, absent_i64() where there is none
    const packed_t* packed     # on its own: no block of it is relative
    uint32_t n


cdef inline samples_t plain_samples(const int64_t* value, uint32_t n) noexcept nogil:
    cdef samples_t out
    out.plain = value
    out.packed = NULL
    out.n = 0 if value == NULL else n
    return out


cdef int pack_column(
    samples_t value,           # IN
    samples_t newer,           # IN   the same column in the next newer batch
    packed_t* out,             # OUT  -1: no memory, and *out is empty
) noexcept nogil

cdef bint are_same(samples_t a, samples_t b) noexcept nogil      # false too where that is not seen at a glance
# Replaces 64 values by those of the batch before: what `packed_value` gives for each, without its branches.
cdef void decode_block(const packed_t* packed, uint32_t block, int64_t* value) noexcept nogil
cdef void packed_free(packed_t* column) noexcept nogil           # what packed_clear leaves, too; NULL is fine
cdef void packed_clear(packed_t* column) noexcept nogil
cdef size_t packed_nbytes(const packed_t* column) noexcept nogil
cdef int64_t packed_samples(const packed_t* column) noexcept nogil


cdef inline bint packed_has(const packed_t* column, uint32_t slot) noexcept nogil:
    """Whether a slot has a value."""
    return slot < column.n and (column.block[slot >> 6].mask >> (slot & 63)) & 1


cdef inline int64_t packed_value(const packed_t* column, uint32_t slot, int64_t newer) noexcept nogil:
    """The value of one slot, or absent_i64(); `newer` is what the next newer batch has there (0 if absent)."""
    cdef const block_t* b
    cdef uint64_t number = 0
    cdef uint32_t bit, word, shift
    if slot >= column.n:
        return absent_i64()
    b = &column.block[slot >> 6]
    bit = slot & 63
    if not (b.mask >> bit) & 1:
        return absent_i64()
    if b.width:
        bit *= b.width
        word = b.offset + (bit >> 6)
        shift = bit & 63
        number = column.bits[word] >> shift
        if shift:
            number |= column.bits[word + 1] << (64 - shift)
        if b.width < 64:
            number &= (<uint64_t>1 << b.width) - 1
    number = (number << b.shift) + <uint64_t>b.base
    if b.relative:
        number += <uint64_t>newer
    return <int64_t>number
