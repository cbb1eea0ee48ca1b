"""The latest view (see _latest.pxd): which two points count, and what is served of them.

In      the entities of one good answer at a time
Out     CPU rates in nanocores and working sets, with the times and windows that they are true for
Callers _core feeds it, render reads it
Source  spec/metrics-k8s-io.md 15 (what is whole) and 16 (which points, which rates), to the last digit;
        better than the reference where design.md 4 says so: a failed scrape forgets nothing until it
        is stale, no CPU used is a value, and one sample that is missing keeps the one before
Never   reads a clock
"""
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from heapfast._entities cimport Entities
from heapfast._extras cimport Extras
from heapfast._text cimport text_compare, text_t
from heapfast._types cimport (
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    M_CPU_USAGE,
    M_MEMORY_WORKING_SET,
    SLOT_NONE,
    int64_t,
    time_zero,
    uint32_t,
)
from heapfast.wire._rows cimport row_t

cdef int64_t SECOND_NS = 1_000_000_000

cdef enum:
    LINE = 64                  # bytes that the cache keeps together

#: A container younger than a resolution, but older than this, gets its rate from its start.
cdef int64_t FRESH_NS = 10 * SECOND_NS

#: Two missed scrapes, and then the third is due: what was seen before that is not served any more.
cdef int64_t STALE_RESOLUTIONS = 3


cdef inline bint has_samples(const row_t* row) noexcept nogil:
    """CPU and memory; a working set of 0 is no running container's."""
    cdef uint32_t both = (1 << M_CPU_USAGE) | (1 << M_MEMORY_WORKING_SET)
    return (row.present & both) == both and row.value[M_MEMORY_WORKING_SET] != 0


cdef inline bint has_prev(const track_t* track) noexcept nogil:
    return track.prev.time_ns < track.last.time_ns


cdef usage_status_t rate_between(const track_t* track, usage_t* out) noexcept nogil:
    """In the floating-point steps of the reference, so that 0.3 cores come out as 299999999n where they do there."""
    cdef int64_t window_ns
    cdef double seconds
    if not has_prev(track):
        return USAGE_ONE_POINT
    if track.last.start_ns < track.prev.start_ns:
        return USAGE_START_FELL
    if track.last.cpu_ns < track.prev.cpu_ns:
        return USAGE_CPU_FELL
    window_ns = track.last.time_ns - track.prev.time_ns
    seconds = <double>(window_ns // SECOND_NS) + <double>(window_ns % SECOND_NS) / 1e9
    out.cpu_nanocores = <int64_t>(<double>(track.last.cpu_ns - track.prev.cpu_ns) / seconds)
    out.memory_bytes = track.last.memory_bytes
    out.time_ns = track.last.time_ns
    out.window_ns = window_ns
    return USAGE_OK


cdef class Latest:
    """The newest usage of nodes and pods.

    Args:
        resolution_ns: how often a target is scraped.
        extras: takes what is served beside CPU and memory; None for nothing.
    """

    def __cinit__(self, Entities entities, int64_t resolution_ns, Extras extras=None):
        self.entities = entities
        self.extras = extras
        self.resolution_ns = resolution_ns
        self.stale_ns = STALE_RESOLUTIONS * resolution_ns

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.n_pods):
            if self.pod_answer[i].cap:
                free(self.pod_answer[i].container.many)
        release(self.pod_answer)
        release(self.node)
        release(self.container)
        release(self.node_answer)

    # -- what comes in ---------------------------------------------------------------------------

    cdef int begin(self, uint32_t node, int64_t now_ns) except -1:
        self.answer += 1
        self.from_node = node
        self.now_ns = now_ns
        if node == SLOT_NONE:
            return 0
        grow(<void**>&self.node, &self.n_nodes, node, self.entities.table[KIND_NODE].cap, sizeof(track_t))
        grow(
            <void**>&self.node_answer, &self.n_nodes_answered, node,
            self.entities.table[KIND_NODE].cap, sizeof(node_answer_t),
        )
        self.node_answer[node].answer = self.answer
        self.node_answer[node].seen_ns = now_ns
        return 0

    cdef int take_node(self, uint32_t node, const row_t* row) except -1:
        cdef point_t point
        grow(<void**>&self.node, &self.n_nodes, node, self.entities.table[KIND_NODE].cap, sizeof(track_t))
        if not has_samples(row) or row.value[M_CPU_USAGE] == 0:
            return 0
        self._point(row, &point)
        self._update(&self.node[node], &point, False)
        return 0

    cdef int take_container(self, uint32_t pod, uint32_t container, const row_t* row, uint32_t uid_hash) except -1:
        cdef pod_answer_t* p
        cdef track_t* track
        cdef point_t point
        if pod >= self.n_pods:
            grow(<void**>&self.pod_answer, &self.n_pods, pod, self.entities.table[KIND_POD].cap, sizeof(pod_answer_t))
        if container >= self.n_containers:
            grow(
                <void**>&self.container, &self.n_containers, container,
                self.entities.table[KIND_POD_CONTAINER].cap, sizeof(track_t),
            )
        p = &self.pod_answer[pod]
        if p.answer != self.answer:
            p.answer = self.answer
            p.node = self.from_node
            p.n = 0
            p.is_whole = True
        self._add_container(p, container)
        track = &self.container[container]
        if track.uid_hash != uid_hash:
            # Of what was kept, put_pod has forgotten what is of another UID.
            if track.uid_hash != UID_RESTORED:
                memset(track, 0, sizeof(track_t))
            track.uid_hash = uid_hash
        if has_samples(row):
            self._point(row, &point)
            self._update(track, &point, True)
        elif track.answer == 0:
            p.is_whole = False
            return 0
        track.answer = self.answer
        return 0

    cdef int _add_container(self, pod_answer_t* p, uint32_t container) except -1:
        cdef uint32_t room = p.cap if p.cap else FEW_CONTAINERS
        cdef uint32_t* bigger
        if p.n == room:
            bigger = <uint32_t*>realloc(p.container.many if p.cap else NULL, 2 * room * sizeof(uint32_t))
            if bigger == NULL:
                raise MemoryError
            if p.cap == 0:
                memcpy(bigger, p.container.few, p.n * sizeof(uint32_t))
            p.container.many = bigger
            p.cap = 2 * room
        containers_of(p)[p.n] = container
        p.n += 1
        p.is_sorted = p.n == 1
        return 0

    cdef void _point(self, const row_t* row, point_t* point) noexcept:
        point.start_ns = row.start_ns
        # A kubelet that states no time (KWOK, old ones) has sampled when it was asked.
        point.time_ns = row.sample_ns if row.sample_ns != time_zero() else self.now_ns
        point.cpu_ns = row.value[M_CPU_USAGE]
        point.memory_bytes = row.value[M_MEMORY_WORKING_SET]

    cdef void _update(self, track_t* track, const point_t* point, bint is_container) noexcept nogil:
        """Which two points count from now on: the tables of spec 16."""
        cdef bint had_last = track.answer != 0
        cdef bint had_prev = has_prev(track)
        cdef int64_t age_ns = point.time_ns - point.start_ns
        cdef point_t last = track.last
        cdef bint is_fresh
        track.last = point[0]
        track.seen_ns = self.now_ns
        track.answer = self.answer
        if is_container:
            is_fresh = FRESH_NS <= age_ns < self.resolution_ns
            if point.start_ns != time_zero() and point.start_ns < point.time_ns and is_fresh:
                track.prev.start_ns = point.start_ns
                track.prev.time_ns = point.start_ns
                track.prev.cpu_ns = 0
                return
            if not had_last or point.start_ns >= last.time_ns:
                track.prev.time_ns = point.time_ns          # there is none
                return
        elif not had_last:
            track.prev.time_ns = point.time_ns
            return
        if point.time_ns > last.time_ns:
            track.prev.start_ns = last.start_ns
            track.prev.time_ns = last.time_ns
            track.prev.cpu_ns = last.cpu_ns
        elif not had_prev or track.prev.time_ns >= point.time_ns:
            track.prev.time_ns = point.time_ns

    cdef void forget(self, int kind, uint32_t slot) noexcept:
        cdef pod_answer_t* p
        cdef uint32_t* container
        cdef uint32_t i
        if self.extras is not None:
            self.extras.forget(kind, slot)
        if kind == KIND_NODE:
            if slot < self.n_nodes:
                memset(&self.node[slot], 0, sizeof(track_t))
            if slot < self.n_nodes_answered:
                memset(&self.node_answer[slot], 0, sizeof(node_answer_t))
        elif kind == KIND_POD_CONTAINER and slot < self.n_containers:
            memset(&self.container[slot], 0, sizeof(track_t))
        elif kind == KIND_POD and slot < self.n_pods:
            p = &self.pod_answer[slot]
            container = containers_of(p)
            for i in range(p.n):
                # Its slot may have been given to another pod's since: that one is in a later answer.
                if self.container[container[i]].answer == p.answer:
                    memset(&self.container[container[i]], 0, sizeof(track_t))
                    if self.extras is not None:
                        self.extras.forget(KIND_POD_CONTAINER, container[i])
            if p.cap:
                free(p.container.many)
            memset(p, 0, sizeof(pod_answer_t))

    # -- what is served ----------------------------------------------------------------------------

    cdef usage_status_t node_usage(self, uint32_t node, int64_t now_ns, usage_t* out) noexcept nogil:
        if node >= self.n_nodes or self.node[node].answer == 0:
            return USAGE_NONE
        # Answers may come without what is served of the node.
        if now_ns - self.node[node].seen_ns > self.stale_ns:
            return USAGE_STALE
        return rate_between(&self.node[node], out)

    cdef usage_status_t container_usage(self, uint32_t container, usage_t* out) noexcept nogil:
        if container >= self.n_containers or self.container[container].answer == 0:
            return USAGE_NONE
        return rate_between(&self.container[container], out)

    cdef bint _is_current(self, const pod_answer_t* p, int64_t now_ns, usage_status_t* why) noexcept nogil:
        why[0] = USAGE_NONE
        if p.answer == 0 or p.node == SLOT_NONE or self.node_answer[p.node].answer != p.answer:
            return False
        why[0] = USAGE_STALE
        return now_ns - self.node_answer[p.node].seen_ns <= self.stale_ns

    cdef usage_status_t pod_usage(
        self, uint32_t pod, int64_t now_ns, const uint32_t** slots, uint32_t* n, usage_t* out
    ) noexcept nogil:
        cdef pod_answer_t* p
        cdef uint32_t* container
        cdef usage_t one
        cdef usage_status_t status
        cdef uint32_t i
        if pod >= self.n_pods:
            return USAGE_NONE
        p = &self.pod_answer[pod]
        if not self._is_current(p, now_ns, &status):
            return status
        if not p.is_whole:
            return USAGE_NOT_WHOLE
        if not p.is_sorted:
            self._sort(p)
        out.cpu_nanocores = 0
        out.memory_bytes = 0
        container = containers_of(p)
        for i in range(p.n):
            # Its newest samples may be older than the answer, which was without any that count.
            if now_ns - self.container[container[i]].seen_ns > self.stale_ns:
                return USAGE_STALE
            status = rate_between(&self.container[container[i]], &one)
            if status != USAGE_OK:
                return status
            out.cpu_nanocores += one.cpu_nanocores
            out.memory_bytes += one.memory_bytes
            if i == 0 or one.time_ns < out.time_ns:
                out.time_ns = one.time_ns
                out.window_ns = one.window_ns
        slots[0] = container
        n[0] = p.n
        return USAGE_OK

    cdef void _sort(self, pod_answer_t* p) noexcept nogil:
        """By name; a pod has a handful of containers."""
        cdef text_t** name = self.entities.table[KIND_POD_CONTAINER].name
        cdef uint32_t* container = containers_of(p)
        cdef uint32_t i, j, slot
        for i in range(1, p.n):
            slot = container[i]
            j = i
            while j > 0 and text_compare(name[slot], name[container[j - 1]]) < 0:
                container[j] = container[j - 1]
                j -= 1
            container[j] = slot
        p.is_sorted = True

    def young_sample_ns(self, uint32_t pod, int64_t started_ns, int64_t now_ns):
        """What a pod that started something waits with.

        Args:
            started_ns: when it did, by our clock.

        Returns:
            None when it is served, of samples since then. Otherwise the time of the newest sample of those of its
            containers that have no rate; 0 when there is none.
        """
        cdef usage_t usage
        cdef const uint32_t* slots
        cdef uint32_t i, n = 0
        cdef int64_t newest_ns = 0
        cdef const track_t* track
        cdef usage_status_t status = self.pod_usage(pod, now_ns, &slots, &n, &usage)
        if status == USAGE_OK:
            return None if usage.time_ns >= started_ns else 0
        if status == USAGE_NONE or status == USAGE_STALE:
            return 0
        for i in range(self.pod_answer[pod].n):
            track = &self.container[containers_of(&self.pod_answer[pod])[i]]
            if track.answer != 0 and rate_between(track, &usage) != USAGE_OK:
                newest_ns = max(newest_ns, track.last.time_ns)
        return newest_ns

    def counts(self, int64_t now_ns):
        """(nodes, containers) that a rate can be served for."""
        cdef uint32_t slot, nodes = 0, containers = 0, n
        cdef usage_t usage
        cdef const uint32_t* slots
        for slot in range(self.n_nodes):
            nodes += self.node_usage(slot, now_ns, &usage) == USAGE_OK
        for slot in range(self.n_pods):
            if self.pod_usage(slot, now_ns, &slots, &n, &usage) == USAGE_OK:
                containers += n
        return nodes, containers

    def node_sample(self, uint32_t node, int64_t now_ns):
        """What is served of a node, as (status, cpu_nanocores, memory_bytes, time_ns, window_ns)."""
        cdef usage_t usage
        memset(&usage, 0, sizeof(usage_t))
        cdef usage_status_t status = self.node_usage(node, now_ns, &usage)
        return <int>status, usage.cpu_nanocores, usage.memory_bytes, usage.time_ns, usage.window_ns

    def pod_sample(self, uint32_t pod, int64_t now_ns):
        """What is served of a pod: as node_sample, and a list of (slot, cpu_nanocores, memory_bytes)."""
        cdef usage_t usage, one
        cdef const uint32_t* slots = NULL
        cdef uint32_t i, n = 0
        memset(&usage, 0, sizeof(usage_t))
        cdef usage_status_t status = self.pod_usage(pod, now_ns, &slots, &n, &usage)
        containers = []
        if status == USAGE_OK:
            for i in range(n):
                self.container_usage(slots[i], &one)
                containers.append((slots[i], one.cpu_nanocores, one.memory_bytes))
        return <int>status, usage.cpu_nanocores, usage.memory_bytes, usage.time_ns, usage.window_ns, containers


cdef void release(void* array) noexcept:
    """Gives back what `grow` has made."""
    if array != NULL:
        free((<void**>array - 1)[0])


cdef int grow(void** array, uint32_t* n, uint32_t slot, uint32_t cap, size_t width) except -1:
    """Makes room for a slot, all zero; `cap`: what the entity table has room for.

    What calloc gives takes no memory before it is written to. Cleared by hand, the room that nobody used yet took up to
    half of all again: with 150,000 pods 2 MiB of 38.

    The first entry begins a line of the cache. What calloc gives is 16 bytes off, and half of what is taken of pods
    (32 bytes each) lay in two lines, of which the second was waited for.
    """
    cdef char* block
    cdef void* bigger
    if slot < n[0]:
        return 0
    if cap <= slot:
        cap = slot + 1
    block = <char*>calloc(1, cap * width + LINE)
    if block == NULL:
        raise MemoryError
    bigger = block + LINE - <size_t>block % LINE
    (<void**>bigger - 1)[0] = block    # at least 16 bytes before it are ours
    if n[0]:
        memcpy(bigger, array[0], n[0] * width)
    release(array[0])
    array[0] = bigger
    n[0] = cap
    return 0
