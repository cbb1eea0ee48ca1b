"""What a simulated kubelet answers, rendered straight from numbers.

In      one node: its loads, its pods and their containers; a time
Out     the bytes of /stats/summary, /stats/container/, /metrics/resource and /metrics/cadvisor
Callers kubelet.py, cluster.py; loads.py states the same arithmetic in Python, and tests hold the two together
Source  spec/metrics-k8s-io.md 19 for the shapes; JSON is indented by one blank a level, as kubelets do
Never   touches a socket or a clock; keeps nothing between two answers but the buffer

Nothing is cached: at 4,000 numbers an answer, writing each is about as cheap as copying a template, and
5,000 templates would take 300 MB.
"""
from heapfast.sim._blocks cimport (
    container_t, pod_t, put_cadvisor_stats, put_container, put_cpu, put_fs, put_fs_fields, put_memory, put_network,
    put_swap, sum_loads,
)
from heapfast.sim._lines cimport (
    VALUE_CACHE, VALUE_CPU, VALUE_FS_USAGE, VALUE_MAJOR_FAULTS, VALUE_RSS, VALUE_RX, VALUE_RX_ERRORS,
    VALUE_START_TIME, VALUE_SWAP, VALUE_TX, VALUE_TX_ERRORS, VALUE_USAGE, VALUE_WORKING_SET, end_sample, put_cgroup,
    put_container_id, put_family, put_label, put_pod_id, value_micros, value_t,
)
from heapfast.sim._loads cimport floor_mod, load_of, load_t, moment_t, network_of, network_t
from heapfast.sim._order cimport line_t, sort_lines
from heapfast.sim._writer cimport (
    close_list, close_object, int_field, next_line, open_item, open_list, open_object, out_t, put, put_int, put_key,
    put_micros, put_text, text_field, time_field, word_field,
)
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

cdef const char* NO_TEXT = b""
cdef const char* SANDBOX_NAME = b"POD"
cdef const char* SANDBOX_IMAGE = b"registry.example/pause:3.10"

# The buffer all nodes render into, guarded by the GIL, grown and never shrunk.
cdef out_t OUT = out_t(NULL, 0, 0, False)


cdef class NodeBodies:
    """One node as its kubelet sees it; see _bodies.pyi."""

    cdef:
        container_t node               # name, offset and load of the node itself
        network_t network
        int64_t start_ms
        int64_t memory_bytes
        int64_t cores
        int64_t sampling_ms
        int64_t spread_ms              # a pod is listed once all its containers have been sampled after its start
        uint64_t seed
        bint shuffle
        public int64_t restarted_ms    # counters began again then; 0 = never
        public int64_t clock_offset_ms # what the kubelet's clock is wrong by; counters follow true time
        container_t system[4]          # kubelet, runtime, pods, misc
        pod_t* pod                     # owned
        container_t* container         # owned
        uint32_t* order                # owned; pods to list, in list order, filled by `list_pods`
        line_t* line                   # owned; one a container, sorted while `n_lines` says that they are there
        uint32_t n_pods, cap_pods, n_containers, cap_containers, n_lines
        list texts                     # keeps every borrowed text alive

    def __dealloc__(self):
        free(self.pod)
        free(self.container)
        free(self.order)
        free(self.line)

    def __init__(
        self,
        bytes name,
        uint64_t seed,
        int64_t start_ms,
        int32_t offset_ms,
        int64_t sampling_ms,
        int64_t spread_ms,
        int64_t cores,
        int64_t memory_bytes,
        load,
        network,
        system,
        bint shuffle,
    ):
        cdef int i
        if sampling_ms <= 0:
            raise ValueError(f"cannot sample: got every {sampling_ms} ms, want at least 1")
        if len(system) != 4:
            raise ValueError(f"cannot render: got {len(system)} system loads, want 4 (kubelet, runtime, pods, misc)")
        self.texts = [name]
        self.node.name = name
        self.node.offset_ms = offset_ms
        self.node.load = load_of(load)
        self.network = network_of(network)
        self.seed = seed
        self.start_ms = start_ms
        self.sampling_ms = sampling_ms
        self.spread_ms = spread_ms
        self.cores = cores
        self.memory_bytes = memory_bytes
        self.shuffle = shuffle
        for i in range(4):
            self.system[i].load = load_of(system[i])
            self.system[i].offset_ms = offset_ms
        self.system[0].name = b"kubelet"
        self.system[1].name = b"runtime"
        self.system[2].name = b"pods"
        self.system[3].name = b"misc"
        self.clear_pods()

    def clear_pods(self):
        del self.texts[1:]
        self.n_pods = 0
        self.n_containers = 0
        self.n_lines = 0

    def add_pod(
        self,
        bytes namespace,
        bytes name,
        uint64_t uid_high,
        uint64_t uid_low,
        int64_t start_ms,
        network,
        list containers,
    ):
        cdef pod_t* pod
        cdef container_t* container
        cdef bytes container_name, image
        if not containers:
            raise ValueError(f"cannot add pod {name!r}: got no containers, want at least one")
        self.reserve(self.n_pods + 1, self.n_containers + <uint32_t>len(containers))
        self.n_lines = 0                   # pods may have moved
        pod = &self.pod[self.n_pods]
        pod.namespace = namespace
        pod.name = name
        pod.uid_high = uid_high
        pod.uid_low = uid_low
        pod.start_ms = start_ms
        pod.network = network_of(network)
        pod.first = self.n_containers
        pod.count = <uint32_t>len(containers)
        self.texts.append(namespace)
        self.texts.append(name)
        for container_name, image, id_bits, offset_ms, load in containers:
            container = &self.container[self.n_containers]
            container.name = container_name
            container.image = image
            container.id_bits = id_bits
            container.offset_ms = offset_ms
            container.load = load_of(load)
            self.texts.append(container_name)
            self.texts.append(image)
            self.n_containers += 1
        self.n_pods += 1

    def summary(self, int64_t now_ms, bint only_cpu_and_memory=False):
        cdef out_t* out = &OUT
        cdef moment_t node_when
        cdef uint32_t listed, i
        self.begin(&node_when, now_ms)
        listed = self.list_pods(now_ms)
        put(out, b"{", 1)
        open_object(out, 1, b"node")
        text_field(out, 2, b"nodeName", self.node.name)
        open_list(out, 2, b"systemContainers")
        for i in range(4):
            put_container(out, 3, &self.system[i], &node_when, only_cpu_and_memory, True)
        close_list(out, 2)
        time_field(out, 2, b"startTime", node_when.start_ms, False)
        put_cpu(out, 2, &self.node.load, &node_when)
        put_memory(out, 2, &self.node.load, &node_when, self.memory_bytes)
        if not only_cpu_and_memory:
            put_network(out, 2, &self.network, &node_when)
            put_fs(out, 2, b"fs", self.node.load.rootfs_pages, 319779, node_when.shown_ms)
            open_object(out, 2, b"runtime")
            put_fs(out, 3, b"imageFs", self.node.load.logs_pages, 77416, node_when.shown_ms)
            put_fs(out, 3, b"containerFs", self.node.load.logs_pages, 77416, node_when.shown_ms)
            close_object(out, 2)
            open_object(out, 2, b"rlimit")
            time_field(out, 3, b"time", node_when.shown_ms, False)
            int_field(out, 3, b"maxpid", 125722)
            int_field(out, 3, b"curproc", 1352)
            close_object(out, 2)
        put_swap(out, 2, &self.node.load, &node_when)
        close_object(out, 1)
        open_list(out, 1, b"pods")
        for i in range(listed):
            self.put_summary_pod(&self.pod[self.order[i]], now_ms, only_cpu_and_memory)
        if listed:
            close_list(out, 1)
        else:
            put(out, b"]", 1)
        close_object(out, 0)
        return finish()

    def stats_container(self, int64_t now_ms, bint subcontainers=True):
        cdef out_t* out = &OUT
        cdef moment_t node_when, when
        cdef pod_t* pod
        cdef container_t* container
        cdef uint32_t listed, i, k
        self.begin(&node_when, now_ms)
        listed = self.list_pods(now_ms)
        put(out, b"{", 1)
        open_object(out, 1, b"/")
        text_field(out, 2, b"name", b"/")
        self.put_cadvisor_spec(NULL, NULL, &node_when)
        put_cadvisor_stats(out, 2, &self.node.load, &self.network, &node_when, True)
        close_object(out, 1)
        if subcontainers:
            for i in range(4):
                next_line(out, 1)
                put_text(out, b'"/')
                put_text(out, self.system[i].name)
                put_text(out, b'": {')
                next_line(out, 2)
                put_text(out, b'"name": "/')
                put_text(out, self.system[i].name)
                put(out, b'"', 1)
                self.put_cadvisor_spec(NULL, &self.system[i], &node_when)
                put_cadvisor_stats(out, 2, &self.system[i].load, NULL, &node_when, False)
                close_object(out, 1)
            for i in range(listed):
                pod = &self.pod[self.order[i]]
                self.pod_moment(pod, now_ms, &when)
                self.put_cadvisor_container(pod, NULL, &when)
                for k in range(pod.count):
                    container = &self.container[pod.first + k]
                    self.container_moment(pod, container, now_ms, &when)
                    self.put_cadvisor_container(pod, container, &when)
        close_object(out, 0)
        return finish()

    def resource(self, int64_t now_ms):
        cdef out_t* out = &OUT
        cdef moment_t node_when
        cdef uint32_t listed
        self.begin(&node_when, now_ms)
        listed = self.list_pods(now_ms)
        if self.n_lines != self.n_containers:
            self.line = sort_lines(self.line, self.pod, self.n_pods, self.container, self.n_containers)
            self.n_lines = self.n_containers
        put_family(out, b"container_cpu_usage_seconds_total", b"counter",
                   b"[STABLE] Cumulative cpu time consumed by the container in core-seconds")
        self.put_containers(b"container_cpu_usage_seconds_total", VALUE_CPU, now_ms, True)
        put_family(out, b"container_memory_working_set_bytes", b"gauge",
                   b"[STABLE] Current working set of the container in bytes")
        self.put_containers(b"container_memory_working_set_bytes", VALUE_WORKING_SET, now_ms, True)
        put_family(out, b"container_start_time_seconds", b"gauge",
                   b"[STABLE] Start time of the container since unix epoch in seconds")
        self.put_containers(b"container_start_time_seconds", VALUE_START_TIME, now_ms, False)
        put_family(out, b"container_swap_usage_bytes", b"gauge",
                   b"[ALPHA] Current amount of the container swap usage in bytes")
        self.put_containers(b"container_swap_usage_bytes", VALUE_SWAP, now_ms, True)
        put_family(out, b"node_cpu_usage_seconds_total", b"counter",
                   b"[STABLE] Cumulative cpu time consumed by the node in core-seconds")
        put_text(out, b"node_cpu_usage_seconds_total")
        end_sample(out, value_micros(VALUE_CPU, &self.node.load, NULL, &node_when), node_when.shown_ms)
        put_family(out, b"node_memory_working_set_bytes", b"gauge",
                   b"[STABLE] Current working set of the node in bytes")
        put_text(out, b"node_memory_working_set_bytes")
        end_sample(out, value_micros(VALUE_WORKING_SET, &self.node.load, NULL, &node_when), node_when.shown_ms)
        put_family(out, b"node_swap_usage_bytes", b"gauge", b"[ALPHA] Current swap usage of the node in bytes")
        put_text(out, b"node_swap_usage_bytes")
        end_sample(out, value_micros(VALUE_SWAP, &self.node.load, NULL, &node_when), node_when.shown_ms)
        put_family(out, b"pod_cpu_usage_seconds_total", b"counter",
                   b"[STABLE] Cumulative cpu time consumed by the pod in core-seconds")
        self.put_pods(b"pod_cpu_usage_seconds_total", VALUE_CPU, now_ms, listed)
        put_family(out, b"pod_memory_working_set_bytes", b"gauge",
                   b"[STABLE] Current working set of the pod in bytes")
        self.put_pods(b"pod_memory_working_set_bytes", VALUE_WORKING_SET, now_ms, listed)
        put_family(out, b"pod_swap_usage_bytes", b"gauge", b"[ALPHA] Current amount of the pod swap usage in bytes")
        self.put_pods(b"pod_swap_usage_bytes", VALUE_SWAP, now_ms, listed)
        put_family(out, b"resource_scrape_error", b"gauge",
                   b"[STABLE] 1 if there was an error while getting container metrics, 0 otherwise")
        put_text(out, b"resource_scrape_error 0\n")
        put_family(out, b"scrape_error", b"gauge",
                   b"[ALPHA] (Deprecated since 1.29.0) 1 if there was an error while getting container metrics, "
                   b"0 otherwise")
        put_text(out, b"scrape_error 0\n")
        return finish()

    def cadvisor(self, int64_t now_ms):
        cdef out_t* out = &OUT
        cdef moment_t node_when
        cdef uint32_t listed
        self.begin(&node_when, now_ms)
        listed = self.list_pods(now_ms)
        self.put_cadvisor_family(b"container_cpu_usage_seconds_total", b"counter", VALUE_CPU, now_ms, listed)
        self.put_cadvisor_family(b"container_fs_usage_bytes", b"gauge", VALUE_FS_USAGE, now_ms, listed)
        self.put_cadvisor_family(b"container_memory_cache", b"gauge", VALUE_CACHE, now_ms, listed)
        self.put_cadvisor_family(b"container_memory_failures_total", b"counter", VALUE_MAJOR_FAULTS, now_ms, listed)
        self.put_cadvisor_family(b"container_memory_rss", b"gauge", VALUE_RSS, now_ms, listed)
        self.put_cadvisor_family(b"container_memory_usage_bytes", b"gauge", VALUE_USAGE, now_ms, listed)
        self.put_cadvisor_family(b"container_memory_working_set_bytes", b"gauge", VALUE_WORKING_SET, now_ms, listed)
        self.put_network_family(b"container_network_receive_bytes_total", VALUE_RX, now_ms, listed)
        self.put_network_family(b"container_network_receive_errors_total", VALUE_RX_ERRORS, now_ms, listed)
        self.put_network_family(b"container_network_transmit_bytes_total", VALUE_TX, now_ms, listed)
        self.put_network_family(b"container_network_transmit_errors_total", VALUE_TX_ERRORS, now_ms, listed)
        self.put_cadvisor_family(b"container_start_time_seconds", b"gauge", VALUE_START_TIME, now_ms, listed)
        put_family(out, b"machine_cpu_cores", b"gauge", b"Number of logical CPU cores.")
        put_text(out, b"machine_cpu_cores ")
        put_int(out, self.cores)
        put(out, b"\n", 1)
        put_family(out, b"machine_memory_bytes", b"gauge", b"Amount of memory installed on the machine.")
        put_text(out, b"machine_memory_bytes ")
        put_micros(out, self.memory_bytes * 1000000)
        put(out, b"\n", 1)
        return finish()

    # -- parts ------------------------------------------------------------------------------

    cdef int reserve(self, uint32_t n_pods, uint32_t n_containers) except -1:
        """The one function that grows the tables."""
        cdef uint32_t cap
        cdef void* data
        if n_pods > self.cap_pods:
            cap = n_pods + 8 + n_pods // 4
            data = realloc(self.pod, cap * sizeof(pod_t))
            if data == NULL:
                raise MemoryError
            self.pod = <pod_t*>data
            data = realloc(self.order, cap * sizeof(uint32_t))
            if data == NULL:
                raise MemoryError
            self.order = <uint32_t*>data
            self.cap_pods = cap
        if n_containers > self.cap_containers:
            cap = n_containers + 8 + n_containers // 4
            data = realloc(self.container, cap * sizeof(container_t))
            if data == NULL:
                raise MemoryError
            self.container = <container_t*>data
            self.cap_containers = cap
        return 0

    cdef void begin(self, moment_t* when, int64_t now_ms) noexcept nogil:
        """Empties the buffer and sets `when` to the node's own newest sample."""
        OUT.len = 0
        OUT.failed = False
        self.moment(self.start_ms, self.node.offset_ms, now_ms, when)
        if when.at_ms < when.start_ms:
            # A node that has just restarted has no older sample to show.
            when.at_ms = when.start_ms
            when.shown_ms = when.at_ms + self.clock_offset_ms

    cdef void moment(self, int64_t start_ms, int64_t offset_ms, int64_t now_ms, moment_t* when) noexcept nogil:
        when.sampling_ms = self.sampling_ms
        when.start_ms = start_ms if start_ms > self.restarted_ms else self.restarted_ms
        when.at_ms = now_ms - floor_mod(now_ms - offset_ms, self.sampling_ms)
        when.shown_ms = when.at_ms + self.clock_offset_ms

    cdef void pod_moment(self, const pod_t* pod, int64_t now_ms, moment_t* when) noexcept nogil:
        self.moment(pod.start_ms, self.node.offset_ms, now_ms, when)

    cdef void container_moment(
        self, const pod_t* pod, const container_t* container, int64_t now_ms, moment_t* when,
    ) noexcept nogil:
        self.moment(pod.start_ms, container.offset_ms, now_ms, when)

    cdef uint32_t list_pods(self, int64_t now_ms) noexcept nogil:
        """Fills `order` with the pods to list; returns how many. Another order at each round, by the seed."""
        cdef uint32_t listed = 0, i, k, swap
        cdef uint64_t bits
        for i in range(self.n_pods):
            if self.is_listed(&self.pod[i], now_ms):
                self.order[listed] = i
                listed += 1
        if self.shuffle:
            bits = self.seed ^ <uint64_t>(now_ms // self.sampling_ms) * <uint64_t>2654435769 | 1
            for i in range(listed, 1, -1):
                bits ^= bits << 13
                bits ^= bits >> 7
                bits ^= bits << 17
                k = <uint32_t>(bits % i)
                swap = self.order[i - 1]
                self.order[i - 1] = self.order[k]
                self.order[k] = swap
        return listed

    cdef void put_summary_pod(self, const pod_t* pod, int64_t now_ms, bint only_cpu_and_memory) noexcept nogil:
        cdef out_t* out = &OUT
        cdef moment_t when
        cdef load_t total
        cdef const container_t* container
        cdef uint32_t k
        open_item(out, 2)
        open_object(out, 3, b"podRef")
        text_field(out, 4, b"name", pod.name)
        text_field(out, 4, b"namespace", pod.namespace)
        put_key(out, 4, b"uid")
        put(out, b'"', 1)
        put_pod_id(out, pod)
        put(out, b'"', 1)
        close_object(out, 3)
        self.pod_moment(pod, now_ms, &when)
        time_field(out, 3, b"startTime", when.start_ms, False)
        open_list(out, 3, b"containers")
        for k in range(pod.count):
            container = &self.container[pod.first + k]
            self.container_moment(pod, container, now_ms, &when)
            put_container(out, 4, container, &when, only_cpu_and_memory, False)
        close_list(out, 3)
        self.pod_moment(pod, now_ms, &when)
        sum_loads(&self.container[pod.first], pod.count, &total)
        put_cpu(out, 3, &total, &when)
        put_memory(out, 3, &total, &when, 0)
        if not only_cpu_and_memory:
            put_network(out, 3, &pod.network, &when)
            open_list(out, 3, b"volume")
            open_item(out, 4)
            put_fs_fields(out, 5, 3, 9, when.shown_ms)
            text_field(out, 5, b"name", b"kube-api-access")
            close_object(out, 4)
            close_list(out, 3)
            put_fs(out, 3, b"ephemeral-storage", total.rootfs_pages + total.logs_pages, 30, when.shown_ms)
            open_object(out, 3, b"process_stats")
            int_field(out, 4, b"process_count", 0)
            close_object(out, 3)
        put_swap(out, 3, &total, &when)
        close_object(out, 2)

    cdef void put_cadvisor_spec(
        self, const pod_t* pod, const container_t* container, const moment_t* when,
    ) noexcept nogil:
        """`spec` of a cAdvisor container info: of the node (NULL, NULL), a system container (pod is NULL),
        a pod's sandbox (container is NULL) or a pod's container."""
        cdef out_t* out = &OUT
        open_object(out, 2, b"spec")
        time_field(out, 3, b"creation_time", when.start_ms, True)
        if pod != NULL:
            open_object(out, 3, b"labels")
            text_field(out, 4, b"io.kubernetes.container.name", SANDBOX_NAME if container == NULL else container.name)
            text_field(out, 4, b"io.kubernetes.pod.name", pod.name)
            text_field(out, 4, b"io.kubernetes.pod.namespace", pod.namespace)
            put_key(out, 4, b"io.kubernetes.pod.uid")
            put(out, b'"', 1)
            put_pod_id(out, pod)
            put(out, b'"', 1)
            close_object(out, 3)
        word_field(out, 3, b"has_cpu", b"true")
        word_field(out, 3, b"has_memory", b"true")
        word_field(out, 3, b"has_network", b"true" if container == NULL else b"false")
        word_field(out, 3, b"has_filesystem", b"true" if container == NULL or pod != NULL else b"false")
        word_field(out, 3, b"has_diskio", b"false")
        word_field(out, 3, b"has_custom_metrics", b"false")
        if pod != NULL:
            text_field(out, 3, b"image", SANDBOX_IMAGE if container == NULL else container.image)
        close_object(out, 2)

    cdef void put_cadvisor_container(
        self, const pod_t* pod, const container_t* container, const moment_t* when,
    ) noexcept nogil:
        """One member of /stats/container/: a pod's sandbox (container is NULL) or a container of it."""
        cdef out_t* out = &OUT
        cdef uint64_t id_bits = pod.uid_low if container == NULL else container.id_bits
        cdef load_t idle = load_t(1, 64, 0, 0, 0, 32, 0, 0, 1, 1)
        next_line(out, 1)
        put(out, b'"', 1)
        put_cgroup(out, pod, id_bits)
        put_text(out, b'": {')
        put_key(out, 2, b"name")
        put(out, b'"', 1)
        put_cgroup(out, pod, id_bits)
        put(out, b'"', 1)
        open_list(out, 2, b"aliases")
        next_line(out, 3)
        put_text(out, b'"k8s_')
        put_text(out, SANDBOX_NAME if container == NULL else container.name)
        put(out, b"_", 1)
        put_text(out, pod.name)
        put(out, b"_", 1)
        put_text(out, pod.namespace)
        put(out, b"_", 1)
        put_pod_id(out, pod)
        put_text(out, b'_0"')
        close_list(out, 2)
        text_field(out, 2, b"namespace", b"containerd")
        self.put_cadvisor_spec(pod, container, when)
        if container == NULL:
            put_cadvisor_stats(out, 2, &idle, &pod.network, when, True)
        else:
            put_cadvisor_stats(out, 2, &container.load, NULL, when, True)
        close_object(out, 1)

    cdef bint is_listed(self, const pod_t* pod, int64_t now_ms) noexcept nogil:
        cdef moment_t when
        self.pod_moment(pod, now_ms, &when)
        return when.start_ms < when.at_ms - self.spread_ms

    cdef void put_containers(self, const char* name, value_t which, int64_t now_ms, bint with_time) noexcept nogil:
        """The lines of one family of /metrics/resource that has a series for each container."""
        cdef out_t* out = &OUT
        cdef const line_t* line
        cdef moment_t when
        cdef uint32_t i
        for i in range(self.n_lines):
            line = &self.line[i]
            if not self.is_listed(line.pod, now_ms):
                continue
            self.container_moment(line.pod, line.container, now_ms, &when)
            put_text(out, name)
            put(out, b"{", 1)
            put_label(out, b"container", line.container.name)
            put_label(out, b"namespace", line.pod.namespace)
            put_label(out, b"pod", line.pod.name)
            put(out, b"}", 1)
            end_sample(out, value_micros(which, &line.container.load, NULL, &when), when.shown_ms if with_time else -1)

    cdef void put_pods(self, const char* name, value_t which, int64_t now_ms, uint32_t listed) noexcept nogil:
        """The lines of one family of /metrics/resource that has a series for each pod."""
        cdef out_t* out = &OUT
        cdef const pod_t* pod
        cdef moment_t when
        cdef load_t total
        cdef uint32_t i
        for i in range(listed):
            pod = &self.pod[self.order[i]]
            self.pod_moment(pod, now_ms, &when)
            sum_loads(&self.container[pod.first], pod.count, &total)
            put_text(out, name)
            put(out, b"{", 1)
            put_label(out, b"namespace", pod.namespace)
            put_label(out, b"pod", pod.name)
            put(out, b"}", 1)
            end_sample(out, value_micros(which, &total, NULL, &when), when.shown_ms)

    cdef void put_cadvisor_line(
        self, const char* name, value_t which, const pod_t* pod, const container_t* container,
        const load_t* load, const network_t* network, const moment_t* when,
    ) noexcept nogil:
        """One series of /metrics/cadvisor: of the root cgroup (pod is NULL), a sandbox or a container."""
        cdef out_t* out = &OUT
        cdef bint has_image = pod != NULL and container != NULL
        put_text(out, name)
        put(out, b"{", 1)
        put_label(out, b"container", container.name if has_image else NO_TEXT)
        if which == VALUE_CPU:
            put_label(out, b"cpu", b"total")
        if which == VALUE_FS_USAGE:
            put_label(out, b"device", b"/dev/sda1")
        if which == VALUE_MAJOR_FAULTS:
            put_label(out, b"failure_type", b"pgmajfault")
        put_text(out, b',id="')
        if pod == NULL:
            put(out, b"/", 1)
        else:
            put_cgroup(out, pod, container.id_bits if has_image else pod.uid_low)
        put(out, b'"', 1)
        put_label(out, b"image", container.image if has_image else NO_TEXT)
        if network != NULL:
            put_label(out, b"interface", b"eth0")
        put_text(out, b',name="')
        if has_image:
            put_container_id(out, container.id_bits)
        put(out, b'"', 1)
        put_label(out, b"namespace", NO_TEXT if pod == NULL else pod.namespace)
        put_label(out, b"pod", NO_TEXT if pod == NULL else pod.name)
        if which == VALUE_MAJOR_FAULTS:
            put_label(out, b"scope", b"container")
        put(out, b"}", 1)
        end_sample(out, value_micros(which, load, network, when), when.shown_ms)

    cdef void put_cadvisor_family(
        self, const char* name, const char* type, value_t which, int64_t now_ms, uint32_t listed,
    ) noexcept nogil:
        """A family of /metrics/cadvisor with a series for the root and for each container."""
        cdef const pod_t* pod
        cdef const container_t* container
        cdef moment_t when
        cdef uint32_t i, k
        put_family(&OUT, name, type, b"As cAdvisor counts it, simulated.")
        self.moment(self.start_ms, self.node.offset_ms, now_ms, &when)
        if when.at_ms < when.start_ms:
            when.at_ms = when.start_ms
        self.put_cadvisor_line(name, which, NULL, NULL, &self.node.load, NULL, &when)
        for i in range(listed):
            pod = &self.pod[self.order[i]]
            for k in range(pod.count):
                container = &self.container[pod.first + k]
                self.container_moment(pod, container, now_ms, &when)
                self.put_cadvisor_line(name, which, pod, container, &container.load, NULL, &when)

    cdef void put_network_family(
        self, const char* name, value_t which, int64_t now_ms, uint32_t listed,
    ) noexcept nogil:
        """A family of /metrics/cadvisor with a series for each sandbox's interface."""
        cdef const pod_t* pod
        cdef moment_t when
        cdef uint32_t i
        put_family(&OUT, name, b"counter", b"As cAdvisor counts it, simulated.")
        for i in range(listed):
            pod = &self.pod[self.order[i]]
            self.pod_moment(pod, now_ms, &when)
            self.put_cadvisor_line(name, which, pod, NULL, NULL, &pod.network, &when)


cdef bytes finish():
    """The buffer as an answer."""
    if OUT.failed:
        raise MemoryError
    return OUT.data[:OUT.len]
