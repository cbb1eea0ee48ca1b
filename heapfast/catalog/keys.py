"""Kinds of entities, and the keys Heapster knows them by.

In      a kind and names
Out     key strings such as "namespace:shop/pod:web-1/container:nginx"
Callers _batch, pipeline, store, render, api, sim; tests; _types.pxd has the same numbering for compiled code
Source  spec/heapster-pipeline.md 1.1 and 1.4
"""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What an entity is; also the number of its table in the store."""

    CLUSTER = 0
    NAMESPACE = 1
    NODE = 2
    POD = 3
    POD_CONTAINER = 4
    SYS_CONTAINER = 5
    RESOURCE = 6


#: Value of the label `type`. Resources are no metric set of their own.
TYPE_LABEL = {
    Kind.CLUSTER: "cluster",
    Kind.NAMESPACE: "ns",
    Kind.NODE: "node",
    Kind.POD: "pod",
    Kind.POD_CONTAINER: "pod_container",
    Kind.SYS_CONTAINER: "sys_container",
}


def key(kind: Kind, *names: str) -> str:
    """The metric-set key of an entity; names go from the outside in (namespace, pod, container)."""
    match kind:
        case Kind.CLUSTER:
            return "cluster"
        case Kind.NAMESPACE:
            return f"namespace:{names[0]}"
        case Kind.NODE:
            return f"node:{names[0]}"
        case Kind.POD:
            return f"namespace:{names[0]}/pod:{names[1]}"
        case Kind.POD_CONTAINER:
            return f"namespace:{names[0]}/pod:{names[1]}/container:{names[2]}"
        case Kind.SYS_CONTAINER:
            return f"node:{names[0]}/container:{names[1]}"
    raise ValueError(f"BUG: no key for {kind!r}")
