"""Closing a batch, step by step; `Closing._run` is the table of contents (see _closing.pxd).

In      the swapped batch, the one before it, what the API server says about entities
Out     the batch complete: rates, requests, stubs, sums, labels, children; the former one packed
Callers pipeline.py through Store.swap, run(), Store.commit
Source  spec/heapster-pipeline.md section 5, in its order; the oracle is store/naive
Never   holds the GIL, or touches a batch that readers have already
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from heapfast._batch cimport (
    ENTITY_KNOWN,
    ENTITY_NO_NODENAME,
    ENTITY_SPEC,
    Batch,
    frame_column,
    frame_reserve,
    frame_seal,
    frame_t,
    index_children,
)
from heapfast._entities cimport Entities, container_spec_t, node_spec_t, pod_spec_t, table_t
from heapfast._kernels cimport (
    SAME_SAMPLE,
    add_to_parents_f64,
    add_to_parents_i64,
    counter_rate,
    cpu_rate,
    elapsed_between,
    keep_rate,
)
from heapfast._pack cimport pack_column, packed_t
from heapfast._ring cimport Packed
from heapfast._text cimport text_t
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    M_CPU_LIMIT,
    M_CPU_NODE_ALLOCATABLE,
    M_CPU_NODE_CAPACITY,
    M_CPU_NODE_RESERVATION,
    M_CPU_NODE_UTILIZATION,
    M_CPU_REQUEST,
    M_CPU_USAGE,
    M_CPU_USAGE_RATE,
    M_DISK_IO_READ_BYTES,
    M_DISK_IO_READ_BYTES_RATE,
    M_DISK_IO_WRITE_BYTES,
    M_DISK_IO_WRITE_BYTES_RATE,
    M_MEMORY_LIMIT,
    M_MEMORY_MAJOR_PAGE_FAULTS,
    M_MEMORY_MAJOR_PAGE_FAULTS_RATE,
    M_MEMORY_NODE_ALLOCATABLE,
    M_MEMORY_NODE_CAPACITY,
    M_MEMORY_NODE_RESERVATION,
    M_MEMORY_NODE_UTILIZATION,
    M_MEMORY_PAGE_FAULTS,
    M_MEMORY_PAGE_FAULTS_RATE,
    M_MEMORY_REQUEST,
    M_MEMORY_USAGE,
    M_NETWORK_RX,
    M_NETWORK_RX_ERRORS,
    M_NETWORK_RX_ERRORS_RATE,
    M_NETWORK_RX_RATE,
    M_NETWORK_TX,
    M_NETWORK_TX_ERRORS,
    M_NETWORK_TX_ERRORS_RATE,
    M_NETWORK_TX_RATE,
    M_RESTART_COUNT,
    M_UPTIME,
    N_KINDS,
    N_METRICS,
    PRESENT_MADE,
    PRESENT_NO,
    PRESENT_STUB,
    SLOT_NONE,
    absent_i64,
    int64_t,
    time_zero,
    uint8_t,
    uint32_t,
)

from heapfast.errors import StoreError


cdef enum:
    HEADROOM = 16              # the part of all entities that may be new in one tick without moving columns

#: A kubelet that samples more seldom than batches come keeps its rates for so long without a new sample.
cdef int64_t KEEP_RATE_NS = 60_000_000_000

#: Heapster's processors, and what comes after them, in the order of PROCESSOR_*.
PROCESSORS = (
    "rate calculator",
    "pod_based_enricher",
    "namespace_based_enricher",
    "pod_aggregator",
    "namespace_aggregator",
    "node_aggregator",
    "cluster_aggregator",
    "node_autoscaling_enricher",
    "packer",
)


cdef inline bint is_own_cumulative(int metric) noexcept nogil:
    """The standard counters, which pods do not inherit from their containers (spec 5.4)."""
    return (
        metric == M_UPTIME
        or metric == M_CPU_USAGE
        or metric == M_MEMORY_PAGE_FAULTS
        or metric == M_MEMORY_MAJOR_PAGE_FAULTS
        or M_NETWORK_RX <= metric <= M_NETWORK_TX_ERRORS
    )


cdef int copy_to(void** to, const void* source, uint32_t n, size_t width) noexcept nogil:
    """Copies a column of a table into a frame; a kind that has no such column gets none."""
    if source == NULL:
        return 0
    to[0] = malloc((<size_t>n + 1) * width)
    if to[0] == NULL:
        return -1
    memcpy(to[0], source, n * width)
    return 0


cdef int64_t* times(uint32_t n) noexcept nogil:
    cdef int64_t* filled = <int64_t*>malloc((<size_t>n + 1) * sizeof(int64_t))
    cdef uint32_t i
    if filled != NULL:
        for i in range(n):
            filled[i] = time_zero()
    return filled


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef class Spare:
    """A batch that is not open yet. Made by Store.make_spare, used up by Store.swap."""

    def __cinit__(self, Batch batch):
        self.batch = batch

    def prepare(self):
        """Makes room for all entities of now and all columns that targets fill. From any one thread.

        Raises:
            MemoryError: swap without it then.
        """
        cdef int failed
        with nogil:
            failed = self._prepare()
        self.model = None
        self.known = None
        if failed:
            raise MemoryError("cannot prepare the next batch: out of memory")

    cdef int _prepare(self) noexcept nogil:
        cdef int kind, m
        cdef frame_t* f
        for kind in range(N_KINDS):
            f = &self.batch.frame[kind]
            # Room for newcomers too: to move the columns of 300,000 containers took the loop 4 ms at each tick that had any.
            if frame_reserve(f, kind, self.n[kind] + self.n[kind] // HEADROOM + 64):
                return -1
            f.n = self.n[kind]
            for m in range(N_METRICS):
                # The pointer may be set by the loop meanwhile; either answer is fine.
                if self.like[kind].column[m] == NULL:
                    continue
                # Nobody had it in the last batch: a custom metric whose pods are gone.
                if self.known is not None and self.known.frame[kind].column[m] == NULL:
                    continue
                if frame_column(f, m) == NULL:
                    return -1
        return 0


cdef class Closing:
    """One batch between swap and commit. Made by Store.swap."""

    def __cinit__(self, Entities entities, Batch batch, Batch former):
        cdef int m
        self.entities = entities
        self.batch = batch
        self.former = former
        for m in range(N_METRICS):
            self.is_float[m] = batch.metrics.is_float[m]
        if former is not None:
            self.packed = Packed()
            self.packed.timestamp_ns = former.timestamp_ns
            self.packed.seq = former.seq
            self.packed.is_short = True

    def __dealloc__(self):
        free(self.elapsed_ns)

    def run(self):
        """Computes everything. Call it once, from any one thread; takes tens of milliseconds on a large cluster.

        Raises:
            MemoryError: the batch is unusable then, and commit refuses it.
        """
        cdef int failed
        if self.state != CLOSING_NEW:
            raise StoreError(f"BUG: batch {self.batch.seq} is closed once, and by one thread")
        self.state = CLOSING_RUNNING
        with nogil:
            failed = self._run()
        if failed:
            self.state = CLOSING_FAILED
            raise MemoryError(f"cannot close batch {self.batch.seq}: out of memory")
        self.state = CLOSING_DONE

    @property
    def processors_ns(self):
        """How long each processor took, by Heapster's names, nanoseconds. Of a batch that is closed."""
        return {PROCESSORS[i]: self.took_ns[i] for i in range(N_PROCESSORS)}

    cdef int _run(self) noexcept nogil:
        """Heapster's order, but that entities are named first, since two processors look at their owners."""
        cdef int64_t started = monotonic_ns()
        if self._identify(KIND_NAMESPACE):
            return -1
        started = self._note(PROCESSOR_NAMESPACE_ENRICHER, started)
        if self._identify_all():
            return -1
        started = self._note(PROCESSOR_POD_ENRICHER, started)
        if self._rates():
            return -1
        started = self._note(PROCESSOR_RATES, started)
        if self._enrich_pods():
            return -1
        started = self._note(PROCESSOR_POD_ENRICHER, started)
        if self._sum_pods():
            return -1
        started = self._note(PROCESSOR_PODS, started)
        if self._sum_namespaces():
            return -1
        started = self._note(PROCESSOR_NAMESPACES, started)
        if self._sum_nodes():
            return -1
        started = self._note(PROCESSOR_NODES, started)
        if self._sum_cluster():
            return -1
        started = self._note(PROCESSOR_CLUSTER, started)
        if self._node_autoscaling():
            return -1
        started = self._note(PROCESSOR_NODE_AUTOSCALING, started)
        if self._seal() or self._pack():
            return -1
        self._note(PROCESSOR_PACKER, started)
        return 0

    cdef int64_t _note(self, int processor, int64_t started_ns) noexcept nogil:
        """Adds the time since `started_ns` to a processor's; returns the time that is now."""
        cdef int64_t now_ns = monotonic_ns()
        self.took_ns[processor] = self.took_ns[processor] + now_ns - started_ns
        return now_ns

    cdef int _identify_all(self) noexcept nogil:
        cdef int kind
        for kind in range(N_KINDS):
            if kind != KIND_NAMESPACE and self._identify(kind):
                return -1
        self._drop_replaced_resources()
        return 0

    cdef int _seal(self) noexcept nogil:
        cdef int kind
        for kind in range(N_KINDS):
            if index_children(self.batch.frame, kind):
                return -1
        self._count()
        self._drop_empty_columns()
        for kind in range(N_KINDS):
            frame_seal(&self.batch.frame[kind])
        return 0

    # -- who the entities are ------------------------------------------------------------------

    cdef int _identify(self, int kind) noexcept nogil:
        """Copies what names an entity, so that readers need no table (texts stay where they are)."""
        cdef frame_t* f = &self.batch.frame[kind]
        cdef table_t* t = &self.entities.table[kind]
        cdef uint32_t n = f.n
        if (
            copy_to(<void**>&f.parent, t.parent, n, sizeof(uint32_t))
            or copy_to(<void**>&f.parent_kind, t.parent_kind, n, sizeof(uint8_t))
            or copy_to(<void**>&f.type, t.type, n, sizeof(uint8_t))
            or copy_to(<void**>&f.name, t.name, n, sizeof(void*))
            or copy_to(<void**>&f.labels, t.labels, n, sizeof(void*))
            or copy_to(<void**>&f.stored, t.stored, n, sizeof(void*))
            or copy_to(<void**>&f.hostname, t.hostname, n, sizeof(void*))
            or copy_to(<void**>&f.host_id, t.host_id, n, sizeof(void*))
            or copy_to(<void**>&f.flags, t.flags, n, sizeof(uint8_t))
        ):
            return -1
        if kind == KIND_NAMESPACE and copy_to(<void**>&f.uid, t.uid, n, sizeof(void*)):
            return -1
        if kind == KIND_POD or kind == KIND_POD_CONTAINER:
            f.create_ns = times(n)
            if f.create_ns == NULL:
                return -1
            self._identify_by_answers(kind)
        return 0

    cdef void _identify_by_answers(self, int kind) noexcept nogil:
        """A known pod has the UID of its object, a container the image of the answer if there is one, even an empty one."""
        cdef frame_t* f = &self.batch.frame[kind]
        cdef text_t** uid = self.entities.table[kind].uid
        cdef text_t** image = self.entities.table[kind].image
        cdef uint32_t i
        for i in range(f.n):
            if kind == KIND_POD:
                if f.flags[i] & ENTITY_KNOWN or f.uid[i] == NULL:
                    f.uid[i] = uid[i]
            elif f.image[i] == NULL:
                f.image[i] = image[i]

    cdef void _drop_replaced_resources(self) noexcept nogil:
        """Where two answers of one tick name an entity, the later stands alone: so do its resources."""
        cdef frame_t* f = &self.batch.frame[KIND_RESOURCE]
        cdef uint32_t i
        cdef int m
        for i in range(f.n):
            if f.present[i] != PRESENT_NO and f.answer[i] != self.batch.frame[f.parent_kind[i]].answer[f.parent[i]]:
                f.present[i] = PRESENT_NO
                for m in range(N_METRICS):
                    if f.column[m] != NULL:
                        f.column[m][i] = absent_i64()

    # -- rates (spec 5.1) ------------------------------------------------------------------------

    cdef int _rates(self) noexcept nogil:
        cdef int failed = 0
        if self.former is None:
            return 0
        failed |= self._rates_of(KIND_POD)
        failed |= self._rates_of(KIND_POD_CONTAINER)
        failed |= self._rates_of(KIND_SYS_CONTAINER)
        failed |= self._rates_of(KIND_NODE)
        failed |= self._disk_rates()
        return failed

    cdef int _rates_of(self, int kind) noexcept nogil:
        cdef frame_t* f = &self.batch.frame[kind]
        cdef frame_t* old = &self.former.frame[kind]
        cdef const uint8_t* renewed = self.batch.frame[KIND_POD].renewed
        cdef uint32_t n = min(f.n, old.n)
        cdef uint32_t i, pod
        cdef int failed = 0
        if n == 0:
            return 0
        free(self.elapsed_ns)
        self.elapsed_ns = <int64_t*>malloc(<size_t>n * sizeof(int64_t))
        if self.elapsed_ns == NULL:
            return -1
        elapsed_between(
            f.sample_ns, f.start_ns, old.sample_ns, old.start_ns, f.present, old.present, n, self.elapsed_ns
        )
        if kind == KIND_POD or kind == KIND_POD_CONTAINER:
            # A pod that came back under its old name with another UID has no past.
            for i in range(n):
                pod = i if kind == KIND_POD else f.parent[i]
                if renewed[pod]:
                    self.elapsed_ns[i] = 0
        if self._date_samples(kind, n):
            return -1
        failed |= self._rate(kind, M_CPU_USAGE, M_CPU_USAGE_RATE, n)
        failed |= self._rate(kind, M_MEMORY_PAGE_FAULTS, M_MEMORY_PAGE_FAULTS_RATE, n)
        failed |= self._rate(kind, M_MEMORY_MAJOR_PAGE_FAULTS, M_MEMORY_MAJOR_PAGE_FAULTS_RATE, n)
        failed |= self._rate(kind, M_NETWORK_RX, M_NETWORK_RX_RATE, n)
        failed |= self._rate(kind, M_NETWORK_RX_ERRORS, M_NETWORK_RX_ERRORS_RATE, n)
        failed |= self._rate(kind, M_NETWORK_TX, M_NETWORK_TX_RATE, n)
        failed |= self._rate(kind, M_NETWORK_TX_ERRORS, M_NETWORK_TX_ERRORS_RATE, n)
        return failed

    cdef int _date_samples(self, int kind, uint32_t n) noexcept nogil:
        """Notes since when each sample is what it is; one that has stood still for too long keeps no rate."""
        cdef frame_t* f = &self.batch.frame[kind]
        cdef frame_t* old = &self.former.frame[kind]
        cdef uint32_t i
        f.since_ns = <int64_t*>malloc((<size_t>f.n + 1) * sizeof(int64_t))
        if f.since_ns == NULL:
            return -1
        for i in range(f.n):
            f.since_ns[i] = self.batch.timestamp_ns
        for i in range(n):
            if self.elapsed_ns[i] == SAME_SAMPLE:
                f.since_ns[i] = self.former.timestamp_ns if old.since_ns == NULL else old.since_ns[i]
                if self.batch.timestamp_ns - f.since_ns[i] > KEEP_RATE_NS:
                    self.elapsed_ns[i] = 0
        return 0

    cdef int _rate(self, int kind, int counter, int rate, uint32_t n) noexcept nogil:
        cdef frame_t* f = &self.batch.frame[kind]
        cdef const int64_t* value = f.column[counter]
        cdef const int64_t* old_value = self.former.frame[kind].column[counter]
        cdef const int64_t* old_rate = self.former.frame[kind].column[rate]
        cdef int64_t* out
        if value == NULL or old_value == NULL:
            return 0
        out = frame_column(f, rate)
        if out == NULL:
            return -1
        if self.is_float[rate]:
            counter_rate(value, old_value, self.elapsed_ns, n, <double*>out)
        else:
            cpu_rate(value, old_value, self.elapsed_ns, n, out)
        # What a pod has of a rate that its containers have too is a sum, and will be summed again.
        if old_rate != NULL and (kind != KIND_POD or self.former.frame[KIND_POD_CONTAINER].column[rate] == NULL):
            keep_rate(old_rate, value, self.elapsed_ns, n, out)
        return 0

    cdef int _disk_rates(self) noexcept nogil:
        """Each device against its own old counter (Q2), over the time between its owner's samples."""
        cdef frame_t* f = &self.batch.frame[KIND_RESOURCE]
        cdef frame_t* old = &self.former.frame[KIND_RESOURCE]
        cdef frame_t* owner
        cdef frame_t* old_owner
        cdef uint32_t n = min(f.n, old.n)
        cdef uint32_t i, p
        cdef bint has_disks = f.column[M_DISK_IO_READ_BYTES] != NULL or f.column[M_DISK_IO_WRITE_BYTES] != NULL
        if n == 0 or not has_disks:
            return 0
        free(self.elapsed_ns)
        self.elapsed_ns = <int64_t*>calloc(n, sizeof(int64_t))
        if self.elapsed_ns == NULL:
            return -1
        for i in range(n):
            p = f.parent[i]
            owner = &self.batch.frame[f.parent_kind[i]]
            old_owner = &self.former.frame[f.parent_kind[i]]
            if f.present[i] and old.present[i] and p < old_owner.n:
                elapsed_between(
                    owner.sample_ns + p, owner.start_ns + p, old_owner.sample_ns + p, old_owner.start_ns + p,
                    owner.present + p, old_owner.present + p, 1, self.elapsed_ns + i,
                )
                if self.elapsed_ns[i] == SAME_SAMPLE and self.batch.timestamp_ns - owner.since_ns[p] > KEEP_RATE_NS:
                    self.elapsed_ns[i] = 0
        return self._rate(KIND_RESOURCE, M_DISK_IO_READ_BYTES, M_DISK_IO_READ_BYTES_RATE, n) | self._rate(
            KIND_RESOURCE, M_DISK_IO_WRITE_BYTES, M_DISK_IO_WRITE_BYTES_RATE, n
        )

    # -- what the API server knows (spec 5.2) --------------------------------------------------

    cdef int _enrich_pods(self) noexcept nogil:
        cdef frame_t* pods = &self.batch.frame[KIND_POD]
        cdef frame_t* containers = &self.batch.frame[KIND_POD_CONTAINER]
        cdef pod_spec_t* pod_spec = self.entities.table[KIND_POD].pod_spec
        cdef container_spec_t* container_spec = self.entities.table[KIND_POD_CONTAINER].container_spec
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
                if self._request(slot):
                    return -1
            if container_spec[slot].restart_count >= 0:
                restarts = frame_column(containers, M_RESTART_COUNT)
                if restarts == NULL:
                    return -1
                restarts[slot] = container_spec[slot].restart_count
                containers.create_ns[slot] = pod_spec[pod].create_ns
        for pod in range(pods.n):
            if pods.present[pod] == PRESENT_NO or not pods.flags[pod] & ENTITY_KNOWN:
                continue
            pods.create_ns[pod] = pod_spec[pod].create_ns
            for i in range(pod_spec[pod].n_containers):
                slot = pod_spec[pod].container[i]
                if containers.present[slot] != PRESENT_NO:
                    continue
                containers.present[slot] = PRESENT_STUB
                containers.node[slot] = pods.node[pod]
                containers.create_ns[slot] = pods.start_ns[pod]          # of the set, not of the object (Q16)
                if self._request(slot):
                    return -1
        return 0

    cdef int _request(self, uint32_t slot) noexcept nogil:
        """The four request and limit metrics of a container; 0 where there is none."""
        cdef frame_t* f = &self.batch.frame[KIND_POD_CONTAINER]
        cdef container_spec_t* spec = &self.entities.table[KIND_POD_CONTAINER].container_spec[slot]
        cdef int64_t* cpu_request = frame_column(f, M_CPU_REQUEST)
        cdef int64_t* cpu_limit = frame_column(f, M_CPU_LIMIT)
        cdef int64_t* memory_request = frame_column(f, M_MEMORY_REQUEST)
        cdef int64_t* memory_limit = frame_column(f, M_MEMORY_LIMIT)
        if cpu_request == NULL or cpu_limit == NULL or memory_request == NULL or memory_limit == NULL:
            return -1
        cpu_request[slot] = spec.cpu_request
        cpu_limit[slot] = spec.cpu_limit
        memory_request[slot] = spec.memory_request
        memory_limit[slot] = spec.memory_limit
        return 0

    # -- sums (spec 5.4 to 5.7) ------------------------------------------------------------------

    cdef int _add(self, int child, int parent, int metric, const uint32_t* owner) noexcept nogil:
        """Adds a column of the children to the same column of their owners."""
        cdef frame_t* f = &self.batch.frame[child]
        cdef frame_t* p = &self.batch.frame[parent]
        cdef const int64_t* blocked = NULL
        cdef int twin = self.batch.metrics.twin[metric]
        cdef int64_t* total
        if f.column[metric] == NULL:
            return 0
        total = frame_column(p, metric)
        if total == NULL:
            return -1
        if twin and p.column[twin] != NULL:
            blocked = p.column[twin]          # a pod that has the metric in the other type keeps it
        if self.is_float[metric]:
            add_to_parents_f64(f.column[metric], f.present, owner, f.n, total, blocked)
        else:
            add_to_parents_i64(f.column[metric], f.present, owner, f.n, total, blocked)
        return 0

    cdef int _sum_pods(self) noexcept nogil:
        cdef frame_t* pods = &self.batch.frame[KIND_POD]
        cdef frame_t* containers = &self.batch.frame[KIND_POD_CONTAINER]
        cdef uint32_t slot, pod
        cdef int m
        for slot in range(containers.n):
            if containers.present[slot] != PRESENT_NO:
                pod = containers.parent[slot]
                if pods.present[pod] == PRESENT_NO:
                    pods.present[pod] = PRESENT_MADE
                    pods.node[pod] = containers.node[slot]
                    pods.flags[pod] |= ENTITY_NO_NODENAME
        for m in range(N_METRICS):
            if not is_own_cumulative(m):
                if self._add(KIND_POD_CONTAINER, KIND_POD, m, containers.parent):
                    return -1
        return 0

    cdef int _sum_namespaces(self) noexcept nogil:
        cdef frame_t* pods = &self.batch.frame[KIND_POD]
        cdef frame_t* namespaces = &self.batch.frame[KIND_NAMESPACE]
        cdef uint32_t pod
        for pod in range(pods.n):
            if pods.present[pod] != PRESENT_NO:
                namespaces.present[pods.parent[pod]] = PRESENT_MADE
        return (
            self._add(KIND_POD, KIND_NAMESPACE, M_CPU_USAGE_RATE, pods.parent)
            | self._add(KIND_POD, KIND_NAMESPACE, M_MEMORY_USAGE, pods.parent)
            | self._add(KIND_POD, KIND_NAMESPACE, M_CPU_REQUEST, pods.parent)
            | self._add(KIND_POD, KIND_NAMESPACE, M_CPU_LIMIT, pods.parent)
            | self._add(KIND_POD, KIND_NAMESPACE, M_MEMORY_REQUEST, pods.parent)
            | self._add(KIND_POD, KIND_NAMESPACE, M_MEMORY_LIMIT, pods.parent)
        )

    cdef int _sum_nodes(self) noexcept nogil:
        """Requests and limits only; what a node uses is its own figure (Q5). No node is made here."""
        cdef frame_t* pods = &self.batch.frame[KIND_POD]
        cdef frame_t* nodes = &self.batch.frame[KIND_NODE]
        cdef uint32_t* owner = <uint32_t*>malloc((<size_t>pods.n + 1) * sizeof(uint32_t))
        cdef uint32_t pod
        cdef int failed = 0
        if owner == NULL:
            return -1
        for pod in range(pods.n):
            owner[pod] = pods.node[pod]
            if (
                owner[pod] != SLOT_NONE
                and (pods.flags[pod] & ENTITY_NO_NODENAME or nodes.present[owner[pod]] == PRESENT_NO)
            ):
                owner[pod] = SLOT_NONE
        failed |= self._add(KIND_POD, KIND_NODE, M_CPU_REQUEST, owner)
        failed |= self._add(KIND_POD, KIND_NODE, M_CPU_LIMIT, owner)
        failed |= self._add(KIND_POD, KIND_NODE, M_MEMORY_REQUEST, owner)
        failed |= self._add(KIND_POD, KIND_NODE, M_MEMORY_LIMIT, owner)
        free(owner)
        return failed

    cdef int _sum_cluster(self) noexcept nogil:
        cdef frame_t* namespaces = &self.batch.frame[KIND_NAMESPACE]
        cdef uint32_t* owner = <uint32_t*>calloc(<size_t>namespaces.n + 1, sizeof(uint32_t))
        cdef int failed = 0
        if owner == NULL:
            return -1
        self.batch.frame[KIND_CLUSTER].present[0] = PRESENT_MADE
        failed |= self._add(KIND_NAMESPACE, KIND_CLUSTER, M_CPU_USAGE_RATE, owner)
        failed |= self._add(KIND_NAMESPACE, KIND_CLUSTER, M_MEMORY_USAGE, owner)
        failed |= self._add(KIND_NAMESPACE, KIND_CLUSTER, M_CPU_REQUEST, owner)
        failed |= self._add(KIND_NAMESPACE, KIND_CLUSTER, M_CPU_LIMIT, owner)
        failed |= self._add(KIND_NAMESPACE, KIND_CLUSTER, M_MEMORY_REQUEST, owner)
        failed |= self._add(KIND_NAMESPACE, KIND_CLUSTER, M_MEMORY_LIMIT, owner)
        free(owner)
        return failed

    # -- nodes (spec 5.7) ------------------------------------------------------------------------

    cdef int _node_autoscaling(self) noexcept nogil:
        cdef frame_t* f = &self.batch.frame[KIND_NODE]
        cdef node_spec_t* spec = self.entities.table[KIND_NODE].node_spec
        cdef uint32_t slot
        cdef int m
        for slot in range(f.n):
            if f.present[slot] == PRESENT_NO or not f.flags[slot] & ENTITY_KNOWN:
                continue
            for m in range(M_CPU_NODE_CAPACITY, M_MEMORY_NODE_RESERVATION + 1):
                if frame_column(f, m) == NULL:
                    return -1
            set_f64(f, M_CPU_NODE_CAPACITY, slot, <double>spec[slot].cpu_capacity)
            set_f64(f, M_CPU_NODE_ALLOCATABLE, slot, <double>spec[slot].cpu_allocatable)
            set_f64(f, M_MEMORY_NODE_CAPACITY, slot, <double>spec[slot].memory_capacity)
            set_f64(f, M_MEMORY_NODE_ALLOCATABLE, slot, <double>spec[slot].memory_allocatable)
            share(f, M_CPU_USAGE_RATE, spec[slot].cpu_allocatable, M_CPU_NODE_UTILIZATION, slot)
            share(f, M_CPU_REQUEST, spec[slot].cpu_allocatable, M_CPU_NODE_RESERVATION, slot)
            share(f, M_MEMORY_USAGE, spec[slot].memory_allocatable, M_MEMORY_NODE_UTILIZATION, slot)
            share(f, M_MEMORY_REQUEST, spec[slot].memory_allocatable, M_MEMORY_NODE_RESERVATION, slot)
        return 0

    # -- the end -----------------------------------------------------------------------------------

    cdef int _count(self) noexcept nogil:
        cdef int kind
        cdef uint32_t slot
        cdef frame_t* f
        for kind in range(N_KINDS):
            f = &self.batch.frame[kind]
            f.n_present = 0
            for slot in range(f.n):
                f.n_present += f.present[slot] != PRESENT_NO
        return 0

    cdef void _drop_empty_columns(self) noexcept nogil:
        """Columns that were made ready for targets, and that no target had anything for."""
        cdef int kind, m
        cdef uint32_t slot
        cdef frame_t* f
        for kind in range(N_KINDS):
            f = &self.batch.frame[kind]
            for m in range(N_METRICS):
                if f.column[m] == NULL:
                    continue
                slot = 0
                while slot < f.n and f.column[m][slot] == absent_i64():
                    slot += 1
                if slot == f.n:
                    free(f.column[m])
                    f.column[m] = NULL

    cdef int _pack(self) noexcept nogil:
        cdef int kind, m
        cdef frame_t* old
        cdef frame_t* new
        cdef packed_t* packed
        if self.former is None:
            return 0
        for kind in range(N_KINDS):
            old = &self.former.frame[kind]
            new = &self.batch.frame[kind]
            for m in range(N_METRICS):
                if old.column[m] == NULL:
                    continue
                packed = <packed_t*>malloc(sizeof(packed_t))
                if packed == NULL:
                    return -1
                self.packed.column[kind][m] = packed
                if pack_column(old.column[m], new.column[m], old.n, new.n, packed):
                    return -1
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
