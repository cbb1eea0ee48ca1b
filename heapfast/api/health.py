"""Health: whether batches keep coming, whether the daemon lives and is ready, which version it is.

In      the newest batch, the clock
Out     text
Callers routes.py; probes
Source  spec/heapster-rest.md 11.1; B23 (the limit grows with the resolution); livez, readyz, version are additions
Never   asks for a certificate
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import falcon.asgi

from heapfast.api.request import Request
from heapfast.api.responders import JSON, put_plain
from heapfast.api.state import State
from heapfast.render.layout import indented
from heapfast.units import NS_PER_SECOND

#: A newest batch older than this is stale, whatever the resolution ...
STALE_AFTER_NS = 180 * NS_PER_SECOND
#: ... and so is one older than this many resolutions, where that is longer.
STALE_AFTER_RESOLUTIONS = 3

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Health:
    """Responders of the probes; every method is welcome."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._limit_ns = max(STALE_AFTER_NS, STALE_AFTER_RESOLUTIONS * state.resolution_ns)
        self._version = indented({"version": state.version})

    async def healthz(self, req: Request, resp: falcon.asgi.Response) -> None:
        fault = self._fault()
        if fault is not None:
            put_plain(resp, 500, f"[-]healthz failed: {fault}\nhealthz check failed\n".encode(), nosniff=True)
        elif "verbose" in req.query():
            put_plain(resp, 200, b"[+]healthz ok\nhealthz check passed\n")
        else:
            put_plain(resp, 200, b"ok")

    async def healthz_check(self, req: Request, resp: falcon.asgi.Response) -> None:
        fault = self._fault()
        if fault is not None:
            put_plain(resp, 500, f"internal server error: {fault}\n".encode(), nosniff=True)
        else:
            put_plain(resp, 200, b"ok")

    async def livez(self, req: Request, resp: falcon.asgi.Response) -> None:
        put_plain(resp, 200, b"ok")

    async def readyz(self, req: Request, resp: falcon.asgi.Response) -> None:
        reason = self._state.unready()
        if reason is not None:
            put_plain(resp, 500, f"not ready: {reason}\n".encode(), nosniff=True)
        else:
            put_plain(resp, 200, b"ok")

    async def version(self, req: Request, resp: falcon.asgi.Response) -> None:
        put_plain(resp, 200, self._version, content_type=JSON)

    def _fault(self) -> str | None:
        if self._state.disable_metric_sink:
            return "the metric sink is disabled"
        batch = self._state.store.newest
        if batch is None:
            return "could not get the latest data batch"
        if self._state.clock.now_ns() - batch.timestamp_ns > self._limit_ns:
            return f"No current data batch available (latest: {_go_time(batch.timestamp_ns)})."
        return None


# Go's way to show a time: 2017-12-12 08:02:00.5 +0000 UTC.
def _go_time(time_ns: int) -> str:
    seconds, ns = divmod(time_ns, NS_PER_SECOND)
    fraction = f".{ns:09d}".rstrip("0") if ns else ""
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"
