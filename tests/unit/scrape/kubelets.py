"""Kubelets that sample in a rhythm of their own, and a manager that asks them in virtual time.

In      when each container of a kubelet is sampled
Out     Fleet: windows one after the other; when each kubelet was asked, and how old what it had was by then
Callers the tests of places.py
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

from heapfast.scrape._http import KubeletClient, OnDone
from heapfast.scrape._target import Target
from heapfast.scrape.loop import Window
from heapfast.scrape.manager import ScrapeManager
from heapfast.scrape.sources.kubelet_resource import KubeletResource
from tests.unit.scrape.virtual import LoopClock

#: The sample times of all containers that there are at a moment; both as milliseconds after the first window's end.
Samples = Callable[[int], list[int]]


def steady(
    period_ms: int, offset_ms: int, *, containers: int = 10, spread_ms: int = 800, unsteady_ms: int = 0
) -> Samples:
    """All containers at one moment, a period apart; each container up to `spread_ms` before the last."""

    def samples(now_ms: int) -> list[int]:
        early = [spread_ms * i // max(1, containers - 1) for i in range(containers)]
        return [_last(period_ms, offset_ms - before, now_ms, unsteady_ms) for before in early]

    return samples


def _last(period_ms: int, offset_ms: int, now_ms: int, unsteady_ms: int) -> int:
    def moment(n: int) -> int:
        return n * period_ms + offset_ms + (random.Random(n).randint(0, unsteady_ms) if unsteady_ms else 0)

    n = (now_ms - offset_ms) // period_ms
    return moment(n) if moment(n) <= now_ms else moment(n - 1)


def drawn(seed: int, *, containers: int = 10, until_ms: int = 3_600_000) -> Samples:
    """As cAdvisor: each container by itself, every pause drawn anew from 10 to 20 s."""
    draw = random.Random(seed)
    moments = []
    for _ in range(containers):
        at, mine = -draw.randint(20_000, 40_000), []
        while at < until_ms:
            mine.append(at)
            at += draw.randint(10_000, 20_000)
        moments.append(mine)
    return lambda now_ms: [mine[bisect_right(mine, now_ms) - 1] for mine in moments]


def on_demand(now_ms: int) -> list[int]:
    """Samples when it is asked."""
    return [now_ms] * 10


def after(moment_ms: int, before: Samples, then: Samples) -> Samples:
    """One rhythm until a moment, and another from then on."""
    return lambda now_ms: before(now_ms) if now_ms < moment_ms else then(now_ms)


def with_clock(ahead_ms: int, samples: Samples) -> Samples:
    """The clock of a kubelet is off."""
    return lambda now_ms: [at + ahead_ms for at in samples(now_ms)]


class _Line:
    """A connection to one of them."""

    content_type = "text/plain"
    is_open = True

    def __init__(self, fleet: Fleet, ip: str) -> None:
        self._fleet = fleet
        self._ip = ip

    def request(self, head: bytes, body: bytes, on_done: OnDone) -> None:
        asyncio.get_running_loop().call_later(0.01, on_done, self._fleet.answer(self._ip), None)

    def close(self) -> None:
        self.is_open = False


class Fleet:
    """Kubelets n0, n1, ..., each with its rhythm, and the manager that asks them every `resolution_ms`.

    Attributes:
        asked: when each node was asked, window after window: milliseconds after the first window's end.
        excess: how long each node had had its newest sample by then, in milliseconds.
    """

    def __init__(
        self, clock: LoopClock, rhythms: list[Samples], *, resolution_ms: int = 15_000, **options: Any
    ) -> None:
        self.clock = clock
        self.resolution_ms = resolution_ms
        self.rhythms = {f"10.0.0.{i}": rhythm for i, rhythm in enumerate(rhythms)}
        self.shift_ms: dict[str, int] = defaultdict(int)
        self.asked: defaultdict[str, list[int]] = defaultdict(list)
        self.excess: defaultdict[str, list[int]] = defaultdict(list)
        self.windows = 0
        self._began_ns = clock.now_ns()
        options = {"deadline_seconds": 0.9 * resolution_ms / 1e3, "follows_rhythm": True, **options}
        self.manager = ScrapeManager(KubeletResource(), cast(KubeletClient, self), port=1, clock=clock, **options)
        for i in range(len(rhythms)):
            self.put(i)

    def put(self, i: int) -> Target:
        return self.manager.put(f"n{i}", hostname=f"h{i}", ip=f"10.0.0.{i}")

    def connect(self, ip: str, port: int, label: str) -> _Line:
        return _Line(self, ip)

    def answer(self, ip: str) -> bytes:
        now_ms = self.now_ms()
        samples = self.rhythms[ip](now_ms)
        name = f"n{ip.rpartition('.')[2]}"
        self.asked[name].append(now_ms)
        self.excess[name].append(now_ms - max(samples))
        lines = []
        for i, at_ms in enumerate(samples):
            labels = f'{{container="c",namespace="d",pod="p{i}"}}'
            stamp = at_ms + self._began_ns // 1_000_000
            lines.append(f"container_cpu_usage_seconds_total{labels} 1 {stamp}")
            lines.append(f"container_memory_working_set_bytes{labels} 1 {stamp}")
        return "\n".join([*lines, ""]).encode()

    def now_ms(self) -> int:
        return (self.clock.now_ns() - self._began_ns) // 1_000_000

    def window(self) -> Window:
        end_ns = self._began_ns + self.windows * self.resolution_ms * 1_000_000
        return Window(end_ns - self.resolution_ms * 1_000_000, end_ns)

    async def run(self, windows: int, *, late_ms: int = 0) -> None:
        """So many more windows, each begun `late_ms` after its end."""
        for _ in range(windows):
            wait_ms = self.windows * self.resolution_ms + late_ms - self.now_ms()
            await asyncio.sleep(max(0, wait_ms) / 1e3)
            report = await self.manager.scrape(self.window(), lambda target, rows: None)
            assert report.delivered == len(self.manager.targets)
            self.windows += 1

    def target(self, i: int = 0) -> Target:
        return next(target for target in self.manager.targets if target.name == f"n{i}")

    def newest_excess(self, windows: int, i: int = 0) -> int:
        """The largest of the last windows, modulo 5 s: what a better place would have saved."""
        return max(excess % 5_000 for excess in self.excess[f"n{i}"][-windows:])
