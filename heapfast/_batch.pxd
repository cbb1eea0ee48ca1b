"""A batch: all samples of one tick as columns over slots.

A batch is *open* while targets are ingested into it (by the loop alone), and *closed*
afterwards: then nothing in it changes any more and any thread may read it without the GIL.
Who holds a reference to a Batch may read all of its memory, text included.
"""
from libc.string cimport memcpy

from heapfast._ledger cimport Ledger
from heapfast._metrics cimport Metrics
from heapfast._text cimport text_ptr, text_t
from heapfast._types cimport N_KINDS, N_METRICS, int64_t, span_t, uint8_t, uint32_t, uint64_t


cdef enum:
    CHUNK = 512                # slots: a page of memory of each column


# One kind of entity in one batch. Every array is owned by the batch, has `n` entries indexed by slot
# (room for `cap`), and is NULL where the batch has nothing of that sort.
cdef struct frame_t:
    uint32_t n
    uint32_t cap
    uint32_t n_present
    uint8_t* blank             # only while open: 1 = this chunk of slots is not filled yet; NULL: all are
    uint8_t* present           # PRESENT_*
    int64_t* sample_ns         # Unix ns of the sample as the kubelet states it; time_zero() = none; not on resources,
                               # nor in a closed batch where nobody has a time, as no pod does of /metrics/resource
    int64_t* start_ns          # Unix ns; when counting began; time_zero() = unknown; not where sample_ns is not
    int64_t* since_ns          # stamp of the batch where sample_ns was new; not where that is not; NULL in the first
    int64_t* create_ns         # pods: start as the API server states it; of a container: Batch._create_ns
    int64_t* column[N_METRICS] # by metric id: int64, or double where Metrics.is_float; NULL = nobody has it
    # Who the entities are (set when the batch closes). The texts are the entities' own.
    uint32_t* parent           # namespace of a pod, pod of a container, node of a system container, owner of a resource
    uint8_t* parent_kind       # resources only: kind of the owner
    uint8_t* type              # resources only: RESOURCE_*
    text_t** name              # never NULL where present; accelerators: make NUL model NUL id
    text_t** uid               # namespaces, pods; NULL = none; while open, what kubelets say of unknown pods
    text_t** labels            # nodes, pods: the joined user labels; NULL = no API object
    text_t** stored            # nodes, pods: labels of --store-label, as key NUL value NUL ...; see stored_of
    text_t** image             # pod containers; NULL = the label is absent; while open, what kubelets say, or no column
    text_t** hostname          # nodes; NULL = no API object
    text_t** host_id           # nodes; NULL = no API object
    uint32_t* node             # slot of the API node whose target reported it; SLOT_NONE where there was none; not on
                               # resources
    # Only while open, and told by the answers themselves: tables may know of newer ones when the batch is closed.
    uint32_t* answer           # which call of ingest it came with last
    uint8_t* renewed           # pods: 1 = the answers told another UID than those before
    uint8_t* flags             # ENTITY_*
    # Only where a side source is scraped beside the main one (see _side.pxd), and not on resources
    uint8_t has_side
    uint8_t* origin            # ORIGIN_*, as bits
    uint8_t* answered          # nodes, only while open: ORIGIN_* of the answers that their targets gave
    int64_t* side_sample_ns    # as sample_ns, of what the side source said
    int64_t* side_start_ns     # as start_ns
    int64_t* side_since_ns     # as since_ns
    int64_t* side_came_ns      # stamp of the batch that the side source's answer came for; time_zero() = none
    int64_t* main_sample_ns    # sample_ns and start_ns as the main source said them: in those two, the side source's
    int64_t* main_start_ns     # fill the gaps
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


# The labels of --store-label; NULL = none.
cdef inline text_t* stored_of(const frame_t* frame, uint32_t slot) noexcept nogil:
    return NULL if frame.stored == NULL else frame.stored[slot]


# What volumes are called in the label resource_id: this, and their name.
cdef enum:
    VOLUME_PREFIX_LEN = 7


# Writes it: VOLUME_PREFIX_LEN + name.len bytes.
cdef inline void write_volume_id(const text_t* name, char* out) noexcept nogil:
    memcpy(out, b"Volume:", VOLUME_PREFIX_LEN)
    memcpy(out + VOLUME_PREFIX_LEN, text_ptr(name), name.len)


cdef inline bint is_present(const frame_t* frame, uint32_t slot) noexcept nogil:
    return slot < frame.n and frame.present[slot] != 0


cdef inline void frame_touch(frame_t* frame, uint32_t slot) noexcept nogil:
    if frame.blank != NULL and frame.blank[slot // CHUNK]:
        frame_fill_chunk(frame, slot // CHUNK)


cdef int check_kind(int kind) except -1       # raises ValueError for one that is none

# All of these return 0, or -1 when memory is out.
cdef int frame_reserve(frame_t* frame, int kind, uint32_t n) noexcept nogil
# The same for a frame that has nothing yet, but no page of it is touched before somebody asks for a slot there: by
# frame_touch on the loop, by frame_fill for all that are left before anybody else reads.
cdef int frame_reserve_blank(frame_t* frame, int kind, uint32_t n) noexcept nogil
cdef void frame_fill(frame_t* frame) noexcept nogil
cdef void frame_fill_chunk(frame_t* frame, uint32_t chunk) noexcept nogil
cdef int64_t* frame_column(frame_t* frame, int metric) noexcept nogil   # made on demand; NULL: no memory
cdef int frame_images(frame_t* frame) noexcept nogil                    # makes the column of images, with none in it
cdef void frame_seal(frame_t* frame) noexcept nogil                     # lets go of what only an open frame needs
cdef void frame_clear(frame_t* frame) noexcept nogil
cdef int index_children(frame_t* frames, int kind) noexcept nogil
