"""A kubelet's answer to GET /metrics/resource -> rows.

In      text format 0.0.4; the five families of metrics-server are read, and those of swap where they are wanted; every
        other line is only checked for form
Out     Rows: the node first (without a name: the answer does not say it; no row when nothing is said of it), then one
        for each container in the order of first sight
Callers scrape/sources, `heapfast parse`; naive_exposition.py is the same in plain Python
Source  spec/metrics-k8s-io.md 15 and 19.1
Never   decides what is served: zeros, and containers of which only the start is known, are rows

As in metrics-server one line that is not well-formed fails the answer, of several samples of one series the last
counts, a row's time is that of its CPU or memory sample, whichever came last, the start's own time is ignored, and
numbers are doubles cut to integers: CPU is trunc(seconds x 1e9), to the last digit. Better than there (design.md
section 6, Q15 and Q18): a sample with a negative time (kubelets state year 1 for broken containers), or whose
value is NaN, infinite, negative or beyond int64, costs itself only, and so does a container's sample whose pod or
container is not named. All are counted as bad. Labels are read as such, rather than searched for as text.

A family lists the containers in the order of the family before. So the text between the braces is first compared with
that of the row behind the last one: where it is the same, no label is scanned and no name is hashed. Families that are
passed over, such as those of pods, list who they are about in one order, too: what was well-formed in one of them is so
in the next.
"""
import os

from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memmove

from heapfast._types cimport (
    KIND_NODE,
    KIND_POD_CONTAINER,
    M_CPU_USAGE,
    M_MEMORY_WORKING_SET,
    int64_t,
    span_t,
    uint32_t,
    uint64_t,
)
from heapfast.wire._cursor cimport cursor_t
from heapfast.wire._exposition cimport (
    exposition_t,
    label_t,
    next_label,
    next_sample,
    offset_of,
    open_exposition,
    raise_error,
    read_sample,
    sample_t,
)
from heapfast.wire._rows cimport Rows, row_t
from heapfast.wire._unique cimport hash_name, same_text

from heapfast.units import TIME_ZERO_NS

cdef enum family_t:
    FAMILY_OTHER
    FAMILY_NODE_CPU
    FAMILY_NODE_MEMORY
    FAMILY_CONTAINER_CPU
    FAMILY_CONTAINER_MEMORY
    FAMILY_CONTAINER_START
    FAMILY_NODE_SWAP
    FAMILY_CONTAINER_SWAP

cdef enum:
    ROW_NONE = 0xFFFFFFFF
    NODE_ROW = 0
    FIRST_CONTAINER = 1
    FIRST_SEEN = 64            # rows that there is room for at first
    PASSED_LINES = 256         # of a family that is passed over, whose labels are remembered: more pods than most nodes
    NS_PER_MS = 1000000

cdef double NS_PER_SECOND = 1e9
cdef double INT64_END = 9223372036854775808.0

# So that nobody can choose names that all meet in one place of the table.
cdef uint64_t HASH_SEED = int.from_bytes(os.urandom(8), "little")

# Whose sample it is. A pointer of NULL: no such label.
cdef struct labels_t:
    span_t namespace
    span_t pod
    span_t container

# What is kept of a row until the answer is read.
cdef struct seen_t:
    span_t text                # its labels as they stood in the body at first, with the braces
    uint64_t hash              # of its names

cdef struct reader_t:
    exposition_t text
    seen_t* seen               # owned; [i] belongs to row i
    uint32_t* table            # owned; hash table: index of a row, 0 = free (row 0 is the node)
    uint32_t n_slots           # of the table; a power of two, more than twice the rows
    uint32_t cap_seen
    uint32_t expected          # row that the next line is most likely about
    span_t[PASSED_LINES] passed    # labels that no row has, by the line of their family; as in seen_t
    uint32_t n_passed          # of these there are
    uint32_t line              # that the next of these is most likely on
    int64_t requested_ns       # time of samples that state none
    const char* name           # of the family at hand, in the body; NULL before the first
    family_t family
    bint wants_swap
    bint no_memory


cdef bint is_name(span_t name, const char* word, size_t size) noexcept nogil:
    return name.len == size and memcmp(name.ptr, word, size) == 0


cdef family_t family_of(span_t name, bint wants_swap) noexcept nogil:
    if is_name(name, "container_cpu_usage_seconds_total", 33):
        return FAMILY_CONTAINER_CPU
    if is_name(name, "container_memory_working_set_bytes", 34):
        return FAMILY_CONTAINER_MEMORY
    if is_name(name, "container_start_time_seconds", 28):
        return FAMILY_CONTAINER_START
    if is_name(name, "node_cpu_usage_seconds_total", 28):
        return FAMILY_NODE_CPU
    if is_name(name, "node_memory_working_set_bytes", 29):
        return FAMILY_NODE_MEMORY
    if wants_swap and is_name(name, "container_swap_usage_bytes", 26):
        return FAMILY_CONTAINER_SWAP
    if wants_swap and is_name(name, "node_swap_usage_bytes", 21):
        return FAMILY_NODE_SWAP
    return FAMILY_OTHER


cdef inline labels_t no_labels() noexcept nogil:
    cdef labels_t out
    out.namespace.ptr = out.pod.ptr = out.container.ptr = NULL
    out.namespace.len = out.pod.len = out.container.len = 0
    return out


cdef void read_labels(reader_t* r, labels_t* out) noexcept nogil:
    """Of two labels of one name the former counts, as in metrics-server."""
    cdef label_t label
    cdef bint inside = False
    while next_label(&r.text, &inside, &label):
        if label.name.len == 9 and out.namespace.ptr == NULL and is_name(label.name, "namespace", 9):
            out.namespace = label.value
        elif label.name.len == 9 and out.container.ptr == NULL and is_name(label.name, "container", 9):
            out.container = label.value
        elif label.name.len == 3 and out.pod.ptr == NULL and is_name(label.name, "pod", 3):
            out.pod = label.value


# -- rows ------------------------------------------------------------------------------------------


cdef bint make_room(reader_t* r, uint32_t n_rows) noexcept nogil:
    """Room for one more row than `n_rows`. False: out of memory."""
    cdef uint32_t i, at, n_slots
    cdef void* grown
    if n_rows < r.cap_seen:
        return True
    r.cap_seen = 2 * r.cap_seen if r.cap_seen else FIRST_SEEN
    n_slots = 4 * r.cap_seen
    grown = realloc(r.seen, r.cap_seen * sizeof(seen_t))
    if grown == NULL:
        return False
    r.seen = <seen_t*> grown
    free(r.table)
    r.table = <uint32_t*> calloc(n_slots, sizeof(uint32_t))
    if r.table == NULL:
        return False
    r.n_slots = n_slots
    for i in range(FIRST_CONTAINER, n_rows):
        at = <uint32_t> r.seen[i].hash & (n_slots - 1)
        while r.table[at]:
            at = (at + 1) & (n_slots - 1)
        r.table[at] = i
    return True


cdef uint32_t add_row(reader_t* r, Rows rows, int kind) noexcept nogil:
    if not make_room(r, rows.n_rows) or rows.add_row(kind) == NULL:
        r.no_memory = True
        return ROW_NONE
    r.seen[rows.n_rows - 1].text.len = 0
    return rows.n_rows - 1


cdef uint32_t find_row(reader_t* r, Rows rows, const labels_t* labels, span_t text, bint is_added) noexcept nogil:
    """The row of a container, added when it is new. ROW_NONE: out of memory, or not there and not to be added."""
    cdef uint64_t hash = hash_name(hash_name(hash_name(HASH_SEED, labels.namespace), labels.pod), labels.container)
    cdef uint32_t at = <uint32_t> hash & (r.n_slots - 1)
    cdef uint32_t i = r.table[at]
    cdef row_t* row
    while i:
        row = &rows.row[i]
        if (r.seen[i].hash == hash and same_text(row.name, labels.container) and same_text(row.pod, labels.pod)
                and same_text(row.namespace, labels.namespace)):
            return i
        at = (at + 1) & (r.n_slots - 1)
        i = r.table[at]
    if not is_added:
        return ROW_NONE
    i = add_row(r, rows, KIND_POD_CONTAINER)
    if i == ROW_NONE:
        return i
    row = &rows.row[i]
    row.namespace = labels.namespace
    row.pod = labels.pod
    row.name = labels.container
    row.hash = <uint32_t> hash
    r.seen[i].text = text
    r.seen[i].hash = hash
    # The table may have grown since.
    at = <uint32_t> hash & (r.n_slots - 1)
    while r.table[at]:
        at = (at + 1) & (r.n_slots - 1)
    r.table[at] = i
    return i


cdef inline bint is_at_cursor(const reader_t* r, span_t text) noexcept nogil:
    return (text.len != 0 and text.len < <size_t> (r.text.end - r.text.at)
            and memcmp(r.text.at, text.ptr, text.len) == 0)


cdef inline bint is_expected(const reader_t* r, Rows rows) noexcept nogil:
    """Whether the labels at the cursor are those of the expected row."""
    return r.expected < rows.n_rows and is_at_cursor(r, r.seen[r.expected].text)


cdef inline void begin_family(reader_t* r, span_t name) noexcept nogil:
    """Each begins with the first container again."""
    r.name = name.ptr
    r.family = family_of(name, r.wants_swap)
    r.expected = FIRST_CONTAINER
    r.line = 0


cdef inline void step_over_passed(reader_t* r) noexcept nogil:
    """Steps over labels that no row has, and that were well-formed on the same line of another family."""
    if r.line < r.n_passed and is_at_cursor(r, r.passed[r.line]):
        r.text.at += r.passed[r.line].len


cdef inline void note_passed(reader_t* r, span_t text) noexcept nogil:
    if r.line < PASSED_LINES:
        r.passed[r.line] = text
        r.line = r.line + 1
        r.n_passed = max(r.n_passed, r.line)


# -- samples ---------------------------------------------------------------------------------------


cdef inline bint whole(double value, int64_t* out) noexcept nogil:
    """Cuts to an integer. False: NaN, negative, or beyond int64."""
    if not -1.0 < value < INT64_END:
        return False
    out[0] = <int64_t> value
    return True


cdef inline bint keep_sample(
    const reader_t* r, row_t* row, family_t family, const sample_t* sample,
) noexcept nogil:
    """False: it is a bad one."""
    cdef bint is_cpu = family == FAMILY_CONTAINER_CPU or family == FAMILY_NODE_CPU
    cdef int metric = M_CPU_USAGE if is_cpu else M_MEMORY_WORKING_SET
    if family == FAMILY_CONTAINER_START:
        return whole(sample.value * NS_PER_SECOND, &row.start_ns)
    if family == FAMILY_NODE_SWAP or family == FAMILY_CONTAINER_SWAP:
        # Kubelets have written sums below zero here, as numbers beyond int64: no sample, and no fault of theirs.
        row.has_swap = whole(sample.value, &row.swap_bytes)
        return True
    if sample.time_ms < 0:
        return False
    if not whole(sample.value * NS_PER_SECOND if is_cpu else sample.value, &row.value[metric]):
        return False
    row.present |= <uint32_t> 1 << metric
    if sample.has_time:
        # A time beyond the year 2262 wraps, as recorded of metrics-server (microseconds for milliseconds).
        row.sample_ns = <int64_t> (<uint64_t> sample.time_ms * <uint64_t> NS_PER_MS)
    else:
        row.sample_ns = r.requested_ns
    return True


cdef void read_lines(reader_t* r, Rows rows) noexcept nogil:
    cdef:
        exposition_t* e = &r.text
        const char* start
        labels_t labels
        sample_t sample
        span_t text
        uint32_t row
    while next_sample(e):
        start = e.at
        row = ROW_NONE
        labels = no_labels()
        text.ptr = start
        if e.name.len and e.name.ptr != r.name:
            begin_family(r, e.name)
        if e.at < e.end and e.at[0] == c'{':
            if e.name.len and is_expected(r, rows):
                row = r.expected
                e.at += r.seen[row].text.len
            else:
                if e.name.len and r.family == FAMILY_OTHER:
                    step_over_passed(r)
                if e.at == start:
                    read_labels(r, &labels)
        # What has its name among its labels is too rare to be expected.
        text.len = <uint32_t> (e.at - start) if e.name.ptr == e.bare.ptr else 0
        start = e.at
        if not read_sample(e, &sample):
            return
        if e.name.ptr != r.name:
            begin_family(r, e.name)
        if row != ROW_NONE:
            r.expected = row + 1
        elif r.family == FAMILY_OTHER:
            note_passed(r, text)
        if r.family == FAMILY_OTHER:
            continue
        if r.family == FAMILY_NODE_CPU or r.family == FAMILY_NODE_MEMORY or r.family == FAMILY_NODE_SWAP:
            row = NODE_ROW
        elif row == ROW_NONE:
            # A container may have an empty name, but not none.
            if labels.container.ptr == NULL or labels.pod.len == 0 or labels.namespace.len == 0:
                rows.note_bad(offset_of(e, start))
                continue
            # Swap alone makes nobody a container that has metrics.
            row = find_row(r, rows, &labels, text, r.family != FAMILY_CONTAINER_SWAP)
            if row == ROW_NONE and r.no_memory:
                return
            if row == ROW_NONE:
                continue
            r.expected = row + 1
        if not keep_sample(r, &rows.row[row], r.family, &sample):
            rows.note_bad(offset_of(e, start))


cdef void drop_unsaid_node(Rows rows) noexcept nogil:
    if rows.row[NODE_ROW].present == 0:
        rows.n_rows = rows.n_rows - 1
        memmove(&rows.row[NODE_ROW], &rows.row[FIRST_CONTAINER], rows.n_rows * sizeof(row_t))


def parse_resource(body not None, Rows rows not None, int64_t requested_ns=TIME_ZERO_NS, bint wants_swap=False):
    """Reads a kubelet's resource metrics into `rows`, in place of what they held.

    `body` is bytes, or anything else with a contiguous buffer; `rows` keeps it and borrows its text until the next
    parse or `rows.clear()`. Nobody may write to it until then. `requested_ns` (Unix ns, just before the request was
    sent) is the time of samples that state none, as simulated and old kubelets answer; without it they have none.
    `wants_swap`: read swap in use too, of the node and of containers that have something else.

    Samples that are left out are counted in `rows.bad_values`; the value of the first stands at `rows.bad_offset`.

    Raises ParseError with line and offset at the first line that is not well-formed; `rows` are empty then.
    """
    cdef reader_t r
    cdef cursor_t body_at
    rows.reset(body, &body_at)
    r.seen = NULL
    r.table = NULL
    r.n_slots = r.cap_seen = 0
    r.expected = FIRST_CONTAINER
    r.n_passed = r.line = 0
    r.name = NULL
    r.family = FAMILY_OTHER
    r.requested_ns = requested_ns
    r.wants_swap = wants_swap
    r.no_memory = False
    with nogil:
        open_exposition(&r.text, body_at.start, rows.text_len, rows.reserve(rows.text_len))
        add_row(&r, rows, KIND_NODE)
        if not r.no_memory:
            read_lines(&r, rows)
        free(r.seen)
        free(r.table)
    if r.no_memory:
        rows.forget()
        raise MemoryError()
    if r.text.error:
        try:
            raise_error(&r.text, "resource metrics")
        finally:
            rows.forget()
    drop_unsaid_node(rows)
