"""Labels as bytes that only need copying (see _fragments.pxd).

In      a label map, as the API server has it
Out     its JSON and protobuf form, keys in byte order
Callers _roster makes and drops them, _k8s_items copies them
Source  spec/metrics-k8s-io.md 3.3, 3.4 and 7.2
Never   tells maps apart by anything but their content: a ReplicaSet's pods share one fragment
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from heapfast.render._json cimport JsonBuffer, buffer_t, put_char, put_literal, put_string
from heapfast.render._protobuf cimport begin_message, end_message, put_bytes

import sys

cdef enum:
    TAG_LABELS = 0x5A          # ObjectMeta.labels: field 11, length first
    TAG_KEY = 0x0A
    TAG_VALUE = 0x12


cdef class FragmentPool:

    def __cinit__(self):
        self.pool = {}

    def __dealloc__(self):
        for address in self.pool.values():
            free(<fragment_t*><size_t>address)

    def __len__(self):
        return len(self.pool)

    cdef fragment_t* acquire(self, labels) except NULL:
        cdef list pairs = [(name.encode(), value.encode()) for name, value in sorted(labels.items())]
        cdef bytes key = protobuf_labels(pairs)
        cdef fragment_t* fragment
        address = self.pool.get(key)
        if address is not None:
            fragment = <fragment_t*><size_t>address
            fragment.refs += 1
            return fragment
        cdef bytes text = json_labels(pairs)
        cdef Py_ssize_t json_len = PyBytes_GET_SIZE(text)
        fragment = <fragment_t*>malloc(sizeof(fragment_t) + json_len)
        if fragment == NULL:
            raise MemoryError
        fragment.refs = 1
        fragment.json_len = <uint32_t>json_len
        fragment.protobuf_len = <uint32_t>PyBytes_GET_SIZE(key)
        fragment.protobuf = PyBytes_AS_STRING(key)
        fragment.key = <PyObject*>key
        memcpy(fragment.json, PyBytes_AS_STRING(text), json_len)
        self.pool[key] = <size_t>fragment
        self.nbytes += sizeof(fragment_t) + json_len + sys.getsizeof(key)
        return fragment

    cdef int release(self, fragment_t* fragment) except -1:
        cdef bytes key
        fragment.refs -= 1
        if fragment.refs == 0:
            key = <bytes>fragment.key
            del self.pool[key]
            self.nbytes -= sizeof(fragment_t) + fragment.json_len + sys.getsizeof(key)
            free(fragment)
        return 0


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
