"""Entity tables (see _entities.pxd).

In      a kind, an owner and the raw bytes of a name
Out     the slot, stable for the life of the entity
Callers _core; _closing, _enrich, _latest and render/_roster read
Never   reuses a slot or frees a text that a batch in memory may still show
"""
import os

cimport cython
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from heapfast._requirements cimport NO_REQUIREMENTS, RequirementPool
from heapfast._text cimport TEXT_POOLED, TextPool, hash_bytes, text_is, text_ptr, text_t
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    N_KINDS,
    RESOURCE_ACCELERATOR,
    RESOURCE_VOLUME,
    SLOT_NONE,
    time_zero,
    uint8_t,
    uint32_t,
    uint64_t,
)

cdef enum:
    FIRST_CAP = 64

cdef uint64_t BUCKET_FREE = 0xFFFFFFFFFFFFFFFFULL

# Names come from outside, so the hash is seeded: nobody can prepare names that all collide.
cdef uint64_t SEED = int.from_bytes(os.urandom(8), "little")


cdef inline uint32_t key_hash(owner_t owner, const char* name, uint32_t len) noexcept nogil:
    cdef uint64_t seed = SEED ^ (<uint64_t>owner.slot << 16) ^ (<uint64_t>owner.kind << 8) ^ owner.type
    return <uint32_t>hash_bytes(name, len, seed * 0x9E3779B97F4A7C15ULL)


cdef inline bint is_slot(table_t* table, uint32_t slot, owner_t owner, const char* name, uint32_t len) noexcept nogil:
    if table.parent[slot] != owner.slot:
        return False
    if table.parent_kind != NULL and (table.parent_kind[slot] != owner.kind or table.type[slot] != owner.type):
        return False
    return text_is(table.name[slot], name, len)


@cython.no_gc      # the pools never refer back, and are needed to the end
cdef class Entities:

    def __cinit__(self):
        self.pool = TextPool()
        self.requirements = RequirementPool()
        self.seq = 1
        cdef int kind
        for kind in range(N_KINDS):
            self._grow(kind)

    def __dealloc__(self):
        cdef int kind
        cdef table_t* t
        cdef uint32_t slot
        cdef size_t i
        for i in range(self.n_retired):
            self.pool.drop(self.retired[i].text)
        free(self.retired)
        for i in range(self.n_outgrown):
            free(self.outgrown[i])
        free(self.outgrown)
        for kind in range(N_KINDS):
            t = &self.table[kind]
            for slot in range(t.n):
                if t.pod_spec != NULL and t.pod_spec[slot].has_many:
                    free(t.pod_spec[slot].container.many)
                drop_own(self.pool, t.name, slot)
                drop_own(self.pool, t.uid, slot)
                drop_own(self.pool, t.labels, slot)
                drop_own(self.pool, t.stored, slot)
                drop_own(self.pool, t.image, slot)
                drop_own(self.pool, t.own_image, slot)
                drop_own(self.pool, t.hostname, slot)
                drop_own(self.pool, t.host_id, slot)
            free(t.bucket)
            free(t.free_slot)
            free(t.parent)
            free(t.parent_kind)
            free(t.type)
            free(t.n_children)
            free(t.last_seen)
            free(t.name)
            free(t.flags)
            free(t.uid)
            free(t.labels)
            free(t.stored)
            free(t.image)
            free(t.own_image)
            free(t.hostname)
            free(t.host_id)
            free(t.node_spec)
            free(t.pod_spec)
            free(t.container_spec)
            free(t.uid_hash)

    # -- look-up ----------------------------------------------------------------------------

    cdef uint32_t find(self, int kind, owner_t owner, const char* name, uint32_t len) noexcept nogil:
        """The slot, or SLOT_NONE. The bucket holds the hash, so a miss of the table costs one of the cache."""
        cdef table_t* t = &self.table[kind]
        cdef uint32_t h = key_hash(owner, name, len)
        cdef uint32_t mask = t.n_buckets - 1
        cdef uint32_t i = h & mask
        cdef uint64_t b
        while True:
            b = t.bucket[i]
            if b == BUCKET_FREE:
                return SLOT_NONE
            if <uint32_t>(b >> 32) == h and is_slot(t, <uint32_t>b, owner, name, len):
                return <uint32_t>b
            i = (i + 1) & mask

    cdef uint32_t hash_of(self, owner_t owner, const char* name, uint32_t len) noexcept nogil:
        return key_hash(owner, name, len)

    cdef uint32_t guess(self, int kind, uint32_t h) noexcept nogil:
        """The first slot with this hash, most likely the one that is meant; SLOT_NONE. Looks at buckets alone."""
        cdef table_t* t = &self.table[kind]
        cdef uint32_t mask = t.n_buckets - 1
        cdef uint32_t i = h & mask
        while t.bucket[i] != BUCKET_FREE:
            if <uint32_t>(t.bucket[i] >> 32) == h:
                return <uint32_t>t.bucket[i]
            i = (i + 1) & mask
        return SLOT_NONE

    cdef uint32_t find_or_add(self, int kind, owner_t owner, const char* name, uint32_t len) except? 0xFFFFFFFE:
        cdef uint32_t slot = self.find_near(kind, owner, name, len)
        if slot == SLOT_NONE:
            slot = self.find(kind, owner, name, len)
            if slot == SLOT_NONE:
                slot = self._add(kind, owner, name, len)
            self.table[kind].last = slot
        return slot

    cdef uint32_t find_near(self, int kind, owner_t owner, const char* name, uint32_t len) noexcept nogil:
        """The slot if it is the one found last or a neighbour, else SLOT_NONE.

        Rows come in runs, and what came in one run at first sight has adjoining slots: the pod of several containers,
        the containers of a pod, the filesystems of a container. These lie in the cache already, buckets do not:
        at 150,000 containers this took ingest from 53 to 42 us a node.
        """
        cdef table_t* t = &self.table[kind]
        cdef uint32_t slot = t.last
        cdef int i
        for i in range(3):
            # last, last + 1, last - 1; below 0 wraps beyond n.
            slot = t.last + <uint32_t>i if i < 2 else t.last - 1
            if slot < t.n and t.name[slot] != NULL and is_slot(t, slot, owner, name, len):
                t.last = slot
                return slot
        return SLOT_NONE

    cdef uint32_t _add(self, int kind, owner_t owner, const char* name, uint32_t len) except? 0xFFFFFFFE:
        cdef table_t* t = &self.table[kind]
        cdef text_t* text = NULL
        if t.n_free == 0 and t.n == t.cap:
            self._grow(kind)
        # Names that most entities have are kept once: "/", "logs", devices, system and pod containers.
        if (kind == KIND_RESOURCE and owner.type != RESOURCE_VOLUME and owner.type != RESOURCE_ACCELERATOR) or (
            kind == KIND_SYS_CONTAINER or kind == KIND_POD_CONTAINER
        ):
            text = self.pool.intern(name, len)
        else:
            text = self.pool.make(name, len)
        cdef uint32_t slot
        if t.n_free:
            t.n_free -= 1
            slot = t.free_slot[t.n_free]
        else:
            slot = t.n
            t.n += 1
        self._blank(t, slot)
        t.name[slot] = text
        t.parent[slot] = owner.slot
        if t.parent_kind != NULL:
            t.parent_kind[slot] = owner.kind
            t.type[slot] = owner.type
        self._insert(t, <uint64_t>key_hash(owner, name, len) << 32 | slot)
        t.n_used += 1
        cdef table_t* parent = self._parent(kind, owner)
        if parent != NULL:
            parent.n_children[owner.slot] += 1
        return slot

    cdef int remove(self, int kind, uint32_t slot) except -1:
        """Gives the slot back. The caller has made sure that nothing shows or needs it."""
        cdef table_t* t = &self.table[kind]
        self._take_out(t, slot)
        cdef owner_t owner
        owner.slot = t.parent[slot]
        owner.kind = t.parent_kind[slot] if t.parent_kind != NULL else 0
        owner.type = 0
        cdef table_t* parent = self._parent(kind, owner)
        if parent != NULL:
            parent.n_children[owner.slot] -= 1
        self.drop_text(&t.name[slot])
        if t.uid != NULL:
            self.drop_text(&t.uid[slot])
        if t.labels != NULL:
            self.drop_text(&t.labels[slot])
            self.drop_rare_text(t.stored, slot)
        if t.image != NULL:
            self.drop_text(&t.image[slot])
            self.drop_rare_text(t.own_image, slot)
        if t.hostname != NULL:
            self.drop_text(&t.hostname[slot])
            self.drop_text(&t.host_id[slot])
        if t.pod_spec != NULL:
            if t.pod_spec[slot].has_many:
                free(t.pod_spec[slot].container.many)
            t.pod_spec[slot].has_many = False
            t.pod_spec[slot].n_containers = 0
        if t.container_spec != NULL:
            self.requirements.release(t.container_spec[slot].requirements)
            t.container_spec[slot].requirements = NO_REQUIREMENTS
        t.free_slot[t.n_free] = slot
        t.n_free += 1
        t.n_used -= 1
        return 0

    cdef table_t* _parent(self, int kind, owner_t owner) noexcept:
        if owner.slot == SLOT_NONE:
            return NULL
        if kind == KIND_POD:
            return &self.table[KIND_NAMESPACE]
        if kind == KIND_POD_CONTAINER:
            return &self.table[KIND_POD]
        if kind == KIND_SYS_CONTAINER:
            return &self.table[KIND_NODE]
        if kind == KIND_RESOURCE:
            return &self.table[owner.kind]
        return NULL

    # -- the hash table: linear probing, deletion shifts the run back ---------------------------

    cdef void _insert(self, table_t* t, uint64_t taken) noexcept:
        cdef uint32_t mask = t.n_buckets - 1
        cdef uint32_t i = <uint32_t>(taken >> 32) & mask
        while t.bucket[i] != BUCKET_FREE:
            i = (i + 1) & mask
        t.bucket[i] = taken

    cdef void _take_out(self, table_t* t, uint32_t slot) noexcept:
        cdef uint32_t mask = t.n_buckets - 1
        cdef owner_t owner
        owner.slot = t.parent[slot]
        owner.kind = t.parent_kind[slot] if t.parent_kind != NULL else 0
        owner.type = t.type[slot] if t.type != NULL else 0
        # Hashed again, and seldom: a column of hashes took 1.7 MiB of 150,000 pods and 300,000 containers.
        cdef uint32_t i = key_hash(owner, text_ptr(t.name[slot]), t.name[slot].len) & mask
        cdef uint32_t j, home
        while <uint32_t>t.bucket[i] != slot:
            i = (i + 1) & mask
        j = i
        while True:
            j = (j + 1) & mask
            if t.bucket[j] == BUCKET_FREE:
                break
            home = <uint32_t>(t.bucket[j] >> 32) & mask
            # An entry may move back to i unless its home lies in the cyclic range (i, j].
            if ((j - home) & mask) >= ((j - i) & mask):
                t.bucket[i] = t.bucket[j]
                i = j
        t.bucket[i] = BUCKET_FREE

    # -- memory ---------------------------------------------------------------------------------

    cdef void _blank(self, table_t* t, uint32_t slot) noexcept:
        t.n_children[slot] = 0
        t.last_seen[slot] = 0
        t.flags[slot] = 0
        if t.uid != NULL:
            t.uid[slot] = NULL
        if t.labels != NULL:
            t.labels[slot] = NULL
        if t.stored != NULL:
            t.stored[slot] = NULL
        if t.image != NULL:
            t.image[slot] = NULL
        if t.own_image != NULL:
            t.own_image[slot] = NULL
        if t.hostname != NULL:
            t.hostname[slot] = NULL
            t.host_id[slot] = NULL
        if t.node_spec != NULL:
            memset(&t.node_spec[slot], 0, sizeof(node_spec_t))
        if t.pod_spec != NULL:
            t.pod_spec[slot].create_ns = time_zero()
            t.pod_spec[slot].has_many = False
            t.pod_spec[slot].n_containers = 0
            t.uid_hash[slot] = 0
        if t.container_spec != NULL:
            t.container_spec[slot].requirements = NO_REQUIREMENTS
            t.container_spec[slot].restart_count = -1

    cdef int _grow(self, int kind) except -1:
        """Half as much again. The thread that closes a batch may be reading the old arrays: they live on until then."""
        cdef table_t* t = &self.table[kind]
        cdef uint32_t cap = FIRST_CAP if t.cap == 0 else t.cap + t.cap // 2
        t.parent = <uint32_t*>self._bigger(t.parent, t.n, cap, sizeof(uint32_t))
        t.n_children = <uint32_t*>self._bigger(t.n_children, t.n, cap, sizeof(uint32_t))
        t.last_seen = <uint32_t*>self._bigger(t.last_seen, t.n, cap, sizeof(uint32_t))
        t.name = <text_t**>self._bigger(t.name, t.n, cap, sizeof(void*))
        t.flags = <uint8_t*>self._bigger(t.flags, t.n, cap, sizeof(uint8_t))
        t.free_slot = <uint32_t*>self._bigger(t.free_slot, t.n_free, cap, sizeof(uint32_t))
        if kind == KIND_RESOURCE:
            t.parent_kind = <uint8_t*>self._bigger(t.parent_kind, t.n, cap, sizeof(uint8_t))
            t.type = <uint8_t*>self._bigger(t.type, t.n, cap, sizeof(uint8_t))
        if kind == KIND_NAMESPACE or kind == KIND_POD:
            t.uid = <text_t**>self._bigger(t.uid, t.n, cap, sizeof(void*))
        if kind == KIND_NODE or kind == KIND_POD:
            t.labels = <text_t**>self._bigger(t.labels, t.n, cap, sizeof(void*))
        if t.stored != NULL:
            t.stored = <text_t**>self._bigger(t.stored, t.n, cap, sizeof(void*))
        if kind == KIND_NODE:
            t.hostname = <text_t**>self._bigger(t.hostname, t.n, cap, sizeof(void*))
            t.host_id = <text_t**>self._bigger(t.host_id, t.n, cap, sizeof(void*))
            t.node_spec = <node_spec_t*>self._bigger(t.node_spec, t.n, cap, sizeof(node_spec_t))
        if kind == KIND_POD:
            t.pod_spec = <pod_spec_t*>self._bigger(t.pod_spec, t.n, cap, sizeof(pod_spec_t))
            t.uid_hash = <uint32_t*>self._bigger(t.uid_hash, t.n, cap, sizeof(uint32_t))
        if kind == KIND_POD_CONTAINER:
            t.image = <text_t**>self._bigger(t.image, t.n, cap, sizeof(void*))
            t.container_spec = <container_spec_t*>self._bigger(t.container_spec, t.n, cap, sizeof(container_spec_t))
        if t.own_image != NULL:
            t.own_image = <text_t**>self._bigger(t.own_image, t.n, cap, sizeof(void*))
        # Buckets before slots: a table that ran out of memory half-way still has a free bucket for each slot.
        if t.n_buckets < cap + cap // 2:
            self._rehash(t, cap)
        t.cap = cap
        return 0

    cdef int _rehash(self, table_t* t, uint32_t cap) except -1:
        """At most two of three buckets are taken; at most half of them took 4 MiB more of 300,000 containers."""
        cdef uint32_t n_buckets = 2 * FIRST_CAP
        while n_buckets < cap + cap // 2:
            n_buckets *= 2
        cdef uint64_t* bucket = <uint64_t*>malloc(n_buckets * sizeof(uint64_t))
        if bucket == NULL:
            raise MemoryError
        memset(bucket, 0xFF, n_buckets * sizeof(uint64_t))
        cdef uint64_t* old = t.bucket
        cdef uint32_t n_old = t.n_buckets
        cdef uint32_t i
        t.bucket = bucket
        t.n_buckets = n_buckets
        for i in range(n_old):
            if old[i] != BUCKET_FREE:
                self._insert(t, old[i])
        free(old)
        return 0

    cdef void* _bigger(self, void* old, size_t used, size_t cap, size_t width) except NULL:
        cdef void* new = malloc(cap * width)
        if new == NULL:
            raise MemoryError
        if used:
            memcpy(new, old, used * width)
        if old != NULL:
            if self.closing:
                self._keep(old)
            else:
                free(old)
        return new

    cdef int _keep(self, void* old) except -1:
        cdef void** bigger
        if self.n_outgrown == self.cap_outgrown:
            bigger = <void**>realloc(self.outgrown, (self.cap_outgrown * 2 + 32) * sizeof(void*))
            if bigger == NULL:
                raise MemoryError
            self.outgrown = bigger
            self.cap_outgrown = self.cap_outgrown * 2 + 32
        self.outgrown[self.n_outgrown] = old
        self.n_outgrown += 1
        return 0

    cdef void end_closing(self) noexcept:
        cdef size_t i
        for i in range(self.n_outgrown):
            free(self.outgrown[i])
        self.n_outgrown = 0
        self.closing = False

    # -- text -----------------------------------------------------------------------------------

    cdef int set_text(self, text_t** place, const char* ptr, uint32_t len, bint pooled) except -1:
        """Puts a text where an entity keeps it; a text that is the same already stays."""
        if place[0] != NULL and text_is(place[0], ptr, len):
            return 0
        cdef text_t* text
        if pooled:
            text = self.pool.intern(ptr, len)
        else:
            text = self.pool.make(ptr, len)
        self.drop_text(place)
        place[0] = text
        return 0

    cdef int drop_text(self, text_t** place) except -1:
        cdef text_t* text = place[0]
        cdef retired_t* bigger
        if text == NULL:
            return 0
        place[0] = NULL
        text.refs -= 1
        if text.refs & ~<uint32_t>TEXT_POOLED:
            return 0
        if text.refs & <uint32_t>TEXT_POOLED:
            self.pool.forget(text)
        if self.n_retired == self.cap_retired:
            bigger = <retired_t*>realloc(self.retired, (self.cap_retired * 2 + 64) * sizeof(retired_t))
            if bigger == NULL:
                raise MemoryError
            self.retired = bigger
            self.cap_retired = self.cap_retired * 2 + 64
        self.retired[self.n_retired].text = text
        self.retired[self.n_retired].seq = self.seq
        self.n_retired += 1
        return 0

    cdef int set_rare_text(
        self, table_t* t, text_t*** column, uint32_t slot, const char* ptr, uint32_t len, bint pooled
    ) except -1:
        if column[0] == NULL:
            column[0] = <text_t**>calloc(t.cap, sizeof(text_t*))
            if column[0] == NULL:
                raise MemoryError
        return self.set_text(&column[0][slot], ptr, len, pooled)

    cdef int drop_rare_text(self, text_t** column, uint32_t slot) except -1:
        return 0 if column == NULL else self.drop_text(&column[slot])

    cdef void reclaim(self, uint64_t oldest_shown) noexcept:
        """Frees what was dropped before the oldest batch that is still in memory was closed."""
        cdef size_t i = 0
        while i < self.n_retired and self.retired[i].seq < oldest_shown:
            self.pool.drop(self.retired[i].text)
            i += 1
        if i:
            self.n_retired -= i
            memcpy_down(self.retired, i, self.n_retired)

    cdef size_t nbytes(self) noexcept:
        """Bytes of the tables themselves, texts not counted."""
        cdef size_t total = 0
        cdef int kind
        cdef table_t* t
        for kind in range(N_KINDS):
            t = &self.table[kind]
            total += <size_t>t.n_buckets * sizeof(uint64_t)
            total += <size_t>t.cap * (4 * sizeof(uint32_t) + sizeof(void*) + sizeof(uint8_t))
            if t.parent_kind != NULL:
                total += <size_t>t.cap * 2
            if t.uid != NULL:
                total += <size_t>t.cap * sizeof(void*)
            if t.labels != NULL:
                total += <size_t>t.cap * sizeof(void*)
            if t.stored != NULL:
                total += <size_t>t.cap * sizeof(void*)
            if t.pod_spec != NULL:
                total += <size_t>t.cap * (sizeof(pod_spec_t) + sizeof(uint32_t))
            if t.container_spec != NULL:
                total += <size_t>t.cap * (sizeof(container_spec_t) + sizeof(void*))
            if t.own_image != NULL:
                total += <size_t>t.cap * sizeof(void*)
            if t.node_spec != NULL:
                total += <size_t>t.cap * (sizeof(node_spec_t) + 2 * sizeof(void*))
        return total + self.requirements.nbytes()


cdef void memcpy_down(retired_t* list, size_t start, size_t count) noexcept nogil:
    cdef size_t i
    for i in range(count):
        list[i] = list[start + i]


cdef void drop_own(TextPool pool, text_t** column, uint32_t slot) noexcept:
    """Drops a text that is not interned: the pool does it with those."""
    if column != NULL and column[slot] != NULL and not column[slot].refs & <uint32_t>TEXT_POOLED:
        pool.drop(column[slot])
