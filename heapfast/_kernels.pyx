"""Loops over columns (see _kernels.pxd).

In      columns of one batch or of two that follow each other
Out     columns of rates and sums
Callers _rates, _sums; the oracle is store/naive
Source  spec/heapster-pipeline.md 5.1.3 and 5.4, with Q1, Q3 and B8 mended: 64-bit floats, a counter
        that falls is a reset, products do not overflow
Never   allocates, or looks past n
"""
from libc.stdint cimport INT64_MAX

from heapfast._types cimport PRESENT_NO, SLOT_NONE, absent_i64, int64_t, time_zero, uint8_t, uint32_t, uint64_t


cdef extern from *:
    """
    static inline int64_t heapfast_thousandfold(int64_t part, int64_t whole)
    {
        unsigned __int128 quotient = (unsigned __int128)part * 1000 / (unsigned __int128)whole;
        return quotient > INT64_MAX ? INT64_MAX : (int64_t)quotient;
    }
    """
    int64_t heapfast_thousandfold(int64_t part, int64_t whole) noexcept nogil


cdef int64_t cpu_rate_of(int64_t delta_ns, int64_t elapsed_ns) noexcept nogil:
    """1000 x delta / elapsed, truncated; millicores. A product beyond int64 is made in 128 bits (Q3)."""
    if delta_ns <= INT64_MAX // 1000:
        return delta_ns * 1000 // elapsed_ns
    return heapfast_thousandfold(delta_ns, elapsed_ns)


cdef void elapsed_between(
    const int64_t* sample_ns,
    const int64_t* start_ns,
    const int64_t* old_sample_ns,
    const int64_t* old_start_ns,
    const uint8_t* present,
    const uint8_t* old_present,
    uint32_t n,
    int64_t* elapsed_ns,
) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if (
            present[i] != PRESENT_NO
            and old_present[i] != PRESENT_NO
            and sample_ns[i] > old_sample_ns[i]
            and start_ns[i] == old_start_ns[i]         # the restart guard
        ):
            # The year-1 instant may be one of the two: unsigned, so that the difference wraps as specified (N8).
            elapsed_ns[i] = <int64_t>(<uint64_t>sample_ns[i] - <uint64_t>old_sample_ns[i])
        elif (
            present[i] != PRESENT_NO
            and old_present[i] != PRESENT_NO
            and sample_ns[i] == old_sample_ns[i]
            and sample_ns[i] != time_zero()
            and start_ns[i] == old_start_ns[i]
        ):
            elapsed_ns[i] = SAME_SAMPLE
        else:
            elapsed_ns[i] = 0


cdef inline bint has_rate(
    const int64_t* value, const int64_t* old_value, const int64_t* elapsed_ns, uint32_t i
) noexcept nogil:
    """Whether a counter has risen, or stood still, from one sample to a later one."""
    return (
        elapsed_ns[i] > 0
        and value[i] != absent_i64()
        and old_value[i] != absent_i64()
        and value[i] >= old_value[i]
    )


cdef void cpu_rate(
    const int64_t* value_ns,
    const int64_t* old_value_ns,
    const int64_t* elapsed_ns,
    uint32_t n,
    int64_t* rate_millicores,
) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if has_rate(value_ns, old_value_ns, elapsed_ns, i):
            rate_millicores[i] = cpu_rate_of(value_ns[i] - old_value_ns[i], elapsed_ns[i])


cdef void counter_rate(
    const int64_t* value,
    const int64_t* old_value,
    const int64_t* elapsed_ns,
    uint32_t n,
    double* rate,
) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if has_rate(value, old_value, elapsed_ns, i):
            # In this order: 10^9 x delta first, then the division (as spec 5.1.3, in 64 bits).
            rate[i] = 1e9 * <double>(value[i] - old_value[i]) / <double>elapsed_ns[i]


cdef inline bint is_term(
    int64_t value, uint8_t present, uint32_t parent, const int64_t* blocked
) noexcept nogil:
    """Whether a value is added to its parent's."""
    if present == PRESENT_NO or parent == SLOT_NONE or value == absent_i64():
        return False
    return blocked == NULL or blocked[parent] == absent_i64()


cdef void add_to_parents_i64(
    const int64_t* value,
    const uint8_t* present,
    const uint32_t* parent,
    uint32_t n,
    int64_t* total,
    const int64_t* blocked,
) noexcept nogil:
    cdef uint32_t i, p
    for i in range(n):
        p = parent[i]
        if not is_term(value[i], present[i], p, blocked):
            continue
        if total[p] == absent_i64():
            total[p] = value[i]
        else:
            total[p] = <int64_t>(<uint64_t>total[p] + <uint64_t>value[i])


cdef void add_to_parents_f64(
    const int64_t* value,
    const uint8_t* present,
    const uint32_t* parent,
    uint32_t n,
    int64_t* total,
    const int64_t* blocked,
) noexcept nogil:
    cdef uint32_t i, p
    cdef const double* term = <const double*>value
    cdef double* sum_ = <double*>total
    for i in range(n):
        p = parent[i]
        if not is_term(value[i], present[i], p, blocked):
            continue
        if total[p] == absent_i64():
            sum_[p] = term[i]
        else:
            sum_[p] = sum_[p] + term[i] + 0.0          # + 0.0: never the bits of "absent"
