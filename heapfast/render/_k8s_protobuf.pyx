"""Items of metrics.k8s.io as protobuf messages, equal to upstream's byte for byte.

In      items of the latest view
Out     one bare message; in a list each as field 2, its length before it

    NodeMetrics, PodMetrics   1 ObjectMeta  2 Time  3 Duration  4 usage, or containers { 1 name  2 usage }
    PartialObjectMetadata     1 ObjectMeta
    ObjectMeta                1 name  2..7 mostly empty, written all the same  8 Time  11 labels
    usage                     an entry { 1 key  2 Quantity { 1 text } } a resource

Callers metrics_k8s_io.py
Source  spec/metrics-k8s-io.md 7.2 and 7.3
Never   writes an envelope
"""
from libc.string cimport memcpy, strlen

from heapfast._extras cimport EXTRA_SWAP, N_EXTRAS, extra_key
from heapfast._latest cimport USAGE_OK, usage_t
from heapfast._text cimport text_t
from heapfast._types cimport KIND_NODE, KIND_POD_CONTAINER, absent_i64, int64_t, uint32_t
from heapfast.codec._quantity cimport QUANTITY_MAX_CHARS, write_cpu_nanocores, write_memory_bytes
from heapfast.render._json cimport buffer_t, put_char, put_raw, reserve
from heapfast.render._k8s_items cimport METADATA, WHOLE, Items, content_t, item_t, write_extra
from heapfast.render._protobuf cimport begin_message, end_message, put_bytes, put_varint

cdef enum:
    NS_PER_SECOND = 1000000000

# Tags: the number of the field times eight, and 2 for bytes or 0 for a varint.
cdef enum:
    TAG_ITEM = 0x12
    TAG_METADATA = 0x0A
    TAG_NAME = 0x0A
    TAG_NAMESPACE = 0x1A
    TAG_CREATION = 0x42
    TAG_TIMESTAMP = 0x12
    TAG_WINDOW = 0x1A
    TAG_NODE_USAGE = 0x22
    TAG_CONTAINER = 0x22
    TAG_CONTAINER_USAGE = 0x12
    TAG_VALUE = 0x12
    TAG_VARINT_1 = 0x08
    TAG_BYTES_1 = 0x0A


cdef class ProtobufItems(Items):
    """Writes items as protobuf.

    Args:
        latest, roster, now_ns: as Items.
        content: CONTENT_METADATA or CONTENT_WHOLE.
    """

    def __init__(self, latest, roster, int64_t now_ns, int content):
        if content != METADATA and content != WHOLE:
            raise ValueError(f"BUG: no protobuf message has content {content}")
        self.content = <content_t>content

    cdef void put(self, const item_t* item, bint is_single) noexcept:
        cdef buffer_t* out = self.buffer
        cdef Py_ssize_t start = 0
        if not is_single:
            put_char(out, TAG_ITEM)
            start = begin_message(out)
        put_char(out, TAG_METADATA)
        self._put_metadata(item)
        if self.content == WHOLE:
            put_char(out, TAG_TIMESTAMP)
            put_time(out, item.usage.time_ns)
            put_char(out, TAG_WINDOW)
            put_duration(out, item.usage.window_ns)
            if self.roster.kind == KIND_NODE:
                self._put_usage(TAG_NODE_USAGE, &item.usage, KIND_NODE, item.slot, 0, False)
            else:
                self._put_containers(item)
        if not is_single:
            end_message(out, start)

    cdef void _put_metadata(self, const item_t* item) noexcept:
        cdef buffer_t* out = self.buffer
        cdef Py_ssize_t start = begin_message(out)
        put_bytes(out, TAG_NAME, item.name.data, item.name.len)
        put_raw(out, b"\x12\x00", 2)                                   # generateName
        if item.namespace == NULL:
            put_raw(out, b"\x1a\x00", 2)
        else:
            put_bytes(out, TAG_NAMESPACE, item.namespace.data, item.namespace.len)
        put_raw(out, b"\x22\x00\x2a\x00\x32\x00\x38\x00", 8)           # selfLink, uid, resourceVersion, generation
        put_char(out, TAG_CREATION)
        put_time(out, self.now_ns)
        put_raw(out, item.labels.protobuf, item.labels.protobuf_len)
        end_message(out, start)

    cdef void _put_containers(self, const item_t* item) noexcept:
        cdef buffer_t* out = self.buffer
        cdef const text_t* name
        cdef usage_t usage
        cdef Py_ssize_t start
        cdef uint32_t i
        for i in range(item.n_containers):
            if self.latest.container_usage(item.container[i], &usage) != USAGE_OK:
                continue
            put_char(out, TAG_CONTAINER)
            start = begin_message(out)
            name = self.latest.entities.table[KIND_POD_CONTAINER].name[item.container[i]]
            put_bytes(out, TAG_NAME, name.data, name.len)
            self._put_usage(TAG_CONTAINER_USAGE, &usage, KIND_POD_CONTAINER, item.container[i], item.slot, i == 0)
            end_message(out, start)

    cdef void _put_usage(
        self, char tag, const usage_t* usage, int kind, uint32_t slot, uint32_t pod, bint is_first
    ) noexcept:
        cdef buffer_t* out = self.buffer
        cdef char text[QUANTITY_MAX_CHARS]
        cdef int64_t value[N_EXTRAS]
        cdef int i
        put_quantity(out, tag, b"cpu", text, write_cpu_nanocores(usage.cpu_nanocores, text))
        if self.latest.extras is not None:
            self.load_extras(kind, slot, pod, is_first, value)
            for i in range(EXTRA_SWAP):
                put_extra(out, tag, i, value[i])
        put_quantity(out, tag, b"memory", text, write_memory_bytes(usage.memory_bytes, text))
        if self.latest.extras is not None:
            put_extra(out, tag, EXTRA_SWAP, value[EXTRA_SWAP])


# Whole seconds, cut off; nanos are written though they are 0.
cdef void put_time(buffer_t* out, int64_t time_ns) noexcept nogil:
    cdef Py_ssize_t start = begin_message(out)
    cdef int64_t seconds = time_ns // NS_PER_SECOND
    # C division, which the release build uses, rounds towards zero.
    if seconds * NS_PER_SECOND > time_ns:
        seconds -= 1
    put_varint(out, TAG_VARINT_1, seconds)
    put_raw(out, b"\x10\x00", 2)
    end_message(out, start)


cdef void put_duration(buffer_t* out, int64_t window_ns) noexcept nogil:
    cdef Py_ssize_t start = begin_message(out)
    put_varint(out, TAG_VARINT_1, window_ns)
    end_message(out, start)


cdef void put_extra(buffer_t* out, char tag, int extra, int64_t value) noexcept nogil:
    cdef char text[QUANTITY_MAX_CHARS]
    if value != absent_i64():
        put_quantity(out, tag, extra_key(extra), text, write_extra(extra, value, text))


# A quantity and its key are short, so every length here is one byte.
cdef void put_quantity(buffer_t* out, char tag, const char* key, const char* text, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t key_len = strlen(key)
    cdef char* at
    if not reserve(out, 10 + key_len + n):
        return
    at = out.data + out.len
    at[0] = tag
    at[1] = <char>(6 + key_len + n)
    at[2] = TAG_BYTES_1
    at[3] = <char>key_len
    memcpy(at + 4, key, key_len)
    at += 4 + key_len
    at[0] = TAG_VALUE
    at[1] = <char>(2 + n)
    at[2] = TAG_BYTES_1
    at[3] = <char>n
    memcpy(at + 4, text, n)
    out.len += 8 + key_len + n
