"""One scrape of all targets: each started in its turn, each answer parsed and delivered at once.

In      targets in the order of their starts, a window
Out     deliver(target, rows) for each good answer; ScrapeReport at the end
Callers manager.py, one round at a time, and one of a single target beside it
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
from heapfast._types cimport int64_t
from heapfast.scrape._counters cimport ScrapeCounters
from heapfast.scrape._target cimport Target

import asyncio
import logging
from collections import deque
from functools import partial

from heapfast.errors import ParseError, ScrapeError
from heapfast.scrape.beside import seconds_left
from heapfast.scrape.kit import ScrapeReport
from heapfast.units import NS_PER_SECOND

log = logging.getLogger(__name__)

cdef enum:
    # So many starts hold the loop for about 1 ms; after a stall the rest of the backlog waits its turn.
    STARTS_A_STEP = 64

#: Connections that are being opened at a time. A TLS handshake takes each side a millisecond or more: with
#: thousands at once, as after a start, all of them would run into their time-outs.
MAX_OPENING = 128

#: Nodes that a round names in the log, of those that have begun or ceased to answer; the others it counts.
MAX_NAMED = 20

#: uvloop's timers are whole milliseconds.
cdef double TIMER_SECONDS = 0.001


cdef class Round:
    """One scrape. `run` once.

    Args:
        in_turn: start each target at its place, and ask for its second source too, where that is due, which counts in
            no report; otherwise start all as they are, at once.
    """
    cdef:
        object _kit
        object _clock                 # of the kit, and so are these
        ScrapeCounters _counters
        object _source
        object _rows
        object _beside                # None where there is one source
        object _places                # None where targets are asked at their phases
        object _observer              # None for nobody
        tuple _targets
        object _window
        object _deliver
        object _loop
        object _over                  # a future; done when the round is over
        object _timer
        object _waiting               # for their turn to open a connection
        double _began                 # the loop's time
        double _lead_seconds          # how much of the time for places was over by then
        bint _in_turn
        bint _is_open
        Py_ssize_t _next              # of the targets, to be started
        Py_ssize_t _awaited, _opening, _changed
        Py_ssize_t _asked, _delivered, _failed, _skipped, _backed_off

    def __init__(self, kit, targets, window, deliver, *, bint in_turn=False):
        self._kit = kit
        self._clock = kit.clock
        self._counters = kit.counters
        self._source = kit.source
        self._rows = kit.rows
        self._beside = kit.beside
        self._places = kit.places
        self._observer = kit.observer
        self._targets = tuple(targets)
        self._window = window
        self._deliver = deliver
        self._in_turn = in_turn
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        self._began = self._loop.time()
        self._lead_seconds = self._seconds_after_window()
        self._is_open = True
        self._waiting = deque()

    async def run(self, deadline_seconds):
        """Scrape, and return as soon as everything worth waiting for is in, at the latest at the deadline."""
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

    def _start_due(self):
        """Starts every target whose phase has come; one timer serves them all."""
        cdef Target target
        cdef double elapsed, at
        self._timer = None
        if not self._is_open:
            return
        elapsed = self._loop.time() - self._began
        for _ in range(STARTS_A_STEP):
            if self._next == len(self._targets):
                self._end_if_complete()
                return
            target = self._targets[self._next]
            at = self._start_seconds(target)
            if at > elapsed + TIMER_SECONDS:
                self._timer = self._loop.call_at(self._began + at, self._start_due)
                return
            self._next += 1
            self._start(target)
        self._timer = self._loop.call_soon(self._start_due)

    cdef int _start(self, Target target) except -1:
        if target.is_removed:
            return 0
        if target.occupied():
            self._skipped += not target.is_side
            self._counters.skipped += 1
            return 0
        if target.retry_at > <double> self._loop.time():
            self._backed_off += not target.is_side
            self._counters.backed_off += 1
            self._start_twin(target)
            return 0
        target.is_awaited = not target.is_down()
        self._awaited += target.is_awaited
        if target.connection.is_open:
            self._ask(target, False)
        elif self._opening < <Py_ssize_t> MAX_OPENING:
            self._ask(target, True)
        else:
            self._waiting.append(target)
        return 0

    cdef int _start_twin(self, Target target) except -1:
        """Starts the second source of a target that is done with the first, where it is due."""
        cdef Target twin = target.twin
        if twin is None or self._beside is None or target.is_side or not (self._in_turn and self._is_open):
            return 0
        if twin.good_period != <int64_t> self._beside.period(self._window, twin.phase) and self._seconds_left(twin) > 0:
            self._start(twin)
        return 0

    cdef double _seconds_left(self, Target target) except? -1:
        cdef Target main = target.twin if target.is_side and target.twin is not None else target
        return seconds_left(self._window, <double> self._loop.time() - self._began - self._start_seconds(main))

    cdef double _start_seconds(self, Target target) noexcept:
        """When a target's turn is, from the begin of the round; one out of turn is due at once."""
        if not self._in_turn:
            return 0.0
        return target.start_ms / 1e3 - (self._lead_seconds if target.place_ms >= 0 else 0.0)

    cdef double _seconds_after_window(self) except? -1:
        """How much of the time for places is over already; windows that the clock is not near count from here."""
        start_ns, end_ns = self._window
        after_ns = self._clock.now_ns() - end_ns
        return after_ns / NS_PER_SECOND if 0 <= after_ns <= end_ns - start_ns else 0.0

    cdef int _ask(self, Target target, bint is_opening) except -1:
        source = self._beside.source if target.is_side and self._beside is not None else self._source
        self._asked += not target.is_side
        self._opening += is_opening
        self._counters.in_flight += 1
        target.in_flight = True
        target.started = self._clock.monotonic()
        target.started_ns = self._clock.now_ns()
        head, body = source.request(target, self._window)
        on_done = partial(self._finish, target, is_opening)
        if target.is_side:
            target.connection.request(head, body, on_done, at_most_seconds=self._seconds_left(target))
        else:
            target.connection.request(head, body, on_done)
        return 0

    def _finish(self, Target target, bint is_opening, bytes body, error):
        cdef double answered, scrape_seconds
        cdef Py_ssize_t body_bytes = 0
        self._counters.in_flight -= 1
        if is_opening:
            self._opening -= 1
            self._open_next()
        answered = self._clock.monotonic()
        if not self._is_open:
            self._counters.late += 1
        if body is not None:
            body_bytes = len(body)
            error = self._take(target, body, self._deliver if self._is_open else self._kit.deliver_late, answered)
        scrape_seconds = <double> self._clock.monotonic() - target.started
        target.finish(answered - target.started, scrape_seconds)
        if not target.is_removed:
            self._note(target, body_bytes, error)
            self._counters.observe(target.outcome, scrape_seconds, body_bytes, target.is_side)
            if self._observer is not None and not target.is_side:
                self._observer.observe_request(
                    target.name, target.started_ns, answered - target.started, is_success=error is None
                )
        if self._is_open:
            if target.is_side:
                if error is None and self._beside is not None:
                    target.good_period = self._beside.period(self._window, target.phase)
            else:
                self._delivered += error is None
                self._failed += error is not None
                self._start_twin(target)
            self._awaited -= target.is_awaited
            self._end_if_complete()

    cdef int _open_next(self) except -1:
        cdef Target target
        while self._is_open and self._waiting and self._opening < <Py_ssize_t> MAX_OPENING:
            target = self._waiting.popleft()
            if target.is_removed or target.occupied():
                self._skipped += not target.is_side
                self._awaited -= target.is_awaited
            else:
                self._ask(target, True)
        return 0

    cdef object _take(self, Target target, bytes body, deliver, double answered):
        """Parses and delivers; what goes wrong there costs this target only."""
        if deliver is None or target.is_removed:
            return None
        is_beside = target.is_side and self._beside is not None
        try:
            rows = self._beside.rows if is_beside else self._rows
            self._parse(target, self._beside.source if is_beside else self._source, body, rows, answered)
            deliver(target, rows)
            if self._places is not None and not target.is_side:
                self._places.note(target, rows, self._window)
        except ParseError as error:
            # Names the content type: a proxy's page of HTML explains itself that way.
            content_type = target.connection.content_type or "none"
            return ScrapeError(target.address, "parse", f"{error} (content type: {content_type})")
        except Exception as error:
            # The root of everything that happens to an answer: above it is only the transport.
            log.exception("BUG: the answer of %s (%s) could not be taken", target.label, target.address)
            return ScrapeError(target.address, "deliver", f"its rows could not be taken ({error!r})")
        return None

    cdef int _parse(self, Target target, source, bytes body, rows, double began) except -1:
        try:
            source.parse(body, rows, target.started_ns)
        finally:
            self._counters.parse_seconds += <double> self._clock.monotonic() - began
        bad_values = rows.bad_values
        if bad_values and not target.bad_values:
            log.warning(
                "node %s: left out %d values that are not what they should be, the first at byte %d (%s)",
                target.label,
                bad_values,
                rows.bad_offset,
                target.address,
            )
        target.bad_values = bad_values
        if bad_values:
            self._counters.bad_values += bad_values
        return 0

    cdef int _note(self, Target target, Py_ssize_t body_bytes, error) except -1:
        before = target.outcome
        if error is None:
            target.succeed(self._clock.now_ns(), body_bytes)
            if before not in ("", "ok") and self._names():
                log.info("node %s answers again (%s)", target.label, target.address)
            return 0
        target.fail(error, self._loop.time(), self._kit.jitter())
        if target.outcome != before and self._names():
            log.warning("node %s: %s", target.label, error)
        return 0

    cdef bint _names(self) noexcept:
        """Counts a node whose state has changed; whether the log still names it."""
        self._changed += 1
        return self._changed <= <Py_ssize_t> MAX_NAMED

    cdef int _end_if_complete(self) except -1:
        if self._awaited == 0 and self._next == len(self._targets) and not self._waiting:
            self._end()
        return 0

    cpdef _end(self):
        self._is_open = False
        if not self._over.done():
            self._over.set_result(None)
