"""What the next rows will touch, brought into the cache before they are taken.

A row of a container touches some 15 lines of memory, in as many arrays, and the next row's are elsewhere: with
300,000 containers hardly one is in the cache. One after the other they are waited for; asked for together, they
come together. Nothing here decides anything: a wrong guess costs a line of cache.
"""
from heapfast._entities cimport Entities
from heapfast._expected cimport expected_t
from heapfast._frame cimport frame_t
from heapfast._latest cimport Latest
from heapfast._types cimport uint32_t
from heapfast.wire._rows cimport row_t


cdef enum:
    WARM_ROWS = 16             # rows a call, at most: their lines fit into the first cache; 32 are no faster


# The same where it is known which containers the rows are. What tells where the pods are is asked for first, then what
# tells where their names are, then those: so each of the three comes some rows after the one before it.
cdef enum:
    WARM_NAME_ROWS = 6         # so many rows before its turn
    WARM_POD_ROWS = 12
    WARM_CONTAINER_ROWS = 24


cdef struct warmed_t:          # rows that have been asked for; 0 before the first
    uint32_t containers
    uint32_t pods
    uint32_t names


cdef void warm_expected(
    Entities entities,
    Latest latest,
    const frame_t* frames,     # of the open batch, by kind
    const row_t* row,          # all rows of the answer
    const expected_t* place,   # where they are expected to go
    uint32_t n,                # how many
    uint32_t next,             # whose turn it is
    warmed_t* warmed,
) noexcept nogil


# Rows of which nothing is known.
cdef void warm_rows(
    Entities entities,
    Latest latest,
    const frame_t* frames,     # of the open batch, by kind
    const row_t* row,          # the next rows
    uint32_t n,                # 0 <= n <= WARM_ROWS
) noexcept nogil
