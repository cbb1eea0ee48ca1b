"""The side source: what is scraped beside the main one, and seldomer.

The main source says CPU and working set of nodes and pod containers, in every window. The side source says all
else. Each has its own sample times; rates divide by those of the source that has the counter.

    windows      1      2      3      4      5
    main         m1     m2     m3     m4     m5
    side         s1     .      .      .      s5
    batch        m1 s1  m2 s1  m3 s1  m4 s1  m5 s5     s1 is carried from batch to batch

What is carried is what the side source said, and the rates of it; sums are made anew of it in each batch.
"""
from heapfast._batch cimport Batch
from heapfast._types cimport (
    KIND_NODE,
    KIND_POD_CONTAINER,
    M_CPU_USAGE,
    M_MEMORY_WORKING_SET,
    uint32_t,
)


cdef enum:
    MAIN_METRICS = (1 << M_CPU_USAGE) | (1 << M_MEMORY_WORKING_SET)


# What the main source says of a kind, as bits of row_t.present. Pods and system containers it does not know.
cdef inline uint32_t main_metrics(int kind) noexcept nogil:
    return <uint32_t>MAIN_METRICS if kind == KIND_NODE or kind == KIND_POD_CONTAINER else 0


cdef inline bint is_main_metric(int kind, int metric) noexcept nogil:
    return (metric == M_CPU_USAGE or metric == M_MEMORY_WORKING_SET) and main_metrics(kind) != 0


# Both take a batch of a store with a side source that is being closed, and return 0, or -1 when memory is out.

# Before rates: takes over from `former` (None: there is none) what the side source was not asked for in this window.
cdef int carry_side(Batch batch, Batch former) noexcept nogil
# After rates: fills in the side source's times where the main one has said none, and uptimes as of the batch's stamp.
cdef int show_side_times(Batch batch) noexcept nogil
