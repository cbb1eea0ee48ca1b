"""One metric of one kind as far back as a window reaches (see _snapshot.pxd).

In      the store
Out     references to packed columns
Callers api/query.py makes them; _aggregate reads
Source  _pack.pxd for the layout; which columns are kept: _ring
Never   copies a column
"""
cimport cython
from libc.stdlib cimport free, malloc

from heapfast._batch cimport check_kind
from heapfast._core cimport Store
from heapfast._pack cimport packed_t
from heapfast._ring cimport Packed, Ring
from heapfast._types cimport N_METRICS, int64_t

from heapfast.errors import StoreError


@cython.no_gc      # batches never refer back; and what is pinned must be there when it is let go
cdef class Snapshot:
    """One metric of one kind in the newest batches, as far back as a window reaches.

    On the loop; costs some microseconds. The store must have a closed batch.

    Args:
        metric: the column's number.
        start_ns: exclusive: batches stamped later are read.
        has_base: read the batch before those, too; rates begin there.
    """

    def __cinit__(self, Store store not None, int kind, int metric, int64_t start_ns, bint has_base=False):
        cdef Ring ring = store.ring
        cdef list packs = ring.packed
        cdef Py_ssize_t n = len(packs), i
        cdef Packed packed
        check_kind(kind)
        if not 0 <= metric < N_METRICS or ring.newest is None:
            raise StoreError(f"BUG: nothing to be read of metric {metric}, or no batch")
        self.pinned = []
        self.newest = ring.newest
        self.kind = kind
        self.metric = metric
        self.is_float = ring.newest.metrics.is_float[metric]
        self.column = <const packed_t**>malloc((n + 1) * sizeof(packed_t*))
        self.timestamp_ns = <int64_t*>malloc((n + 1) * sizeof(int64_t))
        if self.column == NULL or self.timestamp_ns == NULL:
            raise MemoryError
        self.timestamp_ns[0] = ring.newest.timestamp_ns
        self.n_ticks = 1
        i = n
        while i > 0:
            i -= 1
            packed = packs[i]
            if packed.timestamp_ns <= start_ns:
                if not has_base:
                    return
                has_base = False
            if not packed.is_short and not ring.is_long[metric]:
                break
            packed.pin()
            self.pinned.append(packed)
            self.column[self.n_ticks] = packed.column[kind][metric]
            self.timestamp_ns[self.n_ticks] = packed.timestamp_ns
            self.n_ticks += 1
            if packed.timestamp_ns <= start_ns:
                return
        self.is_cut = self.timestamp_ns[self.n_ticks - 1] > start_ns

    def __dealloc__(self):
        cdef Packed packed
        if self.pinned is not None:
            for packed in self.pinned:
                packed.unpin()
        free(self.column)
        free(self.timestamp_ns)
