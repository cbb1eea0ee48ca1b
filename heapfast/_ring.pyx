"""The ring of closed batches (see _ring.pxd).

In      closed batches, each with its packed predecessor
Out     series of one slot, oldest first
Callers _core; _closing makes the packed batches, _snapshot pins them
Source  spec/heapster-pipeline.md 6.1 for retention: at the moment a batch comes in, others go whose
        timestamp is not strictly later than now minus their span; the newest always stays
"""
cimport cython
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.stdlib cimport free

from heapfast._batch cimport Batch
from heapfast._frame cimport sample_of
from heapfast._ledger cimport Ledger
from heapfast._pack cimport packed_clear, packed_has, packed_nbytes, packed_samples, packed_t, packed_value
from heapfast._types cimport N_KINDS, N_METRICS, absent_i64, int64_t, uint8_t, uint32_t, uint64_t


cdef void free_packed(void* columns) noexcept nogil:
    """Frees a list of columns."""
    cdef packed_t* column = <packed_t*>columns
    cdef packed_t* next
    while column != NULL:
        next = column.next
        packed_clear(column)
        free(column)
        column = next


@cython.no_gc      # a Ledger never refers back; and it must be there when this goes
cdef class Packed:

    def __cinit__(self, Ledger ledger not None):
        self.ledger = ledger

    def __dealloc__(self):
        cdef int kind, m
        for kind in range(N_KINDS):
            for m in range(N_METRICS):
                self._drop(kind, m)
        self._bury_dropped()

    cdef void pin(self) noexcept:
        self.n_pins += 1

    cdef void unpin(self) noexcept:
        self.n_pins -= 1
        if self.n_pins == 0:
            self._bury_dropped()

    cdef void _drop(self, int kind, int m) noexcept:
        if self.column[kind][m] != NULL:
            self.column[kind][m].next = self.dropped
            self.dropped = self.column[kind][m]
            self.column[kind][m] = NULL
            if self.n_pins == 0:
                self._bury_dropped()

    cdef void _bury_dropped(self) noexcept:
        if self.dropped != NULL:
            self.ledger.bury(self.dropped, free_packed)
        self.dropped = NULL

    cdef void drop_short(self, const uint8_t* is_long) noexcept:
        cdef int kind, m
        if not self.is_short:
            return
        for kind in range(N_KINDS):
            for m in range(N_METRICS):
                if not is_long[m]:
                    self._drop(kind, m)
        self.is_short = False

    cdef size_t nbytes(self) noexcept:
        cdef size_t total = 0
        cdef int kind, m
        for kind in range(N_KINDS):
            for m in range(N_METRICS):
                if self.column[kind][m] != NULL:
                    total += packed_nbytes(self.column[kind][m])
        return total

    def sizes(self):
        """(metric id, samples, bytes) of every column, for stats and bench."""
        cdef int kind, m
        return [
            (m, packed_samples(self.column[kind][m]), packed_nbytes(self.column[kind][m]))
            for kind in range(N_KINDS)
            for m in range(N_METRICS)
            if self.column[kind][m] != NULL
        ]


cdef class Ring:

    def __cinit__(self, int64_t long_ns, int64_t short_ns, long_metrics):
        self.long_ns = long_ns
        self.short_ns = short_ns
        self.packed = []
        for metric in long_metrics:
            self.is_long[<int>metric] = 1

    def __len__(self):
        """Batches in memory, of either class."""
        return PyList_GET_SIZE(self.packed) + (self.newest is not None)

    def short_len(self):
        """Batches of which every metric is in memory."""
        cdef Packed packed
        return sum(1 for packed in self.packed if packed.is_short) + (self.newest is not None)

    def sizes(self):
        """(metric id, samples, bytes) of every packed column."""
        return [size for packed in self.packed for size in (<Packed>packed).sizes()]

    cdef int push(self, Batch batch, Packed former, int64_t now_ns) except -1:
        """Makes `batch` the newest; `former` is the packed form of the one that was (None at first)."""
        cdef Packed packed
        cdef Py_ssize_t gone = 0
        if former is not None:
            self.packed.append(former)
        for packed in self.packed:
            if packed.timestamp_ns <= now_ns - self.long_ns and packed.timestamp_ns <= now_ns - self.short_ns:
                gone += 1
            elif packed.timestamp_ns <= now_ns - self.short_ns:
                packed.drop_short(self.is_long)
        del self.packed[:gone]
        self.newest = batch
        return 0

    cdef uint64_t oldest_seq(self) noexcept:
        """Seq of the oldest batch that shows anything; 0 when there is none."""
        if PyList_GET_SIZE(self.packed):
            return (<Packed>PyList_GET_ITEM(self.packed, 0)).seq
        return self.newest.seq if self.newest is not None else 0

    cdef Py_ssize_t capacity(self) noexcept:
        """The most samples that `read` can find."""
        return PyList_GET_SIZE(self.packed) + 1

    cdef Py_ssize_t read(
        self, int kind, uint32_t slot, int metric, int64_t start_ns, int64_t end_ns,
        int64_t* ts_out, int64_t* bits_out,
    ) noexcept:
        """Samples with start <= timestamp <= end, oldest first, written to the *end* of the arrays.

        Both arrays have capacity() entries. Returns how many were found: they are the last
        ones, [capacity - found, capacity).
        """
        cdef Py_ssize_t place = self.capacity()
        cdef Py_ssize_t capacity = place
        cdef Py_ssize_t i = PyList_GET_SIZE(self.packed)
        cdef Packed packed
        cdef int64_t value = absent_i64(), newer = 0
        if self.newest is None:
            return 0
        if slot < self.newest.frame[kind].n:
            value = sample_of(&self.newest.frame[kind], metric, slot)
        cdef int64_t timestamp_ns = self.newest.timestamp_ns
        while True:
            if timestamp_ns < start_ns:
                break
            if value != absent_i64():
                newer = value
                if timestamp_ns <= end_ns:
                    place -= 1
                    ts_out[place] = timestamp_ns
                    bits_out[place] = value
            else:
                newer = 0
            i -= 1
            if i < 0:
                break
            packed = <Packed>PyList_GET_ITEM(self.packed, i)
            timestamp_ns = packed.timestamp_ns
            if packed.column[kind][metric] == NULL:
                value = absent_i64()
            else:
                value = packed_value(packed.column[kind][metric], slot, newer)
        return capacity - place

    cdef bint has_metric(self, int kind, uint32_t slot, int metric) noexcept:
        """Whether a batch of the short class has a sample of the metric."""
        cdef Py_ssize_t i = PyList_GET_SIZE(self.packed)
        cdef Packed packed
        if self.newest is None:
            return False
        if slot < self.newest.frame[kind].n and sample_of(&self.newest.frame[kind], metric, slot) != absent_i64():
            return True
        while i > 0:
            i -= 1
            packed = <Packed>PyList_GET_ITEM(self.packed, i)
            if not packed.is_short:
                return False
            if packed.column[kind][metric] != NULL and packed_has(packed.column[kind][metric], slot):
                return True
        return False
