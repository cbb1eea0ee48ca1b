"""One scrape of all targets: each started in its turn, each answer parsed and delivered at once.

In      targets in the order of their starts, a window
Out     deliver(target, rows) for each good answer; ScrapeReport at the end
Callers manager.py, one round at a time
Source  spec/heapster-pipeline.md 3.4; Q18 (one bad node costs itself only)
Never   creates a task, or delivers into a round that is over

    0 ──────────── spread ─────────────────────── deadline
    start each target at phase x spread,   │
    or at its place (places.py),           │
    neighbours together                    │
              all that are awaited are in: over ┘         or now, whatever is missing
                                                 answers after that are late: finished, counted, offered

A target whose node was away last time is asked, but not awaited: it can hold up nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from heapfast.clock import Clock
from heapfast.errors import ParseError, ScrapeError
from heapfast.scrape.beside import Beside, seconds_left
from heapfast.scrape.monitoring import ScrapeCounters
from heapfast.scrape.target import Target
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from heapfast.scrape.loop import Window
    from heapfast.scrape.places import Places
    from heapfast.scrape.sources.source import Source
    from heapfast.wire._rows import Rows

log = logging.getLogger(__name__)

#: Takes one answer. `rows` is the same object every time and only valid during the call.
Deliver = Callable[[Target, "Rows"], None]

#: So many starts hold the loop for about 1 ms; after a stall the rest of the backlog waits its turn.
_STARTS_A_STEP: Final = 64

#: Connections that are being opened at a time. A TLS handshake takes each side a millisecond or more: with
#: thousands at once, as after a start, all of them would run into their time-outs.
MAX_OPENING: Final = 128

#: Nodes that a round names in the log, of those that have begun or ceased to answer; the others it counts.
MAX_NAMED: Final = 20

#: uvloop's timers are whole milliseconds.
_TIMER_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class ScrapeReport:
    """How a round went, when it was over.

    Attributes:
        targets: there were.
        delivered: gave rows in time.
        failed: gave an error in time.
        skipped: were still busy with an earlier round, or had not started when the deadline came.
        backed_off: were left alone, because they have been away for a while.
        unanswered: were asked, and had given nothing when the round was over.
        took_seconds: from the first start.
    """

    targets: int
    delivered: int
    failed: int
    skipped: int
    backed_off: int
    unanswered: int
    took_seconds: float


class ScrapeObserver(Protocol):
    """Who counts scrapes under names of its own. Called on the loop; must not raise."""

    def observe_request(self, node: str, start_ns: int, seconds: float, *, is_success: bool) -> None: ...
    def observe_round(self, seconds: float) -> None: ...
    def forget(self, node: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Kit:
    """What every round needs.

    Attributes:
        rows: filled anew for each answer.
        deliver_late: takes answers that came after their round was over; None drops them unread.
        jitter: gives numbers from 0 to 1.
        observer: is told of every scrape of the main source that has ended; None for nobody.
        beside: the second source; None where there is one.
        places: looks at answers of the main source; None where targets are asked at their phases, whatever they say.
    """

    source: Source
    rows: Rows
    clock: Clock
    counters: ScrapeCounters
    deliver_late: Deliver | None
    jitter: Callable[[], float]
    observer: ScrapeObserver | None = None
    beside: Beside | None = None
    places: Places | None = None

    def source_of(self, target: Target) -> tuple[Source, Rows]:
        """What a target is asked for, and the rows that its answer goes into."""
        if target.is_side and self.beside is not None:
            return self.beside.source, self.beside.rows
        return self.source, self.rows


class Round:
    """One scrape. `run` once.

    Args:
        in_turn: start each target at its place, and ask for its second source too, where that is due, which counts in
            no report; otherwise start all as they are, at once.
    """

    def __init__(
        self, kit: Kit, targets: Sequence[Target], window: Window, deliver: Deliver, *, in_turn: bool = False
    ) -> None:
        self._kit = kit
        self._targets = targets
        self._window = window
        self._deliver = deliver
        self._in_turn = in_turn
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.Handle | None = None
        self._began = self._loop.time()
        self._lead_seconds = self._seconds_after_window()
        self._spread_seconds = 0.0
        self._next = 0
        self._is_open = True
        self._awaited = 0
        self._opening = 0
        self._waiting: deque[Target] = deque()  # for their turn to open a connection
        self._changed = 0
        self._asked = self._delivered = self._failed = self._skipped = self._backed_off = 0

    async def run(self, spread_seconds: float, deadline_seconds: float) -> ScrapeReport:
        """Scrape, and return as soon as everything worth waiting for is in, at the latest at the deadline."""
        self._spread_seconds = spread_seconds
        deadline = self._loop.call_at(self._began + deadline_seconds, self._end)
        self._start_due()
        try:
            await self._over
        finally:
            self._is_open = False
            deadline.cancel()
            if self._timer is not None:
                self._timer.cancel()
        self._skipped += len(self._targets) - self._next + len(self._waiting)
        self._waiting.clear()
        if self._changed > MAX_NAMED:
            log.warning("%d more nodes have begun or ceased to answer (see /debug/targets)", self._changed - MAX_NAMED)
        return ScrapeReport(
            targets=len(self._targets),
            delivered=self._delivered,
            failed=self._failed,
            skipped=self._skipped,
            backed_off=self._backed_off,
            unanswered=self._asked - self._delivered - self._failed,
            took_seconds=self._loop.time() - self._began,
        )

    def _start_due(self) -> None:
        """Starts every target whose phase has come; one timer serves them all."""
        self._timer = None
        if not self._is_open:
            return
        elapsed = self._loop.time() - self._began
        for _ in range(_STARTS_A_STEP):
            if self._next == len(self._targets):
                self._end_if_complete()
                return
            target = self._targets[self._next]
            at = self._start_seconds(target)
            if at > elapsed + _TIMER_SECONDS:
                self._timer = self._loop.call_at(self._began + at, self._start_due)
                return
            self._next += 1
            self._start(target)
        self._timer = self._loop.call_soon(self._start_due)

    def _start(self, target: Target) -> None:
        kit = self._kit
        if target.is_removed:
            return
        if target.is_busy:
            self._skipped += not target.is_side
            kit.counters.skipped += 1
            return
        if target.retry_at > self._loop.time():
            self._backed_off += not target.is_side
            kit.counters.backed_off += 1
            self._start_twin(target)
            return
        target.is_awaited = not target.is_down()
        self._awaited += target.is_awaited
        if target.connection.is_open:
            self._ask(target, is_opening=False)
        elif self._opening < MAX_OPENING:
            self._ask(target, is_opening=True)
        else:
            self._waiting.append(target)

    def _start_twin(self, target: Target) -> None:
        """Starts the second source of a target that is done with the first, where it is due."""
        twin, beside = target.twin, self._kit.beside
        if twin is None or beside is None or target.is_side or not (self._in_turn and self._is_open):
            return
        if twin.good_period != beside.period(self._window, twin.phase) and self._seconds_left(twin) > 0:
            self._start(twin)

    def _seconds_left(self, target: Target) -> float:
        main = target.twin if target.is_side and target.twin is not None else target
        return seconds_left(self._window, self._loop.time() - self._began - self._start_seconds(main))

    def _start_seconds(self, target: Target) -> float:
        """When a target's turn is, from the begin of the round; one out of turn is due at once."""
        if not self._in_turn:
            return 0.0
        return target.start_seconds(self._spread_seconds) - (self._lead_seconds if target.place_ms >= 0 else 0.0)

    def _seconds_after_window(self) -> float:
        """How much of the time for places is over already; windows that the clock is not near count from here."""
        start_ns, end_ns = self._window
        after_ns = self._kit.clock.now_ns() - end_ns
        return after_ns / NS_PER_SECOND if 0 <= after_ns <= end_ns - start_ns else 0.0

    def _ask(self, target: Target, *, is_opening: bool) -> None:
        kit = self._kit
        self._asked += not target.is_side
        self._opening += is_opening
        kit.counters.in_flight += 1
        target.start(kit.clock.monotonic(), kit.clock.now_ns())
        head, body = kit.source_of(target)[0].request(target, self._window)
        on_done = partial(self._finish, target, is_opening)
        if target.is_side:
            target.connection.request(head, body, on_done, at_most_seconds=self._seconds_left(target))
        else:
            target.connection.request(head, body, on_done)

    def _finish(self, target: Target, is_opening: bool, body: bytes | None, error: ScrapeError | None) -> None:
        kit = self._kit
        kit.counters.in_flight -= 1
        if is_opening:
            self._opening -= 1
            self._open_next()
        answered = kit.clock.monotonic()
        if not self._is_open:
            kit.counters.late += 1
        if body is not None:
            error = self._take(target, body, self._deliver if self._is_open else kit.deliver_late)
        scrape_seconds = kit.clock.monotonic() - target.started
        target.finish(answered - target.started, scrape_seconds)
        if not target.is_removed:
            self._note(target, len(body or b""), error)
            kit.counters.observe(target.outcome, scrape_seconds, len(body or b""), is_side=target.is_side)
            if kit.observer is not None and not target.is_side:
                kit.observer.observe_request(
                    target.name, target.started_ns, answered - target.started, is_success=error is None
                )
        if self._is_open:
            if target.is_side:
                self._note_period(target, error)
            else:
                self._delivered += error is None
                self._failed += error is not None
                self._start_twin(target)
            self._awaited -= target.is_awaited
            self._end_if_complete()

    def _note_period(self, twin: Target, error: ScrapeError | None) -> None:
        if error is None and self._kit.beside is not None:
            twin.good_period = self._kit.beside.period(self._window, twin.phase)

    def _open_next(self) -> None:
        while self._is_open and self._waiting and self._opening < MAX_OPENING:
            target = self._waiting.popleft()
            if target.is_removed or target.is_busy:
                self._skipped += not target.is_side
                self._awaited -= target.is_awaited
            else:
                self._ask(target, is_opening=True)

    def _take(self, target: Target, body: bytes, deliver: Deliver | None) -> ScrapeError | None:
        """Parses and delivers; what goes wrong there costs this target only."""
        if deliver is None or target.is_removed:
            return None
        try:
            self._parse(target, body)
            rows = self._kit.source_of(target)[1]
            deliver(target, rows)
            if self._kit.places is not None and not target.is_side:
                self._kit.places.note(target, rows, self._window)
        except ParseError as error:
            # Names the content type: a proxy's page of HTML explains itself that way.
            content_type = target.connection.content_type or "none"
            return ScrapeError(target.address, "parse", f"{error} (content type: {content_type})")
        except Exception as error:
            # The root of everything that happens to an answer: above it is only the transport.
            log.exception("BUG: the answer of %s (%s) could not be taken", target.label, target.address)
            return ScrapeError(target.address, "deliver", f"its rows could not be taken ({error!r})")
        return None

    def _parse(self, target: Target, body: bytes) -> None:
        kit = self._kit
        source, rows = kit.source_of(target)
        started = kit.clock.monotonic()
        try:
            source.parse(body, rows, target.started_ns)
        finally:
            kit.counters.parse_seconds += kit.clock.monotonic() - started
        if rows.bad_values and not target.bad_values:
            log.warning(
                "node %s: left out %d values that are not what they should be, the first at byte %d (%s)",
                target.label,
                rows.bad_values,
                rows.bad_offset,
                target.address,
            )
        target.bad_values = rows.bad_values
        kit.counters.bad_values += rows.bad_values

    def _note(self, target: Target, body_bytes: int, error: ScrapeError | None) -> None:
        before = target.outcome
        if error is None:
            target.succeed(self._kit.clock.now_ns(), body_bytes)
            if before not in ("", "ok") and self._names():
                log.info("node %s answers again (%s)", target.label, target.address)
            return
        target.fail(error, self._loop.time(), self._kit.jitter())
        if target.outcome != before and self._names():
            log.warning("node %s: %s", target.label, error)

    def _names(self) -> bool:
        """Counts a node whose state has changed; whether the log still names it."""
        self._changed += 1
        return self._changed <= MAX_NAMED

    def _end_if_complete(self) -> None:
        if self._awaited == 0 and not self._waiting and self._next == len(self._targets):
            self._end()

    def _end(self) -> None:
        self._is_open = False
        if not self._over.done():
            self._over.set_result(None)
