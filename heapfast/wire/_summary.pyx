"""A kubelet's /stats/summary -> rows.

In      the JSON body of the Summary API, any Kubernetes version
Out     Rows: first the node, even without statistics, then system containers and pods in the order of the answer, each
        pod before its containers. Names come once: Rows.keep_unique says which entry stays
Callers scrape/sources/kubelet_summary.py, `heapfast parse`; naive_summary.py is the same in plain Python
Source  spec/heapster-pipeline.md 3.6 and 8.6; what kubelets write: k8s.io/kubelet/pkg/apis/stats/v1alpha1
Never   fails for a value: a bad one is counted and left out (design.md section 6, Q15 and Q18). Broken JSON fails all

How odd documents are read: members come in any order; unknown ones are passed over; of two members of one name the
later counts, whole; null is absent. A pod without a name or a namespace, and a container without a name, are counted as
bad and dropped with all they hold. Resources of a container stand in Heapster's order: accelerators, "/", "logs".
"""
from heapfast._types cimport (
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_SYS_CONTAINER,
    M_CPU_USAGE,
    M_MEMORY_MAJOR_PAGE_FAULTS,
    M_MEMORY_PAGE_FAULTS,
    M_MEMORY_RSS,
    M_MEMORY_USAGE,
    M_MEMORY_WORKING_SET,
    M_NETWORK_RX,
    M_NETWORK_RX_ERRORS,
    M_NETWORK_TX,
    M_NETWORK_TX_ERRORS,
    RESOURCE_FILESYSTEM,
    RESOURCE_VOLUME,
    int64_t,
    span_t,
    time_zero,
    uint32_t,
)
from libc.string cimport memset

from heapfast.wire._cursor cimport CURSOR_MEMORY, CURSOR_TOKEN, cursor_t, fail, peek_token, skip_value
from heapfast.wire._read cimport READ_BAD, READ_OK, enter, read_count, read_float, read_time
from heapfast.wire._resource_rows cimport (
    ACCELERATOR_ID,
    ACCELERATOR_MAKE,
    ACCELERATOR_MODEL,
    append_resource,
    is_word,
    new_resource,
    no_text,
    read_accelerator,
    read_plain_text,
)
from heapfast.wire._rows cimport (
    CUSTOM_CUMULATIVE,
    CUSTOM_DELTA,
    CUSTOM_GAUGE,
    ROW_DROPPED,
    Rows,
    custom_row_t,
    resource_row_t,
    row_t,
)
from heapfast.wire._walk cimport names, names_t, next_element, next_member, over, walk_t

# Ids of members that are no sample; those of samples are metric ids, or places in resource_row_t.value.
cdef enum:
    TIME = 100
    NODE
    PODS
    NAME
    NAMESPACE
    UID
    START_TIME
    CPU
    MEMORY
    NETWORK
    SYSTEM_CONTAINERS
    FS
    ROOTFS
    LOGS
    POD_REF
    CONTAINERS
    VOLUME
    ACCELERATORS
    CUSTOM_METRICS
    TYPE
    VALUE

# In the order in which kubelets write them.
cdef names_t SUMMARY_NAMES = names({"node": NODE, "pods": PODS})
cdef names_t NODE_NAMES = names({
    "nodeName": NAME, "systemContainers": SYSTEM_CONTAINERS, "startTime": START_TIME, "cpu": CPU, "memory": MEMORY,
    "network": NETWORK, "fs": FS})
cdef names_t POD_NAMES = names({
    "podRef": POD_REF, "startTime": START_TIME, "containers": CONTAINERS, "network": NETWORK, "volume": VOLUME})
cdef names_t POD_REF_NAMES = names({"name": NAME, "namespace": NAMESPACE, "uid": UID})
cdef names_t CONTAINER_NAMES = names({
    "name": NAME, "startTime": START_TIME, "cpu": CPU, "memory": MEMORY, "accelerators": ACCELERATORS,
    "rootfs": ROOTFS, "logs": LOGS, "userDefinedMetrics": CUSTOM_METRICS})
cdef names_t CPU_NAMES = names({"time": TIME, "usageCoreNanoSeconds": M_CPU_USAGE})
cdef names_t MEMORY_NAMES = names({
    "time": TIME, "usageBytes": M_MEMORY_USAGE, "workingSetBytes": M_MEMORY_WORKING_SET, "rssBytes": M_MEMORY_RSS,
    "pageFaults": M_MEMORY_PAGE_FAULTS, "majorPageFaults": M_MEMORY_MAJOR_PAGE_FAULTS})
cdef names_t NETWORK_NAMES = names({
    "time": TIME, "rxBytes": M_NETWORK_RX, "rxErrors": M_NETWORK_RX_ERRORS, "txBytes": M_NETWORK_TX,
    "txErrors": M_NETWORK_TX_ERRORS})
cdef names_t FILESYSTEM_NAMES = names({
    "availableBytes": 2, "capacityBytes": 1, "usedBytes": 0, "inodesFree": 4, "inodes": 3})
cdef names_t VOLUME_NAMES = names({
    "availableBytes": 2, "capacityBytes": 1, "usedBytes": 0, "inodesFree": 4, "inodes": 3, "name": NAME})
cdef names_t ACCELERATOR_NAMES = names({
    "make": ACCELERATOR_MAKE, "model": ACCELERATOR_MODEL, "id": ACCELERATOR_ID, "memoryTotal": 0, "memoryUsed": 1,
    "dutyCycle": 2})
cdef names_t CUSTOM_NAMES = names({"name": NAME, "type": TYPE, "value": VALUE})

cdef uint32_t CPU_BITS = 1 << M_CPU_USAGE
cdef uint32_t MEMORY_BITS = (
    1 << M_MEMORY_USAGE | 1 << M_MEMORY_WORKING_SET | 1 << M_MEMORY_RSS | 1 << M_MEMORY_PAGE_FAULTS
    | 1 << M_MEMORY_MAJOR_PAGE_FAULTS)
cdef uint32_t NETWORK_BITS = (
    1 << M_NETWORK_RX | 1 << M_NETWORK_RX_ERRORS | 1 << M_NETWORK_TX | 1 << M_NETWORK_TX_ERRORS)


# "cpu", "memory" or "network": `bits` are the samples that the object states anew.
cdef void read_group(
    cursor_t* c, Rows rows, row_t* row, const names_t* table, uint32_t bits, int64_t* time_ns
) noexcept nogil:
    cdef walk_t walk = over(table)
    row.present &= ~bits
    time_ns[0] = time_zero()
    if not enter(c, rows, c'{'):
        return
    while next_member(c, &walk):
        if walk.id < TIME:
            row.present &= ~(<uint32_t> 1 << walk.id)
            if read_count(c, rows, &row.value[walk.id]) == READ_OK:
                row.present |= <uint32_t> 1 << walk.id
        elif walk.id == TIME:
            read_time(c, rows, time_ns)
        else:
            skip_value(c)


# A filesystem or a volume; what it was before is forgotten.
cdef void read_filesystem(cursor_t* c, Rows rows, resource_row_t* out, const names_t* table) noexcept nogil:
    cdef walk_t walk = over(table)
    out.present = 0
    if not enter(c, rows, c'{'):
        return
    while next_member(c, &walk):
        if walk.id < 5:
            out.present &= ~(1 << walk.id)
            if read_count(c, rows, &out.value[walk.id]) == READ_OK:
                out.present |= 1 << walk.id
        elif walk.id == NAME:
            read_plain_text(c, rows, &out.id)
        else:
            skip_value(c)


# One user-defined metric. Heapster knows three types, and a missing value is 0.
cdef void read_custom(cursor_t* c, Rows rows) noexcept nogil:
    cdef:
        walk_t walk = over(&CUSTOM_NAMES)
        const char* start = c.at
        uint32_t before = rows.n_customs
        custom_row_t* out
        span_t type = no_text()
        bint bad = False
    if not enter(c, rows, c'{'):
        return
    out = rows.add_custom()
    if out == NULL:
        fail(c, CURSOR_MEMORY)
        return
    out.is_float = True
    while next_member(c, &walk):
        if walk.id == NAME:
            read_plain_text(c, rows, &out.name)
        elif walk.id == TYPE:
            read_plain_text(c, rows, &type)
        elif walk.id == VALUE:
            out.f64 = 0
            bad = read_float(c, rows, &out.f64) == READ_BAD
        else:
            skip_value(c)
    if is_word(type, "gauge", 5):
        out.type = CUSTOM_GAUGE
    elif is_word(type, "cumulative", 10):
        out.type = CUSTOM_CUMULATIVE
    elif is_word(type, "delta", 5):
        out.type = CUSTOM_DELTA
    else:
        rows.n_customs = before
        return
    if out.name.len == 0 and not bad:
        rows.note_bad(start - c.start)
        bad = True
    if bad:
        rows.n_customs = before


# One element of pods[].containers or node.systemContainers.
cdef void read_container(cursor_t* c, Rows rows, int kind) noexcept nogil:
    cdef:
        walk_t walk = over(&CONTAINER_NAMES)
        const char* start = c.at
        uint32_t before = rows.n_rows
        row_t* row
        int64_t cpu_ns = time_zero()
        int64_t memory_ns = time_zero()
        resource_row_t rootfs = new_resource(RESOURCE_FILESYSTEM, rows.root)
        resource_row_t logs = new_resource(RESOURCE_FILESYSTEM, rows.logs)
        bint inside
    if not enter(c, rows, c'{'):
        return
    row = rows.add_row(kind)
    if row == NULL:
        fail(c, CURSOR_MEMORY)
        return
    # No row is added before this one is complete, so `row` stays where it is.
    while next_member(c, &walk):
        if walk.id == NAME:
            read_plain_text(c, rows, &row.name)
        elif walk.id == START_TIME:
            read_time(c, rows, &row.start_ns)
        elif walk.id == CPU:
            read_group(c, rows, row, &CPU_NAMES, CPU_BITS, &cpu_ns)
        elif walk.id == MEMORY:
            read_group(c, rows, row, &MEMORY_NAMES, MEMORY_BITS, &memory_ns)
        elif walk.id == ROOTFS:
            read_filesystem(c, rows, &rootfs, &FILESYSTEM_NAMES)
        elif walk.id == LOGS:
            read_filesystem(c, rows, &logs, &FILESYSTEM_NAMES)
        elif walk.id == ACCELERATORS:
            rows.n_resources = row.resource_start
            inside = False
            if enter(c, rows, c'['):
                while next_element(c, &inside):
                    read_accelerator(c, rows, &ACCELERATOR_NAMES)
        elif walk.id == CUSTOM_METRICS:
            rows.n_customs = row.custom_start
            inside = False
            if enter(c, rows, c'['):
                while next_element(c, &inside):
                    read_custom(c, rows)
        else:
            skip_value(c)
    if row.name.len == 0:
        rows.note_bad(start - c.start)
        rows.n_rows = before
        return
    row.sample_ns = cpu_ns if cpu_ns != time_zero() else memory_ns
    append_resource(c, rows, &rootfs)
    append_resource(c, rows, &logs)
    row.resource_count = rows.n_resources - row.resource_start
    row.custom_count = rows.n_customs - row.custom_start


# A list of containers, in the place of the one that starts at row `first`.
cdef void read_containers(cursor_t* c, Rows rows, int kind, uint32_t first) noexcept nogil:
    cdef bint inside = False
    rows.n_rows = first
    if enter(c, rows, c'['):
        while next_element(c, &inside):
            read_container(c, rows, kind)


cdef void read_pod_ref(cursor_t* c, Rows rows, row_t* row) noexcept nogil:
    cdef walk_t walk = over(&POD_REF_NAMES)
    row.name.len = row.namespace.len = row.uid.len = 0
    if not enter(c, rows, c'{'):
        return
    while next_member(c, &walk):
        if walk.id == NAME:
            read_plain_text(c, rows, &row.name)
        elif walk.id == NAMESPACE:
            read_plain_text(c, rows, &row.namespace)
        elif walk.id == UID:
            read_plain_text(c, rows, &row.uid)
        else:
            skip_value(c)


cdef void read_volumes(cursor_t* c, Rows rows, row_t* row) noexcept nogil:
    cdef bint inside = False
    cdef resource_row_t volume
    row.resource_start = rows.n_resources
    row.resource_count = 0
    if not enter(c, rows, c'['):
        return
    while next_element(c, &inside):
        volume = new_resource(RESOURCE_VOLUME, no_text())
        read_filesystem(c, rows, &volume, &VOLUME_NAMES)
        append_resource(c, rows, &volume)
    row.resource_count = rows.n_resources - row.resource_start


# One element of pods. Its containers may come before its name: they learn it at the end.
cdef void read_pod(cursor_t* c, Rows rows) noexcept nogil:
    cdef:
        walk_t walk = over(&POD_NAMES)
        const char* start = c.at
        uint32_t pod = rows.n_rows
        uint32_t i
        row_t* row
    if not enter(c, rows, c'{'):
        return
    if rows.add_row(KIND_POD) == NULL:
        fail(c, CURSOR_MEMORY)
        return
    while next_member(c, &walk):
        row = &rows.row[pod]       # containers may have moved it
        if walk.id == POD_REF:
            read_pod_ref(c, rows, row)
        elif walk.id == START_TIME:
            read_time(c, rows, &row.start_ns)
        elif walk.id == CONTAINERS:
            read_containers(c, rows, KIND_POD_CONTAINER, pod + 1)
        elif walk.id == NETWORK:
            # The only time of a pod: its CPU and memory are sums over containers, as in Heapster.
            read_group(c, rows, row, &NETWORK_NAMES, NETWORK_BITS, &row.sample_ns)
        elif walk.id == VOLUME:
            read_volumes(c, rows, row)
        else:
            skip_value(c)
    row = &rows.row[pod]
    if row.name.len == 0 or row.namespace.len == 0:
        rows.note_bad(start - c.start)
        rows.n_rows = pod
        return
    for i in range(pod + 1, rows.n_rows):
        rows.row[i].namespace = row.namespace
        rows.row[i].pod = row.name
        rows.row[i].uid = row.uid


# Heapster's own names for two of the kubelet's system containers.
cdef void translate_names(cursor_t* c, Rows rows, uint32_t first) noexcept nogil:
    cdef uint32_t i
    cdef bint done = True
    for i in range(first, rows.n_rows):
        if is_word(rows.row[i].name, "runtime", 7):
            done = rows.copy_text("docker-daemon", &rows.row[i].name)
        elif is_word(rows.row[i].name, "misc", 4):
            done = rows.copy_text("system", &rows.row[i].name)
        if not done:
            fail(c, CURSOR_MEMORY)
            return


# The node is row 0, whatever came before it in the body.
cdef void read_node(cursor_t* c, Rows rows) noexcept nogil:
    cdef:
        walk_t walk = over(&NODE_NAMES)
        int64_t cpu_ns = time_zero()
        int64_t memory_ns = time_zero()
        int64_t network_ns = time_zero()
        uint32_t first = rows.n_rows
        resource_row_t fs = new_resource(RESOURCE_FILESYSTEM, rows.root)
        row_t* row = &rows.row[0]
    memset(row, 0, sizeof(row_t))
    row.kind = KIND_NODE
    row.start_ns = row.sample_ns = time_zero()
    if not enter(c, rows, c'{'):
        return
    while next_member(c, &walk):
        row = &rows.row[0]
        if walk.id == NAME:
            read_plain_text(c, rows, &row.name)
        elif walk.id == SYSTEM_CONTAINERS:
            read_containers(c, rows, KIND_SYS_CONTAINER, first)
        elif walk.id == START_TIME:
            read_time(c, rows, &row.start_ns)
        elif walk.id == CPU:
            read_group(c, rows, row, &CPU_NAMES, CPU_BITS, &cpu_ns)
        elif walk.id == MEMORY:
            read_group(c, rows, row, &MEMORY_NAMES, MEMORY_BITS, &memory_ns)
        elif walk.id == NETWORK:
            read_group(c, rows, row, &NETWORK_NAMES, NETWORK_BITS, &network_ns)
        elif walk.id == FS:
            read_filesystem(c, rows, &fs, &FILESYSTEM_NAMES)
        else:
            skip_value(c)
    translate_names(c, rows, first)
    row = &rows.row[0]
    row.sample_ns = cpu_ns if cpu_ns != time_zero() else memory_ns if memory_ns != time_zero() else network_ns
    row.resource_start = rows.n_resources
    append_resource(c, rows, &fs)
    row.resource_count = rows.n_resources - row.resource_start


cdef void read_pods(cursor_t* c, Rows rows) noexcept nogil:
    cdef bint inside = False
    if enter(c, rows, c'['):
        while next_element(c, &inside):
            read_pod(c, rows)


cdef void drop_rows(Rows rows, uint32_t first, uint32_t stop) noexcept nogil:
    cdef uint32_t i
    for i in range(first, stop):
        rows.row[i].kind = ROW_DROPPED


cdef void read_summary(cursor_t* c, Rows rows) noexcept nogil:
    cdef:
        walk_t walk = over(&SUMMARY_NAMES)
        # Rows of the last "node" and of the last "pods": another one takes their place.
        uint32_t node_first = 0, node_stop = 0, pods_first = 0, pods_stop = 0
        const char* start
    if peek_token(c) != c'{':
        fail(c, CURSOR_TOKEN)
        return
    start = c.at
    c.at += 1
    if rows.add_row(KIND_NODE) == NULL:
        fail(c, CURSOR_MEMORY)
        return
    while next_member(c, &walk):
        if walk.id == NODE:
            drop_rows(rows, node_first, node_stop)
            node_first = rows.n_rows
            read_node(c, rows)
            node_stop = rows.n_rows
        elif walk.id == PODS:
            drop_rows(rows, pods_first, pods_stop)
            pods_first = rows.n_rows
            read_pods(c, rows)
            pods_stop = rows.n_rows
        else:
            skip_value(c)
    if rows.row[0].name.len == 0:
        rows.note_bad(start - c.start)


def parse_summary(body not None, Rows rows not None):
    """Reads a Summary API answer into `rows`, in place of what they held.

    `body` is bytes, or anything else with a contiguous buffer; `rows` keeps it and borrows its text until the next
    parse or `rows.clear()`. Nobody may write to it until then. Samples that are no unsigned 63-bit integers are left
    out and counted in `rows.bad_values`, as are bad times and groups, and entities without a name.

    Raises ParseError with the offset when the body is no JSON object; `rows` are empty then.
    """
    cdef cursor_t c
    rows.reset(body, &c)
    with nogil:
        read_summary(&c, rows)
    rows.finish(&c, "summary")
