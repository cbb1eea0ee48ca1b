"""`/apis/metrics/v1alpha1`: the newest CPU rate and working set of nodes and pods.

In      names from the path, `labelSelector` from the query of lists
Out     bytes of JSON, or chunks of them
Callers routes.py
Source  spec/heapster-rest.md 4.5 and 9; B6, B7, B12
Never   reads a batch but the newest
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from heapfast._batch import Batch
from heapfast.api.errors import NotFound, Unavailable
from heapfast.api.request import Request
from heapfast.api.responders import Responders
from heapfast.api.state import State
from heapfast.catalog.keys import Kind
from heapfast.errors import QueryError
from heapfast.query._selector import parse_selector
from heapfast.query.selection import select_slots
from heapfast.render._usage import UsageWriter
from heapfast.render.apis_metrics import EMPTY_LIST, render_node_list, render_pod_list
from heapfast.store.requirement import Selector


class MetricsV1Alpha1:
    """Handlers of the resource metrics API that Heapster served on its main port."""

    def __init__(self, state: State, responders: Responders) -> None:
        self._state = state
        self._store = state.store
        self._run = responders.run

    async def nodes(self, req: Request) -> bytes | AsyncIterator[bytes]:
        selector = _selector(req)
        batch = self._newest()
        slots = (await select_slots(self._state.nodes, selector)).to_array()
        if batch is None or not slots:
            return EMPTY_LIST
        return render_node_list(batch, slots, self._state.clock.now_ns(), self._run)

    def node(self, req: Request, node: str) -> bytes:
        batch = self._newest()
        slot = self._store.find(Kind.NODE, node)
        if batch is not None and slot >= 0:
            body = UsageWriter(batch, self._state.clock.now_ns()).node(slot)
            if body is not None:
                return body
        raise NotFound(f"No metrics for node {node}")

    async def all_pods(self, req: Request) -> bytes | AsyncIterator[bytes]:
        return await self._pods(req, None)

    async def pods(self, req: Request, namespace: str) -> bytes | AsyncIterator[bytes]:
        return await self._pods(req, namespace)

    async def _pods(self, req: Request, namespace: str | None) -> bytes | AsyncIterator[bytes]:
        selector = _selector(req)
        batch = self._newest()
        slots = (await select_slots(self._state.pods, selector, namespace)).to_array()
        if batch is None or not slots:
            return EMPTY_LIST
        now_ns = self._state.clock.now_ns()
        return render_pod_list(batch, slots, now_ns, self._run, self._store.spec_containers)

    def pod(self, req: Request, namespace: str, pod: str) -> bytes:
        batch = self._newest()
        slot = self._store.find(Kind.POD, namespace, pod)
        if slot < 0 or not self._store.is_known(Kind.POD, slot):
            raise NotFound(f'Error while getting pod {pod}: pod "{pod}" not found')
        if batch is not None:
            writer = UsageWriter(batch, self._state.clock.now_ns())
            body = writer.pod(namespace.encode(), pod.encode(), self._store.spec_containers(slot))
            if body is not None:
                return body
        raise NotFound(f"No metrics available for pod {namespace}/{pod}")

    def _newest(self) -> Batch | None:
        if self._state.disable_metric_sink:
            raise Unavailable("usage of nodes and pods needs the metric sink, which is disabled")
        return self._store.newest


def _selector(req: Request) -> Selector:
    text = req.query().get("labelSelector", "")
    try:
        return parse_selector(text)
    except QueryError as error:
        raise QueryError(f"Error while parsing selector {text}: {error}") from error
