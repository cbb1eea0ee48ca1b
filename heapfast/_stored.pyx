"""Reading segments into the numbering of a store (see _stored.pxd).

In      heads and details of batches, as _segment made them
Out     entities in the store's tables; one plain batch at a time
Callers _restore
Source  docs/warm-restart.md for the format
Never   trusts a byte: what is not as the format says raises, and ends the segment
"""
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from heapfast._core cimport Store
from heapfast._entities cimport owner_t, table_t
from heapfast._segment cimport COLUMN_PACKED, COLUMN_SAME, FACT_NODE, FIRST_FACT
from heapfast._text cimport text_hash
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
    N_RESOURCE_TYPES,
    SLOT_NONE,
    absent_i64,
    int64_t,
    uint8_t,
    uint16_t,
    uint32_t,
)
from heapfast._unpack cimport (
    column_reserve,
    column_samples,
    column_t,
    get_block,
    get_u8,
    get_u16,
    get_u32,
    has,
    input_t,
    open_input,
)

from heapfast.catalog.metrics import CUSTOM_PREFIX
from heapfast.errors import StoreError

cdef enum:
    MAX_SLOTS = 1 << 26        # far more than any cluster has; a larger number is no number of slots


cdef void plain_clear(plain_t* plain) noexcept nogil:
    """Empties it, and keeps the memory of its columns for the next batch."""
    cdef int kind, m
    for kind in range(N_KINDS):
        for m in range(N_COLUMNS):
            if plain.value[kind][m] != NULL:
                plain.spare[kind][m] = plain.value[kind][m]
                plain.value[kind][m] = NULL
        plain.n[kind] = 0
    plain.has_detail = False


cdef void plain_free(plain_t* plain) noexcept nogil:
    cdef int kind, m
    if plain == NULL:
        return
    plain_clear(plain)
    for kind in range(N_KINDS):
        for m in range(N_COLUMNS):
            free(plain.spare[kind][m])
    free(plain)


cdef int64_t* plain_column(plain_t* plain, int kind, int m) noexcept nogil:
    """A column of n[kind] values, made and all absent if the batch did not have it; NULL: no memory."""
    cdef int64_t* column = plain.value[kind][m]
    cdef uint32_t i
    if column != NULL:
        return column
    column = plain.spare[kind][m]
    if column == NULL or plain.cap[kind][m] < plain.n[kind]:
        free(column)
        plain.spare[kind][m] = NULL
        plain.cap[kind][m] = plain.n[kind] + plain.n[kind] // 8 + 64
        column = <int64_t*>malloc(<size_t>plain.cap[kind][m] * 8)
        if column == NULL:
            plain.cap[kind][m] = 0
            return NULL
    for i in range(plain.n[kind]):
        column[i] = absent_i64()
    plain.spare[kind][m] = NULL
    plain.value[kind][m] = column
    return column


cdef class StoredReader:
    """The part of a Restoring that reads."""

    def __cinit__(self, Store store not None, *_):
        self.store = store
        self.current = <plain_t*>calloc(1, sizeof(plain_t))
        if self.current == NULL:
            raise MemoryError
        self.begin_segment()

    def __dealloc__(self):
        cdef int kind, m
        for kind in range(N_KINDS):
            for m in range(N_COLUMNS):
                free(self.column[kind][m].value)
            free(self.slot[kind])
        plain_free(self.current)
        free(self.uid)

    def begin_segment(self):
        """Forgets names and columns: the next batch leans on nothing."""
        cdef int kind, m
        for kind in range(N_KINDS):
            for m in range(N_COLUMNS):
                free(self.column[kind][m].value)
            self.n[kind] = 0
        memset(self.column, 0, sizeof(self.column))
        self.n_metrics = 0
        self.can_detail = True
        self._map(KIND_CLUSTER, 0, 0)

    cdef int _read(
        self, int64_t timestamp_ns, const uint8_t[::1] head, const uint8_t[::1] detail, bint keep
    ) except -1:
        """Reads a record, and fills `current` with it if it is to be kept."""
        cdef input_t c
        self.record += 1
        plain_clear(self.current)
        self.current.timestamp_ns = timestamp_ns
        open_input(&c, head)
        try:
            self._take_head(&c)
            if <int64_t>timestamp_of(head) != timestamp_ns:
                raise StoreError(f"a head of another batch, stamped {timestamp_of(head)}")
            self._take_columns(&c, False)
        except StoreError as error:
            raise StoreError(f"{error}, at byte {c.at - c.start} of the head") from None
        if detail is None:
            self.can_detail = False
        elif not self.can_detail:
            raise StoreError("BUG: a detail of a segment where one was left out")
        else:
            open_input(&c, detail)
            try:
                self._take_columns(&c, True)
            except StoreError as error:
                raise StoreError(f"{error}, at byte {c.at - c.start} of the detail") from None
            self.detailed += 1
        if keep:
            self._fill(False)
            if detail is not None:
                self._fill(True)
                self.current.has_detail = True
        return 0

    # -- heads ---------------------------------------------------------------------------------------

    cdef int _take_head(self, input_t* c) except -1:
        if not has(c, 8):
            raise StoreError("cut off before its stamp")
        c.at += 8
        self._take_metrics(c)
        self._take_entities(c)
        return 0

    cdef int _take_metrics(self, input_t* c) except -1:
        cdef uint32_t count, _
        cdef uint16_t length
        cdef uint8_t is_float
        cdef bytes name
        if not has(c, 4):
            raise StoreError("cut off before the names of metrics")
        count = get_u32(c)
        if count > <uint32_t>(N_METRICS - self.n_metrics):
            raise StoreError(f"{count} more metrics than {self.n_metrics}: want {N_METRICS} at the most")
        for _ in range(count):
            if not has(c, 4):
                raise StoreError("cut off in the names of metrics")
            is_float = get_u8(c)
            c.at += 1
            length = get_u16(c)
            if not has(c, length):
                raise StoreError("cut off in the name of a metric")
            name = (<const char*>c.at)[:length]
            c.at += length
            self.metric[self.n_metrics] = self._metric(name, is_float)
            self.n_metrics += 1
        return 0

    cdef int _metric(self, bytes name, bint is_float) except -2:
        """The store's column of a metric; -1 for one that it has no room for, or has in another type."""
        cdef bytes prefix = CUSTOM_PREFIX.encode()
        cdef int found
        if name.startswith(prefix):
            own = name[len(prefix):]
            found = self.store.metrics.custom_id(own, <uint32_t>len(own), is_float)
            if found >= 0 and self.store.metrics.names[found] in self.store.long_custom:
                self.store.ring.is_long[found] = 1
            return found
        known = self.store.metrics.ids.get(name.decode("utf-8", "replace"), -1)
        return known if known >= 0 and bool(self.store.metrics.is_float[known]) == is_float else -1

    cdef int _take_entities(self, input_t* c) except -1:
        cdef uint32_t count, slot, parent, _
        cdef uint16_t name_len, text_len
        cdef uint8_t kind, owner, type_, has_text
        if not has(c, 4):
            raise StoreError("cut off before the names of entities")
        count = get_u32(c)
        for _ in range(count):
            if not has(c, 16):
                raise StoreError("cut off in the names of entities")
            kind = get_u8(c)
            owner = get_u8(c)
            type_ = get_u8(c)
            has_text = get_u8(c)
            slot = get_u32(c)
            parent = get_u32(c)
            name_len = get_u16(c)
            text_len = get_u16(c)
            if not has(c, <size_t>name_len + text_len):
                raise StoreError("cut off in the name of an entity")
            if not KIND_NAMESPACE <= kind < N_KINDS or type_ >= N_RESOURCE_TYPES or slot >= MAX_SLOTS:
                raise StoreError(f"no entity has kind {kind}, type {type_} and slot {slot}")
            self._declare(
                kind, owner, type_, slot, parent, <const char*>c.at, name_len,
                <const char*>c.at + name_len if has_text else NULL, text_len,
            )
            c.at += name_len + text_len
        return 0

    cdef int _declare(
        self, int kind, int owner_kind, int type_, uint32_t slot, uint32_t parent,
        const char* name, uint32_t name_len, const char* text, uint32_t text_len,
    ) except -1:
        """Gives an entity a slot of the store, by its name; one whose parent is not known gets none."""
        cdef owner_t owner
        cdef int expected = parent_kind(kind)
        cdef uint32_t found
        cdef table_t* t
        owner.slot = SLOT_NONE
        owner.kind = 0
        owner.type = 0
        if kind == KIND_RESOURCE:
            if not KIND_NODE <= owner_kind <= KIND_SYS_CONTAINER:
                raise StoreError(f"no resource is a part of kind {owner_kind}")
            owner.kind = <uint8_t>owner_kind
            owner.type = <uint8_t>type_
            expected = owner_kind
        if expected >= 0:
            owner.slot = self.slot[expected][parent] if parent < self.n[expected] else SLOT_NONE
            if owner.slot == SLOT_NONE:
                return self._map(kind, slot, SLOT_NONE)
        found = self.store.entities.find_or_add(kind, owner, name, name_len)
        self._map(kind, slot, found)
        t = &self.store.entities.table[kind]
        if kind == KIND_POD:
            if text != NULL:
                self.store.entities.set_text(&t.uid[found], text, text_len, False)
            else:
                self.store.entities.drop_text(&t.uid[found])
            self._note_uid(found, text_hash(text, text_len) | 1 if text != NULL and text_len else 0)
        elif kind == KIND_POD_CONTAINER:
            if text != NULL:
                self.store.entities.set_rare_text(t, &t.own_image, found, text, text_len, True)
            else:
                self.store.entities.drop_rare_text(t.own_image, found)
        return 0

    cdef int _map(self, int kind, uint32_t slot, uint32_t found) except -1:
        """Notes which slot of the store one of the segment is."""
        cdef uint32_t* bigger
        cdef uint32_t cap, i
        if slot >= self.cap_slot[kind]:
            cap = slot + slot // 4 + 64
            bigger = <uint32_t*>realloc(self.slot[kind], <size_t>cap * 4)
            if bigger == NULL:
                raise MemoryError
            self.slot[kind] = bigger
            self.cap_slot[kind] = cap
        for i in range(self.n[kind], slot):
            self.slot[kind][i] = SLOT_NONE
        self.slot[kind][slot] = found
        if slot >= self.n[kind]:
            self.n[kind] = slot + 1
        return 0

    cdef int _note_uid(self, uint32_t pod, uint32_t hashed) except -1:
        cdef uint32_t* bigger
        cdef uint32_t cap
        if pod >= self.cap_uid:
            cap = pod + pod // 4 + 64
            bigger = <uint32_t*>realloc(self.uid, <size_t>cap * 4)
            if bigger == NULL:
                raise MemoryError
            memset(bigger + self.cap_uid, 0, <size_t>(cap - self.cap_uid) * 4)
            self.uid = bigger
            self.cap_uid = cap
        self.uid[pod] = hashed
        return 0

    # -- columns ---------------------------------------------------------------------------------------

    cdef int _take_columns(self, input_t* c, bint is_detail) except -1:
        """Every column of a part; those that the batch before had and this one has not are absent from now on."""
        cdef uint8_t kind, form
        cdef uint16_t id_
        cdef uint32_t n, start, i
        cdef column_t* column
        cdef int k, m, failed
        while c.at < c.end:
            if not has(c, 8):
                raise StoreError("cut off before a column")
            kind = get_u8(c)
            form = get_u8(c)
            id_ = get_u16(c)
            n = get_u32(c)
            m = N_METRICS + id_ - FIRST_FACT if id_ >= FIRST_FACT else id_
            if kind >= N_KINDS or form > COLUMN_PACKED or n > MAX_SLOTS:
                raise StoreError(f"no column has kind {kind}, form {form} and {n} slots")
            if m >= N_COLUMNS or (m < N_METRICS and m >= self.n_metrics):
                raise StoreError(f"no column is numbered {id_}")
            column = &self.column[kind][m]
            if column.record == self.record or (column.value != NULL and column.is_detail != <uint8_t>is_detail):
                raise StoreError(f"column {id_} of kind {kind} came already")
            if form == COLUMN_SAME and (column.value == NULL or column.record != self.record - 1):
                raise StoreError(f"column {id_} of kind {kind} as in the batch before, which had none")
            # A claim of slots costs no more memory than the bytes behind it can stand for.
            if form == COLUMN_PACKED and not has(c, (n + 63) // 64):
                raise StoreError("cut off in a column")
            if column_reserve(column, n):
                raise MemoryError
            column.record = self.record
            column.is_detail = is_detail
            if form == COLUMN_SAME:
                continue
            failed = 0
            with nogil:
                for start in range(0, n, 64):
                    if get_block(c, column.value + start, min(n - start, 64)):
                        failed = 1
                        break
                if not failed:
                    for i in range(n, column.cap):
                        column.value[i] = absent_i64()
            if failed:
                raise StoreError(f"column {id_} of kind {kind} is cut off, or no column")
        with nogil:
            for k in range(N_KINDS):
                for m in range(N_COLUMNS):
                    column = &self.column[k][m]
                    if column.is_detail == <uint8_t>is_detail and column.record != self.record:
                        free(column.value)
                        column.value = NULL
                        column.cap = 0
        return 0

    cdef int _fill(self, bint is_detail) except -1:
        """Brings the columns of a part into the store's numbering."""
        cdef int kind, m, failed = 0
        cdef column_t* column
        for kind in range(N_KINDS):
            self.current.n[kind] = self.store.entities.table[kind].n
        with nogil:
            for kind in range(N_KINDS):
                for m in range(N_COLUMNS):
                    column = &self.column[kind][m]
                    if column.record == self.record and column.is_detail == <uint8_t>is_detail:
                        failed |= self._scatter(kind, m)
        if failed:
            raise MemoryError
        return 0

    cdef int _scatter(self, int kind, int id_) noexcept nogil:
        cdef column_t* column = &self.column[kind][id_]
        cdef int m = id_ if id_ >= N_METRICS else self.metric[id_]
        cdef const uint32_t* slot = self.slot[kind]
        cdef uint32_t n = min(column.cap, self.n[kind])
        cdef uint32_t i
        cdef int64_t value
        cdef int64_t* out
        if m < 0:
            return 0
        out = plain_column(self.current, kind, m)
        if out == NULL:
            return -1
        for i in range(n):
            value = column.value[i]
            if value == absent_i64() or slot[i] == SLOT_NONE:
                continue
            if m == N_METRICS + FACT_NODE:
                if not 0 <= value < self.n[KIND_NODE] or self.slot[KIND_NODE][value] == SLOT_NONE:
                    continue
                value = self.slot[KIND_NODE][value]
            out[slot[i]] = value
        if m < N_METRICS:
            self.samples = self.samples + column_samples(column.value, n)
        return 0


cdef int64_t timestamp_of(const uint8_t[::1] head) noexcept:
    cdef int64_t stamp
    memcpy(&stamp, &head[0], 8)
    return stamp


cdef inline int parent_kind(int kind) noexcept nogil:
    if kind == KIND_POD:
        return KIND_NAMESPACE
    if kind == KIND_POD_CONTAINER:
        return KIND_POD
    return KIND_NODE if kind == KIND_SYS_CONTAINER else -1
