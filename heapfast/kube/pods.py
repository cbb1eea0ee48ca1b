"""Pods: who they are, where they run, and what their containers ask for.

In      PodObject, as the API server states it
Out     Pod: plain data for the store
Callers watch (through PODS), which hands the results to a Consumer
Source  spec/heapster-pipeline.md 5.2.2 and 5.2.3
Never   filters by phase: a completed pod that its kubelet still reports is enriched like any other
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from heapfast.kube.objects import (
    ContainerObject,
    ContainerStatus,
    PodObject,
    PodObjectSpec,
    PodObjectStatus,
    ResourceRequirements,
)
from heapfast.kube.quantities import read_amounts
from heapfast.kube.resource import Resource
from heapfast.units import datetime_to_ns

NO_STATUS: Final = -1


class Container(NamedTuple):
    """One container of a pod's spec; also what Store.put_pod takes, in this order.

    Requests and limits are 0 where nothing is stated. `restart_count` is NO_STATUS while the
    pod's status does not list the container.
    """

    name: str
    image: str
    cpu_request_millicores: int
    cpu_limit_millicores: int
    memory_request_bytes: int
    memory_limit_bytes: int
    restart_count: int
    terminated: bool


class Pod(Struct, frozen=True, gc=False, kw_only=True):
    """One pod, known by namespace and name.

    Attributes:
        node_name: where it is scheduled; empty while it is not.
        phase: "Pending", "Running", "Succeeded", "Failed", "Unknown" or empty.
        start_ns: status.startTime in Unix nanoseconds, TIME_ZERO_NS while it has none.
        containers: those of the spec in its order, without init and ephemeral containers.
        faults: members that could not be read and count as 0.
    """

    namespace: str
    name: str
    uid: str
    labels: dict[str, str]
    node_name: str
    phase: str
    start_ns: int
    containers: tuple[Container, ...]
    faults: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


_EMPTY_SPEC: Final = PodObjectSpec()
_EMPTY_STATUS: Final = PodObjectStatus()
_EMPTY_RESOURCES: Final = ResourceRequirements()


def read_pod(pod: PodObject) -> Pod:
    """Turn a pod object into plain data; a ValueError says that it lacks a name or namespace."""
    metadata = pod.metadata
    if not metadata.name or not metadata.namespace:
        raise ValueError(f"a pod without a {'namespace' if metadata.name else 'name'}")
    spec = pod.spec or _EMPTY_SPEC
    status = pod.status or _EMPTY_STATUS
    faults: list[str] = []
    statuses = {entry.name: entry for entry in status.container_statuses or ()}
    return Pod(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid or "",
        labels=metadata.labels or {},
        node_name=spec.node_name or "",
        phase=status.phase or "",
        start_ns=datetime_to_ns(status.start_time),
        containers=tuple(
            [_read_container(container, statuses.get(container.name), faults) for container in spec.containers or ()]
        ),
        faults=tuple(faults),
    )


def _read_container(container: ContainerObject, status: ContainerStatus | None, faults: list[str]) -> Container:
    resources = container.resources or _EMPTY_RESOURCES
    cpu_request_millicores, memory_request_bytes = read_amounts(
        resources.requests, f"container {container.name} requests", faults
    )
    cpu_limit_millicores, memory_limit_bytes = read_amounts(
        resources.limits, f"container {container.name} limits", faults
    )
    return Container(
        container.name,
        container.image or "",
        cpu_request_millicores,
        cpu_limit_millicores,
        memory_request_bytes,
        memory_limit_bytes,
        NO_STATUS if status is None else status.restart_count or 0,
        status is not None and status.state is not None and status.state.terminated is not None,
    )


PODS: Final = Resource("pods", "/api/v1/pods", PodObject, read_pod)
