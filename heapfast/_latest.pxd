"""The latest view: the newest usage of every node and pod, visible the moment its target was ingested.

Two points an entity, `prev` and `last`, and a CPU rate between them; what metrics.k8s.io serves.
Belongs to the loop alone: never read by a thread.

    node answers      n.answer = number of its newest good answer, n.seen_ns = when it came
    pod in an answer  p.answer = number of that answer, p.node = who gave it
    its containers    c.answer = p.answer for those that the answer had

A pod is current while p.answer is its node's newest answer, so that one that is not in an answer
any more is gone with it; a node that fails keeps what it had until it is stale.
"""
from heapfast._entities cimport FEW_CONTAINERS, Entities
from heapfast._extras cimport Extras
from heapfast._types cimport int64_t, uint8_t, uint32_t
from heapfast.wire._rows cimport row_t


cdef struct point_t:
    int64_t start_ns           # Unix ns; time_zero() = unknown
    int64_t time_ns            # of the sample
    int64_t cpu_ns             # cumulative
    int64_t memory_bytes       # working set


cdef struct before_t:          # of the point before, what a rate needs
    int64_t start_ns
    int64_t time_ns            # always before that of `last`; the same: there is no such point
    int64_t cpu_ns


cdef struct track_t:           # a node or a pod container; there are as many as containers: 72 bytes
    point_t last
    before_t prev
    int64_t seen_ns            # wall time of the answer that had `last`
    uint32_t answer            # the newest one that had it; 0 = none
    uint32_t uid_hash          # of the pod it was sampled in, 0 = not said: another pod's points do not count


cdef enum:
    UID_RESTORED = 2           # uid_hash of what was kept over a restart: that of the next answer is taken for it


cdef struct node_answer_t:
    uint32_t answer            # number of the newest good answer; 0 = none
    int64_t seen_ns            # wall time of it


cdef union answered_t:
    uint32_t few[FEW_CONTAINERS]
    uint32_t* many             # owned


cdef struct pod_answer_t:
    answered_t container       # slots of the containers that the answer had; see containers_of
    uint32_t n
    uint32_t cap               # of `many`; 0: they are the few
    uint32_t answer
    uint32_t node              # slot of the node that gave it
    uint8_t is_whole           # every container has had CPU and memory
    uint8_t is_sorted          # the containers are in order of name


# What is served of one node or container.
cdef struct usage_t:
    int64_t cpu_nanocores
    int64_t memory_bytes
    int64_t time_ns            # of the newest sample
    int64_t window_ns          # over which the CPU rate is


cdef enum usage_status_t:
    USAGE_OK = 0
    USAGE_NONE = 1             # never seen, or not in its node's newest answer
    USAGE_STALE = 2            # the node has not answered for too long, or not with samples of it
    USAGE_ONE_POINT = 3        # a rate needs a second sample
    USAGE_START_FELL = 4       # the start time fell between the two
    USAGE_CPU_FELL = 5         # the counter fell without a new start time
    USAGE_NOT_WHOLE = 6        # a container of the pod lacks CPU or memory


cdef class Latest:
    cdef:
        Entities entities
        readonly Extras extras     # what is served beside CPU and memory; None when nothing is
        track_t* node              # owned; by slot
        track_t* container         # owned; by slot
        node_answer_t* node_answer # owned; by slot of the node
        pod_answer_t* pod_answer   # owned; by slot of the pod
        uint32_t n_nodes, n_nodes_answered, n_pods, n_containers   # entries of these arrays
        uint32_t answer            # number of the answer that is being taken, or was last
        uint32_t from_node         # whose it is
        int64_t now_ns             # wall time of it
        readonly int64_t resolution_ns    # what is fresh, and what stale, is measured by it
        readonly int64_t stale_ns         # after so long without an answer nothing of a node is served

    # One good answer, told by the store as it ingests it: begin, then each of its entities.
    cdef int begin(self, uint32_t node, int64_t now_ns) except -1
    cdef int take_node(self, uint32_t node, const row_t* row) except -1
    cdef int take_container(self, uint32_t pod, uint32_t container, const row_t* row, uint32_t uid_hash) except -1
    # A pod, with its containers, or a node is gone.
    cdef void forget(self, int kind, uint32_t slot) noexcept

    # What is served of a node.
    cdef usage_status_t node_usage(self, uint32_t node, int64_t now_ns, usage_t* out) noexcept nogil
    # What is served of one container, without a look at its pod.
    cdef usage_status_t container_usage(self, uint32_t container, usage_t* out) noexcept nogil
    # The containers of a pod that are served, sorted by name: *slots is borrowed until the next ingest.
    # OUT *n: how many; time and window of the pod (those of its container with the earliest time) in *out,
    # whose cpu and memory are the sums. Anything but USAGE_OK: the pod is not served.
    cdef usage_status_t pod_usage(
        self, uint32_t pod, int64_t now_ns, const uint32_t** slots, uint32_t* n, usage_t* out
    ) noexcept nogil

    cdef int _add_container(self, pod_answer_t* p, uint32_t container) except -1
    cdef bint _is_current(self, const pod_answer_t* p, int64_t now_ns, usage_status_t* why) noexcept nogil
    cdef void _point(self, const row_t* row, point_t* point) noexcept
    cdef void _sort(self, pod_answer_t* p) noexcept nogil
    cdef void _update(self, track_t* track, const point_t* point, bint is_container) noexcept nogil


cdef inline uint32_t* containers_of(pod_answer_t* p) noexcept nogil:
    """Borrowed until the next ingest."""
    return p.container.many if p.cap else p.container.few
