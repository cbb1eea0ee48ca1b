"""Slots of a closed batch in the order of their names."""
from heapfast._frame cimport frame_t
from heapfast._text cimport text_t
from heapfast._types cimport uint32_t


cdef struct named_t:
    const text_t* parent       # compared first; NULL where all have the same
    const text_t* name
    uint32_t slot


# A list of entities of one batch, sorted by name, bytewise. Filled again and again.
cdef struct order_t:
    named_t* items             # owned; texts borrowed from the batch
    uint32_t n
    uint32_t cap


# Owns a list. Writers take the pointer once, as they must not touch objects without the GIL.
cdef class NameOrder:
    cdef order_t order


# Each gives False when there is no memory; the list is empty then.
cdef bint load_present(order_t* order, const frame_t* frame) noexcept nogil
cdef bint load_children(
    order_t* order, const frame_t* parents, uint32_t parent, const frame_t* frame, int kind
) noexcept nogil
# Of `slots`, those that the batch shows; by the parent's name (in `parents`, if any), then their own.
cdef bint load_slots(
    order_t* order, const frame_t* parents, const frame_t* frame, const uint32_t* slots, Py_ssize_t n
) noexcept nogil
