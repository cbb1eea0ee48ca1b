"""Watches: GET /api/v1/...?watch=1 as a stream of JSON lines.

In      a Resource, selectors, the version to start after
Out     ADDED, MODIFIED, DELETED, BOOKMARK; ERROR with 410 when the version is forgotten
Callers apiserver.py
Source  the API server's watch: an object that stops matching a selector is DELETED for that watch, one
        that starts to match is ADDED; version "" or "0" begins with everything there is
Never   queues: a slow client that falls out of the event window gets 410, as from a real one
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from heapfast.clock import Clock
from heapfast.errors import QueryError
from heapfast.sim.lists import SLICE, Selection
from heapfast.sim.registry import Event, Expired
from heapfast.sim.resources import Resource, View, view_of
from heapfast.sim.statuses import status_bytes

DEFAULT_TIMEOUT_SECONDS: Final = 1800.0
_TRUE: Final = ("1", "true", "True")


def is_watch(request: web.Request) -> bool:
    return request.query.get("watch", "") in _TRUE


async def watch_objects(
    request: web.Request, resource: Resource[Any], namespace: str | None, clock: Clock, bookmark_seconds: float
) -> web.StreamResponse:
    """Streams events until the client's timeoutSeconds are over. A QueryError passes to the caller."""
    watch = _Watch(request, resource, Selection(resource, namespace, request.query), clock)
    query = request.query
    version = query.get("resourceVersion", "") or "0"
    if not version.isdigit():
        raise QueryError(f"resourceVersion: got {version!r}, want a number")
    timeout = query.get("timeoutSeconds", "")
    if timeout and not timeout.isdigit():
        raise QueryError(f"timeoutSeconds: got {timeout!r}, want a number")
    await watch.response.prepare(request)
    changed = asyncio.Event()
    unlisten = resource.registry.listen(changed.set)
    try:
        await watch.run(
            int(version),
            changed,
            deadline=asyncio.get_running_loop().time() + (float(timeout) if timeout else DEFAULT_TIMEOUT_SECONDS),
            bookmark_seconds=bookmark_seconds if query.get("allowWatchBookmarks", "") in _TRUE else None,
            mark_initial=query.get("sendInitialEvents", "") in _TRUE,
        )
        await watch.response.write_eof()
    except ConnectionResetError:
        pass  # the client went, which is how most watches end
    finally:
        unlisten()
    return watch.response


class _Watch:
    """One client's stream."""

    def __init__(self, request: web.Request, resource: Resource[Any], selection: Selection, clock: Clock) -> None:
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self._resource = resource
        self._selection = selection
        self._clock = clock
        self._view = view_of(request.headers.get("Accept", ""))

    async def run(
        self,
        version: int,
        changed: asyncio.Event,
        *,
        deadline: float,
        bookmark_seconds: float | None,
        mark_initial: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        registry = self._resource.registry
        if version == 0 or mark_initial:
            version = registry.newest_version
            await self._send_all()
            if mark_initial:
                await self._write(self._bookmark(version, initial_end=True))
        next_bookmark = loop.time() + bookmark_seconds if bookmark_seconds else deadline
        while True:
            changed.clear()
            try:
                lines = [line for event in registry.iter_events(version) for line in self._lines(event)]
            except Expired as error:
                await self._write(_line(b"ERROR", status_bytes(410, str(error))))
                return
            version = registry.newest_version
            for start in range(0, len(lines), SLICE):
                await self._write(b"".join(lines[start : start + SLICE]))
            if bookmark_seconds and loop.time() >= min(next_bookmark, deadline):
                await self._write(self._bookmark(version))
                next_bookmark = loop.time() + bookmark_seconds
            if loop.time() >= deadline:
                return
            try:
                async with asyncio.timeout_at(min(next_bookmark, deadline)):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _send_all(self) -> None:
        keys = self._selection.keys()
        now_ms = self._clock.now_ns() // 1_000_000
        for start in range(0, len(keys), SLICE):
            lines = []
            for key in keys[start : start + SLICE]:
                thing = self._resource.registry.items.get(key)
                if thing is not None and self._selection.matches(thing):
                    shown = self._resource.alone(self._view, thing, thing.resource_version, now_ms)
                    lines.append(_line(b"ADDED", shown))
            await self._write(b"".join(lines))
            await asyncio.sleep(0)

    def _lines(self, event: Event[Any]) -> Iterator[bytes]:
        """The event as this watch sees it: one line or none."""
        was = event.old is not None and self._selection.matches(event.old)
        now = event.new is not None and self._selection.matches(event.new)
        if not was and not now:
            return
        # A thing that goes, or goes out of sight, is shown as it last was, at the version of its going.
        kind, thing = (b"MODIFIED" if was else b"ADDED", event.new) if now else (b"DELETED", event.old)
        now_ms = self._clock.now_ns() // 1_000_000
        yield _line(kind, self._resource.alone(self._view, thing, event.version, now_ms))

    def _bookmark(self, version: int, *, initial_end: bool = False) -> bytes:
        annotations = b',"annotations":{"k8s.io/initial-events-end":"true"}' if initial_end else b""
        kind, api = self._resource.kind.encode(), b"v1"
        if self._view is View.METADATA:
            kind, api = b"PartialObjectMetadata", b"meta.k8s.io/v1"
        thing = b'{"kind":"%b","apiVersion":"%b","metadata":{"resourceVersion":"%d","creationTimestamp":null%b}}' % (
            kind, api, version, annotations,
        )  # fmt: skip
        return _line(b"BOOKMARK", thing)

    async def _write(self, data: bytes) -> None:
        if data:
            await self.response.write(data)


def _line(kind: bytes, thing: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind, thing)
