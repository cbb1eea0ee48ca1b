"""The walk over a closed batch that all payloads share (see _walk.pxd, which says how a format is written).

In      a closed batch
Out     calls of a format's begin_set, put_sample and end_set, in chunks of bounded size
Callers the formats beside it; their `read` runs in a thread
Source  spec/heapster-pipeline.md 1.4 for the labels of each entity, 5.8 for the user's
Never   holds the GIL while it walks, or changes the batch: each sink sees the labels that the others see (Q28)
"""
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from heapfast._batch cimport VOLUME_PREFIX_LEN, Batch, accelerator_t, split_accelerator, write_volume_id
from heapfast._frame cimport ENTITY_NO_NODENAME, ENTITY_UNSCHEDULABLE, frame_t, has_column, sample_of, stored_of
from heapfast._text cimport text_t
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    N_METRICS,
    RESOURCE_ACCELERATOR,
    RESOURCE_VOLUME,
    SLOT_NONE,
    absent_i64,
    int64_t,
    span_t,
    uint8_t,
    uint32_t,
    uint64_t,
)
from heapfast.render._json cimport JsonBuffer, rune_width
from heapfast.render._order cimport NameOrder, load_children, load_present, order_t

from heapfast.catalog.keys import TYPE_LABEL
from heapfast.catalog.metrics import BY_NAME
from heapfast.sinks.sink import Chunk

cdef const char* REPLACEMENT = b"\xef\xbf\xbd"     # U+FFFD

# By LABEL_* and by kind; borrowed from _TEXTS.
cdef span_t KEYS[N_LABELS]
cdef span_t TYPES[KIND_RESOURCE]
cdef list _TEXTS = []


cdef inline span_t span_of(const char* ptr, uint32_t n) noexcept nogil:
    cdef span_t span
    span.ptr = ptr
    span.len = n
    return span


cdef span_t _constant(str text) except *:
    cdef bytes encoded = text.encode()
    _TEXTS.append(encoded)
    return span_of(<const char*>encoded, <uint32_t>len(encoded))


cdef void _fill_constants() except *:
    cdef int i
    keys = (
        "accelerator_id container_base_image container_name host_id hostname labels make model"
        " namespace_id namespace_name nodename pod_id pod_name resource_id schedulable type"
    )
    for i, text in enumerate(keys.split()):
        KEYS[i] = _constant(text)
    for i in range(KIND_RESOURCE):
        TYPES[i] = _constant(TYPE_LABEL[i])


_fill_constants()


cdef inline int compare(span_t a, span_t b) noexcept nogil:
    cdef int order = memcmp(a.ptr, b.ptr, min(a.len, b.len))
    return order if order else (a.len > b.len) - (a.len < b.len)


cdef bint grow_labels(label_t** labels, uint32_t* cap, uint32_t n) noexcept nogil:
    cdef label_t* bigger
    if n > cap[0]:
        bigger = <label_t*>realloc(labels[0], <size_t>n * 2 * sizeof(label_t))
        if bigger == NULL:
            return False
        labels[0] = bigger
        cap[0] = n * 2
    return True


cdef class BatchWriter:
    """Walks one batch; what it writes is a subclass's business. Read by one thread at a time."""

    def __cinit__(self, Batch batch not None, *_, **__):
        cdef int metric
        if not batch.closed:
            raise ValueError("BUG: only a closed batch can be written")
        self._batch = batch
        self.frames = &batch.frame[0]
        self.timestamp_ns = batch.timestamp_ns
        self._out = JsonBuffer()
        self.out = &self._out.buffer
        self._shared = JsonBuffer()
        self.shared = &self._shared.buffer
        self._owners = []
        for metric in range(N_METRICS):
            self.is_float[metric] = batch.metrics.is_float[metric]
        for known in BY_NAME.values():
            self.is_cumulative[<int>known.id] = known.stored_type == "cumulative"
        self.rename(str.encode)

    def __dealloc__(self):
        self._forget_made()
        free(self._made)
        free(self._constants)
        free(self._others)
        free(self.set.labels)
        free(self._plan)

    cdef int rename(self, wire_name) except -1:
        """Says how metrics are called on the wire, and which are left out."""
        cdef int metric, kind
        cdef bint is_there
        # The list grows on the loop, but the batch is closed: what it has is named already.
        cdef list names = list(self._batch.metrics.names)
        self.n_metrics = 0
        for name, metric in sorted([(name.encode(), metric) for metric, name in enumerate(names)]):
            is_there = False
            for kind in range(KIND_RESOURCE + 1):
                is_there = is_there or has_column(&self.frames[kind], metric)
            text = wire_name(name.decode()) if is_there else None
            if text is not None:
                self.name[metric] = self.keep(text)
                self.metrics[self.n_metrics] = metric
                self.n_metrics += 1
        return 0

    cdef span_t keep(self, bytes text) except *:
        self._owners.append(text)
        return span_of(<const char*>text, <uint32_t>len(text))

    cdef int drop_label(self, int label) except -1:
        self._is_dropped[label] = True
        return 0

    cdef int add_constant(self, str key, str value) except -1:
        """A label that all sets have; it beats one of the same name that is stored, or Heapster's."""
        cdef label_t label
        label.key = self.keep(key.encode())
        label.value = self.keep(value.encode())
        cdef label_t* bigger = <label_t*>realloc(self._constants, (self._n_constants + 1) * sizeof(label_t))
        if bigger == NULL:
            raise MemoryError
        self._constants = bigger
        self._constants[self._n_constants] = label
        self._n_constants += 1
        return 0

    cdef int order_by_name(self) except -1:
        """Has the walk go from the outside in, by name: cluster; namespaces, their pods, their containers; nodes."""
        cdef list owners = [NameOrder(), NameOrder(), NameOrder()]
        cdef order_t* outer = &(<NameOrder>owners[0]).order
        cdef order_t* middle = &(<NameOrder>owners[1]).order
        cdef order_t* inner = &(<NameOrder>owners[2]).order
        cdef const frame_t* frames = self.frames
        cdef uint64_t n = 0
        cdef int kind
        cdef bint is_done
        for kind in range(KIND_RESOURCE):
            n += frames[kind].n
        self._plan = <uint64_t*>malloc((n + 1) * sizeof(uint64_t))
        if self._plan == NULL:
            raise MemoryError
        with nogil:
            is_done = self._plan_by_name(frames, outer, middle, inner)
        if not is_done:
            raise MemoryError
        return 0

    cdef bint _plan_by_name(
        self, const frame_t* frames, order_t* outer, order_t* middle, order_t* inner
    ) noexcept nogil:
        cdef uint32_t i
        cdef uint32_t j
        if frames[KIND_CLUSTER].n and frames[KIND_CLUSTER].present[0]:
            self._plan_next(KIND_CLUSTER, 0)
        if not load_present(outer, &frames[KIND_NAMESPACE]):
            return False
        for i in range(outer.n):
            self._plan_next(KIND_NAMESPACE, outer.items[i].slot)
            if not load_children(middle, &frames[KIND_NAMESPACE], outer.items[i].slot, &frames[KIND_POD], KIND_POD):
                return False
            for j in range(middle.n):
                self._plan_next(KIND_POD, middle.items[j].slot)
                if not self._plan_children(KIND_POD, middle.items[j].slot, KIND_POD_CONTAINER, inner):
                    return False
        if not load_present(outer, &frames[KIND_NODE]):
            return False
        for i in range(outer.n):
            self._plan_next(KIND_NODE, outer.items[i].slot)
            if not self._plan_children(KIND_NODE, outer.items[i].slot, KIND_SYS_CONTAINER, inner):
                return False
        return True

    cdef bint _plan_children(self, int kind, uint32_t slot, int child_kind, order_t* order) noexcept nogil:
        cdef uint32_t i
        if not load_children(order, &self.frames[kind], slot, &self.frames[child_kind], child_kind):
            return False
        for i in range(order.n):
            self._plan_next(child_kind, order.items[i].slot)
        return True

    cdef void _plan_next(self, int kind, uint32_t slot) noexcept nogil:
        self._plan[self._n_plan] = <uint64_t>kind << 32 | slot
        self._n_plan = self._n_plan + 1

    # -- what a format overrides --

    cdef void begin_chunk(self) noexcept nogil:
        pass

    cdef void begin_set(self) noexcept nogil:
        pass

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        pass

    cdef void end_set(self) noexcept nogil:
        pass

    cdef void end_entity(self) noexcept nogil:
        pass

    cdef void end_chunk(self) noexcept nogil:
        pass

    cdef object take(self):
        return self._out.take()

    # -- chunks --

    def read(self, Py_ssize_t at_least_bytes=1 << 20, uint64_t at_least_samples=1 << 40):
        """Return the next Chunk; None at the end.

        It ends with the entity that brought it to so many bytes or samples, whichever came first.

        Raises:
            MemoryError: the walk cannot go on.
        """
        return self._read(at_least_bytes, at_least_samples)

    cdef object _read(self, Py_ssize_t at_least_bytes, uint64_t at_least_samples):
        self.n_samples = 0
        self.n_sets = 0
        with nogil:
            self._walk(at_least_bytes, at_least_samples)
        if self.n_sets == 0 and not self.out.failed:
            self.out.len = 0
            return None
        return Chunk(self.take(), self.n_samples)

    cdef void _walk(self, Py_ssize_t at_least_bytes, uint64_t at_least_samples) noexcept nogil:
        cdef int kind
        cdef uint32_t slot
        self.begin_chunk()
        while not self.out.failed and self._next(&kind, &slot):
            if not self._put_entity(kind, slot) or self.shared.failed:
                self.out.failed = True
            if self.n_sets and (self.out.len >= at_least_bytes or self.n_samples >= at_least_samples):
                break
        self.end_chunk()

    cdef bint _next(self, int* kind, uint32_t* slot) noexcept nogil:
        """Gives the next entity of the walk; false at the end."""
        cdef const frame_t* frame
        if self._plan != NULL:
            if self._next_plan == self._n_plan:
                return False
            kind[0] = <int>(self._plan[self._next_plan] >> 32)
            slot[0] = <uint32_t>self._plan[self._next_plan]
            # Not `+= 1`: the checks of the debug build would need the GIL for it.
            self._next_plan = self._next_plan + 1
            return True
        while self._kind < KIND_RESOURCE:
            frame = &self.frames[self._kind]
            while self._slot < frame.n:
                slot[0] = self._slot
                self._slot = self._slot + 1
                if frame.present[slot[0]]:
                    kind[0] = self._kind
                    return True
            self._kind = self._kind + 1
            self._slot = 0
        return False

    # -- one entity --

    cdef bint _put_entity(self, int kind, uint32_t slot) noexcept nogil:
        cdef const frame_t* frame = &self.frames[kind]
        cdef const frame_t* resources = &self.frames[KIND_RESOURCE]
        cdef uint32_t i
        cdef uint32_t resource
        cdef uint64_t sets = self.n_sets
        self._forget_made()
        if not self._load_entity(kind, slot):
            return False
        if not self._put_set(frame, slot, self.visits_empty):
            return False
        if frame.first[KIND_RESOURCE] != NULL:
            for i in range(frame.first[KIND_RESOURCE][slot], frame.first[KIND_RESOURCE][slot + 1]):
                resource = frame.child[KIND_RESOURCE][i]
                if not self._load_resource(resource) or not self._put_set(resources, resource, False):
                    return False
        if self.n_sets != sets:
            self.end_entity()
        return True

    cdef bint _put_set(self, const frame_t* frame, uint32_t slot, bint even_empty) noexcept nogil:
        cdef bint is_begun = False
        cdef int i
        cdef int metric
        cdef int64_t bits
        for i in range(-1 if even_empty else 0, self.n_metrics):
            if i >= 0:
                metric = self.metrics[i]
                bits = sample_of(frame, metric, slot)
                if bits == absent_i64():
                    continue
            if not is_begun:
                if not self._merge_labels():
                    return False
                is_begun = True
                self.n_sets = self.n_sets + 1
                self.begin_set()
            if i >= 0:
                self.put_sample(metric, bits)
                self.n_samples = self.n_samples + 1
        if is_begun:
            self.end_set()
        return True

    # -- labels: the same as Batch gives to Python --

    cdef bint _load_entity(self, int kind, uint32_t slot) noexcept nogil:
        cdef const frame_t* frames = self.frames
        cdef const frame_t* frame = &frames[kind]
        cdef const frame_t* nodes = &frames[KIND_NODE]
        cdef const frame_t* pods = &frames[KIND_POD]
        cdef const frame_t* namespaces = &frames[KIND_NAMESPACE]
        cdef uint32_t pod = slot
        cdef uint32_t namespace
        cdef uint32_t node
        cdef uint32_t i
        self.set.kind = kind
        self.set.slot = slot
        self.set.resource = SLOT_NONE
        memset(&self.set.known[0], 0, sizeof(self.set.known))
        self._n_others = 0
        for i in range(self._n_constants):
            if not self._add_other(self._constants[i]):
                return False
        self.set.known[LABEL_TYPE] = TYPES[kind]
        if kind == KIND_CLUSTER:
            return True
        if kind == KIND_NAMESPACE:
            return self._know(LABEL_NAMESPACE_NAME, frame.name[slot]) and self._know(
                LABEL_NAMESPACE_ID, frame.uid[slot]
            )
        node = frame.node[slot]
        if node != SLOT_NONE:
            if not frame.flags[slot] & ENTITY_NO_NODENAME and not self._know(LABEL_NODENAME, nodes.name[node]):
                return False
            if not self._know(LABEL_HOSTNAME, nodes.hostname[node]) or not self._know(
                LABEL_HOST_ID, nodes.host_id[node]
            ):
                return False
        if kind == KIND_NODE:
            if self._batch.has_schedulable and node != SLOT_NONE:
                if nodes.flags[node] & ENTITY_UNSCHEDULABLE:
                    self._know_span(LABEL_SCHEDULABLE, b"false", 5)
                else:
                    self._know_span(LABEL_SCHEDULABLE, b"true", 4)
            if frame.labels[slot] != NULL and not self._know(LABEL_LABELS, frame.labels[slot]):
                return False
            return self._load_stored(stored_of(frame, slot))
        if kind == KIND_SYS_CONTAINER:
            return self._know(LABEL_CONTAINER_NAME, frame.name[slot])
        if kind == KIND_POD_CONTAINER:
            pod = frame.parent[slot]
            if not self._know(LABEL_CONTAINER_NAME, frame.name[slot]):
                return False
            if frame.image[slot] != NULL and not self._know(LABEL_CONTAINER_BASE_IMAGE, frame.image[slot]):
                return False
        namespace = pods.parent[pod]
        if not (
            self._know(LABEL_POD_NAME, pods.name[pod])
            and self._know(LABEL_POD_ID, pods.uid[pod])
            and self._know(LABEL_NAMESPACE_NAME, namespaces.name[namespace])
        ):
            return False
        if namespaces.uid[namespace] != NULL and not self._know(LABEL_NAMESPACE_ID, namespaces.uid[namespace]):
            return False
        if pods.labels[pod] != NULL and not self._know(LABEL_LABELS, pods.labels[pod]):
            return False
        return self._load_stored(stored_of(pods, pod))

    cdef bint _load_resource(self, uint32_t slot) noexcept nogil:
        """Adds the labels of one resource to those of its entity; the ones of the resource before go."""
        cdef const frame_t* resources = &self.frames[KIND_RESOURCE]
        cdef const text_t* name = resources.name[slot]
        cdef char* joined
        cdef accelerator_t accelerator
        self.set.resource = slot
        self.set.known[LABEL_RESOURCE_ID].ptr = NULL
        self.set.known[LABEL_MAKE].ptr = NULL
        self.set.known[LABEL_MODEL].ptr = NULL
        self.set.known[LABEL_ACCELERATOR_ID].ptr = NULL
        if resources.type[slot] == RESOURCE_ACCELERATOR:
            accelerator = split_accelerator(name)
            return (
                self._know_span(LABEL_MAKE, accelerator.make.ptr, accelerator.make.len)
                and self._know_span(LABEL_MODEL, accelerator.model.ptr, accelerator.model.len)
                and self._know_span(LABEL_ACCELERATOR_ID, accelerator.id.ptr, accelerator.id.len)
            )
        if resources.type[slot] != RESOURCE_VOLUME:
            return self._know(LABEL_RESOURCE_ID, name)
        joined = self._make(VOLUME_PREFIX_LEN + name.len)
        if joined == NULL:
            return False
        write_volume_id(name, joined)
        return self._know_span(LABEL_RESOURCE_ID, joined, VOLUME_PREFIX_LEN + name.len)

    cdef bint _load_stored(self, const text_t* stored) noexcept nogil:
        """Adds labels of --store-label: key NUL value NUL key ..."""
        cdef label_t label
        cdef uint32_t start = 0
        cdef uint32_t i = 0
        cdef bint is_value = False
        if stored == NULL:
            return True
        label.key = span_of(stored.data, 0)
        while i <= stored.len:
            if i < stored.len and stored.data[i] != 0:
                i += 1
                continue
            if is_value:
                label.value = span_of(stored.data + start, i - start)
                if not self._clean(&label.value) or not self._add_other(label):
                    return False
            else:
                label.key = span_of(stored.data + start, i - start)
                if not self._clean(&label.key):
                    return False
            is_value = not is_value
            i += 1
            start = i
        return True

    cdef bint _add_other(self, label_t label) noexcept nogil:
        """Puts a label in its place by key; one that is there stays."""
        cdef uint32_t place = self._n_others
        cdef uint32_t i
        cdef int order
        while place > 0:
            order = compare(self._others[place - 1].key, label.key)
            if order == 0:
                return True
            if order < 0:
                break
            place -= 1
        if not grow_labels(&self._others, &self._cap_others, self._n_others + 1):
            return False
        i = self._n_others
        while i > place:
            self._others[i] = self._others[i - 1]
            i -= 1
        self._others[place] = label
        self._n_others = self._n_others + 1
        return True

    cdef bint _merge_labels(self) noexcept nogil:
        cdef uint32_t n = 0
        cdef uint32_t other = 0
        cdef int label
        cdef span_t key
        cdef int order
        if not grow_labels(&self.set.labels, &self._cap_labels, N_LABELS + self._n_others):
            return False
        for label in range(N_LABELS):
            if self.set.known[label].ptr == NULL or self._is_dropped[label]:
                continue
            key = KEYS[label]
            order = -1
            while other < self._n_others:
                order = compare(key, self._others[other].key)
                if order < 0:
                    break
                self.set.labels[n] = self._others[other]
                n += 1
                other += 1
                if order == 0:
                    break
            if order != 0:
                self.set.labels[n].key = key
                self.set.labels[n].value = self.set.known[label]
                n += 1
        while other < self._n_others:
            self.set.labels[n] = self._others[other]
            n += 1
            other += 1
        self.set.n_labels = n
        return True

    cdef bint _know(self, int label, const text_t* text) noexcept nogil:
        if text == NULL:
            return self._know_span(label, b"", 0)
        return self._know_span(label, text.data, text.len)

    cdef bint _know_span(self, int label, const char* ptr, uint32_t n) noexcept nogil:
        self.set.known[label] = span_of(ptr, n)
        return self._clean(&self.set.known[label])

    cdef bint _clean(self, span_t* span) noexcept nogil:
        """Replaces what is no UTF-8 by U+FFFD; kubelets may send anything."""
        cdef const uint8_t* s = <const uint8_t*>span.ptr
        cdef uint32_t i = 0
        cdef uint32_t n = 0
        cdef uint32_t bad = 0
        cdef Py_ssize_t width
        cdef char* made
        while i < span.len and s[i] < 0x80:
            i += 1
        while i < span.len:
            width = 1 if s[i] < 0x80 else rune_width(s + i, <Py_ssize_t>span.len - i)
            bad += width == 0
            i += <uint32_t>width if width else 1
        if bad == 0:
            return True
        made = self._make(span.len + 2 * bad)
        if made == NULL:
            return False
        i = 0
        while i < span.len:
            width = 1 if s[i] < 0x80 else rune_width(s + i, <Py_ssize_t>span.len - i)
            if width:
                memcpy(made + n, s + i, width)
                n += <uint32_t>width
                i += <uint32_t>width
            else:
                memcpy(made + n, REPLACEMENT, 3)
                n += 3
                i += 1
        span[0] = span_of(made, n)
        return True

    cdef char* _make(self, uint32_t n) noexcept nogil:
        """Room for a text that lives until the next entity; NULL: no memory."""
        cdef char** bigger
        cdef char* made
        if self._n_made == self._cap_made:
            bigger = <char**>realloc(self._made, (<size_t>self._cap_made * 2 + 8) * sizeof(char*))
            if bigger == NULL:
                return NULL
            self._made = bigger
            self._cap_made = self._cap_made * 2 + 8
        made = <char*>malloc(n + 1)
        if made != NULL:
            self._made[self._n_made] = made
            self._n_made = self._n_made + 1
        return made

    cdef void _forget_made(self) noexcept nogil:
        cdef uint32_t i
        for i in range(self._n_made):
            free(self._made[i])
        self._n_made = 0
