class NodeBodies:
    """One node as its kubelet sees it: loads, pods and the four answers.

    Not for use from two threads: all nodes render into one buffer.

    Attributes:
        restarted_ms: Unix ms at which all counters of the node began again from zero; 0 = never.
        clock_offset_ms: what the kubelet's clock is wrong by. Times shown move, counters do not.
    """

    restarted_ms: int
    clock_offset_ms: int

    def __init__(
        self,
        name: bytes,
        seed: int,
        start_ms: int,
        offset_ms: int,
        sampling_ms: int,
        spread_ms: int,
        cores: int,
        memory_bytes: int,
        load: tuple[int, ...],
        network: tuple[int, ...],
        system: tuple[tuple[int, ...], ...],
        shuffle: bool,
    ) -> None:
        """Makes a node without pods.

        Args:
            name: as in nodeName; plain text that needs no escaping in JSON, like all texts here.
            seed: 64 bits that decide the list order.
            start_ms: when the node booted, Unix ms.
            offset_ms: when in each sampling round the node is sampled.
            sampling_ms: length of a round, at least 1.
            spread_ms: containers are sampled up to this much before the node; a pod is listed once
                it started before all of that.
            cores, memory_bytes: capacity.
            load, network: a loads.ContainerLoad and a loads.NetworkLoad.
            system: loads of kubelet, runtime, pods and misc, in this order.
            shuffle: list pods in another order at each round, as kubelets do.

        Raises:
            ValueError: sampling_ms is below 1, or there are not four system loads.
        """

    def clear_pods(self) -> None:
        """Forgets all pods."""

    def add_pod(
        self,
        namespace: bytes,
        name: bytes,
        uid_high: int,
        uid_low: int,
        start_ms: int,
        network: tuple[int, ...],
        containers: list[tuple[bytes, bytes, int, int, tuple[int, ...]]],
    ) -> None:
        """Adds a pod; containers are (name, image, 64 id bits, offset_ms, load), at least one.

        Raises:
            ValueError: the pod has no containers.
        """

    def summary(self, now_ms: int, only_cpu_and_memory: bool = False) -> bytes:
        """The answer of /stats/summary."""

    def stats_container(self, now_ms: int, subcontainers: bool = True) -> bytes:
        """The answer of /stats/container/; without subcontainers only the root."""

    def resource(self, now_ms: int) -> bytes:
        """The answer of /metrics/resource."""

    def cadvisor(self, now_ms: int) -> bytes:
        """The answer of /metrics/cadvisor."""
