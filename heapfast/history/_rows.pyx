"""A closed batch as rows: one an entity or resource, in the order of files, in Arrow's layout.

In      a closed batch
Out     RowGroup: buffers as bytes, to be wrapped without another copy
Callers history/table.py
Source  docs/history.md for the columns; Arrow's columnar format for validity, offsets and values
Never   holds the GIL while it reads the batch, or knows Parquet

Rows come in groups: one for each kind of entity, with the resources of each before it. They are sorted as an hour is,
so that parts are merged without being sorted.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcmp, memcpy, memset, strlen

from heapfast._batch cimport Batch, accelerator_t, split_accelerator
from heapfast._frame cimport ENTITY_NO_NODENAME, frame_t, has_column, sample_of
from heapfast._text cimport text_compare, text_ptr, text_t
from heapfast._types cimport (
    KIND_CLUSTER,
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
    int32_t,
    int64_t,
    span_t,
    uint32_t,
)

# The texts of a row. The first ones are its place in the order, NULL last.
cdef enum:
    TEXT_NAMESPACE = 0
    TEXT_POD = 1
    TEXT_CONTAINER = 2
    TEXT_NODE = 3
    N_SORTED = 4
    TEXT_RESOURCE = 4
    TEXT_POD_ID = 5
    N_TEXTS = 6

# Which part of a resource's name a column has: "make NUL model NUL id" of an accelerator, or the id itself.
cdef enum:
    PART_ALL = 0
    PART_MAKE = 1
    PART_MODEL = 2
    PART_ID = 3

# What a row is, in their order.
cdef enum:
    ROW_NAMED = 0              # a resource with an id: a filesystem, volume or disk
    ROW_ACCELERATOR = 1        # whose id is null
    ROW_ENTITY = 2             # all of whose columns of resources are null

cdef struct row_t:
    text_t* text[N_TEXTS]      # the batch's own; NULL = null
    uint32_t slot
    uint8_t what               # ROW_*
    bint is_volume


cdef int compare_texts(const text_t* a, const text_t* b) noexcept nogil:
    return text_compare(a, b) if (a == NULL) == (b == NULL) else (1 if a == NULL else -1)


cdef int compare_to_volume(const text_t* id, const text_t* volume) noexcept nogil:
    """An id, and a volume's, which is its name behind a word of ours."""
    cdef const char* word = b"Volume:"
    cdef uint32_t n = <uint32_t>strlen(word), rest
    cdef int order = memcmp(id.data, word, min(id.len, n))
    if order:
        return order
    if id.len <= n:
        return -1 if id.len < n or volume.len else 0
    rest = id.len - n
    order = memcmp(text_ptr(id) + n, text_ptr(volume), min(rest, volume.len))
    return order if order else (rest > volume.len) - (rest < volume.len)


cdef int compare_resources(const row_t* one, const row_t* other) noexcept nogil:
    if one.what != other.what:
        return one.what - other.what
    # "make NUL model NUL id" is in the order of its three parts.
    if one.is_volume == other.is_volume:
        return compare_texts(one.text[TEXT_RESOURCE], other.text[TEXT_RESOURCE])
    if other.is_volume:
        return compare_to_volume(one.text[TEXT_RESOURCE], other.text[TEXT_RESOURCE])
    return -compare_to_volume(other.text[TEXT_RESOURCE], one.text[TEXT_RESOURCE])


cdef int compare_rows(const void* a, const void* b) noexcept nogil:
    cdef const row_t* one = <const row_t*>a
    cdef const row_t* other = <const row_t*>b
    cdef int i, order
    for i in range(N_SORTED):
        order = compare_texts(one.text[i], other.text[i])
        if order:
            return order
    order = compare_resources(one, other)
    if order:
        return order
    return (one.slot > other.slot) - (one.slot < other.slot)


cdef void fill_entity(const frame_t* frames, int kind, uint32_t slot, row_t* row) noexcept nogil:
    """The names of an entity, and where they come from."""
    cdef const frame_t* f = &frames[kind]
    cdef uint32_t pod = slot, node
    if kind == KIND_CLUSTER:
        return
    if kind == KIND_NAMESPACE:
        row.text[TEXT_NAMESPACE] = f.name[slot]
        return
    node = f.node[slot]
    if node != SLOT_NONE and not f.flags[slot] & ENTITY_NO_NODENAME:
        row.text[TEXT_NODE] = frames[KIND_NODE].name[node]
    if kind == KIND_SYS_CONTAINER or kind == KIND_POD_CONTAINER:
        row.text[TEXT_CONTAINER] = f.name[slot]
    if kind == KIND_POD_CONTAINER:
        pod = f.parent[slot]
    if kind == KIND_POD or kind == KIND_POD_CONTAINER:
        row.text[TEXT_POD] = frames[KIND_POD].name[pod]
        row.text[TEXT_POD_ID] = frames[KIND_POD].uid[pod]
        row.text[TEXT_NAMESPACE] = frames[KIND_NAMESPACE].name[frames[KIND_POD].parent[pod]]


cdef class RowGroup:
    """Rows of one kind and of its resources.

    Attributes:
        n: how many.
    """
    cdef:
        readonly Py_ssize_t n
        Batch batch
        int kind
        row_t* rows                # owned

    def __cinit__(self, Batch batch not None, int kind):
        """Collects and sorts."""
        cdef frame_t* f
        cdef frame_t* resources
        cdef frame_t* frames
        cdef uint32_t slot
        cdef row_t* rows
        cdef row_t* row
        cdef Py_ssize_t n = 0
        if not batch.closed:
            raise ValueError(f"BUG: batch {batch.seq} is not closed")
        self.batch = batch
        self.kind = kind
        frames = &batch.frame[0]
        f, resources = &batch.frame[kind], &batch.frame[KIND_RESOURCE]
        with nogil:
            for slot in range(f.n):
                if f.present[slot]:
                    n += 1
            for slot in range(resources.n):
                if resources.present[slot] and resources.parent_kind[slot] == kind:
                    n += 1
        self.rows = rows = <row_t*>malloc((n + 1) * sizeof(row_t))
        if rows == NULL:
            raise MemoryError
        self.n = n
        with nogil:
            n = 0
            for slot in range(f.n):
                if f.present[slot]:
                    row = &rows[n]
                    memset(row, 0, sizeof(row_t))
                    row.slot = slot
                    row.what = ROW_ENTITY
                    fill_entity(frames, kind, slot, row)
                    n += 1
            for slot in range(resources.n):
                if resources.present[slot] and resources.parent_kind[slot] == kind:
                    row = &rows[n]
                    memset(row, 0, sizeof(row_t))
                    row.slot = slot
                    row.what = ROW_ACCELERATOR if resources.type[slot] == RESOURCE_ACCELERATOR else ROW_NAMED
                    row.is_volume = resources.type[slot] == RESOURCE_VOLUME
                    fill_entity(frames, kind, resources.parent[slot], row)
                    row.text[TEXT_RESOURCE] = resources.name[slot]
                    n += 1
            qsort(rows, n, sizeof(row_t), compare_rows)

    def __dealloc__(self):
        free(self.rows)

    def text(self, int which, int part=PART_ALL):
        """One column of strings: (validity or None, offsets, data), None when all are null.

        Args:
            which: TEXT_*.
            part: of a resource's name.
        """
        cdef Py_ssize_t i, size = 0, n_valid = 0
        cdef int32_t at = 0
        cdef const char* ptr
        cdef uint32_t n
        cdef bint is_volume
        with nogil:
            for i in range(self.n):
                if self._part(i, which, part, &ptr, &n, &is_volume):
                    n_valid += 1
                    size += n + (strlen(b"Volume:") if is_volume else 0)
        if n_valid == 0:
            return None
        if size > 0x7FFFFFFF:
            raise ValueError(f"cannot export {size} bytes of names in one column: at most {0x7FFFFFFF} fit")
        cdef bytes validity = PyBytes_FromStringAndSize(NULL, (self.n + 7) // 8)
        cdef bytes offsets = PyBytes_FromStringAndSize(NULL, (self.n + 1) * sizeof(int32_t))
        cdef bytes data = PyBytes_FromStringAndSize(NULL, size)
        cdef uint8_t* bits = <uint8_t*>PyBytes_AS_STRING(validity)
        cdef int32_t* offset = <int32_t*>PyBytes_AS_STRING(offsets)
        cdef char* out = PyBytes_AS_STRING(data)
        with nogil:
            memset(bits, 0, (self.n + 7) // 8)
            for i in range(self.n):
                offset[i] = at
                if self._part(i, which, part, &ptr, &n, &is_volume):
                    bits[i >> 3] |= 1 << (i & 7)
                    if is_volume:
                        memcpy(out + at, b"Volume:", strlen(b"Volume:"))
                        at += <int32_t>strlen(b"Volume:")
                    memcpy(out + at, ptr, n)
                    at += n
            offset[self.n] = at
        return (None if n_valid == self.n else validity), offsets, data

    cdef bint _part(
        self, Py_ssize_t i, int which, int part, const char** ptr, uint32_t* n, bint* is_volume
    ) noexcept nogil:
        """Finds the text of a row; False when it is null."""
        cdef row_t* row = &self.rows[i]
        cdef text_t* text = row.text[which]
        cdef accelerator_t accelerator
        cdef span_t span
        cdef bint is_accelerator
        is_volume[0] = False
        if text == NULL:
            return False
        ptr[0] = text_ptr(text)
        n[0] = text.len
        if which != TEXT_RESOURCE:
            return True
        is_accelerator = row.what == ROW_ACCELERATOR
        if part == PART_ALL:
            is_volume[0] = row.is_volume
            return not is_accelerator
        if not is_accelerator:
            return False
        accelerator = split_accelerator(text)
        if part == PART_MAKE:
            span = accelerator.make
        elif part == PART_MODEL:
            span = accelerator.model
        else:
            span = accelerator.id
        ptr[0] = span.ptr
        n[0] = span.len
        return True

    def metrics(self):
        """Metric ids of the columns that this kind or resources have in the batch, ascending."""
        cdef int m
        cdef const frame_t* f = &self.batch.frame[self.kind]
        cdef const frame_t* resources = &self.batch.frame[KIND_RESOURCE]
        return [m for m in range(N_METRICS) if has_column(f, m) or has_column(resources, m)]

    def name(self, int metric):
        """A metric's name; and whether its values are floats."""
        return self.batch.metrics.names[metric], bool(self.batch.metrics.is_float[metric])

    def values(self, int metric):
        """One column of numbers: (validity or None, values), None when all are null."""
        cdef const frame_t* own = &self.batch.frame[self.kind]
        cdef const frame_t* resources = &self.batch.frame[KIND_RESOURCE]
        cdef Py_ssize_t i, n_valid = 0
        if not (has_column(own, metric) or has_column(resources, metric)) or self.n == 0:
            return None
        cdef bytes validity = PyBytes_FromStringAndSize(NULL, (self.n + 7) // 8)
        cdef bytes values = PyBytes_FromStringAndSize(NULL, self.n * sizeof(int64_t))
        cdef uint8_t* bits = <uint8_t*>PyBytes_AS_STRING(validity)
        cdef int64_t* out = <int64_t*>PyBytes_AS_STRING(values)
        cdef int64_t value
        with nogil:
            memset(bits, 0, (self.n + 7) // 8)
            for i in range(self.n):
                value = sample_of(own if self.rows[i].what == ROW_ENTITY else resources, metric, self.rows[i].slot)
                # What is absent has zero bits: they compress best.
                if value == absent_i64():
                    out[i] = 0
                else:
                    out[i] = value
                    bits[i >> 3] |= 1 << (i & 7)
                    n_valid += 1
        if n_valid == 0:
            return None
        return (None if n_valid == self.n else validity), values
