"""Which containers each node's next answer is expected to name: those of its last answer, in their order.

A node runs what it ran. So where the rows of its next answer go is known as soon as they are parsed, from a few hundred
bytes that lie side by side; and the memory that they touch can be asked for well ahead (_warm.pxd). One comparison of
a row's names with those of the entity tells whether it is so: no bucket of a table that everybody else's names have
pushed out of the cache.

    last answer   a b c d e f g       slots, each with the hash of its names
    rows          a b                 as expected: kubelets sort what they state as resource metrics
                  a b d               c is gone: d is found in a table of what is expected, which is made now, and
                                      expecting goes on behind it; so an answer in any order is as well expected
                  a b x               x is not among them: it is looked up in the entity tables, as at first sight

What is expected decides nothing: names are compared to the last byte. Eight bytes a row: 2.3 MiB of 300,000 containers.
"""
from heapfast._entities cimport Entities
from heapfast._types cimport uint32_t
from heapfast.wire._rows cimport Rows, row_t


cdef struct expected_t:
    uint32_t slot              # of a pod container; SLOT_NONE: of a row that is none
    uint32_t hash              # of its names, with those of its pod and namespace


cdef struct sequence_t:
    expected_t* entry          # owned
    uint32_t n


cdef class Expected:
    cdef:
        Entities entities
        sequence_t* sequence   # owned; by slot of the node
        uint32_t n_nodes       # entries of `sequence`
        expected_t* place      # owned; of the rows of the answer that is being taken, where each is expected to go
        uint32_t cap_places
        uint32_t* table        # owned; hash table of what is expected: index + 1, 0 = free
        uint32_t cap_table
        sequence_t* now        # of the answer that is being taken
        uint32_t n_guessed     # rows of it that were expected
        bint has_changed       # that answer is not the same as the one before

    # One answer: begin, then `place` has an entry for each row, whose slot is SLOT_NONE where nobody knows; the caller
    # corrects those that turn out to be others; then end. Unless n_guessed is above 0, `place` is not to be looked at.
    cdef int begin(self, uint32_t node, Rows rows) except -1
    cdef bint is_at(self, const row_t* row, uint32_t container) noexcept nogil   # that slot has the names of the row
    cdef void correct(self, uint32_t row, uint32_t container) noexcept nogil
    cdef int end(self, uint32_t n_rows) except -1
    cdef void forget(self, uint32_t node) noexcept        # the node is gone
    cdef size_t nbytes(self) noexcept

    cdef int _make_room(self, uint32_t node, uint32_t n_rows) except -1
    cdef void _guess(self, const row_t* row, uint32_t n_rows) noexcept nogil
    cdef void _make_table(self, uint32_t n_slots) noexcept nogil
