"""What the API server knows, entered into a batch (see _enrich.pxd).

In      specs of pods, containers and nodes from the entity tables
Out     requests, limits, restart counts, stubs of what no kubelet told of; what nodes have and how much of it is used
Callers _closing
Source  spec/heapster-pipeline.md 5.2 and 5.7
Never   changes a number that a kubelet stated
"""
from heapfast._batch cimport ENTITY_KNOWN, ENTITY_SPEC, Batch, frame_column, frame_t
from heapfast._entities cimport Entities, container_spec_t, node_spec_t, pod_spec_t, specified_by
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
    M_MEMORY_LIMIT,
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


cdef int enrich_pods(Batch batch, Entities entities) noexcept nogil:
    cdef frame_t* pods = &batch.frame[KIND_POD]
    cdef frame_t* containers = &batch.frame[KIND_POD_CONTAINER]
    cdef pod_spec_t* pod_spec = entities.table[KIND_POD].pod_spec
    cdef container_spec_t* container_spec = entities.table[KIND_POD_CONTAINER].container_spec
    cdef uint32_t slot, pod, i
    cdef int64_t* restarts
    for slot in range(containers.n):
        if containers.present[slot] == PRESENT_NO:
            continue
        pod = containers.parent[slot]
        if not pods.flags[pod] & ENTITY_KNOWN:
            continue
        if pods.present[pod] == PRESENT_NO:
            pods.present[pod] = PRESENT_STUB
            pods.node[pod] = containers.node[slot]
        if containers.flags[slot] & ENTITY_SPEC:
            if request(batch, entities, slot):
                return -1
        if container_spec[slot].restart_count >= 0:
            restarts = frame_column(containers, M_RESTART_COUNT)
            if restarts == NULL:
                return -1
            restarts[slot] = container_spec[slot].restart_count
    for pod in range(pods.n):
        if pods.present[pod] == PRESENT_NO or not pods.flags[pod] & ENTITY_KNOWN:
            continue
        pods.create_ns[pod] = pod_spec[pod].create_ns
        for i in range(pod_spec[pod].n_containers):
            slot = specified_by(&pod_spec[pod])[i]
            if containers.present[slot] != PRESENT_NO:
                continue
            containers.present[slot] = PRESENT_STUB
            containers.node[slot] = pods.node[pod]
            if request(batch, entities, slot):
                return -1
    return 0


cdef int request(Batch batch, Entities entities, uint32_t slot) noexcept nogil:
    """The four request and limit metrics of a container; 0 where there is none."""
    cdef frame_t* f = &batch.frame[KIND_POD_CONTAINER]
    cdef container_spec_t* spec = &entities.table[KIND_POD_CONTAINER].container_spec[slot]
    cdef const requirements_t* wanted = &entities.requirements.entry[spec.requirements]
    cdef int64_t* cpu_request = frame_column(f, M_CPU_REQUEST)
    cdef int64_t* cpu_limit = frame_column(f, M_CPU_LIMIT)
    cdef int64_t* memory_request = frame_column(f, M_MEMORY_REQUEST)
    cdef int64_t* memory_limit = frame_column(f, M_MEMORY_LIMIT)
    if cpu_request == NULL or cpu_limit == NULL or memory_request == NULL or memory_limit == NULL:
        return -1
    cpu_request[slot] = wanted.cpu_request_millicores
    cpu_limit[slot] = wanted.cpu_limit_millicores
    memory_request[slot] = wanted.memory_request_bytes
    memory_limit[slot] = wanted.memory_limit_bytes
    return 0


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
