"""Where a node's kubelet is asked, or why it is not.

In      nodes, as the API server has them
Out     a Place, or a text that says why there is none
Callers daemon picks one rule; consumers ask it for every node that comes or changes
Source  spec/heapster-pipeline.md 3.3, spec/metrics-k8s-io.md 14.2 and 14.3
Never   resolves a name or opens a connection
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from heapfast.kube.nodes import preferred_address
from heapfast.scrape.shard import Shard
from heapfast.scrape.sources.kubelet_resource import clean_path
from heapfast.store.requirement import Selector, matches

if TYPE_CHECKING:
    from heapfast.kube.nodes import Node


class Place(NamedTuple):
    """Where a node's kubelet is asked.

    Attributes:
        address: an IP, or a name that resolves to one.
        port: None for the source's own.
        path: "" for the source's own.
    """

    address: str
    port: int | None = None
    path: str = ""


def heapster_place(node: Node) -> Place | str:
    """Where Heapster asked a node: at its IP, while it is ready (spec/heapster-pipeline.md 3.3)."""
    if node.skip_reason is not None or node.ip is None:
        return node.skip_reason or "no address"
    return Place(node.ip)


def preferred_place(types: Sequence[str], *, uses_node_status_port: bool) -> Callable[[Node], Place | str]:
    """Where metrics-server asks nodes, ready or not (spec/metrics-k8s-io.md 14.2, 14.3).

    Args:
        types: of addresses, best first.
        uses_node_status_port: a port that the node states beats the source's own.
    """

    def place(node: Node) -> Place | str:
        address = preferred_address(node.addresses, types)
        if address is None:
            return f"no address of type {', '.join(types)}"
        port = node.kubelet_port if uses_node_status_port and node.kubelet_port else None
        return Place(address, port, clean_path(node.metrics_path))

    return place


def selected(place: Callable[[Node], Place | str], selector: Selector) -> Callable[[Node], Place | str]:
    """The same for nodes whose labels the selector takes, and for no others."""

    def place_selected(node: Node) -> Place | str:
        return place(node) if matches(selector, node.labels) else "the node selector does not take it"

    return place_selected


def sharded(place: Callable[[Node], Place | str], shard: Shard) -> Callable[[Node], Place | str]:
    """The same for the nodes of one replica; the others are another's."""

    def place_own(node: Node) -> Place | str:
        owner = shard.owner(node.name)
        return place(node) if owner == shard.index else f"it is the share of --shard={owner}/{shard.count}"

    return place_own
