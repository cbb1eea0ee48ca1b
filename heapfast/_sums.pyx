"""Sums over the children of one batch (see _sums.pxd).

In      the columns of containers and pods
Out     the same columns of pods, namespaces, nodes and the cluster; pods and namespaces that only children tell of
Callers _closing, metric by metric and from the inside out
Source  spec/heapster-pipeline.md 5.4 to 5.7; the loops are _kernels'
Never   adds up what pods or nodes count themselves
"""
from libc.stdlib cimport calloc, free, malloc

from heapfast._batch cimport Batch
from heapfast._frame cimport ENTITY_NO_NODENAME, frame_column, frame_t
from heapfast._kernels cimport add_to_parents_f64, add_to_parents_i64
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    M_CPU_REQUEST,
    M_CPU_USAGE_RATE,
    M_MEMORY_LIMIT,
    M_MEMORY_USAGE,
    M_UPTIME,
    PRESENT_MADE,
    PRESENT_NO,
    SLOT_NONE,
    int64_t,
    is_counter,
    uint32_t,
)


cdef inline bint is_own_cumulative(int metric) noexcept nogil:
    """The standard counters, which pods do not inherit from their containers (spec 5.4)."""
    return metric == M_UPTIME or is_counter(metric)


cdef int add(Batch batch, int child, int parent, int metric, const uint32_t* owner) noexcept nogil:
    """Adds a column of the children to the same column of their owners."""
    cdef frame_t* f = &batch.frame[child]
    cdef frame_t* p = &batch.frame[parent]
    cdef const int64_t* blocked = NULL
    cdef int twin = batch.metrics.twin[metric]
    cdef int64_t* total
    if f.column[metric] == NULL:
        return 0
    total = frame_column(p, metric)
    if total == NULL:
        return -1
    if twin and p.column[twin] != NULL:
        blocked = p.column[twin]          # a pod that has the metric in the other type keeps it
    if batch.metrics.is_float[metric]:
        add_to_parents_f64(f.column[metric], f.present, owner, f.n, total, blocked)
    else:
        add_to_parents_i64(f.column[metric], f.present, owner, f.n, total, blocked)
    return 0


cdef inline bint is_request(int metric) noexcept nogil:
    """What containers ask for and may use, which is added up for nodes too."""
    return M_CPU_REQUEST <= metric <= M_MEMORY_LIMIT


cdef inline bint is_of_namespaces(int metric) noexcept nogil:
    """What namespaces and the cluster have (spec 5.5 and 5.7)."""
    return metric == M_CPU_USAGE_RATE or metric == M_MEMORY_USAGE or is_request(metric)


cdef void make_parents(Batch batch) noexcept nogil:
    cdef frame_t* pods = &batch.frame[KIND_POD]
    cdef frame_t* containers = &batch.frame[KIND_POD_CONTAINER]
    cdef frame_t* namespaces = &batch.frame[KIND_NAMESPACE]
    cdef uint32_t slot, pod
    for slot in range(containers.n):
        if containers.present[slot] != PRESENT_NO:
            pod = containers.parent[slot]
            if pods.present[pod] == PRESENT_NO:
                pods.present[pod] = PRESENT_MADE
                pods.node[pod] = containers.node[slot]
                pods.flags[pod] |= ENTITY_NO_NODENAME
    for pod in range(pods.n):
        if pods.present[pod] != PRESENT_NO:
            namespaces.present[pods.parent[pod]] = PRESENT_MADE
    batch.frame[KIND_CLUSTER].present[0] = PRESENT_MADE


cdef int sum_pods(Batch batch, int metric) noexcept nogil:
    if is_own_cumulative(metric):
        return 0
    return add(batch, KIND_POD_CONTAINER, KIND_POD, metric, batch.frame[KIND_POD_CONTAINER].parent)


cdef int sum_namespaces(Batch batch, int metric) noexcept nogil:
    if not is_of_namespaces(metric):
        return 0
    return add(batch, KIND_POD, KIND_NAMESPACE, metric, batch.frame[KIND_POD].parent)


cdef int sum_nodes(Batch batch, int metric) noexcept nogil:
    """Requests and limits only; what a node uses is its own figure (Q5). No node is made here."""
    cdef frame_t* pods = &batch.frame[KIND_POD]
    cdef frame_t* nodes = &batch.frame[KIND_NODE]
    cdef uint32_t* owner
    cdef uint32_t pod
    cdef int failed
    if not is_request(metric) or pods.column[metric] == NULL:
        return 0
    owner = <uint32_t*>malloc((<size_t>pods.n + 1) * sizeof(uint32_t))
    if owner == NULL:
        return -1
    for pod in range(pods.n):
        owner[pod] = pods.node[pod]
        if (
            owner[pod] != SLOT_NONE
            and (pods.flags[pod] & ENTITY_NO_NODENAME or nodes.present[owner[pod]] == PRESENT_NO)
        ):
            owner[pod] = SLOT_NONE
    failed = add(batch, KIND_POD, KIND_NODE, metric, owner)
    free(owner)
    return failed


cdef int sum_cluster(Batch batch, int metric) noexcept nogil:
    cdef frame_t* namespaces = &batch.frame[KIND_NAMESPACE]
    cdef uint32_t* owner
    cdef int failed
    if not is_of_namespaces(metric) or namespaces.column[metric] == NULL:
        return 0
    owner = <uint32_t*>calloc(<size_t>namespaces.n + 1, sizeof(uint32_t))
    if owner == NULL:
        return -1
    failed = add(batch, KIND_NAMESPACE, KIND_CLUSTER, metric, owner)
    free(owner)
    return failed
