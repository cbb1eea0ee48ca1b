"""OTLP: metrics in OpenTelemetry's protobuf.

In      a closed batch, the names that a metric has for each kind of entity
Out     ExportMetricsServiceRequest: one ResourceMetrics an entity
Callers otlp.py, bench; in a thread
Source  opentelemetry/proto/metrics/v1/metrics.proto and collector/metrics/v1/metrics_service.proto; attributes follow
        OpenTelemetry's semantic conventions for Kubernetes
Never   needs the GIL while it writes

    resource_metrics 1 ── resource 1 ── attributes 1 ── key 1, value 2 ── string_value 1
                       └─ scope_metrics 2 ── scope 1 ── name 1, version 2
                                          └─ metrics 2 ── name 1, unit 3, gauge 5 or sum 7
                        data_points 1 ── start 2, time 3, as_double 4, as_int 6, attributes 7
"""
from libc.string cimport memcpy

from heapfast._batch cimport Batch
from heapfast._frame cimport TIME_START, time_at, times_of
from heapfast._types cimport (
    KIND_NODE,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    N_METRICS,
    SLOT_NONE,
    int64_t,
    span_t,
    time_zero,
    uint8_t,
    uint32_t,
)
from heapfast.render._json cimport buffer_t, put_char, put_literal, put_raw, reserve
from heapfast.render._protobuf cimport VARINT_MAX, begin_message, end_message, put_bytes, write_varint
from heapfast.sinks._walk cimport (
    LABEL_ACCELERATOR_ID,
    LABEL_CONTAINER_BASE_IMAGE,
    LABEL_CONTAINER_NAME,
    LABEL_HOST_ID,
    LABEL_HOSTNAME,
    LABEL_LABELS,
    LABEL_MAKE,
    LABEL_MODEL,
    LABEL_NAMESPACE_ID,
    LABEL_NAMESPACE_NAME,
    LABEL_NODENAME,
    LABEL_POD_ID,
    LABEL_POD_NAME,
    LABEL_RESOURCE_ID,
    LABEL_SCHEDULABLE,
    N_LABELS,
    BatchWriter,
)

cdef enum:
    TAG_RESOURCE_METRICS = 0x0A
    TAG_RESOURCE = 0x0A
    TAG_ATTRIBUTES = 0x0A
    TAG_SCOPE_METRICS = 0x12
    TAG_METRICS = 0x12
    TAG_GAUGE = 0x2A
    TAG_SUM = 0x3A
    TAG_DATA_POINTS = 0x0A
    TAG_START = 0x11           # fixed64
    TAG_TIME = 0x19            # fixed64
    TAG_AS_DOUBLE = 0x21       # double
    TAG_AS_INT = 0x31          # sfixed64
    TAG_POINT_ATTRIBUTES = 0x3A
    TAG_KEY = 0x0A
    TAG_VALUE = 0x12
    TAG_STRING_VALUE = 0x0A

# What a label is called as an attribute of a resource; "" where it is none.
cdef span_t ATTRIBUTE[N_LABELS]


cdef inline span_t text_span(const char* text, uint32_t n) noexcept nogil:
    cdef span_t span
    span.ptr = text
    span.len = n
    return span


cdef void _fill_attributes() noexcept:
    ATTRIBUTE[<int>LABEL_CONTAINER_BASE_IMAGE] = text_span(b"container.image.name", 20)
    ATTRIBUTE[<int>LABEL_CONTAINER_NAME] = text_span(b"k8s.container.name", 18)
    ATTRIBUTE[<int>LABEL_HOST_ID] = text_span(b"host.id", 7)
    ATTRIBUTE[<int>LABEL_HOSTNAME] = text_span(b"host.name", 9)
    ATTRIBUTE[<int>LABEL_NAMESPACE_ID] = text_span(b"k8s.namespace.uid", 17)
    ATTRIBUTE[<int>LABEL_NAMESPACE_NAME] = text_span(b"k8s.namespace.name", 18)
    ATTRIBUTE[<int>LABEL_NODENAME] = text_span(b"k8s.node.name", 13)
    ATTRIBUTE[<int>LABEL_POD_ID] = text_span(b"k8s.pod.uid", 11)
    ATTRIBUTE[<int>LABEL_POD_NAME] = text_span(b"k8s.pod.name", 12)
    ATTRIBUTE[<int>LABEL_SCHEDULABLE] = text_span(b"k8s.node.schedulable", 20)


_fill_attributes()


# An attribute; the parts of its key stand one after the other.
cdef void put_attribute(buffer_t* out, char tag, span_t prefix, span_t key, span_t value) noexcept nogil:
    cdef Py_ssize_t start
    cdef Py_ssize_t inner
    put_char(out, tag)
    start = begin_message(out)
    if reserve(out, 1 + VARINT_MAX):
        out.data[out.len] = TAG_KEY
        out.len += 1 + write_varint(prefix.len + key.len, out.data + out.len + 1)
    put_raw(out, prefix.ptr, prefix.len)
    put_raw(out, key.ptr, key.len)
    put_char(out, TAG_VALUE)
    inner = begin_message(out)
    put_bytes(out, TAG_STRING_VALUE, value.ptr, value.len)
    end_message(out, inner)
    end_message(out, start)


cdef inline void put_fixed64(buffer_t* out, char tag, int64_t value) noexcept nogil:
    if reserve(out, 9):
        out.data[out.len] = tag
        memcpy(out.data + out.len + 1, &value, 8)      # little-endian, as all machines that heapfast runs on
        out.len += 9


cdef class OtlpWriter(BatchWriter):
    """Writes one batch as requests.

    Args:
        headers: name of a metric -> (for each kind, in the order of their numbers, its Metric message up to the
            data: name and unit; whether it is a sum).
        scope: an InstrumentationScope message.
        attributes: of every resource.
    """

    cdef:
        span_t[KIND_RESOURCE][N_METRICS] head
        uint8_t[N_METRICS] is_sum
        span_t scope
        bint is_open               # the ResourceMetrics of the entity
        Py_ssize_t resource_start
        Py_ssize_t scope_start

    def __cinit__(self, Batch batch not None, headers not None, bytes scope not None, attributes=()):
        cdef int kind, metric, i
        self.scope = self.keep(scope)
        for key, value in attributes:
            self.add_constant(key, value)
        for i in range(self.n_metrics):
            metric = self.metrics[i]
            heads, self.is_sum[metric] = headers(self._batch.metrics.names[metric])
            for kind in range(KIND_RESOURCE):
                self.head[kind][metric] = self.keep(heads[kind])

    cdef void begin_set(self) noexcept nogil:
        cdef span_t none = text_span(b"", 0)
        cdef span_t* known = &self.set.known[0]
        if not self.is_open:
            self._open()
        self.shared.len = 0
        if self.set.resource == SLOT_NONE:
            return
        if known[LABEL_RESOURCE_ID].ptr != NULL:
            put_attribute(
                self.shared, TAG_POINT_ATTRIBUTES, none, text_span(b"resource_id", 11), known[LABEL_RESOURCE_ID]
            )
            return
        put_attribute(self.shared, TAG_POINT_ATTRIBUTES, none, text_span(b"make", 4), known[LABEL_MAKE])
        put_attribute(self.shared, TAG_POINT_ATTRIBUTES, none, text_span(b"model", 5), known[LABEL_MODEL])
        put_attribute(
            self.shared, TAG_POINT_ATTRIBUTES, none, text_span(b"accelerator_id", 14), known[LABEL_ACCELERATOR_ID]
        )

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef buffer_t* out = self.out
        cdef span_t head = self.head[self.set.kind][metric]
        cdef int64_t start_ns
        cdef Py_ssize_t metric_start
        cdef Py_ssize_t data_start
        cdef Py_ssize_t point_start
        put_char(out, TAG_METRICS)
        metric_start = begin_message(out)
        put_raw(out, head.ptr, head.len)
        put_char(out, TAG_SUM if self.is_sum[metric] else TAG_GAUGE)
        data_start = begin_message(out)
        put_char(out, TAG_DATA_POINTS)
        point_start = begin_message(out)
        if self.is_sum[metric]:
            start_ns = time_at(times_of(&self.frames[self.set.kind], TIME_START), self.set.slot)
            if start_ns != time_zero():
                put_fixed64(out, TAG_START, start_ns)
        put_fixed64(out, TAG_TIME, self.timestamp_ns)
        put_fixed64(out, TAG_AS_DOUBLE if self.is_float[metric] else TAG_AS_INT, bits)
        put_raw(out, self.shared.data, self.shared.len)
        end_message(out, point_start)
        if self.is_sum[metric]:
            put_literal(out, b"\x10\x02\x18\x01")      # cumulative, monotonic
        end_message(out, data_start)
        end_message(out, metric_start)

    cdef void end_entity(self) noexcept nogil:
        end_message(self.out, self.scope_start)
        end_message(self.out, self.resource_start)
        self.is_open = False

    cdef void _open(self) noexcept nogil:
        cdef buffer_t* out = self.out
        cdef span_t none = text_span(b"", 0)
        cdef span_t key
        cdef Py_ssize_t start
        cdef uint32_t i
        cdef int label
        self.is_open = True
        put_char(out, TAG_RESOURCE_METRICS)
        self.resource_start = begin_message(out)
        put_char(out, TAG_RESOURCE)
        start = begin_message(out)
        for label in range(N_LABELS):
            if ATTRIBUTE[label].len and self.set.known[label].ptr != NULL and self.set.known[label].len:
                key = ATTRIBUTE[label]
                if label == LABEL_CONTAINER_NAME and self.set.kind == KIND_SYS_CONTAINER:
                    key = text_span(b"container.name", 14)
                put_attribute(out, TAG_ATTRIBUTES, none, key, self.set.known[label])
        for i in range(self._n_others):
            put_attribute(out, TAG_ATTRIBUTES, none, self._others[i].key, self._others[i].value)
        self._put_user_labels()
        end_message(out, start)
        put_char(out, TAG_SCOPE_METRICS)
        self.scope_start = begin_message(out)
        put_raw(out, self.scope.ptr, self.scope.len)

    cdef void _put_user_labels(self) noexcept nogil:
        """The joined user labels, each an attribute: items at ",", of each key and value at the first ":"."""
        cdef span_t text = self.set.known[LABEL_LABELS]
        cdef span_t prefix
        cdef span_t key
        cdef span_t value
        cdef uint32_t start = 0
        cdef uint32_t colon
        cdef uint32_t i
        if self.set.kind == KIND_NODE:
            prefix = text_span(b"k8s.node.label.", 15)
        else:
            prefix = text_span(b"k8s.pod.label.", 14)
        while start < text.len:
            i = start
            colon = text.len
            while i < text.len and text.ptr[i] != c",":
                if colon == text.len and text.ptr[i] == c":":
                    colon = i
                i += 1
            if colon < i:
                key = text_span(text.ptr + start, colon - start)
                value = text_span(text.ptr + colon + 1, i - colon - 1)
                put_attribute(self.out, TAG_ATTRIBUTES, prefix, key, value)
            start = i + 1
