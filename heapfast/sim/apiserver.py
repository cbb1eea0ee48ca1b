"""The simulated Kubernetes API server.

In      HTTP on a loopback port, plain or TLS
Out     nodes, pods, namespaces and config maps (list, get, watch), discovery, reviews; /sim/; the daemon's
        own paths, forwarded
Callers main
Source  spec/metrics-k8s-io.md 2, 11, 14.1; what `kubectl get` and client libraries ask for
Never   writes an object: the model changes by churn and by /sim/ alone; decides who may read metrics, which it
        leaves to the daemon, so that a test meets the daemon's own refusals

aiohttp serves it: a list of 150,000 pods (252 MB) costs 2.2 s of CPU, of which 1.3 s is the making of the
objects, so that a leaner server could gain little. The kubelets, where it gains much, have their own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from heapfast.clock import Clock
from heapfast.errors import QueryError
from heapfast.sim import discovery, reviews
from heapfast.sim.control import Control
from heapfast.sim.forward import AGGREGATED_PREFIX, Forwarder, service_proxy_target
from heapfast.sim.identities import Caller, Identities
from heapfast.sim.lists import get_object, list_objects
from heapfast.sim.resources import Resource
from heapfast.sim.statuses import status_response
from heapfast.sim.watches import is_watch, watch_objects

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOST: Final = "127.0.0.1"
PROBES: Final = ("/healthz", "/livez", "/readyz")
_STOP_SECONDS: Final = 1.0


class ApiServer:
    """The API server of one cluster.

    Attributes:
        port: after `start`.
        url: after `start`.
    """

    def __init__(
        self,
        resources: dict[str, Resource[Any]],
        control: Control,
        aggregation: Forwarder,
        service_proxy: Forwarder,
        clock: Clock,
        *,
        identities: Identities,
        bookmark_seconds: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.port = 0
        self.url = ""
        self._resources = resources
        self._aggregation = aggregation
        self._service_proxy = service_proxy
        self._clock = clock
        self._identities = identities
        self._bookmark_seconds = bookmark_seconds
        self._tls = tls
        self._watches: set[asyncio.Task[Any]] = set()
        self._runner = web.AppRunner(self._make_app(control), shutdown_timeout=_STOP_SECONDS, access_log=None)

    async def start(self, port: int) -> None:
        """Listens on a port (0: any free one). Raises OSError when it is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port, ssl_context=self._tls, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

    async def stop(self) -> None:
        """Ends watches, then everything."""
        for watch in list(self._watches):
            watch.cancel()
        await self._runner.cleanup()
        await self._aggregation.close()
        await self._service_proxy.close()

    def _make_app(self, control: Control) -> web.Application:
        app = web.Application(middlewares=[self._errors, self._authentication], client_max_size=16 * 1024 * 1024)
        app.add_routes(control.routes())
        app.add_routes([web.get(path, self._probe) for path in PROBES])
        app.add_routes([web.get(path, self._document) for path in discovery.DOCUMENTS])
        for resource in self._resources.values():
            app.router.add_get(f"/api/v1/{resource.plural}", self._collection(resource))
            if resource.namespaced:
                app.router.add_get(f"/api/v1/namespaces/{{namespace}}/{resource.plural}", self._collection(resource))
                app.router.add_get(
                    f"/api/v1/namespaces/{{namespace}}/{resource.plural}/{{name}}", self._single(resource)
                )
            else:
                app.router.add_get(f"/api/v1/{resource.plural}/{{name}}", self._single(resource))
        app.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", self._token_review)
        app.router.add_post("/apis/authorization.k8s.io/v1/subjectaccessreviews", self._access_review)
        return app

    # -- around every request -------------------------------------------------------------------

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except QueryError as error:
            return status_response(400, str(error))
        except web.HTTPNotFound:
            return await self._elsewhere(request)
        except web.HTTPMethodNotAllowed:
            return status_response(405, "the server does not allow this method on the requested resource")

    @web.middleware
    async def _authentication(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in PROBES:
            return await handler(request)
        caller = self._identify(request)
        if caller is None:
            return status_response(401, "Unauthorized")
        if not (caller.is_administrator or request.path in discovery.DOCUMENTS or _is_aggregated(request)):
            verb = request.method.lower()
            return status_response(403, f'forbidden: User "{caller.name}" cannot {verb} path "{request.path}"')
        return await handler(request)

    def _identify(self, request: web.Request) -> Caller | None:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        return self._identities.identify(request.headers.get("Authorization", ""), tls)

    # -- handlers -----------------------------------------------------------------------------

    async def _probe(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _document(self, request: web.Request) -> web.Response:
        body = msgspec.json.encode(discovery.DOCUMENTS[request.path])
        return web.Response(body=body, content_type="application/json")

    def _collection(self, resource: Resource[Any]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            namespace = request.match_info.get("namespace")
            if is_watch(request):
                return await self._watch(request, resource, namespace)
            return await list_objects(request, resource, namespace, self._clock)

        return handle

    async def _watch(self, request: web.Request, resource: Resource[Any], namespace: str | None) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        try:
            return await watch_objects(request, resource, namespace, self._clock, self._bookmark_seconds)
        finally:
            self._watches.discard(task)

    def _single(self, resource: Resource[Any]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            name = request.match_info["name"]
            key = f"{request.match_info['namespace']}/{name}" if resource.namespaced else name
            return get_object(request, resource, key, self._clock)

        return handle

    async def _token_review(self, request: web.Request) -> web.Response:
        return _created(reviews.review_token(await request.read(), self._identities))

    async def _access_review(self, request: web.Request) -> web.Response:
        return _created(reviews.review_access(await request.read(), self._identities))

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        """Answers what no route of its own fits: the daemon's paths, else 404."""
        caller = self._identify(request)
        assert caller is not None, "BUG: nobody unknown comes this far"
        if _is_aggregated(request):
            return await self._aggregation.forward(request, request.raw_path, caller)
        target = service_proxy_target(request.raw_path)
        if target is not None:
            return await self._service_proxy.forward(request, target, caller)
        return status_response(404, "the server could not find the requested resource")


def _is_aggregated(request: web.Request) -> bool:
    return request.path == AGGREGATED_PREFIX or request.path.startswith(f"{AGGREGATED_PREFIX}/")


def _created(value: dict[str, Any]) -> web.Response:
    return web.Response(status=201, body=msgspec.json.encode(value), content_type="application/json")
