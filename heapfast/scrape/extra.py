"""Scrapes out of turn: of nodes where a pod has just started, so that nobody waits a round for its numbers.

In      nodes, each at the moment when something began to run there
Out     scrape(node), when the kubelet is likely to have a sample that a rate can be taken from
Callers daemon, for the latest view only
Source  spec/metrics-k8s-io.md 16: a container has a rate from its start time once a sample is 10 s older than that
Never   has two scrapes of one node pending, or more than MAX_IN_FLIGHT in flight

cAdvisor samples a container at its start, and then every 10 to 20 s, drawn anew each time; other kubelets
sample every 10 s sharp. So the sample that counts is there

    at the first look, FIRST_SECONDS after the start     from the latter, and from a few of the former
    at the last look, LAST_SECONDS after the start       from all of them

Starts that follow each other closely share looks: a node with a start every second is looked at every 11 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from typing import Final

from heapfast.clock import Clock

#: The youngest sample that gives a rate is 10 s old; the watch is rarely more than a second behind the kubelet.
FIRST_SECONDS: Final = 11.0

#: cAdvisor's longest pause between two samples, 20 s, and as much again.
LAST_SECONDS: Final = 21.0

#: A rollout starts pods on every node at once; beyond this, nodes wait their turn.
MAX_IN_FLIGHT: Final = 64

#: Loops round timers to the millisecond; a shorter sleep would spin.
_SHORTEST_SLEEP_SECONDS: Final = 0.001


class ExtraScrapes:
    """Looks again at nodes where something has started.

    Args:
        scrape: scrapes one node, and returns when that has ended, well or not. What it raises ends `run`.
        clock: whose monotonic time looks are due by.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        scrape: Callable[[str], Awaitable[object]],
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._scrape = scrape
        self._clock = clock
        self._sleep = sleep
        self._due: list[tuple[float, str]] = []  # a heap; each node at most once
        self._started: dict[str, float] = {}  # the last start on each node that is in the heap
        self._has_due = asyncio.Event()
        self._free = asyncio.Semaphore(MAX_IN_FLIGHT)

    @property
    def pending(self) -> int:
        """Nodes that will be looked at."""
        return len(self._due)

    def note_start(self, node: str) -> None:
        """Has a node looked at: something has begun to run there just now."""
        now = self._clock.monotonic()
        if node not in self._started:
            self._put(now + FIRST_SECONDS, node)
        self._started[node] = now

    async def run(self) -> None:
        """Scrapes whatever becomes due, until cancelled."""
        async with asyncio.TaskGroup() as scrapes:
            while True:
                await self._has_due.wait()
                # Nothing that comes meanwhile is due before this: no look is further away than a first one.
                wait_seconds = self._due[0][0] - self._clock.monotonic()
                if wait_seconds > 0.0:
                    await self._sleep(max(wait_seconds, _SHORTEST_SLEEP_SECONDS))
                    continue
                await self._free.acquire()
                scrapes.create_task(self._look(self._take()))

    def _put(self, due: float, node: str) -> None:
        heappush(self._due, (due, node))
        self._has_due.set()

    def _take(self) -> str:
        """The node that is due first, which is put back if one of its starts needs another look."""
        _, node = heappop(self._due)
        now = self._clock.monotonic()
        started = self._started.pop(node)
        for after_seconds in (FIRST_SECONDS, LAST_SECONDS):
            if started + after_seconds > now:
                self._started[node] = started
                self._put(started + after_seconds, node)
                break
        if not self._due:
            self._has_due.clear()
        return node

    async def _look(self, node: str) -> None:
        try:
            await self._scrape(node)
        finally:
            self._free.release()
