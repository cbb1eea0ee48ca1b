"""The columns that kubectl prints.

In      a Node, Pod, Namespace or ConfigMap, and the time
Out     column definitions and cells of a `Table`
Callers resources.py
Source  spec/metrics-k8s-io.md 6; priority 1 columns show with `-o wide`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from heapfast.sim.cluster import Namespace, Node, Pod
    from heapfast.sim.config_maps import ConfigMap


def _column(name: str, priority: int = 0) -> dict[str, Any]:
    return {"name": name, "type": "string", "format": "", "description": "", "priority": priority}


POD_COLUMNS: Final = [
    _column("Name"), _column("Ready"), _column("Status"), _column("Restarts"), _column("Age"),
    _column("IP", 1), _column("Node", 1),
]  # fmt: skip
NODE_COLUMNS: Final = [
    _column("Name"), _column("Status"), _column("Roles"), _column("Age"), _column("Version"), _column("Internal-IP", 1),
]  # fmt: skip
NAMESPACE_COLUMNS: Final = [_column("Name"), _column("Status"), _column("Age")]
CONFIG_MAP_COLUMNS: Final = [_column("Name"), _column("Data")]


def age(from_ms: int, now_ms: int) -> str:
    """A span as kubectl writes it, in its largest unit."""
    seconds = max(0, now_ms - from_ms) // 1000
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def pod_cells(pod: Pod, now_ms: int) -> list[Any]:
    containers = len(pod.workload.containers)
    ready = containers if pod.start_ms else 0
    serial = pod.serial
    ip = f"10.{serial >> 16 & 255}.{serial >> 8 & 255}.{serial & 255}" if pod.start_ms else "<none>"
    return [pod.name, f"{ready}/{containers}", pod.phase, "0", age(pod.created_ms, now_ms), ip, pod.node.name]


def node_cells(node: Node, now_ms: int) -> list[Any]:
    status = "Ready" if node.ready else "NotReady"
    if node.unschedulable:
        status += ",SchedulingDisabled"
    return [node.name, status, "<none>", age(node.host.boot_ms, now_ms), "v1.32.4", node.host.address]


def namespace_cells(namespace: Namespace, now_ms: int) -> list[Any]:
    return [namespace.name, "Active", age(namespace.created_ms, now_ms)]


def config_map_cells(config_map: ConfigMap, now_ms: int) -> list[Any]:
    return [config_map.name, str(len(config_map.data))]
