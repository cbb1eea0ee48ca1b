"""Which slots of a kind are wanted, and in which groups.

                slot               entity              object
    pod         a pod             the same            the same
    container   a container       the same            its pod
    resources   a volume ...      whose it is         that entity's pod or node

Made and used in one thread, over one closed batch.
"""
from heapfast._batch cimport Batch
from heapfast._frame cimport frame_t
from heapfast._types cimport span_t, uint8_t, uint32_t, uint64_t


# What groups are made by. From KEY_LABEL on: the first, second ... label.
cdef enum:
    KEY_NAMESPACE = 0
    KEY_NODE = 1
    KEY_POD = 2                # of one name in two namespaces: two. Whoever asks puts KEY_NAMESPACE before it
    KEY_CONTAINER = 3          # by name
    KEY_RESOURCE_ID = 4        # of resources, as the four labels that Heapster tells them by
    KEY_MAKE = 5
    KEY_MODEL = 6
    KEY_ACCELERATOR_ID = 7
    KEY_LABEL = 8
    MAX_LABELS = 8


# Slots in groups. Belongs to one thread after it was made.
cdef class Grouping:
    cdef:
        readonly Batch newest
        readonly int kind          # of the entities
        readonly int slot_kind     # what the slots are of: the same, or resources of theirs
        frame_t* frame             # of the slots, the newest batch's
        frame_t* entities          # of the entities
        int n_keys
        int key[16]
        const uint32_t* entity     # the batch's; by slot: whose resource it is; NULL: the entity itself
        const uint32_t* object     # the batch's; by slot of an entity: that of its pod or node; NULL: its own
        uint32_t* label[MAX_LABELS]    # owned; by slot of the object: number of the value, SLOT_NONE = no such label
        list label_texts           # of each label key, its values as bytes: what spans point into
        span_t* span[MAX_LABELS]   # owned; by index
        uint32_t n_objects
        uint8_t* is_wanted         # owned; by slot
        uint32_t* group            # owned; by slot, SLOT_NONE = in none
        uint32_t* first            # owned; by group: a slot that is in it
        uint32_t* size             # owned; by group
        readonly uint32_t n_groups
        readonly uint32_t n_slots
        readonly bint is_single    # no group has more than one slot
        uint8_t* is_block_wanted   # owned; by block of 64 slots
        char* volume               # owned; "Volume:" and the name of each volume; NULL where nobody asks for it
        uint64_t* volume_start     # owned; by slot

    cdef uint32_t entity_of(self, uint32_t slot) noexcept nogil
    cdef uint32_t object_of(self, uint32_t slot) noexcept nogil
    cdef uint32_t code(self, int key, uint32_t slot) noexcept nogil
    cdef span_t text(self, int key, uint32_t group) noexcept nogil      # ptr NULL: the group has none
    cdef int compare(self, uint32_t left, uint32_t right) noexcept nogil
    cdef bint _is_same(self, uint32_t left, uint32_t right) noexcept nogil
    cdef uint64_t _hash(self, uint32_t slot) noexcept nogil
    cdef int _assign(self) noexcept nogil
    cdef int _settle(self) noexcept nogil
    cdef int _sort(
        self, uint32_t* order, uint32_t* scratch, const double* value, bint descending, uint32_t n
    ) noexcept nogil
    cdef bint _precedes(self, uint32_t left, uint32_t right, const double* value, bint descending) noexcept nogil
    cdef _add_labels(self, int i, label)
    cdef int _add_conditions(self, conditions) except -1
    cdef bint _is_in(self, uint32_t slot, int metric) noexcept nogil
    cdef int _name_volumes(self) noexcept nogil
    cdef span_t _resource_text(self, int key, uint32_t slot) noexcept nogil
