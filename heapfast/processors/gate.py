"""Holds back changes to the store while one of its batches is being closed.

In      calls
Out     the same calls in the same order, at once while open, else when the gate opens
Callers the enrichers of this folder; pipeline.py shuts the gate before Store.swap and opens it after commit
Never   is touched by another thread than the loop's; drops a call

The thread that closes a batch reads the columns which put_* and remove_* write: names, labels,
requests. Closing takes some 0.1 s, so what waits meanwhile is what the watches deliver in that time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Gate:
    """Open at first."""

    def __init__(self) -> None:
        self._shut = False
        self._waiting: deque[Callable[[], object]] = deque()

    def pass_through(self, call: Callable[[], object]) -> None:
        """Makes the call now, or holds it back until the gate opens."""
        # While the gate opens, a new call still queues up behind those that wait.
        if self._shut or self._waiting:
            self._waiting.append(call)
        else:
            call()

    def shut(self) -> None:
        self._shut = True

    def open(self) -> None:
        """Makes every call that was held back, first come, first served.

        Raises:
            ExceptionGroup: what calls raised, after all of them were made: one that fails must not
                cost the objects behind it.
        """
        self._shut = False
        failures: list[Exception] = []
        while self._waiting:
            try:
                self._waiting[0]()
            except Exception as failure:
                failures.append(failure)
            self._waiting.popleft()
        if failures:
            raise ExceptionGroup("BUG: cannot apply changes that waited for a batch to close", failures)
