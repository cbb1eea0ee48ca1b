"""Batches, and views of them for Python (see _batch.pxd).

In      what _core ingests and computes
Out     frames for kernels and renderers; names and sets for tests, `debug` and sinks
Callers _core makes them, the modules beside it fill them; pipeline; render and api read
Never   shows a batch half done: Python sees a Batch only once it is closed
"""
cimport cython
from libc.stdlib cimport malloc
from libc.string cimport memcpy

from heapfast._frame cimport (
    ENTITY_NO_NODENAME,
    ENTITY_UNSCHEDULABLE,
    TIME_SAMPLE,
    TIME_START,
    clear_frames,
    frame_nbytes,
    frame_t,
    free_frames,
    has_column,
    sample_of,
    stored_of,
    time_at,
    times_of,
)
from heapfast._ledger cimport Ledger
from heapfast._metrics cimport Metrics
from heapfast._text cimport text_is, text_str
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
        cdef int kind
        for kind in range(N_KINDS):
            total += frame_nbytes(&self.frame[kind])
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
        if slot >= f.n or not 0 <= metric < N_METRICS:
            return None
        bits = sample_of(f, metric, slot)
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
        if kind == KIND_POD:
            return pods.create_ns[slot]
        if kind == KIND_POD_CONTAINER:
            if f.present[slot] == PRESENT_STUB:
                # Of the set, not of the object (Q16).
                return time_at(times_of(pods, TIME_START), f.parent[slot])
            if sample_of(f, M_RESTART_COUNT, slot) != absent_i64():
                return pods.create_ns[f.parent[slot]]
        return time_zero()

    cdef dict _set(self, int kind, uint32_t slot):
        cdef frame_t* f = &self.frame[kind]
        cdef int64_t create_ns = self._create_ns(kind, slot)
        cdef dict values = {}
        cdef int m
        for m in range(N_METRICS):
            value = self.value(kind, slot, m) if has_column(f, m) else None
            if value is not None:
                values[self.metrics.names[m]] = value
        return {
            "scrape_time_ns": time_or_none(time_at(times_of(f, TIME_SAMPLE), slot)),
            "start_time_ns": time_or_none(time_at(times_of(f, TIME_START), slot)),
            "create_time_ns": time_or_none(create_ns),
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


cdef time_or_none(int64_t time_ns):
    return None if time_ns == time_zero() else time_ns
