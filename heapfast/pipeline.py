"""Start here: one tick, read from top to bottom, stage after stage.

     kube/        who is there            Consumer and NodeConsumer take it to processors/ and scrape/
     scrape/      bytes from a target     run_tick asks for one window
     wire/        bytes -> rows           in the scrape manager, right as a body is complete
     _core        memory and numbers      take_rows, then close_batch: swap, close, commit
     query/ ...   questions and answers   read what commit has made the newest

In      windows, one a resolution; rows of one target at a time
Out     one closed batch a window
Callers daemon builds it and runs it as a task
Source  spec/heapster-pipeline.md section 4 for the rhythm, docs/architecture.md for the drawing
Never   knows what a batch is used for: who wants each new batch subscribes
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from heapfast.catalog.keys import Kind
from heapfast.errors import StoreError
from heapfast.kube.nodes import preferred_address
from heapfast.scrape.sources.kubelet_resource import clean_path
from heapfast.store.requirement import Selector, matches

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast._core import Store
    from heapfast.clock import Clock
    from heapfast.kube.nodes import Node
    from heapfast.processors.gate import Gate
    from heapfast.processors.node import NodeEnricher
    from heapfast.scrape.loop import Window
    from heapfast.scrape.manager import ScrapeManager
    from heapfast.scrape.target import Target
    from heapfast.store.monitoring import TickMonitoring
    from heapfast.wire._rows import Rows

log = logging.getLogger(__name__)


class Subscriber(Protocol):
    """Who wants each new batch. Called on the loop; must not block."""

    def __call__(self, batch: Batch) -> None: ...


class Pipeline:
    """Turns windows into batches.

    Args:
        store: where samples go.
        scraper: asks the targets.
        gate: holds back what the API server says while a batch is being closed.
        executor: has the threads that close batches.
    """

    def __init__(
        self,
        *,
        store: Store,
        scraper: ScrapeManager,
        gate: Gate,
        clock: Clock,
        executor: Executor,
        monitoring: TickMonitoring,
    ) -> None:
        self._store = store
        self._scraper = scraper
        self._gate = gate
        self._clock = clock
        self._executor = executor
        self._monitoring = monitoring
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        """Has every new batch handed to `subscriber`, in order of subscription."""
        self._subscribers.append(subscriber)

    async def warm_up(self, window: Window) -> None:
        """Scrapes every target once, for the latest view; the samples go into the batch that is open."""
        await self._scraper.scrape(window, self.take_rows)

    async def scrape_one(self, node: str, window: Window) -> None:
        """Scrapes one node out of turn: the latest view has it at once, and the open batch takes it too."""
        await self._scraper.scrape_one(node, window, self.take_rows)

    async def run(self, windows: AsyncIterator[Window]) -> None:
        """One tick a window, until cancelled. What goes wrong in one tick costs that tick."""
        async for window in windows:
            try:
                await self.run_tick(window)
            except (StoreError, MemoryError) as error:
                self._monitoring.failed()
                log.error("no batch for the window that ends at %d ns: %s", window.end_ns, error)
            except Exception:
                self._monitoring.failed()
                log.exception("BUG: the tick of the window that ends at %d ns failed", window.end_ns)

    async def run_tick(self, window: Window) -> Batch:
        """Scrapes every target once and closes the batch that the answers went into.

        Raises:
            StoreError, MemoryError: there is no new batch; the one before stays the newest.
        """
        started = self._clock.monotonic()
        await self._scraper.scrape(window, self.take_rows)
        self._monitoring.part("scrape", self._clock.monotonic() - started)
        batch = await self.close_batch(window.end_ns)
        for subscriber in self._subscribers:
            subscriber(batch)
        return batch

    def take_rows(self, target: Target, rows: Rows) -> None:
        """Takes one target's rows into the open batch. On the loop, in one step: no reader sees half of it."""
        self._store.ingest(rows, self._store.find(Kind.NODE, target.name), self._clock.now_ns())

    async def close_batch(self, timestamp_ns: int) -> Batch:
        """Swaps the open batch, closes it in a thread, and makes it the newest.

        The loop goes on meanwhile, and samples with it; only the API server's word waits.
        """
        spare = self._store.make_spare()
        await self._in_thread("prepare", spare.prepare)
        self._gate.shut()
        try:
            closing = self._store.swap(timestamp_ns, spare)
            try:
                await self._in_thread("close", closing.run)
            except BaseException:
                # Committed all the same: a batch that is complete becomes the newest, one that is not is
                # forgotten. What stopped it is what the caller wants to know; a cancellation must pass.
                with contextlib.suppress(StoreError):
                    self._store.commit(closing, self._clock.now_ns())
                raise
            started = self._clock.monotonic()
            batch = self._store.commit(closing, self._clock.now_ns())
        finally:
            self._open_gate()
        took = self._clock.monotonic() - started
        self._monitoring.part("commit", took)
        self._monitoring.closed(batch.timestamp_ns, self._clock.now_ns(), took, closing.processors_ns)
        return batch

    async def _in_thread(self, part: str, work: Callable[[], None]) -> None:
        started = self._clock.monotonic()
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            # A thread cannot be cancelled, and what it works on must not be freed under it: however often
            # somebody cancels, this waits for it.
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            if not future.cancelled():
                future.exception()  # looked at, for nobody else asks for it any more
            raise
        self._monitoring.part(part, self._clock.monotonic() - started)

    def _open_gate(self) -> None:
        try:
            self._gate.open()
        except ExceptionGroup as failures:
            # Each of them cost its own object; the batch is as good as without them.
            log.exception("%d changes from the API server could not be taken", len(failures.exceptions))


def preferred_place(types: Sequence[str], *, uses_node_status_port: bool) -> Callable[[Node], Place | str]:
    """Where metrics-server asks nodes, ready or not (spec/metrics-k8s-io.md 14.2, 14.3).

    Args:
        types: of addresses, best first.
        uses_node_status_port: a port that the node states beats the source's own.
    """

    def place(node: Node) -> Place | str:
        address = preferred_address(node.addresses, types)
        if address is None:
            return f"no address of type {', '.join(types)}"
        port = node.kubelet_port if uses_node_status_port and node.kubelet_port else None
        return Place(address, port, clean_path(node.metrics_path))

    return place


def selected(place: Callable[[Node], Place | str], selector: Selector) -> Callable[[Node], Place | str]:
    """The same for nodes whose labels the selector takes, and for no others."""

    def place_selected(node: Node) -> Place | str:
        return place(node) if matches(selector, node.labels) else "the node selector does not take it"

    return place_selected


def heapster_place(node: Node) -> Place | str:
    """Where Heapster asked a node: at its IP, while it is ready (spec/heapster-pipeline.md 3.3)."""
    if node.skip_reason is not None or node.ip is None:
        return node.skip_reason or "no address"
    return Place(node.ip)


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


class Place(NamedTuple):
    """Where a node's kubelet is asked.

    Attributes:
        address: an IP, or a name that resolves to one.
        port: None for the source's own.
        path: "" for the source's own.
    """

    address: str
    port: int | None = None
    path: str = ""


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

    def describe_skipped(self) -> list[Mapping[str, Any]]:
        """The nodes that are not scraped and why, one JSON object each."""
        return [{"node": name, "outcome": "skipped", "error": reason} for name, reason in self._skipped.items()]
