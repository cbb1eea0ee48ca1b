"""Resource rows out of JSON: what the parsers of statistics do with resources, plain values and maps.

In      a cursor on a value
Out     resource rows
Callers _summary.pyx, _cadvisor.pyx, _sample.pyx
Source  spec/heapster-pipeline.md 3.5 and 3.6
"""
from libc.string cimport memcmp, memset

from heapfast._types cimport RESOURCE_ACCELERATOR, span_t, uint8_t, uint32_t
from heapfast.wire._cursor cimport CURSOR_MEMORY, cursor_t, fail, skip_value
from heapfast.wire._read cimport READ_BAD, enter, own_text, read_count, read_text
from heapfast.wire._rows cimport Rows, resource_row_t
from heapfast.wire._walk cimport names_t, next_member, over, walk_t

# Ids of an accelerator's members beside its values, which are 0 to 2.
cdef enum:
    ACCELERATOR_MAKE = 10
    ACCELERATOR_MODEL
    ACCELERATOR_ID


cdef inline bint is_word(span_t text, const char* word, size_t size) noexcept nogil:
    return text.len == size and memcmp(text.ptr, word, size) == 0


cdef inline span_t no_text() noexcept nogil:
    cdef span_t text
    text.ptr = NULL
    text.len = 0
    return text


cdef inline resource_row_t new_resource(int type, span_t id) noexcept nogil:
    cdef resource_row_t resource
    memset(&resource, 0, sizeof(resource))
    resource.type = <uint8_t> type
    resource.id = id
    return resource


# Adds a resource that has at least one value.
cdef inline void append_resource(cursor_t* c, Rows rows, const resource_row_t* resource) noexcept nogil:
    cdef resource_row_t* added
    if resource.present == 0:
        return
    added = rows.add_resource(resource.type)
    if added == NULL:
        fail(c, CURSOR_MEMORY)
    else:
        added[0] = resource[0]


# A value that is 0 where the answer lacks it, because kubelets write it as a plain integer; only a bad one is absent.
cdef inline void read_plain(cursor_t* c, Rows rows, resource_row_t* out, uint32_t place) noexcept nogil:
    out.value[place] = 0
    out.present |= 1 << place
    if read_count(c, rows, &out.value[place]) == READ_BAD:
        out.present &= ~(1 << place)


# A text that is empty where the answer lacks it.
cdef inline void read_plain_text(cursor_t* c, Rows rows, span_t* out) noexcept nogil:
    out.len = 0
    read_text(c, rows, out)


# The name of the member at the cursor, for maps whose keys are data; unlike names of fields they have a case.
cdef inline bint read_key(cursor_t* c, Rows rows, const walk_t* walk, span_t* out) noexcept nogil:
    if own_text(rows, &walk.key, out):
        return True
    fail(c, CURSOR_MEMORY)
    return False


cdef inline void read_accelerator(cursor_t* c, Rows rows, const names_t* table) noexcept nogil:
    cdef walk_t walk = over(table)
    cdef resource_row_t out = new_resource(RESOURCE_ACCELERATOR, no_text())
    if not enter(c, rows, c'{'):
        return
    out.present = 0b111
    while next_member(c, &walk):
        if walk.id < 3:
            read_plain(c, rows, &out, walk.id)
        elif walk.id == ACCELERATOR_MAKE:
            read_plain_text(c, rows, &out.make)
        elif walk.id == ACCELERATOR_MODEL:
            read_plain_text(c, rows, &out.model)
        elif walk.id == ACCELERATOR_ID:
            read_plain_text(c, rows, &out.id)
        else:
            skip_value(c)
    append_resource(c, rows, &out)
