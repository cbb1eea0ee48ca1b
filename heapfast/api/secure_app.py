"""The app of the secure port: metrics.k8s.io and what belongs to an add-on API server.

In      SecureState
Out     an ASGI app, and the monitor that those who scrape report to
Callers secure_port.py; tests
Source  spec/metrics-k8s-io.md
Never   listens, or sees TLS: the host puts the client's certificates into the scope
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import falcon
import falcon.asgi

from heapfast.api.errors import BAD_REQUEST
from heapfast.api.filters import Filters, InFlight
from heapfast.api.kubernetes_monitoring import KubernetesMonitor
from heapfast.api.kubernetes_responders import KubernetesResponders, put_error
from heapfast.api.metrics_server_monitoring import MetricsServerMonitor
from heapfast.api.request import Request
from heapfast.api.responders import Responders, put_plain
from heapfast.api.secure_routes import build_router
from heapfast.api.secure_state import SecureState
from heapfast.render._freshness import Freshness
from heapfast.render.metrics_k8s_io import ResourceMetrics

_log = logging.getLogger(__name__)


class SecureApp(NamedTuple):
    """What create_secure_app makes.

    Attributes:
        app: speaks ASGI.
        monitor: is to be told of requests to kubelets and of rounds.
    """

    app: Callable[..., Awaitable[None]]
    monitor: MetricsServerMonitor


def create_secure_app(state: SecureState) -> SecureApp:
    """Build the app; its self-metrics are added to the state's registry."""
    freshness = Freshness()
    monitor = MetricsServerMonitor(freshness, lambda: state.latest.counts(state.clock.now_ns()), state.resolution_ns)
    in_flight = InFlight()
    requests = KubernetesMonitor(lambda: in_flight.count)
    state.registry.register(monitor)
    state.registry.register(requests)
    metrics = ResourceMetrics(state.latest, state.node_roster, state.pod_roster, freshness)
    responders = KubernetesResponders(Responders(state.executor))
    # Falcon's types know no router but its own, and no middleware without all hooks.
    router: Any = build_router(state, metrics, responders, requests)
    middleware: Any = [Filters(state, in_flight)]
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(request_type=Request, router=router, middleware=middleware)
    # Every answer states its type, or has none.
    app.resp_options.default_media_type = None  # type: ignore[assignment]
    app.add_error_handler(falcon.HTTPError, _refuse)
    app.add_error_handler(Exception, _fail)
    return SecureApp(in_flight.wrap(app), monitor)


async def _refuse(req: Request, resp: falcon.asgi.Response, error: Exception, params: dict[str, Any]) -> None:
    # Falcon raises these before routing only, for requests that make no sense.
    put_plain(resp, 400, BAD_REQUEST)


async def _fail(req: Request, resp: falcon.asgi.Response, error: Exception, params: dict[str, Any]) -> None:
    _log.error("BUG: %s %s failed", req.method, req.path, exc_info=error)
    put_error(req, resp, error)
