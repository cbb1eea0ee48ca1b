"""What the daemon must say of a simulated cluster, entity by entity, to the last digit.

In      the cluster, the time its kubelets were asked, the source they were asked through
Out     metrics by entity; comparisons with a batch, and with the model API
Callers tests of integration/ and adversity/
Source  sim/expected.py for single things; spec/heapster-pipeline.md 5.4 to 5.6 for what is summed from what
Never   asks the daemon's own code for a sum
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from heapfast._batch import Batch
from heapfast.sim.expected import Values
from heapfast.sim.loads import PAGE_BYTES
from heapfast.sim.main import SimulatedCluster
from tests.integration.running import RunningDaemon

Metrics = dict[str, int | float]

#: What the simulator's pause containers use. The source `kubernetes` counts them to their pods, as Heapster does.
PAUSE: Metrics = {
    "cpu/usage_rate": 1,
    "memory/usage": 64 * PAGE_BYTES,
    "memory/working_set": 64 * PAGE_BYTES,
    "memory/rss": 32 * PAGE_BYTES,
}
#: What pods have of their containers, and nodes' sums of their pods.
SUMMED = ("cpu/usage_rate", "memory/usage", "memory/working_set", "memory/rss")
#: What namespaces and the cluster have of their pods.
TOTALS = ("cpu/usage_rate", "memory/usage", "cpu/request", "cpu/limit", "memory/request", "memory/limit")


def expected_metrics(
    sim: SimulatedCluster,
    at_ms: int,
    *,
    key: str = "kubernetes.summary_api",
    without: Collection[str] = (),
    rates: bool = True,
) -> dict[str, Metrics]:
    """What the kubelets of a cluster said at a time, as metrics by entity key.

    Args:
        without: nodes that did not answer. Neither they nor what runs there is in the result, or in its sums.
        rates: whether there was a sample before.
    """
    cluster = sim.cluster
    result: dict[str, Metrics] = {}
    totals: defaultdict[str, Metrics] = defaultdict(lambda: dict.fromkeys(TOTALS, 0))
    for name, pod in cluster.pods.items.items():
        pod_key = "namespace:{}/pod:{}".format(*name.split("/"))
        values = cluster.expected_pod(*name.split("/"), at_ms)
        if pod.node.name in without or not values.listed:
            continue
        metrics: Metrics = dict(PAUSE) if key == "kubernetes" else dict.fromkeys(SUMMED, 0)
        for container, container_values in values.containers.items():
            used = result[f"{pod_key}/container:{container}"] = _used(container_values)
            for metric in SUMMED:
                metrics[metric] += used[metric]
        metrics |= _requested(pod.workload.containers)
        metrics |= {"network/rx": values.network.rx_bytes, "network/tx": values.network.tx_bytes}
        metrics |= {"network/rx_rate": float(values.network.rx_bytes_per_second)}
        result[pod_key] = metrics
        for total in (f"namespace:{pod.workload.namespace}", "cluster"):
            for metric in TOTALS:
                totals[total][metric] += metrics[metric]
    for host in cluster.hosts:
        if host.name not in without:
            node = cluster.expected_node(host.name, at_ms)
            result[f"node:{host.name}"] = _used(node.total) | {
                "network/rx": node.network.rx_bytes,
                "network/tx_rate": float(node.network.tx_bytes_per_second),
            }
    result.update(totals)
    if not rates:
        for metrics in result.values():
            for metric in [metric for metric in metrics if metric.endswith("_rate")]:
                del metrics[metric]
    return result


def _used(values: Values) -> Metrics:
    return {
        "cpu/usage": values.cpu_usage_ns,
        "cpu/usage_rate": values.cpu_millicores,
        "memory/usage": values.memory_usage_bytes,
        "memory/working_set": values.working_set_bytes,
        "memory/rss": values.rss_bytes,
        "memory/page_faults": values.page_faults,
        "memory/major_page_faults": values.major_page_faults,
    }


def _requested(specs: Collection[Any]) -> Metrics:
    return {
        "cpu/request": sum(spec.cpu_request_millicores for spec in specs),
        "cpu/limit": sum(spec.cpu_limit_millicores for spec in specs),
        "memory/request": sum(spec.memory_request_bytes for spec in specs),
        "memory/limit": sum(spec.memory_limit_bytes for spec in specs),
    }


def check_batch(batch: Batch, expected: Mapping[str, Metrics]) -> None:
    """Holds a batch to what is expected: no entity with samples more or less, no value off."""
    sets = batch.sets()
    wrong = {}
    for entity, metrics in expected.items():
        found = sets[entity]["metrics"] if entity in sets else {}
        if off := {metric: (found.get(metric), want) for metric, want in metrics.items() if found.get(metric) != want}:
            wrong[entity] = off
    assert wrong == {}, "these are (got, want)"
    more = {
        entity
        for entity, found in sets.items()
        if entity not in expected and "memory/usage" in found["metrics"] and not _is_system(entity)
    }
    assert more == set(), "of these nothing was heard"


def _is_system(entity: str) -> bool:
    return entity.startswith("node:") and "/" in entity


async def check_model(daemon: RunningDaemon, batch: Batch, expected: Mapping[str, Metrics]) -> None:
    """Asks the model API for every number of every entity, and for the lists of names."""
    stamp = batch.timestamp_ns
    for entity, metrics in expected.items():
        path = "".join(f"/{kind}s/{name}" for kind, _, name in (part.partition(":") for part in entity.split("/")))
        path = "" if entity == "cluster" else path
        names = await daemon.get(f"/api/v1/model{path}/metrics")
        assert set(metrics) <= set(names), entity
        for metric in ("cpu/usage_rate", "memory/usage", "cpu/request"):
            if metric in metrics:
                answer = await daemon.get(f"/api/v1/model{path}/metrics/{metric}")
                assert answer["latestTimestamp"] == rfc3339(stamp), (entity, metric)
                assert answer["metrics"][-1] == {"timestamp": rfc3339(stamp), "value": metrics[metric]}, (
                    entity,
                    metric,
                )


def rfc3339(time_ns: int) -> str:
    """A time of whole seconds, as it stands in answers."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
