"""/metrics/cluster: the newest samples of every entity, for Prometheus.

In      which of them, from the query; Accept and Accept-Encoding
Out     the exposition of the newest closed batch, in chunks
Callers routes.py and secure_routes.py, for both ports
Source  docs/exposition.md, which is ours
Never   holds the loop: the text is written in a thread, a chunk at a time
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any, Final

import falcon.asgi

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.api.errors import Unavailable, heapster_text
from heapfast.api.monitoring import HandlerMonitor
from heapfast.api.negotiation import accepts_gzip_element, compress_chunks, quality_of
from heapfast.api.request import Request
from heapfast.api.responders import put_plain
from heapfast.catalog.keys import Kind
from heapfast.errors import HeapfastError
from heapfast.query.cluster_metrics import ClusterMetricsQuery, parse_cluster_metrics
from heapfast.query.selection import select_slots
from heapfast.render._exposition import ExpositionWriter, column_names
from heapfast.render.exposition import OPENMETRICS_TYPE, TEXT_TYPE, families
from heapfast.store.index import Postings

CLUSTER_METRICS_PATH: Final = "/metrics/cluster"

#: Runs a function in a thread and gives its result.
RunInThread = Callable[..., Awaitable[Any]]


class ClusterMetrics:
    """Responder of `/metrics/cluster`; every method is welcome, as on `/metrics`."""

    def __init__(self, store: Store, pods: Postings, run: RunInThread, monitor: HandlerMonitor | None = None) -> None:
        self._store = store
        self._pods = pods
        self._run = run
        self._monitor = monitor

    async def metrics(self, req: Request, resp: falcon.asgi.Response) -> None:
        start = perf_counter()
        accept = req.first_header(b"accept")
        is_openmetrics = quality_of("application/openmetrics-text", accept) > quality_of("text/plain", accept)
        try:
            query = parse_cluster_metrics(req.query())
            pods = None
            if query.selector is not None:
                pods = (await select_slots(self._pods, query.selector)).to_array()
            newest = self._store.newest
            if newest is None:
                raise Unavailable("no samples yet: the first batch is not closed")
            writer = self._writer(newest, query, pods, is_openmetrics)
        except HeapfastError as error:
            status, text = heapster_text(error)
            put_plain(resp, status, text)
            self._observe(req, status, start, len(text))
            return
        resp.status = 200
        resp.content_type = OPENMETRICS_TYPE if is_openmetrics else TEXT_TYPE
        resp.set_header("vary", "Accept, Accept-Encoding")
        chunks = self._chunks(writer, req, start)
        if accepts_gzip_element(req.first_header(b"accept-encoding")):
            resp.set_header("content-encoding", "gzip")
            chunks = compress_chunks(chunks, "gzip", self._run)
        resp.stream = chunks

    def _writer(
        self, batch: Batch, query: ClusterMetricsQuery, pods: array[int] | None, is_openmetrics: bool
    ) -> ExpositionWriter:
        namespaces = None
        if query.namespaces is not None:
            slots = [self._store.find(Kind.NAMESPACE, name) for name in query.namespaces]
            namespaces = array("I", [slot for slot in slots if slot >= 0])
        return ExpositionWriter(
            batch,
            families(column_names(batch), query.kinds, query.is_wanted, is_openmetrics=is_openmetrics),
            is_openmetrics=is_openmetrics,
            has_timestamps=query.has_timestamps,
            pods=pods,
            namespaces=namespaces,
        )

    async def _chunks(self, writer: ExpositionWriter, req: Request, start: float) -> AsyncIterator[bytes]:
        size = 0
        while chunk := await self._run(writer.read):
            size += len(chunk)
            yield chunk
        self._observe(req, 200, start, size)

    def _observe(self, req: Request, status: int, start: float, size: int) -> None:
        if self._monitor is not None:
            self._monitor.observe(req.method, status, perf_counter() - start, req.size_bytes(), size)
