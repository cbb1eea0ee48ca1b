"""Slots in groups (see _grouping.pxd).

In      a closed batch; selected objects, fields and labels; what to group by
Out     a group a slot, and what each group is called
Callers api/query.py makes them; _aggregate and render/_query.pyx read
Source  docs/query.md, which is ours
Never   looks at a sample
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from heapfast._batch cimport Batch, check_kind
from heapfast._entities cimport text_hash
from heapfast._text cimport text_ptr, text_t
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_SYS_CONTAINER,
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
BY_LABEL = KEY_LABEL
MAX_LABEL_KEYS = MAX_LABELS

cdef enum:
    MAX_KEYS = 16


cdef class Grouping:
    """The slots of one kind that are wanted, in groups. `make` does the work, in a thread.

    Args:
        batch: says who the entities are.
        keys: BY_*, in order; empty for one group of all.
        labels: for each BY_LABEL + i, the i-th: pairs of a value and the slots that have it, of pods (kinds pod and
            container) or nodes (nodes and system containers).
        objects: slots of those pods or nodes that are wanted; None for all.
        conditions: (BY_* but no label, text, whether it must differ): of fields that are compared with a text.
    """

    def __cinit__(self, Batch batch not None, int kind, keys=(), labels=(), objects=None, conditions=()):
        cdef int i
        check_kind(kind)
        if len(keys) > MAX_KEYS or len(labels) > MAX_LABELS:
            raise StoreError(f"BUG: {len(keys)} keys and {len(labels)} labels to group by")
        self.newest = batch
        self.kind = kind
        self.frame = &batch.frame[kind]
        self.n_slots = self.frame.n
        for key in keys:
            self.key[self.n_keys] = key
            self.n_keys += 1
        self.n_objects = batch.frame[self._object_kind()].n
        if kind == KIND_POD_CONTAINER or kind == KIND_SYS_CONTAINER:
            self.object = self.frame.parent
        self.values = []
        for i in range(<int>len(labels)):
            self._add_labels(i, labels[i])
        self._add_wanted(objects)
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

    def _object_kind(self):
        if self.kind == KIND_POD_CONTAINER:
            return KIND_POD
        return KIND_NODE if self.kind == KIND_SYS_CONTAINER else self.kind

    cdef _add_labels(self, int i, pairs):
        cdef uint32_t n = self.n_objects, slot
        cdef uint32_t* code = <uint32_t*>malloc((<size_t>n + 1) * sizeof(uint32_t))
        cdef uint32_t value = 0
        cdef const uint32_t[::1] slots
        cdef list values = []
        cdef bytes text
        cdef Py_ssize_t k
        self.label[i] = code
        self.span[i] = <span_t*>malloc((len(pairs) + 1) * sizeof(span_t))
        if code == NULL or self.span[i] == NULL:
            raise MemoryError
        for slot in range(n):
            code[slot] = SLOT_NONE
        for text, slots in pairs:
            values.append(text)
            self.span[i][value].ptr = text
            self.span[i][value].len = <uint32_t>len(text)
            for k in range(slots.shape[0]):
                if slots[k] < n:
                    code[slots[k]] = value
            value += 1
        self.values.append(values)

    def _add_wanted(self, const uint32_t[::1] objects):
        cdef uint32_t slot, owner
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
                # A slot without a name is free. One whose entity has gone has its name as long as the ring shows it.
                if self.frame.name[slot] != NULL:
                    owner = slot if self.object == NULL else self.object[slot]
                    self.is_wanted[slot] = owner < self.n_objects and (chosen == NULL or chosen[owner])
        free(chosen)

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

    cdef uint32_t code(self, int key, uint32_t slot) noexcept nogil:
        """What tells a slot's group from others by one key; of container names their hash."""
        cdef uint32_t owner = slot if self.object == NULL else self.object[slot]
        if key >= KEY_LABEL:
            return self.label[key - KEY_LABEL][owner]
        if key == KEY_CONTAINER:
            return text_hash(self.frame.name[slot].data, self.frame.name[slot].len)
        if key == KEY_NODE:
            if self.kind == KIND_NODE:
                return slot
            if self.kind == KIND_SYS_CONTAINER:
                return owner
            return self.frame.node[slot]
        if key == KEY_POD or self.kind == KIND_NAMESPACE:
            return owner
        return self.newest.frame[KIND_POD].parent[owner]

    cdef bint _is_same(self, uint32_t left, uint32_t right) noexcept nogil:
        cdef const text_t* a
        cdef const text_t* b
        cdef int i
        for i in range(self.n_keys):
            if self.code(self.key[i], left) != self.code(self.key[i], right):
                return False
            if self.key[i] == KEY_CONTAINER:
                a = self.frame.name[left]
                b = self.frame.name[right]
                if a.len != b.len or memcmp(a.data, b.data, a.len) != 0:
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
    if key == KEY_CONTAINER:
        text = grouping.frame.name[slot]
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
