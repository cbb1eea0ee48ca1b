"""The JSON blocks of a kubelet's answers: statistics of one thing at one moment.

In      a load and a moment
Out     blocks of /stats/summary, and the one sample of a /stats/container/ member, in out_t
Callers _bodies.pyx, which knows whose blocks they are
Source  spec/metrics-k8s-io.md 19.2, spec/heapster-pipeline.md 3.5
Never   raises or needs the GIL. `depth` is the indentation of the block's own key

All filesystems are the same disk, half full.
"""
from heapfast.sim._loads cimport (
    PAGE_BYTES, cpu_usage_ns, load_t, memory_usage_bytes, moment_t, network_t, per_kilosecond, per_second,
    swap_bytes, working_set_bytes,
)
from heapfast.sim._writer cimport (
    close_list, close_object, int_field, open_item, open_list, open_object, out_t, put_key, put_text, text_field,
    time_field, word_field,
)
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef struct container_t:
    const char* name                   # borrowed from `texts`
    const char* image                  # borrowed from `texts`
    uint64_t id_bits
    int32_t offset_ms                  # within the sampling round
    load_t load

cdef struct pod_t:
    const char* namespace              # borrowed from `texts`
    const char* name                   # borrowed from `texts`
    uint64_t uid_high, uid_low
    int64_t start_ms
    network_t network
    uint32_t first                     # its containers: container[first : first + count]
    uint32_t count


cdef inline int64_t fs_capacity_bytes() noexcept nogil:
    return <int64_t>512 * 1024 * 1024 * 1024


cdef inline int64_t fs_inodes() noexcept nogil:
    return 33554432


cdef inline void put_cpu(out_t* out, int depth, const load_t* load, const moment_t* when) noexcept nogil:
    open_object(out, depth, b"cpu")
    time_field(out, depth + 1, b"time", when.shown_ms, False)
    int_field(out, depth + 1, b"usageNanoCores", load.cpu_millicores * 1000000)
    int_field(out, depth + 1, b"usageCoreNanoSeconds", cpu_usage_ns(load, when.start_ms, when.at_ms))
    close_object(out, depth)


cdef inline void put_memory(
    out_t* out, int depth, const load_t* load, const moment_t* when, int64_t total
) noexcept nogil:
    """`total` bytes of memory give availableBytes; 0 leaves it out, as kubelets do without a limit."""
    cdef int64_t working_set = working_set_bytes(load, when.at_ms, when.sampling_ms)
    open_object(out, depth, b"memory")
    time_field(out, depth + 1, b"time", when.shown_ms, False)
    if total:
        int_field(out, depth + 1, b"availableBytes", total - working_set if total > working_set else 0)
    int_field(out, depth + 1, b"usageBytes", memory_usage_bytes(load, when.at_ms, when.sampling_ms))
    int_field(out, depth + 1, b"workingSetBytes", working_set)
    int_field(out, depth + 1, b"rssBytes", PAGE_BYTES * load.rss_pages)
    int_field(out, depth + 1, b"pageFaults", per_second(load.page_faults_per_second, when.start_ms, when.at_ms))
    int_field(
        out, depth + 1, b"majorPageFaults",
        per_kilosecond(load.major_page_faults_per_kilosecond, when.start_ms, when.at_ms),
    )
    close_object(out, depth)


cdef inline void put_swap(out_t* out, int depth, const load_t* load, const moment_t* when) noexcept nogil:
    open_object(out, depth, b"swap")
    time_field(out, depth + 1, b"time", when.shown_ms, False)
    int_field(out, depth + 1, b"swapUsageBytes", swap_bytes(load))
    close_object(out, depth)


cdef inline void put_interface(out_t* out, int depth, const network_t* network, const moment_t* when) noexcept nogil:
    text_field(out, depth, b"name", b"eth0")
    int_field(out, depth, b"rxBytes", per_second(network.rx_bytes_per_second, when.start_ms, when.at_ms))
    int_field(out, depth, b"rxErrors", per_kilosecond(network.rx_errors_per_kilosecond, when.start_ms, when.at_ms))
    int_field(out, depth, b"txBytes", per_second(network.tx_bytes_per_second, when.start_ms, when.at_ms))
    int_field(out, depth, b"txErrors", per_kilosecond(network.tx_errors_per_kilosecond, when.start_ms, when.at_ms))


cdef inline void put_network(out_t* out, int depth, const network_t* network, const moment_t* when) noexcept nogil:
    open_object(out, depth, b"network")
    time_field(out, depth + 1, b"time", when.shown_ms, False)
    put_interface(out, depth + 1, network, when)
    open_list(out, depth + 1, b"interfaces")
    open_item(out, depth + 2)
    put_interface(out, depth + 3, network, when)
    close_object(out, depth + 2)
    close_list(out, depth + 1)
    close_object(out, depth)


cdef inline void put_fs_fields(
    out_t* out, int depth, int64_t used_pages, int64_t inodes_used, int64_t shown_ms
) noexcept nogil:
    time_field(out, depth, b"time", shown_ms, False)
    int_field(out, depth, b"availableBytes", fs_capacity_bytes() // 2)
    int_field(out, depth, b"capacityBytes", fs_capacity_bytes())
    int_field(out, depth, b"usedBytes", PAGE_BYTES * used_pages)
    int_field(out, depth, b"inodesFree", fs_inodes() // 2)
    int_field(out, depth, b"inodes", fs_inodes())
    int_field(out, depth, b"inodesUsed", inodes_used)


cdef inline void put_fs(
    out_t* out, int depth, const char* key, int64_t used_pages, int64_t inodes_used, int64_t shown_ms,
) noexcept nogil:
    open_object(out, depth, key)
    put_fs_fields(out, depth + 1, used_pages, inodes_used, shown_ms)
    close_object(out, depth)


cdef inline void put_container(
    out_t* out, int depth, const container_t* container, const moment_t* when, bint only_cpu_and_memory, bint system,
) noexcept nogil:
    open_item(out, depth)
    text_field(out, depth + 1, b"name", container.name)
    time_field(out, depth + 1, b"startTime", when.start_ms, False)
    put_cpu(out, depth + 1, &container.load, when)
    put_memory(out, depth + 1, &container.load, when, 0)
    if not only_cpu_and_memory and not system:
        put_fs(out, depth + 1, b"rootfs", container.load.rootfs_pages, 14, when.shown_ms)
        put_fs(out, depth + 1, b"logs", container.load.logs_pages, 1, when.shown_ms)
    put_swap(out, depth + 1, &container.load, when)
    close_object(out, depth)


cdef inline void sum_loads(const container_t* container, uint32_t count, load_t* total) noexcept nogil:
    """A pod's own cgroup. Its memory steps are those of its first container, since steps do not add up."""
    cdef uint32_t i
    total[0] = container[0].load
    for i in range(1, count):
        total.cpu_millicores += container[i].load.cpu_millicores
        total.working_set_pages += container[i].load.working_set_pages
        total.cache_pages += container[i].load.cache_pages
        total.rss_pages += container[i].load.rss_pages
        total.page_faults_per_second += container[i].load.page_faults_per_second
        total.major_page_faults_per_kilosecond += container[i].load.major_page_faults_per_kilosecond
        total.rootfs_pages += container[i].load.rootfs_pages
        total.logs_pages += container[i].load.logs_pages


cdef inline void put_cadvisor_interface(
    out_t* out, int depth, const network_t* network, const moment_t* when
) noexcept nogil:
    text_field(out, depth, b"name", b"eth0")
    int_field(out, depth, b"rx_bytes", per_second(network.rx_bytes_per_second, when.start_ms, when.at_ms))
    int_field(out, depth, b"rx_errors", per_kilosecond(network.rx_errors_per_kilosecond, when.start_ms, when.at_ms))
    int_field(out, depth, b"tx_bytes", per_second(network.tx_bytes_per_second, when.start_ms, when.at_ms))
    int_field(out, depth, b"tx_errors", per_kilosecond(network.tx_errors_per_kilosecond, when.start_ms, when.at_ms))


cdef inline void put_cadvisor_stats(
    out_t* out, int depth, const load_t* load, const network_t* network, const moment_t* when, bint has_fs,
) noexcept nogil:
    """The one sample: `stats` of a cAdvisor container info."""
    cdef int64_t faults = per_second(load.page_faults_per_second, when.start_ms, when.at_ms)
    cdef int64_t major_faults = per_kilosecond(load.major_page_faults_per_kilosecond, when.start_ms, when.at_ms)
    cdef int64_t usage_ns = cpu_usage_ns(load, when.start_ms, when.at_ms)
    open_list(out, depth, b"stats")
    open_item(out, depth + 1)
    time_field(out, depth + 2, b"timestamp", when.shown_ms, True)
    open_object(out, depth + 2, b"cpu")
    open_object(out, depth + 3, b"usage")
    int_field(out, depth + 4, b"total", usage_ns)
    int_field(out, depth + 4, b"user", usage_ns // 2)
    int_field(out, depth + 4, b"system", usage_ns - usage_ns // 2)
    close_object(out, depth + 3)
    int_field(out, depth + 3, b"load_average", 0)
    close_object(out, depth + 2)
    open_object(out, depth + 2, b"memory")
    int_field(out, depth + 3, b"usage", memory_usage_bytes(load, when.at_ms, when.sampling_ms))
    int_field(out, depth + 3, b"cache", PAGE_BYTES * load.cache_pages)
    int_field(out, depth + 3, b"rss", PAGE_BYTES * load.rss_pages)
    int_field(out, depth + 3, b"swap", 0)
    int_field(out, depth + 3, b"working_set", working_set_bytes(load, when.at_ms, when.sampling_ms))
    int_field(out, depth + 3, b"failcnt", 0)
    open_object(out, depth + 3, b"container_data")
    int_field(out, depth + 4, b"pgfault", faults)
    int_field(out, depth + 4, b"pgmajfault", major_faults)
    close_object(out, depth + 3)
    open_object(out, depth + 3, b"hierarchical_data")
    int_field(out, depth + 4, b"pgfault", faults)
    int_field(out, depth + 4, b"pgmajfault", major_faults)
    close_object(out, depth + 3)
    close_object(out, depth + 2)
    if network != NULL:
        open_object(out, depth + 2, b"network")
        put_cadvisor_interface(out, depth + 3, network, when)
        open_list(out, depth + 3, b"interfaces")
        open_item(out, depth + 4)
        put_cadvisor_interface(out, depth + 5, network, when)
        close_object(out, depth + 4)
        close_list(out, depth + 3)
        close_object(out, depth + 2)
    if has_fs:
        open_list(out, depth + 2, b"filesystem")
        open_item(out, depth + 3)
        text_field(out, depth + 4, b"device", b"/dev/sda1")
        text_field(out, depth + 4, b"type", b"vfs")
        int_field(out, depth + 4, b"capacity", fs_capacity_bytes())
        int_field(out, depth + 4, b"usage", PAGE_BYTES * load.rootfs_pages)
        int_field(out, depth + 4, b"available", fs_capacity_bytes() // 2)
        word_field(out, depth + 4, b"has_inodes", b"true")
        int_field(out, depth + 4, b"inodes", fs_inodes())
        int_field(out, depth + 4, b"inodes_free", fs_inodes() // 2)
        close_object(out, depth + 3)
        close_list(out, depth + 2)
    close_object(out, depth + 1)
    close_list(out, depth)
