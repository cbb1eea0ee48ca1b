"""/metrics: heapfast's own series.

In      a Prometheus registry
Out     the exposition, gzipped on demand
Callers routes.py, secure_routes.py; Prometheus
Source  spec/heapster-rest.md 11.2 and 11.3; spec/metrics-k8s-io.md 9.4
Never   counts anything but itself
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

import falcon.asgi
from prometheus_client import CollectorRegistry

from heapfast.api.exposition import expose
from heapfast.api.monitoring import HandlerMonitor
from heapfast.api.negotiation import accepts_gzip_element, make_compressor
from heapfast.api.request import Request
from heapfast.api.responders import put_plain

CONTENT_TYPE: Final = "text/plain; version=0.0.4"
#: The same, as API servers of today write it.
CONTENT_TYPE_ESCAPING: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"


class SelfMetrics:
    """Responder of `/metrics`; every method is welcome."""

    def __init__(
        self, registry: CollectorRegistry, monitor: HandlerMonitor | None = None, content_type: str = CONTENT_TYPE
    ) -> None:
        self._registry = registry
        self._monitor = monitor
        self._content_type = content_type

    async def metrics(self, req: Request, resp: falcon.asgi.Response) -> None:
        start = perf_counter()
        compressor = None
        if accepts_gzip_element(req.first_header(b"accept-encoding")):
            compressor = make_compressor("gzip")
            resp.set_header("content-encoding", "gzip")
        pieces, size = [], 0
        for piece in expose(self._registry):
            size += len(piece)
            pieces.append(compressor.compress(piece) if compressor else piece)
            await asyncio.sleep(0)
        if compressor:
            pieces.append(compressor.flush())
        put_plain(resp, 200, b"".join(pieces), content_type=self._content_type)
        if self._monitor is not None:
            self._monitor.observe(req.method, 200, perf_counter() - start, req.size_bytes(), size)
