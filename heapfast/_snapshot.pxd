"""One column in the ring's newest batches, as a question reads it.

Made on the loop, in microseconds; read in one thread without the GIL, also while the ring drops what it points to.
"""
from heapfast._batch cimport Batch
from heapfast._pack cimport packed_t
from heapfast._types cimport int64_t, uint32_t


# One column in the ring's newest batches. Holds them until it is gone.
cdef class Snapshot:
    cdef:
        readonly Batch newest
        list pinned                # Packed of the ticks after the first
        const packed_t** column    # owned; of each tick after the first; NULL where nobody had the metric
        int64_t* timestamp_ns      # owned; of each tick, the newest first
        readonly Py_ssize_t n_ticks
        readonly int kind
        readonly int metric
        readonly bint is_float
        readonly bint is_cut       # the ring has forgotten a part of the window
