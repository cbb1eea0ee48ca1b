"""Who is there: one table a kind, from key to slot and from slot to attributes.

A slot stays with its entity as long as the API server knows it, a batch in memory shows it or a
child needs it; then it goes to the free list. Tables belong to the loop. The closing thread reads
them too, which is safe since (a) it looks only at slots that existed at the swap, (b) an array that
grows meanwhile is replaced, and the old one kept until the batch is closed, and (c) changes from
the API server wait until then (processors/gate.py).
"""
from heapfast._requirements cimport RequirementPool
from heapfast._text cimport TextPool, retired_t, text_t
from heapfast._types cimport N_KINDS, int32_t, int64_t, uint8_t, uint32_t, uint64_t


# Bits that `find` is asked with besides the name, and that a slot is found by.
cdef struct owner_t:
    uint32_t slot              # of the parent; SLOT_NONE for kinds without one
    uint8_t kind               # of the parent; resources only, else 0
    uint8_t type               # RESOURCE_*; resources only, else 0


# What the API server says about a node; 0 = unknown.
cdef struct node_spec_t:
    int64_t cpu_capacity_millicores
    int64_t cpu_allocatable_millicores
    int64_t memory_capacity_bytes
    int64_t memory_allocatable_bytes


# What the API server says about a container of a pod.
cdef struct container_spec_t:
    uint32_t requirements      # its number in the pool
    int32_t restart_count      # -1: no status


cdef enum:
    FEW_CONTAINERS = 2         # so many stand where the pointer would: most pods have no more


cdef union specified_t:
    uint32_t few[FEW_CONTAINERS]
    uint32_t* many             # owned


# What the API server says about a pod, besides its texts.
cdef struct pod_spec_t:
    int64_t create_ns          # status.startTime, Unix ns; time_zero() = none
    specified_t container      # slots of the containers of its spec, in order; see specified_by
    uint32_t n_containers
    uint8_t has_many           # they are in `many`


# Borrowed until the pod's next put or remove.
cdef inline uint32_t* specified_by(pod_spec_t* spec) noexcept nogil:
    return spec.container.many if spec.has_many else spec.container.few


# One kind. Arrays are owned, have `cap` entries and are NULL where the kind has no such attribute.
cdef struct table_t:
    uint32_t n                 # slots ever handed out: all arrays are filled up to here
    uint32_t cap
    uint32_t n_used
    uint32_t last              # slot that find_or_add gave last
    uint64_t* bucket           # open addressing: hash << 32 | slot, or BUCKET_FREE
    uint32_t n_buckets         # a power of two
    uint32_t* free_slot
    uint32_t n_free
    uint32_t* parent
    uint8_t* parent_kind
    uint8_t* type
    uint32_t* n_children       # slots that have this one as parent
    uint32_t* last_seen        # seq of the newest batch that shows it (32 bits last for centuries)
    text_t** name              # NULL: the slot is free
    uint8_t* flags             # ENTITY_*
    text_t** uid
    text_t** labels
    text_t** stored            # NULL too while nobody has any (--store-label)
    text_t** image             # as the pod's spec has it
    text_t** own_image         # as a kubelet told it last; NULL too while none has told any
    text_t** hostname
    text_t** host_id
    node_spec_t* node_spec
    pod_spec_t* pod_spec
    container_spec_t* container_spec
    uint32_t* uid_hash         # pods: of the UID that the kubelet said last


cdef class Entities:
    cdef:
        table_t table[N_KINDS]
        TextPool pool
        RequirementPool requirements
        retired_t* retired     # owned; ascending by seq
        size_t n_retired, cap_retired
        void** outgrown        # owned; arrays replaced while a batch is closing
        size_t n_outgrown, cap_outgrown
        bint closing           # a thread may be reading
        uint64_t seq           # of the open batch: what is retired now may be shown up to it

    cdef uint32_t find(self, int kind, owner_t owner, const char* name, uint32_t len) noexcept nogil
    cdef uint32_t find_near(self, int kind, owner_t owner, const char* name, uint32_t len) noexcept nogil
    # For whoever wants to know early where an entity is: the hash that `find` looks for, and a slot by it alone.
    cdef uint32_t hash_of(self, owner_t owner, const char* name, uint32_t len) noexcept nogil
    cdef uint32_t guess(self, int kind, uint32_t h) noexcept nogil
    cdef uint32_t find_or_add(self, int kind, owner_t owner, const char* name, uint32_t len) except? 0xFFFFFFFE
    cdef int remove(self, int kind, uint32_t slot) except -1
    cdef int set_text(self, text_t** place, const char* ptr, uint32_t len, bint pooled) except -1
    cdef int drop_text(self, text_t** place) except -1
    # The same, in a column that is made when the first entity has something for it, such as table.stored.
    cdef int set_rare_text(
        self, table_t* t, text_t*** column, uint32_t slot, const char* ptr, uint32_t len, bint pooled
    ) except -1
    cdef int drop_rare_text(self, text_t** column, uint32_t slot) except -1
    cdef void reclaim(self, uint64_t oldest_shown) noexcept
    cdef void end_closing(self) noexcept
    cdef size_t nbytes(self) noexcept

    cdef uint32_t _add(self, int kind, owner_t owner, const char* name, uint32_t len) except? 0xFFFFFFFE
    cdef table_t* _parent(self, int kind, owner_t owner) noexcept
    cdef void _insert(self, table_t* t, uint64_t taken) noexcept         # what stands in a bucket
    cdef void _take_out(self, table_t* t, uint32_t slot) noexcept
    cdef void _blank(self, table_t* t, uint32_t slot) noexcept
    cdef int _grow(self, int kind) except -1
    cdef int _rehash(self, table_t* t, uint32_t cap) except -1
    cdef void* _bigger(self, void* old, size_t used, size_t cap, size_t width) except NULL
    cdef int _keep(self, void* old) except -1
