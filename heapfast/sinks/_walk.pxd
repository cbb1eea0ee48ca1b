"""The walk over a closed batch that all payloads share, and how a format is written on top of it.

A format is a subclass of BatchWriter in a .pyx of its own. It takes the batch, says how metrics are called on its wire,
and overrides what it needs; all of these run without the GIL, in a thread, and append to `self.out`:

    begin_chunk      what opens a payload, such as "["
      begin_set      `self.set` has turned to other labels: those of an entity, or of one resource (filesystem, disk,
                     volume, accelerator) of it. Render here, into `self.shared`, what its samples have in common
        put_sample   one metric of the set: its id in batches, its value as the column holds it
      end_set        the last sample of the set has been put
    end_chunk        what closes a payload

    cdef class LineWriter(BatchWriter):
        def __cinit__(self, Batch batch not None):
            self.rename(lambda name: name.replace("/", ".").encode())      # None leaves a metric out
            self.drop_label(LABEL_POD_ID)

        cdef void begin_set(self) noexcept nogil:
            cdef uint32_t i
            self.shared.len = 0
            for i in range(self.set.n_labels):
                put_raw(self.shared, self.set.labels[i].key.ptr, self.set.labels[i].key.len)
                ...

        cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
            put_span(self.out, self.name[metric])
            put_raw(self.out, self.shared.data, self.shared.len)
            put_value(self.out, bits, self.is_float[metric])        # or bits_to_double, put_int, ...

What a format can rely on: sets come in order of kind and slot, metrics in order of name, labels in order of key. Text
is valid UTF-8 (other bytes have become U+FFFD), but may hold anything else, newlines too: escaping is the format's.
Doubles are finite. A chunk ends with an entity, as soon as it has so many bytes or samples as `read` was asked for.
"""
from heapfast._batch cimport Batch
from heapfast._frame cimport frame_t
from heapfast._text cimport text_t
from heapfast._types cimport N_METRICS, int64_t, span_t, uint8_t, uint32_t, uint64_t
from heapfast.render._json cimport JsonBuffer, bits_to_double, buffer_t, put_double, put_int, put_raw
from heapfast.render._order cimport order_t


# Heapster's labels, in the order of their keys.
cdef enum:
    LABEL_ACCELERATOR_ID = 0
    LABEL_CONTAINER_BASE_IMAGE = 1
    LABEL_CONTAINER_NAME = 2
    LABEL_HOST_ID = 3
    LABEL_HOSTNAME = 4
    LABEL_LABELS = 5           # the joined user labels
    LABEL_MAKE = 6
    LABEL_MODEL = 7
    LABEL_NAMESPACE_ID = 8
    LABEL_NAMESPACE_NAME = 9
    LABEL_NODENAME = 10
    LABEL_POD_ID = 11
    LABEL_POD_NAME = 12
    LABEL_RESOURCE_ID = 13
    LABEL_SCHEDULABLE = 14
    LABEL_TYPE = 15
    N_LABELS = 16


cdef struct label_t:
    span_t key
    span_t value


# Who the samples that follow belong to. Everything is borrowed until the next set.
cdef struct set_t:
    int kind
    uint32_t slot
    uint32_t resource          # slot of the resource whose samples they are; SLOT_NONE: the entity's own
    span_t known[N_LABELS]     # by LABEL_*, dropped ones too; ptr NULL: the set does not have it
    label_t* labels            # all, sorted by key: Heapster's, stored and constant ones; empty values are kept
    uint32_t n_labels


cdef class BatchWriter:
    cdef:
        buffer_t* out              # the chunk
        buffer_t* shared           # for the format: what all samples of a set have in common
        set_t set
        int64_t timestamp_ns       # of the batch
        const frame_t* frames      # the batch's
        bint visits_empty          # for the format: entities without samples get a set, too
        int n_metrics
        int[N_METRICS] metrics     # ids that are written, in order of name
        span_t[N_METRICS] name     # by id, as the format writes it
        uint8_t[N_METRICS] is_float
        uint8_t[N_METRICS] is_cumulative   # values are marked so (spec 2.1)
        uint64_t n_samples         # in the chunk
        uint64_t n_sets

        Batch _batch
        JsonBuffer _out, _shared
        list _owners               # of what spans point to
        uint8_t[N_LABELS] _is_dropped
        label_t* _constants        # owned
        uint32_t _n_constants
        uint32_t _cap_labels       # of set.labels, which is owned
        label_t* _others           # owned; stored and constant labels of the entity, sorted
        uint32_t _n_others, _cap_others
        char** _made               # owned; texts made for the entity
        uint32_t _n_made, _cap_made
        int _kind                  # where the walk goes on
        uint32_t _slot
        uint64_t* _plan            # owned; kind << 32 | slot, in order of names; NULL: by slot
        uint32_t _n_plan, _next_plan

    # For __cinit__ of a format.
    cdef int rename(self, wire_name) except -1           # str -> bytes or None
    cdef int drop_label(self, int label) except -1
    cdef int add_constant(self, str key, str value) except -1
    cdef int order_by_name(self) except -1
    cdef span_t keep(self, bytes text) except *          # lives as long as the writer

    # For the format to override.
    cdef void begin_chunk(self) noexcept nogil
    cdef void begin_set(self) noexcept nogil
    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil
    cdef void end_set(self) noexcept nogil
    cdef void end_entity(self) noexcept nogil            # its resources' sets are over, too
    cdef void end_chunk(self) noexcept nogil
    cdef object take(self)                               # the payload of a chunk; bytes of `out` unless overridden

    cdef object _read(self, Py_ssize_t at_least_bytes, uint64_t at_least_samples)
    cdef void _walk(self, Py_ssize_t at_least_bytes, uint64_t at_least_samples) noexcept nogil
    cdef bint _plan_by_name(self, const frame_t* frames, order_t* outer, order_t* middle, order_t* inner) noexcept nogil
    cdef bint _plan_children(self, int kind, uint32_t slot, int child_kind, order_t* order) noexcept nogil
    cdef void _plan_next(self, int kind, uint32_t slot) noexcept nogil
    cdef bint _next(self, int* kind, uint32_t* slot) noexcept nogil
    cdef bint _put_entity(self, int kind, uint32_t slot) noexcept nogil
    cdef bint _put_set(self, const frame_t* frame, uint32_t slot, bint even_empty) noexcept nogil
    cdef bint _load_entity(self, int kind, uint32_t slot) noexcept nogil
    cdef bint _load_resource(self, uint32_t slot) noexcept nogil
    cdef bint _load_stored(self, const text_t* stored) noexcept nogil
    cdef bint _add_other(self, label_t label) noexcept nogil
    cdef bint _merge_labels(self) noexcept nogil
    cdef bint _know(self, int label, const text_t* text) noexcept nogil
    cdef bint _know_span(self, int label, const char* ptr, uint32_t n) noexcept nogil
    cdef bint _clean(self, span_t* span) noexcept nogil
    cdef char* _make(self, uint32_t n) noexcept nogil
    cdef void _forget_made(self) noexcept nogil


cdef inline void put_span(buffer_t* buffer, span_t span) noexcept nogil:
    put_raw(buffer, span.ptr, span.len)


# A value as JSON writes it: integers whole, doubles in the shortest text that reads back.
cdef inline void put_value(buffer_t* buffer, int64_t bits, bint is_float) noexcept nogil:
    if is_float:
        put_double(buffer, bits_to_double(bits))
    else:
        put_int(buffer, bits)
