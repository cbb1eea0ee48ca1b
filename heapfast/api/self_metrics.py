"""/metrics: heapfast's own series.

In      a Prometheus registry
Out     the exposition, gzipped on demand
Callers routes.py; Prometheus
Source  spec/heapster-rest.md 11.2 and 11.3
Never   counts anything but itself
"""

from __future__ import annotations

from time import perf_counter

import falcon.asgi
from prometheus_client import generate_latest

from heapfast.api.monitoring import HandlerMonitor
from heapfast.api.negotiation import accepts_gzip_element, compress
from heapfast.api.request import Request
from heapfast.api.responders import put_plain
from heapfast.api.state import State

CONTENT_TYPE = "text/plain; version=0.0.4"


class SelfMetrics:
    """Responder of `/metrics`; every method is welcome."""

    def __init__(self, state: State, monitor: HandlerMonitor) -> None:
        self._registry = state.registry
        self._monitor = monitor

    async def metrics(self, req: Request, resp: falcon.asgi.Response) -> None:
        start = perf_counter()
        body = generate_latest(self._registry)
        size = len(body)
        if accepts_gzip_element(req.first_header(b"accept-encoding")):
            body = compress(body, "gzip")
            resp.set_header("content-encoding", "gzip")
        put_plain(resp, 200, body, content_type=CONTENT_TYPE)
        self._monitor.observe(req.method, 200, perf_counter() - start, req.size_bytes(), size)
