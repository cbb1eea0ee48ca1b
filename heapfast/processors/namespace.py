"""Namespaces on their way from the watch into the store.

In      namespaces: name and UID
Out     Store.put_namespace, remove_namespace
Callers a namespace watch, as its consumer
Source  spec/heapster-pipeline.md 5.3
Never   judges a namespace
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heapfast.processors.gate import Gate


class NamespaceFacts(Protocol):
    """What the store keeps of a namespace."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...


class NamespaceTable(Protocol):
    """The part of the store that namespaces go to."""

    def put_namespace(self, name: str, uid: str) -> int: ...
    def remove_namespace(self, name: str) -> int: ...


class NamespaceEnricher:
    """Keeps the store's namespaces as the API server has them."""

    def __init__(self, store: NamespaceTable, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    def upsert(self, namespace: NamespaceFacts) -> None:
        self._gate.pass_through(partial(self._store.put_namespace, namespace.name, namespace.uid))

    def delete(self, key: str) -> None:
        self._gate.pass_through(partial(self._store.remove_namespace, key))
