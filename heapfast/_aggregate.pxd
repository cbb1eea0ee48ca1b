"""Questions over many series at once: what becomes of the samples of a group in a bucket.

                     newest <──────────────── time, as it is read
    slot 0     5   5   4   4   -   3         one column of the ring, decoded tick after tick
    slot 1     2   2   2   2   2   2
               └─┬─┘
    across     7   7   6   6   2   5         the slots of a group, at each tick (or pooled: all samples of a bucket)
               └─── bucket ──┘
    over         6.5                         the ticks of a bucket

Works in one thread without the GIL, over batches that the ring may have dropped meanwhile.
"""
from heapfast._grouping cimport Grouping
from heapfast._pack cimport packed_t
from heapfast._snapshot cimport Snapshot
from heapfast._types cimport int64_t, uint32_t, uint64_t


cdef enum:
    FUNCTION_SUM = 0
    FUNCTION_AVERAGE = 1
    FUNCTION_MIN = 2
    FUNCTION_MAX = 3
    FUNCTION_COUNT = 4
    FUNCTION_STDDEV = 5        # of all that there is, not of a sample of it
    FUNCTION_LAST = 6          # over time only
    FUNCTION_MEDIAN = 7
    FUNCTION_PERCENTILE = 8
    N_FUNCTIONS = 9

cdef struct function_t:
    int code                   # FUNCTION_*
    double percentile          # above 0, at most 100; of FUNCTION_PERCENTILE


cdef class Aggregate:
    cdef:
        Snapshot snapshot
        readonly Grouping grouping
        function_t across
        bint is_pooled
        int n_over
        function_t over[16]
        int64_t start_ns, end_ns, bucket_ns
        bint is_rate, is_counter
        bint is_by_slot                # groups are fed with the values of slots, not with what is made of them first
        uint32_t n_blocks
        Py_ssize_t first_tick          # that counts
        bint is_cancelled              # set by the loop, looked at once a tick
        int64_t max_samples
        # what a bucket is made of; NULL where no function asks for it
        uint32_t* count
        double* sum
        double* low
        double* high
        double* mean
        double* square
        double* last
        double* sample                 # of percentiles, by group: base[group] * ticks
        uint64_t* base                 # by group, and their sum
        uint32_t n_stored_ticks        # room in `sample`
        # what a tick is made of
        int64_t* bits                  # by slot, of the tick that was decoded last
        double* value                  # by slot, of the tick that counts, or its rate
        double* across_value           # by group
        double* across_square
        uint32_t* across_count
        double* member                 # by group: all values of a tick, for percentiles
        uint64_t* member_base
        # the answer
        readonly Py_ssize_t n_buckets
        int64_t* bucket_start_ns       # owned; the newest bucket first
        double* answer                 # owned; [bucket][function][group]
        Py_ssize_t cap_buckets
        readonly int64_t oldest_ns     # of the ticks that counted, and how many there were
        readonly int64_t newest_ns
        readonly Py_ssize_t n_counted

    cdef _ordered(self, uint32_t at_most, bint by_value, bint descending)
    cdef int _prepare(self) noexcept nogil
    cdef void _let_go(self) noexcept nogil
    cdef int _run(self) noexcept nogil
    cdef void _count_ticks(self) noexcept nogil
    cdef int _run_by_block(self) noexcept nogil
    cdef int _run_by_tick(self) noexcept nogil
    cdef void _load(self, uint32_t block) noexcept nogil
    cdef void _decode(self, const packed_t* packed, uint32_t block) noexcept nogil
    cdef void _read(self, Py_ssize_t tick, uint32_t block) noexcept nogil
    cdef void _combine(self) noexcept nogil
    cdef void _feed(self, const double* value, const uint32_t* group, uint32_t n) noexcept nogil
    cdef int64_t _bucket_of(self, int64_t timestamp_ns) noexcept nogil
    cdef int _begin_bucket(self, Py_ssize_t n_ticks) noexcept nogil
    cdef int _end_bucket(self, int64_t start_ns) noexcept nogil
    cdef double _finish(self, function_t function, uint32_t group) noexcept nogil
    cdef double value_of(self, Py_ssize_t bucket, int function, uint32_t group) noexcept nogil
