"""Namespaces: their names and UIDs.

In      NamespaceObject, as the API server states it
Out     Namespace: plain data for the store
Callers watch (through NAMESPACES), which hands the results to its consumer
Source  spec/heapster-pipeline.md 5.3
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from heapfast.kube.objects import NamespaceObject
from heapfast.kube.resource import Resource


class Namespace(Struct, frozen=True, gc=False, kw_only=True):
    """One namespace, known by its name."""

    name: str
    uid: str
    faults: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.name


def read_namespace(namespace: NamespaceObject) -> Namespace:
    """Turn a namespace object into plain data; a ValueError says that it has no name."""
    if not namespace.metadata.name:
        raise ValueError("a namespace without a name")
    return Namespace(name=namespace.metadata.name, uid=namespace.metadata.uid or "")


NAMESPACES: Final = Resource("namespaces", "/api/v1/namespaces", NamespaceObject, read_namespace)
