"""Builds what answers the historical API.

In      HistoryOptions, the store, the folder of history
Out     a backend, fed with every new batch where it keeps them itself; a task to run beside the ticks
Callers daemon
Source  design: all parts are joined at the top, in road order
Never   decides which backend: config does
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client import CollectorRegistry

from heapfast.clock import Clock
from heapfast.history.backend import HistoryBackend

if TYPE_CHECKING:
    from heapfast._core import Store
    from heapfast.config.options import HistoryOptions
    from heapfast.data_dir import DataDir
    from heapfast.pipeline import Pipeline


class LongMemory(NamedTuple):
    """What there is of history.

    Attributes:
        backend: None when nobody is to be asked.
        tasks: by name, to be run until the daemon stops.
    """

    backend: HistoryBackend | None
    tasks: dict[str, Callable[[], Coroutine[Any, Any, None]]]


async def open_long_memory(
    options: HistoryOptions,
    data_dir: DataDir | None,
    stack: contextlib.AsyncExitStack,
    *,
    store: Store,
    pipeline: Pipeline,
    clock: Clock,
    registry: CollectorRegistry,
) -> LongMemory:
    """Opens the store of history that the options name; `stack` closes it.

    Raises:
        ConfigError: its folder, or a file that its URI names, cannot be used.
    """
    if options.embedded is None or data_dir is None:
        backend = None if options.store is None else options.store.build_history(clock)
        if backend is not None:
            stack.push_async_callback(backend.close)
        return LongMemory(backend, {})
    # DuckDB and Arrow take tens of megabytes, which are for those who use them.
    from heapfast.history.embedded import open_embedded

    opened = open_embedded(data_dir.folder("history"), options.embedded, store=store, clock=clock, registry=registry)
    embedded, writer = await stack.enter_async_context(opened)
    pipeline.subscribe(writer.take)
    return LongMemory(embedded, {"history": writer.run})
