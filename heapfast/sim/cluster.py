"""The simulated cluster itself: who is there, at any time, by the seed alone.

In      SimulateOptions and the time at which the cluster is looked at first
Out     nodes, namespaces and pods in registries; each node's NodeBodies; expected values
Callers apiserver, kubelet, churn, control; tests and bench ask expected.py through the methods here
Never   reads a clock: every method that needs the time takes it, in Unix ms

A pod is a name, a workload and a serial number; its UID, its containers' loads and ids follow from
seed and serial. So 150,000 pods take some 60 MB, and two runs with one seed are alike.
"""

from __future__ import annotations

import copy

from heapfast.sim import expected, loads, shapes
from heapfast.sim._bodies import NodeBodies
from heapfast.sim.config_maps import ConfigMap
from heapfast.sim.loads import ContainerLoad, NetworkLoad, container_load, mix, network_load
from heapfast.sim.options import SimulateOptions
from heapfast.sim.registry import Registry, Versions
from heapfast.sim.shapes import Workload

_NODE_KIND, _POD_KIND, _NAMESPACE_KIND = 1, 2, 3
SYSTEM_CONTAINERS = ("kubelet", "runtime", "pods", "misc")


class Namespace:
    """A namespace; nothing of it changes."""

    __slots__ = ("created_ms", "name", "resource_version", "uid")

    def __init__(self, name: str, uid: str, created_ms: int) -> None:
        self.name = name
        self.uid = uid
        self.created_ms = created_ms
        self.resource_version = 0


class Pod:
    """One version of a pod. A change makes a new Pod with the same serial.

    Attributes:
        serial: counts pods from 0; everything random about the pod follows from it.
        created_ms: when the API server took it.
        start_ms: when its containers started, 0 while Pending.
    """

    __slots__ = ("created_ms", "name", "node", "ordinal", "resource_version", "serial", "start_ms", "workload")

    def __init__(
        self, serial: int, ordinal: int, workload: Workload, node: Node, created_ms: int, start_ms: int
    ) -> None:
        self.serial = serial
        self.ordinal = ordinal
        self.workload = workload
        self.node = node
        self.created_ms = created_ms
        self.start_ms = start_ms
        self.resource_version = 0
        if workload.is_stateful:
            self.name = f"{workload.name}-{ordinal}"
        else:
            self.name = f"{workload.name}-{workload.template_hash}-{shapes.suffix(serial)}"

    @property
    def key(self) -> str:
        return f"{self.workload.namespace}/{self.name}"

    @property
    def phase(self) -> str:
        return "Running" if self.start_ms else "Pending"

    @property
    def labels(self) -> dict[str, str]:
        if not self.workload.is_stateful:
            return self.workload.labels
        return {
            **self.workload.labels,
            "apps.kubernetes.io/pod-index": str(self.ordinal),
            "statefulset.kubernetes.io/pod-name": self.name,
        }

    def started(self, start_ms: int) -> Pod:
        """The next version: Running since `start_ms`."""
        new = copy.copy(self)
        new.start_ms = start_ms
        return new


class Node:
    """One version of a node; versions share `host`, the machine behind it."""

    __slots__ = ("host", "index", "labels", "ready", "resource_version", "unschedulable")

    def __init__(self, index: int, labels: dict[str, str], host: Host) -> None:
        self.index = index
        self.labels = labels
        self.host = host
        self.ready = True
        self.unschedulable = False
        self.resource_version = 0

    @property
    def name(self) -> str:
        return self.host.name


class Host:
    """The machine of a node: what its kubelet knows.

    Attributes:
        offset_ms: when in each sampling round the node is sampled; its containers are up to
            `spread_ms` earlier.
        pods: running pods by key.
        restarted_ms: counters began again from zero then; 0 = never. Set through `Cluster.restart`.
        clock_offset_ms: what the kubelet's clock is wrong by.
    """

    __slots__ = (
        "address", "bodies", "boot_ms", "clock_offset_ms", "cores", "load", "memory_bytes", "name", "network",
        "offset_ms", "pods", "restarted_ms", "stale", "system",
    )  # fmt: skip

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.boot_ms = 0
        self.offset_ms = 0
        self.cores = 0
        self.memory_bytes = 0
        self.load: ContainerLoad
        self.network: NetworkLoad
        self.system: tuple[ContainerLoad, ...] = ()
        self.pods: dict[str, Pod] = {}
        self.restarted_ms = 0
        self.clock_offset_ms = 0
        self.bodies: NodeBodies | None = None
        self.stale = True


class Cluster:
    """Everything that is there.

    Attributes:
        nodes, pods, namespaces, config_maps: the registries; the last one is empty without TLS.
        hosts: machines in node order.
        workloads: what pods are made from.
        sampling_ms, spread_ms: the kubelets' sampling rhythm.
    """

    def __init__(self, options: SimulateOptions, now_ms: int) -> None:
        self.seed = options.seed
        self.sampling_ms = round(options.sampling_seconds * 1000)
        self.spread_ms = min(options.spread_ms, self.sampling_ms - 1)
        self._shuffle = options.shuffle
        self._next_serial = 0
        versions = Versions()
        self.namespaces: Registry[Namespace] = Registry(versions, options.event_window)
        self.nodes: Registry[Node] = Registry(versions, options.event_window)
        self.pods: Registry[Pod] = Registry(versions, options.event_window)
        self.config_maps: Registry[ConfigMap] = Registry(versions, options.event_window)

        # Whole seconds, so that start times read the same in every endpoint.
        origin_ms = now_ms // 1000 * 1000
        names = shapes.namespace_names(options.namespaces)
        total = options.nodes * options.pods_per_node
        self.workloads = shapes.make_workloads(self.seed, total, options.containers, names)
        self.hosts = [self._make_host(index, origin_ms) for index in range(options.nodes)]
        self._host_by_address = {host.address: host for host in self.hosts}
        self._index_by_name = {host.name: index for index, host in enumerate(self.hosts)}
        self._fill(options, versions, names, origin_ms)

    # -- looking ------------------------------------------------------------------------------

    def find_host(self, address: str) -> Host | None:
        """The machine at a loopback address."""
        return self._host_by_address.get(address)

    def get_host(self, node: str) -> Host:
        """The machine of a node. Raises KeyError for a name that is none."""
        return self.hosts[self._index_by_name[node]]

    def bodies(self, host: Host) -> NodeBodies:
        """The host's answers, with its pods as they are now."""
        if host.bodies is None:
            host.bodies = self._make_bodies(host)
        if host.stale:
            host.bodies.clear_pods()
            for pod in host.pods.values():
                self._add_pod_body(host, host.bodies, pod)
            host.stale = False
        host.bodies.restarted_ms = host.restarted_ms
        host.bodies.clock_offset_ms = host.clock_offset_ms
        return host.bodies

    def pod_uid_halves(self, pod: Pod) -> tuple[int, int]:
        return shapes.uid_halves(self.seed, _POD_KIND, pod.serial)

    def pod_uid(self, pod: Pod) -> str:
        return shapes.uid_text(*self.pod_uid_halves(pod))

    def node_uid(self, node: Node) -> str:
        return shapes.uid_text(*shapes.uid_halves(self.seed, _NODE_KIND, node.index))

    def container_load(self, pod: Pod, index: int) -> ContainerLoad:
        return container_load(self.seed, _POD_KIND, pod.serial, index)

    def network_load(self, pod: Pod) -> NetworkLoad:
        return network_load(self.seed, _POD_KIND, pod.serial)

    def container_id_bits(self, pod: Pod, index: int) -> int:
        """64 bits that a container's id is made of: its pod's UID, and its place in the pod."""
        high, _ = self.pod_uid_halves(pod)
        return (high + 1 + index) & loads.MASK_64

    def container_offset_ms(self, host: Host, pod: Pod, index: int) -> int:
        """When in each sampling round the container is sampled: up to `spread_ms` before its node."""
        return host.offset_ms - mix(self.seed, pod.serial, index, 31) % (self.spread_ms + 1)

    # -- expected values: see expected.py -------------------------------------------------------

    def expected_node(self, node: str, at_ms: int) -> expected.NodeValues:
        return expected.node_values(self, self.get_host(node), at_ms)

    def expected_pod(self, namespace: str, name: str, at_ms: int) -> expected.PodValues:
        return expected.pod_values(self, self.pods.items[f"{namespace}/{name}"], at_ms)

    def expected_container(self, namespace: str, pod: str, container: str, at_ms: int) -> expected.Values:
        return self.expected_pod(namespace, pod, at_ms).containers[container]

    # -- changing -----------------------------------------------------------------------------

    def create_pod(self, workload: Workload, ordinal: int, host: Host, now_ms: int) -> Pod:
        """Adds a Pending pod."""
        pod = Pod(self._next_serial, ordinal, workload, self._node_of(host), now_ms, 0)
        self._next_serial += 1
        self.pods.put(pod.key, pod)
        return pod

    def start_pod(self, key: str, serial: int, start_ms: int) -> None:
        """Makes a Pending pod Running, unless it has gone or been replaced meanwhile."""
        pod = self.pods.items.get(key)
        if pod is None or pod.serial != serial or pod.start_ms:
            return
        new = pod.started(start_ms)
        self.pods.put(key, new)
        new.node.host.pods[key] = new
        new.node.host.stale = True

    def delete_pod(self, key: str) -> Pod:
        """Removes a pod from the API server and from its kubelet. Raises KeyError when there is none."""
        pod = self.pods.remove(key)
        if pod.node.host.pods.pop(key, None) is not None:
            pod.node.host.stale = True
        return pod

    def set_node(self, name: str, *, ready: bool | None = None, unschedulable: bool | None = None) -> Node:
        """Changes what the API server says of a node. Raises KeyError when there is none."""
        node = copy.copy(self.nodes.items[name])
        node.ready = node.ready if ready is None else ready
        node.unschedulable = node.unschedulable if unschedulable is None else unschedulable
        self.nodes.put(name, node)
        return node

    def restart(self, host: Host, now_ms: int) -> None:
        """Starts all counters of a host, its pods included, again from zero at `now_ms`."""
        host.restarted_ms = now_ms // 1000 * 1000

    # -- making -------------------------------------------------------------------------------

    def _fill(self, options: SimulateOptions, versions: Versions, names: list[str], origin_ms: int) -> None:
        namespaces, nodes, pods = {}, {}, {}
        for index, name in enumerate(names):
            uid = shapes.uid_text(*shapes.uid_halves(self.seed, _NAMESPACE_KIND, index))
            namespaces[name] = Namespace(name, uid, origin_ms - 30 * 86_400_000)
            namespaces[name].resource_version = versions.next()
        for index, host in enumerate(self.hosts):
            nodes[host.name] = Node(index, self._node_labels(index, host), host)
            nodes[host.name].resource_version = versions.next()
        for serial in range(options.nodes * options.pods_per_node):
            workload = self.workloads[serial % len(self.workloads)]
            host = self.hosts[serial // options.pods_per_node]
            age_ms = (3600 + mix(self.seed, serial, 41) % (86_400 * 5)) * 1000
            pod = Pod(
                serial, serial // len(self.workloads), workload, nodes[host.name], origin_ms - age_ms - 2000,
                origin_ms - age_ms,
            )  # fmt: skip
            pod.resource_version = versions.next()
            pods[pod.key] = pod
            host.pods[pod.key] = pod
        self._next_serial = options.nodes * options.pods_per_node
        self.namespaces.fill(namespaces)
        self.nodes.fill(nodes)
        self.pods.fill(pods)

    def _make_host(self, index: int, origin_ms: int) -> Host:
        host = Host(f"node-{index:04d}", shapes.node_address(index))
        bits = mix(self.seed, index, 51)
        host.cores = (8, 16, 32)[bits % 3]
        host.memory_bytes = host.cores * 4 * 1024 * shapes.MIB
        # Older than every pod that is there at the start.
        host.boot_ms = origin_ms - (86_400 * 6 + (bits >> 8) % 86_400) * 1000
        host.offset_ms = (bits >> 32) % self.sampling_ms
        host.load = container_load(self.seed, _NODE_KIND, index)._replace(
            cpu_millicores=host.cores * (100 + (bits >> 50) % 600),
            working_set_pages=host.memory_bytes // 4096 // 2,
            rss_pages=host.memory_bytes // 4096 // 4,
        )
        host.network = network_load(self.seed, _NODE_KIND, index)
        host.system = tuple(container_load(self.seed, _NODE_KIND, index, i) for i in range(len(SYSTEM_CONTAINERS)))
        return host

    def _node_labels(self, index: int, host: Host) -> dict[str, str]:
        arch = shapes.ARCHES[index % len(shapes.ARCHES)]
        return {
            "kubernetes.io/arch": arch,
            "kubernetes.io/hostname": host.name,
            "kubernetes.io/os": "linux",
            "pool": shapes.POOLS[index // 2 % len(shapes.POOLS)],
            "topology.kubernetes.io/zone": shapes.ZONES[index % len(shapes.ZONES)],
        }

    def _node_of(self, host: Host) -> Node:
        return self.nodes.items[host.name]

    def _make_bodies(self, host: Host) -> NodeBodies:
        return NodeBodies(
            name=host.name.encode(),
            seed=mix(self.seed, host.boot_ms, 61),
            start_ms=host.boot_ms,
            offset_ms=host.offset_ms,
            sampling_ms=self.sampling_ms,
            spread_ms=self.spread_ms,
            cores=host.cores,
            memory_bytes=host.memory_bytes,
            load=host.load,
            network=host.network,
            system=host.system,
            shuffle=self._shuffle,
        )

    def _add_pod_body(self, host: Host, bodies: NodeBodies, pod: Pod) -> None:
        bodies.add_pod(
            pod.workload.namespace.encode(),
            pod.name.encode(),
            *self.pod_uid_halves(pod),
            pod.start_ms,
            self.network_load(pod),
            [
                (
                    spec.name.encode(),
                    spec.image.encode(),
                    self.container_id_bits(pod, index),
                    self.container_offset_ms(host, pod, index),
                    self.container_load(pod, index),
                )
                for index, spec in enumerate(pod.workload.containers)
            ],
        )
