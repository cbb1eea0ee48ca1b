"""The store: entities, the open batch, the ring, the latest view (design: docs/architecture.md).

Everything here belongs to the loop, except a Closing between swap and commit.
"""
from heapfast._batch cimport Batch
from heapfast._closing cimport Closing
from heapfast._entities cimport Entities, owner_t, table_t
from heapfast._expected cimport Expected
from heapfast._extras cimport Extras
from heapfast._frame cimport frame_t
from heapfast._latest cimport Latest
from heapfast._ledger cimport Ledger
from heapfast._metrics cimport Metrics
from heapfast._ring cimport Ring
from heapfast._text cimport text_t
from heapfast._types cimport int64_t, span_t, uint32_t, uint64_t
from heapfast.wire._rows cimport Rows, resource_row_t, row_t


# Where a row goes.
cdef struct place_t:
    uint32_t slot              # SLOT_NONE: nowhere
    uint32_t pod               # of a pod container


cdef class Store:
    cdef:
        Entities entities
        Metrics metrics
        Ledger ledger
        Ring ring
        Batch open
        Closing closing                    # between swap and commit, else None
        readonly Latest latest
        Expected expected                  # what each node's next answer of the main source will name
        Extras extras                      # the latest view's; None when only CPU and memory are served
        readonly tuple usage_keys
        set long_custom                    # names of custom metrics that are of the long class, seen or not
        bint has_schedulable
        readonly int64_t side_ns           # resolution of the side source; 0 = there is none
        dict stamps                        # with a side source: timestamp_ns of batches by seq, oldest first
        uint32_t last_namespace            # of the row before: rows come in runs of a namespace's pods
        readonly uint64_t ingested_rows
        readonly uint64_t ingested_targets

    cdef uint32_t _make(self, int kind, uint32_t owner, str name) except? 0xFFFFFFFE
    cdef uint32_t _put(self, int kind, uint32_t owner, str name) except? 0xFFFFFFFE
    cdef uint32_t _forget(self, int kind, uint32_t owner, str name) except? 0xFFFFFFFE
    cdef int _set(self, text_t** place, str text, bint pooled) except -1
    cdef int _set_labels(self, table_t* t, uint32_t slot, str labels, stored) except -1
    cdef bint _is_named(self, int kind, uint32_t slot, span_t name) noexcept
    cdef int _ingest_uid(self, uint32_t pod, uint32_t uid_hash, row_t* row) except -1
    cdef uint32_t _accelerator(self, owner_t owner, resource_row_t* resource) except? 0xFFFFFFFE
    cdef place_t _place(self, Rows rows, row_t* row, uint32_t node) except *
    cdef int _ingest_row(
        self, Rows rows, row_t* row, place_t place, uint32_t node, int64_t now_ns, int origin
    ) except -1
    cdef uint32_t _begin_side(
        self, frame_t* f, int kind, uint32_t slot, const row_t* row, uint32_t node, int origin
    ) noexcept
    cdef uint32_t _oldest_shown(self) except? 0xFFFFFFFE
    cdef int _ingest_resources(self, Rows rows, row_t* row, int kind, uint32_t slot) except -1
    cdef int _ingest_customs(self, Rows rows, row_t* row, int kind, uint32_t slot) except -1
    cdef int _reserve(self, int kind, uint32_t slot) except -1
    cdef int _free_unused(self) except -1
    cdef uint32_t _find(self, int kind, tuple names) except? 0xFFFFFFFE
    cdef int _put_containers(self, uint32_t pod, containers) except -1
    cdef void _require(self, table_t* t, uint32_t slot, uint32_t requirements) noexcept
    cdef Py_ssize_t read_series(
        self, int kind, uint32_t slot, int metric, int64_t start_ns, int64_t end_ns,
        int64_t* ts_out, int64_t* bits_out,
    ) noexcept
    cdef Py_ssize_t series_capacity(self) noexcept
