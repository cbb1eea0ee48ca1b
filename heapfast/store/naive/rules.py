"""What happens to a batch between the scrape and the store: the processors, in Heapster's order.

In      metric sets by key, changed in place; what the API server knows
Out     the same sets, with rates, labels, requests, sums and shares
Callers store.py of this folder
Source  spec/heapster-pipeline.md section 5; each function names its part
Never   keeps anything between two calls
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapfast.catalog.keys import Kind, key
from heapfast.catalog.metrics import BY_NAME, RATE_OF
from heapfast.store.naive.model import (
    ContainerObject,
    Labeled,
    MetricSet,
    NodeObject,
    PodObject,
    Value,
)
from heapfast.units import NS_PER_SECOND, TIME_ZERO_NS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Sets = dict[str, MetricSet]

#: The one integer that is no sample: columns say "absent" with it.
_NOT_A_SAMPLE = -(1 << 63)
INT64_MAX = 2**63 - 1

#: So long a rate stays without a new sample.
KEEP_RATE_NS = 60 * NS_PER_SECOND
HOST_LABELS = ("nodename", "hostname", "host_id")
_REQUESTS = ("cpu/request", "cpu/limit", "memory/request", "memory/limit")
_NAMESPACE_SUMS = ("cpu/usage_rate", "memory/usage", *_REQUESTS)


def date_samples(sets: Sets, timestamp_ns: int) -> None:
    """Takes every sample for new."""
    for metric_set in sets.values():
        metric_set.since_ns = timestamp_ns


def summed_rates(old: Sets) -> set[str]:
    """What pods of the former batch have as sums over containers, and will be summed again."""
    return {
        metric for old_set in old.values() if old_set.labels["type"] == "pod_container" for metric in old_set.metrics
    }


def add_rates(new: Sets, old: Sets, pod_sums: set[str], keep_ns: int = KEEP_RATE_NS) -> None:
    """Rates of every entity that both batches have (5.1.3).

    Where there is no new sample, rates stay for a while (design.md 4), but for `pod_sums` of pods.
    """
    for name, new_set in new.items():
        old_set = old.get(name)
        if old_set is None:
            continue
        if new_set.scrape_ns == old_set.scrape_ns != TIME_ZERO_NS and new_set.start_ns == old_set.start_ns:
            now_ns = new_set.since_ns
            new_set.since_ns = old_set.since_ns
            if now_ns - new_set.since_ns <= keep_ns:
                _keep_rates(new_set, old_set, pod_sums if new_set.labels["type"] == "pod" else set())
            continue
        if new_set.scrape_ns <= old_set.scrape_ns or new_set.start_ns != old_set.start_ns:
            continue
        elapsed_ns = new_set.scrape_ns - old_set.scrape_ns
        for counter, rate_name in RATE_OF.items():
            if counter in new_set.metrics and counter in old_set.metrics:
                rate = counter_rate(counter, old_set.metrics[counter], new_set.metrics[counter], elapsed_ns)
                if rate is not None:
                    new_set.metrics[rate_name] = rate
        _add_disk_rates(new_set, old_set, elapsed_ns)


def _keep_rates(new_set: MetricSet, old_set: MetricSet, sums: set[str]) -> None:
    """Rates of counters that both have; `sums`: those that will be summed again, from the containers."""
    for counter, rate in RATE_OF.items():
        if counter in new_set.metrics and rate in old_set.metrics and rate not in sums:
            new_set.metrics[rate] = old_set.metrics[rate]
    for entry in list(new_set.labeled):
        for former in old_set.labeled:
            if entry.name in RATE_OF and (former.name, former.labels) == (RATE_OF[entry.name], entry.labels):
                new_set.labeled.append(Labeled(former.name, former.labels, former.value))


def counter_rate(counter: str, old: Value, new: Value, elapsed_ns: int) -> Value | None:
    """Per second, CPU in whole millicores; None after a reset, which a falling counter is (Q3, B8).

    CPU is taken in unbounded integers, where Heapster's product wraps after 106 days of one core (Q3); what does not
    fit a column then is the most that does.
    The others are float64 in Heapster's order of operations (Q1).
    """
    if new < old:
        return None
    if counter == "cpu/usage":
        return min(1000 * int(new - old) // elapsed_ns, INT64_MAX)
    return 1e9 * float(new - old) / float(elapsed_ns)


def _add_disk_rates(new_set: MetricSet, old_set: MetricSet, elapsed_ns: int) -> None:
    for entry in list(new_set.labeled):
        if entry.name not in RATE_OF:
            continue
        for former in old_set.labeled:
            # The same disk, where Heapster takes whichever disk came first (Q2).
            if former.name == entry.name and former.labels == entry.labels:
                rate = counter_rate(entry.name, former.value, entry.value, elapsed_ns)
                if rate is not None:
                    new_set.labeled.append(Labeled(RATE_OF[entry.name], entry.labels, rate))
                break


def enrich_pods(sets: Sets, pods: Mapping[tuple[str, str], PodObject]) -> None:
    """What the API server knows of pods and containers, and stubs for what nobody scraped (5.2)."""
    stubs: Sets = {}
    for metric_set in list(sets.values()):
        if metric_set.labels["type"] not in ("pod", "pod_container"):
            continue
        pod = pods.get((metric_set.labels["namespace_name"], metric_set.labels["pod_name"]))
        if pod is None:
            continue
        if metric_set.labels["type"] == "pod":
            _enrich_pod(metric_set, pod, sets, stubs)
        else:
            _enrich_container(metric_set, pod, sets, stubs)
    sets.update(stubs)


def _enrich_pod(pod_set: MetricSet, pod: PodObject, sets: Sets, stubs: Sets) -> None:
    pod_set.create_ns = pod.start_ns
    _copy_pod_labels(pod_set, pod)
    for container in pod.containers:
        name = key(Kind.POD_CONTAINER, pod.namespace, pod.name, container.name)
        if name in sets or name in stubs:
            continue
        labels = {
            "type": "pod_container",
            "namespace_name": pod.namespace,
            "pod_name": pod.name,
            "container_name": container.name,
            "container_base_image": container.image,
            **{label: pod_set.labels.get(label, "") for label in HOST_LABELS},
        }
        # Born with its pod's *collection* start, not with the pod (Q16).
        stub = MetricSet(labels, create_ns=pod_set.start_ns)
        _set_requests(stub, container)
        _copy_pod_labels(stub, pod)
        stubs[name] = stub


def _enrich_container(container_set: MetricSet, pod: PodObject, sets: Sets, stubs: Sets) -> None:
    for container in pod.containers:
        if container.name != container_set.labels["container_name"]:
            continue
        _set_requests(container_set, container)
        container_set.labels.setdefault("container_base_image", container.image)
        if container.restart_count >= 0:
            container_set.metrics["restart_count"] = container.restart_count
            container_set.create_ns = pod.start_ns
    _copy_pod_labels(container_set, pod)

    pod_key = key(Kind.POD, pod.namespace, pod.name)
    if pod_key not in sets and pod_key not in stubs:
        labels = {"type": "pod", "namespace_name": pod.namespace, "pod_name": pod.name}
        labels |= {label: container_set.labels[label] for label in HOST_LABELS}
        stub = stubs[pod_key] = MetricSet(labels)
        _enrich_pod(stub, pod, sets, stubs)


def _copy_pod_labels(metric_set: MetricSet, pod: PodObject) -> None:
    # The object's UID, also where the kubelet says another one, as it does for static pods (Q16).
    metric_set.labels["pod_id"] = pod.uid
    metric_set.labels |= dict(pod.stored)
    metric_set.labels["labels"] = pod.labels


def _set_requests(metric_set: MetricSet, container: ContainerObject) -> None:
    metric_set.metrics["cpu/request"] = container.cpu_request_millicores
    metric_set.metrics["cpu/limit"] = container.cpu_limit_millicores
    metric_set.metrics["memory/request"] = container.memory_request_bytes
    metric_set.metrics["memory/limit"] = container.memory_limit_bytes


def enrich_namespaces(sets: Sets, namespaces: Mapping[str, str]) -> None:
    """UIDs of namespaces on pods and containers (5.3); unknown namespaces leave no label."""
    for metric_set in sets.values():
        uid = namespaces.get(metric_set.labels.get("namespace_name", ""))
        if uid is not None:
            metric_set.labels["namespace_id"] = uid


def aggregate_pods(sets: Sets) -> None:
    """Adds containers onto their pods, and makes pods that nobody reported (5.4)."""
    made: Sets = {}
    for container in sets.values():
        if container.labels["type"] != "pod_container":
            continue
        name = key(Kind.POD, container.labels["namespace_name"], container.labels["pod_name"])
        pod = sets.get(name) or made.get(name)
        if pod is None:
            kept = ("pod_id", "pod_name", "namespace_name", "namespace_id", "hostname", "host_id")
            labels = {label: container.labels[label] for label in kept if label in container.labels}
            pod = made[name] = MetricSet({"type": "pod", **labels})
        for metric, value in container.metrics.items():
            if not _is_own_counter(metric):
                _add(pod, metric, value)
    sets.update(made)


def _is_own_counter(metric: str) -> bool:
    """Standard counters stay with their entity; everything else is summed, custom counters too (Q6)."""
    row = BY_NAME.get(metric)
    return row is not None and row.group == "standard" and row.type == "cumulative"


def aggregate_namespaces(sets: Sets) -> None:
    """Six metrics of each namespace, as sums over its pods (5.5)."""
    made: Sets = {}
    for pod in sets.values():
        if pod.labels["type"] != "pod":
            continue
        namespace = pod.labels["namespace_name"]
        name = key(Kind.NAMESPACE, namespace)
        if name not in made:
            labels = {"type": "ns", "namespace_name": namespace, "namespace_id": pod.labels.get("namespace_id", "")}
            made[name] = MetricSet(labels)
        _add_all(made[name], pod, _NAMESPACE_SUMS)
    sets.update(made)


def aggregate_nodes(sets: Sets) -> None:
    """Requests and limits of each scraped node's pods, stubs included (5.6, Q5)."""
    for pod in list(sets.values()):
        if pod.labels["type"] == "pod" and pod.labels.get("nodename"):
            node = sets.get(key(Kind.NODE, pod.labels["nodename"]))
            if node is not None:
                _add_all(node, pod, _REQUESTS)


def aggregate_cluster(sets: Sets) -> None:
    """The cluster, as sums over namespaces; it exists in every batch (5.7)."""
    cluster = MetricSet({"type": "cluster"})
    for namespace in sets.values():
        if namespace.labels["type"] == "ns":
            _add_all(cluster, namespace, _NAMESPACE_SUMS)
    sets[key(Kind.CLUSTER)] = cluster


def add_node_shares(sets: Sets, nodes: Iterable[NodeObject]) -> None:
    """Labels, capacity, and use and requests as shares of what is allocatable (5.7, Q4)."""
    for node in nodes:
        node_set = sets.get(key(Kind.NODE, node.name))
        if node_set is None:
            continue
        node_set.labels |= dict(node.stored)
        node_set.labels["labels"] = node.labels
        metrics = node_set.metrics
        for what, use, capacity, allocatable in (
            ("cpu", "cpu/usage_rate", node.cpu_capacity_millicores, node.cpu_allocatable_millicores),
            ("memory", "memory/usage", node.memory_capacity_bytes, node.memory_allocatable_bytes),
        ):
            metrics[f"{what}/node_capacity"] = float(capacity)
            metrics[f"{what}/node_allocatable"] = float(allocatable)
            if allocatable != 0:
                metrics[f"{what}/node_utilization"] = float(metrics.get(use, 0)) / float(allocatable)
                metrics[f"{what}/node_reservation"] = float(metrics.get(f"{what}/request", 0)) / float(allocatable)


def _add_all(into: MetricSet, source: MetricSet, metrics: Iterable[str]) -> None:
    for metric in metrics:
        if metric in source.metrics:
            _add(into, metric, source.metrics[metric])


def _add(into: MetricSet, metric: str, value: Value) -> None:
    """Adds a value; one of another type than what is there is left out (5.4)."""
    if metric not in into.metrics:
        into.metrics[metric] = value
    elif type(into.metrics[metric]) is type(value):
        total = _wrap(into.metrics[metric] + value)
        if total == _NOT_A_SAMPLE:
            del into.metrics[metric]
        else:
            into.metrics[metric] = total


def _wrap(value: Value) -> Value:
    """What int64 makes of a sum that is too large for it (N3)."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63) if isinstance(value, int) else value


def milliseconds_since(start_ns: int, now_ns: int) -> int | None:
    """Uptime at the moment of decoding (Q8), towards zero; None for an unknown start."""
    if start_ns == TIME_ZERO_NS:
        return None
    elapsed_ns = now_ns - start_ns
    return elapsed_ns // 1_000_000 if elapsed_ns >= 0 else -(-elapsed_ns // 1_000_000)
