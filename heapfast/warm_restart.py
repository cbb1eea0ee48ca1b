"""A restart that forgets nothing: --data-dir's segments, joined to the store, the watches and the tick.

In      a store that has had nothing so far, and the folder of segments
Out     the store refilled; a subscriber of batches and its task
Callers daemon
Source  docs/warm-restart.md
Never   decides who is there: the API server does, so what was kept is served once its first lists are complete
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from heapfast.store.monitoring import SegmentMonitoring
from heapfast.store.segment_writer import SegmentFolder, SegmentWriter
from heapfast.store.segments import About, restore, stamps_of
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from heapfast._core import Store
    from heapfast._restore import Restoring
    from heapfast.clock import Clock
    from heapfast.config.options import StoreOptions
    from heapfast.consumers import Consumer
    from heapfast.pipeline import Pipeline

log = logging.getLogger(__name__)


class WarmRestart:
    """What was kept, until it is served; and who keeps the batches that follow.

    Attributes:
        writer: to be subscribed to batches, and run as a task.
    """

    def __init__(self, restoring: Restoring, writer: SegmentWriter) -> None:
        self._restoring: Restoring | None = restoring if restoring.batches else None
        self.writer = writer

    @property
    def is_settled(self) -> bool:
        """What was kept is what is served now, or there was nothing."""
        return self._restoring is None

    async def settle(self, consumers: Iterable[Consumer], pipeline: Pipeline) -> None:
        """Waits for the API server's first lists, and serves what was kept of whom they name."""
        restoring = self._restoring
        if restoring is None:
            return
        for consumer in consumers:
            await consumer.wait_synced()
        try:
            await pipeline.settle(restoring)
        except MemoryError as error:
            log.error("what was kept is not served: %s", error)
        if restoring.is_foreign:
            log.warning(
                "what was kept is thrown away: the API server knows none of its pods, so it is another cluster's"
            )
        self._restoring = None


async def begin_warm_restart(
    folder: Path,
    store: Store,
    about: About,
    options: StoreOptions,
    *,
    clock: Clock,
    registry: CollectorRegistry,
    stack: AsyncExitStack,
) -> WarmRestart:
    """Refills the store, in a thread; nobody else may use it until this returns."""
    # A disk may keep it waiting; those who close and render batches must not wait with it.
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="heapfast-segments")
    stack.callback(executor.shutdown)
    monitoring = SegmentMonitoring(registry)
    started = clock.monotonic()
    now_ns = clock.now_ns()
    restored = await asyncio.get_running_loop().run_in_executor(
        executor,
        partial(
            restore,
            folder,
            store,
            now_ns,
            cluster=about.cluster,
            long_ns=options.long_retention_ns,
            short_ns=options.short_retention_ns,
        ),
    )
    restoring = restored.restoring
    seconds = clock.monotonic() - started
    monitoring.restored(restoring.batches, seconds)
    if restoring.batches:
        age_seconds = (now_ns - restoring.newest_ns) / NS_PER_SECOND
        log.info(
            "%s: %d batches are back after %.2f s, the newest is %.0f s old",
            folder, restoring.batches, seconds, age_seconds,
        )  # fmt: skip
    else:
        log.info("%s: there is nothing to begin with", folder)
    kept = SegmentFolder(
        folder,
        store,
        about,
        retention_ns=max(options.long_retention_ns, options.short_retention_ns),
        stamps=stamps_of(restored.segments),
    )
    return WarmRestart(restoring, SegmentWriter(kept, executor, monitoring, clock))
