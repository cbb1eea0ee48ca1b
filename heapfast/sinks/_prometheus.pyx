"""Prometheus' remote write 1.0: a WriteRequest in protobuf, compressed with snappy.

In      a closed batch; labels that all series have
Out     one series a sample, named and labelled by catalog/prometheus_names.py, in base units
Callers prometheus.py, bench; in a thread
Source  Prometheus' remote write specification 1.0; docs/prometheus.md
Never   sends a label without a value, or labels out of order

    0a LEN                             1 timeseries: one a sample
       0a LEN  0a LEN NAME  12 LEN VALUE    1 labels: in order of name, `__name__` among the first
       12 LEN  09 DOUBLE    10 MILLISECONDS 2 samples: one
"""
from libc.string cimport memcpy

from heapfast._batch cimport Batch
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_RESOURCE,
    N_METRICS,
    int64_t,
    span_t,
    uint64_t,
)
from heapfast.render._json cimport bits_to_double, buffer_t, reserve
from heapfast.sinks._walk cimport (
    LABEL_ACCELERATOR_ID,
    LABEL_CONTAINER_NAME,
    LABEL_MAKE,
    LABEL_MODEL,
    LABEL_NAMESPACE_NAME,
    LABEL_NODENAME,
    LABEL_POD_ID,
    LABEL_POD_NAME,
    LABEL_RESOURCE_ID,
    N_LABELS,
    BatchWriter,
    put_span,
)

import cramjam

from heapfast.catalog.keys import Kind
from heapfast.catalog.prometheus_names import family_of

cdef enum:
    NS_PER_MS = 1000000
    VARINT_MAX = 10
    CONSTANT = -1              # wire_label_t.label of one that is the same for all
    WIRE_MAX = N_LABELS + 64
    SAMPLE_FIXED = 9           # tag and double

NAME_LABEL = b"__name__"

#: Where a label's value is, by its name in Prometheus.
LABELS = {
    b"accelerator_id": LABEL_ACCELERATOR_ID,
    b"container": LABEL_CONTAINER_NAME,
    b"make": LABEL_MAKE,
    b"model": LABEL_MODEL,
    b"namespace": LABEL_NAMESPACE_NAME,
    b"node": LABEL_NODENAME,
    b"pod": LABEL_POD_NAME,
    b"resource_id": LABEL_RESOURCE_ID,
    b"uid": LABEL_POD_ID,
}


# A label of the wire, after __name__.
cdef struct wire_label_t:
    int label                  # LABEL_*; CONSTANT: `text` is the whole field
    bint is_of_shares          # only on namespaces and the cluster
    span_t text                # what the message begins with: the name; or all of it


cdef inline Py_ssize_t varint_len(uint64_t value) noexcept nogil:
    cdef Py_ssize_t n = 1
    while value > 0x7F:
        value >>= 7
        n += 1
    return n


cdef inline char* write_varint(uint64_t value, char* at) noexcept nogil:
    while value > 0x7F:
        at[0] = <char>(value & 0x7F | 0x80)
        at += 1
        value >>= 7
    at[0] = <char>value
    return at + 1


cdef bytes varint(uint64_t value):
    cdef char text[VARINT_MAX]
    cdef char* end = write_varint(value, text)
    return text[:end - text]


cdef bytes bytes_field(int number, bytes body):
    return varint(number << 3 | 2) + varint(<uint64_t>len(body)) + body


cdef class RemoteWriter(BatchWriter):
    """Writes one batch as the bodies of requests.

    Args:
        labels: of every series, such as a cluster's name; pairs, each name once and none of an entity's.
        shard: "i/n" of a replica, a label of what it has only a share of; "" for none.
    """

    cdef:
        span_t[KIND_RESOURCE][N_METRICS] family   # the label __name__ as a field; ptr NULL: none yet
        double[KIND_RESOURCE][N_METRICS] divisor
        span_t before                             # fields of labels whose names come before __name__
        wire_label_t[WIRE_MAX] wire
        int n_wire
        char[VARINT_MAX + 1] stamp                # the sample's second field
        Py_ssize_t stamp_len

    def __cinit__(self, Batch batch not None, *, labels=(), str shard not None=""):
        cdef int kind, metric, i
        cdef wire_label_t* one
        constants = [(name.encode(), value.encode(), False) for name, value in labels]
        if shard:
            constants.append((b"shard", shard.encode(), True))
        self.before = self.keep(b"".join(
            bytes_field(1, bytes_field(1, name) + bytes_field(2, value))
            for name, value, _ in sorted(constants)
            if name < NAME_LABEL
        ))
        wire = [(name, value, is_of_shares, CONSTANT) for name, value, is_of_shares in constants if name > NAME_LABEL]
        wire += [(name, b"", False, label) for name, label in LABELS.items()]
        if len(wire) > WIRE_MAX:
            raise ValueError(f"BUG: {len(wire)} labels, want {WIRE_MAX} at the most")
        for name, value, is_of_shares, label in sorted(wire):
            one = &self.wire[self.n_wire]
            one.label = label
            one.is_of_shares = is_of_shares
            if label == CONSTANT:
                one.text = self.keep(bytes_field(1, bytes_field(1, name) + bytes_field(2, value)))
            else:
                one.text = self.keep(bytes_field(1, name))
            self.n_wire += 1
        for i in range(self.n_metrics):
            metric = self.metrics[i]
            name = batch.metrics.names[metric]
            for kind in range(KIND_RESOURCE):
                family = family_of(Kind(kind), name)
                self.family[kind][metric] = self.keep(
                    bytes_field(1, bytes_field(1, NAME_LABEL) + bytes_field(2, family.name.encode()))
                )
                self.divisor[kind][metric] = family.divisor
        self.stamp[0] = 0x10
        self.stamp_len = write_varint(<uint64_t>(self.timestamp_ns // <int64_t>NS_PER_MS), self.stamp + 1) - self.stamp

    cdef void begin_set(self) noexcept nogil:
        cdef buffer_t* shared = self.shared
        cdef bint is_shared_out = self.set.kind == KIND_CLUSTER or self.set.kind == KIND_NAMESPACE
        cdef wire_label_t* one
        cdef span_t value
        cdef int i
        shared.len = 0
        for i in range(self.n_wire):
            one = &self.wire[i]
            if one.label == CONSTANT:
                if is_shared_out or not one.is_of_shares:
                    put_span(shared, one.text)
                continue
            value = self.set.known[one.label]
            if value.ptr != NULL and value.len != 0:
                put_label(shared, one.text, value)

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef buffer_t* out = self.out
        cdef span_t name = self.family[self.set.kind][metric]
        cdef Py_ssize_t n_sample = SAMPLE_FIXED + self.stamp_len
        cdef Py_ssize_t n_series = self.before.len + name.len + self.shared.len + 2 + n_sample
        cdef double value = bits_to_double(bits) if self.is_float[metric] else <double>bits
        cdef char* at
        value = value / self.divisor[self.set.kind][metric]
        if not reserve(out, 1 + VARINT_MAX + n_series):
            return
        at = out.data + out.len
        at[0] = 0x0A
        at = write_varint(<uint64_t>n_series, at + 1)
        memcpy(at, self.before.ptr, self.before.len)
        at += self.before.len
        memcpy(at, name.ptr, name.len)
        at += name.len
        if self.shared.len:
            memcpy(at, self.shared.data, self.shared.len)
            at += self.shared.len
        at[0] = 0x12
        at[1] = <char>n_sample     # 20 at the most: one byte
        at[2] = 0x09
        memcpy(at + 3, &value, sizeof(value))
        at += 2 + SAMPLE_FIXED
        memcpy(at, self.stamp, self.stamp_len)
        out.len = at + self.stamp_len - out.data

    cdef object take(self):
        """The body of one request. Compressing it releases the GIL."""
        return bytes(cramjam.snappy.compress_raw(self._out.take()))


cdef void put_label(buffer_t* out, span_t name, span_t value) noexcept nogil:
    """One label, as field 1 of a series; `name` is its first field already."""
    cdef Py_ssize_t n = name.len + 1 + varint_len(value.len) + value.len
    cdef char* at
    if not reserve(out, 1 + VARINT_MAX + n):
        return
    at = out.data + out.len
    at[0] = 0x0A
    at = write_varint(<uint64_t>n, at + 1)
    memcpy(at, name.ptr, name.len)
    at += name.len
    at[0] = 0x12
    at = write_varint(value.len, at + 1)
    memcpy(at, value.ptr, value.len)
    out.len = at + value.len - out.data
