"""What a store is refilled with after a restart: batches from segments, oldest first.

Two steps, since what was kept does not decide who is there:

    before anything else runs   take() every batch, finish(): names into the tables, columns into the ring, newest
                                samples into the latest view
    when the first lists of     seal(), publish(): those whom the API server does not know, or knows under another
    the API server are there    UID, are left out, and the newest batch becomes what is served
"""
from heapfast._batch cimport Batch
from heapfast._stored cimport StoredReader, plain_t
from heapfast._types cimport int64_t, uint32_t, uint64_t


cdef class Restoring(StoredReader):
    cdef:
        readonly int64_t now_ns
        plain_t* former                      # owned; the batch before, if has_former
        bint has_former
        list packed                          # of Packed, oldest first
        Batch newest                         # from finish to publish
        readonly bint is_foreign             # seal: what was kept is another cluster's
        int forgotten_kind                   # publish: how far that is thrown away
        uint32_t forgotten                   # slots of that kind
        readonly uint64_t batches            # that finish has put into the store
        readonly int64_t newest_ns           # stamp of the newest of these, 0 for none

    cdef int _close_former(self) except -1
    cdef int _replay(self) except -1
    cdef int _make_newest(self, uint64_t seq) except -1
    cdef int _throw_away(self) except -1
    cdef bint _find_foreign(self) noexcept nogil
    cdef bint _has_other_uid(self, uint32_t pod) noexcept nogil
    cdef void _prune(self) noexcept nogil
