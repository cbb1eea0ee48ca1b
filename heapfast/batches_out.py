"""Builds the sinks, and has the pipeline hand them each batch.

In      SinkOptions
Out     a SinkManager that runs, and ends before the threads do
Callers daemon
Source  spec/heapster-pipeline.md 6.2 and 6.3
Never   connects: sinks do when there is something to send, so none can keep the daemon from starting (Q19)
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from heapfast.sinks.manager import SinkManager, SinkWorker
from heapfast.sinks.monitoring import SinksMonitoring
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from heapfast.clock import Clock
    from heapfast.config.options import SinkOptions
    from heapfast.pipeline import Pipeline
    from heapfast.store.monitoring import TickMonitoring

log = logging.getLogger(__name__)


def start_sinks(
    options: SinkOptions,
    pipeline: Pipeline,
    stack: AsyncExitStack,
    *,
    executor: Executor,
    clock: Clock,
    registry: CollectorRegistry,
    ticks: TickMonitoring,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Makes every sink and subscribes them; without any it does nothing."""
    if not options.specs:
        return
    monitoring = SinksMonitoring(registry)
    seen: Counter[str] = Counter()
    workers = []
    for kind, spec in options.specs:
        sink = spec.build(executor)
        seen[kind] += 1
        name = kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"
        log.info("sink %s: batches go to %s", name, sink.place)
        workers.append(
            SinkWorker(
                sink,
                name=name,
                executor=executor,
                clock=clock,
                random=random.random,
                sleep=sleep,
                monitoring=monitoring.of(name),
                exported=ticks.exported,
                queue_batches=options.queue_batches,
                send_seconds=options.send_ns / NS_PER_SECOND,
            )
        )
    manager = SinkManager(workers, sleep=sleep, flush_seconds=options.flush_ns / NS_PER_SECOND)
    manager.start()
    stack.push_async_callback(manager.close)
    pipeline.subscribe(manager)
