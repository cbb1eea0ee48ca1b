"""loads.py in C: what things use, as functions of time.

In      a load and a moment
Out     counters and gauges, in loads.py's units; tests compare the two for every endpoint
Callers _bodies.pyx, _blocks.pxd, _lines.pxd
Never   overflows within a century of uptime (256 cores: 8e17 ns)
"""
from libc.stdint cimport int64_t

cdef enum:
    PAGE_BYTES = 4096
    MEMORY_STEPS = 16


# What a node, a system container or a pod container uses: loads.ContainerLoad, in its order.
cdef struct load_t:
    int64_t cpu_millicores
    int64_t working_set_pages
    int64_t step_pages
    int64_t memory_phase
    int64_t cache_pages
    int64_t rss_pages
    int64_t page_faults_per_second
    int64_t major_page_faults_per_kilosecond
    int64_t rootfs_pages
    int64_t logs_pages

cdef struct network_t:
    int64_t rx_bytes_per_second
    int64_t tx_bytes_per_second
    int64_t rx_errors_per_kilosecond
    int64_t tx_errors_per_kilosecond


# A sample. `shown_ms` is its time as the kubelet's clock has it, `at_ms` the true one, which counters follow.
cdef struct moment_t:
    int64_t start_ms
    int64_t at_ms
    int64_t shown_ms
    int64_t sampling_ms


cdef inline int64_t floor_mod(int64_t value, int64_t by) noexcept nogil:
    cdef int64_t rest = value % by
    return rest + by if rest < 0 else rest


cdef inline int64_t cpu_usage_ns(const load_t* load, int64_t start_ms, int64_t at_ms) noexcept nogil:
    return load.cpu_millicores * (at_ms - start_ms) * 1000


cdef inline int64_t working_set_bytes(const load_t* load, int64_t at_ms, int64_t sampling_ms) noexcept nogil:
    return PAGE_BYTES * (
        load.working_set_pages + load.step_pages * ((at_ms // sampling_ms + load.memory_phase) % MEMORY_STEPS)
    )


cdef inline int64_t memory_usage_bytes(const load_t* load, int64_t at_ms, int64_t sampling_ms) noexcept nogil:
    return working_set_bytes(load, at_ms, sampling_ms) + PAGE_BYTES * load.cache_pages


cdef inline int64_t swap_bytes(const load_t* load) noexcept nogil:
    return PAGE_BYTES * (load.cache_pages // 8)


cdef inline int64_t per_second(int64_t rate, int64_t start_ms, int64_t at_ms) noexcept nogil:
    return rate * (at_ms - start_ms) // 1000


cdef inline int64_t per_kilosecond(int64_t rate, int64_t start_ms, int64_t at_ms) noexcept nogil:
    return rate * (at_ms - start_ms) // 1000000


# The order is that of loads.ContainerLoad and loads.NetworkLoad.
cdef inline load_t load_of(values) except *:
    cdef load_t load
    (
        load.cpu_millicores, load.working_set_pages, load.step_pages, load.memory_phase, load.cache_pages,
        load.rss_pages, load.page_faults_per_second, load.major_page_faults_per_kilosecond,
        load.rootfs_pages, load.logs_pages,
    ) = values
    return load


cdef inline network_t network_of(values) except *:
    cdef network_t network
    (
        network.rx_bytes_per_second, network.tx_bytes_per_second,
        network.rx_errors_per_kilosecond, network.tx_errors_per_kilosecond,
    ) = values
    return network
