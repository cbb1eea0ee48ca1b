"""The loop's longest turn while something is done, and for how much of it the process held it.

In      what is done inside `async with watched()`
Out     milliseconds on the wall, of the loop's own CPU, and held
Callers the other benches of this folder
Source  issue 5: the loop never held more than 5 ms
Never   spins: it would fight with the threads for the GIL and measure itself

On a busy machine a turn is long because the loop waits for a core, or a thread that has the GIL does. What is held is
what is left without the loop's own wait, and no more than the CPU that the whole process took in that time. So a thread
that keeps the GIL counts, which is no CPU of the loop's. What the host of a virtual machine takes is seen by nobody in
it: what is asked in rounds is judged by the round that held least, for what holds the loop does so in each.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

PAUSE_SECONDS: Final = 0.001


class Turns:
    """Of the turns so far.

    Attributes:
        longest_ms: of the longest, on the wall.
        cpu_ms: the loop's own CPU, at most.
        held_ms: how long the process held it, at most, in the round that held least.
    """

    def __init__(self) -> None:
        self.longest_ms = self.cpu_ms = 0.0
        self._rounds = [0.0]
        self._is_begun = False

    @property
    def held_ms(self) -> float:
        return min(self._rounds)

    async def begin_round(self) -> None:
        """The same is done once more, or for the first time."""
        # The last turn of what was done before is noted only when it is over.
        await asyncio.sleep(2 * PAUSE_SECONDS)
        if self._is_begun:
            self._rounds.append(0.0)
        self._is_begun = True

    def note(self, late_ms: float, own_ms: float, process_ms: float, waited_ms: float) -> None:
        self.longest_ms = max(self.longest_ms, late_ms)
        self.cpu_ms = max(self.cpu_ms, own_ms)
        self._rounds[-1] = max(self._rounds[-1], min(process_ms, late_ms - waited_ms))


def waited_ms(thread: int) -> float:
    """How long a thread has waited for a core, so far; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_bytes().split()[1]) / 1e6
    except OSError:
        return 0.0


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Turns]:
    """Notes the turns of the running loop, until it is left."""
    turns = Turns()
    own = threading.get_native_id()
    is_over = False

    async def turn() -> None:
        while not is_over:
            waited, process, cpu = waited_ms(own), time.process_time(), time.thread_time()
            start = time.perf_counter()
            await asyncio.sleep(PAUSE_SECONDS)
            late = time.perf_counter() - start - PAUSE_SECONDS
            turns.note(
                late * 1e3,
                (time.thread_time() - cpu) * 1e3,
                (time.process_time() - process) * 1e3,
                waited_ms(own) - waited,
            )

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    try:
        yield turns
    finally:
        is_over = True
        await turning
