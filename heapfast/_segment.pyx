"""Closed batches as bytes (see _segment.pxd).

In      closed batches, one after the other
Out     head and detail of each, for store/segments.py to write
Callers store/segments.py, in a thread of its own
Source  docs/warm-restart.md for the format; store/naive/segments.py reads it the slow way
Never   touches what is the loop's: a batch has its names with it
"""
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from heapfast._batch cimport Batch
from heapfast._frame cimport (
    ENTITY_SPEC,
    TIME_SAMPLE,
    TIME_SINCE,
    TIME_START,
    frame_t,
    has_column,
    samples_of,
    time_at,
    times_of,
)
from heapfast._pack cimport are_same, block_t, pack_column, packed_clear, packed_t, plain_samples, samples_t
from heapfast._text cimport text_ptr, text_t
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    N_KINDS,
    N_METRICS,
    PRESENT_NO,
    SLOT_NONE,
    absent_i64,
    int64_t,
    uint8_t,
    uint16_t,
    uint32_t,
    uint64_t,
)

from heapfast.errors import StoreError

cdef enum:
    MAX_NAME = 0xFFFF


cdef class Part:
    """Bytes that a memoryview keeps alive."""

    def __dealloc__(self):
        free(self.part.data)

    def __len__(self):
        return self.part.len

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.part.data, self.part.len, True, flags)


cdef int put(part_t* part, const void* source, size_t n) noexcept nogil:
    cdef size_t cap
    cdef char* bigger
    if part.cap - part.len < n or part.data == NULL:
        cap = part.cap + part.cap // 2 + 4096
        if cap < part.len + n:
            cap = part.len + n
        bigger = <char*>realloc(part.data, cap)
        if bigger == NULL:
            return -1
        part.data = bigger
        part.cap = cap
    if n:
        memcpy(part.data + part.len, source, n)
        part.len += n
    return 0


cdef inline int put_u8(part_t* part, uint8_t number) noexcept nogil:
    return put(part, &number, 1)


cdef inline int put_u16(part_t* part, uint16_t number) noexcept nogil:
    return put(part, &number, 2)


cdef inline int put_u32(part_t* part, uint32_t number) noexcept nogil:
    return put(part, &number, 4)


# -- columns ---------------------------------------------------------------------------------


cdef int put_block(part_t* part, const block_t* b, const uint64_t* bits, uint64_t full) noexcept nogil:
    cdef uint8_t form = 0
    if b.mask == 0:
        return put_u8(part, BLOCK_EMPTY)
    if b.mask != full:
        form |= BLOCK_MASK
    if b.base != 0:
        form |= BLOCK_BASE
    if b.width:
        form |= BLOCK_BITS
    if b.relative:
        form |= BLOCK_RELATIVE
    if put_u8(part, form):
        return -1
    if form & BLOCK_MASK and put(part, &b.mask, 8):
        return -1
    if form & BLOCK_BASE and put(part, &b.base, 8):
        return -1
    if form & BLOCK_BITS:
        if put_u8(part, b.width) or put_u8(part, b.shift):
            return -1
        return put(part, bits + b.offset, <size_t>b.width * 8)
    return 0


cdef int put_column(
    part_t* part, int kind, int id_, samples_t value, samples_t former
) noexcept nogil:
    """One column, against the same one of the batch before."""
    cdef packed_t packed
    cdef uint32_t i
    cdef uint32_t n_blocks = (value.n + 63) // 64
    cdef bint is_same = are_same(value, former)
    cdef int failed = 0
    if (
        put_u8(part, <uint8_t>kind)
        or put_u8(part, COLUMN_SAME if is_same else COLUMN_PACKED)
        or put_u16(part, <uint16_t>id_)
        or put_u32(part, value.n)
    ):
        return -1
    if is_same:
        return 0
    if pack_column(value, former, &packed):
        return -1
    for i in range(n_blocks):
        failed |= put_block(part, &packed.block[i], packed.bits, full_mask(value.n, i))
    packed_clear(&packed)
    return failed


cdef inline uint64_t full_mask(uint32_t n, uint32_t block) noexcept nogil:
    """The slots that a block has at all."""
    cdef uint32_t left = n - block * 64
    return ~<uint64_t>0 if left >= 64 else (<uint64_t>1 << left) - 1


# -- facts: columns that a batch holds in other shapes -----------------------------------------


cdef samples_t fact_times(const frame_t* f, int fact) noexcept nogil:
    """The times that a fact is; none where the frame has none, or it is no fact of time."""
    if fact == FACT_SAMPLE:
        return times_of(f, TIME_SAMPLE)
    if fact == FACT_START:
        return times_of(f, TIME_START)
    if fact == FACT_SINCE:
        return times_of(f, TIME_SINCE)
    if fact == FACT_SIDE_SAMPLE:
        return plain_samples(f.side_sample_ns, f.n)
    if fact == FACT_SIDE_START:
        return plain_samples(f.side_start_ns, f.n)
    if fact == FACT_SIDE_SINCE:
        return plain_samples(f.side_since_ns, f.n)
    if fact == FACT_SIDE_CAME:
        return plain_samples(f.side_came_ns, f.n)
    if fact == FACT_MAIN_SAMPLE:
        return plain_samples(f.main_sample_ns, f.n)
    if fact == FACT_MAIN_START:
        return plain_samples(f.main_start_ns, f.n)
    return plain_samples(NULL, 0)


cdef int64_t* copy_fact(const frame_t* f, int fact) noexcept nogil:
    """A fact as a column of int64, absent where the entity is; NULL: no memory. For a fact that the frame has."""
    cdef int64_t* column = <int64_t*>malloc((<size_t>f.n + 1) * 8)
    cdef samples_t times = fact_times(f, fact)
    cdef uint32_t i
    if column == NULL:
        return NULL
    for i in range(f.n):
        if f.present[i] == PRESENT_NO:
            column[i] = absent_i64()
        elif times.n:
            column[i] = time_at(times, i)
        elif fact == FACT_PRESENT:
            column[i] = f.present[i]
        elif fact == FACT_ORIGIN:
            column[i] = f.origin[i]
        else:
            column[i] = absent_i64() if f.node[i] == SLOT_NONE else f.node[i]
    return column


cdef bint has_fact(const frame_t* f, int fact) noexcept nogil:
    if f.n == 0:
        return False
    if fact == FACT_PRESENT:
        return True
    if fact == FACT_NODE:
        return f.node != NULL
    if fact == FACT_ORIGIN:
        return f.origin != NULL
    return fact_times(f, fact).n != 0


# -- names -------------------------------------------------------------------------------------


cdef inline int owner_kind(const frame_t* f, int kind, uint32_t slot) noexcept nogil:
    """Kind of the entity's parent; -1 for none."""
    if kind == KIND_POD:
        return KIND_NAMESPACE
    if kind == KIND_POD_CONTAINER:
        return KIND_POD
    if kind == KIND_SYS_CONTAINER:
        return KIND_NODE
    if kind == KIND_RESOURCE:
        return f.parent_kind[slot]
    return -1


cdef inline bint is_named(const frame_t* frames, int kind, uint32_t slot) noexcept nogil:
    """Whether a batch can tell who has this slot: it and its parent have names that fit."""
    cdef const frame_t* f = &frames[kind]
    cdef const frame_t* owner
    cdef int k
    if slot >= f.n or f.name == NULL or f.name[slot] == NULL or f.name[slot].len > MAX_NAME:
        return False
    k = owner_kind(f, kind, slot)
    if k <= KIND_CLUSTER:
        return k < 0
    owner = &frames[k]
    return f.parent[slot] < owner.n and owner.name != NULL and owner.name[f.parent[slot]] != NULL


cdef inline const text_t* second_text(const frame_t* f, int kind, uint32_t slot) noexcept nogil:
    """What is written beside the name: UID of a pod; image of a container, if no pod's spec will say it again."""
    cdef const text_t* text = NULL
    if kind == KIND_POD:
        text = f.uid[slot]
    elif kind == KIND_POD_CONTAINER and not f.flags[slot] & ENTITY_SPEC:
        text = f.image[slot]
    return text if text != NULL and text.len <= MAX_NAME else NULL


cdef inline bint is_renamed(const frame_t* f, const frame_t* old, int kind, uint32_t slot) noexcept nogil:
    """Whether a slot has another owner than in the batch before, which knew it too. Texts never change in place."""
    if f.name[slot] != old.name[slot] or f.parent[slot] != old.parent[slot]:
        return True
    if kind == KIND_RESOURCE:
        return f.parent_kind[slot] != old.parent_kind[slot] or f.type[slot] != old.type[slot]
    return second_text(f, kind, slot) != second_text(old, kind, slot)


cdef int put_entity(part_t* part, const frame_t* f, int kind, uint32_t slot) noexcept nogil:
    cdef const text_t* text = second_text(f, kind, slot)
    cdef uint32_t text_len = text.len if text != NULL else 0
    cdef int owner = owner_kind(f, kind, slot)
    return (
        put_u8(part, <uint8_t>kind)
        or put_u8(part, <uint8_t>owner if owner >= 0 else 0)
        or put_u8(part, f.type[slot] if kind == KIND_RESOURCE else 0)
        or put_u8(part, text != NULL)
        or put_u32(part, slot)
        or put_u32(part, f.parent[slot] if owner >= 0 else SLOT_NONE)
        or put_u16(part, <uint16_t>f.name[slot].len)
        or put_u16(part, <uint16_t>text_len)
        or put(part, text_ptr(f.name[slot]), f.name[slot].len)
        or put(part, text_ptr(text) if text_len else NULL, text_len)
    )


cdef int put_metrics(part_t* part, list names, const uint8_t* is_float) except -1:
    """Names of metrics, numbered on from those that the segment has."""
    cdef bytes name
    cdef Py_ssize_t i
    cdef int failed = put_u32(part, <uint32_t>len(names))
    for i in range(len(names)):
        name = names[i].encode()[:MAX_NAME]
        failed |= put_u8(part, is_float[i]) | put_u8(part, 0) | put_u16(part, <uint16_t>len(name))
        failed |= put(part, <const char*>name, len(name))
    if failed:
        raise MemoryError
    return 0


# -- batches -----------------------------------------------------------------------------------


cdef class Encoder:
    """Turns batches into bytes, each against the one that was written before. For one thread at a time.

    Args:
        store: says which metrics are long.
    """

    def __cinit__(self, Store store not None):
        self.store = store

    def begin(self):
        """Begins a segment: the next batch leans on nothing."""
        self.former = None
        self.pending = None
        self.n_named = 0

    def encode(self, Batch batch not None):
        """A closed batch as (head, detail). Takes tens of milliseconds on a large cluster, without the GIL.

        Raises:
            MemoryError: nothing has changed.
        """
        cdef Part head = Part(), detail = Part()
        cdef int failed, m
        if not batch.closed:
            raise StoreError(f"BUG: encoding of batch {batch.seq}, which is not closed")
        cdef list fresh = self.store.metrics.names[self.n_named:]
        self.n_pending = self.n_named + <int>len(fresh)
        for m in range(self.n_named, self.n_pending):
            self.is_head[m] = self.store.ring.is_long[m]
        if put(&head.part, &batch.timestamp_ns, 8):
            raise MemoryError
        put_metrics(&head.part, fresh, &self.store.metrics.is_float[self.n_named])
        with nogil:
            failed = self._encode(batch, &head.part, &detail.part)
        if failed:
            raise MemoryError(f"cannot encode batch {batch.seq}: out of memory")
        self.pending = batch
        return memoryview(head), memoryview(detail)

    def accept(self):
        """The bytes that encode gave last are in the file: the next batch leans on that one."""
        self.former = self.pending
        self.pending = None
        self.n_named = self.n_pending

    cdef int _encode(self, Batch batch, part_t* head, part_t* detail) noexcept nogil:
        cdef int kind, m
        cdef frame_t* f
        cdef frame_t* old
        cdef part_t* part
        cdef samples_t former
        if self._put_entities(batch, head):
            return -1
        for kind in range(N_KINDS):
            f = &batch.frame[kind]
            old = &self.former.frame[kind] if self.former is not None else NULL
            for m in range(N_METRICS):
                if not has_column(f, m) or m >= self.n_pending:
                    continue
                part = head if self.is_head[m] else detail
                former = samples_of(old, m) if old != NULL else plain_samples(NULL, 0)
                if put_column(part, kind, m, samples_of(f, m), former):
                    return -1
        return self._put_facts(batch, detail)

    cdef int _put_entities(self, Batch batch, part_t* head) noexcept nogil:
        """Every slot whose owner the segment does not know yet; parents before children."""
        cdef int[6] order = [
            KIND_NAMESPACE, KIND_NODE, KIND_POD, KIND_POD_CONTAINER, KIND_SYS_CONTAINER, KIND_RESOURCE
        ]
        cdef size_t place = head.len
        cdef uint32_t count = 0, slot
        cdef int i, kind
        cdef frame_t* f
        if put_u32(head, 0):
            return -1
        for i in range(6):
            kind = order[i]
            f = &batch.frame[kind]
            for slot in range(f.n):
                if not is_named(batch.frame, kind, slot):
                    continue
                if (
                    self.former is not None
                    and is_named(self.former.frame, kind, slot)
                    and not is_renamed(f, &self.former.frame[kind], kind, slot)
                ):
                    continue
                if put_entity(head, f, kind, slot):
                    return -1
                count += 1
        memcpy(head.data + place, &count, 4)
        return 0

    cdef int _put_facts(self, Batch batch, part_t* detail) noexcept nogil:
        cdef int kind, fact, failed
        cdef frame_t* f
        cdef frame_t* old
        cdef int64_t* column
        cdef int64_t* before
        for kind in range(N_KINDS):
            f = &batch.frame[kind]
            old = &self.former.frame[kind] if self.former is not None else NULL
            for fact in range(N_FACTS):
                if not has_fact(f, fact):
                    continue
                column = copy_fact(f, fact)
                before = NULL
                failed = column == NULL
                if not failed and old != NULL and has_fact(old, fact):
                    before = copy_fact(old, fact)
                    failed = before == NULL
                if not failed:
                    failed = put_column(
                        detail, kind, FIRST_FACT + fact, plain_samples(column, f.n),
                        plain_samples(before, old.n if before != NULL else 0),
                    )
                free(column)
                free(before)
                if failed:
                    return -1
        return 0
