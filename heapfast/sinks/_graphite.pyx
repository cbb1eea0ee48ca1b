"""Graphite's plaintext lines: PREFIX.PATH VALUE SECONDS.

In      a closed batch, a prefix
Out     one line a sample; the path says where the entity is, from the outside in
Callers graphite.py, bench; in a thread
Source  spec/heapster-pipeline.md 7.2; Q12: labelled metrics have the resource in their path
Never   lets a name add a level or a line: what Graphite would read as one becomes "_"

    nodes.NODE.pods.NAMESPACE.POD.containers.CONTAINER.cpu.usage_rate
    nodes.NODE.filesystem.usage.RESOURCE
"""
from libc.stdio cimport snprintf

from heapfast._batch cimport Batch
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_SYS_CONTAINER,
    SLOT_NONE,
    int64_t,
    span_t,
    uint8_t,
    uint32_t,
)
from heapfast.render._json cimport bits_to_double, buffer_t, put_char, put_int, put_literal, put_raw, reserve
from heapfast.sinks._walk cimport (
    LABEL_ACCELERATOR_ID,
    LABEL_CONTAINER_NAME,
    LABEL_HOSTNAME,
    LABEL_NAMESPACE_NAME,
    LABEL_POD_NAME,
    LABEL_RESOURCE_ID,
    BatchWriter,
    put_span,
)
from heapfast.sinks._numbers cimport put_fixed

cdef enum:
    STAMP_MAX = 24
    NS_PER_SECOND = 1000000000


# Path components keep what Heapster kept, but for what ends a component, a path or a line.
cdef inline void put_component(buffer_t* out, span_t text) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t c
    if not reserve(out, text.len):
        return
    for i in range(text.len):
        c = <uint8_t>text.ptr[i]
        out.data[out.len + i] = c"_" if c <= 0x20 or c == 0x7F or c == c"." or c == c"/" else <char>c
    out.len += text.len


cdef class GraphiteWriter(BatchWriter):
    """Writes one batch as lines."""

    cdef:
        span_t prefix              # with its dot
        char[STAMP_MAX] stamp      # " SECONDS\n"
        int stamp_len

    def __cinit__(self, Batch batch not None, bytes prefix not None):
        self.prefix = self.keep(prefix + b".")
        self.stamp_len = snprintf(
            self.stamp, STAMP_MAX, b" %lld\n", <long long>(self.timestamp_ns // <int64_t>NS_PER_SECOND)
        )
        self.rename(metric_path)

    cdef void begin_set(self) noexcept nogil:
        cdef buffer_t* path = self.shared
        cdef span_t* known = &self.set.known[0]
        cdef int kind = self.set.kind
        path.len = 0
        put_span(path, self.prefix)
        if kind == KIND_CLUSTER:
            put_literal(path, b"cluster.")
            return
        if kind == KIND_NAMESPACE:
            put_literal(path, b"namespaces.")
            put_component(path, known[LABEL_NAMESPACE_NAME])
            put_char(path, c".")
            return
        put_literal(path, b"nodes.")
        put_component(path, known[LABEL_HOSTNAME])
        put_char(path, c".")
        if kind == KIND_POD or kind == KIND_POD_CONTAINER:
            put_literal(path, b"pods.")
            put_component(path, known[LABEL_NAMESPACE_NAME])
            put_char(path, c".")
            put_component(path, known[LABEL_POD_NAME])
            put_char(path, c".")
        if kind == KIND_POD_CONTAINER:
            put_literal(path, b"containers.")
        elif kind == KIND_SYS_CONTAINER:
            put_literal(path, b"sys-containers.")
        if kind == KIND_POD_CONTAINER or kind == KIND_SYS_CONTAINER:
            put_component(path, known[LABEL_CONTAINER_NAME])
            put_char(path, c".")

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef buffer_t* out = self.out
        cdef span_t* known = &self.set.known[0]
        put_raw(out, self.shared.data, self.shared.len)
        put_span(out, self.name[metric])
        if self.set.resource != SLOT_NONE:
            put_char(out, c".")
            put_component(
                out, known[LABEL_RESOURCE_ID if known[LABEL_RESOURCE_ID].ptr != NULL else LABEL_ACCELERATOR_ID]
            )
        put_char(out, c" ")
        if self.is_float[metric]:
            put_fixed(out, bits_to_double(bits))
        else:
            put_int(out, bits)
        put_raw(out, self.stamp, self.stamp_len)


cdef bytes metric_path(str name):
    """Levels of a metric's own: cpu/usage is cpu.usage; what would be an empty or a broken level becomes "_"."""
    cleaned = "".join("_" if c <= " " or c in ".\x7f" else c for c in name)
    return ".".join([level or "_" for level in cleaned.split("/")]).encode()
