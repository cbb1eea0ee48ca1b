"""Shared widths, kinds, metric ids and absent values of every compiled module.

Imports nothing of the package. The numbering of kinds and metrics is the one of `heapfast/catalog/keys.py` and
`heapfast/catalog/metrics.py`; `_metrics.pyx` refuses another length, and the tests that hold the store against
`store/naive` would see another order.
"""
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


# Entity kinds. A slot is an index into the table of its kind.
cdef enum:
    KIND_CLUSTER = 0
    KIND_NAMESPACE = 1
    KIND_NODE = 2
    KIND_POD = 3
    KIND_POD_CONTAINER = 4
    KIND_SYS_CONTAINER = 5
    KIND_RESOURCE = 6          # a filesystem, volume, disk or accelerator of one of the others
    N_KINDS = 7

cdef enum:
    SLOT_NONE = 0xFFFFFFFF     # "no such entity" in every uint32 slot


# Metrics. 0-11 are what a kubelet reports for an entity ("standard"), the rest is derived,
# 32-43 live on resources, 44 and up are custom metrics in order of first sight.
cdef enum:
    M_UPTIME = 0
    M_CPU_USAGE = 1
    M_MEMORY_USAGE = 2
    M_MEMORY_RSS = 3
    M_MEMORY_CACHE = 4
    M_MEMORY_WORKING_SET = 5
    M_MEMORY_PAGE_FAULTS = 6
    M_MEMORY_MAJOR_PAGE_FAULTS = 7
    M_NETWORK_RX = 8
    M_NETWORK_RX_ERRORS = 9
    M_NETWORK_TX = 10
    M_NETWORK_TX_ERRORS = 11
    N_STANDARD = 12
    M_CPU_REQUEST = 12
    M_CPU_LIMIT = 13
    M_MEMORY_REQUEST = 14
    M_MEMORY_LIMIT = 15
    M_CPU_USAGE_RATE = 16
    M_MEMORY_PAGE_FAULTS_RATE = 17
    M_MEMORY_MAJOR_PAGE_FAULTS_RATE = 18
    M_NETWORK_RX_RATE = 19
    M_NETWORK_RX_ERRORS_RATE = 20
    M_NETWORK_TX_RATE = 21
    M_NETWORK_TX_ERRORS_RATE = 22
    M_RESTART_COUNT = 23
    M_CPU_NODE_CAPACITY = 24
    M_MEMORY_NODE_CAPACITY = 25
    M_CPU_NODE_ALLOCATABLE = 26
    M_MEMORY_NODE_ALLOCATABLE = 27
    M_CPU_NODE_UTILIZATION = 28
    M_MEMORY_NODE_UTILIZATION = 29
    M_CPU_NODE_RESERVATION = 30
    M_MEMORY_NODE_RESERVATION = 31
    M_DISK_IO_READ_BYTES = 32
    M_DISK_IO_READ_BYTES_RATE = 33
    M_DISK_IO_WRITE_BYTES = 34
    M_DISK_IO_WRITE_BYTES_RATE = 35
    M_FILESYSTEM_USAGE = 36
    M_FILESYSTEM_LIMIT = 37
    M_FILESYSTEM_AVAILABLE = 38
    M_FILESYSTEM_INODES = 39
    M_FILESYSTEM_INODES_FREE = 40
    M_ACCELERATOR_MEMORY_TOTAL = 41
    M_ACCELERATOR_MEMORY_USED = 42
    M_ACCELERATOR_DUTY_CYCLE = 43
    N_CATALOG = 44             # first custom metric
    N_METRICS = 256            # room for 212 custom metrics; further ones are dropped and counted


# The counters of an entity, which its rates are made of. Uptime grows too, but has none.
cdef inline bint is_counter(int metric) noexcept nogil:
    return (
        metric == M_CPU_USAGE
        or metric == M_MEMORY_PAGE_FAULTS
        or metric == M_MEMORY_MAJOR_PAGE_FAULTS
        or M_NETWORK_RX <= metric <= M_NETWORK_TX_ERRORS
    )


# What a resource is; its kind of label follows from it.
cdef enum:
    RESOURCE_FILESYSTEM = 0    # resource_id = id
    RESOURCE_VOLUME = 1        # resource_id = "Volume:" + id
    RESOURCE_DISK = 2          # resource_id = id
    RESOURCE_ACCELERATOR = 3   # make, model, accelerator_id = id
    N_RESOURCE_TYPES = 4


# How an entity came into a batch.
cdef enum:
    PRESENT_NO = 0
    PRESENT_SCRAPED = 1        # a target reported it
    PRESENT_STUB = 2           # only the API server knows it: requests and limits, no samples
    PRESENT_MADE = 3           # made by aggregation: namespaces, the cluster, pods of orphan containers


# Which source has told of an entity in a batch, as bits; only where there is a side source (see _side.pxd).
cdef enum:
    ORIGIN_MAIN = 1
    ORIGIN_SIDE = 2
    ORIGIN_CARRIED = 4         # the side source has, in a batch before


# Text that lives elsewhere. Who hands out a span says how long `ptr` stays valid.
cdef struct span_t:
    const char* ptr            # borrowed; not NUL-terminated; NULL only with len 0
    uint32_t len


# "No sample here", in int64 and in double columns alike: one bit pattern, tested on the raw 64 bits.
# As a double it is -0.0, which no sample can be: what is stored as a double has 0.0 added first.
cdef inline int64_t absent_i64() noexcept nogil:
    return INT64_MIN


# Times are Unix nanoseconds in int64 (kubelets state nanoseconds and rates divide by them).
# TIME_ZERO stands for "unknown": the year-1 instant as its difference to 1970 wraps in int64,
# so that differences behave as in spec/heapster-pipeline.md N8.
cdef inline int64_t time_zero() noexcept nogil:
    return -6795364578871345152


# Truncated toward zero, also when a kubelet's clock is ahead of ours.
cdef inline int64_t whole_ms(int64_t ns) noexcept nogil:
    return ns // 1_000_000 if ns >= 0 else -<int64_t>(-<uint64_t>ns // 1_000_000)
