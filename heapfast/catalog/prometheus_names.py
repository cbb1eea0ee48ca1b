"""What a metric of the catalogue is called in Prometheus: families, base units and labels.

In      a kind of entity and a metric's name
Out     Families: the sample's name, its type, and what a value is divided by to get there; and the way back
Callers whatever speaks exposition format, remote write or PromQL; tests hold docs/exposition.md against it
Source  docs/exposition.md, which is ours; Prometheus' naming practices and OpenMetrics 1.0 for what a name must be
Never   asks which entities have samples

    heapfast_pod_network_receive_bytes_total{namespace="shop",pod="web-1",uid="6f…",node="n1"}
    |------| |-| |-------------| |---| |---|
     prefix  kind    metric      unit   counters only

The kind is part of the name: a pod's memory is the sum of its containers', and a sum over a family that held both
would count everything twice.
"""

from __future__ import annotations

import functools
import re
from typing import Final, Literal, NamedTuple

from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME, CATALOG, CUSTOM_PREFIX

PREFIX: Final = "heapfast_"

#: What a kind is called in a family's name. Resources are named after their owner.
KIND_NAMES: Final = {
    Kind.CLUSTER: "cluster",
    Kind.NAMESPACE: "namespace",
    Kind.NODE: "node",
    Kind.POD: "pod",
    Kind.POD_CONTAINER: "container",
    Kind.SYS_CONTAINER: "system_container",
}

#: Names of the labels that say whose a sample is, by kind. A labelled metric has those of its catalogue row besides.
ENTITY_LABELS: Final = {
    Kind.CLUSTER: (),
    Kind.NAMESPACE: ("namespace",),
    Kind.NODE: ("node",),
    Kind.POD: ("namespace", "pod", "uid", "node"),
    Kind.POD_CONTAINER: ("namespace", "pod", "container", "uid", "node"),
    Kind.SYS_CONTAINER: ("node", "container"),
}

FamilyType = Literal["counter", "gauge", "unknown"]


class Family(NamedTuple):
    """One metric of one kind of entity, as Prometheus knows it.

    Attributes:
        name: of the samples; a counter's ends in `_total`.
        type: "unknown" (in the older text format "untyped") where nobody told, as with custom metrics.
        unit: base unit, which the name ends in but for `_total`; "" for plain counts.
        divisor: a stored value divided by it is in that unit.
        kind: whose it is.
        metric: as the store calls it.
        help: one line for people.
        labels: names of all labels, in order; a label whose value is not known is left out of a sample.
    """

    name: str
    type: FamilyType
    unit: str
    divisor: int
    kind: Kind
    metric: str
    help: str
    labels: tuple[str, ...]

    @property
    def openmetrics_name(self) -> str:
        """The family's name in OpenMetrics, which has counters without their `_total`."""
        return self.name.removesuffix("_total") if self.type == "counter" else self.name


class _Row(NamedTuple):
    name: str
    unit: str
    divisor: int
    type: FamilyType
    help: str


def _gauge(name: str, unit: str, text: str, divisor: int = 1) -> _Row:
    return _Row(f"{name}_{unit}" if unit else name, unit, divisor, "gauge", text)


def _counter(name: str, unit: str, text: str, divisor: int = 1) -> _Row:
    return _Row(f"{name}_{unit}_total" if unit else f"{name}_total", unit, divisor, "counter", text)


def _per_second(name: str, text: str) -> _Row:
    return _Row(f"{name}_per_second", "", 1, "gauge", text)


# Types are what a value does, not what Heapster's table declares: disks count up, and so do restarts.
_ROWS: Final = {
    "uptime": _gauge("uptime", "seconds", "Time since the entity started.", 1000),
    "cpu/usage": _counter("cpu_usage", "seconds", "CPU time used, over all cores.", 1_000_000_000),
    "memory/usage": _gauge("memory_usage", "bytes", "Memory in use, page cache included."),
    "memory/rss": _gauge("memory_rss", "bytes", "Anonymous memory that is resident."),
    "memory/cache": _gauge("memory_cache", "bytes", "Page cache."),
    "memory/working_set": _gauge(
        "memory_working_set", "bytes", "Memory in use that the kernel cannot easily take back."
    ),
    "memory/page_faults": _counter("memory_page_faults", "", "Page faults."),
    "memory/major_page_faults": _counter("memory_major_page_faults", "", "Page faults that had to read from disk."),
    "network/rx": _counter("network_receive", "bytes", "Bytes received."),
    "network/rx_errors": _counter("network_receive_errors", "", "Errors while receiving."),
    "network/tx": _counter("network_transmit", "bytes", "Bytes sent."),
    "network/tx_errors": _counter("network_transmit_errors", "", "Errors while sending."),
    "cpu/request": _gauge("cpu_request", "cores", "CPU that is requested.", 1000),
    "cpu/limit": _gauge("cpu_limit", "cores", "CPU limit, 0 for none.", 1000),
    "memory/request": _gauge("memory_request", "bytes", "Memory that is requested."),
    "memory/limit": _gauge("memory_limit", "bytes", "Memory limit, 0 for none."),
    "cpu/usage_rate": _gauge("cpu_usage", "cores", "CPU in use, between the last two samples.", 1000),
    "memory/page_faults_rate": _per_second("memory_page_faults", "Page faults per second."),
    "memory/major_page_faults_rate": _per_second(
        "memory_major_page_faults", "Page faults per second that had to read from disk."
    ),
    "network/rx_rate": _per_second("network_receive_bytes", "Bytes received per second."),
    "network/rx_errors_rate": _per_second("network_receive_errors", "Errors per second while receiving."),
    "network/tx_rate": _per_second("network_transmit_bytes", "Bytes sent per second."),
    "network/tx_errors_rate": _per_second("network_transmit_errors", "Errors per second while sending."),
    "restart_count": _counter("restarts", "", "Restarts of containers."),
    "cpu/node_capacity": _gauge("cpu_capacity", "cores", "CPU of the node.", 1000),
    "memory/node_capacity": _gauge("memory_capacity", "bytes", "Memory of the node."),
    "cpu/node_allocatable": _gauge("cpu_allocatable", "cores", "CPU of the node that pods may have.", 1000),
    "memory/node_allocatable": _gauge("memory_allocatable", "bytes", "Memory of the node that pods may have."),
    "cpu/node_utilization": _gauge("cpu_utilization", "ratio", "CPU in use as a share of what is allocatable."),
    "memory/node_utilization": _gauge(
        "memory_utilization", "ratio", "Memory in use as a share of what is allocatable."
    ),
    "cpu/node_reservation": _gauge(
        "cpu_reservation", "ratio", "CPU that pods request as a share of what is allocatable."
    ),
    "memory/node_reservation": _gauge(
        "memory_reservation", "ratio", "Memory that pods request as a share of what is allocatable."
    ),
    "disk/io_read_bytes": _counter("disk_read", "bytes", "Bytes read from one disk."),
    "disk/io_read_bytes_rate": _per_second("disk_read_bytes", "Bytes read from one disk per second."),
    "disk/io_write_bytes": _counter("disk_written", "bytes", "Bytes written to one disk."),
    "disk/io_write_bytes_rate": _per_second("disk_written_bytes", "Bytes written to one disk per second."),
    "filesystem/usage": _gauge("filesystem_usage", "bytes", "Bytes in use on a filesystem."),
    "filesystem/limit": _gauge("filesystem_size", "bytes", "Size of a filesystem."),
    "filesystem/available": _gauge("filesystem_available", "bytes", "Bytes still free on a filesystem."),
    # Heapster calls these bytes. They are inodes.
    "filesystem/inodes": _gauge("filesystem_inodes", "", "Inodes of a filesystem."),
    "filesystem/inodes_free": _gauge("filesystem_inodes_free", "", "Inodes still free on a filesystem."),
    "accelerator/memory_total": _gauge("accelerator_memory_size", "bytes", "Memory of an accelerator."),
    "accelerator/memory_used": _gauge("accelerator_memory_used", "bytes", "Memory of an accelerator in use."),
    "accelerator/duty_cycle": _gauge(
        "accelerator_duty_cycle", "ratio", "Share of the last sampling period that an accelerator was busy.", 100
    ),
}


def _family(kind: Kind, metric: str) -> Family:
    row = _ROWS[metric]
    name = f"{PREFIX}{KIND_NAMES[kind]}_{row.name}"
    labels = ENTITY_LABELS[kind] + BY_NAME[metric].labels
    return Family(name, row.type, row.unit, row.divisor, kind, metric, row.help, labels)


#: Every metric of the catalogue for every kind, in order of both. Labelled ones stand under the resource's owner.
FAMILIES: Final = {(kind, metric.name): _family(kind, metric.name) for kind in KIND_NAMES for metric in CATALOG}
BY_SAMPLE_NAME: Final = {family.name: family for family in FAMILIES.values()}

_CUSTOM: Final = "custom_"
_PLAIN: Final = re.compile("(?!U__)[A-Za-z0-9_]+", re.ASCII)
_ESCAPE: Final = re.compile("__|_([0-9A-F]{1,6})_", re.ASCII)
_SAMPLE_NAME: Final = re.compile(f"{PREFIX}({'|'.join(sorted(KIND_NAMES.values()))})_{_CUSTOM}(.+)", re.ASCII)
_KIND_OF_NAME: Final = {name: kind for kind, name in KIND_NAMES.items()}


def family_of(kind: Kind, metric: str) -> Family:
    """Return the family of a kind's metric; for a labelled one, of the resource's owner.

    Raises:
        KeyError: neither a metric of the catalogue nor a custom one; nor is a resource a kind of its own here.
    """
    if metric.startswith(CUSTOM_PREFIX) and kind in KIND_NAMES:
        return _custom(kind, metric)
    return FAMILIES[kind, metric]


def find_metric(sample_name: str) -> tuple[Kind, str] | None:
    """Return the kind and metric behind a sample's name, None when it is none of ours."""
    family = BY_SAMPLE_NAME.get(sample_name)
    if family is not None:
        return family.kind, family.metric
    match = _SAMPLE_NAME.fullmatch(sample_name)
    if not match:
        return None
    kind, name = _KIND_OF_NAME[match[1]], _unescaped(match[2])
    # A name that is escaped without need is not what this module writes.
    if name and family_of(kind, CUSTOM_PREFIX + name).name == sample_name:
        return kind, CUSTOM_PREFIX + name
    return None


# Custom metrics are named by whoever runs a pod: few at a time (the store has room for 212), but new ones for ever.
@functools.lru_cache(maxsize=4096)
def _custom(kind: Kind, metric: str) -> Family:
    name = _escaped(metric.removeprefix(CUSTOM_PREFIX))
    return Family(
        f"{PREFIX}{KIND_NAMES[kind]}_{_CUSTOM}{name}",
        "unknown",
        "",
        1,
        kind,
        metric,
        f"Custom metric {metric.removeprefix(CUSTOM_PREFIX)} of the pod's own.",
        ENTITY_LABELS[kind],
    )


def _escaped(name: str) -> str:
    """A name of letters, digits and underscores as it is, any other in Prometheus' own escaping of UTF-8 names."""
    if _PLAIN.fullmatch(name):
        return name
    return "U__" + "".join(_escaped_letter(letter) for letter in name)


def _escaped_letter(letter: str) -> str:
    if letter == "_":
        return "__"
    if letter.isascii() and letter.isalnum():
        return letter
    return f"_{ord(letter):X}_"


def _unescaped(name: str) -> str:
    """The way back. What nobody has escaped may come out as anything."""
    if not name.startswith("U__"):
        return name
    return _ESCAPE.sub(_unescaped_letter, name[len("U__") :])


def _unescaped_letter(match: re.Match[str]) -> str:
    if not match[1]:
        return "_"
    code = int(match[1], 16)
    return chr(code) if code < 0x110000 else ""
