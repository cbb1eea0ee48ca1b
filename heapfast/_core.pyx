"""The store (see _core.pxd): what comes in, the tick, and what can be asked.

In      rows of one target at a time; what the API server says, object by object
Out     closed batches, series, the latest view
Callers daemon makes one; processors (put_*, remove_*), pipeline (ingest, swap, commit), render, api
Source  spec/heapster-pipeline.md 3.5 to 6.1 for the numbers; docs/architecture.md for the memory
Never   waits, logs, or reads a clock: time comes with each call
"""
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from heapfast._batch cimport Batch, check_kind
from heapfast._closing cimport CLOSING_DONE, CLOSING_RUNNING, Closing, Spare
from heapfast._entities cimport FEW_CONTAINERS, Entities, owner_t, pod_spec_t, specified_by, table_t
from heapfast._expected cimport Expected
from heapfast._extras cimport Extras
from heapfast._frame cimport (
    ENTITY_KNOWN,
    ENTITY_SPEC,
    ENTITY_TERMINATED,
    ENTITY_UNSCHEDULABLE,
    frame_column,
    frame_images,
    frame_reserve,
    frame_t,
    frame_touch,
)
from heapfast._ledger cimport Ledger
from heapfast._metrics cimport Metrics
from heapfast._requirements cimport NO_REQUIREMENTS, requirements_t
from heapfast._ring cimport Ring
from heapfast._side cimport is_main_metric, main_metrics
from heapfast._text cimport text_hash, text_is, text_str, text_t
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    M_ACCELERATOR_MEMORY_TOTAL,
    M_DISK_IO_READ_BYTES,
    M_DISK_IO_WRITE_BYTES,
    M_FILESYSTEM_USAGE,
    M_UPTIME,
    N_CATALOG,
    N_KINDS,
    N_METRICS,
    N_STANDARD,
    ORIGIN_MAIN,
    ORIGIN_SIDE,
    PRESENT_SCRAPED,
    RESOURCE_ACCELERATOR,
    RESOURCE_DISK,
    RESOURCE_FILESYSTEM,
    RESOURCE_VOLUME,
    SLOT_NONE,
    absent_i64,
    int64_t,
    span_t,
    time_zero,
    uint8_t,
    uint32_t,
    uint64_t,
    whole_ms,
)
from heapfast._warm cimport WARM_ROWS, warm_expected, warm_rows, warmed_t
from heapfast.wire._rows cimport Rows, custom_row_t, resource_row_t, row_t
from heapfast.wire._scan cimport lowest_bit

from heapfast.catalog.metrics import CUSTOM_PREFIX
from heapfast.errors import StoreError

TIME_ZERO_NS = time_zero()

cdef int64_t SECOND_NS = 1_000_000_000


cdef inline owner_t owned_by(uint32_t slot) noexcept nogil:
    cdef owner_t owner
    owner.slot = slot
    owner.kind = 0
    owner.type = 0
    return owner


cdef inline span_t span_of(str text) except *:
    """Borrows the UTF-8 of a str, for as long as the str lives."""
    cdef span_t span
    cdef Py_ssize_t n
    span.ptr = PyUnicode_AsUTF8AndSize(text, &n)
    span.len = <uint32_t>n
    return span


cdef class Store:
    """Entities and their samples.

    Args:
        long_retention_ns: how long the long metrics stay readable.
        short_retention_ns: how long everything else does.
        long_metrics: names from the catalogue, or of custom metrics ("custom/...").
        resolution_ns: how often a target is scraped; the latest view tells fresh and stale by it.
        schedulable: nodes carry the label `schedulable` (as Heapster's cAdvisor source has it).
        usage_keys: of USAGE_KEYS: what the latest view has beside CPU and memory.
        side_ns: how often the side source of each target is scraped (see _side.pxd); 0 when there is none.

    Raises:
        StoreError: a long metric that is not in the catalogue, or a span that is not positive.
    """

    def __cinit__(
        self,
        *,
        int64_t long_retention_ns=900 * SECOND_NS,
        int64_t short_retention_ns=140 * SECOND_NS,
        long_metrics=("cpu/usage_rate", "memory/usage"),
        bint schedulable=False,
        int64_t resolution_ns=60 * SECOND_NS,
        int64_t side_ns=0,
        usage_keys=(),
    ):
        if long_retention_ns <= 0 or short_retention_ns <= 0:
            raise StoreError(
                f"cannot keep batches for {long_retention_ns} ns and {short_retention_ns} ns: want spans above 0"
            )
        self.entities = Entities()
        self.metrics = Metrics()
        self.ledger = Ledger(self.entities)
        self.long_custom = {name for name in long_metrics if name.startswith(CUSTOM_PREFIX)}
        named = set(long_metrics) - self.long_custom
        unknown = sorted(named - set(self.metrics.ids))
        if unknown:
            raise StoreError(f"cannot keep {', '.join(unknown)} for long: not in the catalogue of metrics")
        self.ring = Ring(long_retention_ns, short_retention_ns, [self.metrics.ids[name] for name in named])
        self.has_schedulable = schedulable
        self.last_namespace = SLOT_NONE
        cdef bytes cluster = b"cluster"
        self.entities.find_or_add(KIND_CLUSTER, owned_by(SLOT_NONE), cluster, <uint32_t>len(cluster))
        self.usage_keys = tuple(usage_keys)
        self.extras = Extras(self.entities, self.usage_keys, resolution_ns, side_ns) if self.usage_keys else None
        self.latest = Latest(self.entities, resolution_ns, self.extras)
        self.expected = Expected(self.entities)
        self.side_ns = side_ns
        self.stamps = {}
        self.open = Batch(self.metrics, self.ledger, 1, schedulable, side_ns)

    # -- who is there: the API server's word -----------------------------------------------------

    def put_namespace(self, str name, str uid):
        """A namespace that exists. Returns its slot."""
        cdef uint32_t slot = self._put(KIND_NAMESPACE, SLOT_NONE, name)
        self._set(&self.entities.table[KIND_NAMESPACE].uid[slot], uid, False)
        return slot

    def remove_namespace(self, str name):
        """A namespace that is gone. Returns its slot, or -1 when nobody knew it."""
        cdef uint32_t slot = self._forget(KIND_NAMESPACE, SLOT_NONE, name)
        if slot == SLOT_NONE:
            return -1
        self.entities.drop_text(&self.entities.table[KIND_NAMESPACE].uid[slot])
        return slot

    def put_node(
        self,
        str name,
        *,
        str hostname,
        str host_id,
        str labels,
        stored=(),
        bint unschedulable=False,
        int64_t cpu_capacity_millicores=0,
        int64_t cpu_allocatable_millicores=0,
        int64_t memory_capacity_bytes=0,
        int64_t memory_allocatable_bytes=0,
    ):
        """A node that exists: its texts, and what it has. Returns its slot."""
        cdef uint32_t slot = self._put(KIND_NODE, SLOT_NONE, name)
        cdef table_t* t = &self.entities.table[KIND_NODE]
        self._set(&t.hostname[slot], hostname, False)
        self._set(&t.host_id[slot], host_id, False)
        self._set_labels(t, slot, labels, stored)
        if unschedulable:
            t.flags[slot] |= ENTITY_UNSCHEDULABLE
        else:
            t.flags[slot] &= ~<uint8_t>ENTITY_UNSCHEDULABLE
        t.node_spec[slot].cpu_capacity_millicores = cpu_capacity_millicores
        t.node_spec[slot].cpu_allocatable_millicores = cpu_allocatable_millicores
        t.node_spec[slot].memory_capacity_bytes = memory_capacity_bytes
        t.node_spec[slot].memory_allocatable_bytes = memory_allocatable_bytes
        return slot

    def remove_node(self, str name):
        """A node that is gone. Returns its slot, or -1 when nobody knew it."""
        cdef uint32_t slot = self._forget(KIND_NODE, SLOT_NONE, name)
        cdef table_t* t = &self.entities.table[KIND_NODE]
        if slot == SLOT_NONE:
            return -1
        self.entities.drop_text(&t.hostname[slot])
        self.entities.drop_text(&t.host_id[slot])
        self.entities.drop_text(&t.labels[slot])
        self.entities.drop_rare_text(t.stored, slot)
        return slot

    def put_pod(
        self,
        str namespace,
        str name,
        *,
        str uid,
        str labels,
        stored=(),
        int64_t start_ns=TIME_ZERO_NS,
        containers=(),
    ):
        """A pod that exists, with the containers of its spec in order (see ContainerSpec). Returns its slot."""
        cdef uint32_t owner = self._make(KIND_NAMESPACE, SLOT_NONE, namespace)
        cdef uint32_t slot = self._put(KIND_POD, owner, name)
        cdef table_t* t = &self.entities.table[KIND_POD]
        if t.uid[slot] != NULL and uid != text_str(t.uid[slot]):
            self.latest.forget(KIND_POD, slot)
        self._set(&t.uid[slot], uid, False)
        self._set_labels(t, slot, labels, stored)
        t.pod_spec[slot].create_ns = start_ns
        self._put_containers(slot, containers)
        return slot

    def remove_pod(self, str namespace, str name):
        """A pod that is gone. Returns its slot, or -1 when nobody knew it."""
        cdef span_t span = span_of(namespace)
        cdef uint32_t owner = self.entities.find(KIND_NAMESPACE, owned_by(SLOT_NONE), span.ptr, span.len)
        cdef uint32_t slot
        cdef table_t* t = &self.entities.table[KIND_POD]
        if owner == SLOT_NONE:
            return -1
        slot = self._forget(KIND_POD, owner, name)
        if slot == SLOT_NONE:
            return -1
        self.latest.forget(KIND_POD, slot)
        self._put_containers(slot, ())
        self.entities.drop_text(&t.labels[slot])
        self.entities.drop_rare_text(t.stored, slot)
        t.pod_spec[slot].create_ns = time_zero()
        return slot

    cdef int _put_containers(self, uint32_t pod, containers) except -1:
        cdef table_t* t = &self.entities.table[KIND_POD_CONTAINER]
        cdef pod_spec_t* spec = &self.entities.table[KIND_POD].pod_spec[pod]
        cdef uint32_t n = <uint32_t>len(containers)
        cdef uint32_t i, slot
        cdef uint32_t* slots = NULL
        cdef pod_spec_t former = spec[0]
        cdef requirements_t wanted
        if n > FEW_CONTAINERS:
            slots = <uint32_t*>malloc(n * sizeof(uint32_t))
            if slots == NULL:
                raise MemoryError
        for i in range(former.n_containers):
            slot = specified_by(&former)[i]
            t.flags[slot] &= ~<uint8_t>(ENTITY_SPEC | ENTITY_TERMINATED | ENTITY_KNOWN)
            t.container_spec[slot].restart_count = -1
        spec.has_many = slots != NULL
        if slots != NULL:
            spec.container.many = slots
        spec.n_containers = 0
        for (
            name,
            image,
            cpu_request_millicores,
            cpu_limit_millicores,
            memory_request_bytes,
            memory_limit_bytes,
            restarts,
            terminated,
        ) in containers:
            slot = self._make(KIND_POD_CONTAINER, pod, name)
            # `_make` may have moved the tables.
            t = &self.entities.table[KIND_POD_CONTAINER]
            spec = &self.entities.table[KIND_POD].pod_spec[pod]
            t.flags[slot] |= ENTITY_SPEC | ENTITY_KNOWN
            if terminated:
                t.flags[slot] |= ENTITY_TERMINATED
            self._set(&t.image[slot], image, True)
            wanted.cpu_request_millicores = cpu_request_millicores
            wanted.cpu_limit_millicores = cpu_limit_millicores
            wanted.memory_request_bytes = memory_request_bytes
            wanted.memory_limit_bytes = memory_limit_bytes
            self._require(t, slot, self.entities.requirements.hold(&wanted))
            t.container_spec[slot].restart_count = restarts
            specified_by(spec)[spec.n_containers] = slot
            spec.n_containers += 1
        for i in range(former.n_containers):
            slot = specified_by(&former)[i]
            if not t.flags[slot] & ENTITY_SPEC:
                t.last_seen[slot] = <uint32_t>self.open.seq      # batches up to now may show it as a stub
                self.entities.drop_text(&t.image[slot])
                self._require(t, slot, NO_REQUIREMENTS)
        if former.has_many:
            free(former.container.many)
        return 0

    cdef void _require(self, table_t* t, uint32_t slot, uint32_t requirements) noexcept:
        self.entities.requirements.release(t.container_spec[slot].requirements)
        t.container_spec[slot].requirements = requirements

    cdef uint32_t _make(self, int kind, uint32_t owner, str name) except? 0xFFFFFFFE:
        cdef span_t span = span_of(name)
        return self.entities.find_or_add(kind, owned_by(owner), span.ptr, span.len)

    cdef uint32_t _put(self, int kind, uint32_t owner, str name) except? 0xFFFFFFFE:
        if self.closing is not None:
            raise StoreError(f"BUG: the API server's word on {name!r} while a batch is being closed")
        cdef uint32_t slot = self._make(kind, owner, name)
        self.entities.table[kind].flags[slot] |= ENTITY_KNOWN
        return slot

    cdef uint32_t _forget(self, int kind, uint32_t owner, str name) except? 0xFFFFFFFE:
        if self.closing is not None:
            raise StoreError(f"BUG: the API server's word on {name!r} while a batch is being closed")
        cdef span_t span = span_of(name)
        cdef uint32_t slot = self.entities.find(kind, owned_by(owner), span.ptr, span.len)
        if slot == SLOT_NONE or not self.entities.table[kind].flags[slot] & ENTITY_KNOWN:
            return SLOT_NONE
        self.entities.table[kind].flags[slot] = 0
        self.entities.table[kind].last_seen[slot] = <uint32_t>self.open.seq
        return slot

    cdef int _set(self, text_t** place, str text, bint pooled) except -1:
        cdef span_t span = span_of(text)
        return self.entities.set_text(place, span.ptr, span.len, pooled)

    cdef int _set_labels(self, table_t* t, uint32_t slot, str labels, stored) except -1:
        # Siblings have the same labels: 150,000 pods of which four in five had siblings took 13 MiB more without.
        self._set(&t.labels[slot], labels, True)
        cdef span_t span
        cdef str text
        if stored:
            text = "\0".join(f"{key}\0{value}" for key, value in stored)
            span = span_of(text)
            self.entities.set_rare_text(t, &t.stored, slot, span.ptr, span.len, True)
        else:
            self.entities.drop_rare_text(t.stored, slot)
        return 0

    # -- samples ---------------------------------------------------------------------------------

    def ingest(self, Rows rows, int64_t node, int64_t now_ns, bint is_side=False):
        """Takes the rows of one target into the open batch and the latest view.

        Args:
            node: slot of the API node whose target answered; -1 when there is none.
            now_ns: wall time of decoding, which uptime is measured against (Q8).
            is_side: they are the side source's, and no part of the latest view.

        Returns:
            How many rows were taken. Cost: about 0.1 microseconds a value.
        """
        cdef uint32_t i
        cdef uint32_t node_slot = SLOT_NONE
        cdef row_t* row
        cdef place_t place
        cdef warmed_t warmed
        if node >= 0:
            if node >= self.entities.table[KIND_NODE].n or self.entities.table[KIND_NODE].name[node] == NULL:
                raise StoreError(f"cannot ingest for node slot {node}: no node has it")
            node_slot = <uint32_t>node
            # Batches name it as the node of all these, so its slot must outlive them.
            self.entities.table[KIND_NODE].last_seen[node] = <uint32_t>self.open.seq
        if is_side and not self.side_ns:
            raise StoreError("BUG: rows of a side source, where there is none")
        self.last_namespace = SLOT_NONE
        self.ingested_targets += 1
        if self.side_ns and node_slot != SLOT_NONE:
            self._reserve(KIND_NODE, node_slot)
            self.open.frame[KIND_NODE].answered[node_slot] |= ORIGIN_SIDE if is_side else ORIGIN_MAIN
        if not is_side:
            self.latest.begin(node_slot, now_ns)
        # What the side source says, the main one does not, or in another order.
        self.expected.begin(SLOT_NONE if is_side else node_slot, rows)
        memset(&warmed, 0, sizeof(warmed_t))
        for i in range(rows.n_rows):
            row = &rows.row[i]
            place.slot = place.pod = SLOT_NONE
            if self.expected.n_guessed:
                warm_expected(
                    self.entities, self.latest, self.open.frame, rows.row, self.expected.place, rows.n_rows, i, &warmed
                )
                place.slot = self.expected.place[i].slot
            elif i % WARM_ROWS == 0:
                warm_rows(
                    self.entities, self.latest, self.open.frame, row, min(rows.n_rows - i, <uint32_t>WARM_ROWS)
                )
            if place.slot != SLOT_NONE and self.expected.is_at(row, place.slot):
                place.pod = self.entities.table[KIND_POD_CONTAINER].parent[place.slot]
            else:
                place = self._place(rows, row, node_slot)
                if row.kind == KIND_POD_CONTAINER:
                    self.expected.correct(i, place.slot)
            if place.slot != SLOT_NONE:
                self._ingest_row(rows, row, place, node_slot, now_ns, ORIGIN_SIDE if is_side else ORIGIN_MAIN)
        self.expected.end(rows.n_rows)
        self.ingested_rows += rows.n_rows
        return rows.n_rows

    cdef place_t _place(self, Rows rows, row_t* row, uint32_t node) except *:
        """Finds where a row goes, or makes room for it."""
        cdef place_t place
        cdef int kind = row.kind
        cdef uint32_t owner = SLOT_NONE
        place.slot = place.pod = SLOT_NONE
        if kind == KIND_POD or kind == KIND_POD_CONTAINER:
            owner = self.last_namespace
            if owner == SLOT_NONE or not self._is_named(KIND_NAMESPACE, owner, row.namespace):
                owner = self.entities.find_or_add(
                    KIND_NAMESPACE, owned_by(SLOT_NONE), row.namespace.ptr, row.namespace.len
                )
                self.last_namespace = owner
            if kind == KIND_POD_CONTAINER:
                owner = self.entities.find_or_add(KIND_POD, owned_by(owner), row.pod.ptr, row.pod.len)
                place.pod = owner
        elif kind == KIND_SYS_CONTAINER:
            # Parsers put the node first, under the name it has in the answer.
            if rows.row[0].kind == KIND_NODE and rows.row[0].name.len:
                owner = self.entities.find_or_add(
                    KIND_NODE, owned_by(SLOT_NONE), rows.row[0].name.ptr, rows.row[0].name.len
                )
            else:
                owner = node
            if owner == SLOT_NONE:
                return place
        elif kind == KIND_NODE and row.name.len == 0:
            # cAdvisor does not say the node's name: it is the one of the API object, if there is one.
            place.slot = node
            return place
        place.slot = self.entities.find_or_add(kind, owned_by(owner), row.name.ptr, row.name.len)
        return place

    cdef int _ingest_row(
        self, Rows rows, row_t* row, place_t place, uint32_t node, int64_t now_ns, int origin
    ) except -1:
        cdef int kind = row.kind
        cdef uint32_t slot = place.slot, uid_hash = 0
        cdef table_t* t
        cdef frame_t* f
        cdef int m
        cdef uint32_t present = row.present
        self._reserve(kind, slot)
        t = &self.entities.table[kind]
        f = &self.open.frame[kind]
        t.last_seen[slot] = <uint32_t>self.open.seq
        if f.has_side:
            present &= self._begin_side(f, kind, slot, row, node, origin)
        else:
            f.node[slot] = node
            f.answer[slot] = <uint32_t>self.ingested_targets
            if f.present[slot] == PRESENT_SCRAPED:
                # A second target reports it in the same tick (a pod that moved): the later answer stands alone.
                for m in range(N_METRICS):
                    if f.column[m] != NULL:
                        f.column[m][slot] = absent_i64()
            f.sample_ns[slot] = row.sample_ns
            f.start_ns[slot] = row.start_ns
            if row.start_ns != time_zero():
                column_of(f, M_UPTIME)[slot] = whole_ms(<int64_t>(<uint64_t>now_ns - <uint64_t>row.start_ns))
        f.present[slot] = PRESENT_SCRAPED
        if kind == KIND_POD or kind == KIND_POD_CONTAINER:
            # 0 stands for "no UID said".
            uid_hash = text_hash(row.uid.ptr, row.uid.len) | 1 if row.uid.len else 0
            self._ingest_uid(slot if kind == KIND_POD else place.pod, uid_hash, row)
        if kind == KIND_POD_CONTAINER:
            if row.has_image:
                self.entities.set_rare_text(t, &t.own_image, slot, row.image.ptr, row.image.len, True)
                if f.image == NULL and frame_images(f):
                    raise MemoryError
                f.image[slot] = t.own_image[slot]
            elif f.image != NULL:
                f.image[slot] = NULL
        # Uptime is the store's own figure, whatever a row says.
        present &= (<uint32_t>1 << N_STANDARD) - (<uint32_t>2 << M_UPTIME)
        while present:
            m = lowest_bit(present)
            present &= present - 1
            column_of(f, m)[slot] = row.value[m]
        if origin == ORIGIN_SIDE:
            pass
        elif kind == KIND_NODE:
            # It is asked for under the name that the API server gives it, whatever it calls itself.
            self.latest.take_node(slot if node == SLOT_NONE else node, row)
        elif kind == KIND_POD_CONTAINER:
            self.latest.take_container(place.pod, slot, row, uid_hash)
        if self.extras is not None and kind != KIND_SYS_CONTAINER:
            self.extras.take(
                rows, row, node if kind == KIND_NODE and node != SLOT_NONE else slot, now_ns, origin == ORIGIN_SIDE
            )
        if row.resource_count:
            self._ingest_resources(rows, row, kind, slot)
        if row.custom_count:
            self._ingest_customs(rows, row, kind, slot)
        return 0

    cdef uint32_t _begin_side(
        self, frame_t* f, int kind, uint32_t slot, const row_t* row, uint32_t node, int origin
    ) noexcept:
        """Where two sources tell of one entity: takes the times of one of them; returns which metrics it may say."""
        cdef bint is_main = origin == ORIGIN_MAIN
        cdef int m
        if f.origin[slot] & origin:
            # As with a single source, the later of two answers stands alone; what the other source said stays.
            for m in range(N_METRICS):
                if f.column[m] != NULL and is_main_metric(kind, m) == is_main:
                    f.column[m][slot] = absent_i64()
        f.origin[slot] |= <uint8_t>origin
        if is_main:
            f.node[slot] = node
            f.sample_ns[slot] = row.sample_ns
            f.start_ns[slot] = row.start_ns
            return main_metrics(kind)
        if not f.origin[slot] & ORIGIN_MAIN:
            f.node[slot] = node
        # Resources are of the side source, and so is what tells them from those of an answer before.
        f.answer[slot] = <uint32_t>self.ingested_targets
        f.side_sample_ns[slot] = row.sample_ns
        f.side_start_ns[slot] = row.start_ns
        return ~main_metrics(kind)

    cdef bint _is_named(self, int kind, uint32_t slot, span_t name) noexcept:
        cdef text_t* text = self.entities.table[kind].name[slot]
        return text != NULL and text_is(text, name.ptr, name.len)

    cdef int _ingest_uid(self, uint32_t pod, uint32_t uid_hash, row_t* row) except -1:
        """Notes the UID that the kubelet says of a pod, in the pod's own row or in that of a container."""
        cdef table_t* t = &self.entities.table[KIND_POD]
        self._reserve(KIND_POD, pod)
        if uid_hash and t.uid_hash[pod] != uid_hash:
            if t.uid_hash[pod]:
                self.open.frame[KIND_POD].renewed[pod] = 1
            t.uid_hash[pod] = uid_hash
        if not t.flags[pod] & ENTITY_KNOWN:
            # Resource metrics say no UID; what was known of it before they came stays.
            if row.uid.len:
                self.entities.set_text(&t.uid[pod], row.uid.ptr, row.uid.len, False)
            self.open.frame[KIND_POD].uid[pod] = t.uid[pod]
        return 0

    cdef int _ingest_resources(self, Rows rows, row_t* row, int kind, uint32_t slot) except -1:
        cdef frame_t* f = &self.open.frame[KIND_RESOURCE]
        cdef resource_row_t* resource
        cdef owner_t owner
        cdef uint32_t i, child
        cdef int v, metric
        owner.slot = slot
        owner.kind = <uint8_t>kind
        for i in range(row.resource_start, row.resource_start + row.resource_count):
            resource = &rows.resource[i]
            owner.type = resource.type
            if resource.type == RESOURCE_ACCELERATOR:
                child = self._accelerator(owner, resource)
            else:
                child = self.entities.find_or_add(KIND_RESOURCE, owner, resource.id.ptr, resource.id.len)
            self._reserve(KIND_RESOURCE, child)
            self.entities.table[KIND_RESOURCE].last_seen[child] = <uint32_t>self.open.seq
            if f.present[child] == PRESENT_SCRAPED:
                for v in range(M_DISK_IO_READ_BYTES, N_CATALOG):
                    if f.column[v] != NULL:
                        f.column[v][child] = absent_i64()
            f.present[child] = PRESENT_SCRAPED
            f.answer[child] = <uint32_t>self.ingested_targets
            for v in range(5):
                if resource.present & (1 << v):
                    metric = resource_metric(resource.type, v)
                    column_of(f, metric)[child] = resource.value[v]
        return 0

    cdef uint32_t _accelerator(self, owner_t owner, resource_row_t* resource) except? 0xFFFFFFFE:
        """Accelerators are told apart by three labels; their name joins them with NUL."""
        cdef bytes name = (
            resource.make.ptr[:resource.make.len]
            + b"\0"
            + resource.model.ptr[:resource.model.len]
            + b"\0"
            + resource.id.ptr[:resource.id.len]
        )
        return self.entities.find_or_add(KIND_RESOURCE, owner, name, <uint32_t>len(name))

    cdef int _ingest_customs(self, Rows rows, row_t* row, int kind, uint32_t slot) except -1:
        cdef frame_t* f = &self.open.frame[kind]
        cdef custom_row_t* custom
        cdef int64_t* column
        cdef uint32_t i
        cdef int metric, twin
        for i in range(row.custom_start, row.custom_start + row.custom_count):
            custom = &rows.custom[i]
            metric = self.metrics.custom_id(custom.name.ptr, custom.name.len, custom.is_float)
            if metric < 0:
                continue
            if self.long_custom and self.metrics.names[metric] in self.long_custom:
                self.ring.is_long[metric] = 1
            column = column_of(f, metric)
            twin = self.metrics.twin[metric]
            if twin and f.column[twin] != NULL:
                f.column[twin][slot] = absent_i64()          # one name, one value: the later in the answer
            if custom.is_float:
                (<double*>column)[slot] = custom.f64 + 0.0
            else:
                column[slot] = custom.i64
        return 0

    cdef int _reserve(self, int kind, uint32_t slot) except -1:
        if slot >= self.open.frame[kind].n and frame_reserve(&self.open.frame[kind], kind, slot + 1):
            raise MemoryError
        frame_touch(&self.open.frame[kind], slot)
        return 0

    # -- the tick --------------------------------------------------------------------------------

    def make_spare(self):
        """An empty batch to swap in, to be filled by Spare.prepare (in a thread) before `swap`."""
        cdef int kind
        cdef Spare spare = Spare(
            Batch(self.metrics, self.ledger, self.open.seq + 1, self.has_schedulable, self.side_ns)
        )
        for kind in range(N_KINDS):
            spare.n[kind] = self.entities.table[kind].n
            spare.like[kind] = &self.open.frame[kind]
        spare.model = self.open
        spare.known = self.ring.newest
        return spare

    def swap(self, int64_t timestamp_ns, Spare spare=None):
        """Puts a fresh batch in place of the open one, which gets the timestamp and is to be closed.

        Between this and `commit` the API server's word must wait (processors/gate.py); samples need not.

        Raises:
            StoreError: a timestamp that is not later than the newest batch's, or a batch still being closed.
        """
        cdef int kind
        cdef uint32_t n
        if self.closing is not None:
            raise StoreError("BUG: swap while a batch is being closed")
        if self.ring.newest is not None and timestamp_ns <= self.ring.newest.timestamp_ns:
            raise StoreError(
                f"cannot close a batch stamped {timestamp_ns}: want later than {self.ring.newest.timestamp_ns}"
            )
        if spare is None:
            spare = self.make_spare()
        elif spare.batch.ledger is not self.ledger or spare.batch.seq != self.open.seq + 1:
            raise StoreError(f"BUG: swap of batch {self.open.seq} for a spare that was not made for it")
        for kind in range(N_KINDS):
            n = self.entities.table[kind].n
            if frame_reserve(&self.open.frame[kind], kind, n):
                raise MemoryError
        self.open.timestamp_ns = timestamp_ns
        self.closing = Closing(self.entities, self.open, self.ring.newest)
        self.open = spare.batch
        self.entities.seq = self.open.seq
        self.entities.closing = True
        return self.closing

    def commit(self, Closing closing, int64_t now_ns):
        """Makes a closed batch the newest; returns it. Retention is applied as of now_ns (wall time)."""
        if closing is not self.closing:
            raise StoreError("BUG: commit of a batch that is not being closed")
        if closing.state == CLOSING_RUNNING:
            raise StoreError(f"BUG: commit of batch {closing.batch.seq} while a thread is at work on it")
        self.closing = None
        self.entities.end_closing()
        if closing.state != CLOSING_DONE:
            # Closing it failed, for want of memory. The ring goes on with what it has.
            raise StoreError(f"cannot commit batch {closing.batch.seq}: it was not closed")
        cdef Batch batch = closing.batch
        batch.closed = True
        self.ring.push(batch, closing.packed, now_ns)
        closing.former = None
        if self.side_ns:
            self.stamps[batch.seq] = batch.timestamp_ns
        self._free_unused()
        self.entities.reclaim(self.ledger.oldest())
        return batch

    def sweep(self):
        """Gives back the memory of batches and columns that are gone. From any one thread, after commit.

        On the loop it took 4 to 12 ms of a tick, with the columns of 450,000 entities.
        """
        self.ledger.sweep()

    cdef int _free_unused(self) except -1:
        """Gives back slots that nobody knows, no batch shows and no child needs. One pass, children first."""
        cdef uint32_t oldest = self._oldest_shown()
        cdef int kind
        cdef uint32_t slot
        cdef table_t* t
        for kind in (KIND_RESOURCE, KIND_SYS_CONTAINER, KIND_POD_CONTAINER, KIND_POD, KIND_NODE, KIND_NAMESPACE):
            t = &self.entities.table[kind]
            for slot in range(t.n):
                if (
                    t.last_seen[slot] < oldest
                    and not t.flags[slot] & ENTITY_KNOWN
                    and t.name[slot] != NULL
                    and t.n_children[slot] == 0
                ):
                    self.entities.remove(kind, slot)
                    self.latest.forget(kind, slot)
                    if kind == KIND_NODE:
                        self.expected.forget(slot)
        return 0

    cdef uint32_t _oldest_shown(self) except? 0xFFFFFFFE:
        """The oldest batch whose entities some batch in memory may show.

        What a side source said is carried on for as long as its resolution (see _side.pxd), so that the oldest batch
        may show what was last heard of for one that is gone.
        """
        cdef uint64_t oldest = self.ring.oldest_seq()
        cdef int64_t since_ns
        if self.side_ns and self.stamps:
            since_ns = self.stamps.get(oldest, 0) - self.side_ns
            for seq in [seq for seq, stamp_ns in self.stamps.items() if stamp_ns < since_ns]:
                del self.stamps[seq]
            oldest = min(oldest, next(iter(self.stamps), oldest))
        return <uint32_t>oldest

    # -- questions -------------------------------------------------------------------------------

    @property
    def newest(self):
        """The newest closed batch, or None."""
        return self.ring.newest

    def find(self, int kind, *names):
        """Slot of an entity by kind and names from the outside in; -1 when there is none."""
        cdef uint32_t slot = self._find(kind, names)
        return -1 if slot == SLOT_NONE else slot

    cdef uint32_t _find(self, int kind, tuple names) except? 0xFFFFFFFE:
        cdef span_t span
        cdef uint32_t owner = SLOT_NONE
        cdef int step
        cdef Py_ssize_t depth = len(names)
        if depth != names_of(kind):
            raise ValueError(f"BUG: {depth} names for an entity of kind {kind}, want {names_of(kind)}")
        if kind == KIND_CLUSTER:
            return 0
        if kind == KIND_NAMESPACE or kind == KIND_NODE:
            span = span_of(names[0])
            return self.entities.find(kind, owned_by(SLOT_NONE), span.ptr, span.len)
        if kind == KIND_POD:
            step = KIND_NAMESPACE
        elif kind == KIND_POD_CONTAINER:
            step = KIND_POD
        else:
            step = KIND_NODE
        owner = self._find(step, names[:depth - 1])
        if owner == SLOT_NONE:
            return SLOT_NONE
        span = span_of(names[depth - 1])
        return self.entities.find(kind, owned_by(owner), span.ptr, span.len)

    def name(self, int kind, uint32_t slot):
        """An entity's own name ("" for a slot that is free)."""
        check_kind(kind)
        if slot >= self.entities.table[kind].n:
            return ""
        return text_str(self.entities.table[kind].name[slot])

    def parent(self, int kind, uint32_t slot):
        """Slot of an entity's parent, -1 when it has none."""
        check_kind(kind)
        if slot >= self.entities.table[kind].n or self.entities.table[kind].name[slot] == NULL:
            return -1
        cdef uint32_t parent = self.entities.table[kind].parent[slot]
        return -1 if parent == SLOT_NONE else parent

    def is_known(self, int kind, uint32_t slot):
        """Whether the API server has an object for it."""
        check_kind(kind)
        return slot < self.entities.table[kind].n and bool(self.entities.table[kind].flags[slot] & ENTITY_KNOWN)

    def metric_id(self, str name):
        """Column of a metric, -1 when nothing of that name was ever seen."""
        return self.metrics.ids.get(name, -1)

    def metric_names(self, int kind, uint32_t slot):
        """Names of the metrics that an entity has in the short class, labelled ones included (B11), sorted."""
        check_kind(kind)
        cdef set found = set()
        cdef int m
        for m in range(<int>len(self.metrics.names)):
            if self.ring.has_metric(kind, slot, m):
                found.add(self.metrics.names[m])
        cdef Batch newest = self.ring.newest
        cdef frame_t* f
        cdef uint32_t i
        if newest is not None:
            f = &newest.frame[kind]
            if slot < f.n and f.first[KIND_RESOURCE] != NULL:
                for i in range(f.first[KIND_RESOURCE][slot], f.first[KIND_RESOURCE][slot + 1]):
                    found.update(self.metric_names(KIND_RESOURCE, f.child[KIND_RESOURCE][i]))
        return sorted(found)

    def series(self, int kind, uint32_t slot, int metric, int64_t start_ns, int64_t end_ns):
        """Samples with start <= timestamp <= end as (timestamp_ns, value), oldest first."""
        check_kind(kind)
        cdef Py_ssize_t cap = self.ring.capacity()
        cdef Py_ssize_t found, i
        cdef bint is_float
        if metric < 0 or metric >= N_METRICS:
            return []
        cdef int64_t* ts = <int64_t*>malloc(cap * sizeof(int64_t))
        cdef int64_t* bits = <int64_t*>malloc(cap * sizeof(int64_t))
        try:
            if ts == NULL or bits == NULL:
                raise MemoryError
            is_float = self.metrics.is_float[metric]
            found = self.ring.read(kind, slot, metric, start_ns, end_ns, ts, bits)
            return [
                (ts[i], (<double*>bits)[i] if is_float else bits[i])
                for i in range(cap - found, cap)
            ]
        finally:
            free(ts)
            free(bits)

    def find_resources(self, int kind, uint32_t slot, int metric, labels):
        """Slots of an entity's resources whose label set equals `labels` and that could have the metric."""
        check_kind(kind)
        cdef owner_t owner
        cdef span_t span
        cdef uint32_t child
        cdef list found = []
        owner.slot = slot
        owner.kind = <uint8_t>kind
        if M_ACCELERATOR_MEMORY_TOTAL <= metric:
            if set(labels) != {"make", "model", "accelerator_id"}:
                return found
            wanted = [(RESOURCE_ACCELERATOR, "\0".join((labels["make"], labels["model"], labels["accelerator_id"])))]
        else:
            if set(labels) != {"resource_id"}:
                return found
            name = labels["resource_id"]
            wanted = [(RESOURCE_DISK if metric < M_FILESYSTEM_USAGE else RESOURCE_FILESYSTEM, name)]
            if name.startswith("Volume:") and metric >= M_FILESYSTEM_USAGE:
                wanted.append((RESOURCE_VOLUME, name[len("Volume:"):]))
        for type_, name in wanted:
            owner.type = type_
            span = span_of(name)
            child = self.entities.find(KIND_RESOURCE, owner, span.ptr, span.len)
            if child != SLOT_NONE:
                found.append(child)
        return found

    def resource_series(self, int kind, uint32_t slot, int metric, labels, int64_t start_ns, int64_t end_ns):
        """As `series`, for the resource of an entity that has exactly these labels."""
        for child in self.find_resources(kind, slot, metric, labels):
            found = self.series(KIND_RESOURCE, child, metric, start_ns, end_ns)
            if found:
                return found
        return []

    def spec_containers(self, uint32_t pod):
        """Slots of the containers of a known pod's spec, in order."""
        cdef table_t* t = &self.entities.table[KIND_POD]
        cdef uint32_t i
        if pod >= t.n:
            return []
        return [specified_by(&t.pod_spec[pod])[i] for i in range(t.pod_spec[pod].n_containers)]

    cdef Py_ssize_t series_capacity(self) noexcept:
        return self.ring.capacity()

    cdef Py_ssize_t read_series(
        self, int kind, uint32_t slot, int metric, int64_t start_ns, int64_t end_ns,
        int64_t* ts_out, int64_t* bits_out,
    ) noexcept:
        """As Ring.read: the samples found are the last ones of arrays of series_capacity() entries."""
        return self.ring.read(kind, slot, metric, start_ns, end_ns, ts_out, bits_out)

    def packed_sizes(self):
        """(metric id, samples, bytes) of every packed column in memory. Cost: a look at each block of 64 slots."""
        return self.ring.sizes()

    def stats(self):
        """Sizes and counts, for self-metrics, bench and leak tests."""
        cdef int kind
        sizes = self.ring.sizes()
        return {
            "slots": [self.entities.table[kind].n for kind in range(N_KINDS)],
            "entities": [self.entities.table[kind].n_used for kind in range(N_KINDS)],
            "table_bytes": self.entities.nbytes(),
            "expected_bytes": self.expected.nbytes(),
            "retired_texts": self.entities.n_retired,
            "pooled_texts": len(self.entities.pool),
            "requirements": len(self.entities.requirements),
            "dead_parts": self.ledger.n_dead,
            "batches": len(self.ring),
            "short_batches": self.ring.short_len(),
            "open_bytes": self.open.nbytes(),
            "newest_bytes": self.ring.newest.nbytes() if self.ring.newest is not None else 0,
            "packed_samples": sum(samples for _, samples, _ in sizes),
            "packed_bytes": sum(size for _, _, size in sizes),
            "custom_metrics_dropped": self.metrics.dropped,
            "ingested_rows": self.ingested_rows,
            "ingested_targets": self.ingested_targets,
        }


cdef inline Py_ssize_t names_of(int kind) noexcept nogil:
    """How many names, from the outside in, an entity of this kind goes by; -1: none of its own."""
    if kind == KIND_CLUSTER:
        return 0
    if kind == KIND_NAMESPACE or kind == KIND_NODE:
        return 1
    if kind == KIND_POD or kind == KIND_SYS_CONTAINER:
        return 2
    return 3 if kind == KIND_POD_CONTAINER else -1


cdef inline int resource_metric(int type_, int i) noexcept nogil:
    """Column of value[i] of a resource row."""
    if type_ == RESOURCE_DISK:
        return M_DISK_IO_READ_BYTES if i == 0 else M_DISK_IO_WRITE_BYTES
    if type_ == RESOURCE_ACCELERATOR:
        return M_ACCELERATOR_MEMORY_TOTAL + i
    return M_FILESYSTEM_USAGE + i


cdef inline int64_t* column_of(frame_t* f, int metric) except NULL:
    cdef int64_t* column = f.column[metric]
    if column == NULL:
        column = frame_column(f, metric)
        if column == NULL:
            raise MemoryError
    return column
