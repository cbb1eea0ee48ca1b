"""Guesses where the next rows go, and asks for those lines (see _warm.pxd).

In      rows, entity tables, the open batch, the latest view
Out     nothing but a warm cache
Callers _core.ingest, row by row or chunk by chunk
Source  measured (bench/micro/ingest.py, 5,000 nodes): an answer of which nothing is expected 22 us, and 38 us while the
        compiler dropped most of what is asked for here (_prefetch.pxd); one that is expected 11 us, and 20 us then
Never   changes anything

Where it is known which containers the rows are (_expected.pxd), nothing has to be guessed. Elsewhere:

    pass 1   pods: hash of the name, ask for the bucket
    pass 2   pods: slot in the bucket, ask for its table lines; containers: hash, ask for the bucket
    pass 3   containers: slot in the bucket, ask for lines of the table, the open columns and the latest view
"""
from heapfast._entities cimport Entities, owner_t, table_t
from heapfast._expected cimport expected_t
from heapfast._frame cimport frame_t
from heapfast._latest cimport Latest
from heapfast._prefetch cimport prefetch
from heapfast._text cimport text_t
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_POD,
    KIND_POD_CONTAINER,
    M_UPTIME,
    SLOT_NONE,
    uint32_t,
)
from heapfast.wire._rows cimport row_t
from heapfast.wire._scan cimport lowest_bit


cdef inline owner_t owned_by(uint32_t slot) noexcept nogil:
    cdef owner_t owner
    owner.slot = slot
    owner.kind = 0
    owner.type = 0
    return owner


cdef inline bint is_same_pod(const row_t* a, const row_t* b) noexcept nogil:
    """Rows of one pod follow each other and borrow their names from one place, or at least look alike."""
    return a.pod.ptr == b.pod.ptr and a.pod.len == b.pod.len and a.namespace.ptr == b.namespace.ptr


cdef inline void warm_bucket(table_t* t, uint32_t h) noexcept nogil:
    prefetch(&t.bucket[h & (t.n_buckets - 1)])


cdef inline void warm_pod(table_t* t, uint32_t slot, const row_t* row) noexcept nogil:
    prefetch(&t.name[slot])
    prefetch(&t.parent[slot])
    prefetch(&t.flags[slot])
    if row.uid.len:
        prefetch(&t.uid_hash[slot])


cdef inline void warm_text(const text_t* text, uint32_t len) noexcept nogil:
    """One of that length, which often begins in one line and ends in the next. Where there is none, both are vain."""
    prefetch(text)
    prefetch(<const char*>(<size_t>text + sizeof(text_t) + len))


cdef inline void warm_container(table_t* t, uint32_t slot) noexcept nogil:
    prefetch(&t.name[slot])
    prefetch(&t.parent[slot])
    prefetch(&t.last_seen[slot])


cdef inline void warm_frame(const frame_t* f, uint32_t slot, uint32_t present) noexcept nogil:
    cdef int m
    if slot >= f.n:
        return
    prefetch(&f.present[slot])
    prefetch(&f.answer[slot])
    prefetch(&f.sample_ns[slot])
    prefetch(&f.start_ns[slot])
    prefetch(&f.node[slot])
    if f.image != NULL:
        prefetch(&f.image[slot])
    if f.column[M_UPTIME] != NULL:
        prefetch(&f.column[M_UPTIME][slot])
    while present:
        m = lowest_bit(present)
        present &= present - 1
        if f.column[m] != NULL:
            prefetch(&f.column[m][slot])


cdef inline void warm_track(Latest latest, uint32_t slot) noexcept nogil:
    if slot < latest.n_containers:
        prefetch(&latest.container[slot])
        prefetch(<const char*>&latest.container[slot] + 64)


cdef void warm_expected(
    Entities entities, Latest latest, const frame_t* frames, const row_t* row, const expected_t* place,
    uint32_t n, uint32_t next, warmed_t* warmed,
) noexcept nogil:
    cdef table_t* pods = &entities.table[KIND_POD]
    cdef table_t* containers = &entities.table[KIND_POD_CONTAINER]
    cdef uint32_t slot, pod
    while warmed.containers < min(n, next + WARM_CONTAINER_ROWS):
        slot = place[warmed.containers].slot
        if slot < containers.n:
            warm_container(containers, slot)
            warm_frame(&frames[KIND_POD_CONTAINER], slot, row[warmed.containers].present)
            warm_track(latest, slot)
        warmed.containers += 1
    while warmed.pods < min(n, next + WARM_POD_ROWS):
        slot = place[warmed.pods].slot
        if slot < containers.n:
            # That of a slot that has been given back may be any.
            pod = containers.parent[slot]
            if pod < pods.n:
                warm_pod(pods, pod, &row[warmed.pods])
                if pod < latest.n_pods:
                    prefetch(&latest.pod_answer[pod])
        warmed.pods += 1
    while warmed.names < min(n, next + WARM_NAME_ROWS):
        slot = place[warmed.names].slot
        if slot < containers.n and containers.parent[slot] < pods.n:
            warm_text(pods.name[containers.parent[slot]], row[warmed.names].pod.len)
        warmed.names += 1


cdef void warm_rows(
    Entities entities, Latest latest, const frame_t* frames, const row_t* row, uint32_t n
) noexcept nogil:
    cdef table_t* pods = &entities.table[KIND_POD]
    cdef table_t* containers = &entities.table[KIND_POD_CONTAINER]
    cdef uint32_t[WARM_ROWS] pod_hash
    cdef uint32_t[WARM_ROWS] pod
    cdef uint32_t[WARM_ROWS] container_hash
    cdef uint32_t i, slot, namespace = SLOT_NONE
    cdef const row_t* before = NULL
    for i in range(n):
        if row[i].kind != KIND_POD_CONTAINER and row[i].kind != KIND_POD:
            continue
        if before == NULL or before.namespace.ptr != row[i].namespace.ptr:
            # A few hundred names, asked for over and over: these are in the cache.
            namespace = entities.find(
                KIND_NAMESPACE, owned_by(SLOT_NONE), row[i].namespace.ptr, row[i].namespace.len
            )
        before = &row[i]
        pod_hash[i] = 0
        if row[i].kind == KIND_POD:
            pod_hash[i] = entities.hash_of(owned_by(namespace), row[i].name.ptr, row[i].name.len)
        elif i > 0 and row[i - 1].kind == KIND_POD_CONTAINER and is_same_pod(&row[i], &row[i - 1]):
            pod_hash[i] = pod_hash[i - 1]
            continue
        else:
            pod_hash[i] = entities.hash_of(owned_by(namespace), row[i].pod.ptr, row[i].pod.len)
        warm_bucket(pods, pod_hash[i])
    for i in range(n):
        pod[i] = SLOT_NONE
        if row[i].kind != KIND_POD_CONTAINER and row[i].kind != KIND_POD:
            continue
        if i > 0 and pod[i - 1] != SLOT_NONE and pod_hash[i] == pod_hash[i - 1]:
            pod[i] = pod[i - 1]
        else:
            pod[i] = entities.guess(KIND_POD, pod_hash[i])
            if pod[i] == SLOT_NONE:
                continue
            warm_pod(pods, pod[i], &row[i])
            if pod[i] < latest.n_pods:
                prefetch(&latest.pod_answer[pod[i]])
        if row[i].kind == KIND_POD:
            warm_frame(&frames[KIND_POD], pod[i], row[i].present)
        else:
            container_hash[i] = entities.hash_of(owned_by(pod[i]), row[i].name.ptr, row[i].name.len)
            warm_bucket(containers, container_hash[i])
    for i in range(n):
        if pod[i] == SLOT_NONE:
            continue
        warm_text(pods.name[pod[i]], row[i].name.len if row[i].kind == KIND_POD else row[i].pod.len)
        if row[i].kind != KIND_POD_CONTAINER:
            continue
        slot = entities.guess(KIND_POD_CONTAINER, container_hash[i])
        if slot == SLOT_NONE:
            continue
        warm_container(containers, slot)
        warm_frame(&frames[KIND_POD_CONTAINER], slot, row[i].present)
        warm_track(latest, slot)
