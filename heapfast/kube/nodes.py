"""Nodes: which are scraped, at what address, under what names.

In      NodeObject, as the API server states it
Out     Node: plain data for the store and for the scrape manager
Callers watch (through nodes_resource()), which hands the results to a Consumer; places.py (preferred_address)
Source  spec/heapster-pipeline.md 3.3; host_id_annotation: its appendix A, release 1.5.4
Never   decides on ports or schemes, which are options of the source
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from heapfast.kube.objects import NodeAddress, NodeObject, NodeObjectSpec, NodeObjectStatus
from heapfast.kube.quantities import read_amounts
from heapfast.kube.resource import Resource

NODES_PATH: Final = "/api/v1/nodes"

#: Names another path than /metrics/resource; KWOK's nodes have it.
METRICS_PATH_ANNOTATION: Final = "metrics.k8s.io/resource-metrics-path"


class Node(Struct, frozen=True, gc=False, kw_only=True):
    """One node, known by its name.

    Attributes:
        hostname: the last address of type Hostname, else the name.
        host_id: spec.externalID, else the annotation that an option names; may be empty.
        ip: where its kubelet listens, in canonical form; None when no address will do.
        ip_fault: why there is no ip; None when there is one.
        ready: False only when the node says that it is not; one that says nothing is used.
        unschedulable: cordoned; such a node is scraped all the same.
        addresses: all that its status lists, as (type, address), in order.
        kubelet_port: the port its kubelet states, 0 when it states none.
        metrics_path: where its kubelet has resource metrics, by annotation; "" for the usual place.
        faults: members that could not be read and count as 0.
    """

    name: str
    uid: str
    labels: dict[str, str]
    hostname: str
    host_id: str
    ip: str | None
    ip_fault: str | None
    ready: bool
    unschedulable: bool
    addresses: tuple[tuple[str, str], ...]
    kubelet_port: int
    metrics_path: str
    kubelet_version: str
    cpu_capacity_millicores: int
    cpu_allocatable_millicores: int
    memory_capacity_bytes: int
    memory_allocatable_bytes: int
    faults: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.name

    @property
    def skip_reason(self) -> str | None:
        """Why the node is not scraped, None when it is."""
        if not self.ready:
            return "condition Ready is not True"
        return self.ip_fault


def nodes_resource(host_id_annotation: str = "") -> Resource[NodeObject, Node]:
    """The nodes of a cluster, for a Reflector.

    Args:
        host_id_annotation: annotation that gives host_id where spec.externalID is empty; "" for none.
    """
    return Resource("nodes", NODES_PATH, NodeObject, partial(read_node, host_id_annotation=host_id_annotation))


def read_node(node: NodeObject, *, host_id_annotation: str = "") -> Node:
    """Turn a node object into plain data; a ValueError says that it has no name."""
    metadata = node.metadata
    if not metadata.name:
        raise ValueError("a node without a name")
    spec = node.spec or NodeObjectSpec()
    status = node.status or NodeObjectStatus()
    addresses = status.addresses or []
    faults: list[str] = []
    cpu_capacity_millicores, memory_capacity_bytes = read_amounts(status.capacity, "capacity", faults)
    cpu_allocatable_millicores, memory_allocatable_bytes = read_amounts(status.allocatable, "allocatable", faults)
    ip, ip_fault = choose_ip(addresses)
    endpoint = status.daemon_endpoints and status.daemon_endpoints.kubelet_endpoint
    return Node(
        name=metadata.name,
        uid=metadata.uid or "",
        labels=metadata.labels or {},
        hostname=choose_hostname(metadata.name, addresses),
        host_id=spec.external_id or (metadata.annotations or {}).get(host_id_annotation, ""),
        ip=ip,
        ip_fault=ip_fault,
        ready=all(condition.status == "True" for condition in status.conditions or [] if condition.type == "Ready"),
        unschedulable=bool(spec.unschedulable),
        addresses=tuple([(address.type or "", address.address or "") for address in addresses]),
        metrics_path=(metadata.annotations or {}).get(METRICS_PATH_ANNOTATION, ""),
        kubelet_port=(endpoint and endpoint.port) or 0,
        kubelet_version=(status.node_info and status.node_info.kubelet_version) or "",
        cpu_capacity_millicores=cpu_capacity_millicores,
        cpu_allocatable_millicores=cpu_allocatable_millicores,
        memory_capacity_bytes=memory_capacity_bytes,
        memory_allocatable_bytes=memory_allocatable_bytes,
        faults=tuple(faults),
    )


def choose_hostname(name: str, addresses: list[NodeAddress]) -> str:
    """The last non-empty address of type Hostname, else the node's name."""
    for address in reversed(addresses):
        if address.type == "Hostname" and address.address:
            return address.address
    return name


def choose_ip(addresses: list[NodeAddress]) -> tuple[str, None] | tuple[None, str]:
    """The address of the kubelet, or why there is none.

    An InternalIP that is an IP always replaces the choice, so that the last one wins. An
    ExternalIP or LegacyHostIP counts only while there is no choice yet, and is not looked at
    until the end: an unreadable one blocks a good one behind it (case D-04).
    """
    choice = ""
    for address in addresses:
        text = address.address or ""
        if address.type == "InternalIP":
            if canonical_ip(text):
                choice = text
        elif address.type in ("ExternalIP", "LegacyHostIP") and not choice:
            choice = text
    if not choice:
        return None, "no address of type InternalIP, ExternalIP or LegacyHostIP"
    ip = canonical_ip(choice)
    return (ip, None) if ip else (None, f"{choice!r} is not an IP address")


def preferred_address(addresses: Sequence[tuple[str, str]], types: Sequence[str]) -> str | None:
    """The first non-empty address of the first type that has one (spec/metrics-k8s-io.md 14.3); None for none."""
    for wanted in types:
        for kind, address in addresses:
            if kind == wanted and address:
                return address
    return None


def canonical_ip(text: str) -> str | None:
    """The usual spelling of an IP address; None for anything else, zones included."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return None
        return str(ip.ipv4_mapped or ip)
    return str(ip)
