"""The naive store: API objects, the open batch, and the two classes of retention.

In      the calls of heapfast._core.Store; `ingest` takes rows as dicts (Rows.to_dicts())
Out     NaiveBatch, and series as lists of (timestamp, value)
Callers tests
Source  spec/heapster-pipeline.md 1.2 to 1.4, 6.1
Never   shares a metric set with a caller
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from heapfast.catalog.keys import TYPE_LABEL, Kind, key
from heapfast.errors import StoreError
from heapfast.store.naive import rules
from heapfast.store.naive.model import (
    ContainerObject,
    Labeled,
    MetricSet,
    NodeObject,
    PodObject,
    Value,
)
from heapfast.store.naive.side import Sides, close_sides, own_metrics, tells_of
from heapfast.units import NS_PER_SECOND, TIME_ZERO_NS

#: What the dicts of Rows.to_dicts() call the values of a resource, by prefix of their metrics.
_RESOURCE_VALUES = {
    "filesystem/": ("usage", "limit", "available", "inodes", "inodes_free"),
    "disk/io_": ("read_bytes", "write_bytes"),
    "accelerator/": ("memory_total", "memory_used", "duty_cycle"),
}

Row = Mapping[str, Any]
ContainerSpec = tuple[str, str, int, int, int, int, int, bool]
Series = list[tuple[int, Value]]


class NaiveBatch:
    """One closed batch: all sets of one tick."""

    def __init__(self, timestamp_ns: int, sets: rules.Sets) -> None:
        self.timestamp_ns = timestamp_ns
        self.metric_sets = sets

    def sets(self) -> dict[str, dict[str, Any]]:
        """Every metric set by key, in the shape of Batch.sets()."""
        return {name: metric_set.to_dict() for name, metric_set in self.metric_sets.items()}


class _LongEntry(NamedTuple):
    timestamp_ns: int
    values: dict[str, dict[str, Value]]


class NaiveStore:
    """The whole memory of the daemon as dicts."""

    def __init__(
        self,
        *,
        long_retention_ns: int = 900 * NS_PER_SECOND,
        short_retention_ns: int = 140 * NS_PER_SECOND,
        long_metrics: Iterable[str] = ("cpu/usage_rate", "memory/usage"),
        schedulable: bool = False,
        side_ns: int = 0,
    ) -> None:
        self._long_retention_ns = long_retention_ns
        self._short_retention_ns = short_retention_ns
        self._long_metrics = frozenset(long_metrics)
        self._schedulable = schedulable
        self._namespaces: dict[str, str] = {}
        self._nodes: dict[str, NodeObject] = {}
        self._pods: dict[tuple[str, str], PodObject] = {}
        self._slots: dict[tuple[Kind, tuple[str, ...]], int] = {}
        self._names: dict[tuple[Kind, int], tuple[str, ...]] = {}
        self._open: rules.Sets = {}
        self._open_side: rules.Sets = {}
        self._sides = Sides(side_ns) if side_ns else None
        self._answered: set[str] = set()
        self._previous: NaiveBatch | None = None
        self._short: list[NaiveBatch] = []
        self._long: list[_LongEntry] = []

    # --- who is there ---------------------------------------------------------------------------

    def put_namespace(self, name: str, uid: str) -> int:
        self._namespaces[name] = uid
        return self._slot(Kind.NAMESPACE, name)

    def remove_namespace(self, name: str) -> int:
        self._namespaces.pop(name, None)
        return self._slot(Kind.NAMESPACE, name)

    def put_node(
        self,
        name: str,
        *,
        hostname: str,
        host_id: str,
        labels: str,
        stored: Sequence[tuple[str, str]] = (),
        unschedulable: bool = False,
        cpu_capacity_millicores: int = 0,
        cpu_allocatable_millicores: int = 0,
        memory_capacity_bytes: int = 0,
        memory_allocatable_bytes: int = 0,
    ) -> int:
        self._nodes[name] = NodeObject(
            name,
            hostname,
            host_id,
            labels,
            tuple(stored),
            unschedulable,
            cpu_capacity_millicores,
            cpu_allocatable_millicores,
            memory_capacity_bytes,
            memory_allocatable_bytes,
        )
        return self._slot(Kind.NODE, name)

    def remove_node(self, name: str) -> int:
        self._nodes.pop(name, None)
        return self._slot(Kind.NODE, name)

    def put_pod(
        self,
        namespace: str,
        name: str,
        *,
        uid: str,
        labels: str,
        stored: Sequence[tuple[str, str]] = (),
        start_ns: int = TIME_ZERO_NS,
        containers: Sequence[ContainerSpec] = (),
    ) -> int:
        specs = tuple(ContainerObject(*container) for container in containers)
        self._pods[namespace, name] = PodObject(namespace, name, uid, labels, tuple(stored), start_ns, specs)
        return self._slot(Kind.POD, namespace, name)

    def remove_pod(self, namespace: str, name: str) -> int:
        self._pods.pop((namespace, name), None)
        return self._slot(Kind.POD, namespace, name)

    def _slot(self, kind: Kind, *names: str) -> int:
        slot = self._slots.setdefault((kind, names), len(self._slots))
        self._names[kind, slot] = names
        return slot

    # --- samples --------------------------------------------------------------------------------

    def ingest(self, rows: Iterable[Row], node: int, now_ns: int, is_side: bool = False) -> int:
        """Takes one target's answer into the open batch; a second answer replaces what it names again.

        Args:
            rows: the answer, as Rows.to_dicts() gives it: one row a key.
            node: slot of the API node whose target answered.
            now_ns: when it was decoded; uptimes are measured to here.
            is_side: the rows are the side source's.

        Returns:
            The number of metric sets taken.
        """
        api_node = self._nodes.get(self._names[Kind.NODE, node][0])
        if api_node is None:
            raise StoreError(f"cannot ingest: node {self._names[Kind.NODE, node][0]!r} was removed")
        rows = list(rows)
        # Keys follow the name that the kubelet gives its node, labels the API server's (3.6).
        named = [row["name"] for row in rows if row["kind"] == "node" and row["name"]]
        node_name = named[0] if named else api_node.name
        taken: rules.Sets = {}
        for row in rows:
            kind, names = _entity_of(row, node_name)
            taken[key(kind, *names)] = self._set_of(row, kind, names, api_node, now_ns)
        if self._sides is not None:
            taken = {name: own_metrics(metric_set, is_side=is_side) for name, metric_set in taken.items()}
        if is_side:
            self._open_side |= taken
        else:
            self._open |= taken
            self._answered.add(api_node.name)
        return len(taken)

    def _set_of(self, row: Row, kind: Kind, names: tuple[str, ...], api_node: NodeObject, now_ns: int) -> MetricSet:
        labels = {
            "type": TYPE_LABEL[kind],
            "nodename": api_node.name,
            "hostname": api_node.hostname,
            "host_id": api_node.host_id,
        }
        if kind == Kind.NODE and self._schedulable:
            labels["schedulable"] = "false" if api_node.unschedulable else "true"
        if kind in (Kind.POD, Kind.POD_CONTAINER):
            labels |= {"namespace_name": names[0], "pod_name": names[1], "pod_id": row["uid"]}
        if kind in (Kind.SYS_CONTAINER, Kind.POD_CONTAINER):
            labels["container_name"] = names[-1]
        if kind == Kind.POD_CONTAINER and "image" in row:
            labels["container_base_image"] = row["image"]
        metric_set = MetricSet(labels, scrape_ns=_known(row["sample_ns"]), start_ns=_known(row["start_ns"]))
        metric_set.metrics |= row["metrics"]
        uptime = rules.milliseconds_since(metric_set.start_ns, now_ns)
        if uptime is not None:
            metric_set.metrics["uptime"] = uptime
        for custom in row["custom"]:
            metric_set.metrics[f"custom/{custom['name']}"] = custom["value"]
        for resource in row["resources"]:
            prefix, of_resource = _resource_of(resource)
            for name in _RESOURCE_VALUES[prefix]:
                if name in resource:
                    metric_set.labeled.append(Labeled(f"{prefix}{name}", of_resource, resource[name]))
        return metric_set

    # --- the tick -------------------------------------------------------------------------------

    def close(self, timestamp_ns: int) -> NaiveBatch:
        """Finishes the open batch and starts the next one. The store does not hold the batch yet."""
        previous = self._previous
        if previous is not None and timestamp_ns <= previous.timestamp_ns:
            raise StoreError(f"cannot close a batch stamped {timestamp_ns}: want later than {previous.timestamp_ns}")
        former = previous.metric_sets if previous is not None else {}
        sets = self._take_open(former, timestamp_ns)
        batch = self._previous = NaiveBatch(timestamp_ns, sets)
        rules.enrich_pods(sets, self._pods)
        rules.enrich_namespaces(sets, self._namespaces)
        rules.aggregate_pods(sets)
        rules.aggregate_namespaces(sets)
        rules.aggregate_nodes(sets)
        rules.aggregate_cluster(sets)
        rules.add_node_shares(sets, self._nodes.values())
        return batch

    def _take_open(self, former: rules.Sets, timestamp_ns: int) -> rules.Sets:
        """What the window's answers have made, with rates against the former batch."""
        sets, self._open = self._open, {}
        side, self._open_side = self._open_side, {}
        if self._sides is None:
            rules.date_samples(sets, timestamp_ns)
            rules.add_rates(sets, former, rules.summed_rates(former))
            return sets
        old_main, answered = self._sides.main, self._answered
        self._answered = set()

        def is_still_there(name: str, said: MetricSet) -> bool:
            node = former[name].labels["nodename"]
            if node not in self._nodes:
                return False
            kind = said.labels["type"]
            if kind not in ("pod", "pod_container"):
                return True
            pod = self._pods.get((said.labels["namespace_name"], said.labels["pod_name"]))
            if (said.labels["pod_id"] if pod is None else pod.uid) != former[name].labels["pod_id"]:
                return False
            has, had = (tells_of(of, name, kind) for of in (sets, old_main))
            if kind == "pod_container" and has and had and sets[name].start_ns != old_main[name].start_ns:
                return False
            return has or not had or node not in answered

        return close_sides(self._sides, sets, side, former, timestamp_ns, is_still_there)

    def commit(self, batch: NaiveBatch, now_ns: int) -> NaiveBatch:
        """Appends a closed batch, after letting go of what is too old at `now_ns` (6.1)."""
        self._short = [x for x in self._short if x.timestamp_ns > now_ns - self._short_retention_ns]
        self._long = [x for x in self._long if x.timestamp_ns > now_ns - self._long_retention_ns]
        self._short.append(batch)
        values = {
            name: {metric: value for metric, value in metric_set.metrics.items() if metric in self._long_metrics}
            for name, metric_set in batch.metric_sets.items()
        }
        self._long.append(_LongEntry(batch.timestamp_ns, values))
        return batch

    # --- questions ------------------------------------------------------------------------------

    @property
    def newest(self) -> NaiveBatch | None:
        return self._short[-1] if self._short else None

    def find(self, kind: int, *names: str) -> int:
        """Slot of an entity that some call or batch has named."""
        return self._slot(Kind(kind), *names)

    def metric_names(self, kind: int, slot: int) -> list[str]:
        """Metrics the entity has in any batch of the short class, those of its resources too (B11); sorted."""
        name = self._key_of(kind, slot)
        found: set[str] = set()
        for batch in self._short:
            if name in batch.metric_sets:
                metric_set = batch.metric_sets[name]
                found.update(metric_set.metrics, (entry.name for entry in metric_set.labeled))
        return sorted(found)

    def series(self, kind: int, slot: int, metric: str, start_ns: int, end_ns: int) -> Series:
        """Points of one plain metric, both ends included, in the order the batches came."""
        name = self._key_of(kind, slot)
        if metric in self._long_metrics:
            points = [(entry.timestamp_ns, entry.values.get(name, {})) for entry in self._long]
        else:
            points = [(x.timestamp_ns, x.metric_sets[name].metrics) for x in self._short if name in x.metric_sets]
        return [(at, values[metric]) for at, values in points if metric in values and start_ns <= at <= end_ns]

    def resource_series(
        self, kind: int, slot: int, metric: str, labels: Mapping[str, str], start_ns: int, end_ns: int
    ) -> Series:
        """Points of one labeled metric whose labels are exactly `labels`."""
        name = self._key_of(kind, slot)
        return [
            (batch.timestamp_ns, entry.value)
            for batch in self._short
            if start_ns <= batch.timestamp_ns <= end_ns and name in batch.metric_sets
            for entry in batch.metric_sets[name].labeled
            if entry.name == metric and entry.labels == dict(labels)
        ]

    def _key_of(self, kind: int, slot: int) -> str:
        return key(Kind(kind), *self._names[Kind(kind), slot])


def _entity_of(row: Row, node_name: str) -> tuple[Kind, tuple[str, ...]]:
    """Kind of the row's entity, and its names from the outside in."""
    match row["kind"]:
        case "node":
            return Kind.NODE, (node_name,)
        case "sys_container":
            return Kind.SYS_CONTAINER, (node_name, row["name"])
        case "pod":
            return Kind.POD, (row["namespace"], row["name"])
        case "pod_container":
            return Kind.POD_CONTAINER, (row["namespace"], row["pod"], row["name"])
    raise ValueError(f"BUG: no row is of kind {row['kind']!r}")


def _known(time_ns: int | None) -> int:
    return TIME_ZERO_NS if time_ns is None else time_ns


def _resource_of(resource: Row) -> tuple[str, dict[str, str]]:
    """Prefix of a resource's metrics, and their labels (1.4)."""
    match resource["type"]:
        case "filesystem":
            return "filesystem/", {"resource_id": resource["id"]}
        case "volume":
            return "filesystem/", {"resource_id": f"Volume:{resource['id']}"}
        case "disk":
            return "disk/io_", {"resource_id": resource["id"]}
        case "accelerator":
            who = {"make": resource["make"], "model": resource["model"], "accelerator_id": resource["id"]}
            return "accelerator/", who
    raise ValueError(f"BUG: no resource is of type {resource['type']!r}")
