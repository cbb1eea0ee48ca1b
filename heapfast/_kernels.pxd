"""Loops over columns: rates of counters, sums over children.

Every kernel trusts its caller that the arrays have `n` entries (`n` the smaller where two
batches meet) and looks at nothing else. "Absent" is absent_i64() in all columns.
"""
from heapfast._types cimport int64_t, uint8_t, uint32_t


cdef enum:
    SAME_SAMPLE = -1


cdef int64_t cpu_rate_of(int64_t delta_ns, int64_t elapsed_ns) noexcept nogil    # delta >= 0, elapsed > 0

cdef void elapsed_between(
    const int64_t* sample_ns,        # IN   of the new batch
    const int64_t* start_ns,         # IN
    const int64_t* old_sample_ns,    # IN   of the batch before
    const int64_t* old_start_ns,     # IN
    const uint8_t* present,          # IN   PRESENT_* of the new batch
    const uint8_t* old_present,      # IN
    uint32_t n,
    int64_t* elapsed_ns,             # OUT  0 where no rate may be computed, SAME_SAMPLE where there is no new sample
) noexcept nogil

cdef void cpu_rate(
    const int64_t* value_ns,         # IN   cumulative CPU time
    const int64_t* old_value_ns,     # IN
    const int64_t* elapsed_ns,       # IN
    uint32_t n,
    int64_t* rate_millicores,        # OUT  only where there is a rate
) noexcept nogil

cdef void counter_rate(
    const int64_t* value,            # IN   cumulative
    const int64_t* old_value,        # IN
    const int64_t* elapsed_ns,       # IN
    uint32_t n,
    double* rate,                    # OUT  per second, only where there is a rate
) noexcept nogil

cdef void add_to_parents_i64(
    const int64_t* value,            # IN   of the children
    const uint8_t* present,          # IN   of the children
    const uint32_t* parent,          # IN   slot in `total`; SLOT_NONE = nobody's
    uint32_t n,
    int64_t* total,                  # INOUT
    const int64_t* blocked,          # IN   column of `total`'s slots that wins where it has a value, or NULL
) noexcept nogil

cdef void add_to_parents_f64(
    const int64_t* value,
    const uint8_t* present,
    const uint32_t* parent,
    uint32_t n,
    int64_t* total,
    const int64_t* blocked,
) noexcept nogil
