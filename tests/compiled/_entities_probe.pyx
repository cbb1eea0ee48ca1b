"""Reaches Entities.find, find_or_add and remove, with owners and names of any sort; and a TextPool.

In      an owner (slot, kind, type) and a name; bytes
Out     slots, -1 for none; addresses of texts
Callers tests/property/test_entities.py
Never   lets a batch look on: what is removed is free at once
"""
from heapfast._entities cimport Entities, owner_t, table_t
from heapfast._text cimport TextPool, text_ptr, text_t
from heapfast._types cimport KIND_NODE, KIND_POD, KIND_RESOURCE, SLOT_NONE, uint32_t


cdef owner_t owner_of(uint32_t slot, int kind, int type):
    cdef owner_t owner
    owner.slot = slot
    owner.kind = <unsigned char>kind
    owner.type = <unsigned char>type
    return owner


cdef class Table:
    """Resources of nodes and pods, of which there are `n_owners` each."""

    cdef Entities entities

    def __init__(self, uint32_t n_owners):
        cdef uint32_t i
        self.entities = Entities()
        for i in range(n_owners):
            name = b"%d" % i
            self.entities.find_or_add(KIND_NODE, owner_of(SLOT_NONE, 0, 0), name, <uint32_t>len(name))
            self.entities.find_or_add(KIND_POD, owner_of(SLOT_NONE, 0, 0), name, <uint32_t>len(name))

    def find(self, uint32_t slot, int kind, int type, bytes name):
        cdef uint32_t found = self.entities.find(KIND_RESOURCE, owner_of(slot, kind, type), name, <uint32_t>len(name))
        return -1 if found == SLOT_NONE else found

    def find_or_add(self, uint32_t slot, int kind, int type, bytes name):
        return self.entities.find_or_add(KIND_RESOURCE, owner_of(slot, kind, type), name, <uint32_t>len(name))

    def remove(self, uint32_t slot):
        self.entities.remove(KIND_RESOURCE, slot)

    def n(self):
        return self.entities.table[KIND_RESOURCE].n

    def n_used(self):
        return self.entities.table[KIND_RESOURCE].n_used

    def children(self):
        """Children that all owners together count."""
        cdef uint32_t i, total = 0
        cdef table_t* t
        for kind in (KIND_NODE, KIND_POD):
            t = &self.entities.table[<int>kind]
            for i in range(t.n):
                total += t.n_children[i]
        return total


cdef class Texts:
    """A pool, whose texts are known by their addresses."""

    cdef TextPool pool

    def __init__(self):
        self.pool = TextPool()

    def make(self, bytes content):
        return <size_t>self.pool.make(content, <uint32_t>len(content))

    def intern(self, bytes content):
        return <size_t>self.pool.intern(content, <uint32_t>len(content))

    def read(self, size_t address):
        """What is there, and the byte behind it."""
        cdef text_t* text = <text_t*>address
        return text_ptr(text)[:text.len + 1]

    def drop(self, size_t address):
        self.pool.drop(<text_t*>address)

    def n_chunks(self):
        cdef char* chunk = self.pool.chunk
        cdef int n = 0
        while chunk != NULL:
            n += 1
            chunk = (<char**>chunk)[0]
        return n
