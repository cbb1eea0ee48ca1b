"""A small cluster in rows: short ways to write what a target answers and what the API server says.

In      names and numbers
Out     rows as Rows.to_dicts() gives them, and the objects that engines put into their store
Callers the case tables of this folder
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heapfast.units import TIME_ZERO_NS

SECOND_NS = 1_000_000_000

#: 2017-12-11T10:00:00Z, the T0 of spec section 8.
T0_NS = 1_512_986_400 * SECOND_NS

#: When everything began, unless a row says otherwise.
START_NS = T0_NS - 3600 * SECOND_NS

Row = dict[str, Any]
Values = dict[str, int]


def _row(kind: str, name: str, metrics: Values | None, at_ns: int, start_ns: int, **more: Any) -> Row:
    return {
        "kind": kind,
        "name": name,
        "start_ns": None if start_ns == TIME_ZERO_NS else start_ns,
        "sample_ns": None if at_ns == TIME_ZERO_NS else at_ns,
        "metrics": metrics or {},
        "resources": [],
        "custom": [],
    } | more


def node(
    name: str = "n1", metrics: Values | None = None, *, at: int = T0_NS, start: int = START_NS, **more: Any
) -> Row:
    return _row("node", name, metrics, at, start, **more)


def system(name: str, metrics: Values | None = None, *, at: int = T0_NS, start: int = START_NS, **more: Any) -> Row:
    return _row("sys_container", name, metrics, at, start, **more)


def pod(
    namespace: str, name: str, metrics: Values | None = None, *, at: int = T0_NS, start: int = START_NS, **more: Any
) -> Row:
    return _row("pod", name, metrics, at, start, **({"namespace": namespace, "uid": f"kubelet-{name}"} | more))


def container(
    namespace: str,
    pod_name: str,
    name: str,
    metrics: Values | None = None,
    *,
    at: int = T0_NS,
    start: int = START_NS,
    **more: Any,
) -> Row:
    where = {"namespace": namespace, "pod": pod_name, "uid": f"kubelet-{pod_name}"}
    return _row("pod_container", name, metrics, at, start, **(where | more))


def resource(type_: str, id_: str, **members: Any) -> Row:
    return {"type": type_, "id": id_, **members}


def custom(name: str, value: int | float, type_: str = "gauge") -> Row:
    return {"name": name, "type": type_, "value": value}


@dataclass(frozen=True)
class Node:
    """An API node; its name is also its host's unless said."""

    name: str = "n1"
    hostname: str = "n1.example"
    host_id: str = "i-0abc"
    labels: str = ""
    cpu_capacity_millicores: int = 0
    cpu_allocatable_millicores: int = 0
    memory_capacity_bytes: int = 0
    memory_allocatable_bytes: int = 0


@dataclass(frozen=True)
class Spec:
    """A container of a pod's spec; restarts -1: the status does not mention it."""

    name: str
    image: str = "image:1"
    cpu_request_millicores: int = 0
    cpu_limit_millicores: int = 0
    memory_request_bytes: int = 0
    memory_limit_bytes: int = 0
    restarts: int = -1

    def as_tuple(self) -> tuple[str, str, int, int, int, int, int, bool]:
        requests = (
            self.cpu_request_millicores,
            self.cpu_limit_millicores,
            self.memory_request_bytes,
            self.memory_limit_bytes,
        )
        return (self.name, self.image, *requests, self.restarts, False)


@dataclass(frozen=True)
class Pod:
    """An API pod."""

    namespace: str
    name: str
    containers: tuple[Spec, ...] = ()
    uid: str = "uid-1"
    labels: str = ""
    start: int = TIME_ZERO_NS


@dataclass(frozen=True)
class Namespace:
    """An API namespace."""

    name: str
    uid: str


Object = Node | Pod | Namespace
