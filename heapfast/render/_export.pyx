"""metric-export: every node, pod and container of one batch with its exported metrics.

In      a closed batch
Out     compact JSON in chunks, entities in the order of their names (B12), newline at the end
Callers api/export.py, from a thread
Source  spec/heapster-rest.md 6.5; which labels an entity has: spec/heapster-pipeline.md 1.4
Never   holds the GIL while it writes, or more memory than a chunk and one pod's or node's share
"""
from heapfast._batch cimport Batch, accelerator_t, split_accelerator
from heapfast._frame cimport ENTITY_NO_NODENAME, TIME_START, frame_t, has_column, sample_of, time_at, times_of
from heapfast._text cimport text_ptr, text_t
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    N_CATALOG,
    RESOURCE_ACCELERATOR,
    RESOURCE_VOLUME,
    SLOT_NONE,
    absent_i64,
    int64_t,
    uint32_t,
)
from heapfast.render._json cimport (
    TIME_MAX_LEN,
    JsonBuffer,
    bits_to_double,
    buffer_t,
    put_char,
    put_content,
    put_double,
    put_int,
    put_literal,
    put_raw,
    put_string,
    put_text,
    write_time,
)
from heapfast.render._order cimport NameOrder, load_children, load_present, order_t

from heapfast.catalog.metrics import CATALOG

# A metric that is exported: what stands before its points, and how they are written.
cdef struct exported_t:
    const char* key            # '"cpu/limit":[', borrowed from KEYS
    Py_ssize_t key_len
    int metric
    bint is_labeled
    bint is_float
    bint is_cumulative         # stored so: `start` is when counting began

cdef exported_t EXPORTED[N_CATALOG]
cdef int N_EXPORTED = 0
cdef list KEYS = []


cdef void _fill_exported() except *:
    """Fills EXPORTED in the order of names, in which JSON maps are written."""
    global N_EXPORTED
    cdef bytes key
    for metric in sorted(CATALOG, key=lambda metric: metric.name):
        if metric.group not in ("standard", "labeled") and metric.name not in ("cpu/limit", "memory/limit"):
            continue
        key = f'"{metric.name}":['.encode()
        KEYS.append(key)
        EXPORTED[N_EXPORTED] = exported_t(
            key,
            len(key),
            metric.id,
            metric.group == "labeled",
            metric.value_type == "double",
            metric.stored_type == "cumulative",
        )
        N_EXPORTED += 1


_fill_exported()


cdef class ExportWriter:
    """Writes one batch, chunk by chunk: `read` until it gives nothing more."""

    cdef:
        Batch batch
        list owners                    # of what the following point to
        const frame_t* frames          # the batch's
        buffer_t* buffer
        order_t* namespaces
        order_t* pods
        order_t* nodes
        order_t* inner                 # containers of the current pod or node
        order_t* resources             # of the current entity
        int64_t timestamp_ns
        char[TIME_MAX_LEN] end         # the batch's timestamp as JSON
        Py_ssize_t end_len
        uint32_t next_namespace
        uint32_t next_pod
        uint32_t next_node
        bint is_begun                  # the opening bracket is written
        bint is_first                  # no entity is written yet
        bint is_done

    def __cinit__(self, Batch batch not None):
        cdef JsonBuffer buffer = JsonBuffer()
        self.batch = batch
        self.frames = &batch.frame[0]
        self.timestamp_ns = batch.timestamp_ns
        self.buffer = &buffer.buffer
        self.owners = [buffer]
        self.namespaces = self._order()
        self.pods = self._order()
        self.nodes = self._order()
        self.inner = self._order()
        self.resources = self._order()
        self.is_first = True

    cdef order_t* _order(self):
        cdef NameOrder owner = NameOrder()
        self.owners.append(owner)
        return &owner.order

    def read(self, Py_ssize_t at_least=1 << 20) -> bytes:
        """Return the next chunk, `at_least` bytes or the rest; empty at the end."""
        with nogil:
            if not self._write(at_least):
                self.buffer.failed = True
        return (<JsonBuffer>self.owners[0]).take()

    cdef bint _write(self, Py_ssize_t at_least) noexcept nogil:
        cdef const frame_t* frames = self.frames
        cdef uint32_t slot
        if self.is_done:
            return True
        if not self.is_begun:
            self.is_begun = True
            self.end_len = write_time(self.timestamp_ns, self.end)
            put_char(self.buffer, c"[")
            if not (
                load_present(self.namespaces, &frames[KIND_NAMESPACE])
                and load_present(self.nodes, &frames[KIND_NODE])
            ):
                return False
        while self.buffer.len < at_least and not self.buffer.failed:
            if self.next_pod < self.pods.n:
                if not self._put_pod(self.pods.items[self.next_pod].slot):
                    return False
                # Not `+= 1`: the checks of the debug build would need the GIL for it.
                self.next_pod = self.next_pod + 1
            elif self.next_namespace < self.namespaces.n:
                slot = self.namespaces.items[self.next_namespace].slot
                if not load_children(self.pods, &frames[KIND_NAMESPACE], slot, &frames[KIND_POD], KIND_POD):
                    return False
                self.next_namespace = self.next_namespace + 1
                self.next_pod = 0
            elif self.next_node < self.nodes.n:
                if not self._put_node(self.nodes.items[self.next_node].slot):
                    return False
                self.next_node = self.next_node + 1
            else:
                put_literal(self.buffer, b"]\n")
                self.is_done = True
                return True
        return True

    cdef bint _put_pod(self, uint32_t slot) noexcept nogil:
        cdef const frame_t* frames = self.frames
        cdef uint32_t i
        if not self._put_metrics(KIND_POD, slot):
            return False
        self._put_pod_labels(slot, b"/pod", 4, &frames[KIND_POD], slot)
        if not load_children(self.inner, &frames[KIND_POD], slot, &frames[KIND_POD_CONTAINER], KIND_POD_CONTAINER):
            return False
        for i in range(self.inner.n):
            if not self._put_metrics(KIND_POD_CONTAINER, self.inner.items[i].slot):
                return False
            self._put_container_labels(self.inner.items[i].slot)
        return True

    cdef bint _put_node(self, uint32_t slot) noexcept nogil:
        cdef const frame_t* frames = self.frames
        cdef uint32_t i
        cdef uint32_t container
        if not self._put_metrics(KIND_NODE, slot):
            return False
        put_literal(self.buffer, b'"container_name":"machine"')
        self._put_host(&frames[KIND_NODE], slot)
        self._put_label(b',"labels":', frames[KIND_NODE].labels[slot])
        self._put_nodename(&frames[KIND_NODE], slot)
        put_literal(self.buffer, b"}}")
        if not load_children(self.inner, &frames[KIND_NODE], slot, &frames[KIND_SYS_CONTAINER], KIND_SYS_CONTAINER):
            return False
        for i in range(self.inner.n):
            container = self.inner.items[i].slot
            if not self._put_metrics(KIND_SYS_CONTAINER, container):
                return False
            put_literal(self.buffer, b'"container_name":')
            put_text(self.buffer, frames[KIND_SYS_CONTAINER].name[container])
            self._put_host(&frames[KIND_SYS_CONTAINER], container)
            self._put_nodename(&frames[KIND_SYS_CONTAINER], container)
            put_literal(self.buffer, b"}}")
        return True

    # -- labels: sorted by key, `{"metrics":{...},"labels":{` stands before, `}}` ends the entity --

    cdef void _put_label(self, const char* key, const text_t* value) noexcept nogil:
        if value != NULL:
            put_literal(self.buffer, key)
            put_text(self.buffer, value)

    cdef void _put_host(self, const frame_t* frame, uint32_t slot) noexcept nogil:
        cdef const frame_t* nodes = &self.frames[KIND_NODE]
        cdef uint32_t node = frame.node[slot]
        if node != SLOT_NONE:
            put_literal(self.buffer, b',"host_id":')
            put_text(self.buffer, nodes.host_id[node])
            put_literal(self.buffer, b',"hostname":')
            put_text(self.buffer, nodes.hostname[node])

    cdef void _put_nodename(self, const frame_t* frame, uint32_t slot) noexcept nogil:
        cdef uint32_t node = frame.node[slot]
        if node != SLOT_NONE and not frame.flags[slot] & ENTITY_NO_NODENAME:
            put_literal(self.buffer, b',"nodename":')
            put_text(self.buffer, self.frames[KIND_NODE].name[node])

    cdef void _put_container_labels(self, uint32_t slot) noexcept nogil:
        cdef const frame_t* containers = &self.frames[KIND_POD_CONTAINER]
        cdef const text_t* name = containers.name[slot]
        if containers.image[slot] != NULL:
            put_literal(self.buffer, b'"container_base_image":')
            put_text(self.buffer, containers.image[slot])
            put_char(self.buffer, c",")
        self._put_pod_labels(containers.parent[slot], name.data, name.len, containers, slot)

    cdef void _put_pod_labels(
        self, uint32_t pod, const char* container, Py_ssize_t n, const frame_t* of, uint32_t slot
    ) noexcept nogil:
        cdef const frame_t* pods = &self.frames[KIND_POD]
        cdef uint32_t namespace = pods.parent[pod]
        put_literal(self.buffer, b'"container_name":')
        put_string(self.buffer, container, n)
        self._put_host(of, slot)
        self._put_label(b',"labels":', pods.labels[pod])
        self._put_label(b',"namespace_id":', self.frames[KIND_NAMESPACE].uid[namespace])
        self._put_nodename(of, slot)
        put_literal(self.buffer, b',"pod_id":')
        put_text(self.buffer, pods.uid[pod])
        put_literal(self.buffer, b',"pod_name":')
        put_text(self.buffer, pods.name[pod])
        put_literal(self.buffer, b"}}")

    # -- metrics --

    cdef bint _put_metrics(self, int kind, uint32_t slot) noexcept nogil:
        cdef const frame_t* frame = &self.frames[kind]
        cdef const frame_t* resources = &self.frames[KIND_RESOURCE]
        cdef char start[TIME_MAX_LEN]
        cdef Py_ssize_t start_len = write_time(time_at(times_of(frame, TIME_START), slot), start)
        cdef int64_t bits
        cdef bint is_first = True
        cdef int i
        if not load_children(self.resources, frame, slot, resources, KIND_RESOURCE):
            return False
        put_literal(self.buffer, b'{"metrics":{' if self.is_first else b',{"metrics":{')
        self.is_first = False
        for i in range(N_EXPORTED):
            if EXPORTED[i].is_labeled:
                if self.resources.n and has_column(resources, EXPORTED[i].metric):
                    is_first = self._put_labeled(&EXPORTED[i], is_first)
                continue
            bits = sample_of(frame, EXPORTED[i].metric, slot)
            if bits == absent_i64():
                continue
            self._put_metric_key(&EXPORTED[i], is_first)
            is_first = False
            if EXPORTED[i].is_cumulative:
                self._put_times(start, start_len)
            else:
                self._put_times(self.end, self.end_len)
            self._put_value(&EXPORTED[i], bits)
            put_literal(self.buffer, b"]")
        put_literal(self.buffer, b'},"labels":{')
        return True

    # Points of one labelled metric, one a resource; true while nothing is written.
    cdef bint _put_labeled(self, const exported_t* exported, bint is_first) noexcept nogil:
        cdef const frame_t* resources = &self.frames[KIND_RESOURCE]
        cdef int64_t bits
        cdef bint is_open = False
        cdef uint32_t i
        cdef uint32_t slot
        for i in range(self.resources.n):
            slot = self.resources.items[i].slot
            bits = sample_of(resources, exported.metric, slot)
            if bits == absent_i64():
                continue
            if is_open:
                put_char(self.buffer, c",")
            else:
                self._put_metric_key(exported, is_first)
                is_open = True
            self._put_times(self.end, self.end_len)
            put_literal(self.buffer, b',"labels":{')
            self._put_resource_labels(resources.type[slot], resources.name[slot])
            put_char(self.buffer, c"}")
            self._put_value(exported, bits)
        if is_open:
            put_char(self.buffer, c"]")
        return is_first and not is_open

    cdef void _put_metric_key(self, const exported_t* exported, bint is_first) noexcept nogil:
        if not is_first:
            put_char(self.buffer, c",")
        put_raw(self.buffer, exported.key, exported.key_len)

    cdef void _put_times(self, const char* start, Py_ssize_t n) noexcept nogil:
        put_literal(self.buffer, b'{"start":')
        put_raw(self.buffer, start, n)
        put_literal(self.buffer, b',"end":')
        put_raw(self.buffer, self.end, self.end_len)

    cdef void _put_value(self, const exported_t* exported, int64_t bits) noexcept nogil:
        put_literal(self.buffer, b',"value":')
        if exported.is_float:
            put_double(self.buffer, bits_to_double(bits))
        else:
            put_int(self.buffer, bits)
        put_char(self.buffer, c"}")

    cdef void _put_resource_labels(self, int type, const text_t* name) noexcept nogil:
        cdef accelerator_t accelerator
        if type != RESOURCE_ACCELERATOR:
            put_literal(self.buffer, b'"resource_id":"')
            if type == RESOURCE_VOLUME:
                put_literal(self.buffer, b"Volume:")
            put_content(self.buffer, text_ptr(name), name.len)
            put_char(self.buffer, c'"')
            return
        accelerator = split_accelerator(name)
        put_literal(self.buffer, b'"accelerator_id":')
        put_string(self.buffer, accelerator.id.ptr, accelerator.id.len)
        put_literal(self.buffer, b',"make":')
        put_string(self.buffer, accelerator.make.ptr, accelerator.make.len)
        put_literal(self.buffer, b',"model":')
        put_string(self.buffer, accelerator.model.ptr, accelerator.model.len)
