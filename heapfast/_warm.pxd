"""What the next rows will touch, brought into the cache before they are taken.

A row of a container touches some 15 lines of memory, in as many arrays, and the next row's are elsewhere: with
300,000 containers hardly one is in the cache. One after the other they are waited for; asked for together, they
come together. Nothing here decides anything: a wrong guess costs a line of cache.
"""
from heapfast._batch cimport frame_t
from heapfast._entities cimport Entities
from heapfast._latest cimport Latest
from heapfast._types cimport uint32_t
from heapfast.wire._rows cimport row_t


cdef enum:
    WARM_ROWS = 16             # rows a call, at most: their lines fit into the first cache; 32 are no faster


cdef void warm_rows(
    Entities entities,
    Latest latest,
    const frame_t* frames,     # of the open batch, by kind
    const row_t* row,          # the next rows
    uint32_t n,                # 0 <= n <= WARM_ROWS
) noexcept nogil
