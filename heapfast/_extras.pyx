"""Swap, ephemeral storage, accelerators and network of the newest answers (see _extras.pxd).

In      rows of nodes, pods and pod containers, one answer at a time
Out     what a usage map has beside CPU and memory
Callers _core feeds it through _latest, render reads it
Source  ours (issue 3, "usage keys"); spec/metrics-k8s-io.md 3.4 for `swap`; keys are qualified names of Kubernetes
Never   reads a clock, or decides who is served: _latest does
"""
from libc.stdlib cimport free, realloc

from heapfast._entities cimport Entities
from heapfast._types cimport (
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    M_NETWORK_RX,
    M_NETWORK_TX,
    RESOURCE_ACCELERATOR,
    RESOURCE_FILESYSTEM,
    absent_i64,
    int64_t,
    time_zero,
    uint32_t,
)
from heapfast.wire._rows cimport Rows, resource_row_t, row_t

from heapfast.catalog.usage_keys import KEY_OF, USAGE_KEYS
from heapfast.errors import StoreError

cdef double SECOND_NS = 1e9

#: Two missed answers, and then the third is due: as in _latest.
cdef int64_t STALE_RESOLUTIONS = 3

cdef enum:
    USED = 0                   # place in resource_row_t.value, of a filesystem
    MEMORY_USED = 1            # of an accelerator
    DUTY_CYCLE = 2             # of an accelerator, per cent
    THOUSANDTHS_A_PERCENT = 10

cdef const char* KEYS[N_EXTRAS]
KEYS[EXTRA_EPHEMERAL_STORAGE] = b"ephemeral-storage"
KEYS[EXTRA_ACCELERATOR_MEMORY] = b"heapfast.io/accelerator-memory"
KEYS[EXTRA_ACCELERATORS] = b"heapfast.io/accelerators"
KEYS[EXTRA_NETWORK_RX] = b"heapfast.io/network-rx-bytes-per-second"
KEYS[EXTRA_NETWORK_TX] = b"heapfast.io/network-tx-bytes-per-second"
KEYS[EXTRA_SWAP] = b"swap"

if [KEYS[i].decode() for i in range(N_EXTRAS)] != list(KEY_OF):
    raise ImportError("BUG: catalog/usage_keys.py and _extras.pyx have other keys, or another order")


cdef const char* extra_key(int extra) noexcept nogil:
    return KEYS[extra]


cdef int make_room(extras_t* all, uint32_t slot, uint32_t cap) except -1:
    """Room for a slot, with nothing in it; `cap`: what the entity table has room for."""
    cdef extra_t* bigger
    cdef uint32_t i
    if slot < all.n:
        return 0
    if cap <= slot:
        cap = slot + 1
    bigger = <extra_t*>realloc(all.entry, cap * sizeof(extra_t))
    if bigger == NULL:
        raise MemoryError
    all.entry = bigger
    for i in range(all.n, cap):
        clear(&all.entry[i])
    all.n = cap
    return 0


cdef void clear(extra_t* e) noexcept nogil:
    cdef int i
    for i in range(N_EXTRAS):
        e.value[i] = absent_i64()
    e.counter[0] = e.counter[1] = absent_i64()
    e.sample_ns = e.swap_seen_ns = e.rest_seen_ns = 0
    e.start_ns = time_zero()


cdef inline void add(int64_t* total, int64_t value) noexcept nogil:
    total[0] = value if total[0] == absent_i64() else total[0] + value


cdef class Extras:
    """The optional usage of nodes, containers and pods.

    Args:
        names: of USAGE_KEYS.
        resolution_ns: how often a target is scraped.
        side_ns: how often its side source is; 0 when there is none.
    """

    def __cinit__(self, Entities entities, names, int64_t resolution_ns, int64_t side_ns):
        unknown = sorted(set(names) - set(USAGE_KEYS))
        if unknown:
            raise StoreError(f"cannot serve {', '.join(unknown)}: want {', '.join(USAGE_KEYS)}")
        self.entities = entities
        keys = list(KEY_OF.values())
        for i in range(N_EXTRAS):
            if keys[i] in names:
                self.wanted |= <uint32_t>1 << i
        self.has_side = side_ns > 0
        self.swap_stale_ns = STALE_RESOLUTIONS * resolution_ns
        self.rest_stale_ns = STALE_RESOLUTIONS * (side_ns or resolution_ns)

    def __dealloc__(self):
        free(self.node.entry)
        free(self.container.entry)
        free(self.pod.entry)

    cdef extras_t* _of(self, int kind) noexcept nogil:
        if kind == KIND_NODE:
            return &self.node
        return &self.pod if kind == KIND_POD else &self.container

    cdef int take(self, Rows rows, const row_t* row, uint32_t slot, int64_t now_ns, bint is_side) except -1:
        cdef extras_t* all = self._of(row.kind)
        cdef extra_t* e
        make_room(all, slot, self.entities.table[row.kind].cap)
        e = &all.entry[slot]
        if not is_side:
            e.value[EXTRA_SWAP] = row.swap_bytes if row.has_swap else absent_i64()
            e.swap_seen_ns = now_ns
        if is_side or not self.has_side:
            self._take_resources(rows, row, e)
            self._take_network(row, e, now_ns)
            e.rest_seen_ns = now_ns
        return 0

    cdef void _take_resources(self, Rows rows, const row_t* row, extra_t* e) noexcept:
        """Of a filesystem what is in use: of a container its layer and its logs; accelerators are added up."""
        cdef const resource_row_t* resource
        cdef uint32_t i
        e.value[EXTRA_EPHEMERAL_STORAGE] = absent_i64()
        e.value[EXTRA_ACCELERATOR_MEMORY] = absent_i64()
        e.value[EXTRA_ACCELERATORS] = absent_i64()
        for i in range(row.resource_start, row.resource_start + row.resource_count):
            resource = &rows.resource[i]
            if resource.type == RESOURCE_FILESYSTEM and resource.present & (1 << USED):
                add(&e.value[EXTRA_EPHEMERAL_STORAGE], resource.value[USED])
            elif resource.type == RESOURCE_ACCELERATOR:
                if resource.present & (1 << MEMORY_USED):
                    add(&e.value[EXTRA_ACCELERATOR_MEMORY], resource.value[MEMORY_USED])
                if resource.present & (1 << DUTY_CYCLE):
                    add(&e.value[EXTRA_ACCELERATORS], resource.value[DUTY_CYCLE] * THOUSANDTHS_A_PERCENT)

    cdef void _take_network(self, const row_t* row, extra_t* e, int64_t now_ns) noexcept:
        """Rates over the kubelet's own times; a counter that fell, or another start, begins anew."""
        cdef int64_t sample_ns = row.sample_ns if row.sample_ns != time_zero() else now_ns
        cdef int64_t counter
        cdef int way, metric
        if sample_ns == e.sample_ns and row.start_ns == e.start_ns:
            return
        for way in range(2):
            metric = M_NETWORK_TX if way else M_NETWORK_RX
            counter = row.value[metric] if row.present & (<uint32_t>1 << metric) else absent_i64()
            e.value[EXTRA_NETWORK_RX + way] = absent_i64()
            if (
                e.sample_ns != 0
                and sample_ns > e.sample_ns
                and row.start_ns == e.start_ns
                and e.counter[way] != absent_i64()
                and counter >= e.counter[way]
            ):
                e.value[EXTRA_NETWORK_RX + way] = <int64_t>(
                    <double>(counter - e.counter[way]) / (<double>(sample_ns - e.sample_ns) / SECOND_NS)
                )
            e.counter[way] = counter
        e.sample_ns = sample_ns
        e.start_ns = row.start_ns

    cdef void forget(self, int kind, uint32_t slot) noexcept:
        cdef extras_t* all
        if kind == KIND_NODE or kind == KIND_POD or kind == KIND_POD_CONTAINER:
            all = self._of(kind)
            if slot < all.n:
                clear(&all.entry[slot])

    cdef void read(self, int kind, uint32_t slot, int64_t now_ns, int64_t* value) noexcept nogil:
        cdef extras_t* all = self._of(kind)
        cdef extra_t* e
        cdef int64_t seen_ns, stale_ns
        cdef int i
        for i in range(N_EXTRAS):
            value[i] = absent_i64()
        if slot >= all.n:
            return
        e = &all.entry[slot]
        for i in range(N_EXTRAS):
            seen_ns = e.swap_seen_ns if i == EXTRA_SWAP else e.rest_seen_ns
            stale_ns = self.swap_stale_ns if i == EXTRA_SWAP else self.rest_stale_ns
            if self.wanted & (<uint32_t>1 << i) and seen_ns != 0 and now_ns - seen_ns <= stale_ns:
                value[i] = e.value[i]

    def usage(self, int kind, uint32_t slot, int64_t now_ns):
        """What is served of a node, a pod container, or of a pod's network, by key."""
        cdef int64_t value[N_EXTRAS]
        cdef int i
        self.read(kind, slot, now_ns, value)
        return {KEYS[i].decode(): value[i] for i in range(N_EXTRAS) if value[i] != absent_i64()}
