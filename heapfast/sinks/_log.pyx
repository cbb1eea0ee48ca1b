"""A batch as text, for people: every set with its times, labels and metrics.

In      a closed batch
Out     text in Heapster's layout, sets from the outside in and by name
Callers log.py; in a thread
Source  spec/heapster-pipeline.md 7.8
Never   lets a name break a line
"""
from heapfast._batch cimport Batch
from heapfast._frame cimport TIME_SAMPLE, TIME_START, frame_t, time_at, times_of
from heapfast._pack cimport samples_t
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD_CONTAINER,
    KIND_SYS_CONTAINER,
    SLOT_NONE,
    int64_t,
    span_t,
    uint8_t,
    uint32_t,
)
from heapfast.codec._rfc3339 cimport RFC3339_MAX, format_rfc3339
from heapfast.render._json cimport bits_to_double, buffer_t, put_char, put_int, put_literal, put_raw, reserve
from heapfast.sinks._numbers cimport put_fixed
from heapfast.sinks._walk cimport (
    LABEL_ACCELERATOR_ID,
    LABEL_CONTAINER_NAME,
    LABEL_MAKE,
    LABEL_MODEL,
    LABEL_NAMESPACE_NAME,
    LABEL_NODENAME,
    LABEL_POD_NAME,
    LABEL_RESOURCE_ID,
    BatchWriter,
)


cdef void put_line_text(buffer_t* out, span_t text) noexcept nogil:
    cdef uint32_t i
    if not reserve(out, text.len):
        return
    for i in range(text.len):
        out.data[out.len + i] = c"?" if <uint8_t>text.ptr[i] < 0x20 or text.ptr[i] == 0x7F else text.ptr[i]
    out.len += text.len


cdef void put_go_time(buffer_t* out, int64_t time_ns) noexcept nogil:
    """2017-12-11 10:00:58 +0000 UTC"""
    cdef char[RFC3339_MAX] text
    cdef int n = format_rfc3339(time_ns, 0, text)
    text[10] = c" "
    put_raw(out, text, n - 1)          # ends in Z
    put_literal(out, b" +0000 UTC")


cdef class LogWriter(BatchWriter):
    """Writes one batch as text."""

    cdef:
        bint is_begun

    def __cinit__(self, Batch batch not None):
        self.visits_empty = True
        self.rename(lambda name: "".join("?" if c < " " or c == "\x7f" else c for c in name).encode())
        self.order_by_name()

    cdef void begin_chunk(self) noexcept nogil:
        if self.is_begun:
            return
        self.is_begun = True
        put_literal(self.out, b"DataBatch     Timestamp: ")
        put_go_time(self.out, self.timestamp_ns)
        put_literal(self.out, b"\n\n")

    cdef void begin_set(self) noexcept nogil:
        cdef buffer_t* out = self.out
        cdef const frame_t* frame = &self.frames[self.set.kind]
        cdef uint32_t i
        if self.set.resource != SLOT_NONE:
            return
        put_literal(out, b"MetricSet: ")
        self._put_key()
        put_literal(out, b"\n   Scrape time: ")
        self._put_instant(times_of(frame, TIME_SAMPLE))
        put_literal(out, b"\n   Create time: ")
        self._put_instant(times_of(frame, TIME_START))
        put_literal(out, b"\n   Labels:\n")
        for i in range(self.set.n_labels):
            self._put_label(b"      ", self.set.labels[i].key, self.set.labels[i].value)
        put_literal(out, b"   Metrics:\n")

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef buffer_t* out = self.out
        put_literal(out, b"      ")
        put_raw(out, self.name[metric].ptr, self.name[metric].len)
        put_literal(out, b" = ")
        if self.is_float[metric]:
            put_fixed(out, bits_to_double(bits))
        else:
            put_int(out, bits)
        put_char(out, c"\n")
        if self.set.resource == SLOT_NONE:
            return
        self._put_own(LABEL_RESOURCE_ID, b"resource_id")
        self._put_own(LABEL_ACCELERATOR_ID, b"accelerator_id")
        self._put_own(LABEL_MAKE, b"make")
        self._put_own(LABEL_MODEL, b"model")

    cdef void end_set(self) noexcept nogil:
        if self.set.resource == SLOT_NONE:
            put_literal(self.out, b"   Labeled Metrics:\n")

    cdef void end_entity(self) noexcept nogil:
        put_char(self.out, c"\n")

    cdef void _put_own(self, int label, const char* key) noexcept nogil:
        if self.set.known[label].ptr != NULL:
            put_literal(self.out, b"         ")
            put_literal(self.out, key)
            put_literal(self.out, b" = ")
            put_line_text(self.out, self.set.known[label])
            put_char(self.out, c"\n")

    cdef void _put_label(self, const char* indent, span_t key, span_t value) noexcept nogil:
        put_literal(self.out, indent)
        put_line_text(self.out, key)
        put_literal(self.out, b" = ")
        put_line_text(self.out, value)
        put_char(self.out, c"\n")

    cdef void _put_instant(self, samples_t times) noexcept nogil:
        cdef int64_t time_ns = time_at(times, self.set.slot)
        put_go_time(self.out, time_ns)
        put_char(self.out, c" ")
        put_int(self.out, time_ns)

    cdef void _put_key(self) noexcept nogil:
        cdef span_t* known = &self.set.known[0]
        cdef int kind = self.set.kind
        if kind == KIND_CLUSTER:
            put_literal(self.out, b"cluster")
            return
        if kind == KIND_NODE or kind == KIND_SYS_CONTAINER:
            put_literal(self.out, b"node:")
            put_line_text(self.out, known[LABEL_NODENAME])
        else:
            put_literal(self.out, b"namespace:")
            put_line_text(self.out, known[LABEL_NAMESPACE_NAME])
            if kind != KIND_NAMESPACE:
                put_literal(self.out, b"/pod:")
                put_line_text(self.out, known[LABEL_POD_NAME])
        if kind == KIND_POD_CONTAINER or kind == KIND_SYS_CONTAINER:
            put_literal(self.out, b"/container:")
            put_line_text(self.out, known[LABEL_CONTAINER_NAME])
