"""What a daemon must answer about the simulated cluster, to the last digit.

In      a cluster, a thing in it, and the time a kubelet is asked
Out     Values: counters, gauges and rates at the newest sample of that time
Callers Cluster.expected_*, the control endpoint /sim/expected, tests, bench
Never   looks at rendered bytes: this is the other half of the comparison

`cpu_millicores` is the rate that any two samples of the thing give, unless a restart lies between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from heapfast.sim import loads
from heapfast.sim.loads import ContainerLoad, NetworkLoad

if TYPE_CHECKING:
    from heapfast.sim.cluster import Cluster, Host, Pod


class Values(msgspec.Struct, frozen=True):
    """One container, or the sum of several, at one sample. Bytes, nanoseconds, Unix ms."""

    sample_ms: int
    start_ms: int
    cpu_millicores: int
    cpu_usage_ns: int
    memory_usage_bytes: int
    working_set_bytes: int
    rss_bytes: int
    cache_bytes: int
    swap_bytes: int
    page_faults: int
    major_page_faults: int


class NetworkValues(msgspec.Struct, frozen=True):
    """The default interface at one sample; the first two are rates."""

    rx_bytes_per_second: int
    tx_bytes_per_second: int
    rx_bytes: int
    tx_bytes: int
    rx_errors: int
    tx_errors: int


class PodValues(msgspec.Struct, frozen=True):
    """A pod: its own cgroup and network, and its containers by name.

    `listed` says whether the kubelet shows it already: it does once all containers have been sampled.
    """

    listed: bool
    total: Values
    network: NetworkValues
    containers: dict[str, Values]


class NodeValues(msgspec.Struct, frozen=True):
    """A node. Its own counters do not follow its pods, so that they are smooth under churn."""

    total: Values
    network: NetworkValues


def node_values(cluster: Cluster, host: Host, at_ms: int) -> NodeValues:
    start_ms = max(host.boot_ms, host.restarted_ms)
    sample_ms = max(loads.sample_ms(at_ms, host.offset_ms, cluster.sampling_ms), start_ms)
    return NodeValues(
        total=_values(host.load, start_ms, sample_ms, cluster.sampling_ms),
        network=_network(host.network, start_ms, sample_ms),
    )


def pod_values(cluster: Cluster, pod: Pod, at_ms: int) -> PodValues:
    host = pod.node.host
    start_ms = max(pod.start_ms, host.restarted_ms)
    sample_ms = loads.sample_ms(at_ms, host.offset_ms, cluster.sampling_ms)
    container_loads = [cluster.container_load(pod, index) for index in range(len(pod.workload.containers))]
    return PodValues(
        listed=bool(pod.start_ms) and start_ms < sample_ms - cluster.spread_ms,
        total=_values(_sum(container_loads), start_ms, sample_ms, cluster.sampling_ms),
        network=_network(cluster.network_load(pod), start_ms, sample_ms),
        containers={
            spec.name: _values(
                load,
                start_ms,
                loads.sample_ms(at_ms, cluster.container_offset_ms(host, pod, index), cluster.sampling_ms),
                cluster.sampling_ms,
            )
            for index, (spec, load) in enumerate(zip(pod.workload.containers, container_loads, strict=True))
        },
    )


def _sum(container_loads: list[ContainerLoad]) -> ContainerLoad:
    """The load of a pod's own cgroup; memory steps are those of the first container."""
    first = container_loads[0]
    total = ContainerLoad(*(sum(column) for column in zip(*container_loads, strict=True)))
    return total._replace(step_pages=first.step_pages, memory_phase=first.memory_phase)


def _values(load: ContainerLoad, start_ms: int, sample_ms: int, sampling_ms: int) -> Values:
    return Values(
        sample_ms=sample_ms,
        start_ms=start_ms,
        cpu_millicores=load.cpu_millicores,
        cpu_usage_ns=loads.cpu_usage_ns(load, start_ms, sample_ms),
        memory_usage_bytes=loads.memory_usage_bytes(load, sample_ms, sampling_ms),
        working_set_bytes=loads.working_set_bytes(load, sample_ms, sampling_ms),
        rss_bytes=loads.PAGE_BYTES * load.rss_pages,
        cache_bytes=loads.PAGE_BYTES * load.cache_pages,
        swap_bytes=loads.swap_bytes(load),
        page_faults=loads.per_second(load.page_faults_per_second, start_ms, sample_ms),
        major_page_faults=loads.per_kilosecond(load.major_page_faults_per_kilosecond, start_ms, sample_ms),
    )


def _network(load: NetworkLoad, start_ms: int, sample_ms: int) -> NetworkValues:
    return NetworkValues(
        rx_bytes_per_second=load.rx_bytes_per_second,
        tx_bytes_per_second=load.tx_bytes_per_second,
        rx_bytes=loads.per_second(load.rx_bytes_per_second, start_ms, sample_ms),
        tx_bytes=loads.per_second(load.tx_bytes_per_second, start_ms, sample_ms),
        rx_errors=loads.per_kilosecond(load.rx_errors_per_kilosecond, start_ms, sample_ms),
        tx_errors=loads.per_kilosecond(load.tx_errors_per_kilosecond, start_ms, sample_ms),
    )
