"""Items of metrics.k8s.io as compact JSON: objects, their metadata alone, rows of a table.

In      items of the latest view
Out     JSON, in a list with a comma before each item but the first
Callers metrics_k8s_io.py
Source  spec/metrics-k8s-io.md 3.1, 3.2 and 6
Never   indents: _indent does, from the bytes
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from libc.string cimport strlen

from heapfast._extras cimport EXTRA_SWAP, N_EXTRAS, extra_key
from heapfast._latest cimport USAGE_OK, usage_t
from heapfast._types cimport KIND_NODE, KIND_POD_CONTAINER, absent_i64, int64_t, uint32_t
from heapfast.codec._duration cimport DURATION_MAX, write_duration
from heapfast.codec._quantity cimport QUANTITY_MAX_CHARS, write_cpu_nanocores, write_memory_bytes
from heapfast.render._json cimport (
    buffer_t,
    put_char,
    put_literal,
    put_raw,
    put_text,
    put_utc_seconds,
    reserve,
)
from heapfast.render._k8s_items cimport NOTHING, WHOLE, Items, content_t, item_t, write_extra


cdef class JsonItems(Items):
    """Writes items as JSON.

    Args:
        latest, roster, now_ns: as Items.
        type_meta: the first members of every object, a comma after them; or nothing.
        content: CONTENT_*: what else an object has.
        is_row: an item is a table's row, which has the object beside its cells.
    """

    cdef:
        bytes type_meta
        const char* type_meta_ptr      # borrowed from type_meta
        Py_ssize_t type_meta_len
        bint is_row

    def __init__(self, latest, roster, int64_t now_ns, bytes type_meta not None, int content, bint is_row):
        self.type_meta = type_meta
        self.type_meta_ptr = PyBytes_AS_STRING(type_meta)
        self.type_meta_len = PyBytes_GET_SIZE(type_meta)
        self.content = <content_t>content
        self.is_row = is_row

    cdef void put(self, const item_t* item, bint is_single) noexcept:
        cdef buffer_t* out = self.buffer
        if self.n_written and not is_single:
            put_char(out, c",")
        if not self.is_row:
            self._put_object(item)
            return
        put_literal(out, b'{"cells":[')
        put_text(out, item.name)
        put_char(out, c",")
        put_cpu(out, item.usage.cpu_nanocores)
        put_char(out, c",")
        put_memory(out, item.usage.memory_bytes)
        put_char(out, c",")
        put_window(out, item.usage.window_ns)
        put_literal(out, b'],"object":')
        self._put_object(item)
        put_char(out, c"}")

    cdef void _put_object(self, const item_t* item) noexcept:
        cdef buffer_t* out = self.buffer
        if self.content == NOTHING:
            put_literal(out, b"null")
            return
        put_char(out, c"{")
        put_raw(out, self.type_meta_ptr, self.type_meta_len)
        put_literal(out, b'"metadata":{"name":')
        put_text(out, item.name)
        if item.namespace != NULL:
            put_literal(out, b',"namespace":')
            put_text(out, item.namespace)
        put_literal(out, b',"creationTimestamp":')
        put_utc_seconds(out, self.now_ns)
        put_raw(out, item.labels.json, item.labels.json_len)
        put_char(out, c"}")
        if self.content == WHOLE:
            put_literal(out, b',"timestamp":')
            put_utc_seconds(out, item.usage.time_ns)
            put_literal(out, b',"window":')
            put_window(out, item.usage.window_ns)
            if self.roster.kind == KIND_NODE:
                put_char(out, c",")
                self._put_usage(&item.usage, KIND_NODE, item.slot, 0, False)
            else:
                self._put_containers(item)
        put_char(out, c"}")

    cdef void _put_containers(self, const item_t* item) noexcept:
        cdef buffer_t* out = self.buffer
        cdef usage_t usage
        cdef uint32_t i
        cdef bint is_first = True
        put_literal(out, b',"containers":[')
        for i in range(item.n_containers):
            if self.latest.container_usage(item.container[i], &usage) != USAGE_OK:
                continue
            if not is_first:
                put_char(out, c",")
            is_first = False
            put_literal(out, b'{"name":')
            put_text(out, self.latest.entities.table[KIND_POD_CONTAINER].name[item.container[i]])
            put_char(out, c",")
            self._put_usage(&usage, KIND_POD_CONTAINER, item.container[i], item.slot, i == 0)
            put_char(out, c"}")
        put_char(out, c"]")

    cdef void _put_usage(
        self, const usage_t* usage, int kind, uint32_t slot, uint32_t pod, bint is_first
    ) noexcept:
        cdef buffer_t* out = self.buffer
        cdef int64_t value[N_EXTRAS]
        cdef int i
        put_literal(out, b'"usage":{"cpu":')
        put_cpu(out, usage.cpu_nanocores)
        if self.latest.extras is None:
            put_literal(out, b',"memory":')
            put_memory(out, usage.memory_bytes)
            put_char(out, c"}")
            return
        self.load_extras(kind, slot, pod, is_first, value)
        for i in range(EXTRA_SWAP):
            put_extra(out, i, value[i])
        put_literal(out, b',"memory":')
        put_memory(out, usage.memory_bytes)
        put_extra(out, EXTRA_SWAP, value[EXTRA_SWAP])
        put_char(out, c"}")


cdef void put_extra(buffer_t* out, int extra, int64_t value) noexcept nogil:
    if value == absent_i64():
        return
    put_literal(out, b',"')
    put_raw(out, extra_key(extra), strlen(extra_key(extra)))
    put_literal(out, b'":"')
    if reserve(out, QUANTITY_MAX_CHARS):
        out.len += write_extra(extra, value, out.data + out.len)
    put_char(out, c'"')


cdef void put_cpu(buffer_t* out, int64_t nanocores) noexcept nogil:
    put_char(out, c'"')
    if reserve(out, QUANTITY_MAX_CHARS):
        out.len += write_cpu_nanocores(nanocores, out.data + out.len)
    put_char(out, c'"')


cdef void put_memory(buffer_t* out, int64_t n_bytes) noexcept nogil:
    put_char(out, c'"')
    if reserve(out, QUANTITY_MAX_CHARS):
        out.len += write_memory_bytes(n_bytes, out.data + out.len)
    put_char(out, c'"')


cdef void put_window(buffer_t* out, int64_t window_ns) noexcept nogil:
    put_char(out, c'"')
    if reserve(out, DURATION_MAX):
        out.len += write_duration(window_ns, out.data + out.len)
    put_char(out, c'"')
