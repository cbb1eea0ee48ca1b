"""What the naive store keeps: API objects as they were put, and metric sets.

In      values
Out     dataclasses without behaviour, but for how a set prints itself
Callers the other modules of this folder
Source  spec/heapster-pipeline.md 1.2 to 1.4
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from heapfast.units import TIME_ZERO_NS

Value = int | float


@dataclass
class Labeled:
    """One value of one filesystem, volume, disk or accelerator."""

    name: str
    labels: dict[str, str]
    value: Value


@dataclass
class MetricSet:
    """All values of one entity at one time."""

    labels: dict[str, str]
    scrape_ns: int = TIME_ZERO_NS
    create_ns: int = TIME_ZERO_NS
    start_ns: int = TIME_ZERO_NS
    since_ns: int = TIME_ZERO_NS  # stamp of the batch in which scrape_ns was new
    metrics: dict[str, Value] = field(default_factory=dict)
    labeled: list[Labeled] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The shape that Batch.sets() gives; unknown times are None."""

        def known(time_ns: int) -> int | None:
            return None if time_ns == TIME_ZERO_NS else time_ns

        return {
            "scrape_time_ns": known(self.scrape_ns),
            "create_time_ns": known(self.create_ns),
            "start_time_ns": known(self.start_ns),
            "labels": dict(self.labels),
            "metrics": dict(self.metrics),
            "labeled": [{"name": x.name, "labels": dict(x.labels), "value": x.value} for x in self.labeled],
        }


@dataclass(frozen=True)
class NodeObject:
    """A node as the API server states it; 0 = unknown."""

    name: str
    hostname: str
    host_id: str
    labels: str
    stored: tuple[tuple[str, str], ...]
    unschedulable: bool
    cpu_capacity_millicores: int
    cpu_allocatable_millicores: int
    memory_capacity_bytes: int
    memory_allocatable_bytes: int


@dataclass(frozen=True)
class ContainerObject:
    """A container of a pod's spec, with what the pod's status says of it.

    Attributes:
        restart_count: -1 when the status does not mention the container.
    """

    name: str
    image: str
    cpu_request_millicores: int
    cpu_limit_millicores: int
    memory_request_bytes: int
    memory_limit_bytes: int
    restart_count: int
    terminated: bool


@dataclass(frozen=True)
class PodObject:
    """A pod as the API server states it."""

    namespace: str
    name: str
    uid: str
    labels: str
    stored: tuple[tuple[str, str], ...]
    start_ns: int
    containers: tuple[ContainerObject, ...]
