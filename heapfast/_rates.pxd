"""Rates: what counters gained from one batch to the next."""
from heapfast._batch cimport Batch


# Fills the rate columns of a batch, and says since when its samples are what they are. Returns 0; -1: memory is out.
cdef int add_rates(
    Batch batch,      # INOUT  being closed; its entities are named already
    Batch former,     # IN     the one before it
) noexcept nogil
