"""The model API: names and series of the cluster, namespaces, nodes, pods and containers.

In      names from the path; `start`, `end` and `labels` from the query
Out     bytes of JSON
Callers routes.py, one method a route
Source  spec/heapster-rest.md 4.2, 5 and 7; B1 (host names), B11, B12, B14
Never   answers 404: what is unknown is an empty list or an empty series (K3)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from heapfast.api.request import Request
from heapfast.api.responders import Responders
from heapfast.api.series_params import model_params
from heapfast.api.state import State
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import DEPRECATED
from heapfast.render._names import node_with_hostname, render_keys, render_names, render_strings
from heapfast.render._series import render_series, render_series_items

# Plain integers: compiled code takes them without a detour through the enumeration.
_CLUSTER, _NAMESPACE, _NODE = int(Kind.CLUSTER), int(Kind.NAMESPACE), int(Kind.NODE)
_POD, _CONTAINER, _SYSTEM = int(Kind.POD), int(Kind.POD_CONTAINER), int(Kind.SYS_CONTAINER)
_RESOURCE = int(Kind.RESOURCE)

_NO_NAMES = b"[]"

#: Items of a pod-list that are written before the loop gets its turn: about 1 ms with an hour of points.
SLICE_ITEMS = 100


class Model:
    """Handlers of `/api/v1/model`."""

    def __init__(self, state: State, responders: Responders) -> None:
        self._store = state.store
        self._clock = state.clock
        self._run = responders.run

    # -- lists of entities, of the newest batch --------------------------------------------------

    def nodes(self, req: Request) -> bytes:
        return self._entities(_NODE)

    def namespaces(self, req: Request) -> bytes:
        return self._entities(_NAMESPACE)

    async def pods(self, req: Request, namespace: str) -> bytes:
        # A namespace may hold most of the cluster, so this list is sorted in a thread.
        batch = self._store.newest
        if batch is None:
            return _NO_NAMES
        slot = self._store.find(_NAMESPACE, namespace)
        body: bytes = await self._run(render_names, batch, _POD, _NAMESPACE, slot)
        return body

    def containers(self, req: Request, namespace: str, pod: str) -> bytes:
        return self._entities(_CONTAINER, _POD, self._store.find(_POD, namespace, pod))

    def free_containers(self, req: Request, node: str) -> bytes:
        return self._entities(_SYSTEM, _NODE, self._node(node))

    async def all_keys(self, req: Request) -> bytes:
        batch = self._store.newest
        if batch is None:
            return _NO_NAMES
        body: bytes = await self._run(render_keys, batch)
        return body

    # -- names of metrics ------------------------------------------------------------------------

    def cluster_names(self, req: Request) -> bytes:
        return self._names(_CLUSTER, 0)

    def node_names(self, req: Request, node: str) -> bytes:
        return self._names(_NODE, self._node(node))

    def namespace_names(self, req: Request, namespace: str) -> bytes:
        return self._names(_NAMESPACE, self._store.find(_NAMESPACE, namespace))

    def pod_names(self, req: Request, namespace: str, pod: str) -> bytes:
        return self._names(_POD, self._store.find(_POD, namespace, pod))

    def container_names(self, req: Request, namespace: str, pod: str, container: str) -> bytes:
        return self._names(_CONTAINER, self._store.find(_CONTAINER, namespace, pod, container))

    def free_container_names(self, req: Request, node: str, container: str) -> bytes:
        return self._names(_SYSTEM, self._system_container(node, container))

    # -- series ----------------------------------------------------------------------------------

    def cluster_series(self, req: Request, metric: str) -> bytes:
        return self._series(req, _CLUSTER, 0, metric)

    def node_series(self, req: Request, node: str, metric: str) -> bytes:
        return self._series(req, _NODE, self._node(node), metric)

    def namespace_series(self, req: Request, namespace: str, metric: str) -> bytes:
        return self._series(req, _NAMESPACE, self._store.find(_NAMESPACE, namespace), metric)

    def pod_series(self, req: Request, namespace: str, pod: str, metric: str) -> bytes:
        return self._series(req, _POD, self._store.find(_POD, namespace, pod), metric)

    def container_series(self, req: Request, namespace: str, pod: str, container: str, metric: str) -> bytes:
        return self._series(req, _CONTAINER, self._store.find(_CONTAINER, namespace, pod, container), metric)

    def free_container_series(self, req: Request, node: str, container: str, metric: str) -> bytes:
        return self._series(req, _SYSTEM, self._system_container(node, container), metric)

    def pod_list_series(self, req: Request, namespace: str, pods: str, metric: str) -> AsyncIterator[bytes]:
        """One item for each name, in order; a name given twice is two equal items (B14)."""
        question = self._question(req)
        return self._pod_list(namespace, pods.split(","), self._column(metric), question)

    async def _pod_list(
        self, namespace: str, pods: list[str], column: int, question: tuple[int, int, dict[str, str] | None]
    ) -> AsyncIterator[bytes]:
        start_ns, end_ns, labels = question
        kind = _POD if labels is None else _RESOURCE
        before = b'{"items":['
        for first in range(0, len(pods), SLICE_ITEMS):
            if first:
                await asyncio.sleep(0)
            slots = [self._store.find(_POD, namespace, pod) for pod in pods[first : first + SLICE_ITEMS]]
            entities: list[tuple[int, ...]]
            if labels is None:
                entities = [(slot,) if slot >= 0 else () for slot in slots]
            else:
                entities = [self._resources(_POD, slot, column, labels) for slot in slots]
            after = b"," if first + SLICE_ITEMS < len(pods) else b"]}\n"
            yield before + render_series_items(self._store, kind, entities, column, start_ns, end_ns) + after
            before = b""

    # -- what the above share --------------------------------------------------------------------

    def _node(self, name: str) -> int:
        slot = self._store.find(_NODE, name)
        if slot < 0 and self._store.newest is not None:
            return node_with_hostname(self._store.newest, name.encode())
        return slot

    def _system_container(self, node: str, container: str) -> int:
        slot = self._store.find(_SYSTEM, node, container)
        if slot < 0:
            node_slot = self._node(node)
            if node_slot >= 0:
                return self._store.find(_SYSTEM, self._store.name(_NODE, node_slot), container)
        return slot

    def _entities(self, kind: int, parent_kind: int = -1, parent: int = -1) -> bytes:
        batch = self._store.newest
        return _NO_NAMES if batch is None else render_names(batch, kind, parent_kind, parent)

    def _names(self, kind: int, slot: int) -> bytes:
        return render_strings(self._store.metric_names(kind, slot)) if slot >= 0 else _NO_NAMES

    def _question(self, req: Request) -> tuple[int, int, dict[str, str] | None]:
        return model_params(req, self._clock.now_ns())

    def _column(self, metric: str) -> int:
        return self._store.metric_id(DEPRECATED.get(metric, metric))

    def _resources(self, kind: int, slot: int, column: int, labels: dict[str, str]) -> tuple[int, ...]:
        if slot < 0 or column < 0:
            return ()
        return tuple(self._store.find_resources(kind, slot, column, labels))

    def _series(self, req: Request, kind: int, slot: int, metric: str) -> bytes:
        start_ns, end_ns, labels = self._question(req)
        column = self._column(metric)
        if labels is None:
            return render_series(self._store, kind, (slot,) if slot >= 0 else (), column, start_ns, end_ns)
        slots = self._resources(kind, slot, column, labels)
        return render_series(self._store, _RESOURCE, slots, column, start_ns, end_ns)
