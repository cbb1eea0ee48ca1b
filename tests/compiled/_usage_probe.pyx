"""A latest view over entities of its own, fed with rows but without a store.

In      names as the API server has them; rows of one target
Out     slots; `latest`, which renderers read
Callers tests/unit/render, bench/micro/k8s_lists.py
Never   has batches or the rest of the store
"""
from heapfast._entities cimport Entities, owner_t
from heapfast._latest cimport Latest
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    SLOT_NONE,
    int64_t,
    uint32_t,
)
from heapfast.wire._rows cimport Rows, row_t


cdef class UsageProbe:

    cdef readonly Latest latest
    cdef Entities entities

    def __init__(self, int64_t resolution_ns):
        self.entities = Entities()
        self.latest = Latest(self.entities, resolution_ns)

    def put_node(self, str name):
        return self._put_name(KIND_NODE, SLOT_NONE, name)

    def put_pod(self, str namespace, str name):
        return self._put_name(KIND_POD, self._put_name(KIND_NAMESPACE, SLOT_NONE, namespace), name)

    def remove_pod(self, uint32_t slot):
        """Gives the slot back at once; the pod has had no containers."""
        self.latest.forget(KIND_POD, slot)
        self.entities.remove(KIND_POD, slot)

    def ingest(self, Rows rows, uint32_t node, int64_t now_ns):
        cdef row_t* row
        cdef uint32_t i, namespace, pod
        self.latest.begin(node, now_ns)
        for i in range(rows.n_rows):
            row = &rows.row[i]
            if row.kind == KIND_NODE:
                self.latest.take_node(node, row)
            elif row.kind == KIND_POD_CONTAINER:
                namespace = self._put(KIND_NAMESPACE, SLOT_NONE, row.namespace.ptr, row.namespace.len)
                pod = self._put(KIND_POD, namespace, row.pod.ptr, row.pod.len)
                self.latest.take_container(pod, self._put(KIND_POD_CONTAINER, pod, row.name.ptr, row.name.len), row)

    def name(self, int kind, uint32_t slot):
        return self.entities.table[kind].name[slot].data[: self.entities.table[kind].name[slot].len].decode()

    cdef uint32_t _put_name(self, int kind, uint32_t owner, str name) except? 0xFFFFFFFE:
        text = name.encode()
        return self._put(kind, owner, text, <uint32_t>len(text))

    cdef uint32_t _put(self, int kind, uint32_t owner, const char* name, uint32_t length) except? 0xFFFFFFFE:
        cdef owner_t key
        key.slot = owner
        key.kind = 0
        key.type = 0
        return self.entities.find_or_add(kind, key, name, length)
