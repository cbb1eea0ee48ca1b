"""Refilling a store from segments (see _restore.pxd).

In      heads and details of batches, as _segment made them, in the order of their stamps
Out     entities, the ring and the latest view of a store that has had nothing so far
Callers store/segments.py; heapfast inspect, into a store that is thrown away
Source  docs/warm-restart.md
Never   shows who is not there: the API server's word is waited for
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from heapfast._batch cimport Batch
from heapfast._closing cimport Closing
from heapfast._core cimport Store
from heapfast._entities cimport pod_spec_t, table_t
from heapfast._frame cimport ENTITY_KNOWN, ENTITY_NO_NODENAME, frame_column, frame_images, frame_reserve, frame_t
from heapfast._latest cimport UID_RESTORED
from heapfast._pack cimport pack_column, packed_t, plain_samples
from heapfast._ring cimport Packed
from heapfast._segment cimport (
    FACT_MAIN_SAMPLE,
    FACT_MAIN_START,
    FACT_NODE,
    FACT_ORIGIN,
    FACT_PRESENT,
    FACT_SAMPLE,
    FACT_SIDE_CAME,
    FACT_SIDE_SAMPLE,
    FACT_SIDE_SINCE,
    FACT_SIDE_START,
    FACT_SINCE,
    FACT_START,
)
from heapfast._stored cimport StoredReader, plain_clear, plain_free, plain_get, plain_t
from heapfast._text cimport text_hash, text_ptr
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    M_CPU_USAGE,
    M_MEMORY_WORKING_SET,
    N_KINDS,
    N_METRICS,
    ORIGIN_MAIN,
    PRESENT_MADE,
    PRESENT_NO,
    PRESENT_SCRAPED,
    SLOT_NONE,
    absent_i64,
    int64_t,
    time_zero,
    uint8_t,
    uint32_t,
    uint64_t,
)
from heapfast.wire._rows cimport row_t

from heapfast.errors import StoreError


cdef enum:
    SLOTS_A_STEP = 10_000  # of the latest view: few enough for a turn of the loop, if cold


cdef class Restoring(StoredReader):
    """One refilling of one store.

    Args:
        store: has had nothing so far, neither samples nor the API server's word.
        now_ns: wall time; retention and staleness are reckoned from it.

    Raises:
        StoreError: the store is in use already.
    """

    def __cinit__(self, Store store not None, int64_t now_ns):
        if len(store.ring) or store.open.seq != 1 or store.ingested_targets:
            raise StoreError("BUG: a store is refilled before it is used")
        self.now_ns = now_ns
        self.packed = []
        self.forgotten_kind = KIND_NODE
        self.former = <plain_t*>calloc(1, sizeof(plain_t))
        if self.former == NULL:
            raise MemoryError

    def __dealloc__(self):
        plain_free(self.former)

    def take(
        self, int64_t timestamp_ns, const uint8_t[::1] head not None, const uint8_t[::1] detail, *, bint keep=True
    ):
        """Takes the next batch.

        Args:
            detail: None leaves it out; then all details of this segment that follow must be left out, too.
            keep: False reads it for the sake of those that lean on it.

        Raises:
            StoreError: a part is not as the format says; the rest of the segment is unusable then.
        """
        if keep and self.has_former and timestamp_ns <= self.former.timestamp_ns:
            raise StoreError(
                f"cannot restore a batch stamped {timestamp_ns}: want later than {self.former.timestamp_ns}"
            )
        self._read(timestamp_ns, head, detail, keep)
        if not keep:
            return
        self._close_former()
        self.former, self.current = self.current, self.former
        self.has_former = True
        if detail is not None and timestamp_ns > self.now_ns - self.store.latest.stale_ns:
            self._replay()

    # -- into the ring -----------------------------------------------------------------------------------

    cdef int _close_former(self) except -1:
        """Packs the batch before against the one that has just been read, as closing does."""
        cdef Packed packed
        cdef plain_t* old = self.former
        cdef plain_t* new = self.current
        cdef packed_t* column
        cdef int kind, m, failed = 0
        cdef int64_t age_ns = self.now_ns - old.timestamp_ns
        if not self.has_former:
            return 0
        packed = Packed(self.store.ledger)
        packed.timestamp_ns = old.timestamp_ns
        packed.is_short = old.has_detail and age_ns < self.store.ring.short_ns
        if age_ns < max(self.store.ring.long_ns, self.store.ring.short_ns):
            with nogil:
                for kind in range(N_KINDS):
                    for m in range(N_METRICS):
                        if old.value[kind][m] == NULL or not (packed.is_short or self.store.ring.is_long[m]):
                            continue
                        column = <packed_t*>calloc(1, sizeof(packed_t))
                        if column == NULL:
                            failed = 1
                            break
                        packed.column[kind][m] = column
                        failed |= pack_column(
                            plain_samples(old.value[kind][m], old.n[kind]),
                            plain_samples(new.value[kind][m], new.n[kind]), column,
                        )
            if failed:
                raise MemoryError
            self.packed.append(packed)
        return 0

    # -- into the latest view ------------------------------------------------------------------------------

    cdef int _replay(self) except -1:
        """Tells the latest view what the answers of the batch said, as if they came when it was stamped."""
        cdef plain_t* b = self.former
        cdef table_t* containers = &self.store.entities.table[KIND_POD_CONTAINER]
        cdef uint32_t n_nodes = b.n[KIND_NODE]
        cdef uint32_t n = b.n[KIND_POD_CONTAINER]
        cdef uint32_t* start = <uint32_t*>calloc(<size_t>n_nodes + 2, sizeof(uint32_t))
        cdef uint32_t* order = <uint32_t*>malloc((<size_t>n + 1) * sizeof(uint32_t))
        cdef uint32_t* answer = <uint32_t*>malloc((<size_t>n_nodes + 1) * sizeof(uint32_t))
        cdef uint32_t slot, node, i
        cdef int64_t owner
        cdef row_t row
        try:
            if start == NULL or order == NULL or answer == NULL:
                raise MemoryError
            # A node is asked for under the API server's name, whatever it calls itself.
            memset(answer, 0xFF, <size_t>n_nodes * sizeof(uint32_t))
            for slot in range(n_nodes):
                if is_scraped(b, KIND_NODE, slot):
                    owner = plain_get(b, KIND_NODE, N_METRICS + FACT_NODE, slot)
                    answer[owner if 0 <= owner < n_nodes else slot] = slot
            for slot in range(n):
                owner = plain_get(b, KIND_POD_CONTAINER, N_METRICS + FACT_NODE, slot)
                if is_scraped(b, KIND_POD_CONTAINER, slot) and 0 <= owner < n_nodes:
                    start[owner + 2] += 1
            for node in range(n_nodes):
                start[node + 2] += start[node + 1]
            for slot in range(n):
                owner = plain_get(b, KIND_POD_CONTAINER, N_METRICS + FACT_NODE, slot)
                if is_scraped(b, KIND_POD_CONTAINER, slot) and 0 <= owner < n_nodes:
                    order[start[owner + 1]] = slot
                    start[owner + 1] += 1
            for node in range(n_nodes):
                if answer[node] == SLOT_NONE and start[node] == start[node + 1]:
                    continue
                self.store.latest.begin(node, b.timestamp_ns)
                if answer[node] != SLOT_NONE:
                    make_row(b, KIND_NODE, answer[node], &row)
                    self.store.latest.take_node(node, &row)
                for i in range(start[node], start[node + 1]):
                    slot = order[i]
                    make_row(b, KIND_POD_CONTAINER, slot, &row)
                    self.store.latest.take_container(containers.parent[slot], slot, &row, UID_RESTORED)
        finally:
            free(start)
            free(order)
            free(answer)
        return 0

    # -- the end ---------------------------------------------------------------------------------------------

    def finish(self):
        """Puts what was taken into the store: the ring, and the newest batch, which is not served yet.

        Returns:
            How many batches there are now. A newest batch that is stale is history alone, and never served as the
            newest.
        """
        cdef Packed packed
        cdef Batch open_
        cdef int kind
        cdef uint32_t slot
        cdef table_t* t
        cdef uint64_t seq
        cdef int64_t now_ns = self.now_ns
        cdef int64_t retention_ns = max(self.store.ring.long_ns, self.store.ring.short_ns)
        if self.has_former and self.former.timestamp_ns <= now_ns - retention_ns:
            self.has_former = False
        cdef bint is_stale = self.has_former and self.former.timestamp_ns <= now_ns - self.store.latest.stale_ns
        if is_stale or (self.has_former and not self.former.has_detail):
            plain_clear(self.current)
            self._close_former()
            self.newest_ns = self.former.timestamp_ns
            self.has_former = False
        seq = 0
        for packed in self.packed:
            seq += 1
            packed.seq = seq
        if self.has_former:
            seq += 1
            self.newest_ns = self.former.timestamp_ns
            self._make_newest(seq)
        self.batches = seq
        if seq == 0:
            return 0
        self.store.ring.packed = self.packed
        open_ = Batch(
            self.store.metrics, self.store.ledger, seq + 1, self.store.has_schedulable, self.store.side_ns
        )
        self.store.open = open_
        self.store.entities.seq = seq + 1
        for kind in range(KIND_NAMESPACE, N_KINDS):
            t = &self.store.entities.table[kind]
            for slot in range(t.n):
                t.last_seen[slot] = <uint32_t>seq
        plain_free(self.current)
        plain_free(self.former)
        self.current = self.former = NULL
        self.begin_segment()
        return seq

    cdef int _make_newest(self, uint64_t seq) except -1:
        cdef plain_t* b = self.former
        # What was kept of one source says nothing of two (_side takes it so), and the other way round.
        cdef bint has_side = self.store.side_ns > 0 and b.value[KIND_NODE][N_METRICS + FACT_ORIGIN] != NULL
        cdef Batch batch = Batch(
            self.store.metrics, self.store.ledger, seq, self.store.has_schedulable,
            self.store.side_ns if has_side else 0,
        )
        cdef frame_t* f
        cdef int kind, m, failed = 0
        cdef uint32_t n, slot
        cdef int64_t* column
        batch.timestamp_ns = b.timestamp_ns
        with nogil:
            for kind in range(N_KINDS):
                f = &batch.frame[kind]
                n = b.n[kind]
                if frame_reserve(f, kind, n):
                    failed = 1
                    break
                for m in range(N_METRICS):
                    if b.value[kind][m] == NULL:
                        continue
                    column = frame_column(f, m)
                    if column == NULL:
                        failed = 1
                        break
                    memcpy(column, b.value[kind][m], <size_t>n * 8)
                for slot in range(n):
                    f.present[slot] = presence(plain_get(b, kind, N_METRICS + FACT_PRESENT, slot))
                if kind == KIND_RESOURCE:
                    continue
                for slot in range(n):
                    f.sample_ns[slot] = time_or_zero(plain_get(b, kind, N_METRICS + FACT_SAMPLE, slot))
                    f.start_ns[slot] = time_or_zero(plain_get(b, kind, N_METRICS + FACT_START, slot))
                    if plain_get(b, kind, N_METRICS + FACT_NODE, slot) != absent_i64():
                        f.node[slot] = <uint32_t>plain_get(b, kind, N_METRICS + FACT_NODE, slot)
                if f.has_side and fill_side(f, b, kind):
                    failed = 1
                    break
                if kind == KIND_POD_CONTAINER and self.store.entities.table[kind].own_image != NULL:
                    if frame_images(f):
                        failed = 1
                        break
                    for slot in range(n):
                        f.image[slot] = self.store.entities.table[kind].own_image[slot]
                if b.value[kind][N_METRICS + FACT_SINCE] != NULL:
                    f.since_ns = <int64_t*>malloc((<size_t>n + 1) * 8)
                    if f.since_ns == NULL:
                        failed = 1
                        break
                    for slot in range(n):
                        f.since_ns[slot] = plain_get(b, kind, N_METRICS + FACT_SINCE, slot)
                        if f.since_ns[slot] == absent_i64():
                            f.since_ns[slot] = b.timestamp_ns
        if failed:
            raise MemoryError
        # Kept for seal, which makes the frames' own.
        self.newest = batch
        return 0

    def seal(self):
        """Finishes the newest batch by what the API server says. In any one thread, with the gate shut.

        Raises:
            MemoryError: it cannot be served.
        """
        cdef Closing closing
        cdef int failed
        self.is_foreign = self._find_foreign()
        if self.newest is None or self.is_foreign:
            return
        closing = Closing(self.store.entities, self.newest, None)
        with nogil:
            failed = closing._link_all()
            if not failed:
                self._prune()
                failed = closing._name(KIND_NAMESPACE) or closing._name_all() or closing._seal()
        if failed:
            raise MemoryError("cannot restore the newest batch: out of memory")

    cdef bint _find_foreign(self) noexcept nogil:
        """Whether there were pods with UIDs, and the API server has not one of them: then this is another cluster."""
        cdef table_t* t = &self.store.entities.table[KIND_POD]
        cdef uint32_t pod
        cdef bint had_any = False
        for pod in range(min(self.cap_uid, t.n)):
            if self.uid[pod]:
                had_any = True
                if t.flags[pod] & ENTITY_KNOWN and not self._has_other_uid(pod):
                    return False
        return had_any

    cdef bint _has_other_uid(self, uint32_t pod) noexcept nogil:
        """Whether the API server's pod of that name is another one than was kept."""
        cdef table_t* t = &self.store.entities.table[KIND_POD]
        if pod >= self.cap_uid or self.uid[pod] == 0 or t.uid[pod] == NULL:
            return False
        return self.uid[pod] != text_hash(text_ptr(t.uid[pod]), t.uid[pod].len) | 1

    cdef void _prune(self) noexcept nogil:
        """Leaves out who is not there any more, with what is theirs."""
        cdef frame_t* nodes = &self.newest.frame[KIND_NODE]
        cdef frame_t* pods = &self.newest.frame[KIND_POD]
        cdef frame_t* containers = &self.newest.frame[KIND_POD_CONTAINER]
        cdef frame_t* systems = &self.newest.frame[KIND_SYS_CONTAINER]
        cdef frame_t* resources = &self.newest.frame[KIND_RESOURCE]
        cdef frame_t* namespaces = &self.newest.frame[KIND_NAMESPACE]
        cdef pod_spec_t* pod_spec = self.store.entities.table[KIND_POD].pod_spec
        cdef uint32_t slot, pod
        for slot in range(nodes.n):
            if not nodes.flags[slot] & ENTITY_KNOWN:
                nodes.present[slot] = PRESENT_NO
        for slot in range(pods.n):
            if not pods.flags[slot] & ENTITY_KNOWN or self._has_other_uid(slot):
                pods.present[slot] = PRESENT_NO
            elif pods.present[slot] == PRESENT_MADE:
                pods.flags[slot] |= ENTITY_NO_NODENAME
            pods.create_ns[slot] = pod_spec[slot].create_ns
        for slot in range(containers.n):
            if containers.present[slot] == PRESENT_NO:
                continue
            pod = containers.parent[slot]
            if pods.present[pod] == PRESENT_NO:
                containers.present[slot] = PRESENT_NO
        for slot in range(systems.n):
            # By what the tables say: an answer may have had a system container without the node's own row.
            if systems.present[slot] != PRESENT_NO and not nodes.flags[systems.parent[slot]] & ENTITY_KNOWN:
                systems.present[slot] = PRESENT_NO
        for slot in range(resources.n):
            if (
                resources.present[slot] != PRESENT_NO
                and self.newest.frame[resources.parent_kind[slot]].present[resources.parent[slot]] == PRESENT_NO
            ):
                resources.present[slot] = PRESENT_NO
        # Not everybody watches namespaces: one that has a pod is there, whatever the tables say.
        for slot in range(namespaces.n):
            if not namespaces.flags[slot] & ENTITY_KNOWN and namespaces.present[slot] != PRESENT_NO:
                namespaces.present[slot] = PRESENT_NO
        for slot in range(pods.n):
            if pods.present[slot] != PRESENT_NO and namespaces.present[pods.parent[slot]] == PRESENT_NO:
                namespaces.present[pods.parent[slot]] = PRESENT_MADE

    def publish(self):
        """Makes the newest batch what is served; on the loop, after seal and before the first tick.

        What belongs to another cluster is thrown away instead, a step a call: so much of it would hold the loop.

        Returns:
            Whether that is done; call it again in another turn of the loop until then.
        """
        if self.is_foreign:
            return bool(self._throw_away())
        if self.newest is not None:
            self.newest.closed = True
            self.store.ring.push(self.newest, None, self.now_ns)
            self.newest = None
        return True

    cdef int _throw_away(self) except -1:
        """A step of it: a batch, or some slots of the latest view."""
        cdef uint32_t n, last, slot
        self.batches = 0
        self.newest = None
        if self.store.ring.packed:
            self.store.ring.packed.pop()
            return False
        while self.forgotten_kind <= KIND_POD_CONTAINER:
            n = self.store.entities.table[self.forgotten_kind].n
            last = min(n, self.forgotten + SLOTS_A_STEP)
            for slot in range(self.forgotten, last):
                self.store.latest.forget(self.forgotten_kind, slot)
            self.forgotten = last
            if last < n:
                return False
            self.forgotten = 0
            self.forgotten_kind += 1
        return True


cdef inline uint8_t presence(int64_t value) noexcept nogil:
    return <uint8_t>value if PRESENT_NO <= value <= PRESENT_MADE else PRESENT_NO


cdef inline int64_t time_or_zero(int64_t value) noexcept nogil:
    return time_zero() if value == absent_i64() else value


cdef int64_t* copy_times(const plain_t* b, int kind, int fact) noexcept nogil:
    """A fact of time as a frame has it; owned by the caller; NULL: no memory."""
    cdef int64_t* times = <int64_t*>malloc((<size_t>b.n[kind] + 1) * 8)
    cdef uint32_t slot
    if times != NULL:
        for slot in range(b.n[kind]):
            times[slot] = time_or_zero(plain_get(b, kind, N_METRICS + fact, slot))
    return times


cdef int fill_side(frame_t* f, const plain_t* b, int kind) noexcept nogil:
    """What a frame has where there is a side source."""
    cdef uint32_t slot
    cdef int64_t origin
    if b.value[kind][N_METRICS + FACT_SIDE_SINCE] != NULL:
        f.side_since_ns = copy_times(b, kind, FACT_SIDE_SINCE)
        if f.side_since_ns == NULL:
            return -1
    f.side_came_ns = copy_times(b, kind, FACT_SIDE_CAME)
    f.main_sample_ns = copy_times(b, kind, FACT_MAIN_SAMPLE)
    f.main_start_ns = copy_times(b, kind, FACT_MAIN_START)
    if f.side_came_ns == NULL or f.main_sample_ns == NULL or f.main_start_ns == NULL:
        return -1
    for slot in range(b.n[kind]):
        origin = plain_get(b, kind, N_METRICS + FACT_ORIGIN, slot)
        f.origin[slot] = <uint8_t>origin if origin != absent_i64() else 0
        f.side_sample_ns[slot] = time_or_zero(plain_get(b, kind, N_METRICS + FACT_SIDE_SAMPLE, slot))
        f.side_start_ns[slot] = time_or_zero(plain_get(b, kind, N_METRICS + FACT_SIDE_START, slot))
    return 0


cdef inline bint is_scraped(const plain_t* b, int kind, uint32_t slot) noexcept nogil:
    """Whether the main source had it in its answer; where there is but one source, that is it."""
    cdef int64_t origin = plain_get(b, kind, N_METRICS + FACT_ORIGIN, slot)
    if plain_get(b, kind, N_METRICS + FACT_PRESENT, slot) != PRESENT_SCRAPED:
        return False
    return origin == absent_i64() or origin & ORIGIN_MAIN


cdef void make_row(const plain_t* b, int kind, uint32_t slot, row_t* row) noexcept nogil:
    """The part of a kubelet's row that the latest view looks at."""
    memset(row, 0, sizeof(row_t))
    row.kind = <uint8_t>kind
    row.sample_ns = time_or_zero(plain_get(b, kind, N_METRICS + FACT_SAMPLE, slot))
    row.start_ns = time_or_zero(plain_get(b, kind, N_METRICS + FACT_START, slot))
    row.value[M_CPU_USAGE] = plain_get(b, kind, M_CPU_USAGE, slot)
    row.value[M_MEMORY_WORKING_SET] = plain_get(b, kind, M_MEMORY_WORKING_SET, slot)
    if row.value[M_CPU_USAGE] != absent_i64():
        row.present |= 1 << M_CPU_USAGE
    if row.value[M_MEMORY_WORKING_SET] != absent_i64():
        row.present |= 1 << M_MEMORY_WORKING_SET
