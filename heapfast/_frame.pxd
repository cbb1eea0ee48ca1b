"""A frame: one kind of entity in one batch, as columns over slots.

A batch has one of each kind; who may read or write one when, _batch.pxd says.
"""
from heapfast._pack cimport packed_t, packed_value, samples_t
from heapfast._text cimport text_t
from heapfast._types cimport N_KINDS, N_METRICS, absent_i64, int64_t, time_zero, uint8_t, uint32_t


cdef enum:
    N_TIMES = 3
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
    packed_t* packed_time[N_TIMES]   # in a closed batch without a side source those three, by TIME_*, in their place;
                               # what is time_zero() is absent here
    int64_t* create_ns         # pods: start as the API server states it; of a container: Batch._create_ns
    # By metric id: int64, or double where Metrics.is_float. A closed batch has it as one of the two (see sample_of), an
    # open one as the first. Both NULL: nobody has it.
    int64_t* column[N_METRICS]
    packed_t* packed[N_METRICS]
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
    uint8_t* flags             # ENTITY_*
    # Only while open, and told by the answers themselves: tables may know of newer ones when the batch is closed.
    uint32_t* answer           # which call of ingest it came with last
    uint8_t* renewed           # pods: 1 = the answers told another UID than those before
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


cdef enum time_t:
    TIME_SAMPLE = 0            # sample_ns
    TIME_START = 1             # start_ns
    TIME_SINCE = 2             # since_ns


cdef enum:
    ENTITY_KNOWN = 1           # the API server has an object for it
    ENTITY_UNSCHEDULABLE = 2   # nodes: cordoned
    ENTITY_TERMINATED = 4      # pod containers: the API server says it has ended
    ENTITY_SPEC = 8            # pod containers: named in the pod's spec (init containers are not)
    ENTITY_NO_NODENAME = 16    # pods made by aggregation: they carry no node label


# The labels of --store-label; NULL = none.
cdef inline text_t* stored_of(const frame_t* frame, uint32_t slot) noexcept nogil:
    return NULL if frame.stored == NULL else frame.stored[slot]


cdef inline bint has_column(const frame_t* frame, int metric) noexcept nogil:
    return frame.column[metric] != NULL or frame.packed[metric] != NULL


# The sample of a slot below n, or absent_i64(). A packed one takes some nanoseconds more.
cdef inline int64_t sample_of(const frame_t* frame, int metric, uint32_t slot) noexcept nogil:
    if frame.column[metric] != NULL:
        return frame.column[metric][slot]
    if frame.packed[metric] != NULL:
        return packed_value(frame.packed[metric], slot, 0)
    return absent_i64()


# A whole column. Borrowed from the frame.
cdef inline samples_t samples_of(const frame_t* frame, int metric) noexcept nogil:
    cdef samples_t out
    out.plain = frame.column[metric]
    out.packed = frame.packed[metric]
    out.n = frame.n if has_column(frame, metric) else 0
    return out


# The times of a frame; neither plain nor packed where it has none. Borrowed from it.
cdef inline samples_t times_of(const frame_t* frame, time_t which) noexcept nogil:
    cdef samples_t out
    if which == TIME_SAMPLE:
        out.plain = frame.sample_ns
    elif which == TIME_START:
        out.plain = frame.start_ns
    else:
        out.plain = frame.since_ns
    out.packed = frame.packed_time[<int>which]
    out.n = frame.n if out.plain != NULL or out.packed != NULL else 0
    return out


# Time of a slot; time_zero() = none.
cdef inline int64_t time_at(samples_t times, uint32_t slot) noexcept nogil:
    cdef int64_t value
    if times.plain != NULL:
        return times.plain[slot]
    value = absent_i64() if times.packed == NULL else packed_value(times.packed, slot, 0)
    return time_zero() if value == absent_i64() else value


cdef inline bint is_present(const frame_t* frame, uint32_t slot) noexcept nogil:
    return slot < frame.n and frame.present[slot] != 0


cdef inline void frame_touch(frame_t* frame, uint32_t slot) noexcept nogil:
    if frame.blank != NULL and frame.blank[slot // CHUNK]:
        frame_fill_chunk(frame, slot // CHUNK)


# Those that return an int give 0, or -1 when memory is out.
cdef int frame_reserve(frame_t* frame, int kind, uint32_t n) noexcept nogil
# The same for a frame that has nothing yet, but no page of it is touched before somebody asks for a slot there: by
# frame_touch on the loop, by frame_fill for all that are left before anybody else reads.
cdef int frame_reserve_blank(frame_t* frame, int kind, uint32_t n) noexcept nogil
cdef void frame_fill(frame_t* frame) noexcept nogil
cdef void frame_fill_chunk(frame_t* frame, uint32_t chunk) noexcept nogil
cdef int64_t* frame_column(frame_t* frame, int metric) noexcept nogil   # made on demand; NULL: no memory
cdef int frame_pack(frame_t* frame, int metric) noexcept nogil          # a column that changes no more
cdef int frame_images(frame_t* frame) noexcept nogil                    # makes the column of images, with none in it
cdef int frame_pack_times(frame_t* frame) noexcept nogil                # once nothing compares them any more
cdef void frame_forget_answers(frame_t* frame) noexcept nogil           # once nothing is replaced any more
cdef void frame_seal(frame_t* frame) noexcept nogil                     # lets go of what only an open frame needs
cdef void frame_clear(frame_t* frame) noexcept nogil                    # frees all that it has
cdef void clear_frames(frame_t* frames) noexcept nogil                  # of all kinds
cdef void free_frames(void* frames) noexcept nogil                      # those as well
cdef size_t frame_nbytes(const frame_t* frame) noexcept nogil           # of samples, times and presence
cdef int index_children(frame_t* frames, int kind) noexcept nogil
