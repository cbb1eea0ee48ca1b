"""Items of one answer of metrics.k8s.io (see _k8s_items.pxd).

In      the latest view, a roster, slots
Out     bytes of the items, slice by slice
Callers metrics_k8s_io.py, through the subclasses; CONTENT_*: k8s_frames.py, mean_items.py
Source  spec/metrics-k8s-io.md 3.3 and 3.4
Never   writes what stands around items, or compares names
"""
from libc.stdlib cimport free, realloc

from heapfast._entities cimport table_t
from heapfast._extras cimport EXTRA_ACCELERATORS, EXTRA_NETWORK_RX, EXTRA_NETWORK_TX, N_EXTRAS
from heapfast._latest cimport USAGE_NONE, USAGE_OK, containers_of, pod_answer_t
from heapfast._prefetch cimport prefetch
from heapfast._types cimport KIND_NAMESPACE, KIND_NODE, KIND_POD, KIND_POD_CONTAINER
from heapfast.codec._quantity cimport write_cpu_millicores, write_memory_bytes

# Names are in order, slots are not: each item lies in a dozen places of memory that no cache holds. What leads there
# is fetched AHEAD items before it is read, in three steps, since each step reads what the former fetched.
cdef enum:
    AHEAD = 8

CONTENT_NONE = <int>NOTHING
CONTENT_METADATA = <int>METADATA
CONTENT_WHOLE = <int>WHOLE


cdef Py_ssize_t write_extra(int extra, int64_t value, char* out) noexcept nogil:
    if extra == EXTRA_ACCELERATORS:
        return write_cpu_millicores(value, out)
    return write_memory_bytes(value, out)


cdef class Items:
    """What JsonItems and ProtobufItems have in common. For one object: `one`; for a list: `begin`, then `step`."""

    def __cinit__(self, Latest latest not None, Roster roster not None, int64_t now_ns, *_):
        if roster.entities is not latest.entities:
            raise ValueError("BUG: a roster of other entities than the latest view's")
        self.latest = latest
        self.roster = roster
        self.now_ns = now_ns
        self.freshness = Freshness()
        self.owner = JsonBuffer()
        self.buffer = &self.owner.buffer

    def __dealloc__(self):
        free(self.slot)

    def one(self, uint32_t slot):
        cdef item_t item
        self.came = self.roster.came
        cdef usage_status_t status = self.load(slot, &item)
        if status != USAGE_OK:
            return <int>status, b""
        self.put(&item, True)
        self.freshness.observe(self.now_ns - item.usage.time_ns)
        return <int>status, self.owner.take()

    def begin(self, const uint32_t[::1] slots not None):
        cdef uint32_t* bigger
        cdef Py_ssize_t n = slots.shape[0]
        self.came = self.roster.came
        self.n = 0
        self.at = 0
        self.n_written = 0
        if n == 0:
            return
        bigger = <uint32_t*>realloc(self.slot, n * sizeof(uint32_t))
        if bigger == NULL:
            raise MemoryError
        self.slot = bigger
        n = self.roster.order(&slots[0], n, self.slot)
        if n < 0:
            raise MemoryError
        self.n = n

    @property
    def is_done(self):
        return self.at == self.n

    def step(self, Py_ssize_t max_items):
        cdef item_t item
        cdef Py_ssize_t stop = min(self.n, self.at + max_items)
        while self.at < stop:
            self._fetch_ahead()
            if self.load(self.slot[self.at], &item) == USAGE_OK:
                self.put(&item, False)
                self.freshness.observe(self.now_ns - item.usage.time_ns)
                self.n_written += 1
            self.at += 1
        return self.owner.take()

    cdef void _fetch_ahead(self) noexcept:
        if self.at + 3 * AHEAD < self.n:
            self._fetch_tables(self.slot[self.at + 3 * AHEAD])
        if self.at + 2 * AHEAD < self.n:
            self._fetch_texts(self.slot[self.at + 2 * AHEAD])
        if self.at + AHEAD < self.n:
            self._fetch_samples(self.slot[self.at + AHEAD])

    cdef void _fetch_tables(self, uint32_t slot) noexcept:
        cdef table_t* t = &self.latest.entities.table[self.roster.kind]
        prefetch(&self.roster.entry[slot])
        prefetch(&t.name[slot])
        prefetch(&t.parent[slot])
        if self.roster.kind == KIND_POD and slot < self.latest.n_pods:
            prefetch(&self.latest.pod_answer[slot])

    cdef void _fetch_texts(self, uint32_t slot) noexcept:
        prefetch(self.roster.entry[slot].labels)
        prefetch(self.latest.entities.table[self.roster.kind].name[slot])
        if self.roster.kind == KIND_POD and slot < self.latest.n_pods:
            prefetch(containers_of(&self.latest.pod_answer[slot]))

    cdef void _fetch_samples(self, uint32_t slot) noexcept:
        cdef const fragment_t* labels = self.roster.entry[slot].labels
        cdef pod_answer_t* pod
        cdef uint32_t i, container
        if labels != NULL:
            # Two lines of 64 bytes are most labels.
            prefetch(labels.protobuf)
            prefetch(labels.protobuf + 64)
            prefetch(labels.json + 64)
        if self.roster.kind == KIND_POD and slot < self.latest.n_pods:
            pod = &self.latest.pod_answer[slot]
            for i in range(min(pod.n, <uint32_t>AHEAD)):
                container = containers_of(pod)[i]
                prefetch(&self.latest.container[container])
                prefetch(<const char*>&self.latest.container[container] + 64)
                prefetch(&self.latest.entities.table[KIND_POD_CONTAINER].name[container])

    cdef usage_status_t load(self, uint32_t slot, item_t* item) noexcept:
        item.slot = slot
        item.labels = self.roster.find(slot, self.came)
        if item.labels == NULL:
            return USAGE_NONE
        item.name = self.latest.entities.table[self.roster.kind].name[slot]
        if self.roster.kind == KIND_NODE:
            item.namespace = NULL
            item.n_containers = 0
            return self.latest.node_usage(slot, self.now_ns, &item.usage)
        item.namespace = self.latest.entities.table[KIND_NAMESPACE].name[
            self.latest.entities.table[KIND_POD].parent[slot]
        ]
        return self.latest.pod_usage(slot, self.now_ns, &item.container, &item.n_containers, &item.usage)

    cdef void load_extras(self, int kind, uint32_t slot, uint32_t pod, bint is_first, int64_t* value) noexcept:
        cdef int64_t of_pod[N_EXTRAS]
        self.latest.extras.read(kind, slot, self.now_ns, value)
        if kind == KIND_POD_CONTAINER and is_first:
            self.latest.extras.read(KIND_POD, pod, self.now_ns, of_pod)
            value[EXTRA_NETWORK_RX] = of_pod[EXTRA_NETWORK_RX]
            value[EXTRA_NETWORK_TX] = of_pod[EXTRA_NETWORK_TX]

    cdef void put(self, const item_t* item, bint is_single) noexcept:
        pass
