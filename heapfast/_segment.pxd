"""Closed batches as bytes for a segment file (docs/warm-restart.md has the format, byte by byte).

A batch is written in two parts, so that a reader may leave out what it need not keep:

    head     names that are new since the batch before, and the columns of the long metrics
    detail   all other columns, and what is no metric: presence, times, nodes

Columns are packed as in the ring, but against the batch *before* (a file grows at its end). The first batch of a
segment leans on nothing, and has every name.
"""
from heapfast._batch cimport Batch
from heapfast._core cimport Store
from heapfast._types cimport N_METRICS, int64_t, uint8_t, uint16_t, uint32_t


# Columns that are no metrics; in files they are numbered so.
cdef enum:
    FIRST_FACT = 0xFF00
    FACT_PRESENT = 0           # PRESENT_*
    FACT_SAMPLE = 1            # sample_ns
    FACT_START = 2             # start_ns
    FACT_SINCE = 3             # since_ns
    FACT_NODE = 4              # slot of a node
    FACT_ORIGIN = 5            # ORIGIN_*; this and what follows only where there is a side source (see _side.pxd)
    FACT_SIDE_SAMPLE = 6       # side_sample_ns
    FACT_SIDE_START = 7        # side_start_ns
    FACT_SIDE_SINCE = 8        # side_since_ns
    FACT_SIDE_CAME = 9         # side_came_ns
    FACT_MAIN_SAMPLE = 10      # main_sample_ns
    FACT_MAIN_START = 11       # main_start_ns
    N_FACTS = 12

cdef enum:
    COLUMN_SAME = 0            # as in the batch before, to the bit
    COLUMN_PACKED = 1          # blocks follow

# What a block begins with; then mask, base, width and shift as it says, then `width` words.
cdef enum:
    BLOCK_EMPTY = 1            # none of its slots has a value: nothing follows
    BLOCK_MASK = 2             # uint64 mask; without it every slot has a value
    BLOCK_BASE = 4             # int64 base; without it 0
    BLOCK_BITS = 8             # uint8 width, uint8 shift; without it all numbers are `base`
    BLOCK_RELATIVE = 16        # numbers are differences to the batch before


cdef struct part_t:
    char* data                 # owned
    size_t len
    size_t cap


cdef class Part:
    cdef part_t part


cdef class Encoder:
    cdef:
        Store store
        Batch former                   # the batch that was written last, None at the start of a segment
        Batch pending                  # the one that was encoded last, and perhaps not written
        uint8_t is_head[N_METRICS]     # decided when a segment first names the metric
        int n_named                    # metrics that the segment names
        int n_pending

    cdef int _encode(self, Batch batch, part_t* head, part_t* detail) noexcept nogil
    cdef int _put_entities(self, Batch batch, part_t* head) noexcept nogil
    cdef int _put_facts(self, Batch batch, part_t* detail) noexcept nogil
