"""Start here: one tick, read from top to bottom, stage after stage.

     kube/        who is there            consumers.py takes it to processors/ and scrape/
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
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Protocol

from heapfast.catalog.keys import Kind
from heapfast.errors import StoreError
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast._core import Store
    from heapfast.clock import Clock
    from heapfast.processors.gate import Gate
    from heapfast.scrape._target import Target
    from heapfast.scrape.loop import Window
    from heapfast.scrape.manager import ScrapeManager
    from heapfast.store.monitoring import TickMonitoring
    from heapfast.wire._rows import Rows

log = logging.getLogger(__name__)


class Subscriber(Protocol):
    """Who wants each new batch. Called on the loop; must not block."""

    def __call__(self, batch: Batch) -> None: ...


class Kept(Protocol):
    """What was kept over a restart (heapfast._restore.Restoring)."""

    def seal(self) -> None: ...
    def publish(self) -> bool: ...


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

    async def settle(self, kept: Kept) -> None:
        """Makes what was kept over a restart the newest, now that it is known who is there. Before the first tick.

        Raises:
            MemoryError: it is not served.
        """
        self._gate.shut()
        try:
            await self._in_thread("settle", kept.seal)
            for _ in iter(kept.publish, True):
                await asyncio.sleep(0)
        finally:
            self._open_gate()

    async def warm_up(self, window: Window) -> None:
        """Scrapes every target once, for the latest view; the samples go into the batch that is open.

        It is over when the window is, whoever is missing: the tick of the window waits for it.
        """
        left_seconds = (window.end_ns - self._clock.now_ns()) / NS_PER_SECOND
        await self._scraper.scrape(window, self.take_rows, at_most_seconds=left_seconds)

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
        # What the batch before had is nobody's any more, or only of who subscribed and took hold of it.
        await self._in_thread("sweep", self._store.sweep)
        return batch

    def take_rows(self, target: Target, rows: Rows) -> None:
        """Takes one target's rows into the open batch. On the loop, in one step: no reader sees half of it."""
        slot = self._store.find(Kind.NODE, target.name)
        self._store.ingest(rows, slot, self._clock.now_ns(), is_side=target.is_side)

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
