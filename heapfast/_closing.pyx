"""Closing a batch, step by step; `Closing._run` is the table of contents (see _closing.pxd).

In      the swapped batch, the one before it, what the API server says about entities
Out     the batch complete: rates, requests, stubs, sums, labels, children; the former one packed
Callers pipeline.py through Store.swap, run(), Store.commit
Source  spec/heapster-pipeline.md section 5, in its order; the oracle is store/naive
Never   holds the GIL, or touches a batch that readers have already
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from heapfast._batch cimport Batch
from heapfast._enrich cimport add_stubs, enrich_containers, enrich_nodes, is_enriched
from heapfast._entities cimport Entities, table_t
from heapfast._frame cimport (
    ENTITY_KNOWN,
    frame_column,
    frame_fill,
    frame_forget_answers,
    frame_images,
    frame_pack,
    frame_pack_times,
    frame_reserve_blank,
    frame_seal,
    frame_t,
    has_column,
    index_children,
    samples_of,
)
from heapfast._pack cimport pack_column, packed_t
from heapfast._rates cimport add_rates
from heapfast._ring cimport Packed
from heapfast._side cimport carry_side, show_side_times
from heapfast._sums cimport make_parents, sum_cluster, sum_namespaces, sum_nodes, sum_pods
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    M_UPTIME,
    N_CATALOG,
    N_KINDS,
    N_METRICS,
    PRESENT_NO,
    absent_i64,
    int64_t,
    is_counter,
    time_zero,
    uint8_t,
    uint32_t,
)

from heapfast.errors import StoreError


cdef enum:
    HEADROOM = 16              # the part of all entities that may be new in one tick without moving columns

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
            # Room for newcomers too: to move the columns of 300,000 containers took the loop 4 ms a tick that had any.
            # Blank, since it stays so until the next round of scrapes: 24 MiB less between them at that size.
            if frame_reserve_blank(f, kind, self.n[kind] + self.n[kind] // HEADROOM + 64):
                return -1
            f.n = self.n[kind]
            for m in range(N_METRICS):
                # The pointer may be set by the loop meanwhile; either answer is fine.
                if self.like[kind].column[m] == NULL:
                    continue
                # Nobody had it in the last batch: a custom metric whose pods are gone.
                if self.known is not None and not has_column(&self.known.frame[kind], m):
                    continue
                if frame_column(f, m) == NULL:
                    return -1
        return 0


cdef class Closing:
    """One batch between swap and commit. Made by Store.swap."""

    def __cinit__(self, Entities entities, Batch batch, Batch former):
        self.entities = entities
        self.batch = batch
        self.former = former
        if former is not None:
            self.packed = Packed(batch.ledger)
            self.packed.timestamp_ns = former.timestamp_ns
            self.packed.seq = former.seq
            self.packed.is_short = True

    def run(self):
        """Computes everything. Call it once, from any one thread; takes tens of milliseconds on a large cluster.

        Raises:
            MemoryError: the batch is unusable then, and commit refuses it.
        """
        cdef int failed
        if self.state != CLOSING_NEW:
            raise StoreError(f"BUG: batch {self.batch.seq} is closed once, and by one thread")
        self.state = CLOSING_RUNNING
        # What the tick before left over is gone by now where somebody sweeps after each commit, as pipeline.py does.
        self.batch.ledger.sweep()
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
        """Heapster's order, but that owners come first, since two processors look at them, and names last.

        And a metric is added up all the way before the next one is: so that of those that are packed in the end, few
        columns are plain at one time, and none when names come.
        """
        cdef int64_t started = monotonic_ns()
        cdef int kind
        for kind in range(N_KINDS):
            frame_fill(&self.batch.frame[kind])
        if self._link_all():
            return -1
        started = self._note(PROCESSOR_POD_ENRICHER, started)
        if self.batch.side_ns and carry_side(self.batch, self.former):
            return -1
        started = self._note(PROCESSOR_RATES, started)
        # Rates take room, and nothing else asks for it; beside a side source it is not yet what it will be.
        if not self.batch.side_ns and self._pack_metric(M_UPTIME):
            return -1
        started = self._note(PROCESSOR_PACKER, started)
        if self.former is not None and add_rates(self.batch, self.former):
            return -1
        if self.batch.side_ns and show_side_times(self.batch):
            return -1
        started = self._note(PROCESSOR_RATES, started)
        for kind in range(N_KINDS):
            if frame_pack_times(&self.batch.frame[kind]):
                return -1
        started = self._note(PROCESSOR_PACKER, started)
        add_stubs(self.batch, self.entities)
        started = self._note(PROCESSOR_POD_ENRICHER, started)
        make_parents(self.batch)
        self._note(PROCESSOR_PODS, started)
        if self._enrich_and_sum():
            return -1
        started = monotonic_ns()
        if enrich_nodes(self.batch, self.entities):
            return -1
        started = self._note(PROCESSOR_NODE_AUTOSCALING, started)
        if self._name(KIND_NAMESPACE):
            return -1
        started = self._note(PROCESSOR_NAMESPACE_ENRICHER, started)
        if self._name_all():
            return -1
        started = self._note(PROCESSOR_POD_ENRICHER, started)
        if self._seal():
            return -1
        self._note(PROCESSOR_PACKER, started)
        return 0

    cdef int _enrich_and_sum(self) noexcept nogil:
        cdef int m
        cdef int64_t started = monotonic_ns()
        for m in range(N_METRICS):
            if is_enriched(m):
                if enrich_containers(self.batch, self.entities, m):
                    return -1
                started = self._note(PROCESSOR_POD_ENRICHER, started)
            if self.batch.frame[KIND_POD_CONTAINER].column[m] == NULL and self.batch.frame[KIND_POD].column[m] == NULL:
                continue
            if sum_pods(self.batch, m):
                return -1
            started = self._note(PROCESSOR_PODS, started)
            if sum_namespaces(self.batch, m):
                return -1
            started = self._note(PROCESSOR_NAMESPACES, started)
            if sum_nodes(self.batch, m):
                return -1
            started = self._note(PROCESSOR_NODES, started)
            if sum_cluster(self.batch, m):
                return -1
            started = self._note(PROCESSOR_CLUSTER, started)
            # A custom metric's twin of the other type is still to be summed, and looks at this one.
            if m < N_CATALOG and self._pack_metric(m):
                return -1
            started = self._note(PROCESSOR_PACKER, started)
        return 0

    cdef int64_t _note(self, int processor, int64_t started_ns) noexcept nogil:
        """Adds the time since `started_ns` to a processor's; returns the time that is now."""
        cdef int64_t now_ns = monotonic_ns()
        self.took_ns[processor] = self.took_ns[processor] + now_ns - started_ns
        return now_ns

    cdef int _link_all(self) noexcept nogil:
        cdef int kind
        for kind in range(N_KINDS):
            if self._link(kind):
                return -1
        self._drop_replaced_resources()
        for kind in range(N_KINDS):
            frame_forget_answers(&self.batch.frame[kind])
        return 0

    cdef int _name_all(self) noexcept nogil:
        cdef int kind
        for kind in range(N_KINDS):
            if kind != KIND_NAMESPACE and self._name(kind):
                return -1
        return 0

    cdef int _seal(self) noexcept nogil:
        cdef int kind, m
        for kind in range(N_KINDS):
            if index_children(self.batch.frame, kind) or frame_pack_times(&self.batch.frame[kind]):
                return -1
        self._count()
        self._drop_empty_columns()
        for m in range(N_METRICS):
            if self._pack_metric(m):
                return -1
            for kind in range(N_KINDS):
                if self._pack_former(kind, m):
                    return -1
        for kind in range(N_KINDS):
            frame_seal(&self.batch.frame[kind])
        return 0

    cdef int _pack_metric(self, int m) noexcept nogil:
        """Packs a gauge of those that there are many of, in this batch, and in the former one against it."""
        cdef int kind
        for kind in range(KIND_POD, KIND_POD_CONTAINER + 1):
            # Of what hardly ever changes nearly all blocks are packed to the same bytes; else plain numbers are nearer.
            if is_enriched(m) and frame_pack(&self.batch.frame[kind], m):
                return -1
            if self._pack_former(kind, m):
                return -1
            # The next batch's rates lean on counters, and most of their bits differ anyway.
            if not is_counter(m) and not self.batch.metrics.is_float[m] and frame_pack(&self.batch.frame[kind], m):
                return -1
        return 0

    # -- who the entities are ------------------------------------------------------------------

    cdef int _link(self, int kind) noexcept nogil:
        """Copies whose an entity is, and what else the processors ask of it, so that nobody needs a table."""
        cdef frame_t* f = &self.batch.frame[kind]
        cdef table_t* t = &self.entities.table[kind]
        cdef uint32_t n = f.n, i
        if (
            copy_to(<void**>&f.parent, t.parent, n, sizeof(uint32_t))
            or copy_to(<void**>&f.parent_kind, t.parent_kind, n, sizeof(uint8_t))
            or copy_to(<void**>&f.type, t.type, n, sizeof(uint8_t))
            or copy_to(<void**>&f.flags, t.flags, n, sizeof(uint8_t))
        ):
            return -1
        if kind == KIND_POD:
            f.create_ns = times(n)
            if f.create_ns == NULL:
                return -1
            for i in range(n):
                # A known pod has the UID of its object.
                if f.flags[i] & ENTITY_KNOWN or f.uid[i] == NULL:
                    f.uid[i] = t.uid[i]
        return 0

    cdef int _name(self, int kind) noexcept nogil:
        """The same for what an entity is called (texts stay where they are)."""
        cdef frame_t* f = &self.batch.frame[kind]
        cdef table_t* t = &self.entities.table[kind]
        cdef uint32_t n = f.n, i
        if (
            copy_to(<void**>&f.name, t.name, n, sizeof(void*))
            or copy_to(<void**>&f.labels, t.labels, n, sizeof(void*))
            or copy_to(<void**>&f.stored, t.stored, n, sizeof(void*))
            or copy_to(<void**>&f.hostname, t.hostname, n, sizeof(void*))
            or copy_to(<void**>&f.host_id, t.host_id, n, sizeof(void*))
            or (kind == KIND_NAMESPACE and copy_to(<void**>&f.uid, t.uid, n, sizeof(void*)))
            or (kind == KIND_POD_CONTAINER and f.image == NULL and frame_images(f))
        ):
            return -1
        if kind == KIND_POD_CONTAINER:
            for i in range(n):
                # The image of the answer, if it had one, even an empty.
                if f.image[i] == NULL:
                    f.image[i] = t.image[i]
        return 0

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

    cdef int _pack_former(self, int kind, int m) noexcept nogil:
        """Packs a column of the former batch, once."""
        cdef packed_t* packed
        if self.former is None or self.packed.column[kind][m] != NULL or not has_column(&self.former.frame[kind], m):
            return 0
        packed = <packed_t*>malloc(sizeof(packed_t))
        if packed == NULL:
            return -1
        self.packed.column[kind][m] = packed
        return pack_column(samples_of(&self.former.frame[kind], m), samples_of(&self.batch.frame[kind], m), packed)
