"""The cluster in Prometheus' exposition format: the newest samples of one batch, family after family.

In      a closed batch, the families to be written, which pods and namespaces of it
Out     text in chunks, version 0.0.4 or OpenMetrics 1.0
Callers api/cluster_metrics.py, from a thread; families: render/exposition.py
Source  Prometheus' documentation of its text format; OpenMetrics 1.0
Never   holds the GIL while it writes, or more memory than a chunk

Both formats want all samples of a family together, so that the outer loop is over columns and an entity's labels are
written again for each of its metrics: some 0.1 microseconds, and no memory. Slots come in their own order, which
no reader cares for.
"""
from libc.math cimport isinf, isnan
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport strlen

from heapfast._batch cimport Batch, accelerator_t, split_accelerator
from heapfast._frame cimport frame_t, has_column, sample_of
from heapfast._text cimport text_ptr, text_t
from heapfast._types cimport (
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
    uint8_t,
    uint32_t,
    uint64_t,
)
from heapfast.codec._float cimport FLOAT_MAX, write_double
from heapfast.render._json cimport (
    JsonBuffer,
    bits_to_double,
    buffer_t,
    put_char,
    put_int,
    put_literal,
    put_raw,
    reserve,
    rune_width,
)

cdef enum:
    NS_PER_MS = 1_000_000
    SCALED_MAX_LEN = 24        # "-9223372036.854775808" and what a smaller exponent makes of it

# A family, and the column that its samples stand in.
cdef struct family_t:
    int kind                   # of the entities; of resources, their owners'
    bint is_labeled            # the samples are resources'
    bint is_counter
    bint is_float              # of `metric`; its twin is of the other type
    int metric
    int twin                   # the column of the same name and the other type, -1 for none
    int decimals               # a value is divided by 10 to the power of this
    const char* header         # HELP, TYPE and the like; borrowed from the list that is kept
    Py_ssize_t header_len
    const char* name           # of the samples; borrowed likewise
    Py_ssize_t name_len

# 1: the byte needs a closer look inside a label value.
cdef uint8_t SPECIAL[256]
cdef double POWER[10]


cdef void _fill_tables() noexcept:
    cdef int c
    cdef double power = 1
    for c in range(256):
        SPECIAL[c] = c == c"\\" or c == c'"' or c == c"\n" or c >= 0x80
    for c in range(10):
        POWER[c] = power
        power *= 10


_fill_tables()


def column_names(Batch batch not None) -> list[str]:
    """Return what the columns are called, by metric id. On the loop: custom metrics may be added by it."""
    return list(batch.metrics.names)


cdef class ExpositionWriter:
    """Writes one batch, chunk by chunk: `read` until it gives nothing more.

    Args:
        batch: a closed batch.
        families: Written families of render/exposition.py, in the order in which they are to be written.
        is_openmetrics: say times in seconds, and where the end is.
        has_timestamps: state the batch's time behind each sample.
        pods: slots of those to be written, and of their containers; None for all.
        namespaces: slots of those to be written, and of their pods; None for all.
    """

    cdef:
        Batch batch
        list owners                # of what the following point to
        const frame_t* frames      # the batch's
        buffer_t* buffer
        family_t* families         # owned
        Py_ssize_t n_families
        uint8_t* is_pod_chosen     # owned; by slot; NULL for all
        uint8_t* is_namespace_chosen
        bint is_openmetrics
        bint has_timestamps
        Py_ssize_t family          # the current one
        uint32_t slot              # of it, the next to be looked at
        bint is_headed             # its header is written
        bint is_done

    def __cinit__(
        self,
        Batch batch not None,
        list families not None,
        *,
        bint is_openmetrics=False,
        bint has_timestamps=False,
        const uint32_t[::1] pods=None,
        const uint32_t[::1] namespaces=None,
    ):
        cdef JsonBuffer buffer = JsonBuffer()
        self.batch = batch
        self.frames = &batch.frame[0]
        self.buffer = &buffer.buffer
        self.owners = [buffer, families]
        self.is_openmetrics = is_openmetrics
        self.has_timestamps = has_timestamps
        self.families = <family_t*>malloc((len(families) + 1) * sizeof(family_t))
        if self.families == NULL:
            raise MemoryError
        for family in families:
            self._add_family(family)
        if namespaces is not None:
            self.is_namespace_chosen = self._chosen(KIND_NAMESPACE, namespaces)
        if pods is not None:
            self.is_pod_chosen = self._chosen(KIND_POD, pods)

    def __dealloc__(self):
        free(self.families)
        free(self.is_pod_chosen)
        free(self.is_namespace_chosen)

    cdef int _add_family(self, family) except -1:
        cdef bytes header = family.header
        cdef bytes name = family.name
        cdef int metric = family.metric
        cdef int decimals = family.decimals
        if not (0 <= metric < N_METRICS and 0 <= decimals < 10 and 0 <= family.kind < KIND_RESOURCE):
            raise ValueError(f"BUG: no family is {family!r}")
        self.families[self.n_families] = family_t(
            family.kind,
            family.is_labeled,
            family.is_counter,
            self.batch.metrics.is_float[metric],
            metric,
            -1 if self.batch.metrics.twin[metric] == 0 else self.batch.metrics.twin[metric],
            decimals,
            header,
            len(header),
            name,
            len(name),
        )
        self.n_families += 1
        return 0

    cdef uint8_t* _chosen(self, int kind, const uint32_t[::1] slots) except NULL:
        cdef uint32_t n = self.frames[kind].n
        cdef uint8_t* chosen = <uint8_t*>calloc(n + 1, 1)
        cdef Py_ssize_t i
        if chosen == NULL:
            raise MemoryError
        for i in range(slots.shape[0]):
            if slots[i] < n:
                chosen[slots[i]] = 1
        return chosen

    def read(self, Py_ssize_t at_least=1 << 18) -> bytes:
        """Return the next chunk, `at_least` bytes or the rest; empty at the end."""
        with nogil:
            self._write(at_least)
        return (<JsonBuffer>self.owners[0]).take()

    cdef void _write(self, Py_ssize_t at_least) noexcept nogil:
        cdef const family_t* family
        while not self.is_done and self.buffer.len < at_least and not self.buffer.failed:
            if self.family == self.n_families:
                if self.is_openmetrics:
                    put_literal(self.buffer, b"# EOF\n")
                self.is_done = True
                return
            family = &self.families[self.family]
            self._write_family(family, at_least)

    cdef void _write_family(self, const family_t* family, Py_ssize_t at_least) noexcept nogil:
        cdef int kind = KIND_RESOURCE if family.is_labeled else family.kind
        cdef const frame_t* frame = &self.frames[kind]
        cdef bint has_twin = family.twin >= 0 and has_column(frame, family.twin)
        cdef uint32_t slot = self.slot
        cdef bint is_float
        cdef int64_t bits
        if has_twin or has_column(frame, family.metric):
            while slot < frame.n and self.buffer.len < at_least:
                is_float = family.is_float
                bits = sample_of(frame, family.metric, slot)
                if bits == absent_i64() and has_twin:
                    bits = sample_of(frame, family.twin, slot)
                    is_float = not is_float
                if bits != absent_i64() and self._is_wanted(family, slot):
                    self._write_sample(family, slot, bits, is_float)
                slot += 1
            if slot < frame.n:
                self.slot = slot
                return
        self.family = self.family + 1
        self.slot = 0
        self.is_headed = False

    cdef bint _is_wanted(self, const family_t* family, uint32_t slot) noexcept nogil:
        cdef const frame_t* resources = &self.frames[KIND_RESOURCE]
        if family.is_labeled:
            if not resources.present[slot] or resources.parent_kind[slot] != family.kind:
                return False
            slot = resources.parent[slot]
        if slot >= self.frames[family.kind].n or not self.frames[family.kind].present[slot]:
            return False
        if family.kind == KIND_POD_CONTAINER:
            slot = self.frames[KIND_POD_CONTAINER].parent[slot]
        if family.kind == KIND_POD or family.kind == KIND_POD_CONTAINER:
            if self.is_pod_chosen != NULL and not self.is_pod_chosen[slot]:
                return False
            slot = self.frames[KIND_POD].parent[slot]
        elif family.kind != KIND_NAMESPACE:
            return True
        return self.is_namespace_chosen == NULL or self.is_namespace_chosen[slot]

    cdef void _write_sample(self, const family_t* family, uint32_t slot, int64_t bits, bint is_float) noexcept nogil:
        cdef double value = bits_to_double(bits)
        if family.is_counter and (value < 0 if is_float else bits < 0):
            return             # no counter may be: OpenMetrics' readers would refuse the whole answer
        if not self.is_headed:
            put_raw(self.buffer, family.header, family.header_len)
            self.is_headed = True
        put_raw(self.buffer, family.name, family.name_len)
        self._put_labels(family, slot)
        put_char(self.buffer, c" ")
        if is_float:
            put_number(self.buffer, value / POWER[family.decimals])
        else:
            put_scaled(self.buffer, bits, family.decimals)
        if self.has_timestamps:
            put_char(self.buffer, c" ")
            # Seconds with three decimals: every batch ends at a whole millisecond.
            put_scaled(self.buffer, self.batch.timestamp_ns // NS_PER_MS, 3 if self.is_openmetrics else 0)
        put_char(self.buffer, c"\n")

    # -- labels, in the order of ENTITY_LABELS --

    cdef void _put_labels(self, const family_t* family, uint32_t slot) noexcept nogil:
        cdef Py_ssize_t start = self.buffer.len
        cdef const frame_t* frame = &self.frames[family.kind]
        cdef uint32_t owner = self.frames[KIND_RESOURCE].parent[slot] if family.is_labeled else slot
        if family.kind == KIND_NAMESPACE:
            self._put_label(b',namespace="', frame.name[owner])
        elif family.kind == KIND_NODE:
            self._put_label(b',node="', frame.name[owner])
        elif family.kind == KIND_SYS_CONTAINER:
            self._put_label(b',node="', self.frames[KIND_NODE].name[frame.parent[owner]])
            self._put_label(b',container="', frame.name[owner])
        elif family.kind == KIND_POD:
            self._put_pod_labels(owner, NULL, frame.node[owner])
        elif family.kind == KIND_POD_CONTAINER:
            self._put_pod_labels(frame.parent[owner], frame.name[owner], frame.node[owner])
        if family.is_labeled:
            self._put_resource_labels(slot)
        if self.buffer.len > start and not self.buffer.failed:
            self.buffer.data[start] = c"{"         # in place of the first comma
            put_char(self.buffer, c"}")

    cdef void _put_pod_labels(self, uint32_t pod, const text_t* container, uint32_t node) noexcept nogil:
        cdef const frame_t* pods = &self.frames[KIND_POD]
        self._put_label(b',namespace="', self.frames[KIND_NAMESPACE].name[pods.parent[pod]])
        self._put_label(b',pod="', pods.name[pod])
        self._put_label(b',container="', container)
        self._put_label(b',uid="', pods.uid[pod])
        if node != SLOT_NONE:
            self._put_label(b',node="', self.frames[KIND_NODE].name[node])

    cdef void _put_resource_labels(self, uint32_t slot) noexcept nogil:
        cdef const frame_t* resources = &self.frames[KIND_RESOURCE]
        cdef const text_t* name = resources.name[slot]
        cdef accelerator_t accelerator
        if resources.type[slot] != RESOURCE_ACCELERATOR:
            put_literal(self.buffer, b',resource_id="')
            if resources.type[slot] == RESOURCE_VOLUME:
                put_literal(self.buffer, b"Volume:")
            put_label_value(self.buffer, text_ptr(name), name.len)
            put_char(self.buffer, c'"')
            return
        accelerator = split_accelerator(name)
        put_literal(self.buffer, b',make="')
        put_label_value(self.buffer, accelerator.make.ptr, accelerator.make.len)
        put_literal(self.buffer, b'",model="')
        put_label_value(self.buffer, accelerator.model.ptr, accelerator.model.len)
        put_literal(self.buffer, b'",accelerator_id="')
        put_label_value(self.buffer, accelerator.id.ptr, accelerator.id.len)
        put_char(self.buffer, c'"')

    # `key` is a comma, the label's name, an equals sign and a quote. A text that is not known or empty is no label.
    cdef void _put_label(self, const char* key, const text_t* value) noexcept nogil:
        if value != NULL and value.len:
            put_raw(self.buffer, key, strlen(key))
            put_label_value(self.buffer, text_ptr(value), value.len)
            put_char(self.buffer, c'"')


cdef void put_label_value(buffer_t* buffer, const char* ptr, Py_ssize_t n) noexcept nogil:
    """A label's value without its quotes; what is no UTF-8 becomes U+FFFD, for readers refuse anything else."""
    cdef const uint8_t* s = <const uint8_t*>ptr
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t start = 0          # of the run of plain bytes not yet copied
    cdef Py_ssize_t width
    while i < n:
        if not SPECIAL[s[i]]:
            i += 1
            continue
        if s[i] >= 0x80:
            width = rune_width(s + i, n - i)
            if width:
                i += width
                continue
            put_raw(buffer, ptr + start, i - start)
            put_literal(buffer, b"\xef\xbf\xbd")
        else:
            put_raw(buffer, ptr + start, i - start)
            put_char(buffer, c"\\")
            put_char(buffer, c"n" if s[i] == c"\n" else <char>s[i])
        i += 1
        start = i
    put_raw(buffer, ptr + start, n - start)


cdef void put_scaled(buffer_t* buffer, int64_t value, int decimals) noexcept nogil:
    """An integer divided by a power of ten, exactly, without needless zeros."""
    cdef char text[SCALED_MAX_LEN]
    cdef int i = SCALED_MAX_LEN
    cdef uint64_t rest = <uint64_t>value
    cdef bint has_digits = False
    if decimals == 0:
        put_int(buffer, value)
        return
    if value < 0:
        rest = 0 - rest
    while decimals:
        if rest % 10 or has_digits:
            i -= 1
            text[i] = c"0" + <char>(rest % 10)
            has_digits = True
        rest //= 10
        decimals -= 1
    if has_digits:
        i -= 1
        text[i] = c"."
    while True:
        i -= 1
        text[i] = c"0" + <char>(rest % 10)
        rest //= 10
        if rest == 0:
            break
    if value < 0:
        put_char(buffer, c"-")
    put_raw(buffer, text + i, SCALED_MAX_LEN - i)


cdef void put_number(buffer_t* buffer, double value) noexcept nogil:
    if isnan(value):
        put_literal(buffer, b"NaN")
    elif isinf(value):
        put_literal(buffer, b"+Inf" if value > 0 else b"-Inf")
    elif reserve(buffer, FLOAT_MAX):
        buffer.len += write_double(value, buffer.data + buffer.len)


def render_scalars(items) -> bytes:
    """Return label values (bytes), numbers (float) and scaled integers (value, decimals), a line each.

    The Python door to this module's scalars, for tests.
    """
    cdef JsonBuffer owner = JsonBuffer()
    cdef bytes raw
    for item in items:
        if isinstance(item, bytes):
            raw = item
            put_label_value(&owner.buffer, raw, len(raw))
        elif isinstance(item, float):
            put_number(&owner.buffer, item)
        else:
            put_scaled(&owner.buffer, item[0], item[1])
        put_char(&owner.buffer, c"\n")
    return owner.take()
