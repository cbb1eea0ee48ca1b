"""What the side source said, in the batches between its scrapes (see _side.pxd).

In      the batch that is being closed, and the one before it
Out     the same batch: where the side source has said nothing in it, values, times and resources of the former one
Callers _closing, before and after rates
Source  ours (issue 3, "sources can be combined"); design.md 4 for the times; the oracle is store/naive/side.py
Never   carries a value longer than a resolution of the side source, or to what the main source says is another one

A value is carried until the next scrape is due, and once more if that fails: the one after it follows in the next
window, and finds a former sample for its rates.
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from heapfast._batch cimport Batch
from heapfast._frame cimport ENTITY_KNOWN, frame_column, frame_t, has_column, sample_of
from heapfast._text cimport text_t
from heapfast._types cimport (
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    M_CPU_USAGE,
    M_DISK_IO_READ_BYTES,
    M_DISK_IO_READ_BYTES_RATE,
    M_DISK_IO_WRITE_BYTES_RATE,
    M_MEMORY_MAJOR_PAGE_FAULTS,
    M_MEMORY_PAGE_FAULTS,
    M_NETWORK_RX,
    M_UPTIME,
    N_CATALOG,
    N_METRICS,
    N_STANDARD,
    ORIGIN_CARRIED,
    ORIGIN_MAIN,
    ORIGIN_SIDE,
    PRESENT_NO,
    PRESENT_SCRAPED,
    SLOT_NONE,
    absent_i64,
    int64_t,
    time_zero,
    uint8_t,
    uint32_t,
    uint64_t,
    whole_ms,
)


cdef inline bint is_carried_metric(int kind, int metric) noexcept nogil:
    """What a side answer fills a column with. Of a pod these are its counters: all else is summed over containers."""
    if metric >= N_CATALOG:
        return kind != KIND_POD
    if metric == M_UPTIME or metric >= N_STANDARD:
        return False
    if kind == KIND_POD:
        return (
            metric == M_CPU_USAGE
            or metric == M_MEMORY_PAGE_FAULTS
            or metric == M_MEMORY_MAJOR_PAGE_FAULTS
            or metric >= M_NETWORK_RX
        )
    return not is_main_metric(kind, metric)


cdef inline bint is_same(const text_t* a, const text_t* b) noexcept nogil:
    if a == b:
        return True
    if a == NULL or b == NULL or a.len != b.len:
        return False
    return memcmp(a.data, b.data, a.len) == 0


cdef inline bint is_told(const frame_t* f, uint32_t i) noexcept nogil:
    """Whether an answer of this window has an entity."""
    return f.origin[i] & (ORIGIN_MAIN | ORIGIN_SIDE) != 0


cdef int carry_side(Batch batch, Batch former) noexcept nogil:
    cdef uint8_t* has_main
    cdef uint8_t* had_main
    cdef int kind
    cdef int failed = 0
    # Nodes, pods, pod containers and system containers.
    for kind in range(KIND_NODE, KIND_SYS_CONTAINER + 1):
        if keep_main_times(&batch.frame[kind]) or date_side(&batch.frame[kind], batch.timestamp_ns):
            return -1
    # A batch that was restored after a restart does not tell its sources apart.
    if former is None or former.frame[KIND_NODE].origin == NULL:
        return 0
    has_main = pods_of_main(batch)
    had_main = pods_of_main(former)
    if has_main == NULL or had_main == NULL:
        failed = -1
    for kind in range(KIND_NODE, KIND_SYS_CONTAINER + 1):
        failed = failed or carry_kind(batch, former, kind, has_main, had_main)
    free(has_main)
    free(had_main)
    return failed or follow_pods(batch) or carry_resources(batch, former)


cdef int keep_main_times(frame_t* f) noexcept nogil:
    f.main_sample_ns = <int64_t*>malloc((<size_t>f.n + 1) * sizeof(int64_t))
    f.main_start_ns = <int64_t*>malloc((<size_t>f.n + 1) * sizeof(int64_t))
    if f.main_sample_ns == NULL or f.main_start_ns == NULL:
        return -1
    if f.n:                    # an empty frame has no times to copy from
        memcpy(f.main_sample_ns, f.sample_ns, f.n * sizeof(int64_t))
        memcpy(f.main_start_ns, f.start_ns, f.n * sizeof(int64_t))
    return 0


cdef int date_side(frame_t* f, int64_t timestamp_ns) noexcept nogil:
    cdef uint32_t i
    f.side_came_ns = <int64_t*>malloc((<size_t>f.n + 1) * sizeof(int64_t))
    if f.side_came_ns == NULL:
        return -1
    for i in range(f.n):
        f.side_came_ns[i] = timestamp_ns if f.origin[i] & ORIGIN_SIDE else time_zero()
    return 0


cdef uint8_t* pods_of_main(Batch batch) noexcept nogil:
    """Which pods have a container in the main source's answers, by slot. Owned by the caller; NULL: memory is out."""
    cdef frame_t* containers = &batch.frame[KIND_POD_CONTAINER]
    cdef uint8_t* found = <uint8_t*>calloc(<size_t>batch.frame[KIND_POD].n + 1, 1)
    cdef uint32_t i
    if found != NULL:
        for i in range(containers.n):
            if containers.origin[i] & ORIGIN_MAIN:
                found[containers.parent[i]] = 1
    return found


cdef bint is_still_there(
    Batch batch, Batch former, int kind, uint32_t i, const uint8_t* has_main, const uint8_t* had_main
) noexcept nogil:
    """Whether nothing says that an entity has gone, or is another one, since the side source told of it."""
    cdef frame_t* f = &batch.frame[kind]
    cdef frame_t* old = &former.frame[kind]
    cdef frame_t* nodes = &batch.frame[KIND_NODE]
    cdef uint32_t node = old.node[i]
    cdef uint32_t pod
    cdef bint has, had
    if node == SLOT_NONE or not nodes.flags[node] & ENTITY_KNOWN:
        return False
    if kind == KIND_NODE or kind == KIND_SYS_CONTAINER:
        return True
    pod = i if kind == KIND_POD else f.parent[i]
    if batch.frame[KIND_POD].renewed[pod]:
        return False
    if not is_same(batch.frame[KIND_POD].uid[pod], former.frame[KIND_POD].uid[pod]):
        return False
    if kind == KIND_POD:
        has = has_main[i]
        had = had_main[i]
    else:
        has = f.origin[i] & ORIGIN_MAIN != 0
        had = old.origin[i] & ORIGIN_MAIN != 0
        if has and had and f.main_start_ns[i] != old.main_start_ns[i]:
            return False
    return has or not had or not nodes.answered[node] & ORIGIN_MAIN


cdef int carry_kind(
    Batch batch, Batch former, int kind, const uint8_t* has_main, const uint8_t* had_main
) noexcept nogil:
    cdef frame_t* f = &batch.frame[kind]
    cdef frame_t* old = &former.frame[kind]
    cdef uint32_t n = min(f.n, old.n)
    cdef uint32_t i
    cdef int m
    cdef int64_t value
    cdef int64_t* column
    for i in range(n):
        if f.origin[i] & ORIGIN_SIDE or not old.origin[i] & (ORIGIN_SIDE | ORIGIN_CARRIED):
            continue
        if batch.timestamp_ns - old.side_came_ns[i] > batch.side_ns:
            continue
        if not is_still_there(batch, former, kind, i, has_main, had_main):
            continue
        if not f.origin[i] & ORIGIN_MAIN:
            f.node[i] = old.node[i]
        f.origin[i] |= ORIGIN_CARRIED
        f.present[i] = PRESENT_SCRAPED
        f.side_sample_ns[i] = old.side_sample_ns[i]
        f.side_start_ns[i] = old.side_start_ns[i]
        f.side_came_ns[i] = old.side_came_ns[i]
    for m in range(N_METRICS):
        if not has_column(old, m) or not is_carried_metric(kind, m):
            continue
        column = frame_column(f, m)
        if column == NULL:
            return -1
        for i in range(n):
            if f.origin[i] & ORIGIN_CARRIED:
                value = sample_of(old, m, i)
                if value != absent_i64():
                    column[i] = value
    return 0


cdef int follow_pods(Batch batch) noexcept nogil:
    """A pod is on one node: what is carried of it goes to where an answer of this window has told of it.

    Kubelets may not say UIDs, so that one may have moved and yet be the same. What becomes of its containers would be
    on two nodes, and which of them is the pod's a matter of slots.
    """
    cdef frame_t* pods = &batch.frame[KIND_POD]
    cdef frame_t* containers = &batch.frame[KIND_POD_CONTAINER]
    cdef uint32_t* node = <uint32_t*>malloc((<size_t>pods.n + 1) * sizeof(uint32_t))
    cdef uint32_t i
    if node == NULL:
        return -1
    for i in range(pods.n):
        node[i] = pods.node[i] if is_told(pods, i) else SLOT_NONE
    for i in range(containers.n):
        if is_told(containers, i):
            node[containers.parent[i]] = containers.node[i]
    for i in range(pods.n):
        if pods.origin[i] == ORIGIN_CARRIED and node[i] != SLOT_NONE:
            pods.node[i] = node[i]
    for i in range(containers.n):
        if containers.origin[i] == ORIGIN_CARRIED and node[containers.parent[i]] != SLOT_NONE:
            containers.node[i] = node[containers.parent[i]]
    free(node)
    return 0


cdef int carry_resources(Batch batch, Batch former) noexcept nogil:
    """The filesystems, volumes, disks and accelerators of what is carried."""
    cdef frame_t* f = &batch.frame[KIND_RESOURCE]
    cdef frame_t* old = &former.frame[KIND_RESOURCE]
    cdef uint32_t n = min(f.n, old.n)
    cdef uint32_t i
    cdef int m
    cdef int64_t* column
    cdef uint8_t* is_carried = <uint8_t*>calloc(<size_t>n + 1, 1)
    if is_carried == NULL:
        return -1
    for i in range(n):
        if old.present[i] != PRESENT_NO and batch.frame[f.parent_kind[i]].origin[f.parent[i]] & ORIGIN_CARRIED:
            is_carried[i] = 1
            f.present[i] = PRESENT_SCRAPED
    for m in range(M_DISK_IO_READ_BYTES, N_CATALOG):
        if not has_column(old, m) or m == M_DISK_IO_READ_BYTES_RATE or m == M_DISK_IO_WRITE_BYTES_RATE:
            continue
        column = frame_column(f, m)
        if column == NULL:
            free(is_carried)
            return -1
        for i in range(n):
            if is_carried[i]:
                column[i] = sample_of(old, m, i)
    free(is_carried)
    return 0


cdef int show_side_times(Batch batch) noexcept nogil:
    cdef int kind
    cdef uint32_t i
    cdef frame_t* f
    cdef int64_t* uptime_ms
    for kind in range(KIND_NODE, KIND_SYS_CONTAINER + 1):
        f = &batch.frame[kind]
        uptime_ms = frame_column(f, M_UPTIME)
        if uptime_ms == NULL:
            return -1
        for i in range(f.n):
            if not f.origin[i]:
                continue
            if f.sample_ns[i] == time_zero():
                f.sample_ns[i] = f.side_sample_ns[i]
            if f.start_ns[i] == time_zero():
                f.start_ns[i] = f.side_start_ns[i]
            if f.start_ns[i] != time_zero():
                uptime_ms[i] = whole_ms(<int64_t>(<uint64_t>batch.timestamp_ns - <uint64_t>f.start_ns[i]))
    return 0
