"""Whom to scrape: the set of targets, and one round over all of them when asked.

In      nodes that come, change and go; windows
Out     deliver(target, rows) for each answer; a ScrapeReport a window
        deliver(target, rows) for a single one out of turn
Callers consumers.py puts and removes, pipeline scrapes; daemon builds and closes; /debug and monitoring.py read
Source  spec/heapster-pipeline.md 3.3 and 3.4; Q18
Never   decides which nodes are fit to be scraped, or what becomes of rows
"""

from __future__ import annotations

import math
import random
from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from heapfast.scrape._counters import ScrapeCounters
from heapfast.scrape._round import Round
from heapfast.scrape._target import Target, host_port
from heapfast.scrape.kit import Deliver, Kit, ScrapeObserver, ScrapeReport
from heapfast.scrape.places import Places

if TYPE_CHECKING:
    from heapfast.clock import Clock
    from heapfast.scrape._http import KubeletClient
    from heapfast.scrape.beside import Beside
    from heapfast.scrape.loop import Window
    from heapfast.scrape.sources.source import Source

#: Heapster's own spread: 8 ms a target, 4 s at most.
SPREAD_SECONDS_A_TARGET: Final = 0.008
MAX_SPREAD_SECONDS: Final = 4.0

#: Heapster's own deadline of a scrape.
DEADLINE_SECONDS: Final = 20.0

_by_phase = attrgetter("phase")


class ScrapeManager:
    """All targets, and the source that they are asked for; beside it perhaps a second one, seldomer.

    Args:
        port: of kubelets, where `put` names none.
        spread_seconds: over which starts are spread; None for 8 ms a target and at most 4 s. It must be
            shorter than the deadline, or the last targets never get their turn.
        deadline_seconds: after which a scrape returns, whoever is missing. It should end before the next window.
        deliver_late: takes answers that came later than that; None drops them.
        jitter: numbers from 0 to 1 for back-off.
        beside: a second source; None for none.
        follows_rhythm: ask each target just after its kubelet has sampled, where that can be foretold.

    Attributes:
        began_ns: wall clock at the start of the last round; 0 before the first.
    """

    def __init__(
        self,
        source: Source,
        client: KubeletClient,
        *,
        port: int,
        clock: Clock,
        spread_seconds: float | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        deliver_late: Deliver | None = None,
        jitter: Callable[[], float] = random.random,
        beside: Beside | None = None,
        follows_rhythm: bool = False,
    ) -> None:
        if (MAX_SPREAD_SECONDS if spread_seconds is None else spread_seconds) >= deadline_seconds:
            raise ValueError(f"BUG: a spread of {spread_seconds} s does not end before {deadline_seconds} s")
        self.source = source
        self.counters = ScrapeCounters()
        self._client = client
        self._port = port
        self._spread_seconds = spread_seconds
        self._deadline_seconds = deadline_seconds
        self.beside = beside
        self._places = Places(deadline_seconds, source.together)
        self.follows_rhythm = follows_rhythm
        self._kit = Kit(
            source,
            source.new_rows(),
            clock,
            self.counters,
            deliver_late,
            jitter,
            beside=beside,
            places=self._places if follows_rhythm else None,
        )
        self.began_ns = 0
        self._targets: dict[str, Target] = {}
        self._ordered: list[Target] = []
        self._is_scraping = False

    def observe(self, observer: ScrapeObserver) -> None:
        """Tells `observer` of scrapes and rounds from the next round on."""
        self._kit = replace(self._kit, observer=observer)

    def put(self, name: str, *, hostname: str, ip: str, port: int | None = None, path: str = "") -> Target:
        """Scrape a node from now on. Call it when a node object is new or has changed, not on every window.

        A node that has been away is tried again without its back-off. One with a new address is a new
        target; its old connection is closed.

        Args:
            ip: address of its kubelet: an IP, or a name that resolves to one.
            path: to ask at instead of the source's own, percent-encoded; "" for the source's own.
        """
        port = self._port if port is None else port
        old = self._targets.get(name)
        if old is not None and (old.ip, old.port) == (ip, port):
            old.hostname = hostname
            if old.path != path:
                old.path, old.head = path, b""
            old.forgive()
            if old.twin is not None:
                old.twin.hostname = hostname
                old.twin.forgive()
            return old
        self.remove(name)
        connection = self._client.connect(ip, port, host_port(ip, port))
        target = Target(name, hostname, ip, port, connection, self.source.name)
        target.path = path
        if self.beside is not None:
            target.beside(self.beside.source.name)
        self._targets[name] = target
        insort(self._ordered, target, key=_by_phase)
        self._places.forget_order()
        return target

    def remove(self, name: str) -> None:
        """Scrape a node no more, and close its connection. Unknown names are nothing new."""
        target = self._targets.pop(name, None)
        if target is not None:
            self._ordered.remove(target)
            self._places.release(target)
            self._places.forget_order()
            target.is_removed = True
            if target.twin is not None:
                target.twin.is_removed = True
            target.connection.close()
            if self._kit.observer is not None:
                self._kit.observer.forget(name)

    async def scrape(self, window: Window, deliver: Deliver, *, at_most_seconds: float = math.inf) -> ScrapeReport:
        """Ask every target once, and for its second source where that is due.

        Args:
            deliver: called on the loop, right after one answer was parsed; the rows are only valid during
                the call. An exception in it costs that target.
            at_most_seconds: an earlier deadline than the usual one.

        Returns as soon as every target worth waiting for has answered or failed, at the latest at the deadline.
        """
        if self._is_scraping:
            raise RuntimeError("BUG: a scrape was asked for while another is under way")
        self._is_scraping = True
        self.began_ns = self._kit.clock.now_ns()
        try:
            targets = self._places.order(self._ordered, self.spread_seconds)
            scrape_round = Round(self._kit, targets, window, deliver, in_turn=True)
            report = await scrape_round.run(min(self._deadline_seconds, at_most_seconds))
        finally:
            self._is_scraping = False
        if self._kit.observer is not None:
            self._kit.observer.observe_round(report.took_seconds)
        return report

    async def scrape_one(self, name: str, window: Window, deliver: Deliver) -> None:
        """Ask one target out of turn, also while a round is under way. Unknown names are nothing new.

        A target that is busy, or has been away when it was asked last, is left to the rounds.
        Returns when it has answered or failed, at the latest at the deadline.
        """
        target = self._targets.get(name)
        if target is not None and not target.is_busy and not target.is_down():
            self.counters.extra += 1
            await Round(self._kit, (target,), window, deliver).run(self._deadline_seconds)

    def close(self) -> None:
        """Closes every connection and the client; requests in flight fail."""
        for name in list(self._targets):
            self.remove(name)
        self._client.close()

    @property
    def spread_seconds(self) -> float:
        """Over which the starts of the next scrape are spread."""
        if self._spread_seconds is not None:
            return self._spread_seconds
        return min(SPREAD_SECONDS_A_TARGET * len(self._ordered), MAX_SPREAD_SECONDS)

    @property
    def placed(self) -> int:
        """Targets that are asked just after their kubelet has sampled."""
        return self._places.placed

    @property
    def targets(self) -> Sequence[Target]:
        """All targets, in the order of their phases. A copy: safe to walk in any thread."""
        return tuple(self._ordered)

    def describe_targets(self, node: str | None = None) -> Iterator[Mapping[str, Any]]:
        """The state of every target, one JSON object each, or of the one of a node; each as it is when it is taken."""
        if node is None:
            yield from (target.describe() for target in tuple(self._ordered))
        elif node in self._targets:
            yield self._targets[node].describe()
