"""A batch: all samples of one tick as columns over slots, a frame a kind (see _frame.pxd).

A batch is *open* while targets are ingested into it (by the loop alone), and *closed*
afterwards: then nothing in it changes any more and any thread may read it without the GIL.
Who holds a reference to a Batch may read all of its memory, text included.
"""
from libc.string cimport memcpy

from heapfast._frame cimport frame_t
from heapfast._ledger cimport Ledger
from heapfast._metrics cimport Metrics
from heapfast._text cimport text_ptr, text_t
from heapfast._types cimport N_KINDS, int64_t, span_t, uint32_t, uint64_t


cdef class Batch:
    cdef:
        readonly int64_t timestamp_ns     # end of the window, Unix ns; 0 while open
        readonly uint64_t seq             # counts batches from 1, without gaps
        readonly bint closed
        readonly bint has_schedulable     # nodes carry the label `schedulable` (cAdvisor source)
        readonly int64_t side_ns          # resolution of the side source; 0 = there is none
        frame_t frame[N_KINDS]
        Metrics metrics
        Ledger ledger

    cdef size_t nbytes(self) noexcept
    cdef str _key(self, int kind, uint32_t slot)
    cdef int _owner_kind(self, int kind) except -1
    cdef int64_t _create_ns(self, int kind, uint32_t slot) noexcept
    cdef dict _set(self, int kind, uint32_t slot)
    cdef dict _labels(self, int kind, uint32_t slot)
    cdef list _labeled(self, int kind, uint32_t slot)
    cdef _user_labels(self, dict labels, frame_t* f, uint32_t slot)


# What an accelerator's name is made of. Borrowed from it.
cdef struct accelerator_t:
    span_t make, model, id


cdef inline accelerator_t split_accelerator(const text_t* name) noexcept nogil:
    """make NUL model NUL id; the id may have anything in it."""
    cdef accelerator_t found
    cdef const char* ptr = text_ptr(name)
    cdef uint32_t make = 0
    cdef uint32_t model
    while make < name.len and ptr[make] != 0:
        make += 1
    model = make + 1
    while model < name.len and ptr[model] != 0:
        model += 1
    found.make.ptr = ptr
    found.make.len = make
    found.model.ptr = ptr + make + 1
    found.model.len = model - make - 1
    found.id.ptr = ptr + model + 1
    found.id.len = name.len - model - 1
    return found


# What volumes are called in the label resource_id: this, and their name.
cdef enum:
    VOLUME_PREFIX_LEN = 7


# Writes it: VOLUME_PREFIX_LEN + name.len bytes.
cdef inline void write_volume_id(const text_t* name, char* out) noexcept nogil:
    memcpy(out, b"Volume:", VOLUME_PREFIX_LEN)
    memcpy(out + VOLUME_PREFIX_LEN, text_ptr(name), name.len)


cdef int check_kind(int kind) except -1       # raises ValueError for one that is none
