"""Labels as bytes that only need copying (see _fragments.pxd).

In      a label map, as the API server has it
Out     its JSON and protobuf form, keys in byte order
Callers _roster makes and drops them, _k8s_items copies them
Source  spec/metrics-k8s-io.md 3.3, 3.4 and 7.2
Never   tells maps apart by anything but their content: a ReplicaSet's pods share one fragment
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from heapfast._text cimport text_hash
from heapfast._types cimport uint32_t
from heapfast.render._json cimport JsonBuffer, buffer_t, put_char, put_literal, put_string
from heapfast.render._protobuf cimport begin_message, end_message, put_bytes

cdef enum:
    TAG_LABELS = 0x5A          # ObjectMeta.labels: field 11, length first
    TAG_KEY = 0x0A
    TAG_VALUE = 0x12
    FIRST_BUCKETS = 64


cdef inline uint32_t home_of(const fragment_t* fragment, uint32_t mask) noexcept nogil:
    return text_hash(fragment.protobuf, fragment.protobuf_len) & mask


cdef inline size_t size_of(const fragment_t* fragment) noexcept nogil:
    return sizeof(fragment_t) + fragment.json_len + fragment.protobuf_len


cdef class FragmentPool:
    """Not a dict: labels that one object alone has, as in a StatefulSet, took 140 bytes more there."""

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.n_buckets):
            free(self.bucket[i])
        free(self.bucket)

    def __len__(self):
        return self.n

    cdef fragment_t* acquire(self, labels) except NULL:
        cdef list pairs = [(name.encode(), value.encode()) for name, value in sorted(labels.items())]
        cdef bytes key = protobuf_labels(pairs)
        cdef const char* ptr = PyBytes_AS_STRING(key)
        cdef uint32_t key_len = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint32_t mask, i, json_len
        cdef bytes text
        cdef fragment_t* fragment
        if 2 * (self.n + 1) > self.n_buckets:
            self._grow()
        mask = self.n_buckets - 1
        i = text_hash(ptr, key_len) & mask
        while self.bucket[i] != NULL:
            fragment = self.bucket[i]
            if fragment.protobuf_len == key_len and memcmp(fragment.protobuf, ptr, key_len) == 0:
                fragment.refs += 1
                return fragment
            i = (i + 1) & mask
        text = json_labels(pairs)
        json_len = <uint32_t>PyBytes_GET_SIZE(text)
        fragment = <fragment_t*>malloc(sizeof(fragment_t) + json_len + key_len)
        if fragment == NULL:
            raise MemoryError
        fragment.refs = 1
        fragment.json_len = json_len
        fragment.protobuf_len = key_len
        fragment.protobuf = fragment.json + json_len
        memcpy(fragment.json, PyBytes_AS_STRING(text), json_len)
        memcpy(fragment.json + json_len, ptr, key_len)
        self.bucket[i] = fragment
        self.n += 1
        self.nbytes += size_of(fragment)
        return fragment

    cdef void release(self, fragment_t* fragment) noexcept:
        fragment.refs -= 1
        if fragment.refs == 0:
            self._take_out(fragment)
            self.n -= 1
            self.nbytes -= size_of(fragment)
            free(fragment)

    cdef int _grow(self) except -1:
        cdef fragment_t** old = self.bucket
        cdef uint32_t n_old = self.n_buckets, i
        cdef uint32_t n = 2 * n_old if n_old else FIRST_BUCKETS
        cdef fragment_t** bucket = <fragment_t**>calloc(n, sizeof(fragment_t*))
        if bucket == NULL:
            raise MemoryError
        self.bucket = bucket
        self.n_buckets = n
        self.nbytes += (n - n_old) * sizeof(fragment_t*)
        for i in range(n_old):
            if old[i] != NULL:
                self._insert(old[i])
        free(old)
        return 0

    cdef void _insert(self, fragment_t* fragment) noexcept:
        cdef uint32_t mask = self.n_buckets - 1
        cdef uint32_t i = home_of(fragment, mask)
        while self.bucket[i] != NULL:
            i = (i + 1) & mask
        self.bucket[i] = fragment

    cdef void _take_out(self, fragment_t* fragment) noexcept:
        cdef uint32_t mask = self.n_buckets - 1
        cdef uint32_t i = home_of(fragment, mask)
        cdef uint32_t j
        while self.bucket[i] != fragment:
            i = (i + 1) & mask
        j = i
        while True:
            j = (j + 1) & mask
            if self.bucket[j] == NULL:
                break
            # As in _entities: one may move back to i unless its home lies in the cyclic range (i, j].
            if ((j - home_of(self.bucket[j], mask)) & mask) >= ((j - i) & mask):
                self.bucket[i] = self.bucket[j]
                i = j
        self.bucket[i] = NULL


cdef bytes protobuf_labels(list pairs):
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* out = &owner.buffer
    cdef Py_ssize_t start
    cdef bytes key, value
    for key, value in pairs:
        put_char(out, TAG_LABELS)
        start = begin_message(out)
        put_bytes(out, TAG_KEY, key, PyBytes_GET_SIZE(key))
        put_bytes(out, TAG_VALUE, value, PyBytes_GET_SIZE(value))
        end_message(out, start)
    return owner.take()


cdef bytes json_labels(list pairs):
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* out = &owner.buffer
    cdef bytes key, value
    cdef bint is_first = True
    if not pairs:
        return b""
    put_literal(out, b',"labels":{')
    for key, value in pairs:
        if not is_first:
            put_char(out, c",")
        is_first = False
        put_string(out, key, PyBytes_GET_SIZE(key))
        put_char(out, c":")
        put_string(out, value, PyBytes_GET_SIZE(value))
    put_char(out, c"}")
    return owner.take()
