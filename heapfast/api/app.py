"""The app: Falcon with heapfast's router, request type and error handling.

In      State
Out     an ASGI app
Callers daemon; tests
Source  spec/heapster-rest.md section 1
Never   listens: host.py does
"""

from __future__ import annotations

import logging
from typing import Any

import falcon
import falcon.asgi

from heapfast.api.errors import BAD_REQUEST
from heapfast.api.monitoring import HttpMonitor
from heapfast.api.request import Request
from heapfast.api.responders import Responders, put_plain
from heapfast.api.routes import build_router
from heapfast.api.state import State
from heapfast.auth.middleware import ClientCertMiddleware

_log = logging.getLogger(__name__)


def create_app(state: State) -> falcon.asgi.App[Any, Any]:
    """Build the app; its self-metrics are added to the state's registry."""
    monitor = HttpMonitor()
    state.registry.register(monitor)
    responders = Responders(state.executor)
    # Falcon's types know no router but its own, and no middleware without all hooks.
    router: Any = build_router(state, responders, monitor)
    middleware: Any = [ClientCertMiddleware(state.client_rule, state.clock)] if state.client_rule else []
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(request_type=Request, router=router, middleware=middleware)
    app.add_error_handler(falcon.HTTPError, _refuse)
    app.add_error_handler(Exception, _fail)
    return app


async def _refuse(req: Request, resp: falcon.asgi.Response, error: Exception, params: dict[str, Any]) -> None:
    # Falcon raises these before routing only, for requests that make no sense.
    put_plain(resp, 400, BAD_REQUEST)


async def _fail(req: Request, resp: falcon.asgi.Response, error: Exception, params: dict[str, Any]) -> None:
    _log.error("BUG: %s %s failed", req.method, req.path, exc_info=error)
    put_plain(resp, 500, b"Internal Server Error\n", nosniff=True)
