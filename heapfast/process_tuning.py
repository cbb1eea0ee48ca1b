"""What is set for the whole process: open files, pauses of the collector.

In      nothing
Out     a higher limit of open files; a collector with little to look at
Callers daemon
Source  gc of the standard library
Never   fails the daemon: a system that lacks one of these goes without it
"""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Awaitable, Callable
from typing import Final

#: How often what has come is frozen while the daemon starts.
FREEZE_SECONDS: Final = 1.0

#: So many times more after the start: by then every target has been asked a few times.
LAST_FREEZES: Final = 60

#: When the collector looks at each generation, as the interpreter has it.
_THRESHOLDS: Final = gc.get_threshold()

#: Of the oldest generation: never by itself.
_NEVER: Final = 2**31 - 1


def raise_file_limit() -> None:
    """As many open files as the system lets us have: one a node, and one a client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def keep_collections_short(
    has_started: Callable[[], bool], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Takes what lives for good out of the collector's sight, until the start is over.

    A full collection walks through all that is tracked: with 150,000 pods 85 to 160 ms on the loop, once at the end
    of the start and seven times while pods were listed. So there is none during the start. What has come is frozen
    every second instead, after a look at the young generations alone (4 ms at most). Cycles of that time that were
    garbage already, and had outlived the young generations, stay in memory. Afterwards the collector works as ever,
    on what is not frozen.

    Args:
        has_started: whether everything that lives for good is about to be there.
    """
    gc.set_threshold(*_THRESHOLDS[:2], _NEVER)
    try:
        left = LAST_FREEZES
        while left:
            gc.collect(1)
            gc.freeze()
            left -= has_started()
            await sleep(FREEZE_SECONDS)
    finally:
        gc.set_threshold(*_THRESHOLDS)
