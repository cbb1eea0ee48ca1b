"""Every metric heapfast knows by name, with type, unit and group.

In      nothing; this is a table
Out     Metric rows; CATALOG in order of metric id, so that CATALOG[i].id == i
Callers everyone who has a metric's name; _types.pxd has the same numbering for compiled code
Source  spec/heapster-pipeline.md 2.1 and 2.2
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Type = Literal["cumulative", "gauge", "delta"]
ValueType = Literal["int64", "double"]
Group = Literal["standard", "additional", "rate", "labeled", "node_autoscaling", "none"]


class Metric(NamedTuple):
    """One metric of the catalogue.

    Attributes:
        id: column number in batches.
        name: as in URLs and sinks.
        type: what the metric is declared to be.
        stored_type: what its values are marked as, which differs for a few (spec 2.1).
        unit: "", "bytes", "ms" or "ns"; Heapster has no unit for millicores and counts.
        labels: keys of the labels on its samples.
        description: for people, in metric-export-schema.
    """

    id: int
    name: str
    type: Type
    value_type: ValueType
    unit: str
    group: Group
    description: str
    labels: tuple[str, ...] = ()
    stored_type: Type = "gauge"


_RESOURCE = ("resource_id",)
_ACCELERATOR = ("make", "model", "accelerator_id")


def _table() -> tuple[Metric, ...]:
    rows: list[Metric] = []

    def add(
        name: str,
        type_: Type,
        value_type: ValueType,
        unit: str,
        group: Group,
        description: str,
        labels: tuple[str, ...] = (),
        stored_type: Type | None = None,
    ) -> None:
        rows.append(Metric(len(rows), name, type_, value_type, unit, group, description, labels, stored_type or type_))

    def cumulative(name: str, unit: str, description: str) -> None:
        add(name, "cumulative", "int64", unit, "standard", description)

    def gauge(name: str, unit: str, group: Group, description: str) -> None:
        add(name, "gauge", "int64", unit, group, description)

    def ratio(name: str, group: Group, description: str) -> None:
        add(name, "gauge", "double", "", group, description)

    def resource(name: str, unit: str, description: str, labels: tuple[str, ...] = _RESOURCE) -> None:
        add(name, "gauge", "int64", unit, "labeled", description, labels)

    def disk(name: str, what: str) -> None:
        # Declared cumulative, stored as gauge: metric-export shows it (spec/heapster-rest.md 6.5).
        add(name, "cumulative", "int64", "bytes", "labeled", f"Bytes {what} one disk so far.", _RESOURCE, "gauge")
        add(f"{name}_rate", "gauge", "double", "", "labeled", f"Bytes {what} one disk per second.", _RESOURCE)

    cumulative("uptime", "ms", "Milliseconds since the entity started.")
    cumulative("cpu/usage", "ns", "CPU time used since the start, over all cores.")
    gauge("memory/usage", "bytes", "standard", "Memory in use, page cache included.")
    gauge("memory/rss", "bytes", "standard", "Anonymous memory that is resident.")
    gauge("memory/cache", "bytes", "standard", "Page cache.")
    gauge("memory/working_set", "bytes", "standard", "Memory in use that the kernel cannot easily take back.")
    cumulative("memory/page_faults", "", "Page faults since the start.")
    cumulative("memory/major_page_faults", "", "Page faults since the start that had to read from disk.")
    cumulative("network/rx", "bytes", "Bytes received since the start.")
    cumulative("network/rx_errors", "", "Errors while receiving since the start.")
    cumulative("network/tx", "bytes", "Bytes sent since the start.")
    cumulative("network/tx_errors", "", "Errors while sending since the start.")
    gauge("cpu/request", "", "additional", "CPU that is requested, in millicores.")
    gauge("cpu/limit", "", "additional", "CPU limit in millicores, 0 for none.")
    gauge("memory/request", "bytes", "additional", "Memory that is requested.")
    gauge("memory/limit", "bytes", "additional", "Memory limit, 0 for none.")
    gauge("cpu/usage_rate", "", "rate", "CPU use in millicores.")
    ratio("memory/page_faults_rate", "rate", "Page faults per second.")
    ratio("memory/major_page_faults_rate", "rate", "Page faults per second that had to read from disk.")
    ratio("network/rx_rate", "rate", "Bytes received per second.")
    ratio("network/rx_errors_rate", "rate", "Errors while receiving per second.")
    ratio("network/tx_rate", "rate", "Bytes sent per second.")
    ratio("network/tx_errors_rate", "rate", "Errors while sending per second.")
    add("restart_count", "cumulative", "int64", "", "none", "Restarts of the container.", (), "gauge")
    ratio("cpu/node_capacity", "node_autoscaling", "CPU of the node, in millicores.")
    ratio("memory/node_capacity", "node_autoscaling", "Memory of the node, in bytes.")
    ratio("cpu/node_allocatable", "node_autoscaling", "CPU of the node that pods may have, in millicores.")
    ratio("memory/node_allocatable", "node_autoscaling", "Memory of the node that pods may have, in bytes.")
    ratio("cpu/node_utilization", "node_autoscaling", "CPU in use as a share of what is allocatable.")
    ratio("memory/node_utilization", "node_autoscaling", "Memory in use as a share of what is allocatable.")
    ratio("cpu/node_reservation", "node_autoscaling", "CPU that pods request as a share of what is allocatable.")
    ratio("memory/node_reservation", "node_autoscaling", "Memory that pods request as a share of what is allocatable.")
    disk("disk/io_read_bytes", "read from")
    disk("disk/io_write_bytes", "written to")
    resource("filesystem/usage", "bytes", "Bytes in use on a filesystem.")
    resource("filesystem/limit", "bytes", "Size of a filesystem.")
    resource("filesystem/available", "bytes", "Bytes still free on a filesystem.")
    resource("filesystem/inodes", "bytes", "Inodes of a filesystem.")
    resource("filesystem/inodes_free", "bytes", "Inodes still free on a filesystem.")
    resource("accelerator/memory_total", "bytes", "Memory of an accelerator.", _ACCELERATOR)
    resource("accelerator/memory_used", "bytes", "Memory of an accelerator in use.", _ACCELERATOR)
    resource(
        "accelerator/duty_cycle", "", "Per cent of the last sampling period an accelerator was busy.", _ACCELERATOR
    )
    return tuple(rows)


CATALOG: Final = _table()
BY_NAME: Final = {metric.name: metric for metric in CATALOG}

#: Source counter -> its rate (spec 2.2).
RATE_OF: Final = {
    name: f"{name}_rate"
    for name in (
        "cpu/usage",
        "memory/page_faults",
        "memory/major_page_faults",
        "network/rx",
        "network/rx_errors",
        "network/tx",
        "network/tx_errors",
        "disk/io_read_bytes",
        "disk/io_write_bytes",
    )
}

#: What URLs may say -> what the store calls it (spec/heapster-rest.md 5.1).
DEPRECATED: Final = {
    "cpu-usage": "cpu/usage_rate",
    "cpu-limit": "cpu/limit",
    "memory-limit": "memory/limit",
    "memory-usage": "memory/usage",
    "memory-working": "memory/working_set",
}

CUSTOM_PREFIX: Final = "custom/"


def group(name: Group) -> tuple[Metric, ...]:
    """The metrics of one group, in order of id."""
    return tuple(metric for metric in CATALOG if metric.group == name)
