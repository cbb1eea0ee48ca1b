"""A closed batch as rows: one an entity or resource, in order of names, in Arrow's layout.

In      a closed batch
Out     RowGroup: buffers as bytes, to be wrapped without another copy
Callers history/table.py
Source  docs/history.md for the columns; Arrow's columnar format for validity, offsets and values
Never   holds the GIL while it reads the batch, or knows Parquet

Rows come in groups: one for each kind of entity, then one for the resources of each kind. Sorted by name, they compress
well, and whoever looks for one name reads a small part of a file.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset, strlen

from heapfast._batch cimport ENTITY_NO_NODENAME, Batch, accelerator_t, frame_t, split_accelerator
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

# The texts of a row. The first ones are its place in the order, NULL first.
cdef enum:
    TEXT_NAMESPACE = 0
    TEXT_POD = 1
    TEXT_CONTAINER = 2
    TEXT_NODE = 3
    TEXT_RESOURCE = 4
    N_SORTED = 5
    TEXT_POD_ID = 5
    N_TEXTS = 6

# Which part of a resource's name a column has: "make NUL model NUL id" of an accelerator, or the id itself.
cdef enum:
    PART_ALL = 0
    PART_MAKE = 1
    PART_MODEL = 2
    PART_ID = 3

cdef struct row_t:
    text_t* text[N_TEXTS]      # the batch's own; NULL = null
    uint32_t slot
    uint8_t type               # RESOURCE_*, of resources


cdef int compare_rows(const void* a, const void* b) noexcept nogil:
    cdef const row_t* one = <const row_t*>a
    cdef const row_t* other = <const row_t*>b
    cdef int i, order
    for i in range(N_SORTED):
        order = text_compare(one.text[i], other.text[i])
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
    """Rows of one kind, or of the resources of one kind.

    Attributes:
        n: how many.
    """
    cdef:
        readonly Py_ssize_t n
        Batch batch
        int kind                   # whose columns are read: the kind's own, or KIND_RESOURCE
        row_t* rows                # owned

    def __cinit__(self, Batch batch not None, int kind, int owner_kind=-1):
        """Collects and sorts.

        Args:
            kind: KIND_RESOURCE for the resources of owner_kind.
        """
        cdef frame_t* f
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
        f = &batch.frame[kind]
        self.rows = rows = <row_t*>malloc((f.n + 1) * sizeof(row_t))
        if rows == NULL:
            raise MemoryError
        with nogil:
            for slot in range(f.n):
                if not f.present[slot] or (kind == KIND_RESOURCE and f.parent_kind[slot] != owner_kind):
                    continue
                row = &rows[n]
                memset(row, 0, sizeof(row_t))
                row.slot = slot
                if kind == KIND_RESOURCE:
                    fill_entity(frames, owner_kind, f.parent[slot], row)
                    row.text[TEXT_RESOURCE] = f.name[slot]
                    row.type = f.type[slot]
                else:
                    fill_entity(frames, kind, slot, row)
                n += 1
            qsort(rows, n, sizeof(row_t), compare_rows)
        self.n = n

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
        is_accelerator = row.type == RESOURCE_ACCELERATOR
        if part == PART_ALL:
            is_volume[0] = row.type == RESOURCE_VOLUME
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
        """Metric ids of the columns that this kind has in the batch, ascending."""
        cdef int m
        return [m for m in range(N_METRICS) if self.batch.frame[self.kind].column[m] != NULL]

    def name(self, int metric):
        """A metric's name; and whether its values are floats."""
        return self.batch.metrics.names[metric], bool(self.batch.metrics.is_float[metric])

    def values(self, int metric):
        """One column of numbers: (validity or None, values), None when all are null."""
        cdef const int64_t* column = self.batch.frame[self.kind].column[metric]
        cdef Py_ssize_t i, n_valid = 0
        if column == NULL or self.n == 0:
            return None
        cdef bytes validity = PyBytes_FromStringAndSize(NULL, (self.n + 7) // 8)
        cdef bytes values = PyBytes_FromStringAndSize(NULL, self.n * sizeof(int64_t))
        cdef uint8_t* bits = <uint8_t*>PyBytes_AS_STRING(validity)
        cdef int64_t* out = <int64_t*>PyBytes_AS_STRING(values)
        cdef int64_t value
        with nogil:
            memset(bits, 0, (self.n + 7) // 8)
            for i in range(self.n):
                value = column[self.rows[i].slot]
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
