"""A busy cluster as bodies of /stats/summary, cheap enough to make 5,000 of a tick.

In      a seed and sizes
Out     one body a node and tick; what the API server would say of the same pods
Callers the benches of this folder
Never   repeats a value where a real cluster would not: memory walks at random in pages, CPU is busy and uneven

heapfast.sim renders bodies faster, but its loads are made to be foretold by tests: constant rates compress
to nothing, and would flatter every figure about memory.
"""

from __future__ import annotations

import random
from array import array
from typing import NamedTuple

from heapfast._core import Store

SECOND_NS = 1_000_000_000
PAGE_BYTES = 4096
RESOLUTION_S = 15
#: 2026-01-01T00:00:00Z
EPOCH_S = 1_767_225_600
START = "2025-12-31T00:00:00Z"
NAMESPACES = 100

_TIME = '{"time":"%s"'
_MEMORY = ',"usageBytes":%d,"workingSetBytes":%d,"rssBytes":%d,"pageFaults":%d,"majorPageFaults":%d}'
_NETWORK = '"network":' + _TIME + ',"name":"eth0","rxBytes":%d,"rxErrors":0,"txBytes":%d,"txErrors":0}'
_DISK = '{"availableBytes":900000000000,"capacityBytes":1000000000000,"usedBytes":%d}'
_USE = '"cpu":' + _TIME + ',"usageCoreNanoSeconds":%d},"memory":' + _TIME + _MEMORY
_CONTAINER = '{"name":"c%d","startTime":"' + START + '",' + _USE + ',"rootfs":' + _DISK + ',"logs":' + _DISK + "}"
_POD = (
    '{"podRef":{"name":"pod-%d","namespace":"ns-%d","uid":"00000000-0000-4000-8000-%012d"},"startTime":"'
    + START
    + '","containers":[%%s],'
    + _NETWORK
    + "}"
)
_NODE = '{"node":{"nodeName":"node-%d","startTime":"' + START + '",' + _USE + "," + _NETWORK + '},"pods":[%%s]}'


class Size(NamedTuple):
    """How many of everything: nodes, pods a node, containers a pod."""

    nodes: int
    pods: int = 30
    containers: int = 2

    @property
    def all_pods(self) -> int:
        return self.nodes * self.pods

    @property
    def all_containers(self) -> int:
        return self.all_pods * self.containers


class Fleet:
    """Every container's counters and memory, moved on by `step`."""

    def __init__(self, size: Size, seed: int = 7) -> None:
        self.size = size
        self.tick = 0
        self._random = random.Random(seed)
        draw = self._random.getrandbits
        things = range(size.all_containers)
        #: Millicores around which a container's use moves, 1 to 4,095, most of them small.
        self.busy = array("q", (1 + (draw(12) >> draw(3)) for _ in things))
        self.cpu_ns = array("q", (draw(44) for _ in things))
        self.pages = array("q", (20_000 + draw(17) for _ in things))
        self.faults = array("q", (draw(24) for _ in things))
        self.traffic = array("q", (draw(34) for _ in range(size.all_pods)))

    @property
    def timestamp_ns(self) -> int:
        """Of the batch that the current step belongs to."""
        return (EPOCH_S + self.tick * RESOLUTION_S) * SECOND_NS

    def step(self) -> None:
        """Moves every value on by one resolution."""
        self.tick += 1
        draw = self._random.getrandbits
        for i in range(self.size.all_containers):
            bits = draw(32)
            # A tenth of noise either way, and a walk of up to 64 pages; one in 64 allocates or frees megabytes.
            self.cpu_ns[i] += self.busy[i] * RESOLUTION_S * (900_000 + 200_000 * (bits & 1023) // 1024)
            walk = (bits >> 10 & 127) - 64
            self.pages[i] = max(256, self.pages[i] + (walk * 64 if bits >> 17 & 63 == 0 else walk))
            self.faults[i] += bits >> 23
        for i in range(self.size.all_pods):
            self.traffic[i] += draw(20)

    def body(self, node: int) -> bytes:
        """What the kubelet of a node answers now."""
        size = self.size
        # Whole seconds up to ten before the tick, as kubelets sample.
        at_s = self.tick * RESOLUTION_S - node % 10
        at = f"2026-01-01T{at_s // 3600 % 24:02}:{at_s // 60 % 60:02}:{at_s % 60:02}Z"
        pods, cpu_ns, pages = [], 0, 0
        for pod in range(node * size.pods, (node + 1) * size.pods):
            containers = []
            for i in range(pod * size.containers, (pod + 1) * size.containers):
                use = self.pages[i] * PAGE_BYTES
                cpu_ns += self.cpu_ns[i]
                pages += self.pages[i]
                values = (use + (1 << 22), use, use * 3 // 4 & -PAGE_BYTES, self.faults[i], self.faults[i] >> 8)
                containers.append(
                    _CONTAINER % (i % size.containers, at, self.cpu_ns[i], at, *values, use // 8, self.faults[i] * 100)
                )
            self._random.shuffle(containers)
            told = (pod, pod % NAMESPACES, pod, at, self.traffic[pod], self.traffic[pod] // 3)
            pods.append(_POD % told % ",".join(containers))
        # Kubelets list in any order.
        self._random.shuffle(pods)
        use = pages * PAGE_BYTES
        own = (node, at, cpu_ns, at, use + (1 << 30), use, use // 2 & -PAGE_BYTES, 5, 1, at, self.tick, self.tick)
        return (_NODE % own % ",".join(pods)).encode()

    def put_objects(self, store: Store) -> None:
        """Tells a store what the API server would: every node and pod, with requests."""
        size = self.size
        for namespace in range(NAMESPACES):
            store.put_namespace(f"ns-{namespace}", f"uid-{namespace}")
        for node in range(size.nodes):
            name = f"node-{node}"
            store.put_node(
                name,
                hostname=name,
                host_id=f"i-{node}",
                labels="zone:a",
                cpu_capacity_millicores=64_000,
                cpu_allocatable_millicores=63_000,
                memory_capacity_bytes=256 << 30,
                memory_allocatable_bytes=250 << 30,
            )
        containers = [
            (f"c{i}", f"registry.example/app-{i}:1", 100, 200, 1 << 28, 1 << 29, 0, False)
            for i in range(size.containers)
        ]
        for pod in range(size.all_pods):
            store.put_pod(
                f"ns-{pod % NAMESPACES}",
                f"pod-{pod}",
                uid=f"00000000-0000-4000-8000-{pod:012d}",
                labels=f"app:app-{pod // 50},tier:back",
                start_ns=(EPOCH_S - 86_400) * SECOND_NS,
                containers=containers,
            )
