"""Rows: what a parser makes of one target's answer, and what the store ingests.

In      one body, through a parser of this folder
Out     flat C structs whose text borrows from the body (or from the arena beside it)
Callers wire/_summary.pyx, wire/_cadvisor.pyx, wire/_exposition.pyx fill; _core.ingest reads
Never   outlives its body: `reset` starts the next one, and every span of the former is dead
"""
from heapfast._types cimport N_STANDARD, int64_t, span_t, uint8_t, uint32_t
from heapfast.wire._cursor cimport cursor_t


# One node, system container, pod or pod container of the answer. No two rows have the same kind and names.
cdef struct row_t:
    uint8_t kind               # KIND_NODE, KIND_SYS_CONTAINER, KIND_POD, KIND_POD_CONTAINER
    uint8_t has_swap           # swap_bytes is there
    uint8_t has_image          # the answer has an image for the container, perhaps an empty one
    uint32_t present           # bit m set: value[m] is a sample of metric m (M_UPTIME never: the store derives it)
    span_t name                # node name, container name, or pod name; by kind
    span_t namespace           # pods and their containers
    span_t pod                 # containers: name of their pod
    span_t uid                 # pods and their containers: UID as the kubelet says it, may be empty
    span_t image               # pod containers
    int64_t start_ns           # when counting began, Unix ns; time_zero() = unknown
    int64_t sample_ns          # when the values were sampled, Unix ns; time_zero() = unknown
    int64_t value[N_STANDARD]  # by metric id; units as in catalog/metrics.py
    int64_t swap_bytes         # in use; no metric of Heapster's
    uint32_t resource_start    # its resources: resource[start : start + count]
    uint32_t resource_count
    uint32_t custom_start      # its custom metrics: custom[start : start + count]
    uint32_t custom_count
    uint32_t hash              # of its names, where the parser had it at hand; 0: it had not

cdef enum:
    ROW_DROPPED = 0xFF         # kind of a row that keep_unique takes out


# One filesystem, volume, disk or accelerator of a row.
cdef struct resource_row_t:
    uint8_t type               # RESOURCE_*
    uint8_t present            # bit i set: value[i] is there
    span_t id                  # device, "/", "logs", volume name without "Volume:", accelerator id
    span_t make                # accelerators only
    span_t model               # accelerators only
    int64_t value[5]           # filesystem, volume: usage limit available inodes inodes_free (bytes, counts)
                               # disk: read_bytes write_bytes; accelerator: memory_total memory_used duty_cycle


# One user-defined metric of a row.
cdef struct custom_row_t:
    uint8_t is_float           # f64 counts, else i64
    uint8_t type               # CUSTOM_*
    span_t name                # without "custom/"
    int64_t i64
    double f64

cdef enum custom_type_t:
    CUSTOM_CUMULATIVE = 0
    CUSTOM_GAUGE = 1
    CUSTOM_DELTA = 2


cdef class Rows:
    cdef:
        row_t* row                   # owned; entries [0, n_rows)
        resource_row_t* resource     # owned; entries [0, n_resources); a few may belong to no row
        custom_row_t* custom         # owned; entries [0, n_customs); a few may belong to no row
        readonly uint32_t n_rows, n_resources, n_customs
        uint32_t cap_rows, cap_resources, cap_customs
        object body                  # owned; keeps every span alive until the next reset
        const char* text             # borrowed from body until the next reset; not NUL-terminated
        size_t text_len
        char* arena                  # owned; text that is not in the body as it stands; never moves within a body
        size_t arena_used, arena_cap
        span_t root, logs            # "/" and "logs", in the arena
        uint32_t* table              # owned; hash table of keep_unique: index of a row + 1, 0 = free
        uint32_t cap_table
        readonly uint32_t bad_values     # samples dropped because their value was not one (negative, fraction, text …)
        readonly int64_t bad_offset      # byte offset of the first of them, -1 when none

    # A parser's first and last call. `reset` takes the body and puts the cursor on its first byte. `finish` sees that
    # the document was whole and makes the rows unique, or leaves no rows and raises ParseError.
    cdef int reset(self, object body, cursor_t* c) except -1
    cdef int finish(self, cursor_t* c, str what) except -1
    cdef void forget(self) noexcept

    cdef row_t* add_row(self, int kind) noexcept nogil    # zeroed, times unknown; NULL: out of memory; moves the others
    cdef resource_row_t* add_resource(self, int type) noexcept nogil
    cdef custom_row_t* add_custom(self) noexcept nogil
    cdef char* reserve(self, size_t size) noexcept nogil  # arena space; NULL: more than the body could need
    cdef bint copy_text(self, const char* text, span_t* out) noexcept nogil   # a C string into the arena
    cdef void note_bad(self, int64_t offset) noexcept nogil
    cdef bint keep_unique(self) noexcept nogil            # False: out of memory

    cdef dict row_dict(self, const row_t* row)
    cdef int check_span(self, span_t span) except -1
