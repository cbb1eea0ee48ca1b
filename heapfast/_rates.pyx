"""Rates of one batch against the one before it (see _rates.pxd).

In      cumulative columns, sample and start times of two batches
Out     columns of rates, since_ns, side_since_ns
Callers _closing
Source  spec/heapster-pipeline.md 5.1, with Q2 and Q3 mended; the loops are _kernels'
Never   gives a rate across two UIDs, two start times, or a counter that fell
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from heapfast._batch cimport Batch
from heapfast._frame cimport (
    TIME_SAMPLE,
    TIME_SINCE,
    TIME_START,
    frame_column,
    frame_t,
    has_column,
    sample_of,
    time_at,
    times_of,
)
from heapfast._kernels cimport SAME_SAMPLE, counter_rate, cpu_rate, elapsed_between
from heapfast._pack cimport decode_block, plain_samples, samples_t
from heapfast._side cimport main_metrics
from heapfast._types cimport (
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    M_CPU_USAGE,
    M_CPU_USAGE_RATE,
    M_DISK_IO_READ_BYTES,
    M_DISK_IO_READ_BYTES_RATE,
    M_DISK_IO_WRITE_BYTES,
    M_DISK_IO_WRITE_BYTES_RATE,
    M_MEMORY_MAJOR_PAGE_FAULTS,
    M_MEMORY_MAJOR_PAGE_FAULTS_RATE,
    M_MEMORY_PAGE_FAULTS,
    M_MEMORY_PAGE_FAULTS_RATE,
    M_NETWORK_RX,
    M_NETWORK_RX_ERRORS,
    M_NETWORK_RX_ERRORS_RATE,
    M_NETWORK_RX_RATE,
    M_NETWORK_TX,
    M_NETWORK_TX_ERRORS,
    M_NETWORK_TX_ERRORS_RATE,
    M_NETWORK_TX_RATE,
    absent_i64,
    int64_t,
    time_zero,
    uint8_t,
    uint32_t,
)

#: A kubelet that samples more seldom than batches come keeps its rates for so long without a new sample.
cdef int64_t KEEP_RATE_NS = 60_000_000_000


# When the samples of one source were taken. Borrowed from the frame; a batch that is being closed has them plain.
cdef struct times_t:
    samples_t sample_ns
    samples_t start_ns
    samples_t since_ns         # none in the first batch


cdef inline times_t main_times(const frame_t* f) noexcept nogil:
    cdef times_t out
    # Without a side source, and in a batch that was restored, there is one pair of times.
    out.sample_ns = times_of(f, TIME_SAMPLE) if f.main_sample_ns == NULL else plain_samples(f.main_sample_ns, f.n)
    out.start_ns = times_of(f, TIME_START) if f.main_start_ns == NULL else plain_samples(f.main_start_ns, f.n)
    out.since_ns = times_of(f, TIME_SINCE)
    return out


cdef inline times_t side_times(const frame_t* f) noexcept nogil:
    """Of everything but CPU and memory of nodes and pod containers, where a side source has it: else the main one's."""
    cdef times_t out
    if f.origin == NULL:
        return main_times(f)
    out.sample_ns = plain_samples(f.side_sample_ns, f.n)
    out.start_ns = plain_samples(f.side_start_ns, f.n)
    out.since_ns = plain_samples(f.side_since_ns, f.n)
    return out


cdef inline void load_times(samples_t times, uint32_t block, uint32_t n, int64_t* out) noexcept nogil:
    """The first n of 64; time_zero() where there is none. Room for 64."""
    cdef uint32_t i
    if times.packed == NULL:
        for i in range(n):
            out[i] = time_at(times, block * 64 + i)
        return
    decode_block(times.packed, block, out)
    for i in range(n):
        if out[i] == absent_i64():
            out[i] = time_zero()


cdef int add_rates(Batch batch, Batch former) noexcept nogil:
    # Resources last: their owners' samples must be dated.
    return (
        add_rates_of(batch, former, KIND_POD)
        or add_rates_of(batch, former, KIND_POD_CONTAINER)
        or add_rates_of(batch, former, KIND_SYS_CONTAINER)
        or add_rates_of(batch, former, KIND_NODE)
        or add_disk_rates(batch, former)
    )


cdef int add_rates_of(Batch batch, Batch former, int kind) noexcept nogil:
    cdef frame_t* f = &batch.frame[kind]
    cdef frame_t* old = &former.frame[kind]
    cdef uint32_t n = min(f.n, old.n)
    cdef int64_t* elapsed_ns
    cdef bint has_main = f.origin == NULL or main_metrics(kind) != 0
    cdef int failed = 0
    if n == 0:
        return 0
    elapsed_ns = <int64_t*>malloc(<size_t>n * sizeof(int64_t))
    if elapsed_ns == NULL:
        return -1
    if has_main:
        failed = (
            time_samples(batch, former, kind, main_times(f), main_times(old), KEEP_RATE_NS, &f.since_ns, elapsed_ns)
            or add_rate(batch, former, kind, M_CPU_USAGE, M_CPU_USAGE_RATE, n, elapsed_ns)
        )
    if f.origin != NULL:
        failed = failed or time_samples(
            batch, former, kind, side_times(f), side_times(old), KEEP_RATE_NS + batch.side_ns - 1, &f.side_since_ns,
            elapsed_ns,
        )
        if has_main and old.origin == NULL:
            # A batch that was restored has the main source's times alone.
            memset(elapsed_ns, 0, n * sizeof(int64_t))
    if not has_main:
        failed = failed or add_rate(batch, former, kind, M_CPU_USAGE, M_CPU_USAGE_RATE, n, elapsed_ns)
    failed = (
        failed
        or add_rate(batch, former, kind, M_MEMORY_PAGE_FAULTS, M_MEMORY_PAGE_FAULTS_RATE, n, elapsed_ns)
        or add_rate(batch, former, kind, M_MEMORY_MAJOR_PAGE_FAULTS, M_MEMORY_MAJOR_PAGE_FAULTS_RATE, n, elapsed_ns)
        or add_rate(batch, former, kind, M_NETWORK_RX, M_NETWORK_RX_RATE, n, elapsed_ns)
        or add_rate(batch, former, kind, M_NETWORK_RX_ERRORS, M_NETWORK_RX_ERRORS_RATE, n, elapsed_ns)
        or add_rate(batch, former, kind, M_NETWORK_TX, M_NETWORK_TX_RATE, n, elapsed_ns)
        or add_rate(batch, former, kind, M_NETWORK_TX_ERRORS, M_NETWORK_TX_ERRORS_RATE, n, elapsed_ns)
    )
    free(elapsed_ns)
    return failed


cdef int time_samples(
    Batch batch,
    Batch former,
    int kind,
    times_t new,               # IN   of one source
    times_t old,               # IN   its times in the former batch
    int64_t keep_ns,           # IN   how long a rate stays without a new sample
    int64_t** since_ns,        # OUT  owned by the caller; made here: stamp of the batch where each sample was new
    int64_t* elapsed_ns,       # OUT  as elapsed_between says
) noexcept nogil:
    """Over what time rates are; a sample that has stood still for too long keeps none."""
    cdef frame_t* f = &batch.frame[kind]
    cdef frame_t* old_frame = &former.frame[kind]
    cdef const uint8_t* renewed = batch.frame[KIND_POD].renewed
    cdef uint32_t n = min(f.n, old_frame.n)
    cdef uint32_t i, start, some
    cdef int64_t[64] old_sample_ns
    cdef int64_t[64] old_start_ns
    memset(old_sample_ns, 0, sizeof(old_sample_ns))
    memset(old_start_ns, 0, sizeof(old_start_ns))
    since_ns[0] = <int64_t*>malloc((<size_t>f.n + 1) * sizeof(int64_t))
    if since_ns[0] == NULL:
        return -1
    for start in range(0, n, 64):
        some = min(n - start, 64)
        load_times(old.sample_ns, start // 64, some, old_sample_ns)
        load_times(old.start_ns, start // 64, some, old_start_ns)
        elapsed_between(
            new.sample_ns.plain + start, new.start_ns.plain + start, old_sample_ns, old_start_ns,
            f.present + start, old_frame.present + start, some, elapsed_ns + start,
        )
    if kind == KIND_POD or kind == KIND_POD_CONTAINER:
        # A pod that came back under its old name with another UID has no past.
        for i in range(n):
            if renewed[i if kind == KIND_POD else f.parent[i]]:
                elapsed_ns[i] = 0
    for i in range(f.n):
        since_ns[0][i] = batch.timestamp_ns
    for i in range(n):
        if elapsed_ns[i] == SAME_SAMPLE:
            since_ns[0][i] = former.timestamp_ns if old.since_ns.n == 0 else time_at(old.since_ns, i)
            if batch.timestamp_ns - since_ns[0][i] > keep_ns:
                elapsed_ns[i] = 0
    return 0


cdef int add_rate(
    Batch batch, Batch former, int kind, int counter, int rate, uint32_t n, const int64_t* elapsed_ns
) noexcept nogil:
    cdef frame_t* f = &batch.frame[kind]
    cdef const int64_t* value = f.column[counter]
    cdef const int64_t* old_value = former.frame[kind].column[counter]
    cdef frame_t* old = &former.frame[kind]
    cdef int64_t* out
    cdef uint32_t i
    if value == NULL or old_value == NULL:
        return 0
    out = frame_column(f, rate)
    if out == NULL:
        return -1
    if batch.metrics.is_float[rate]:
        counter_rate(value, old_value, elapsed_ns, n, <double*>out)
    else:
        cpu_rate(value, old_value, elapsed_ns, n, out)
    # What a pod has of a rate that its containers have too is a sum, and will be summed again.
    if kind == KIND_POD and has_column(&former.frame[KIND_POD_CONTAINER], rate):
        return 0
    for i in range(n):
        if elapsed_ns[i] == SAME_SAMPLE and value[i] != absent_i64():
            out[i] = sample_of(old, rate, i)
    return 0


cdef int add_disk_rates(Batch batch, Batch former) noexcept nogil:
    """Each device against its own old counter (Q2), over the time between its owner's samples."""
    cdef frame_t* f = &batch.frame[KIND_RESOURCE]
    cdef frame_t* old = &former.frame[KIND_RESOURCE]
    cdef frame_t* owner
    cdef frame_t* old_owner
    cdef uint32_t n = min(f.n, old.n)
    cdef uint32_t i, p
    cdef int64_t* elapsed_ns
    cdef int64_t keep_ns
    cdef times_t new_times, old_times
    cdef int64_t old_sample_ns, old_start_ns
    cdef int failed
    cdef bint has_disks = f.column[M_DISK_IO_READ_BYTES] != NULL or f.column[M_DISK_IO_WRITE_BYTES] != NULL
    if n == 0 or not has_disks:
        return 0
    elapsed_ns = <int64_t*>calloc(n, sizeof(int64_t))
    if elapsed_ns == NULL:
        return -1
    for i in range(n):
        p = f.parent[i]
        owner = &batch.frame[f.parent_kind[i]]
        old_owner = &former.frame[f.parent_kind[i]]
        if f.present[i] and old.present[i] and p < old_owner.n:
            new_times = side_times(owner)
            old_times = side_times(old_owner)
            old_sample_ns = time_at(old_times.sample_ns, p)
            old_start_ns = time_at(old_times.start_ns, p)
            elapsed_between(
                new_times.sample_ns.plain + p, new_times.start_ns.plain + p, &old_sample_ns, &old_start_ns,
                owner.present + p, old_owner.present + p, 1, elapsed_ns + i,
            )
            keep_ns = KEEP_RATE_NS + (batch.side_ns - 1 if owner.origin != NULL else 0)
            if elapsed_ns[i] == SAME_SAMPLE and batch.timestamp_ns - new_times.since_ns.plain[p] > keep_ns:
                elapsed_ns[i] = 0
    failed = (
        add_rate(batch, former, KIND_RESOURCE, M_DISK_IO_READ_BYTES, M_DISK_IO_READ_BYTES_RATE, n, elapsed_ns)
        or add_rate(batch, former, KIND_RESOURCE, M_DISK_IO_WRITE_BYTES, M_DISK_IO_WRITE_BYTES_RATE, n, elapsed_ns)
    )
    free(elapsed_ns)
    return failed
