"""What happens to a batch between swap and commit: rates, enrichment, sums, packing.

Runs in a thread without the GIL. It reads the entity tables, which the loop leaves alone but
for kubelet-side changes to slots that are newer than the batch (see _entities.pxd).
"""
from heapfast._batch cimport Batch
from heapfast._entities cimport Entities
from heapfast._frame cimport frame_t
from heapfast._ring cimport Packed
from heapfast._types cimport N_KINDS, int64_t, uint32_t


# The next open batch, made ready in a thread: filling columns with "absent" is no work for the loop.
cdef class Spare:
    cdef:
        Batch batch
        Batch model                 # the open batch of now: the next one will have its columns
        Batch known                 # the newest closed batch, or None: if that has them too
        uint32_t n[N_KINDS]
        frame_t* like[N_KINDS]      # borrowed from model

    cdef int _prepare(self) noexcept nogil


cdef enum closing_state_t:
    CLOSING_NEW = 0
    CLOSING_RUNNING = 1
    CLOSING_DONE = 2
    CLOSING_FAILED = 3


# Heapster's processors, and the packing of the former batch.
cdef enum:
    PROCESSOR_RATES = 0
    PROCESSOR_POD_ENRICHER = 1
    PROCESSOR_NAMESPACE_ENRICHER = 2
    PROCESSOR_PODS = 3
    PROCESSOR_NAMESPACES = 4
    PROCESSOR_NODES = 5
    PROCESSOR_CLUSTER = 6
    PROCESSOR_NODE_AUTOSCALING = 7
    PROCESSOR_PACKER = 8
    N_PROCESSORS = 9


cdef class Closing:
    cdef:
        Entities entities
        Batch batch                 # the one that is being closed
        Batch former                # the one before it, or None
        readonly Packed packed      # `former`, packed; made by run()
        closing_state_t state
        int64_t took_ns[N_PROCESSORS]    # by PROCESSOR_*

    cdef int _run(self) noexcept nogil
    cdef int64_t _note(self, int processor, int64_t started_ns) noexcept nogil
    cdef int _enrich_and_sum(self) noexcept nogil
    cdef int _link_all(self) noexcept nogil
    cdef int _name_all(self) noexcept nogil
    cdef int _seal(self) noexcept nogil
    cdef int _link(self, int kind) noexcept nogil
    cdef int _name(self, int kind) noexcept nogil
    cdef void _drop_replaced_resources(self) noexcept nogil
    cdef int _count(self) noexcept nogil
    cdef void _drop_empty_columns(self) noexcept nogil
    cdef int _pack_metric(self, int m) noexcept nogil
    cdef int _pack_former(self, int kind, int m) noexcept nogil
