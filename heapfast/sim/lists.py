"""Lists and single objects: GET /api/v1/... without watch.

In      a Resource and the request's selectors, limit and continue token
Out     a list in key order, whole or in pages; one object
Callers apiserver.py; watches.py selects as lists do
Source  the API server's paging: a token holds the version of the first page and the last key
Never   holds the loop for longer than a slice of SLICE objects: kubelets answer on the same loop

Pages after the first come from the present state, not from that of the first page. A client that
watches from the version of the list sees the difference as events, as it must anyway.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from aiohttp import web

from heapfast.clock import Clock
from heapfast.errors import QueryError
from heapfast.sim import selectors
from heapfast.sim.resources import Resource, View, view_of
from heapfast.sim.statuses import status_response

SLICE: Final = 200


class Token(msgspec.Struct, frozen=True):
    """What a continue token says."""

    v: int
    start: str

    def encode(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @staticmethod
    def decode(text: str) -> Token:
        """Raises QueryError."""
        try:
            padded = text + "=" * (-len(text) % 4)
            return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=Token)
        except (ValueError, msgspec.DecodeError) as error:
            raise QueryError("continue key is not valid") from error


class Selection:
    """Which objects a request is about.

    Attributes:
        namespace: None = all.
    """

    def __init__(self, resource: Resource[Any], namespace: str | None, query: Any) -> None:
        """Args: query: the request's parameters. Raises QueryError for a selector that is none."""
        self.namespace = namespace
        self._resource = resource
        self._labels = selectors.parse_labels(query.get("labelSelector", ""))
        self._fields, self._equal = selectors.parse_fields(query.get("fieldSelector", ""), resource.field_names)

    @property
    def is_everything(self) -> bool:
        """Whether there is no selector, only a namespace at most."""
        return self._labels is None and self._fields is None

    def matches(self, thing: Any) -> bool:
        """Whether an object is meant; the namespace counts too."""
        resource = self._resource
        if (
            resource.namespaced
            and self.namespace is not None
            and resource.fields(thing)["metadata.namespace"] != self.namespace
        ):
            return False
        return (self._labels is None or self._labels(resource.labels(thing))) and (
            self._fields is None or self._fields(resource.fields(thing))
        )

    def keys(self, after: str = "") -> list[str]:
        """Keys in order that may match."""
        name = self._equal.get("metadata.name")
        if name is not None and (self.namespace is not None or not self._resource.namespaced):
            key = f"{self.namespace}/{name}" if self._resource.namespaced else name
            return [key] if key in self._resource.registry.items and key > after else []
        return self._resource.registry.keys(self.namespace if self._resource.namespaced else None, after)


async def list_objects(
    request: web.Request, resource: Resource[Any], namespace: str | None, clock: Clock
) -> web.StreamResponse:
    """Answers a list request. A QueryError of the selectors passes to the caller."""
    query = request.query
    selection = Selection(resource, namespace, query)
    limit = _limit(query.get("limit", "0"))
    version, after = resource.registry.newest_version, ""
    if query.get("continue"):
        token = Token.decode(query["continue"])
        if token.v < resource.registry.compacted_version:
            return status_response(410, "The provided continue parameter is too old: list again from the start")
        version, after = token.v, token.start
    elif query.get("resourceVersion", "").isdigit() and int(query["resourceVersion"]) > version:
        return status_response(504, f"Too large resource version: {query['resourceVersion']}, current: {version}")
    view = view_of(request.headers.get("Accept", ""))
    now_ms = clock.now_ns() // 1_000_000
    if limit:
        return await _page(resource, selection, view, version, after, limit, now_ms)
    return await _whole(request, resource, selection, view, version, after, now_ms)


def get_object(request: web.Request, resource: Resource[Any], key: str, clock: Clock) -> web.Response:
    """Answers a request for one object."""
    thing = resource.registry.items.get(key)
    if thing is None:
        return status_response(404, f'{resource.plural} "{key.rpartition("/")[2]}" not found')
    view = view_of(request.headers.get("Accept", ""))
    body = resource.alone(view, thing, thing.resource_version, clock.now_ns() // 1_000_000)
    return web.Response(body=body, content_type="application/json")


def _limit(text: str) -> int:
    if not text.isdigit():
        raise QueryError(f"limit: got {text!r}, want a number")
    return int(text)


async def _page(
    resource: Resource[Any], selection: Selection, view: View, version: int, after: str, limit: int, now_ms: int
) -> web.Response:
    keys = selection.keys(after)
    found: list[bytes] = []
    metadata = b'{"resourceVersion":"%d"}' % version
    last = ""
    for index, key in enumerate(keys):
        if len(found) == limit:
            token = Token(version, last).encode().encode()
            # How many are left is not known of a selection, and then not said.
            left = b',"remainingItemCount":%d' % (len(keys) - index) if selection.is_everything else b""
            metadata = b'{"resourceVersion":"%d","continue":"%b"%b}' % (version, token, left)
            break
        if index % SLICE == SLICE - 1:
            await asyncio.sleep(0)
        thing = resource.registry.items.get(key)
        if thing is not None and selection.matches(thing):
            found.append(resource.in_list(view, thing, thing.resource_version, now_ms))
        last = key
    body = b'%b,"metadata":%b%b%b]}' % (
        resource.list_head(view), metadata, resource.items_head(view), b",".join(found),
    )  # fmt: skip
    return web.Response(body=body, content_type="application/json")


async def _whole(
    request: web.Request,
    resource: Resource[Any],
    selection: Selection,
    view: View,
    version: int,
    after: str,
    now_ms: int,
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(
        b'%b,"metadata":{"resourceVersion":"%d"}%b' % (resource.list_head(view), version, resource.items_head(view))
    )
    separator = b""
    for keys in _slices(selection.keys(after)):
        things = [thing for key in keys if (thing := resource.registry.items.get(key)) is not None]
        found = [
            resource.in_list(view, thing, thing.resource_version, now_ms)
            for thing in things
            if selection.matches(thing)
        ]
        if found:
            await response.write(separator + b",".join(found))
            separator = b","
        await asyncio.sleep(0)
    await response.write(b"]}")
    await response.write_eof()
    return response


def _slices(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), SLICE):
        yield keys[start : start + SLICE]
