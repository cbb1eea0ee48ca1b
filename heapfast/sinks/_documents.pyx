"""JSON of Kafka, OpenTSDB and Elasticsearch.

In      a closed batch
Out     KafkaWriter: records; OpentsdbWriter: requests; ElasticsearchWriter: lines of a bulk request
Callers kafka.py, opentsdb.py, elasticsearch.py, bench; in a thread
Source  spec/heapster-pipeline.md 7.3, 7.4 and 7.5; Q13: OpenTSDB gets labelled metrics too
Never   puts a label into the batch (Q28)
"""
from libc.stdio cimport snprintf

from heapfast._batch cimport Batch
from heapfast._types cimport N_METRICS, int64_t, span_t, uint8_t, uint32_t, uint64_t
from heapfast.codec._rfc3339 cimport RFC3339_MAX, format_rfc3339
from heapfast.render._json cimport buffer_t, put_char, put_content, put_literal, put_raw, reserve, rune_width
from heapfast.sinks._framed cimport FramedWriter
from heapfast.sinks._walk cimport BatchWriter, put_span, put_value

from heapfast.render._json import render_scalars

cdef enum:
    NS_PER_SECOND = 1000000000
    SECONDS_MAX = 21           # digits of int64 and a NUL
    POINT_ROOM = 128           # of a point of OpenTSDB, what is neither its name nor its tags
    OPENTSDB_POINTS = 75       # in one request
    OPENTSDB_BYTES = 40960     # of one request; OpenTSDB's own limit has to be raised for more

# Bytes that OpenTSDB takes in names and tags.
cdef uint8_t[256] PLAIN


cdef void _fill_plain() noexcept:
    cdef int c
    for c in range(256):
        PLAIN[c] = c"0" <= c <= c"9" or c"A" <= c <= c"Z" or c"a" <= c <= c"z" or c in (c"-", c"_", c".", c"/")


_fill_plain()


cdef void put_labels(buffer_t* out, BatchWriter writer) noexcept nogil:
    """All labels of a set as one JSON object, empty ones too."""
    cdef uint32_t i
    put_char(out, c"{")
    for i in range(writer.set.n_labels):
        if i:
            put_char(out, c",")
        put_json(out, writer.set.labels[i].key)
        put_char(out, c":")
        put_json(out, writer.set.labels[i].value)
    put_char(out, c"}")


cdef inline void put_json(buffer_t* out, span_t text) noexcept nogil:
    put_char(out, c'"')
    put_content(out, text.ptr, text.len)
    put_char(out, c'"')


cdef bytes _json_text(str name):
    """A JSON string, quotes and all."""
    cdef bytes listed = render_scalars([name.encode()])
    return listed[1 : len(listed) - 1]


# -- Kafka ------------------------------------------------------------------------------------


cdef class KafkaWriter(FramedWriter):
    """One record a sample."""

    cdef:
        char[RFC3339_MAX] time
        int time_len

    def __cinit__(self, Batch batch not None):
        self.time_len = format_rfc3339(self.timestamp_ns, 0, self.time)
        self.rename(_json_text)

    cdef void begin_set(self) noexcept nogil:
        cdef buffer_t* rest = self.shared
        rest.len = 0
        put_literal(rest, b'},"MetricsTimestamp":"')
        put_raw(rest, self.time, self.time_len)
        put_literal(rest, b'","MetricsTags":')
        put_labels(rest, self)
        put_char(rest, c"}")

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        put_literal(self.out, b'{"MetricsName":')
        put_span(self.out, self.name[metric])
        put_literal(self.out, b',"MetricsValue":{"value":')
        put_value(self.out, bits, self.is_float[metric])
        put_raw(self.out, self.shared.data, self.shared.len)
        self.end_frame()


# -- OpenTSDB -----------------------------------------------------------------------------------


cdef void put_plain(buffer_t* out, span_t text) noexcept nogil:
    """What OpenTSDB does not take becomes "_", one a character."""
    cdef const uint8_t* s = <const uint8_t*>text.ptr
    cdef uint32_t i = 0
    cdef Py_ssize_t width
    if not reserve(out, text.len):
        return
    while i < text.len:
        out.data[out.len] = <char>s[i] if PLAIN[s[i]] else c"_"
        out.len += 1
        width = 1 if s[i] < 0x80 else rune_width(s + i, <Py_ssize_t>text.len - i)
        i += <uint32_t>width if width else 1


cdef class OpentsdbWriter(FramedWriter):
    """Requests of at most OPENTSDB_POINTS points, each an array; `cluster` becomes a tag."""

    cdef:
        char[SECONDS_MAX] seconds
        int seconds_len

    def __cinit__(self, Batch batch not None, str cluster not None):
        self.add_constant("cluster", cluster)
        self.seconds_len = snprintf(
            self.seconds, SECONDS_MAX, b"%lld", <long long>(self.timestamp_ns // <int64_t>NS_PER_SECOND)
        )
        self.rename(lambda name: _opentsdb_name(name, self.is_cumulative[<int>self._batch.metrics.ids[name]]))

    cdef void begin_set(self) noexcept nogil:
        cdef buffer_t* tags = self.shared
        cdef uint32_t i
        cdef bint is_first = True
        tags.len = 0
        put_literal(tags, b',"tags":{')
        for i in range(self.set.n_labels):
            if self.set.labels[i].value.len == 0:
                continue
            put_literal(tags, b'"' if is_first else b',"')
            is_first = False
            put_plain(tags, self.set.labels[i].key)
            put_literal(tags, b'":"')
            put_plain(tags, self.set.labels[i].value)
            put_char(tags, c'"')
        put_literal(tags, b"}}")

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef Py_ssize_t room = self.shared.len + self.name[metric].len + POINT_ROOM
        if self.n_in_frame == OPENTSDB_POINTS or self.out.len - self.frame_start + room > OPENTSDB_BYTES:
            self._close_array()
        put_literal(self.out, b',{"metric":"' if self.n_in_frame else b'[{"metric":"')
        put_span(self.out, self.name[metric])
        put_literal(self.out, b'","timestamp":')
        put_raw(self.out, self.seconds, self.seconds_len)
        put_literal(self.out, b',"value":')
        put_value(self.out, bits, self.is_float[metric])
        put_raw(self.out, self.shared.data, self.shared.len)
        self.n_in_frame = self.n_in_frame + 1

    cdef void end_chunk(self) noexcept nogil:
        self._close_array()

    cdef void _close_array(self) noexcept nogil:
        if self.n_in_frame:
            put_char(self.out, c"]")
            self.end_frame()


cdef bytes _opentsdb_name(str name, bint is_cumulative):
    plain = "".join(c if c.isascii() and PLAIN[<int>ord(c)] else "_" for c in name).replace("/", "_")
    return f"{plain}_{'cumulative' if is_cumulative else 'gauge'}".encode()


# -- Elasticsearch --------------------------------------------------------------------------------

# Metrics that stand in one document together, and the one family whose metrics stand alone.
cdef enum:
    FAMILY_CPU = 0
    FAMILY_FILESYSTEM = 1
    FAMILY_MEMORY = 2
    FAMILY_NETWORK = 3
    FAMILY_GENERAL = 4
    N_FAMILIES = 5

FAMILIES = ("cpu", "filesystem", "memory", "network", "general")


cdef inline uint64_t hash_more(uint64_t so_far, const char* ptr, Py_ssize_t n) noexcept nogil:
    # FNV-1a
    cdef Py_ssize_t i
    for i in range(n):
        so_far = (so_far ^ <uint8_t>ptr[i]) * 1099511628211ULL
    return so_far


cdef class ElasticsearchWriter(BatchWriter):
    """Pairs of lines: what to do, and a document.

    Ids follow from what a document is about, so that one that is sent again replaces itself.

    Args:
        cluster_name: value of the tag of that name.
        types: document types by FAMILIES, () where there are none any more.
    """

    cdef:
        span_t[N_FAMILIES] action  # what stands behind an id
        span_t[N_FAMILIES] opening # a document up to its time
        uint8_t[N_METRICS] family
        int open_family            # of the document that is open; N_FAMILIES: none
        uint64_t set_hash
        char[RFC3339_MAX] time
        int time_len

    def __cinit__(self, Batch batch not None, str cluster_name not None, types not None):
        cdef int i
        self.add_constant("cluster_name", cluster_name)
        self.time_len = format_rfc3339(self.timestamp_ns, 0, self.time)
        self.open_family = N_FAMILIES
        for i, family in enumerate(FAMILIES):
            more = f',"_type":"{types[i]}"' if types else ""
            self.action[i] = self.keep(f'"{more}}}}}\n'.encode())
            self.opening[i] = self.keep(f'{{"{family.capitalize()}MetricsTimestamp":"'.encode())
        for i in range(len(self._batch.metrics.names)):
            self.family[i] = _family_of(self._batch.metrics.names[i])
        self.rename(_json_text)

    cdef void begin_set(self) noexcept nogil:
        self.shared.len = 0
        put_literal(self.shared, b'"MetricsTags":')
        put_labels(self.shared, self)
        self.set_hash = hash_more(14695981039346656037ULL, self.shared.data, self.shared.len)

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef buffer_t* out = self.out
        cdef int family = self.family[metric]
        cdef uint64_t id
        if family == FAMILY_GENERAL:
            self._close()
            id = hash_more(self.set_hash, self.name[metric].ptr, self.name[metric].len)
            self._open(family, id)
            put_raw(out, self.shared.data, self.shared.len)
            put_literal(out, b',"MetricsName":')
            put_span(out, self.name[metric])
            put_literal(out, b',"MetricsValue":{"value":')
            put_value(out, bits, self.is_float[metric])
            put_literal(out, b"}}\n")
            return
        if family != self.open_family:
            self._close()
            self._open(family, self.set_hash + <uint64_t>family)
            put_literal(out, b'"Metrics":{')
            self.open_family = family
        else:
            put_char(out, c",")
        put_span(out, self.name[metric])
        put_literal(out, b':{"value":')
        put_value(out, bits, self.is_float[metric])
        put_char(out, c"}")

    cdef void end_set(self) noexcept nogil:
        self._close()

    cdef void _open(self, int family, uint64_t id) noexcept nogil:
        cdef char[48] text
        cdef int n = snprintf(
            text,
            48,
            b"%lld-%016llx",
            <long long>(self.timestamp_ns // <int64_t>NS_PER_SECOND),
            <unsigned long long>id,
        )
        put_literal(self.out, b'{"index":{"_id":"')
        put_raw(self.out, text, n)
        put_span(self.out, self.action[family])
        put_span(self.out, self.opening[family])
        put_raw(self.out, self.time, self.time_len)
        put_literal(self.out, b'",')

    cdef void _close(self) noexcept nogil:
        if self.open_family != N_FAMILIES:
            put_literal(self.out, b"},")
            put_raw(self.out, self.shared.data, self.shared.len)
            put_literal(self.out, b"}\n")
            self.open_family = N_FAMILIES


cdef int _family_of(str name):
    family = name.partition("/")[0]
    return FAMILIES.index(family) if family in FAMILIES[:FAMILY_GENERAL] and "/" in name else FAMILY_GENERAL
