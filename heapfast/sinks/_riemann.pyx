"""Riemann's messages: events in protobuf.

In      a closed batch, what all events say
Out     messages of so many events each, without the length that goes before them
Callers riemann.py, bench; in a thread
Source  spec/heapster-pipeline.md 7.7; proto.proto of Riemann: Msg.events 6; Event time 1, state 2, service 3, host 4,
        tags 7, ttl 8, attributes 9, metric_sint64 13, metric_d 14
"""
from libc.string cimport memcpy

from heapfast._batch cimport Batch
from heapfast._types cimport int64_t, span_t, uint32_t, uint64_t
from heapfast.render._json cimport buffer_t, put_char, put_raw, reserve
from heapfast.render._protobuf cimport VARINT_MAX, begin_message, end_message, put_bytes, write_varint
from heapfast.sinks._framed cimport FramedWriter
from heapfast.sinks._walk cimport LABEL_HOSTNAME

cdef enum:
    NS_PER_SECOND = 1000000000
    TAG_EVENTS = 0x32
    TAG_TIME = 0x08
    TAG_STATE = 0x12
    TAG_SERVICE = 0x1A
    TAG_HOST = 0x22
    TAG_TAGS = 0x3A
    TAG_TTL = 0x45
    TAG_ATTRIBUTES = 0x4A
    TAG_KEY = 0x0A
    TAG_VALUE = 0x12
    TAG_METRIC_SINT64 = 0x68
    TAG_METRIC_D = 0x71


cdef inline uint64_t zigzag(int64_t value) noexcept nogil:
    return (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)


cdef class RiemannWriter(FramedWriter):
    """Writes one batch as events.

    Args:
        host: of events that belong to no host.
        state: of all events; "" for none.
        events: most of them in one message.
    """

    cdef:
        span_t host
        span_t state
        uint32_t events
        float ttl_seconds
        span_t tags                # rendered

    def __cinit__(
        self, Batch batch not None, *, bytes host not None, bytes state=b"", float ttl_seconds=60, tags=(),
        uint32_t events=1000,
    ):
        cdef bytes rendered = b""
        self.host = self.keep(host)
        self.state = self.keep(state)
        self.ttl_seconds = ttl_seconds
        self.events = events
        for tag in tags:
            raw = tag.encode()
            rendered += bytes([TAG_TAGS]) + _varint(len(raw)) + raw
        self.tags = self.keep(rendered)

    cdef void begin_set(self) noexcept nogil:
        """Renders what stands behind the service, up to the value."""
        cdef buffer_t* rest = self.shared
        cdef uint32_t i
        cdef Py_ssize_t start
        cdef span_t host = self.set.known[LABEL_HOSTNAME]
        rest.len = 0
        if host.ptr == NULL or host.len == 0:
            host = self.host
        put_bytes(rest, TAG_HOST, host.ptr, host.len)
        put_raw(rest, self.tags.ptr, self.tags.len)
        put_char(rest, TAG_TTL)
        if reserve(rest, 4):
            memcpy(rest.data + rest.len, &self.ttl_seconds, 4)
            rest.len += 4
        for i in range(self.set.n_labels):
            put_char(rest, TAG_ATTRIBUTES)
            start = begin_message(rest)
            put_bytes(rest, TAG_KEY, self.set.labels[i].key.ptr, self.set.labels[i].key.len)
            put_bytes(rest, TAG_VALUE, self.set.labels[i].value.ptr, self.set.labels[i].value.len)
            end_message(rest, start)

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef buffer_t* out = self.out
        cdef Py_ssize_t start
        cdef span_t name = self.name[metric]
        put_char(out, TAG_EVENTS)
        start = begin_message(out)
        self.put_number(TAG_TIME, <uint64_t>(self.timestamp_ns // <int64_t>NS_PER_SECOND))
        if self.state.len:
            put_bytes(out, TAG_STATE, self.state.ptr, self.state.len)
        put_bytes(out, TAG_SERVICE, name.ptr, name.len)
        put_raw(out, self.shared.data, self.shared.len)
        if self.is_float[metric]:
            if reserve(out, 9):
                out.data[out.len] = TAG_METRIC_D
                memcpy(out.data + out.len + 1, &bits, 8)
                out.len += 9
        else:
            self.put_number(TAG_METRIC_SINT64, zigzag(bits))
        end_message(out, start)
        self.n_in_frame = self.n_in_frame + 1
        if self.n_in_frame >= self.events:
            self.end_frame()

    cdef void put_number(self, char tag, uint64_t value) noexcept nogil:
        cdef buffer_t* out = self.out
        if reserve(out, 1 + VARINT_MAX):
            out.data[out.len] = tag
            out.len += 1 + write_varint(value, out.data + out.len + 1)

    cdef void end_chunk(self) noexcept nogil:
        self.end_frame()


cdef bytes _varint(uint64_t value):
    cdef char text[VARINT_MAX]
    return text[:write_varint(value, text)]
