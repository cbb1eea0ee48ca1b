"""The kinds the simulated API server has: how to find, show and select their objects.

In      a cluster
Out     Resource per plural name; objects as bytes in one of three Views
Callers main makes them; lists, watches
Source  spec/metrics-k8s-io.md 6 for tables and metadata-only answers, 14.1 for what daemons ask for
Never   knows of HTTP beyond the Accept header
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from heapfast.sim import config_maps, objects, tables
from heapfast.sim.cluster import Cluster, Namespace, Node, Pod
from heapfast.sim.config_maps import ConfigMap
from heapfast.sim.registry import Registry, Versioned

T = TypeVar("T", bound=Versioned)

_META_API: Final = b'"apiVersion":"meta.k8s.io/v1"'


class View(enum.Enum):
    """What form of its objects a client asked for."""

    OBJECT = "object"
    METADATA = "metadata"
    TABLE = "table"


def view_of(accept: str) -> View:
    """The first form in an Accept header that is served; protobuf is not, so its ranges are passed over."""
    for media in accept.split(","):
        name, *parameters = (part.strip() for part in media.split(";"))
        if name != "application/json":
            continue
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key == "as" and value == "Table":
                return View.TABLE
            if key == "as" and value.startswith("PartialObjectMetadata"):
                return View.METADATA
        return View.OBJECT
    return View.OBJECT


class Resource(NamedTuple, Generic[T]):
    """One kind.

    Attributes:
        item, metadata: an object at a version: whole without kind and apiVersion, and its `metadata`.
        labels, fields: what selectors look at.
        field_names: the keys of `fields`.
        columns, cells: for tables; cells take the time, for ages.
    """

    plural: str
    kind: str
    namespaced: bool
    registry: Registry[T]
    item: Callable[[T, int], bytes]
    metadata: Callable[[T, int], bytes]
    labels: Callable[[T], Mapping[str, str]]
    fields: Callable[[T], Mapping[str, str]]
    field_names: frozenset[str]
    columns: list[dict[str, Any]]
    cells: Callable[[T, int], list[Any]]

    def list_head(self, view: View) -> bytes:
        """The start of a list, up to its metadata."""
        if view is View.METADATA:
            return b'{"kind":"PartialObjectMetadataList",%b' % _META_API
        if view is View.TABLE:
            return b'{"kind":"Table",%b' % _META_API
        return b'{"kind":"%bList","apiVersion":"v1"' % self.kind.encode()

    def items_head(self, view: View) -> bytes:
        """What stands between a list's metadata and its first object."""
        if view is View.TABLE:
            return b',"columnDefinitions":%b,"rows":[' % objects.encode(self.columns)
        return b',"items":['

    def in_list(self, view: View, thing: T, version: int, now_ms: int) -> bytes:
        """An object as a member of a list."""
        if view is View.OBJECT:
            return self.item(thing, version)
        metadata = self.metadata(thing, version)
        partial = b'{"kind":"PartialObjectMetadata",%b,"metadata":%b}' % (_META_API, metadata)
        if view is View.METADATA:
            return partial
        return b'{"cells":%b,"object":%b}' % (objects.encode(self.cells(thing, now_ms)), partial)

    def alone(self, view: View, thing: T, version: int, now_ms: int) -> bytes:
        """An object as an answer or in an event: with kind and apiVersion, or a table of one row."""
        member = self.in_list(view, thing, version, now_ms)
        if view is View.OBJECT:
            return b'{"kind":"%b","apiVersion":"v1",%b' % (self.kind.encode(), member[1:])
        if view is View.METADATA:
            return member
        return b'%b,"metadata":{"resourceVersion":"%d"}%b%b]}' % (
            self.list_head(view), version, self.items_head(view), member,
        )  # fmt: skip


def make_resources(cluster: Cluster, kubelet_port: Callable[[], int]) -> dict[str, Resource[Any]]:
    """All kinds by plural name.

    Args:
        kubelet_port: the port that nodes state, known once the kubelets listen.
    """
    pods = PodResource(cluster)
    return {
        "nodes": Resource[Node](
            plural="nodes",
            kind="Node",
            namespaced=False,
            registry=cluster.nodes,
            item=lambda node, version: objects.encode(objects.node_object(cluster, node, version, kubelet_port())),
            metadata=lambda node, version: objects.encode(objects.node_metadata(cluster, node, version)),
            labels=lambda node: node.labels,
            fields=lambda node: {
                "metadata.name": node.name,
                "spec.unschedulable": "true" if node.unschedulable else "false",
            },
            field_names=frozenset({"metadata.name", "spec.unschedulable"}),
            columns=tables.NODE_COLUMNS,
            cells=tables.node_cells,
        ),
        "pods": pods.resource,
        "namespaces": Resource[Namespace](
            plural="namespaces",
            kind="Namespace",
            namespaced=False,
            registry=cluster.namespaces,
            item=lambda namespace, version: objects.encode(objects.namespace_object(namespace, version)),
            metadata=lambda namespace, version: objects.encode(objects.namespace_metadata(namespace, version)),
            labels=lambda namespace: {"kubernetes.io/metadata.name": namespace.name},
            fields=lambda namespace: {"metadata.name": namespace.name, "status.phase": "Active"},
            field_names=frozenset({"metadata.name", "status.phase"}),
            columns=tables.NAMESPACE_COLUMNS,
            cells=tables.namespace_cells,
        ),
        "configmaps": Resource[ConfigMap](
            plural="configmaps",
            kind="ConfigMap",
            namespaced=True,
            registry=cluster.config_maps,
            item=lambda config_map, version: objects.encode(config_maps.config_map_object(config_map, version)),
            metadata=lambda config_map, version: objects.encode(config_maps.config_map_metadata(config_map, version)),
            labels=lambda config_map: {},
            fields=lambda config_map: {
                "metadata.name": config_map.name,
                "metadata.namespace": config_map.namespace,
            },
            field_names=frozenset({"metadata.name", "metadata.namespace"}),
            columns=tables.CONFIG_MAP_COLUMNS,
            cells=tables.config_map_cells,
        ),
    }


class PodResource:
    """Pods, whose objects come from templates."""

    def __init__(self, cluster: Cluster) -> None:
        render = objects.PodObjects(cluster)
        self.resource = Resource[Pod](
            plural="pods",
            kind="Pod",
            namespaced=True,
            registry=cluster.pods,
            item=render.item,
            metadata=render.metadata,
            labels=lambda pod: pod.labels,
            fields=lambda pod: {
                "metadata.name": pod.name,
                "metadata.namespace": pod.workload.namespace,
                "spec.nodeName": pod.node.name,
                "status.phase": pod.phase,
            },
            field_names=frozenset({"metadata.name", "metadata.namespace", "spec.nodeName", "status.phase"}),
            columns=tables.POD_COLUMNS,
            cells=tables.pod_cells,
        )
