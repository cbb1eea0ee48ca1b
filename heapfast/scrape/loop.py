"""When to scrape: windows aligned to the resolution, one after the other.

In      the resolution, the offset, a clock
Out     Window(start, end), each once and in order, at end + offset
Callers pipeline iterates
Source  spec/heapster-pipeline.md 4 and 8.9; Q10 (every resolution yields every window), Q11 (from year 1)
Never   sleeps on the wall clock, or gives a window that is not later than the last

What the wall clock may do:

    runs slow, or the consumer was slow    windows that are over are skipped and counted; the newest is given
    steps forward                          the same
    steps back, by at most a resolution    the next window comes when the new time says so
    steps back further                     windows go on at the resolution's pace, ahead of the new time,
                                           until it catches up: stamps must grow, and samples must not stop
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NamedTuple

from heapfast.clock import Clock
from heapfast.units import NS_PER_SECOND

#: From 0001-01-01T00:00:00Z to 1970; windows are counted from there.
_YEAR_1_NS: Final = 62_135_596_800 * NS_PER_SECOND

#: How long after its end a window is scraped: kubelets sample every 10 s or so, and need a moment.
SCRAPE_OFFSET_NS: Final = 5 * NS_PER_SECOND

#: Loops round timers to the millisecond; a shorter sleep would spin.
_SHORTEST_SLEEP_NS: Final = 1_000_000


class Window(NamedTuple):
    """The span a batch stands for. Unix nanoseconds; the end is the batch's timestamp."""

    start_ns: int
    end_ns: int


def truncate(now_ns: int, resolution_ns: int) -> int:
    """The last multiple of the resolution at or before an instant, counted from year 1."""
    return (now_ns + _YEAR_1_NS) // resolution_ns * resolution_ns - _YEAR_1_NS


def window_of(now_ns: int, resolution_ns: int) -> Window:
    """The window that an instant lies in."""
    start_ns = truncate(now_ns, resolution_ns)
    return Window(start_ns, start_ns + resolution_ns)


def next_window(last: Window, now_ns: int, resolution_ns: int, offset_ns: int) -> Window:
    """The window to scrape after `last`: the following one, or the newest that is due if that is later."""
    newest_end_ns = truncate(now_ns - offset_ns, resolution_ns)
    end_ns = max(last.end_ns + resolution_ns, newest_end_ns)
    return Window(end_ns - resolution_ns, end_ns)


class Windows:
    """An endless iterator of windows, each given when it is due.

    Args:
        resolution_ns: length of a window, above 0.
        offset_ns: how long after its end a window is due.
        clock: wall time says which windows there are, monotonic time how long to sleep.
        sleep: waits for so many seconds.

    Attributes:
        skipped_total: windows that were never given, because they were over before their turn.
        ahead_total: windows given before the wall clock had reached their end, after it stepped back.
    """

    def __init__(
        self,
        resolution_ns: int,
        offset_ns: int,
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._resolution_ns = resolution_ns
        self._offset_ns = offset_ns
        self._clock = clock
        self._sleep = sleep
        self._last: Window | None = None
        self._last_at = 0.0
        self._has_given = False
        self.skipped_total = 0
        self.ahead_total = 0

    def __aiter__(self) -> AsyncIterator[Window]:
        return self

    async def __anext__(self) -> Window:
        while True:
            window = self._next()
            wait_ns = self._wait_ns(window)
            if wait_ns <= 0:
                return self._give(window)
            await self._sleep(max(wait_ns, _SHORTEST_SLEEP_NS) / NS_PER_SECOND)

    def _next(self) -> Window:
        now_ns = self._clock.now_ns()
        if not self._has_given:
            # The window that is now comes first. After the wait for it another one is now, hence the minimum;
            # a clock that was set back meanwhile has its way.
            before = window_of(now_ns - self._resolution_ns, self._resolution_ns)
            self._last = min(before, self._last or before)
        assert self._last is not None
        return next_window(self._last, now_ns, self._resolution_ns, self._offset_ns)

    def _wait_ns(self, window: Window) -> int:
        wait_ns = window.end_ns + self._offset_ns - self._clock.now_ns()
        if self._has_given and wait_ns > 2 * self._resolution_ns:
            # Only a clock that was set back can be that far from the next window.
            since_last_ns = round((self._clock.monotonic() - self._last_at) * NS_PER_SECOND)
            return self._resolution_ns - since_last_ns
        return wait_ns

    def _give(self, window: Window) -> Window:
        if self._last is not None:
            self.skipped_total += (window.end_ns - self._last.end_ns) // self._resolution_ns - 1
        if window.end_ns > self._clock.now_ns():
            self.ahead_total += 1
        self._has_given = True
        self._last = window
        self._last_at = self._clock.monotonic()
        return window
