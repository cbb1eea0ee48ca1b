"""Batches: columns over slots, and views of them for Python (see _batch.pxd).

In      what _core ingests and computes
Out     arrays for kernels and renderers; names and sets for tests, `debug` and sinks
Callers _core makes them, the modules beside it fill them; pipeline; render and api read
Never   shows a batch half done: Python sees a Batch only once it is closed
"""
cimport cython
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from heapfast._ledger cimport Ledger
from heapfast._metrics cimport Metrics
from heapfast._text cimport text_is, text_str, text_t
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    M_RESTART_COUNT,
    N_KINDS,
    N_METRICS,
    PRESENT_NO,
    PRESENT_STUB,
    RESOURCE_ACCELERATOR,
    RESOURCE_VOLUME,
    SLOT_NONE,
    absent_i64,
    int64_t,
    time_zero,
    uint32_t,
    uint64_t,
)

from heapfast.catalog.keys import TYPE_LABEL, Kind, key


# -- frames ---------------------------------------------------------------------------------


cdef inline int more(void** array, uint32_t cap, size_t width) noexcept nogil:
    cdef void* bigger = realloc(array[0], cap * width)
    if bigger == NULL:
        return -1
    array[0] = bigger
    return 0


cdef inline void fill_i64(int64_t* array, uint32_t start, uint32_t stop, int64_t value) noexcept nogil:
    cdef uint32_t i
    for i in range(start, stop):
        array[i] = value


cdef inline uint32_t n_chunks(uint32_t n) noexcept nogil:
    return (n + CHUNK - 1) // CHUNK


cdef int frame_reserve(frame_t* frame, int kind, uint32_t n) noexcept nogil:
    """Makes room for slots below n, all absent. Never shrinks."""
    cdef uint32_t old = frame.cap
    cdef uint32_t cap
    if n > old:
        cap = old + old // 4 + 64
        if cap < n:
            cap = n
        if grow(frame, kind, cap):
            return -1
        if frame.blank == NULL:
            fill(frame, old, cap)
        else:
            if more(<void**>&frame.blank, n_chunks(cap) + 1, 1):
                return -1
            memset(frame.blank + n_chunks(old), 1, n_chunks(cap) - n_chunks(old))
            # The rest of a chunk that is in use already.
            if old % CHUNK and not frame.blank[old // CHUNK]:
                fill(frame, old, min(n_chunks(old) * CHUNK, cap))
        frame.cap = cap
    if n > frame.n:
        frame.n = n
    return 0


cdef int frame_reserve_blank(frame_t* frame, int kind, uint32_t n) noexcept nogil:
    if grow(frame, kind, n) or more(<void**>&frame.blank, n_chunks(n) + 1, 1):
        return -1
    memset(frame.blank, 1, n_chunks(n))
    frame.cap = n
    return 0


cdef void frame_fill(frame_t* frame) noexcept nogil:
    """Room that was made for newcomers stays unwritten, and takes no memory: 2.7 MiB with 300,000 containers."""
    cdef uint32_t chunk
    if frame.blank == NULL:
        return
    for chunk in range(n_chunks(frame.n)):
        if frame.blank[chunk]:
            frame_fill_chunk(frame, chunk)
    free(frame.blank)
    frame.blank = NULL
    frame.cap = frame.n


cdef void frame_fill_chunk(frame_t* frame, uint32_t chunk) noexcept nogil:
    fill(frame, chunk * CHUNK, min((chunk + 1) * CHUNK, frame.cap))
    frame.blank[chunk] = 0


cdef int grow(frame_t* frame, int kind, uint32_t cap) noexcept nogil:
    """Room in every array that the kind has, not filled."""
    cdef int m
    if more(<void**>&frame.present, cap, 1) or more(<void**>&frame.answer, cap, 4):
        return -1
    if kind == KIND_POD:
        if more(<void**>&frame.renewed, cap, 1) or more(<void**>&frame.uid, cap, sizeof(void*)):
            return -1
    if frame.image != NULL and more(<void**>&frame.image, cap, sizeof(void*)):
        return -1
    if kind != KIND_RESOURCE:
        if more(<void**>&frame.sample_ns, cap, 8) or more(<void**>&frame.start_ns, cap, 8):
            return -1
        if more(<void**>&frame.node, cap, 4):
            return -1
    if frame.has_side:
        if more(<void**>&frame.side_sample_ns, cap, 8) or more(<void**>&frame.side_start_ns, cap, 8):
            return -1
        if more(<void**>&frame.origin, cap, 1) or (kind == KIND_NODE and more(<void**>&frame.answered, cap, 1)):
            return -1
    for m in range(N_METRICS):
        if frame.column[m] != NULL and more(<void**>&frame.column[m], cap, 8):
            return -1
    return 0


cdef void fill(frame_t* frame, uint32_t start, uint32_t stop) noexcept nogil:
    """Nothing in any array, from a slot up to another."""
    cdef size_t n = stop - start
    cdef int m
    memset(frame.present + start, 0, n)
    memset(frame.answer + start, 0, n * 4)
    if frame.renewed != NULL:
        memset(frame.renewed + start, 0, n)
        memset(frame.uid + start, 0, n * sizeof(void*))
    if frame.image != NULL:
        memset(frame.image + start, 0, n * sizeof(void*))
    if frame.sample_ns != NULL:
        fill_i64(frame.sample_ns, start, stop, time_zero())
        fill_i64(frame.start_ns, start, stop, time_zero())
        memset(frame.node + start, 0xFF, n * 4)          # SLOT_NONE
    if frame.origin != NULL:
        fill_i64(frame.side_sample_ns, start, stop, time_zero())
        fill_i64(frame.side_start_ns, start, stop, time_zero())
        memset(frame.origin + start, 0, n)
    if frame.answered != NULL:
        memset(frame.answered + start, 0, n)
    for m in range(N_METRICS):
        if frame.column[m] != NULL:
            fill_i64(frame.column[m], start, stop, absent_i64())


cdef int64_t* frame_column(frame_t* frame, int metric) noexcept nogil:
    """The column of a metric, made and filled with "absent" when nobody had it so far."""
    cdef int64_t* column = frame.column[metric]
    cdef uint32_t chunk
    if column == NULL:
        column = <int64_t*>malloc(<size_t>(frame.cap if frame.cap else 1) * 8)
        if column == NULL:
            return NULL
        if frame.blank == NULL:
            fill_i64(column, 0, frame.cap, absent_i64())
        else:
            for chunk in range(n_chunks(frame.cap)):
                if not frame.blank[chunk]:
                    fill_i64(column, chunk * CHUNK, min((chunk + 1) * CHUNK, frame.cap), absent_i64())
        frame.column[metric] = column
    return column


cdef int frame_images(frame_t* frame) noexcept nogil:
    frame.image = <text_t**>calloc(frame.cap if frame.cap else 1, sizeof(void*))
    return 0 if frame.image != NULL else -1


cdef void frame_seal(frame_t* frame) noexcept nogil:
    free(frame.answer)
    free(frame.renewed)
    free(frame.answered)
    frame.answer = NULL
    frame.renewed = NULL
    frame.answered = NULL
    if not frame.has_side and not has_times(frame):
        # 3.4 MiB with 150,000 pods that only their containers tell of.
        free(frame.sample_ns)
        free(frame.start_ns)
        free(frame.since_ns)
        frame.sample_ns = NULL
        frame.start_ns = NULL
        frame.since_ns = NULL


cdef bint has_times(const frame_t* frame) noexcept nogil:
    """Whether anybody has a time of a sample or of a start."""
    cdef uint32_t i
    if frame.sample_ns == NULL:
        return False
    for i in range(frame.n):
        if frame.sample_ns[i] != time_zero() or frame.start_ns[i] != time_zero():
            return True
    return False


cdef void frame_clear(frame_t* frame) noexcept nogil:
    """Frees everything."""
    cdef int i
    free(frame.blank)
    free(frame.present)
    free(frame.sample_ns)
    free(frame.start_ns)
    free(frame.since_ns)
    free(frame.create_ns)
    for i in range(N_METRICS):
        free(frame.column[i])
    free(frame.parent)
    free(frame.parent_kind)
    free(frame.type)
    free(frame.name)
    free(frame.uid)
    free(frame.labels)
    free(frame.stored)
    free(frame.image)
    free(frame.hostname)
    free(frame.host_id)
    free(frame.node)
    free(frame.answer)
    free(frame.renewed)
    free(frame.flags)
    free(frame.origin)
    free(frame.answered)
    free(frame.side_sample_ns)
    free(frame.side_start_ns)
    free(frame.side_since_ns)
    free(frame.side_came_ns)
    free(frame.main_sample_ns)
    free(frame.main_start_ns)
    for i in range(N_KINDS):
        free(frame.first[i])
        free(frame.child[i])
    memset(frame, 0, sizeof(frame_t))


cdef void clear_frames(frame_t* frames) noexcept nogil:
    cdef int kind
    for kind in range(N_KINDS):
        frame_clear(&frames[kind])


cdef void free_frames(void* frames) noexcept nogil:
    clear_frames(<frame_t*>frames)
    free(frames)


cdef int index_children(frame_t* frames, int kind) noexcept nogil:
    """Groups the present entities of a kind by parent: a counting sort, two passes."""
    cdef frame_t* frame = &frames[kind]
    cdef frame_t* owner
    cdef uint32_t slot, n
    cdef uint32_t* first
    cdef uint32_t* child
    cdef int k, start = 0, stop = 0
    if kind == KIND_POD:
        start, stop = KIND_NAMESPACE, KIND_NAMESPACE + 1
    elif kind == KIND_POD_CONTAINER:
        start, stop = KIND_POD, KIND_POD + 1
    elif kind == KIND_SYS_CONTAINER:
        start, stop = KIND_NODE, KIND_NODE + 1
    elif kind == KIND_RESOURCE:
        start, stop = KIND_NODE, KIND_SYS_CONTAINER + 1
    for k in range(start, stop):
        owner = &frames[k]
        first = <uint32_t*>calloc(owner.n + 1, sizeof(uint32_t))
        if first == NULL:
            return -1
        owner.first[kind] = first
        n = 0
        for slot in range(frame.n):
            if frame.present[slot] and (frame.parent_kind == NULL or frame.parent_kind[slot] == k):
                first[frame.parent[slot]] += 1
                n += 1
        if n == 0 and kind == KIND_RESOURCE:
            # /metrics/resource tells of none: 450,000 owners would have a row of zeros each.
            free(first)
            owner.first[kind] = NULL
            continue
        child = <uint32_t*>malloc((n + 1) * sizeof(uint32_t))
        if child == NULL:
            return -1
        owner.child[kind] = child
        n = 0
        for slot in range(owner.n):
            n += first[slot]
            first[slot] = n
        first[owner.n] = n
        # From the back, so that each parent's children end up ascending and first[] at its own start.
        slot = frame.n
        while slot > 0:
            slot -= 1
            if frame.present[slot] and (frame.parent_kind == NULL or frame.parent_kind[slot] == k):
                first[frame.parent[slot]] -= 1
                child[first[frame.parent[slot]]] = slot
    return 0


# -- the batch ------------------------------------------------------------------------------


@cython.final
@cython.no_gc      # Metrics and Ledger never refer back
cdef class Batch:
    """All samples of one tick. Made by the store; see _batch.pxd for what is in it."""

    def __cinit__(self, Metrics metrics, Ledger ledger not None, uint64_t seq, bint has_schedulable, int64_t side_ns=0):
        cdef int kind
        self.metrics = metrics
        self.ledger = ledger
        self.seq = seq
        self.has_schedulable = has_schedulable
        self.side_ns = side_ns
        for kind in range(KIND_NODE, KIND_SYS_CONTAINER + 1):
            self.frame[kind].has_side = side_ns > 0
        ledger.add(seq)

    def __dealloc__(self):
        cdef frame_t* frames = <frame_t*>malloc(sizeof(self.frame))
        if frames != NULL:
            memcpy(frames, self.frame, sizeof(self.frame))
            self.ledger.bury(frames, free_frames)
        else:
            clear_frames(self.frame)
        self.ledger.remove(self.seq)

    cdef size_t nbytes(self) noexcept:
        """Bytes of its arrays."""
        cdef size_t total = 0
        cdef int kind, m
        cdef frame_t* f
        for kind in range(N_KINDS):
            f = &self.frame[kind]
            total += f.cap * (1 + (8 if f.sample_ns != NULL else 0) + (8 if f.start_ns != NULL else 0))
            for m in range(N_METRICS):
                if f.column[m] != NULL:
                    total += f.cap * 8
        return total

    cdef str _key(self, int kind, uint32_t slot):
        cdef frame_t* f = &self.frame[kind]
        if kind == KIND_CLUSTER:
            return "cluster"
        name = text_str(f.name[slot])
        if kind == KIND_NAMESPACE:
            return key(Kind.NAMESPACE, name)
        if kind == KIND_NODE:
            return key(Kind.NODE, name)
        cdef uint32_t parent = f.parent[slot]
        if kind == KIND_SYS_CONTAINER:
            return key(Kind.SYS_CONTAINER, text_str(self.frame[KIND_NODE].name[parent]), name)
        if kind == KIND_POD:
            return key(Kind.POD, text_str(self.frame[KIND_NAMESPACE].name[parent]), name)
        return f"{self._key(KIND_POD, parent)}/container:{name}"

    def names(self, int kind, int64_t parent=-1):
        """Names of the entities of a kind, sorted; those of one parent if its slot is given.

        Cost: O(entities of the kind) without a parent, O(result) with one.
        """
        check_kind(kind)
        cdef frame_t* f = &self.frame[kind]
        cdef frame_t* owner
        cdef uint32_t i
        cdef list found = []
        if parent < 0:
            for i in range(f.n):
                if f.present[i]:
                    found.append(text_str(f.name[i]))
        else:
            owner = &self.frame[self._owner_kind(kind)]
            if parent < owner.n and owner.first[kind] != NULL:
                for i in range(owner.first[kind][parent], owner.first[kind][parent + 1]):
                    found.append(text_str(f.name[owner.child[kind][i]]))
        found.sort()
        return found

    cdef int _owner_kind(self, int kind) except -1:
        if kind == KIND_POD:
            return KIND_NAMESPACE
        if kind == KIND_POD_CONTAINER:
            return KIND_POD
        if kind == KIND_SYS_CONTAINER:
            return KIND_NODE
        raise ValueError(f"BUG: entities of kind {kind} have no single kind of parent")

    def keys(self):
        """All metric-set keys, sorted."""
        cdef int kind
        cdef uint32_t slot
        cdef list found = []
        for kind in range(KIND_RESOURCE):
            for slot in range(self.frame[kind].n):
                if self.frame[kind].present[slot]:
                    found.append(self._key(kind, slot))
        found.sort()
        return found

    def present(self, int kind, uint32_t slot):
        """PRESENT_* of one entity, 0 when the batch does not have it."""
        check_kind(kind)
        if slot >= self.frame[kind].n:
            return 0
        return self.frame[kind].present[slot]

    def value(self, int kind, uint32_t slot, int metric):
        """One sample, or None; also for a metric that is -1, which nothing has."""
        check_kind(kind)
        cdef frame_t* f = &self.frame[kind]
        cdef int64_t bits
        if slot >= f.n or not 0 <= metric < N_METRICS or f.column[metric] == NULL:
            return None
        bits = f.column[metric][slot]
        if bits == absent_i64():
            return None
        if self.metrics.is_float[metric]:
            return (<double*>&bits)[0]
        return bits

    def sets(self):
        """Every metric set as a dict by key, the way Heapster would hold it; for tests and debugging."""
        cdef int kind
        cdef uint32_t slot
        cdef dict found = {}
        for kind in range(KIND_RESOURCE):
            for slot in range(self.frame[kind].n):
                if self.frame[kind].present[slot]:
                    found[self._key(kind, slot)] = self._set(kind, slot)
        return found

    cdef int64_t _create_ns(self, int kind, uint32_t slot) noexcept:
        """When the pod was made: of pods that the API server knows, and their containers with a status or no sample."""
        cdef frame_t* pods = &self.frame[KIND_POD]
        cdef frame_t* f = &self.frame[kind]
        cdef int64_t* restarts = f.column[M_RESTART_COUNT]
        if kind == KIND_POD:
            return pods.create_ns[slot]
        if kind == KIND_POD_CONTAINER:
            if f.present[slot] == PRESENT_STUB:
                # Of the set, not of the object (Q16).
                return time_zero() if pods.start_ns == NULL else pods.start_ns[f.parent[slot]]
            if restarts != NULL and restarts[slot] != absent_i64():
                return pods.create_ns[f.parent[slot]]
        return time_zero()

    cdef dict _set(self, int kind, uint32_t slot):
        cdef frame_t* f = &self.frame[kind]
        cdef int64_t create_ns = self._create_ns(kind, slot)
        cdef dict values = {}
        cdef int m
        for m in range(N_METRICS):
            value = self.value(kind, slot, m) if f.column[m] != NULL else None
            if value is not None:
                values[self.metrics.names[m]] = value
        return {
            "scrape_time_ns": time_or_none(f.sample_ns, slot),
            "start_time_ns": time_or_none(f.start_ns, slot),
            "create_time_ns": None if create_ns == time_zero() else create_ns,
            "labels": self._labels(kind, slot),
            "metrics": values,
            "labeled": self._labeled(kind, slot),
        }

    cdef list _labeled(self, int kind, uint32_t slot):
        cdef frame_t* f = &self.frame[kind]
        cdef list found = []
        cdef uint32_t i, child
        cdef int m
        if f.first[KIND_RESOURCE] == NULL:
            return found
        for i in range(f.first[KIND_RESOURCE][slot], f.first[KIND_RESOURCE][slot + 1]):
            child = f.child[KIND_RESOURCE][i]
            for m in range(N_METRICS):
                value = self.value(KIND_RESOURCE, child, m)
                if value is not None:
                    found.append({"name": self.metrics.names[m], "labels": self.resource_labels(child), "value": value})
        return found

    def resources(self, int kind, uint32_t slot):
        """Slots of an entity's resources, ascending."""
        check_kind(kind)
        cdef frame_t* f = &self.frame[kind]
        cdef uint32_t i
        if slot >= f.n or f.first[KIND_RESOURCE] == NULL:
            return []
        return [
            f.child[KIND_RESOURCE][i]
            for i in range(f.first[KIND_RESOURCE][slot], f.first[KIND_RESOURCE][slot + 1])
        ]

    def pod_with_id(self, str uid):
        """Slot of the pod with that UID, -1 when the batch has none. Cost: a look at every pod."""
        cdef bytes wanted = uid.encode("utf-8", "surrogateescape")
        cdef const char* ptr = wanted
        cdef uint32_t n = <uint32_t>len(wanted)
        cdef frame_t* f = &self.frame[KIND_POD]
        cdef uint32_t slot
        for slot in range(f.n):
            if f.present[slot] and f.uid[slot] != NULL and text_is(f.uid[slot], ptr, n):
                return slot
        return -1

    def resource_labels(self, uint32_t slot):
        """Labels of one resource, as a dict.

        Raises:
            KeyError: the batch does not have it.
        """
        cdef frame_t* f = &self.frame[KIND_RESOURCE]
        if slot >= f.n or f.present[slot] == PRESENT_NO:
            raise KeyError(f"batch {self.seq} has no resource {slot}")
        name = text_str(f.name[slot])
        if f.type[slot] == RESOURCE_ACCELERATOR:
            return dict(zip(("make", "model", "accelerator_id"), name.split("\0", 2), strict=True))
        if f.type[slot] == RESOURCE_VOLUME:
            return {"resource_id": "Volume:" + name}
        return {"resource_id": name}

    cdef dict _labels(self, int kind, uint32_t slot):
        cdef frame_t* f = &self.frame[kind]
        cdef frame_t* nodes = &self.frame[KIND_NODE]
        cdef frame_t* pods = &self.frame[KIND_POD]
        cdef frame_t* namespaces = &self.frame[KIND_NAMESPACE]
        cdef uint32_t pod, namespace
        cdef dict labels = {"type": TYPE_LABEL[kind]}
        if kind == KIND_CLUSTER:
            return labels
        if kind == KIND_NAMESPACE:
            labels["namespace_name"] = text_str(f.name[slot])
            labels["namespace_id"] = text_str(f.uid[slot])
            return labels
        cdef uint32_t node = f.node[slot]
        if node != SLOT_NONE:
            if not f.flags[slot] & ENTITY_NO_NODENAME:
                labels["nodename"] = text_str(nodes.name[node])
            labels["hostname"] = text_str(nodes.hostname[node])
            labels["host_id"] = text_str(nodes.host_id[node])
        if kind == KIND_NODE:
            if self.has_schedulable and node != SLOT_NONE:
                labels["schedulable"] = "false" if nodes.flags[node] & ENTITY_UNSCHEDULABLE else "true"
            self._user_labels(labels, f, slot)
            return labels
        if kind == KIND_SYS_CONTAINER:
            labels["container_name"] = text_str(f.name[slot])
            return labels
        pod = slot
        if kind == KIND_POD_CONTAINER:
            pod = f.parent[slot]
            labels["container_name"] = text_str(f.name[slot])
            if f.image[slot] != NULL:
                labels["container_base_image"] = text_str(f.image[slot])
        namespace = pods.parent[pod]
        labels["pod_name"] = text_str(pods.name[pod])
        labels["pod_id"] = text_str(pods.uid[pod])
        labels["namespace_name"] = text_str(namespaces.name[namespace])
        if namespaces.uid[namespace] != NULL:
            labels["namespace_id"] = text_str(namespaces.uid[namespace])
        self._user_labels(labels, pods, pod)
        return labels

    cdef _user_labels(self, dict labels, frame_t* f, uint32_t slot):
        if stored_of(f, slot) != NULL:
            pairs = text_str(stored_of(f, slot)).split("\0")
            labels.update(zip(pairs[0::2], pairs[1::2]))
        if f.labels[slot] != NULL:
            labels["labels"] = text_str(f.labels[slot])


cdef int check_kind(int kind) except -1:
    if not 0 <= kind < N_KINDS:
        raise ValueError(f"BUG: no kind is {kind}")
    return 0


cdef time_or_none(const int64_t* column, uint32_t slot):
    if column == NULL or column[slot] == time_zero():
        return None
    return column[slot]
