"""Keeps a consumer's picture of one resource equal to the API server's.

In      a Resource, a KubeClient
Out     calls of a Consumer: upsert, delete, synced
Callers daemon and secure_port.py start one Reflector a resource, as a task
Source  the Kubernetes API: list in pages, watch from the list's version, bookmarks, 410 Gone
Never   keeps objects: only the keys it has announced, with the number of the list that saw them last

One object that cannot be read, or that the consumer refuses, costs itself: it is counted, and the
first of its kind is logged. Everything else that goes wrong is waited out, longer each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random as random_module
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from heapfast.backoff import Backoff
from heapfast.clock import Clock
from heapfast.errors import KubeError
from heapfast.kube.client import KubeClient, status_error
from heapfast.kube.monitoring import ResourceMonitoring
from heapfast.kube.objects import AnyObject, ListMetadata, ObjectIdentity, ObjectList, Status, WatchEvent
from heapfast.kube.resource import PlainT, Resource, identity_key

log = logging.getLogger(__name__)

PAGE_OBJECTS: Final = 500
#: Between these, at random, so that the watches of many resources and replicas do not end together.
MIN_WATCH_SECONDS: Final = 300
MAX_WATCH_SECONDS: Final = 600
#: A watch that brought nothing and ended sooner is a fault, else it would be opened in a tight loop.
SHORT_WATCH_SECONDS: Final = 1.0
#: Other tasks get the loop after so much work; one object takes about 10 microseconds.
SLICE_SECONDS: Final = 0.002
#: So many refused watches in a row, and the version we ask from is suspected: list again.
#: (An etcd that was restored from a backup answers 504 for versions of its lost future.)
MAX_REFUSED_WATCHES: Final = 3

_GONE: Final = 410

ConsumedT = TypeVar("ConsumedT", contravariant=True)


class Consumer(Protocol[ConsumedT]):
    """Who wants to know. Called on the loop; must not block. An exception costs only its object."""

    def upsert(self, item: ConsumedT) -> None:
        """Take an object that is new, changed, or the same as before."""

    def delete(self, key: str) -> None:
        """Drop an object that was announced before."""

    def synced(self) -> None:
        """Note that the first list is complete. Called once."""


class Reflector(Generic[PlainT]):
    """List and watch of one resource, for ever.

    Args:
        known: keeps the keys that were announced, with numbers above 0; None for a dict. Nobody else writes to it.
    """

    def __init__(
        self,
        resource: Resource[Any, PlainT],
        client: KubeClient,
        consumer: Consumer[PlainT],
        monitoring: ResourceMonitoring,
        *,
        known: MutableMapping[str, int] | None = None,
        clock: Clock | None = None,
        random: Callable[[], float] = random_module.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._resource = resource
        self._client = client
        self._consumer = consumer
        self._monitoring = monitoring
        self._clock = clock or Clock()
        self._random = random
        self._sleep = sleep
        self._backoff = Backoff(random)
        # announced key -> number of the last list that had it
        self._keys: MutableMapping[str, int] = {} if known is None else known
        self._list_number = 0
        self._version: str | None = None  # where the next watch starts; None: list first
        self._refused_watches = 0
        self._is_synced = False
        self._slice_start = 0.0
        self._logged: set[str] = set()

    async def run(self) -> None:
        """List, watch, and wait out whatever goes wrong, until cancelled."""
        while True:
            try:
                if self._version is None:
                    await self._list()
                await self._watch()
            except KubeError as error:
                await self._wait_out(error)
            except Exception as error:
                # The root of the task. Nothing outside may stop the daemon, so a bug starts over.
                log.exception("BUG: %s: list and watch failed", self._resource.name)
                self._version = None
                await self._wait_out(KubeError(f"BUG: {type(error).__name__}", reason="bug"))

    # ---- the two halves ------------------------------------------------------------------------

    async def _list(self) -> None:
        """Announce everything there is, page by page, then drop what is gone."""
        self._list_number += 1
        params = {"limit": str(PAGE_OBJECTS)}
        while True:
            # Passed on without a name, so that a page's bytes are gone before the next page comes.
            metadata = await self._take_page(await self._client.get(self._resource.path, params))
            if not metadata.continue_token:
                break
            params["continue"] = metadata.continue_token
        for key in await self._find_gone():
            self._delete(key)
            await self._share_loop()
        self._version = metadata.resource_version or ""
        self._made_progress()
        self._monitoring.listed(self._clock.now_ns())
        if not self._is_synced:
            self._is_synced = True
            self._monitoring.synced()
            self._tell("synced", self._consumer.synced)

    async def _take_page(self, body: bytes) -> ListMetadata:
        self._begin_slice()  # finding where the objects begin and end takes a slice of its own
        page = _decode(_list_decoder, body, f"list {self._resource.path}")
        for raw in page.items or ():
            self._upsert(raw)
            await self._share_loop()
        return page.metadata

    async def _find_gone(self) -> list[str]:
        """The keys that the list just read did not have; in slices, because there may be 150,000 to look at."""
        gone = []
        for key, number in self._keys.items():  # nobody else changes it: while a list is read there is no watch
            if number != self._list_number:
                gone.append(key)
            await self._share_loop()
        return gone

    async def _watch(self) -> None:
        """Follow the changes from `_version` until the server ends the watch."""
        seconds = MIN_WATCH_SECONDS + int(self._random() * (MAX_WATCH_SECONDS - MIN_WATCH_SECONDS))
        params = {"resourceVersion": self._version or "", "allowWatchBookmarks": "true"}
        started = self._clock.monotonic()
        n_events = 0
        async with self._client.watch(self._resource.path, params, timeout_seconds=seconds) as lines:
            self._begin_slice()
            async for line in lines:
                self._take_event(_decode(_event_decoder, line, f"watch {self._resource.path}"))
                n_events += 1
                await self._share_loop()
        if n_events == 0 and self._clock.monotonic() - started < SHORT_WATCH_SECONDS:
            raise KubeError(
                f"cannot watch {self._resource.path}: got an end at once, want {seconds} seconds", reason="short_watch"
            )

    # ---- one object ----------------------------------------------------------------------------

    def _take_event(self, event: WatchEvent) -> None:
        self._monitoring.event(event.type, self._clock.now_ns())
        if event.type == "ERROR":
            status = _decode(_status_decoder, event.object, f"watch {self._resource.path}")
            raise status_error(
                self._resource.path, status.code or 500, status.message or "", status.retry_after_seconds
            )
        identity = self._identify(event.object)
        if identity is None:
            return
        if event.type in ("ADDED", "MODIFIED"):
            self._upsert(event.object)
        elif event.type == "DELETED":
            key = identity_key(identity)
            if key is not None and key in self._keys:
                self._delete(key)
        elif event.type != "BOOKMARK":
            self._note_bad_object("undecodable", f"an event of type {event.type!r}")
            return
        if identity.resource_version:
            self._version = identity.resource_version
        self._made_progress()

    def _identify(self, raw: msgspec.Raw) -> ObjectIdentity | None:
        try:
            return _identity_decoder.decode(raw).metadata
        except msgspec.DecodeError as error:
            self._note_bad_object("undecodable", error)
            return None

    def _upsert(self, raw: msgspec.Raw) -> None:
        try:
            item = self._resource.decode(raw)
        except ValueError as error:
            self._note_bad_object("undecodable", error)
            self._keep_known(raw)
            return
        for fault in item.faults:
            self._note_bad_object("partial", f"{item.key}: {fault}")
        self._keys[item.key] = self._list_number
        self._tell(item.key, self._consumer.upsert, item)

    def _keep_known(self, raw: msgspec.Raw) -> None:
        """Let an object that became unreadable stay as it was last announced."""
        with contextlib.suppress(msgspec.DecodeError):  # it has been counted
            key = identity_key(_identity_decoder.decode(raw).metadata)
            if key is not None and key in self._keys:
                self._keys[key] = self._list_number

    def _delete(self, key: str) -> None:
        del self._keys[key]
        self._tell(key, self._consumer.delete, key)

    def _tell(self, key: str, call: Callable[..., None], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception as error:  # the consumer is another stage; its fault with one object stays with that object
            self._note_bad_object("consumer", f"{key}: {type(error).__name__}: {error}", exc_info=True)

    def _note_bad_object(self, reason: str, what: object, *, exc_info: bool = False) -> None:
        self._monitoring.bad_object(reason)
        if reason not in self._logged:
            self._logged.add(reason)
            log.warning(
                "%s: %s object, the first such: %s (later ones are only counted)",
                self._resource.name,
                reason,
                what,
                exc_info=exc_info,
            )

    # ---- the rhythm ----------------------------------------------------------------------------

    def _begin_slice(self) -> None:
        self._slice_start = self._clock.monotonic()

    async def _share_loop(self) -> None:
        """Let others run when this task has had its slice."""
        if self._clock.monotonic() - self._slice_start >= SLICE_SECONDS:
            await asyncio.sleep(0)
            self._begin_slice()

    def _made_progress(self) -> None:
        self._monitoring.known(len(self._keys))
        self._refused_watches = 0
        if self._backoff.failures:
            log.info("%s: the API server answers again, after %d failures", self._resource.name, self._backoff.failures)
            self._backoff.reset()

    async def _wait_out(self, error: KubeError) -> None:
        self._monitoring.error(error.reason)
        if error.status == _GONE:
            self._version = None
        elif error.status is not None and error.status not in (401, 403, 429):
            self._refused_watches += 1
            if self._refused_watches >= MAX_REFUSED_WATCHES:
                self._version = None
        seconds = self._backoff.next_seconds(error.retry_after_seconds)
        if self._backoff.failures == 1:  # of a row of failures the first one is news
            level = logging.INFO if error.status == _GONE else logging.WARNING
            log.log(level, "%s: %s; trying again in %.1f s", self._resource.name, error, seconds)
        await self._sleep(seconds)


_T = TypeVar("_T")

_list_decoder: Final = msgspec.json.Decoder(ObjectList)
_event_decoder: Final = msgspec.json.Decoder(WatchEvent)
_identity_decoder: Final = msgspec.json.Decoder(AnyObject)
_status_decoder: Final = msgspec.json.Decoder(Status)


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes | msgspec.Raw, what: str) -> _T:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise KubeError(f"cannot {what}: got no Kubernetes JSON ({error})", reason="decode") from error
