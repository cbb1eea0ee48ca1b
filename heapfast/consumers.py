"""Takes what the API server says to who wants it: the store's side, and for nodes the scrape manager.

In      objects that come, change and go, of one watch each
Out     calls of an enricher; targets that are put and removed
Callers daemon builds one a watch; kube.watch calls it
Never   looks into an object: enrichers and places do
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from heapfast.places import Place

if TYPE_CHECKING:
    from heapfast.kube.nodes import Node
    from heapfast.processors.node import NodeEnricher
    from heapfast.scrape.manager import ScrapeManager

log = logging.getLogger(__name__)


class Enricher(Protocol):
    """The store's side of one kind of object (processors/)."""

    def upsert(self, item: Any) -> None: ...
    def delete(self, key: str) -> None: ...


class Consumer:
    """Takes the objects of one watch to their enricher, and remembers that the first list is complete."""

    def __init__(self, name: str, enricher: Enricher) -> None:
        self._synced = asyncio.Event()
        self._name = name
        self._enricher = enricher

    def upsert(self, item: Any) -> None:
        self._enricher.upsert(item)

    def delete(self, key: str) -> None:
        self._enricher.delete(key)

    @property
    def is_synced(self) -> bool:
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Returns once the first list is complete."""
        await self._synced.wait()

    def synced(self) -> None:
        self._synced.set()
        log.info("%s: the first list is complete", self._name)


class NodeConsumer(Consumer):
    """Takes nodes to both who wants them: the store, and the scrape manager.

    Args:
        place: says where a node is asked, or (as a text) why it is not.
    """

    def __init__(self, enricher: NodeEnricher, scraper: ScrapeManager, place: Callable[[Node], Place | str]) -> None:
        super().__init__("nodes", enricher)
        self._scraper = scraper
        self._place = place
        self._skipped: dict[str, str] = {}

    def upsert(self, item: Node) -> None:
        super().upsert(item)
        place = self._place(item)
        if isinstance(place, Place):
            self._skipped.pop(item.name, None)
            self._scraper.put(item.name, hostname=item.hostname, ip=place.address, port=place.port, path=place.path)
            return
        self._scraper.remove(item.name)
        if self._skipped.get(item.name) != place:
            self._skipped[item.name] = place
            log.warning("node %s is not scraped: %s", item.name, place)

    def delete(self, key: str) -> None:
        self._scraper.remove(key)
        self._skipped.pop(key, None)
        super().delete(key)

    def describe_skipped(self, node: str | None = None) -> list[Mapping[str, Any]]:
        """The nodes that are not scraped and why, one JSON object each; at most one where a node is named."""
        names = self._skipped if node is None else self._skipped.keys() & {node}
        return [{"node": name, "outcome": "skipped", "error": self._skipped[name]} for name in names]
