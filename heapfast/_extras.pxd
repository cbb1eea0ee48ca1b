"""What metrics.k8s.io serves beside CPU and memory, when the operator asks for it (`--usage-keys`).

The newest values of nodes, containers and pods, by slot, next to the latest view and the loop's alone like it.
Where nothing is asked for there is no object of this class, and nobody pays for it.
"""
from heapfast._entities cimport Entities
from heapfast._types cimport int64_t, uint32_t
from heapfast.wire._rows cimport Rows, row_t


# In the order of their keys in a usage map, bytewise; all but swap come before "memory" there.
cdef enum:
    EXTRA_EPHEMERAL_STORAGE = 0    # bytes
    EXTRA_ACCELERATOR_MEMORY = 1   # bytes
    EXTRA_ACCELERATORS = 2         # thousandths of an accelerator that is busy
    EXTRA_NETWORK_RX = 3           # bytes a second
    EXTRA_NETWORK_TX = 4           # bytes a second
    EXTRA_SWAP = 5                 # bytes
    N_EXTRAS = 6


cdef struct extra_t:           # of a node, a container, or of a pod (network alone)
    int64_t value[N_EXTRAS]    # absent_i64() = none
    int64_t counter[2]         # network: received and sent so far, absent_i64() = not said
    int64_t sample_ns          # when counter was sampled; 0 = never
    int64_t start_ns           # when counting began, as the kubelet says
    int64_t swap_seen_ns       # wall time of the answer that swap is from; 0 = none
    int64_t rest_seen_ns       # of the one that all else is from


cdef struct extras_t:          # all of a kind
    extra_t* entry             # owned; by slot
    uint32_t n


cdef class Extras:
    cdef:
        Entities entities
        extras_t node, container, pod
        uint32_t wanted            # bits by EXTRA_*
        int64_t swap_stale_ns      # after so long without an answer it is not served any more
        int64_t rest_stale_ns
        bint has_side              # swap is of the main source, all else of the side source

    cdef extras_t* _of(self, int kind) noexcept nogil
    cdef void _take_resources(self, Rows rows, const row_t* row, extra_t* e) noexcept
    cdef void _take_network(self, const row_t* row, extra_t* e, int64_t now_ns) noexcept
    # What a row says of an entity. `is_side`: the row is the side source's.
    cdef int take(self, Rows rows, const row_t* row, uint32_t slot, int64_t now_ns, bint is_side) except -1
    cdef void forget(self, int kind, uint32_t slot) noexcept
    # OUT value[N_EXTRAS]: what is served of an entity, absent_i64() where nothing is.
    cdef void read(self, int kind, uint32_t slot, int64_t now_ns, int64_t* value) noexcept nogil


cdef const char* extra_key(int extra) noexcept nogil
