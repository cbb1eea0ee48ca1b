"""A batch: all samples of one tick as columns over slots.

A batch is *open* while targets are ingested into it (by the loop alone), and *closed*
afterwards: then nothing in it changes any more and any thread may read it without the GIL.
Who holds a reference to a Batch may read all of its memory, text included.
"""
from heapfast._text cimport text_t
from heapfast._types cimport N_KINDS, N_METRICS, int64_t, uint8_t, uint32_t, uint64_t


# One kind of entity in one batch. Every array has `n` entries, indexed by slot, or is NULL
# where the batch has nothing of that sort.
cdef struct frame_t:
    uint32_t n
    uint32_t n_present
    uint8_t* present           # PRESENT_*
    int64_t* sample_ns         # Unix ns of the sample as the kubelet states it; time_zero() = none
    int64_t* start_ns          # Unix ns; when counting began; time_zero() = unknown
    int64_t* create_ns         # pods, pod containers: start of the pod as the API server states it
    int64_t* column[N_METRICS] # by metric id: int64, or double for float metrics (column_is_float); NULL = nobody has it
    # Who the entities are (set when the batch closes).
    uint32_t* parent           # namespace of a pod, pod of a container, node of a system container, owner of a resource
    uint8_t* parent_kind       # resources only: kind of the owner
    uint8_t* type              # resources only: RESOURCE_*
    text_t** name              # never NULL where present; accelerators: make NUL model NUL id
    text_t** uid               # namespaces, pods; NULL = none
    text_t** labels            # nodes, pods: the joined user labels; NULL = no API object
    text_t** stored            # nodes, pods: labels of --store-label, as key NUL value NUL ...; NULL = none
    text_t** image             # pod containers; NULL = the label is absent
    text_t** hostname          # nodes
    text_t** host_id           # nodes
    uint32_t* node             # pods, pod containers, nodes, system containers: slot of the API node whose target
                               # reported them; SLOT_NONE where there was none
    uint8_t* flags             # ENTITY_*
    # Children by kind, present ones only: child[k][first[k][slot] : first[k][slot + 1]], ascending by slot
    uint32_t* first[N_KINDS]
    uint32_t* child[N_KINDS]

cdef enum:
    ENTITY_KNOWN = 1           # the API server has an object for it
    ENTITY_UNSCHEDULABLE = 2   # nodes: cordoned
    ENTITY_TERMINATED = 4      # pod containers: the API server says it has ended
    ENTITY_SPEC = 8            # pod containers: named in the pod's spec (init containers are not)
    ENTITY_NO_NODENAME = 16    # pods made by aggregation: they carry no node label


cdef class Batch:
    cdef:
        readonly int64_t timestamp_ns     # end of the window, Unix ns
        readonly uint64_t seq             # counts batches from 1, without gaps
        readonly bint closed
        readonly bint has_schedulable     # nodes carry the label `schedulable` (cAdvisor source)
        frame_t frame[N_KINDS]
        object owner                      # the Store, which recycles the memory


cdef inline bint column_is_float(const uint8_t* is_float, int metric) noexcept nogil:
    return is_float[metric] != 0
