"""The ring: the newest closed batch as plain columns, older ones packed, oldest first.

Two classes of retention, as Heapster has two stores: every column lives for `short`, those of
the *long* metrics for `long`. A batch that leaves the short class drops its other columns; since
packed values lean on the newer side only, dropping the oldest never touches the rest.
Belongs to the loop.
"""
from heapfast._batch cimport Batch
from heapfast._ledger cimport Ledger
from heapfast._pack cimport packed_t
from heapfast._types cimport N_KINDS, N_METRICS, int64_t, uint8_t, uint32_t, uint64_t


# A closed batch, packed. Filled by the closing thread, afterwards only ever dropped column by column. Who reads columns
# in a thread has it pinned, by pin and unpin with the GIL: what is dropped meanwhile goes with the last pin.
cdef class Packed:
    cdef:
        Ledger ledger                       # takes what is dropped, once nobody reads it
        readonly int64_t timestamp_ns
        readonly uint64_t seq
        readonly bint is_short              # still has all its columns
        packed_t* column[N_KINDS][N_METRICS]     # owned; NULL = nobody had it, or dropped
        packed_t* dropped                        # owned; a list by `next`; NULL when nobody reads
        uint32_t n_pins

    cdef void pin(self) noexcept
    cdef void unpin(self) noexcept
    cdef void _drop(self, int kind, int m) noexcept
    cdef void _bury_dropped(self) noexcept
    cdef void drop_short(self, const uint8_t* is_long) noexcept
    cdef size_t nbytes(self) noexcept


cdef class Ring:
    cdef:
        readonly Batch newest               # None before the first batch
        list packed                         # of Packed, ascending by seq, all older than newest
        readonly int64_t long_ns
        readonly int64_t short_ns
        uint8_t is_long[N_METRICS]

    cdef int push(self, Batch batch, Packed former, int64_t now_ns) except -1
    cdef uint64_t oldest_seq(self) noexcept
    cdef Py_ssize_t capacity(self) noexcept
    cdef Py_ssize_t read(
        self, int kind, uint32_t slot, int metric, int64_t start_ns, int64_t end_ns,
        int64_t* ts_out, int64_t* bits_out,
    ) noexcept
    cdef bint has_metric(self, int kind, uint32_t slot, int metric) noexcept
