"""Scrapes out of turn: of nodes where a pod has just started, so that nobody waits a round for its numbers.

In      nodes and pods, each at the moment when something began to run there; what those pods wait with
Out     scrape(node), when the kubelet is likely to have a sample that a rate can be taken from
Callers daemon, for the latest view only
Source  spec/metrics-k8s-io.md 16: a container has a rate from its start time once a sample is 10 s older than that
Never   has two scrapes of one node pending, or more than MAX_IN_FLIGHT in flight, or looks for what has its rate

cAdvisor samples a container at its start, and then every 10 to 20 s, drawn anew each time; other kubelets
sample every 10 s sharp, at moments that have nothing to do with starts. So the sample that counts is there

    at the first look, FIRST_SECONDS after the start     from a few of both
    at the next look, right after the next sample of     from all of the latter: between 10 and 20 s after the start,
    a kubelet that samples every 10 s                    15 s on average
    at the last look, LAST_SECONDS after the start       from all of the former

A look is left out while a sample is known, and the next one is not due from either kind of kubelet; and for good once
all pods that have started have their rates, be it from a round. So one or two looks do for a start, 1.9 on average. A
sample that is still the newest when the next one was due tells that the kubelet is not of the sharp kind: the last look
is the next then. Starts that follow each other closely share looks, of which a node gets one every 10 s or so.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from typing import Final

from heapfast.clock import Clock
from heapfast.scrape._rhythm import LAG_SECONDS
from heapfast.units import NS_PER_SECOND

#: The youngest sample that gives a rate is 10 s old; the watch is rarely more than a second behind the kubelet.
FIRST_SECONDS: Final = 11.0

#: From one sample to the next of a kubelet that samples in a steady rhythm, until it is there to be fetched.
NEXT_SECONDS: Final = 10.0 + LAG_SECONDS

#: cAdvisor's longest pause between two samples, 20 s, and a second for the watch.
LAST_SECONDS: Final = 21.0

#: A rollout starts pods on every node at once; beyond this, nodes wait their turn.
MAX_IN_FLIGHT: Final = 64

#: A look that comes no earlier than so long before a sample was due counts as one that has missed it.
_SHORTEST_PAUSE_SECONDS: Final = 0.1

#: Loops round timers to the millisecond; a shorter sleep would spin.
_SHORTEST_SLEEP_SECONDS: Final = 0.001


class _Start:
    """One pod that has started something.

    Attributes:
        at: monotonic seconds.
        wall_ns: the same by the wall clock.
        looked_at: when the last look at its node began; -inf for none.
    """

    __slots__ = ("at", "looked_at", "wall_ns")

    def __init__(self, at: float, wall_ns: int) -> None:
        self.at = at
        self.wall_ns = wall_ns
        self.looked_at = -math.inf


class ExtraScrapes:
    """Looks again at nodes where something has started.

    Args:
        scrape: scrapes one node, and returns when that has ended, well or not. What it raises ends `run`.
        young_sample_ns: what a pod that has started something at that time waits with: None when it has its rates,
            otherwise the time of its newest sample, 0 for none.
        clock: whose monotonic time looks are due by.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        scrape: Callable[[str], Awaitable[object]],
        young_sample_ns: Callable[[int, int], int | None],
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._scrape = scrape
        self._young_sample_ns = young_sample_ns
        self._clock = clock
        self._sleep = sleep
        self._due: list[tuple[float, str]] = []  # a heap; each node at most once
        self._starts: dict[str, dict[int, _Start]] = {}  # of nodes in the heap, or being scraped, by the pod's slot
        self._has_due = asyncio.Event()
        self._free = asyncio.Semaphore(MAX_IN_FLIGHT)

    @property
    def pending(self) -> int:
        """Nodes that will be looked at, or are."""
        return len(self._starts)

    def note_start(self, node: str, pod: int) -> None:
        """Has a node looked at: something has begun to run there just now, in the pod with that slot."""
        now = self._clock.monotonic()
        if node not in self._starts:
            self._starts[node] = {}
            self._put(now + FIRST_SECONDS, node)
        self._starts[node][pod] = _Start(now, self._clock.now_ns())

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
                node = self._take()
                if self._is_wanted(node):
                    scrapes.create_task(self._look(node))
                else:
                    self._free.release()

    def _put(self, due: float, node: str) -> None:
        heappush(self._due, (due, node))
        self._has_due.set()

    def _take(self) -> str:
        _, node = heappop(self._due)
        if not self._due:
            self._has_due.clear()
        return node

    def _is_wanted(self, node: str) -> bool:
        """Whether a look at the node is due now; if not, it is put back for when one is."""
        now = self._clock.monotonic()
        dues = [due for due, _ in self._dues(node)]
        if dues and min(dues) > now:
            self._put(min(dues), node)
        elif not dues:
            del self._starts[node]
        return bool(dues) and min(dues) <= now

    async def _look(self, node: str) -> None:
        began = self._clock.monotonic()
        try:
            await self._scrape(node)
        finally:
            self._free.release()
        starts = self._starts[node]
        for pod, start in list(starts.items()):
            if start.at + LAST_SECONDS <= began:
                del starts[pod]
            else:
                start.looked_at = began
        self._put_back(node)

    def _put_back(self, node: str) -> None:
        """Has the node looked at again, where somebody still waits: at the last moment that one kind of look is due."""
        last_of_kind: dict[str, float] = {}
        for due, kind in self._dues(node):
            last_of_kind[kind] = max(due, last_of_kind.get(kind, due))
        if last_of_kind:
            self._put(min(last_of_kind.values()), node)
        else:
            del self._starts[node]

    def _dues(self, node: str) -> list[tuple[float, str]]:
        """When each pod that waits needs a look, and which; those that have their rates are forgotten."""
        now, now_ns = self._clock.monotonic(), self._clock.now_ns()
        starts = self._starts[node]
        found = []
        for pod, start in list(starts.items()):
            sample_ns = self._young_sample_ns(pod, start.wall_ns)
            if sample_ns is None:
                del starts[pod]
                continue
            first, last = start.at + FIRST_SECONDS, start.at + LAST_SECONDS
            following = now + (sample_ns - now_ns) / NS_PER_SECOND + NEXT_SECONDS
            if sample_ns and start.looked_at < following - _SHORTEST_PAUSE_SECONDS:
                # Not before the first look is due, for a sample that is 10 s old.
                found.append((min(max(first, following), last), "next"))
            elif start.looked_at < first:
                found.append((first, "first"))
            else:
                found.append((last, "last"))
        return found
