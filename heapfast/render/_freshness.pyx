"""Ages of served objects (see _freshness.pxd).

In      one age an object
Out     a histogram
Callers _k8s_items, for each item it writes; api/ exports it
Source  spec/metrics-k8s-io.md 9.4: the buckets of metrics_server_api_metric_freshness_seconds
Never   costs an item more than a few comparisons
"""


cdef class Freshness:
    """Belongs to the loop."""

    def __cinit__(self):
        cdef double bound = 1.0
        cdef int i
        for i in range(N_BOUNDS):
            self.bound_seconds[i] = bound
            bound *= 1.364

    cdef void observe(self, int64_t age_ns) noexcept:
        cdef double seconds = <double>age_ns / 1e9
        cdef int i = 0
        while i < N_BOUNDS and seconds > self.bound_seconds[i]:
            i += 1
        self.bucket[i] += 1
        self.sum_seconds += seconds

    @property
    def total_seconds(self):
        return self.sum_seconds

    def cumulative(self):
        cdef uint64_t total = 0
        cdef int i
        rows = []
        for i in range(N_BOUNDS):
            total += self.bucket[i]
            rows.append((self.bound_seconds[i], total))
        rows.append((float("inf"), total + self.bucket[N_BOUNDS]))
        return rows
