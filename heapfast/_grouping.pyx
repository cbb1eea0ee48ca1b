"""Slots in groups (see _grouping.pxd).

In      a closed batch; selected objects, fields and labels; what to group by
Out     a group a slot, and what each group is called
Callers api/query.py makes them; _aggregate and render/_query.pyx read
Source  docs/query.md, which is ours
Never   looks at a sample
"""
cimport cython
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from heapfast._batch cimport VOLUME_PREFIX_LEN, Batch, accelerator_t, check_kind, split_accelerator, write_volume_id
from heapfast._text cimport text_hash, text_ptr, text_t
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    M_ACCELERATOR_MEMORY_TOTAL,
    M_DISK_IO_READ_BYTES,
    M_FILESYSTEM_USAGE,
    RESOURCE_ACCELERATOR,
    RESOURCE_DISK,
    RESOURCE_FILESYSTEM,
    RESOURCE_VOLUME,
    SLOT_NONE,
    span_t,
    uint8_t,
    uint32_t,
    uint64_t,
)

from heapfast.errors import StoreError

BY_NAMESPACE = KEY_NAMESPACE
BY_NODE = KEY_NODE
BY_POD = KEY_POD
BY_CONTAINER = KEY_CONTAINER
BY_RESOURCE_ID = KEY_RESOURCE_ID
BY_MAKE = KEY_MAKE
BY_MODEL = KEY_MODEL
BY_ACCELERATOR_ID = KEY_ACCELERATOR_ID
BY_LABEL = KEY_LABEL
MAX_LABEL_KEYS = MAX_LABELS

cdef enum:
    MAX_KEYS = 16


cdef inline bint has_metric(uint8_t type, int metric) noexcept nogil:
    """Whether a type of resource has a labelled metric."""
    if metric < M_FILESYSTEM_USAGE:
        return type == RESOURCE_DISK
    if metric < M_ACCELERATOR_MEMORY_TOTAL:
        return type == RESOURCE_FILESYSTEM or type == RESOURCE_VOLUME
    return type == RESOURCE_ACCELERATOR


cdef inline bint has_key(int metric, int key) noexcept nogil:
    """Whether the resources of a metric, or entities where that is -1, can be told apart by a key."""
    if key < KEY_RESOURCE_ID or key >= KEY_LABEL:
        return True
    if metric < M_ACCELERATOR_MEMORY_TOTAL:
        return metric >= M_DISK_IO_READ_BYTES and key == KEY_RESOURCE_ID
    return key != KEY_RESOURCE_ID


@cython.final      # so that a comparison is no chain of calls through a table
cdef class Grouping:
    """The slots of one kind that are wanted, in groups. `make` does the work, in a thread.

    Args:
        batch: says who the entities are.
        keys: BY_*, in order; empty for one group of all.
        labels: for each BY_LABEL + i, the i-th, a query.label_values.LabelValues: values, and the slots that have
            them, of pods (kinds pod and container) or nodes (nodes and system containers).
        objects: slots of those pods or nodes that are wanted; None for all.
        conditions: (BY_* but no label, text, whether it must differ): of fields that are compared with a text.
        resource_metric: a labelled metric: the slots are those of the entities' resources that have it. -1: the
            entities' own.
    """

    def __cinit__(
        self,
        Batch batch not None,
        int kind,
        keys=(),
        labels=(),
        objects=None,
        conditions=(),
        int resource_metric=-1,
    ):
        cdef int i
        check_kind(kind)
        if len(keys) > MAX_KEYS or len(labels) > MAX_LABELS:
            raise StoreError(f"BUG: {len(keys)} keys and {len(labels)} labels to group by")
        for key in (*keys, *(condition[0] for condition in conditions)):
            if not has_key(resource_metric, key):
                raise StoreError(f"BUG: the labels of a resource with metric {resource_metric} do not have key {key}")
        self.newest = batch
        self.kind = kind
        self.slot_kind = kind if resource_metric < 0 else KIND_RESOURCE
        self.entities = &batch.frame[kind]
        self.frame = &batch.frame[self.slot_kind]
        self.n_slots = self.frame.n
        if resource_metric >= 0:
            self.entity = self.frame.parent
        for key in keys:
            self.key[self.n_keys] = key
            self.n_keys += 1
        self.n_objects = batch.frame[self._object_kind()].n
        if kind == KIND_POD_CONTAINER or kind == KIND_SYS_CONTAINER:
            self.object = self.entities.parent
        self.label_texts = []
        for i in range(<int>len(labels)):
            self._add_labels(i, labels[i])
        self._add_wanted(objects, resource_metric)
        if KEY_RESOURCE_ID in keys or any(key == KEY_RESOURCE_ID for key, _, _ in conditions):
            if self._name_volumes():
                raise MemoryError
        self._add_conditions(conditions)

    def __dealloc__(self):
        cdef int i
        for i in range(MAX_LABELS):
            free(self.label[i])
            free(self.span[i])
        free(self.is_wanted)
        free(self.group)
        free(self.first)
        free(self.size)
        free(self.is_block_wanted)
        free(self.volume)
        free(self.volume_start)

    def _object_kind(self):
        if self.kind == KIND_POD_CONTAINER:
            return KIND_POD
        return KIND_NODE if self.kind == KIND_SYS_CONTAINER else self.kind

    cdef _add_labels(self, int i, label):
        cdef uint32_t n = self.n_objects, slot
        cdef uint32_t* code = <uint32_t*>malloc((<size_t>n + 1) * sizeof(uint32_t))
        cdef uint32_t value, n_values, at = 0
        cdef Py_ssize_t k = 0
        cdef bytes texts = bytes(label.texts)
        cdef const char* text = texts
        cdef const uint32_t[::1] text_ends = label.text_ends
        cdef const uint32_t[::1] slots = label.slots
        cdef const uint32_t[::1] slot_ends = label.slot_ends
        n_values = <uint32_t>text_ends.shape[0]
        self.label[i] = code
        self.span[i] = <span_t*>malloc((<size_t>n_values + 1) * sizeof(span_t))
        if code == NULL or self.span[i] == NULL:
            raise MemoryError
        if slot_ends.shape[0] != n_values or (n_values and (
            text_ends[n_values - 1] != len(texts) or slot_ends[n_values - 1] != slots.shape[0]
        )):
            raise StoreError(f"BUG: {n_values} values of a label do not end where they should")
        with nogil:
            for slot in range(n):
                code[slot] = SLOT_NONE
            for value in range(n_values):
                self.span[i][value].ptr = text + at
                self.span[i][value].len = text_ends[value] - at
                at = text_ends[value]
                while k < slot_ends[value]:
                    if slots[k] < n:
                        code[slots[k]] = value
                    k += 1
        self.label_texts.append(texts)

    def _add_wanted(self, const uint32_t[::1] objects, int resource_metric):
        cdef uint32_t slot, object
        cdef Py_ssize_t k
        cdef uint8_t* chosen = NULL
        self.is_wanted = <uint8_t*>calloc(<size_t>self.n_slots + 1, 1)
        if self.is_wanted == NULL:
            raise MemoryError
        if objects is not None:
            chosen = <uint8_t*>calloc(<size_t>self.n_objects + 1, 1)
            if chosen == NULL:
                raise MemoryError
            for k in range(objects.shape[0]):
                if objects[k] < self.n_objects:
                    chosen[objects[k]] = 1
        with nogil:
            for slot in range(self.n_slots):
                if self._is_in(slot, resource_metric):
                    object = self.object_of(slot)
                    self.is_wanted[slot] = object < self.n_objects and (chosen == NULL or chosen[object])
        free(chosen)

    cdef bint _is_in(self, uint32_t slot, int metric) noexcept nogil:
        """Whether a slot has somebody, and of a resource: one of this kind, with this metric."""
        # A slot without a name is free. One whose entity has gone has its name as long as the ring shows it.
        if self.frame.name[slot] == NULL:
            return False
        if self.entity == NULL:
            return True
        return (
            self.frame.parent_kind[slot] == self.kind
            and has_metric(self.frame.type[slot], metric)
            and self.entity[slot] < self.entities.n
        )

    cdef int _name_volumes(self) noexcept nogil:
        """Writes down what volumes are called: no text of the batch has the prefix. 0, or -1 when memory is out."""
        cdef uint32_t slot
        cdef uint64_t size = 0
        if self.slot_kind != KIND_RESOURCE:
            return 0
        self.volume_start = <uint64_t*>malloc((<size_t>self.n_slots + 1) * sizeof(uint64_t))
        if self.volume_start == NULL:
            return -1
        for slot in range(self.n_slots):
            if self.is_wanted[slot] and self.frame.type[slot] == RESOURCE_VOLUME:
                self.volume_start[slot] = size
                size += VOLUME_PREFIX_LEN + self.frame.name[slot].len
        self.volume = <char*>malloc(size + 1)
        if self.volume == NULL:
            return -1
        for slot in range(self.n_slots):
            if self.is_wanted[slot] and self.frame.type[slot] == RESOURCE_VOLUME:
                write_volume_id(self.frame.name[slot], self.volume + self.volume_start[slot])
        return 0

    cdef int _add_conditions(self, conditions) except -1:
        cdef uint32_t slot
        cdef span_t text
        cdef bytes wanted
        cdef const char* ptr
        cdef Py_ssize_t n
        cdef int key
        cdef bint differs
        for key, wanted, differs in conditions:
            ptr = wanted
            n = len(wanted)
            with nogil:
                for slot in range(self.n_slots):
                    if self.is_wanted[slot]:
                        text = slot_text(self, key, slot)
                        if (text.len == n and (n == 0 or memcmp(text.ptr, ptr, n) == 0)) == differs:
                            self.is_wanted[slot] = 0
        return 0

    def make(self):
        """Puts the wanted slots into groups. In a thread; some milliseconds for 150,000 slots.

        Raises:
            MemoryError.
        """
        cdef int failed
        with nogil:
            failed = self._assign() or self._settle()
        if failed:
            raise MemoryError("cannot group: out of memory")

    def narrow(self, const uint32_t[::1] groups not None):
        """Keeps these groups alone, numbered in their order."""
        cdef uint32_t slot, old
        cdef Py_ssize_t i
        cdef uint32_t* new = <uint32_t*>malloc((<size_t>self.n_groups + 1) * sizeof(uint32_t))
        cdef uint32_t* first = <uint32_t*>malloc((groups.shape[0] + 1) * sizeof(uint32_t))
        if new == NULL or first == NULL:
            free(new)
            free(first)
            raise MemoryError
        for old in range(self.n_groups):
            new[old] = SLOT_NONE
        for i in range(groups.shape[0]):
            new[groups[i]] = <uint32_t>i
            first[i] = self.first[groups[i]]
        with nogil:
            for slot in range(self.n_slots):
                if self.group[slot] != SLOT_NONE:
                    self.group[slot] = new[self.group[slot]]
        free(new)
        free(self.first)
        self.first = first
        self.n_groups = <uint32_t>groups.shape[0]
        if self._settle():
            raise MemoryError

    def texts(self, uint32_t group):
        """What each key is in a group, as bytes; None where it has none. For tests."""
        cdef int i
        cdef span_t text
        found = []
        for i in range(self.n_keys):
            text = self.text(i, group)
            found.append(None if text.ptr == NULL else text.ptr[:text.len])
        return found

    cdef int _assign(self) noexcept nogil:
        """Gives each wanted slot the number of its group: open addressing over what the keys come to."""
        cdef uint64_t n_buckets = 64, at
        cdef uint32_t slot, n_wanted = 0
        cdef uint32_t* bucket
        for slot in range(self.n_slots):
            n_wanted += self.is_wanted[slot]
        while n_buckets < <uint64_t>n_wanted * 2:
            n_buckets *= 2
        # Whole blocks of 64.
        self.group = <uint32_t*>malloc((<size_t>self.n_slots + 64) * sizeof(uint32_t))
        self.first = <uint32_t*>malloc((<size_t>n_wanted + 1) * sizeof(uint32_t))
        bucket = <uint32_t*>malloc(n_buckets * sizeof(uint32_t))
        if self.group == NULL or self.first == NULL or bucket == NULL:
            free(bucket)
            return -1
        for at in range(n_buckets):
            bucket[at] = SLOT_NONE
        for slot in range(self.n_slots, self.n_slots + 64):
            self.group[slot] = SLOT_NONE
        for slot in range(self.n_slots):
            self.group[slot] = SLOT_NONE
            if not self.is_wanted[slot]:
                continue
            at = self._hash(slot) & (n_buckets - 1)
            while bucket[at] != SLOT_NONE and not self._is_same(self.first[bucket[at]], slot):
                at = (at + 1) & (n_buckets - 1)
            if bucket[at] == SLOT_NONE:
                bucket[at] = self.n_groups
                self.first[self.n_groups] = slot
                self.n_groups = self.n_groups + 1
            self.group[slot] = bucket[at]
        free(bucket)
        return 0

    cdef int _settle(self) noexcept nogil:
        """Counts the slots of groups, and marks the blocks that have any."""
        cdef uint32_t slot, group
        cdef uint32_t* size
        free(self.size)
        free(self.is_block_wanted)
        self.size = <uint32_t*>calloc(<size_t>self.n_groups + 1, sizeof(uint32_t))
        self.is_block_wanted = <uint8_t*>calloc((<size_t>self.n_slots >> 6) + 1, 1)
        if self.size == NULL or self.is_block_wanted == NULL:
            return -1
        self.is_single = True
        # Not `self.size[group] += 1`: the checks of the debug build would need the GIL for it.
        size = self.size
        for slot in range(self.n_slots):
            group = self.group[slot]
            if group != SLOT_NONE:
                size[group] += 1
                self.is_block_wanted[slot >> 6] = 1
                if size[group] > 1:
                    self.is_single = False
        return 0

    cdef uint32_t entity_of(self, uint32_t slot) noexcept nogil:
        return slot if self.entity == NULL else self.entity[slot]

    cdef uint32_t object_of(self, uint32_t slot) noexcept nogil:
        cdef uint32_t entity = self.entity_of(slot)
        return entity if self.object == NULL else self.object[entity]

    cdef uint32_t code(self, int key, uint32_t slot) noexcept nogil:
        """What tells a slot's group from others by one key; of names that are nobody's slot their hash."""
        cdef uint32_t object = self.object_of(slot)
        cdef span_t text
        if key >= KEY_LABEL:
            return self.label[key - KEY_LABEL][object]
        if key >= KEY_CONTAINER:
            text = slot_text(self, key, slot)
            return text_hash(text.ptr, text.len)
        if key == KEY_NODE:
            if self.kind == KIND_NODE or self.kind == KIND_SYS_CONTAINER:
                return object
            return self.entities.node[self.entity_of(slot)]
        if key == KEY_POD or self.kind == KIND_NAMESPACE:
            return object
        return self.newest.frame[KIND_POD].parent[object]

    cdef bint _is_same(self, uint32_t left, uint32_t right) noexcept nogil:
        cdef span_t a, b
        cdef int i
        for i in range(self.n_keys):
            if self.code(self.key[i], left) != self.code(self.key[i], right):
                return False
            if KEY_CONTAINER <= self.key[i] < KEY_LABEL:
                a = slot_text(self, self.key[i], left)
                b = slot_text(self, self.key[i], right)
                if a.len != b.len or (a.len and memcmp(a.ptr, b.ptr, a.len) != 0):
                    return False
        return True

    cdef uint64_t _hash(self, uint32_t slot) noexcept nogil:
        cdef uint64_t hash = 0
        cdef int i
        for i in range(self.n_keys):
            hash = (hash ^ self.code(self.key[i], slot)) * <uint64_t>0x9E3779B97F4A7C15
            hash ^= hash >> 32
        return hash

    cdef span_t text(self, int key, uint32_t group) noexcept nogil:
        return slot_text(self, self.key[key], self.first[group])

    cdef span_t _resource_text(self, int key, uint32_t slot) noexcept nogil:
        """One of the labels that tell a resource from others; whoever asks knows which of them it has."""
        cdef const text_t* name = self.frame.name[slot]
        cdef accelerator_t accelerator
        cdef span_t found
        if key == KEY_RESOURCE_ID:
            found.ptr = text_ptr(name)
            found.len = name.len
            if self.frame.type[slot] == RESOURCE_VOLUME:
                found.ptr = self.volume + self.volume_start[slot]
                found.len += VOLUME_PREFIX_LEN
            return found
        accelerator = split_accelerator(name)
        if key == KEY_MAKE:
            return accelerator.make
        return accelerator.model if key == KEY_MODEL else accelerator.id

    cdef int compare(self, uint32_t left, uint32_t right) noexcept nogil:
        """Below 0, 0 or above 0, by the texts of the keys; what has none comes first."""
        cdef span_t a, b
        cdef int i, order
        for i in range(self.n_keys):
            a = self.text(i, left)
            b = self.text(i, right)
            if a.ptr == NULL or b.ptr == NULL:
                order = (a.ptr != NULL) - (b.ptr != NULL)
            else:
                order = memcmp(a.ptr, b.ptr, min(a.len, b.len))
                if order == 0:
                    order = (a.len > b.len) - (a.len < b.len)
            if order != 0:
                return order
        return 0

    cdef bint _precedes(self, uint32_t left, uint32_t right, const double* value, bint descending) noexcept nogil:
        if value != NULL and value[left] != value[right]:
            return value[left] > value[right] if descending else value[left] < value[right]
        return self.compare(left, right) <= 0

    cdef int _sort(
        self, uint32_t* order, uint32_t* scratch, const double* value, bint descending, uint32_t n
    ) noexcept nogil:
        """Sorts groups by value, if there is any, then by keys: merges ever longer runs, so that no order is lost."""
        cdef uint32_t width = 1, start, middle, stop, i, j, k
        while width < n:
            start = 0
            while start < n:
                middle = min(start + width, n)
                stop = min(middle + width, n)
                i = start
                j = middle
                for k in range(start, stop):
                    if i < middle and (j >= stop or self._precedes(order[i], order[j], value, descending)):
                        scratch[k] = order[i]
                        i += 1
                    else:
                        scratch[k] = order[j]
                        j += 1
                start = stop
            memcpy(order, scratch, n * sizeof(uint32_t))
            width *= 2
        return 0


cdef span_t slot_text(Grouping grouping, int key, uint32_t slot) noexcept nogil:
    """The text of a slot's key; ptr NULL where it has none."""
    cdef span_t none
    cdef const text_t* text = NULL
    cdef uint32_t code
    none.ptr = NULL
    none.len = 0
    if KEY_RESOURCE_ID <= key < KEY_LABEL:
        return grouping._resource_text(key, slot)
    if key == KEY_CONTAINER:
        text = grouping.entities.name[grouping.entity_of(slot)]
    else:
        code = grouping.code(key, slot)
        if code == SLOT_NONE:
            return none
        if key >= KEY_LABEL:
            return grouping.span[key - KEY_LABEL][code]
        if key == KEY_NAMESPACE:
            text = grouping.newest.frame[KIND_NAMESPACE].name[code]
        elif key == KEY_NODE:
            text = grouping.newest.frame[KIND_NODE].name[code]
        else:
            text = grouping.newest.frame[KIND_POD].name[code]
    if text == NULL:
        return none
    none.ptr = text_ptr(text)
    none.len = text.len
    return none
