"""What every request to the secure port goes through before it is routed.

In      a request
Out     the headers that every answer has; 400, 401, 403, 417, 429, 504 for those that go no further
Callers secure_app.py makes it Falcon's middleware, and wraps the app to count what is in flight
Source  spec/metrics-k8s-io.md 1 (headers), 4 (`timeout`), 5.5 (limit), 11 (who may ask)
Never   routes
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import falcon.asgi

from heapfast.api.errors import TEXT, undecided_text
from heapfast.api.kubernetes_responders import put_error, put_nothing, put_timed_out
from heapfast.api.probes import PROBE_PATHS
from heapfast.api.request import Request
from heapfast.api.responders import put_plain
from heapfast.api.secure_state import SecureState
from heapfast.auth.chain import Asked, AuthChain
from heapfast.auth.identity import MASTERS_GROUP
from heapfast.auth.refusals import Undecided
from heapfast.errors import HeapfastError
from heapfast.query.timeout import parse_timeout_ns
from heapfast.units import NS_PER_SECOND

#: Nothing is answered in less: a shorter limit has passed when it has been read.
MIN_TIMEOUT_NS: Final = 1_000

_NO_CACHE: Final = "no-cache, private"
_TOO_MANY: Final = b"Too many requests, please try again later.\n"

#: Marks in an ASGI scope that the request has been counted.
_COUNTED: Final = "heapfast.in_flight"

_App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class InFlight:
    """Counts requests from when the filters let them pass until their answer is sent, or broken off.

    Attributes:
        count: how many there are now.
    """

    def __init__(self) -> None:
        self.count = 0

    def enter(self, scope: dict[str, Any]) -> None:
        scope[_COUNTED] = True
        self.count += 1

    def wrap(self, app: _App) -> _App:
        """Return an app that takes note when a request is over, however it ends."""

        async def counted(scope: dict[str, Any], receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            finally:
                if scope.get(_COUNTED):
                    self.count -= 1

        return counted


class Filters:
    """Falcon middleware."""

    def __init__(self, state: SecureState, in_flight: InFlight) -> None:
        self._auth = state.auth
        self._in_flight = in_flight
        self._max_in_flight = state.max_in_flight
        self._max_seconds = state.max_seconds

    async def process_request(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Let a request pass, or answer it."""
        expected = req.first_header(b"expect")
        if expected and expected.lower() != "100-continue":
            _put_expectation_failed(resp)
            return
        resp.set_header("audit-id", req.first_header(b"audit-id") or str(uuid.uuid4()))
        resp.set_header("cache-control", _NO_CACHE)
        try:
            limit_ns = self._limit_ns(req)
            if limit_ns < MIN_TIMEOUT_NS:
                put_timed_out(resp)
                resp.complete = True
                return
            req.context.timeout_seconds = limit_ns / NS_PER_SECOND
            is_limited = req.scope["path"] not in PROBE_PATHS
            if self._auth is not None and await self._is_master(self._auth, req, resp):
                is_limited = False
        except Undecided as error:
            put_plain(resp, 500, undecided_text(error, _target(req)), nosniff=True)
            resp.complete = True
            return
        except HeapfastError as error:
            put_error(req, resp, error)
            resp.complete = True
            return
        if is_limited and self._in_flight.count >= self._max_in_flight:
            _put_too_many(resp)
            return
        self._in_flight.enter(req.scope)

    def _limit_ns(self, req: Request) -> int:
        """Nanoseconds that the request may take.

        Raises:
            QueryError: `timeout` is no duration.
        """
        max_ns = round(self._max_seconds * NS_PER_SECOND)
        if b"timeout" not in req.raw_query:
            return max_ns
        wanted_ns = parse_timeout_ns(req.query().get("timeout", ""))
        return max_ns if wanted_ns is None else min(wanted_ns, max_ns)

    async def _is_master(self, auth: AuthChain, req: Request, resp: falcon.asgi.Response) -> bool:
        """Ask the chain; whether the caller is one whom no limit on requests holds.

        Raises:
            AuthError: they may not pass.
        """
        scope = req.scope
        tls = scope.get("extensions", {}).get("tls", {})
        asked = Asked(scope["method"], scope["path"], req.raw_query, scope["headers"], tls.get("client_cert_chain", ()))
        admission = await auth.admit(asked)
        if admission.warning:
            resp.set_header("warning", admission.warning)
        return MASTERS_GROUP in admission.user.groups


def _target(req: Request) -> str:
    path: bytes = req.scope.get("raw_path") or req.scope["path"].encode()
    return (path + b"?" + req.raw_query if req.raw_query else path).decode("utf-8", "surrogateescape")


def _put_expectation_failed(resp: falcon.asgi.Response) -> None:
    put_nothing(resp, 417)
    resp.set_header("connection", "close")
    resp.complete = True


def _put_too_many(resp: falcon.asgi.Response) -> None:
    resp.status = 429
    resp.content_type = TEXT
    resp.set_header("retry-after", "1")
    resp.set_header("x-content-type-options", "nosniff")
    resp.data = _TOO_MANY
    resp.complete = True
