"""The store: entities, the open batch, the ring, the latest view (design: docs/architecture.md).

Everything here belongs to the loop, except a Closing between swap and commit.
"""
from heapfast._batch cimport Batch, Ledger, Metrics
from heapfast._closing cimport Closing
from heapfast._entities cimport Entities, owner_t, table_t
from heapfast._ring cimport Ring
from heapfast._text cimport text_t
from heapfast._types cimport N_KINDS, int64_t, span_t, uint8_t, uint32_t, uint64_t
from heapfast.wire._rows cimport Rows, resource_row_t, row_t


# The newest two samples of a node or pod container, whatever batch they are in: what an autoscaler
# wants to read, visible the moment a target was ingested.
cdef struct latest_t:
    int64_t sample_ns          # of the newest sample; time_zero() = none yet
    int64_t start_ns
    int64_t cpu_ns             # cumulative; absent_i64() = not reported
    int64_t memory_bytes       # working set; absent_i64() = not reported
    int64_t rate_millicores    # over the window before sample_ns; absent_i64() = no rate yet
    int64_t window_ns          # that window
    uint32_t uid_hash          # of the pod it was sampled in: what another pod of the name did is forgotten


cdef class Store:
    cdef:
        Entities entities
        Metrics metrics
        Ledger ledger
        Ring ring
        Batch open
        Closing closing                    # between swap and commit, else None
        latest_t* latest[N_KINDS]          # owned; nodes and pod containers only
        uint32_t n_latest[N_KINDS]
        bint has_schedulable
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
    cdef int _forget_latest_of(self, uint32_t pod) except -1
    cdef uint32_t _accelerator(self, owner_t owner, resource_row_t* resource) except? 0xFFFFFFFE
    cdef int _ingest_row(self, Rows rows, row_t* row, uint32_t node, int64_t now_ns) except -1
    cdef int _ingest_resources(self, Rows rows, row_t* row, int kind, uint32_t slot) except -1
    cdef int _ingest_customs(self, Rows rows, row_t* row, int kind, uint32_t slot) except -1
    cdef int _reserve(self, int kind, uint32_t slot) except -1
    cdef int _update_latest(self, int kind, uint32_t slot, row_t* row, uint32_t uid_hash) except -1
    cdef int _free_unused(self) except -1
    cdef uint32_t _find(self, int kind, tuple names) except? 0xFFFFFFFE
    cdef int _put_containers(self, uint32_t pod, containers) except -1
    cdef Py_ssize_t read_series(
        self, int kind, uint32_t slot, int metric, int64_t start_ns, int64_t end_ns,
        int64_t* ts_out, int64_t* bits_out,
    ) noexcept
    cdef Py_ssize_t series_capacity(self) noexcept
