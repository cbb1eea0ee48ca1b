"""Frames: room for columns, and what lies in them (see _frame.pxd).

In      how many slots there are; which column is wanted
Out     columns, plain while a batch is open and closed, packed where that saves memory when it is sealed
Callers _core, _closing and the modules beside them; _batch frees frames in the end
Never   knows a name, or computes a sample
"""
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from heapfast._pack cimport pack_column, packed_free, packed_nbytes, packed_samples, plain_samples
from heapfast._text cimport text_t
from heapfast._types cimport (
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_RESOURCE,
    KIND_SYS_CONTAINER,
    N_KINDS,
    N_METRICS,
    absent_i64,
    int64_t,
    time_zero,
    uint32_t,
)


cdef enum:
    ENOUGH_BITS = 48           # a number, on average: what takes more is not packed


cdef inline int more(void** array, uint32_t cap, size_t width) noexcept nogil:
    cdef void* bigger = realloc(array[0], cap * width)
    if bigger == NULL:
        return -1
    array[0] = bigger
    return 0


cdef inline void fill_i64(int64_t* array, uint32_t start, uint32_t stop, int64_t value) noexcept nogil:
    cdef uint32_t i
    for i in range(start, stop):
        array[i] = value


cdef inline uint32_t n_chunks(uint32_t n) noexcept nogil:
    return (n + CHUNK - 1) // CHUNK


cdef int frame_reserve(frame_t* frame, int kind, uint32_t n) noexcept nogil:
    """Makes room for slots below n, all absent. Never shrinks."""
    cdef uint32_t old = frame.cap
    cdef uint32_t cap
    if n > old:
        cap = old + old // 4 + 64
        if cap < n:
            cap = n
        if grow(frame, kind, cap):
            return -1
        if frame.blank == NULL:
            fill(frame, old, cap)
        else:
            if more(<void**>&frame.blank, n_chunks(cap) + 1, 1):
                return -1
            memset(frame.blank + n_chunks(old), 1, n_chunks(cap) - n_chunks(old))
            # The rest of a chunk that is in use already.
            if old % CHUNK and not frame.blank[old // CHUNK]:
                fill(frame, old, min(n_chunks(old) * CHUNK, cap))
        frame.cap = cap
    if n > frame.n:
        frame.n = n
    return 0


cdef int frame_reserve_blank(frame_t* frame, int kind, uint32_t n) noexcept nogil:
    if grow(frame, kind, n) or more(<void**>&frame.blank, n_chunks(n) + 1, 1):
        return -1
    memset(frame.blank, 1, n_chunks(n))
    frame.cap = n
    return 0


cdef void frame_fill(frame_t* frame) noexcept nogil:
    """Room that was made for newcomers stays unwritten, and takes no memory: 2.7 MiB with 300,000 containers."""
    cdef uint32_t chunk
    if frame.blank == NULL:
        return
    for chunk in range(n_chunks(frame.n)):
        if frame.blank[chunk]:
            frame_fill_chunk(frame, chunk)
    free(frame.blank)
    frame.blank = NULL
    frame.cap = frame.n


cdef void frame_fill_chunk(frame_t* frame, uint32_t chunk) noexcept nogil:
    fill(frame, chunk * CHUNK, min((chunk + 1) * CHUNK, frame.cap))
    frame.blank[chunk] = 0


cdef int grow(frame_t* frame, int kind, uint32_t cap) noexcept nogil:
    """Room in every array that the kind has, not filled."""
    cdef int m
    if more(<void**>&frame.present, cap, 1) or more(<void**>&frame.answer, cap, 4):
        return -1
    if kind == KIND_POD:
        if more(<void**>&frame.renewed, cap, 1) or more(<void**>&frame.uid, cap, sizeof(void*)):
            return -1
    if frame.image != NULL and more(<void**>&frame.image, cap, sizeof(void*)):
        return -1
    if kind != KIND_RESOURCE:
        if more(<void**>&frame.sample_ns, cap, 8) or more(<void**>&frame.start_ns, cap, 8):
            return -1
        if more(<void**>&frame.node, cap, 4):
            return -1
    if frame.has_side:
        if more(<void**>&frame.side_sample_ns, cap, 8) or more(<void**>&frame.side_start_ns, cap, 8):
            return -1
        if more(<void**>&frame.origin, cap, 1) or (kind == KIND_NODE and more(<void**>&frame.answered, cap, 1)):
            return -1
    for m in range(N_METRICS):
        if frame.column[m] != NULL and more(<void**>&frame.column[m], cap, 8):
            return -1
    return 0


cdef void fill(frame_t* frame, uint32_t start, uint32_t stop) noexcept nogil:
    """Nothing in any array, from a slot up to another."""
    cdef size_t n = stop - start
    cdef int m
    memset(frame.present + start, 0, n)
    memset(frame.answer + start, 0, n * 4)
    if frame.renewed != NULL:
        memset(frame.renewed + start, 0, n)
        memset(frame.uid + start, 0, n * sizeof(void*))
    if frame.image != NULL:
        memset(frame.image + start, 0, n * sizeof(void*))
    if frame.sample_ns != NULL:
        fill_i64(frame.sample_ns, start, stop, time_zero())
        fill_i64(frame.start_ns, start, stop, time_zero())
        memset(frame.node + start, 0xFF, n * 4)          # SLOT_NONE
    if frame.origin != NULL:
        fill_i64(frame.side_sample_ns, start, stop, time_zero())
        fill_i64(frame.side_start_ns, start, stop, time_zero())
        memset(frame.origin + start, 0, n)
    if frame.answered != NULL:
        memset(frame.answered + start, 0, n)
    for m in range(N_METRICS):
        if frame.column[m] != NULL:
            fill_i64(frame.column[m], start, stop, absent_i64())


cdef int64_t* frame_column(frame_t* frame, int metric) noexcept nogil:
    """The column of a metric, made and filled with "absent" when nobody had it so far."""
    cdef int64_t* column = frame.column[metric]
    cdef uint32_t chunk
    if column == NULL:
        column = <int64_t*>malloc(<size_t>(frame.cap if frame.cap else 1) * 8)
        if column == NULL:
            return NULL
        if frame.blank == NULL:
            fill_i64(column, 0, frame.cap, absent_i64())
        else:
            for chunk in range(n_chunks(frame.cap)):
                if not frame.blank[chunk]:
                    fill_i64(column, chunk * CHUNK, min((chunk + 1) * CHUNK, frame.cap), absent_i64())
        frame.column[metric] = column
    return column


cdef int frame_pack(frame_t* frame, int metric) noexcept nogil:
    """Packs a column on its own; one that nobody has goes, and one whose numbers need most of their bits stays."""
    cdef packed_t* packed
    if frame.column[metric] == NULL:
        return 0
    packed = <packed_t*>malloc(sizeof(packed_t))
    if packed == NULL:
        return -1
    if pack_column(samples_of(frame, metric), plain_samples(NULL, 0), packed):
        free(packed)
        return -1
    if packed.n_words > ENOUGH_BITS * ((frame.n + 63) // 64):
        packed_free(packed)
        return 0
    free(frame.column[metric])
    frame.column[metric] = NULL
    if packed_samples(packed) == 0:
        packed_free(packed)
    else:
        frame.packed[metric] = packed
    return 0


cdef int frame_images(frame_t* frame) noexcept nogil:
    frame.image = <text_t**>calloc(frame.cap if frame.cap else 1, sizeof(void*))
    return 0 if frame.image != NULL else -1


cdef int pack_times(frame_t* frame, time_t which, int64_t** times) noexcept nogil:
    """Takes the array."""
    cdef packed_t* packed
    cdef uint32_t i
    if times[0] == NULL:
        return 0
    packed = <packed_t*>malloc(sizeof(packed_t))
    if packed == NULL:
        return -1
    for i in range(frame.n):
        if times[0][i] == time_zero():
            times[0][i] = absent_i64()         # centuries before the others: a block would take all their bits
    if pack_column(plain_samples(times[0], frame.n), plain_samples(NULL, 0), packed):
        free(packed)
        return -1
    free(times[0])
    times[0] = NULL
    frame.packed_time[<int>which] = packed
    return 0


cdef void frame_forget_answers(frame_t* frame) noexcept nogil:
    free(frame.answer)
    frame.answer = NULL


cdef void frame_seal(frame_t* frame) noexcept nogil:
    free(frame.renewed)
    free(frame.answered)
    frame.renewed = NULL
    frame.answered = NULL


cdef int frame_pack_times(frame_t* frame) noexcept nogil:
    if frame.has_side or frame.sample_ns == NULL:
        return 0
    if has_times(frame):
        return (
            pack_times(frame, TIME_SAMPLE, &frame.sample_ns)
            or pack_times(frame, TIME_START, &frame.start_ns)
            or pack_times(frame, TIME_SINCE, &frame.since_ns)
        )
    # Pods that only their containers tell of have none.
    free(frame.sample_ns)
    free(frame.start_ns)
    free(frame.since_ns)
    frame.sample_ns = NULL
    frame.start_ns = NULL
    frame.since_ns = NULL
    return 0


cdef bint has_times(const frame_t* frame) noexcept nogil:
    """Whether anybody has a time of a sample or of a start."""
    cdef uint32_t i
    for i in range(frame.n):
        if frame.sample_ns[i] != time_zero() or frame.start_ns[i] != time_zero():
            return True
    return False


cdef void frame_clear(frame_t* frame) noexcept nogil:
    """Frees everything."""
    cdef int i
    free(frame.blank)
    free(frame.present)
    free(frame.sample_ns)
    free(frame.start_ns)
    free(frame.since_ns)
    for i in range(N_TIMES):
        packed_free(frame.packed_time[i])
    free(frame.create_ns)
    for i in range(N_METRICS):
        free(frame.column[i])
        packed_free(frame.packed[i])
    free(frame.parent)
    free(frame.parent_kind)
    free(frame.type)
    free(frame.name)
    free(frame.uid)
    free(frame.labels)
    free(frame.stored)
    free(frame.image)
    free(frame.hostname)
    free(frame.host_id)
    free(frame.node)
    free(frame.answer)
    free(frame.renewed)
    free(frame.flags)
    free(frame.origin)
    free(frame.answered)
    free(frame.side_sample_ns)
    free(frame.side_start_ns)
    free(frame.side_since_ns)
    free(frame.side_came_ns)
    free(frame.main_sample_ns)
    free(frame.main_start_ns)
    for i in range(N_KINDS):
        free(frame.first[i])
        free(frame.child[i])
    memset(frame, 0, sizeof(frame_t))


cdef size_t frame_nbytes(const frame_t* frame) noexcept nogil:
    cdef size_t total = frame.cap * (1 + (8 if frame.sample_ns != NULL else 0) + (8 if frame.start_ns != NULL else 0))
    cdef int i
    for i in range(N_METRICS):
        if frame.column[i] != NULL:
            total += frame.cap * 8
        if frame.packed[i] != NULL:
            total += packed_nbytes(frame.packed[i])
    for i in range(N_TIMES):
        if frame.packed_time[i] != NULL:
            total += packed_nbytes(frame.packed_time[i])
    return total


cdef void clear_frames(frame_t* frames) noexcept nogil:
    cdef int kind
    for kind in range(N_KINDS):
        frame_clear(&frames[kind])


cdef void free_frames(void* frames) noexcept nogil:
    clear_frames(<frame_t*>frames)
    free(frames)


cdef int index_children(frame_t* frames, int kind) noexcept nogil:
    """Groups the present entities of a kind by parent: a counting sort, two passes."""
    cdef frame_t* frame = &frames[kind]
    cdef frame_t* owner
    cdef uint32_t slot, n
    cdef uint32_t* first
    cdef uint32_t* child
    cdef int k, start = 0, stop = 0
    if kind == KIND_POD:
        start, stop = KIND_NAMESPACE, KIND_NAMESPACE + 1
    elif kind == KIND_POD_CONTAINER:
        start, stop = KIND_POD, KIND_POD + 1
    elif kind == KIND_SYS_CONTAINER:
        start, stop = KIND_NODE, KIND_NODE + 1
    elif kind == KIND_RESOURCE:
        start, stop = KIND_NODE, KIND_SYS_CONTAINER + 1
    for k in range(start, stop):
        owner = &frames[k]
        first = <uint32_t*>calloc(owner.n + 1, sizeof(uint32_t))
        if first == NULL:
            return -1
        owner.first[kind] = first
        n = 0
        for slot in range(frame.n):
            if frame.present[slot] and (frame.parent_kind == NULL or frame.parent_kind[slot] == k):
                first[frame.parent[slot]] += 1
                n += 1
        if n == 0 and kind == KIND_RESOURCE:
            # /metrics/resource tells of none: 450,000 owners would have a row of zeros each.
            free(first)
            owner.first[kind] = NULL
            continue
        child = <uint32_t*>malloc((n + 1) * sizeof(uint32_t))
        if child == NULL:
            return -1
        owner.child[kind] = child
        n = 0
        for slot in range(owner.n):
            n += first[slot]
            first[slot] = n
        first[owner.n] = n
        # From the back, so that each parent's children end up ascending and first[] at its own start.
        slot = frame.n
        while slot > 0:
            slot -= 1
            if frame.present[slot] and (frame.parent_kind == NULL or frame.parent_kind[slot] == k):
                first[frame.parent[slot]] -= 1
                child[first[frame.parent[slot]]] = slot
    return 0
