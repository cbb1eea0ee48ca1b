"""Lines of a kubelet's text answers, and the ids that stand in them.

In      names, numbers and ids
Out     parts of lines of /metrics/resource and /metrics/cadvisor in out_t
Callers _bodies.pyx
Source  spec/metrics-k8s-io.md 19.1, 19.3
Never   raises or needs the GIL; escapes nothing: the simulator's names need none
"""
from heapfast.sim._blocks cimport pod_t
from heapfast.sim._loads cimport (
    PAGE_BYTES, cpu_usage_ns, load_t, memory_usage_bytes, moment_t, network_t, per_kilosecond, per_second,
    swap_bytes, working_set_bytes,
)
from heapfast.sim._writer cimport out_t, put, put_hex, put_int, put_micros, put_text
from libc.stdint cimport int64_t, uint64_t


cdef inline void put_family(out_t* out, const char* name, const char* type, const char* help) noexcept nogil:
    put_text(out, b"# HELP ")
    put_text(out, name)
    put(out, b" ", 1)
    put_text(out, help)
    put_text(out, b"\n# TYPE ")
    put_text(out, name)
    put(out, b" ", 1)
    put_text(out, type)
    put(out, b"\n", 1)


cdef inline void put_label(out_t* out, const char* key, const char* value) noexcept nogil:
    if out.len and out.data[out.len - 1] != 123:   # not the first after {
        put(out, b",", 1)
    put_text(out, key)
    put(out, b'="', 2)
    put_text(out, value)
    put(out, b'"', 1)


cdef inline void end_sample(out_t* out, int64_t micros, int64_t shown_ms) noexcept nogil:
    """The value, and the time unless it is negative (families that carry none)."""
    put(out, b" ", 1)
    put_micros(out, micros)
    if shown_ms >= 0:
        put(out, b" ", 1)
        put_int(out, shown_ms)
    put(out, b"\n", 1)


# Values the text endpoints know of a container or a pod; value_micros computes them.
cdef enum value_t:
    VALUE_CPU
    VALUE_WORKING_SET
    VALUE_USAGE
    VALUE_RSS
    VALUE_CACHE
    VALUE_MAJOR_FAULTS
    VALUE_FS_USAGE
    VALUE_START_TIME
    VALUE_SWAP
    VALUE_RX
    VALUE_RX_ERRORS
    VALUE_TX
    VALUE_TX_ERRORS


cdef inline int64_t value_micros(
    value_t which, const load_t* load, const network_t* network, const moment_t* when
) noexcept nogil:
    if which == VALUE_CPU:
        return cpu_usage_ns(load, when.start_ms, when.at_ms) // 1000
    if which == VALUE_WORKING_SET:
        return working_set_bytes(load, when.at_ms, when.sampling_ms) * 1000000
    if which == VALUE_USAGE:
        return memory_usage_bytes(load, when.at_ms, when.sampling_ms) * 1000000
    if which == VALUE_RSS:
        return PAGE_BYTES * load.rss_pages * 1000000
    if which == VALUE_CACHE:
        return PAGE_BYTES * load.cache_pages * 1000000
    if which == VALUE_MAJOR_FAULTS:
        return per_kilosecond(load.major_page_faults_per_kilosecond, when.start_ms, when.at_ms) * 1000000
    if which == VALUE_FS_USAGE:
        return PAGE_BYTES * load.rootfs_pages * 1000000
    if which == VALUE_START_TIME:
        return when.start_ms * 1000
    if which == VALUE_RX:
        return per_second(network.rx_bytes_per_second, when.start_ms, when.at_ms) * 1000000
    if which == VALUE_RX_ERRORS:
        return per_kilosecond(network.rx_errors_per_kilosecond, when.start_ms, when.at_ms) * 1000000
    if which == VALUE_TX:
        return per_second(network.tx_bytes_per_second, when.start_ms, when.at_ms) * 1000000
    if which == VALUE_TX_ERRORS:
        return per_kilosecond(network.tx_errors_per_kilosecond, when.start_ms, when.at_ms) * 1000000
    return swap_bytes(load) * 1000000                  # VALUE_SWAP


cdef inline void put_pod_id(out_t* out, const pod_t* pod) noexcept nogil:
    """The UID in its five groups."""
    put_hex(out, pod.uid_high >> 32, 8)
    put(out, b"-", 1)
    put_hex(out, pod.uid_high >> 16, 4)
    put(out, b"-", 1)
    put_hex(out, pod.uid_high, 4)
    put(out, b"-", 1)
    put_hex(out, pod.uid_low >> 48, 4)
    put(out, b"-", 1)
    put_hex(out, pod.uid_low, 12)


cdef inline void put_container_id(out_t* out, uint64_t bits) noexcept nogil:
    """64 hex digits, as a runtime's container ids; four times the same word."""
    cdef int _
    for _ in range(4):
        put_hex(out, bits, 16)


cdef inline void put_cgroup(out_t* out, const pod_t* pod, uint64_t id_bits) noexcept nogil:
    """The path of a container's cgroup, or of the pod's sandbox."""
    put_text(out, b"/kubepods/burstable/pod")
    put_pod_id(out, pod)
    put(out, b"/", 1)
    put_container_id(out, id_bits)
