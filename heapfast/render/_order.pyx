"""Slots of a closed batch in the order of their names.

In      a frame of a closed batch, all of it, one parent's children, or given slots
Out     slots sorted by name, bytewise (every list that is answered is sorted: B12)
Callers _names, _export; sort_slots: render/apis_metrics.py
Source  spec/heapster-rest.md section 15, B12
Never   needs the GIL
"""
from cpython cimport array
from libc.stdlib cimport free, qsort, realloc

import array

from heapfast._batch cimport Batch
from heapfast._frame cimport frame_t, is_present
from heapfast._text cimport text_compare, text_t
from heapfast._types cimport KIND_NAMESPACE, KIND_POD, uint32_t


cdef int _compare(const void* a, const void* b) noexcept nogil:
    cdef const named_t* left = <const named_t*>a
    cdef const named_t* right = <const named_t*>b
    cdef int order = text_compare(left.parent, right.parent)
    if order == 0:
        order = text_compare(left.name, right.name)
    if order == 0:
        # Equal names do not occur below one parent; this keeps the order fixed if they ever do.
        order = (left.slot > right.slot) - (left.slot < right.slot)
    return order


cdef class NameOrder:
    def __dealloc__(self):
        free(self.order.items)


cdef bint _reserve(order_t* order, Py_ssize_t n) noexcept nogil:
    cdef named_t* items
    order.n = 0
    if n > order.cap:
        items = <named_t*>realloc(order.items, n * sizeof(named_t))
        if items == NULL:
            return False
        order.items = items
        order.cap = <uint32_t>n
    return True


cdef void _sort(order_t* order) noexcept nogil:
    if order.n > 1:
        qsort(order.items, order.n, sizeof(named_t), _compare)


cdef bint load_present(order_t* order, const frame_t* frame) noexcept nogil:
    cdef uint32_t slot
    if not _reserve(order, frame.n_present):
        return False
    for slot in range(frame.n):
        if frame.present[slot] and order.n < order.cap:
            order.items[order.n] = named_t(NULL, frame.name[slot], slot)
            order.n += 1
    _sort(order)
    return True


cdef bint load_children(
    order_t* order, const frame_t* parents, uint32_t parent, const frame_t* frame, int kind
) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t slot
    if parent >= parents.n or parents.first[kind] == NULL:
        order.n = 0
        return True
    if not _reserve(order, parents.first[kind][parent + 1] - parents.first[kind][parent]):
        return False
    for i in range(parents.first[kind][parent], parents.first[kind][parent + 1]):
        slot = parents.child[kind][i]
        order.items[order.n] = named_t(NULL, frame.name[slot], slot)
        order.n += 1
    _sort(order)
    return True


cdef bint load_slots(
    order_t* order, const frame_t* parents, const frame_t* frame, const uint32_t* slots, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint32_t slot
    cdef const text_t* parent = NULL
    if not _reserve(order, n):
        return False
    for i in range(n):
        slot = slots[i]
        if not is_present(frame, slot):
            continue
        if parents != NULL:
            parent = parents.name[frame.parent[slot]]
        order.items[order.n] = named_t(parent, frame.name[slot], slot)
        order.n += 1
    _sort(order)
    return True


def sort_slots(Batch batch not None, int kind, const uint32_t[::1] slots not None) -> array.array:
    """Return those of `slots` that the batch shows, in the order of namespace and name.

    Args:
        batch: a closed batch.
        kind: of the slots: nodes, or pods (sorted by namespace first).
        slots: uint32, in any order, may be empty.

    Without the GIL; about 0.7 us a slot for 150,000 pods, so long lists belong in a thread.
    """
    cdef NameOrder owner = NameOrder()
    cdef order_t* order = &owner.order
    cdef Py_ssize_t n = slots.shape[0]
    cdef const uint32_t* source = &slots[0] if n else NULL
    cdef const frame_t* frame = &batch.frame[kind]
    cdef const frame_t* parents = &batch.frame[KIND_NAMESPACE] if kind == KIND_POD else NULL
    cdef array.array result = array.array("I")
    cdef uint32_t i
    cdef bint ok
    with nogil:
        ok = load_slots(order, parents, frame, source, n)
    if not ok:
        raise MemoryError("cannot sort a list of entities: out of memory")
    array.resize(result, order.n)
    for i in range(order.n):
        result.data.as_uints[i] = order.items[i].slot
    return result
