"""Memory of Rows, one row per key, and Rows as Python sees them.

In      calls of a parser, then of whoever reads the rows
Out     see _rows.pxd
Callers the parsers of this folder; scrape/sources own them, _core and _latest read; tests and `heapfast parse` take
        to_dicts
Source  spec/heapster-pipeline.md 3.5 and 3.6 (which entry wins when a key comes twice)
Never   shrinks: a Rows that is used for one target after another stops allocating

Fields are counted up in full (`n = n + 1`): under nonecheck, in debug builds, Cython refuses `n += 1` without the GIL.
"""
import os

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset, strlen

from heapfast._types cimport (
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_SYS_CONTAINER,
    N_STANDARD,
    RESOURCE_ACCELERATOR,
    RESOURCE_DISK,
    int64_t,
    span_t,
    time_zero,
    uint8_t,
    uint32_t,
    uint64_t,
)
from heapfast.wire._cursor cimport CURSOR_MEMORY, CURSOR_OK, CURSOR_TOKEN, cursor_message, cursor_t, fail, peek_token
from heapfast.wire._unique cimport hash_name, replaces, same_names, same_span

from heapfast.catalog.metrics import CATALOG
from heapfast.errors import ParseError

cdef extern from *:
    """
    #ifdef HEAPFAST_DEBUG
    #define HEAPFAST_IS_DEBUG 1
    #else
    #define HEAPFAST_IS_DEBUG 0
    #endif
    """
    bint IS_DEBUG "HEAPFAST_IS_DEBUG"

cdef enum:
    BODY_MAX = 1 << 30         # bytes of a body; spans count in 32 bits
    FIRST_ROWS = 64
    ARENA_EXTRA = 64           # the arena's own text: "/" and "logs"

# So that nobody can choose names that all meet in one place of the table.
cdef uint64_t HASH_SEED = int.from_bytes(os.urandom(8), "little")

KIND_NAMES = {KIND_NODE: "node", KIND_POD: "pod", KIND_POD_CONTAINER: "pod_container",
              KIND_SYS_CONTAINER: "sys_container"}
RESOURCE_TYPES = ("filesystem", "volume", "disk", "accelerator")
CUSTOM_TYPES = ("cumulative", "gauge", "delta")
FILESYSTEM_VALUES = ("usage", "limit", "available", "inodes", "inodes_free")
DISK_VALUES = ("read_bytes", "write_bytes")
ACCELERATOR_VALUES = ("memory_total", "memory_used", "duty_cycle")


cdef bint grow(void** array, uint32_t* cap, size_t size) noexcept nogil:
    cdef uint32_t wanted = 2 * cap[0] if cap[0] else FIRST_ROWS
    cdef void* moved = realloc(array[0], wanted * size)
    if moved == NULL:
        return False
    array[0] = moved
    cap[0] = wanted
    return True


cdef object text_of(span_t span):
    return span.ptr[:span.len].decode("utf-8") if span.len else ""


cdef object time_of(int64_t time_ns):
    return None if time_ns == time_zero() else time_ns


cdef class Rows:
    """The rows of one answer.

    Filled by parse_summary or parse_cadvisor, which throw away what was there before. They borrow text from the body,
    so they keep it: until the next parse or clear() a bytearray cannot be resized, and whoever owns a writable
    buffer must not write to it.
    """

    def __cinit__(self):
        self.bad_offset = -1

    def __dealloc__(self):
        free(self.row)
        free(self.resource)
        free(self.custom)
        free(self.arena)
        free(self.table)

    cdef void forget(self) noexcept:
        self.n_rows = self.n_resources = self.n_customs = 0
        self.bad_values = 0
        self.bad_offset = -1
        self.arena_used = 0
        self.text = NULL
        self.text_len = 0
        self.body = None

    cdef int reset(self, object body, cursor_t* c) except -1:
        cdef Py_buffer buffer
        cdef size_t wanted
        self.forget()
        # A memoryview holds the buffer for as long as we hold the memoryview.
        view = body if type(body) is bytes else memoryview(body)
        PyObject_GetBuffer(view, &buffer, PyBUF_SIMPLE)
        self.text = <const char*> buffer.buf
        self.text_len = <size_t> buffer.len
        self.body = view
        PyBuffer_Release(&buffer)
        if self.text_len > BODY_MAX:
            self.forget()
            raise ParseError("body", f"got {buffer.len} bytes, want at most {BODY_MAX}", BODY_MAX)
        # Text in the arena is at most three times as long as it stands in the body (_text.pxd).
        wanted = 3 * self.text_len + ARENA_EXTRA
        if wanted > self.arena_cap:
            free(self.arena)
            self.arena_cap = 0
            self.arena = <char*> malloc(wanted)
            if self.arena == NULL:
                raise MemoryError()
            self.arena_cap = wanted
        self.copy_text("/", &self.root)
        self.copy_text("logs", &self.logs)
        c.start = c.at = self.text
        c.end = self.text + self.text_len
        c.error = CURSOR_OK
        c.error_at = NULL
        return 0

    cdef int finish(self, cursor_t* c, str what) except -1:
        cdef int error
        if c.error == CURSOR_OK:
            peek_token(c)
            if c.at != c.end:
                fail(c, CURSOR_TOKEN)
            elif not self.keep_unique():
                fail(c, CURSOR_MEMORY)
        error = c.error
        if error == CURSOR_OK:
            if IS_DEBUG:
                self.check()
            return 0
        offset = c.error_at - c.start
        self.forget()
        if error == CURSOR_MEMORY:
            raise MemoryError()
        raise ParseError(what, cursor_message(error).decode("ascii"), offset)

    cdef row_t* add_row(self, int kind) noexcept nogil:
        cdef row_t* row
        if self.n_rows == self.cap_rows and not grow(<void**> &self.row, &self.cap_rows, sizeof(row_t)):
            return NULL
        row = &self.row[self.n_rows]
        self.n_rows = self.n_rows + 1
        memset(row, 0, sizeof(row_t))
        row.kind = <uint8_t> kind
        row.start_ns = time_zero()
        row.sample_ns = time_zero()
        row.resource_start = self.n_resources
        row.custom_start = self.n_customs
        return row

    cdef resource_row_t* add_resource(self, int type) noexcept nogil:
        cdef resource_row_t* resource
        if self.n_resources == self.cap_resources and not grow(
                <void**> &self.resource, &self.cap_resources, sizeof(resource_row_t)):
            return NULL
        resource = &self.resource[self.n_resources]
        self.n_resources = self.n_resources + 1
        memset(resource, 0, sizeof(resource_row_t))
        resource.type = <uint8_t> type
        return resource

    cdef custom_row_t* add_custom(self) noexcept nogil:
        cdef custom_row_t* custom
        if self.n_customs == self.cap_customs and not grow(
                <void**> &self.custom, &self.cap_customs, sizeof(custom_row_t)):
            return NULL
        custom = &self.custom[self.n_customs]
        self.n_customs = self.n_customs + 1
        memset(custom, 0, sizeof(custom_row_t))
        return custom

    cdef char* reserve(self, size_t size) noexcept nogil:
        cdef char* space = self.arena + self.arena_used
        if size > self.arena_cap - self.arena_used:
            return NULL
        self.arena_used = self.arena_used + size
        return space

    cdef bint copy_text(self, const char* text, span_t* out) noexcept nogil:
        cdef size_t size = strlen(text)
        cdef char* space = self.reserve(size)
        if space == NULL:
            return False
        memcpy(space, text, size)
        out.ptr = space
        out.len = <uint32_t> size
        return True

    cdef void note_bad(self, int64_t offset) noexcept nogil:
        if self.bad_values == 0:
            self.bad_offset = offset
        self.bad_values = self.bad_values + 1

    cdef bint keep_unique(self) noexcept nogil:
        """Leaves one row per kind and names, in their order.

        A pod or node replaces its namesake before it. A container does unless it started earlier, or started at the
        same time and was sampled earlier. (Heapster takes the later entry whatever its sample time; kubelets of 1.15
        list every container twice in random order, and counters would run backwards: design.md section 4.) Containers
        of two entries of one pod are joined, as in Heapster.
        """
        cdef:
            uint32_t slots = 64
            uint32_t i, at, other
            uint32_t kept = 0
            uint64_t owner_hash = 0
            row_t* row
            row_t* owner = NULL
        while slots < 2 * self.n_rows:
            slots *= 2
        if slots > self.cap_table:
            free(self.table)
            self.cap_table = 0
            self.table = <uint32_t*> malloc(slots * sizeof(uint32_t))
            if self.table == NULL:
                return False
            self.cap_table = slots
        memset(self.table, 0, slots * sizeof(uint32_t))

        for i in range(self.n_rows):
            row = &self.row[i]
            if row.kind == ROW_DROPPED:
                continue
            # Rows of one pod are neighbours and share the text of its names: hash that once.
            if owner == NULL or not (same_span(row.pod, owner.pod) and same_span(row.namespace, owner.namespace)):
                owner = row
                owner_hash = hash_name(hash_name(HASH_SEED, row.namespace), row.pod)
            at = <uint32_t> hash_name(owner_hash + row.kind, row.name) & (slots - 1)
            while self.table[at] and not same_names(row, &self.row[self.table[at] - 1]):
                at = (at + 1) & (slots - 1)
            other = self.table[at]
            if other == 0:
                self.table[at] = i + 1
            elif replaces(row, &self.row[other - 1]):
                self.row[other - 1].kind = ROW_DROPPED
                self.table[at] = i + 1
            else:
                row.kind = ROW_DROPPED

        for i in range(self.n_rows):
            if self.row[i].kind != ROW_DROPPED:
                if kept != i:
                    self.row[kept] = self.row[i]
                kept += 1
        self.n_rows = kept
        return True

    def clear(self):
        """Lets go of the body; there are no rows then."""
        self.forget()

    def __len__(self):
        return self.n_rows

    def to_dicts(self):
        """The rows as plain data: for tests, and for people."""
        return [self.row_dict(&self.row[i]) for i in range(self.n_rows)]

    cdef dict row_dict(self, const row_t* row):
        out = {"kind": KIND_NAMES[row.kind], "name": text_of(row.name)}
        if row.kind == KIND_POD or row.kind == KIND_POD_CONTAINER:
            out["namespace"] = text_of(row.namespace)
            if row.kind == KIND_POD_CONTAINER:
                out["pod"] = text_of(row.pod)
            out["uid"] = text_of(row.uid)
        if row.has_image:
            out["image"] = text_of(row.image)
        if row.has_swap:
            out["swap"] = row.swap_bytes
        out["start_ns"] = time_of(row.start_ns)
        out["sample_ns"] = time_of(row.sample_ns)
        out["metrics"] = {CATALOG[m].name: row.value[m] for m in range(N_STANDARD) if row.present >> m & 1}
        out["resources"] = [
            resource_dict(&self.resource[i])
            for i in range(row.resource_start, row.resource_start + row.resource_count)
        ]
        out["custom"] = [
            custom_dict(&self.custom[i]) for i in range(row.custom_start, row.custom_start + row.custom_count)
        ]
        return out

    def check(self):
        """Raises AssertionError when a row points outside the body and the arena, or has no right to be there."""
        cdef uint32_t i, j
        cdef row_t* row
        if self.n_rows > self.cap_rows or self.n_resources > self.cap_resources or self.n_customs > self.cap_customs:
            raise AssertionError("BUG: more rows than room")
        for i in range(self.n_rows):
            row = &self.row[i]
            if row.kind not in KIND_NAMES:
                raise AssertionError(f"BUG: row {i} has kind {row.kind}")
            self.check_span(row.name)
            self.check_span(row.namespace)
            self.check_span(row.pod)
            self.check_span(row.uid)
            self.check_span(row.image)
            if <uint64_t> row.resource_start + row.resource_count > self.n_resources:
                raise AssertionError(f"BUG: row {i} has resources beyond {self.n_resources}")
            if <uint64_t> row.custom_start + row.custom_count > self.n_customs:
                raise AssertionError(f"BUG: row {i} has custom metrics beyond {self.n_customs}")
            for j in range(row.resource_start, row.resource_start + row.resource_count):
                self.check_span(self.resource[j].id)
                self.check_span(self.resource[j].make)
                self.check_span(self.resource[j].model)
            for j in range(row.custom_start, row.custom_start + row.custom_count):
                self.check_span(self.custom[j].name)

    cdef int check_span(self, span_t span) except -1:
        if span.len == 0 or inside(span, self.text, self.text_len) or inside(span, self.arena, self.arena_used):
            return 0
        raise AssertionError(f"BUG: {span.len} bytes of text are neither in the body nor in the arena")


cdef bint inside(span_t span, const char* start, size_t size) noexcept:
    return start != NULL and start <= span.ptr and span.ptr + span.len <= start + size


cdef dict resource_dict(const resource_row_t* resource):
    out = {"type": RESOURCE_TYPES[resource.type], "id": text_of(resource.id)}
    names = FILESYSTEM_VALUES
    if resource.type == RESOURCE_DISK:
        names = DISK_VALUES
    elif resource.type == RESOURCE_ACCELERATOR:
        names = ACCELERATOR_VALUES
        out["make"] = text_of(resource.make)
        out["model"] = text_of(resource.model)
    for i, name in enumerate(names):
        if resource.present >> i & 1:
            out[name] = resource.value[i]
    return out


cdef dict custom_dict(const custom_row_t* custom):
    value = custom.f64 if custom.is_float else custom.i64
    return {"name": text_of(custom.name), "type": CUSTOM_TYPES[custom.type], "value": value}
