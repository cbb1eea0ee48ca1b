"""Batches of a segment, one after the other, in the numbering of a store.

A segment numbers entities and metrics its own way; both are mapped by name.
"""
from heapfast._core cimport Store
from heapfast._types cimport N_KINDS, N_METRICS, int64_t, uint8_t, uint32_t, uint64_t
from heapfast._unpack cimport column_t, input_t

cdef enum:
    N_COLUMNS = N_METRICS + 12 # metrics, and then FACT_*


# One batch by the store's own slots.
cdef struct plain_t:
    int64_t* value[N_KINDS][N_COLUMNS]       # owned; NULL where the batch has none
    int64_t* spare[N_KINDS][N_COLUMNS]       # owned; memory of columns that the batch does not have
    uint32_t cap[N_KINDS][N_COLUMNS]         # values that there is room for, in either
    uint32_t n[N_KINDS]
    int64_t timestamp_ns
    bint has_detail


cdef void plain_clear(plain_t* plain) noexcept nogil
cdef void plain_free(plain_t* plain) noexcept nogil
cdef int64_t* plain_column(plain_t* plain, int kind, int m) noexcept nogil


cdef inline int64_t plain_get(const plain_t* plain, int kind, int m, uint32_t slot) noexcept nogil:
    if plain.value[kind][m] == NULL or slot >= plain.n[kind]:
        return <int64_t>0x8000000000000000ULL
    return plain.value[kind][m][slot]


cdef class StoredReader:
    cdef:
        Store store
        column_t column[N_KINDS][N_COLUMNS]
        uint32_t n[N_KINDS]                  # slots of the segment that have been named
        uint32_t* slot[N_KINDS]              # owned; of the segment -> of the store
        uint32_t cap_slot[N_KINDS]
        int metric[N_METRICS]                # of the segment -> of the store; -1: there is no room
        int n_metrics
        uint64_t record
        bint can_detail                      # no detail of the segment has been left out so far
        plain_t* current                     # owned; the batch that was read last, if it was to be kept
        uint32_t* uid                        # owned; of pods by slot: hash of the UID they were kept under, 0 = none
        uint32_t cap_uid
        readonly int64_t samples             # decoded, over all batches that were kept
        readonly uint64_t detailed           # batches that were read with their detail

    cdef int _read(
        self, int64_t timestamp_ns, const uint8_t[::1] head, const uint8_t[::1] detail, bint keep
    ) except -1
    cdef int _take_head(self, input_t* c) except -1
    cdef int _take_metrics(self, input_t* c) except -1
    cdef int _metric(self, bytes name, bint is_float) except -2
    cdef int _take_entities(self, input_t* c) except -1
    cdef int _declare(
        self, int kind, int owner_kind, int type_, uint32_t slot, uint32_t parent,
        const char* name, uint32_t name_len, const char* text, uint32_t text_len,
    ) except -1
    cdef int _map(self, int kind, uint32_t slot, uint32_t found) except -1
    cdef int _note_uid(self, uint32_t pod, uint32_t hashed) except -1
    cdef int _take_columns(self, input_t* c, bint is_detail) except -1
    cdef int _fill(self, bint is_detail) except -1
    cdef int _scatter(self, int kind, int id_) noexcept nogil
