"""What the last answer of each node named, in its order (see _expected.pxd).

In      the rows of one answer
Out     the slots that they are expected to go to, and whether one does
Callers _core.ingest; _warm asks for the memory of what is expected
Source  measured (bench/micro/ingest.py): 5,000 nodes, 300,000 containers by /metrics/resource, sorted as kubelets do:
        ingest of one 22 us where nothing is expected, 11 us where it is; 12 us in another order each time
Never   takes a row for another's: a hash guesses, and names are compared, byte by byte, with those of the entity
"""
import os

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from heapfast._entities cimport Entities, table_t
from heapfast._text cimport hash_bytes, text_is, text_t
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    SLOT_NONE,
    span_t,
    uint32_t,
    uint64_t,
)
from heapfast.wire._rows cimport Rows, row_t

cdef enum:
    FIRST_SLOTS = 64

# So that nobody can choose names that all meet in one place of the table.
cdef uint64_t SEED = int.from_bytes(os.urandom(8), "little")


cdef inline bint is_named(const table_t* t, uint32_t slot, span_t name) noexcept nogil:
    cdef const text_t* text
    if slot >= t.n:
        return False
    text = t.name[slot]
    return text != NULL and text_is(text, name.ptr, name.len)


cdef inline uint32_t hash_of(const row_t* row) noexcept nogil:
    """The parser's, where it has told rows apart by one: the same names have the same in each of its answers."""
    cdef uint64_t h
    if row.hash:
        return row.hash
    h = hash_bytes(row.namespace.ptr, row.namespace.len, SEED)
    h = hash_bytes(row.pod.ptr, row.pod.len, h)
    return <uint32_t>hash_bytes(row.name.ptr, row.name.len, h)


cdef class Expected:

    def __cinit__(self, Entities entities not None):
        self.entities = entities

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.n_nodes):
            free(self.sequence[i].entry)
        free(self.sequence)
        free(self.place)
        free(self.table)

    cdef int begin(self, uint32_t node, Rows rows) except -1:
        """Starts an answer; without a node (SLOT_NONE) nothing is expected of it, and nothing is noted."""
        cdef uint32_t i
        self.now = NULL
        self.n_guessed = 0
        if node == SLOT_NONE:
            return 0
        for i in range(rows.n_rows):
            if rows.row[i].kind == KIND_POD:
                # Pods have rows of their own there, and as many columns: what is expected would be half of it.
                return 0
        self._make_room(node, rows.n_rows)
        self.now = &self.sequence[node]
        self._guess(rows.row, rows.n_rows)
        return 0

    cdef int _make_room(self, uint32_t node, uint32_t n_rows) except -1:
        cdef uint32_t cap
        cdef void* bigger
        if node >= self.n_nodes:
            cap = max(node + 1, self.entities.table[KIND_NODE].cap)
            bigger = realloc(self.sequence, cap * sizeof(sequence_t))
            if bigger == NULL:
                raise MemoryError
            self.sequence = <sequence_t*>bigger
            memset(&self.sequence[self.n_nodes], 0, (cap - self.n_nodes) * sizeof(sequence_t))
            self.n_nodes = cap
        if n_rows > self.cap_places:
            bigger = realloc(self.place, n_rows * sizeof(expected_t))
            if bigger == NULL:
                raise MemoryError
            self.place = <expected_t*>bigger
            self.cap_places = n_rows
        cap = FIRST_SLOTS
        while cap < 2 * self.sequence[node].n:
            cap *= 2
        if cap > self.cap_table:
            free(self.table)
            self.cap_table = 0
            self.table = <uint32_t*>malloc(cap * sizeof(uint32_t))
            if self.table == NULL:
                raise MemoryError
            self.cap_table = cap
        return 0

    cdef void _guess(self, const row_t* row, uint32_t n_rows) noexcept nogil:
        """Where the rows go, by the hash of their names alone."""
        cdef const sequence_t* now = self.now
        cdef uint32_t i, h, slot
        cdef uint32_t at = 0                # in `now`: what comes next
        cdef uint32_t n_slots = 0           # of the table; 0: it is not made yet
        cdef uint32_t n_guessed = 0
        self.has_changed = n_rows != now.n
        for i in range(n_rows):
            self.place[i].slot = SLOT_NONE
            self.place[i].hash = 0
            if row[i].kind != KIND_POD_CONTAINER:
                if at < now.n and now.entry[at].slot == SLOT_NONE:
                    at += 1
                else:
                    self.has_changed = True
                continue
            h = hash_of(&row[i])
            self.place[i].hash = h
            if at >= now.n or now.entry[at].hash != h:
                self.has_changed = True
                if n_slots == 0:
                    n_slots = FIRST_SLOTS
                    while n_slots < 2 * now.n:
                        n_slots *= 2
                    self._make_table(n_slots)
                slot = h & (n_slots - 1)
                while self.table[slot] and now.entry[self.table[slot] - 1].hash != h:
                    slot = (slot + 1) & (n_slots - 1)
                if self.table[slot] == 0:
                    continue
                at = self.table[slot] - 1
            self.place[i].slot = now.entry[at].slot
            n_guessed += 1
            at += 1
        self.n_guessed = n_guessed

    cdef void _make_table(self, uint32_t n_slots) noexcept nogil:
        cdef uint32_t i, slot
        memset(self.table, 0, n_slots * sizeof(uint32_t))
        for i in range(self.now.n):
            if self.now.entry[i].slot == SLOT_NONE:
                continue
            slot = self.now.entry[i].hash & (n_slots - 1)
            while self.table[slot]:
                slot = (slot + 1) & (n_slots - 1)
            self.table[slot] = i + 1

    cdef bint is_at(self, const row_t* row, uint32_t container) noexcept nogil:
        """The slot may have been given to another container since, and two names may have one hash."""
        cdef const table_t* pods = &self.entities.table[KIND_POD]
        cdef const table_t* containers = &self.entities.table[KIND_POD_CONTAINER]
        cdef uint32_t pod
        if not is_named(containers, container, row.name):
            return False
        pod = containers.parent[container]
        return is_named(pods, pod, row.pod) and is_named(
            &self.entities.table[KIND_NAMESPACE], pods.parent[pod], row.namespace
        )

    cdef void correct(self, uint32_t row, uint32_t container) noexcept nogil:
        if self.now != NULL:
            self.has_changed = True
            self.place[row].slot = container

    cdef int end(self, uint32_t n_rows) except -1:
        """The answer is complete: the next one is expected to be the same."""
        cdef sequence_t* now = self.now
        cdef expected_t* entry
        self.now = NULL
        if now == NULL or not self.has_changed:
            return 0
        if n_rows != now.n:
            entry = <expected_t*>malloc(n_rows * sizeof(expected_t))
            if entry == NULL:
                raise MemoryError
            free(now.entry)
            now.entry = entry
            now.n = n_rows
        memcpy(now.entry, self.place, n_rows * sizeof(expected_t))
        return 0

    cdef void forget(self, uint32_t node) noexcept:
        if node < self.n_nodes:
            free(self.sequence[node].entry)
            memset(&self.sequence[node], 0, sizeof(sequence_t))

    cdef size_t nbytes(self) noexcept:
        cdef size_t total = self.n_nodes * sizeof(sequence_t) + self.cap_places * sizeof(expected_t)
        cdef uint32_t i
        for i in range(self.n_nodes):
            total += self.sequence[i].n * sizeof(expected_t)
        return total + self.cap_table * sizeof(uint32_t)
