"""Usage of nodes and pods as `/apis/metrics/v1alpha1` shows it: CPU rate and working set.

In      a closed batch, slots of nodes, slots of pods with those of their spec's containers
Out     indented JSON: one object, or a list written item by item and taken in chunks
Callers render/apis_metrics.py; api/metrics_v1alpha1.py for one object
Source  spec/heapster-rest.md 9.2 and 9.5; B6 (a pod is shown when all its running containers have data)
Never   sorts, selects, or reads the clock
"""
from heapfast._batch cimport Batch
from heapfast._frame cimport ENTITY_TERMINATED, frame_t, is_present, sample_of
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    M_CPU_USAGE_RATE,
    M_MEMORY_WORKING_SET,
    absent_i64,
    int64_t,
    uint32_t,
)
from heapfast.codec._quantity cimport QUANTITY_MAX_CHARS, write_cpu_millicores, write_memory_bytes
from heapfast.render._json cimport (
    JsonBuffer,
    buffer_t,
    put_char,
    put_line,
    put_literal,
    put_string,
    put_text,
    put_utc_seconds,
    reserve,
)

cdef enum:
    DEPTH_SINGLE = 0
    DEPTH_ITEM = 2             # of an item's brace in a list


cdef class UsageWriter:
    """Writes NodeMetrics and PodMetrics of one batch, all created at one moment.

    For a list: `begin_list`, then `add_node` or `add_pod` for each, `take` now and then, `end_list`.
    For one object: `node` or `pod`.
    """

    cdef:
        Batch batch
        JsonBuffer owner
        const frame_t* frames
        buffer_t* buffer
        int64_t now_ns
        Py_ssize_t n_items

    def __cinit__(self, Batch batch not None, int64_t now_ns):
        self.batch = batch
        self.frames = &batch.frame[0]
        self.owner = JsonBuffer()
        self.buffer = &self.owner.buffer
        self.now_ns = now_ns

    def __len__(self):
        """Bytes written and not yet taken."""
        return self.buffer.len

    def node(self, uint32_t slot) -> bytes | None:
        """Return one node, or None when it has no usage."""
        if not self._has_usage(KIND_NODE, slot):
            return None
        self._put_node(slot, DEPTH_SINGLE)
        return self.owner.take()

    def pod(self, bytes namespace not None, bytes name not None, list containers not None) -> bytes | None:
        """Return one pod, or None when one of its running containers has no usage.

        Args:
            namespace: of the pod; like its name given by the caller, as a pod without any
                container in its spec is shown even when the batch does not have it.
            name: of the pod.
            containers: slots of the containers of its spec, in order.
        """
        if not self._is_shown(containers):
            return None
        self._put_pod(namespace, len(namespace), name, len(name), containers, DEPTH_SINGLE)
        return self.owner.take()

    def begin_list(self) -> None:
        self.n_items = 0
        put_literal(self.buffer, b'{\n  "metadata": {},\n  "items": ')

    def add_node(self, uint32_t slot) -> bool:
        """Add a node to the list; False when it has no usage."""
        if not self._has_usage(KIND_NODE, slot):
            return False
        self._begin_item()
        self._put_node(slot, DEPTH_ITEM)
        return True

    def add_pod(self, uint32_t slot, list containers not None) -> bool:
        """Add a pod that the batch shows; False when it, or a running container, has no usage."""
        cdef const frame_t* pods = &self.frames[KIND_POD]
        cdef const frame_t* namespaces = &self.frames[KIND_NAMESPACE]
        cdef uint32_t namespace
        if not is_present(pods, slot) or not self._is_shown(containers):
            return False
        namespace = pods.parent[slot]
        self._begin_item()
        self._put_pod(
            namespaces.name[namespace].data,
            namespaces.name[namespace].len,
            pods.name[slot].data,
            pods.name[slot].len,
            containers,
            DEPTH_ITEM,
        )
        return True

    def end_list(self) -> None:
        if self.n_items:
            put_line(self.buffer, 1)
            put_char(self.buffer, c"]")
        else:
            put_literal(self.buffer, b"null")
        put_line(self.buffer, 0)
        put_char(self.buffer, c"}")

    def take(self) -> bytes:
        """Return what was written since the last time."""
        return self.owner.take()

    cdef bint _has_usage(self, int kind, uint32_t slot) noexcept nogil:
        cdef const frame_t* frame = &self.frames[kind]
        if not is_present(frame, slot):
            return False
        return (
            sample_of(frame, M_CPU_USAGE_RATE, slot) != absent_i64()
            and sample_of(frame, M_MEMORY_WORKING_SET, slot) != absent_i64()
        )

    cdef bint _is_shown(self, list containers) except -1:
        cdef const frame_t* frame = &self.frames[KIND_POD_CONTAINER]
        cdef uint32_t slot
        cdef bint has_any = len(containers) == 0
        for slot in containers:
            if self._has_usage(KIND_POD_CONTAINER, slot):
                has_any = True
            elif not is_present(frame, slot) or not frame.flags[slot] & ENTITY_TERMINATED:
                return False
        return has_any

    cdef void _begin_item(self) noexcept:
        put_char(self.buffer, c"," if self.n_items else c"[")
        put_line(self.buffer, DEPTH_ITEM)
        self.n_items += 1

    cdef void _put_node(self, uint32_t slot, int depth) noexcept:
        cdef const frame_t* nodes = &self.frames[KIND_NODE]
        self._put_metadata(NULL, 0, nodes.name[slot].data, nodes.name[slot].len, depth)
        put_line(self.buffer, depth + 1)
        self._put_usage(nodes, slot, depth + 1)
        put_line(self.buffer, depth)
        put_char(self.buffer, c"}")

    cdef int _put_pod(
        self,
        const char* namespace,
        Py_ssize_t namespace_len,
        const char* name,
        Py_ssize_t name_len,
        list containers,
        int depth,
    ) except -1:
        cdef const frame_t* frame = &self.frames[KIND_POD_CONTAINER]
        cdef buffer_t* buffer = self.buffer
        cdef uint32_t slot
        cdef bint is_first = True
        self._put_metadata(namespace, namespace_len, name, name_len, depth)
        put_line(buffer, depth + 1)
        put_literal(buffer, b'"containers": [')
        for slot in containers:
            if not self._has_usage(KIND_POD_CONTAINER, slot):
                continue
            if not is_first:
                put_char(buffer, c",")
            is_first = False
            put_line(buffer, depth + 2)
            put_char(buffer, c"{")
            put_line(buffer, depth + 3)
            put_literal(buffer, b'"name": ')
            put_text(buffer, frame.name[slot])
            put_char(buffer, c",")
            put_line(buffer, depth + 3)
            self._put_usage(frame, slot, depth + 3)
            put_line(buffer, depth + 2)
            put_char(buffer, c"}")
        if not is_first:
            put_line(buffer, depth + 1)
        put_char(buffer, c"]")
        put_line(buffer, depth)
        put_char(buffer, c"}")
        return 0

    # From the opening brace to the comma after `window`.
    cdef void _put_metadata(
        self, const char* namespace, Py_ssize_t namespace_len, const char* name, Py_ssize_t name_len, int depth
    ) noexcept:
        cdef buffer_t* buffer = self.buffer
        put_char(buffer, c"{")
        put_line(buffer, depth + 1)
        put_literal(buffer, b'"metadata": {')
        put_line(buffer, depth + 2)
        put_literal(buffer, b'"name": ')
        put_string(buffer, name, name_len)
        put_char(buffer, c",")
        if namespace != NULL:
            put_line(buffer, depth + 2)
            put_literal(buffer, b'"namespace": ')
            put_string(buffer, namespace, namespace_len)
            put_char(buffer, c",")
        put_line(buffer, depth + 2)
        put_literal(buffer, b'"creationTimestamp": ')
        put_utc_seconds(buffer, self.now_ns)
        put_line(buffer, depth + 1)
        put_literal(buffer, b"},")
        put_line(buffer, depth + 1)
        put_literal(buffer, b'"timestamp": ')
        put_utc_seconds(buffer, self.batch.timestamp_ns)
        put_char(buffer, c",")
        put_line(buffer, depth + 1)
        # Always this, whatever the resolution is: old clients decode it and show it (K10).
        put_literal(buffer, b'"window": "1m0s",')

    cdef void _put_usage(self, const frame_t* frame, uint32_t slot, int depth) noexcept:
        cdef buffer_t* buffer = self.buffer
        put_literal(buffer, b'"usage": {')
        put_line(buffer, depth + 1)
        put_literal(buffer, b'"cpu": "')
        if reserve(buffer, QUANTITY_MAX_CHARS):
            buffer.len += write_cpu_millicores(sample_of(frame, M_CPU_USAGE_RATE, slot), buffer.data + buffer.len)
        put_literal(buffer, b'",')
        put_line(buffer, depth + 1)
        put_literal(buffer, b'"memory": "')
        if reserve(buffer, QUANTITY_MAX_CHARS):
            buffer.len += write_memory_bytes(sample_of(frame, M_MEMORY_WORKING_SET, slot), buffer.data + buffer.len)
        put_char(buffer, c'"')
        put_line(buffer, depth)
        put_char(buffer, c"}")
