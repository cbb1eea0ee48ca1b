"""What the API server knows, entered into a batch (see _enrich.pxd).

In      specs of pods, containers and nodes from the entity tables
Out     requests, limits, restart counts, stubs of what no kubelet told of; what nodes have and how much of it is used
Callers _closing
Source  spec/heapster-pipeline.md 5.2 and 5.7
Never   changes a number that a kubelet stated
"""
from heapfast._batch cimport Batch
from heapfast._entities cimport Entities, container_spec_t, node_spec_t, pod_spec_t, specified_by
from heapfast._frame cimport ENTITY_KNOWN, ENTITY_SPEC, frame_column, frame_t
from heapfast._requirements cimport requirements_t
from heapfast._types cimport (
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    M_CPU_LIMIT,
    M_CPU_NODE_ALLOCATABLE,
    M_CPU_NODE_CAPACITY,
    M_CPU_NODE_RESERVATION,
    M_CPU_NODE_UTILIZATION,
    M_CPU_REQUEST,
    M_CPU_USAGE_RATE,
    M_MEMORY_NODE_ALLOCATABLE,
    M_MEMORY_NODE_CAPACITY,
    M_MEMORY_NODE_RESERVATION,
    M_MEMORY_NODE_UTILIZATION,
    M_MEMORY_REQUEST,
    M_MEMORY_USAGE,
    M_RESTART_COUNT,
    PRESENT_NO,
    PRESENT_STUB,
    absent_i64,
    int64_t,
    uint32_t,
)


cdef void add_stubs(Batch batch, Entities entities) noexcept nogil:
    cdef frame_t* pods = &batch.frame[KIND_POD]
    cdef frame_t* containers = &batch.frame[KIND_POD_CONTAINER]
    cdef pod_spec_t* pod_spec = entities.table[KIND_POD].pod_spec
    cdef uint32_t slot, pod, i
    for slot in range(containers.n):
        if containers.present[slot] == PRESENT_NO:
            continue
        pod = containers.parent[slot]
        if pods.flags[pod] & ENTITY_KNOWN and pods.present[pod] == PRESENT_NO:
            pods.present[pod] = PRESENT_STUB
            pods.node[pod] = containers.node[slot]
    for pod in range(pods.n):
        if pods.present[pod] == PRESENT_NO or not pods.flags[pod] & ENTITY_KNOWN:
            continue
        pods.create_ns[pod] = pod_spec[pod].create_ns
        for i in range(pod_spec[pod].n_containers):
            slot = specified_by(&pod_spec[pod])[i]
            if containers.present[slot] == PRESENT_NO:
                containers.present[slot] = PRESENT_STUB
                containers.node[slot] = pods.node[pod]


cdef int enrich_containers(Batch batch, Entities entities, int metric) noexcept nogil:
    """Requests and limits are 0 where the spec says none. What has no sample has no restart count either."""
    cdef frame_t* pods = &batch.frame[KIND_POD]
    cdef frame_t* containers = &batch.frame[KIND_POD_CONTAINER]
    cdef const container_spec_t* spec = entities.table[KIND_POD_CONTAINER].container_spec
    cdef const requirements_t* entry = entities.requirements.entry
    cdef int64_t* column = NULL
    cdef uint32_t slot
    for slot in range(containers.n):
        if containers.present[slot] == PRESENT_NO or not pods.flags[containers.parent[slot]] & ENTITY_KNOWN:
            continue
        if metric == M_RESTART_COUNT:
            if containers.present[slot] == PRESENT_STUB or spec[slot].restart_count < 0:
                continue
        elif containers.present[slot] != PRESENT_STUB and not containers.flags[slot] & ENTITY_SPEC:
            continue
        if column == NULL:
            column = frame_column(containers, metric)
            if column == NULL:
                return -1
        if metric == M_RESTART_COUNT:
            column[slot] = spec[slot].restart_count
        else:
            column[slot] = required(&entry[spec[slot].requirements], metric)
    return 0


cdef inline int64_t required(const requirements_t* wanted, int metric) noexcept nogil:
    if metric == M_CPU_REQUEST:
        return wanted.cpu_request_millicores
    if metric == M_CPU_LIMIT:
        return wanted.cpu_limit_millicores
    if metric == M_MEMORY_REQUEST:
        return wanted.memory_request_bytes
    return wanted.memory_limit_bytes


cdef int enrich_nodes(Batch batch, Entities entities) noexcept nogil:
    cdef frame_t* f = &batch.frame[KIND_NODE]
    cdef node_spec_t* spec = entities.table[KIND_NODE].node_spec
    cdef uint32_t slot
    cdef int m
    for slot in range(f.n):
        if f.present[slot] == PRESENT_NO or not f.flags[slot] & ENTITY_KNOWN:
            continue
        for m in range(M_CPU_NODE_CAPACITY, M_MEMORY_NODE_RESERVATION + 1):
            if frame_column(f, m) == NULL:
                return -1
        set_f64(f, M_CPU_NODE_CAPACITY, slot, <double>spec[slot].cpu_capacity_millicores)
        set_f64(f, M_CPU_NODE_ALLOCATABLE, slot, <double>spec[slot].cpu_allocatable_millicores)
        set_f64(f, M_MEMORY_NODE_CAPACITY, slot, <double>spec[slot].memory_capacity_bytes)
        set_f64(f, M_MEMORY_NODE_ALLOCATABLE, slot, <double>spec[slot].memory_allocatable_bytes)
        share(f, M_CPU_USAGE_RATE, spec[slot].cpu_allocatable_millicores, M_CPU_NODE_UTILIZATION, slot)
        share(f, M_CPU_REQUEST, spec[slot].cpu_allocatable_millicores, M_CPU_NODE_RESERVATION, slot)
        share(f, M_MEMORY_USAGE, spec[slot].memory_allocatable_bytes, M_MEMORY_NODE_UTILIZATION, slot)
        share(f, M_MEMORY_REQUEST, spec[slot].memory_allocatable_bytes, M_MEMORY_NODE_RESERVATION, slot)
    return 0


cdef inline void set_f64(frame_t* f, int metric, uint32_t slot, double value) noexcept nogil:
    (<double*>f.column[metric])[slot] = value + 0.0


cdef inline void share(frame_t* f, int part, int64_t whole, int metric, uint32_t slot) noexcept nogil:
    """part / whole, unless whole is 0; a part that is not known counts as 0."""
    cdef int64_t value = 0
    if whole == 0:
        return
    if f.column[part] != NULL and f.column[part][slot] != absent_i64():
        value = f.column[part][slot]
    set_f64(f, metric, slot, <double>value / <double>whole)
