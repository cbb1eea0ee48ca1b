"""One cAdvisor sample, with the spec that says what of it counts -> one row's values.

In      where the members of `spec` and of a sample are
Out     values, resources and custom metrics of a row
Callers _cadvisor.pyx
"""
from libc.string cimport memset

from heapfast.wire._cursor cimport cursor_t
from heapfast.wire._rows cimport Rows, row_t
from heapfast.wire._walk cimport NAMES_MAX

# Members of `spec` and of a sample: their places in where_t.at.
cdef enum:
    SPEC_CREATION_TIME = 0
    SPEC_LABELS
    SPEC_HAS_CPU
    SPEC_HAS_MEMORY
    SPEC_HAS_NETWORK
    SPEC_HAS_FILESYSTEM
    SPEC_HAS_DISKIO
    SPEC_HAS_CUSTOM_METRICS
    SPEC_CUSTOM_METRICS
    SPEC_IMAGE

cdef enum:
    SAMPLE_TIMESTAMP = 0
    SAMPLE_CPU
    SAMPLE_DISKIO
    SAMPLE_MEMORY
    SAMPLE_NETWORK
    SAMPLE_FILESYSTEM
    SAMPLE_ACCELERATORS
    SAMPLE_CUSTOM_METRICS

# Where the members of an object have their values; NULL = absent.
cdef struct where_t:
    const char* at[NAMES_MAX]

cdef inline where_t no_members() noexcept nogil:
    cdef where_t where
    memset(&where, 0, sizeof(where))
    return where

# Pass over the object at the cursor and note where its members are. False when it is none; nothing is noted then.
cdef bint find_spec(cursor_t* c, Rows rows, where_t* where) noexcept nogil
cdef bint find_sample(cursor_t* c, Rows rows, where_t* where) noexcept nogil

# Puts the cursor on a value that was noted. False when there is none, or after an error.
cdef inline bint go_to(cursor_t* c, const char* at) noexcept nogil:
    if at == NULL or c.error:
        return False
    c.at = at
    return True

# Fills `row`, which is the last one. The cursor ends anywhere.
cdef void read_sample(cursor_t* c, Rows rows, row_t* row, const where_t* spec, const where_t* sample) noexcept nogil
