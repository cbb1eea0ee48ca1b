"""Where the time comes from, so that tests can bring their own.

In      nothing
Out     Clock: wall time in Unix nanoseconds, monotonic time in seconds
Callers pipeline, scrape, api, auth, kube, sim; tests pass ManualClock
"""

from __future__ import annotations

import time


class Clock:
    """The machine's clocks."""

    def now_ns(self) -> int:
        """Wall time, Unix nanoseconds."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that never step back; only differences mean something."""
        return time.monotonic()


class ManualClock(Clock):
    """A clock that stands still until it is told to move."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self._monotonic = 0.0

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic(self) -> float:
        return self._monotonic

    def set_ns(self, now_ns: int) -> None:
        """Steps the wall clock, in either direction; monotonic time follows only forwards."""
        self._monotonic += max(0, now_ns - self._now_ns) / 1e9
        self._now_ns = now_ns

    def advance(self, seconds: float) -> None:
        self.set_ns(self._now_ns + round(seconds * 1e9))
