"""Who is listed, in the order of names (see _roster.pxd).

In      slots with labels, one call for each change the watch brings
Out     slots in the order of names; the labels of each
Callers processors put and remove; _k8s_items reads, api/metrics_k8s_io.py asks for the order
Source  spec/metrics-k8s-io.md 3.3: nodes by name, pods by namespace and name, bytewise
Never   asks what an object uses
"""
from cpython cimport array
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcpy, memmove, memset

from heapfast._entities cimport table_t
from heapfast._latest cimport Latest
from heapfast._text cimport text_compare
from heapfast._types cimport KIND_NAMESPACE, KIND_NODE, KIND_POD

import array

cdef enum:
    #: One in so many: from there on a walk over all is cheaper than looking each one up.
    #: Measured with 150,000 pods: 2 ns a step against 0.1 us a look-up.
    FEW = 64


cdef class Roster:

    def __cinit__(self, Latest latest not None, int kind):
        if kind != KIND_NODE and kind != KIND_POD:
            raise ValueError(f"cannot list entities of kind {kind}: only nodes and pods")
        self.kind = kind
        self.entities = latest.entities
        self.pool = FragmentPool()

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.n_blocks):
            free(self.block[i])
        free(self.block)
        free(self.entry)

    def __len__(self):
        return self.n

    def __contains__(self, uint32_t slot):
        return self.find(slot, self.came) != NULL

    @property
    def fragments(self):
        return len(self.pool)

    def nbytes(self):
        cdef size_t blocks = self.n_blocks * sizeof(block_t) + self.cap_blocks * sizeof(void*)
        return self.n_entries * sizeof(entry_t) + blocks + self.pool.nbytes

    def put(self, uint32_t slot, labels):
        cdef fragment_t* fragment
        if slot >= self.entities.table[self.kind].n or self.entities.table[self.kind].name[slot] == NULL:
            raise ValueError(f"BUG: cannot list slot {slot} of kind {self.kind}: it has no name")
        self._reserve(slot)
        fragment = self.pool.acquire(labels)
        cdef entry_t* entry = &self.entry[slot]
        if entry.block == NULL:
            self._insert(slot)
            self.n += 1
            self.came += 1
            entry.number = self.came
        else:
            self.pool.release(entry.labels)
        entry.labels = fragment

    def remove(self, uint32_t slot):
        if slot >= self.n_entries or self.entry[slot].block == NULL:
            return
        self._take_out(slot)
        self.n -= 1
        self.pool.release(self.entry[slot].labels)
        self.entry[slot].labels = NULL

    def ordered(self, const uint32_t[::1] slots not None):
        cdef Py_ssize_t n = slots.shape[0]
        cdef array.array result = array.clone(array.array("I"), n, False)
        if n:
            n = self.order(&slots[0], n, result.data.as_uints)
        if n < 0:
            raise MemoryError
        array.resize(result, n)
        return result

    cdef const fragment_t* find(self, uint32_t slot, uint32_t came) noexcept:
        if slot >= self.n_entries or self.entry[slot].block == NULL or self.entry[slot].number > came:
            return NULL
        return self.entry[slot].labels

    # -- a selection in order ---------------------------------------------------------------------

    cdef Py_ssize_t order(self, const uint32_t* slots, Py_ssize_t n, uint32_t* out) noexcept:
        if n > <Py_ssize_t>(self.n // FEW):
            return self._order_many(slots, n, out)
        return self._order_few(slots, n, out)

    cdef Py_ssize_t _order_few(self, const uint32_t* slots, Py_ssize_t n, uint32_t* out) noexcept:
        """Looks up where each one stands, and sorts the places."""
        cdef uint64_t* place = <uint64_t*>malloc(n * sizeof(uint64_t) if n else 1)
        cdef Py_ssize_t i, found = 0
        cdef block_t* block
        cdef uint32_t at
        if place == NULL:
            return -1
        for i in range(n):
            if slots[i] < self.n_entries and self.entry[slots[i]].block != NULL:
                block = self.entry[slots[i]].block
                at = 0
                while block.slot[at] != slots[i]:
                    at += 1
                place[found] = <uint64_t>block.rank * BLOCK_CAP + at
                found += 1
        qsort(place, found, sizeof(uint64_t), compare_places)
        for i in range(found):
            out[i] = self.block[place[i] // BLOCK_CAP].slot[place[i] % BLOCK_CAP]
        free(place)
        return found

    cdef Py_ssize_t _order_many(self, const uint32_t* slots, Py_ssize_t n, uint32_t* out) noexcept:
        """Walks over all that are in, and keeps the wanted ones."""
        cdef uint64_t* wanted = <uint64_t*>calloc(self.n_entries // 64 + 1, sizeof(uint64_t))
        cdef Py_ssize_t i, found = 0
        cdef uint32_t b, at, slot
        if wanted == NULL:
            return -1
        for i in range(n):
            if slots[i] < self.n_entries:
                wanted[slots[i] // 64] |= <uint64_t>1 << (slots[i] % 64)
        for b in range(self.n_blocks):
            for at in range(self.block[b].n):
                slot = self.block[b].slot[at]
                if wanted[slot // 64] >> (slot % 64) & 1:
                    out[found] = slot
                    found += 1
        free(wanted)
        return found

    # -- keeping the order ------------------------------------------------------------------------

    cdef int _compare(self, uint32_t a, uint32_t b) noexcept:
        cdef table_t* t = &self.entities.table[self.kind]
        cdef table_t* namespaces = &self.entities.table[KIND_NAMESPACE]
        cdef int order
        if self.kind == KIND_POD and t.parent[a] != t.parent[b]:
            order = text_compare(namespaces.name[t.parent[a]], namespaces.name[t.parent[b]])
            if order != 0:
                return order
        return text_compare(t.name[a], t.name[b])

    cdef int _insert(self, uint32_t slot) except -1:
        cdef uint32_t low, high, middle
        cdef block_t* block
        if self.n_blocks == 0:
            self._add_block(0)
        # The last block that does not begin after it, or the first of all.
        low = 0
        high = self.n_blocks
        while high - low > 1:
            middle = (low + high) // 2
            if self._compare(self.block[middle].slot[0], slot) <= 0:
                low = middle
            else:
                high = middle
        block = self.block[low]
        if block.n == BLOCK_CAP:
            self._add_block(low + 1)
            if self._compare(self.block[low + 1].slot[0], slot) <= 0:
                block = self.block[low + 1]
        low = 0
        high = block.n
        while low < high:
            middle = (low + high) // 2
            if self._compare(block.slot[middle], slot) <= 0:
                low = middle + 1
            else:
                high = middle
        memmove(&block.slot[low + 1], &block.slot[low], (block.n - low) * sizeof(uint32_t))
        block.slot[low] = slot
        block.n += 1
        self.entry[slot].block = block
        return 0

    cdef int _add_block(self, uint32_t rank) except -1:
        """A block at a place, with the upper half of the one before it."""
        cdef block_t** bigger
        cdef block_t* block = <block_t*>malloc(sizeof(block_t))
        cdef block_t* before
        cdef uint32_t i
        if block == NULL:
            raise MemoryError
        if self.n_blocks == self.cap_blocks:
            bigger = <block_t**>realloc(self.block, (self.cap_blocks * 2 + 8) * sizeof(void*))
            if bigger == NULL:
                free(block)
                raise MemoryError
            self.block = bigger
            self.cap_blocks = self.cap_blocks * 2 + 8
        memmove(&self.block[rank + 1], &self.block[rank], (self.n_blocks - rank) * sizeof(void*))
        self.block[rank] = block
        self.n_blocks += 1
        for i in range(rank, self.n_blocks):
            self.block[i].rank = i
        block.n = 0
        if rank:
            before = self.block[rank - 1]
            block.n = before.n - before.n // 2
            before.n //= 2
            memcpy(block.slot, &before.slot[before.n], block.n * sizeof(uint32_t))
            for i in range(block.n):
                self.entry[block.slot[i]].block = block
        return 0

    cdef void _take_out(self, uint32_t slot) noexcept:
        # By slot, not by name: the store may have let go of the name already.
        cdef block_t* block = self.entry[slot].block
        cdef uint32_t at = 0
        cdef uint32_t i
        while block.slot[at] != slot:
            at += 1
        block.n -= 1
        memmove(&block.slot[at], &block.slot[at + 1], (block.n - at) * sizeof(uint32_t))
        self.entry[slot].block = NULL
        if block.n:
            return
        self.n_blocks -= 1
        memmove(&self.block[block.rank], &self.block[block.rank + 1], (self.n_blocks - block.rank) * sizeof(void*))
        for i in range(block.rank, self.n_blocks):
            self.block[i].rank = i
        free(block)

    cdef int _reserve(self, uint32_t slot) except -1:
        cdef uint32_t cap = self.entities.table[self.kind].cap
        cdef entry_t* bigger
        if slot < self.n_entries:
            return 0
        bigger = <entry_t*>realloc(self.entry, cap * sizeof(entry_t))
        if bigger == NULL:
            raise MemoryError
        memset(bigger + self.n_entries, 0, (cap - self.n_entries) * sizeof(entry_t))
        self.entry = bigger
        self.n_entries = cap
        return 0


cdef int compare_places(const void* a, const void* b) noexcept nogil:
    cdef uint64_t left = (<const uint64_t*>a)[0]
    cdef uint64_t right = (<const uint64_t*>b)[0]
    return (left > right) - (left < right)
