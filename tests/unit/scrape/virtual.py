"""Time that passes when nobody has anything to do.

In      a coroutine
Out     its result; hours of the loop's time cost milliseconds
Callers the tests of rounds and windows

The loop's selector never waits: asked to, it moves the loop's clock on by as much and says that nothing came.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from heapfast.clock import Clock

T = TypeVar("T")

#: 2017-12-11T10:00:00Z, the spec's T0.
T0_NS = 1_512_986_400 * 10**9


class _Selector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("everything waits for something that will never come")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now


class LoopClock(Clock):
    """The loop's time as both clocks; `step_ns` sets the wall clock off."""

    def __init__(self, loop: VirtualLoop, start_ns: int = T0_NS) -> None:
        self._loop = loop
        self._start_ns = start_ns
        self.step_ns = 0

    def now_ns(self) -> int:
        return self._start_ns + round(self._loop.time() * 1e9) + self.step_ns

    def monotonic(self) -> float:
        return self._loop.time()


def run(test: Callable[[LoopClock], Coroutine[Any, Any, T]], start_ns: int = T0_NS) -> T:
    """Run a test's coroutine on a virtual loop; an exception that the loop met fails it."""
    loop = VirtualLoop()
    met: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: met.append(context))
    try:
        result = loop.run_until_complete(test(LoopClock(loop, start_ns)))
    finally:
        loop.close()
    assert met == []
    return result
