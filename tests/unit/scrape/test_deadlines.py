"""The one timer of everything in flight, in virtual time."""

from __future__ import annotations

import asyncio

from heapfast.scrape._deadlines import Deadlines
from tests.unit.scrape.virtual import LoopClock, run


class Request:
    def __init__(self, deadlines: Deadlines, due: float) -> None:
        self.due = due
        self.expired_at = 0.0
        self._deadlines = deadlines
        deadlines.watch(self)

    def expire(self) -> None:
        self._deadlines.forget(self)
        self.expired_at = asyncio.get_running_loop().time()


def test_a_request_expires_at_the_first_tick_after_its_time() -> None:
    async def test(clock: LoopClock) -> None:
        deadlines = Deadlines(asyncio.get_running_loop(), 0.5)
        requests = [Request(deadlines, due) for due in (0.1, 0.5, 0.6, 7.2)]
        await asyncio.sleep(10)
        assert [request.expired_at for request in requests] == [0.5, 0.5, 1.0, 7.5]

    run(test)


def test_a_time_that_moves_counts_as_it_stands() -> None:
    async def test(clock: LoopClock) -> None:
        deadlines = Deadlines(asyncio.get_running_loop(), 0.5)
        request = Request(deadlines, 1.0)
        request.due = 3.0
        await asyncio.sleep(2)
        assert request.expired_at == 0.0
        request.due = 2.1
        await asyncio.sleep(2)
        assert request.expired_at == 2.5

    run(test)


def test_nothing_ticks_while_nothing_is_in_flight() -> None:
    async def test(clock: LoopClock) -> None:
        deadlines = Deadlines(asyncio.get_running_loop(), 0.5)
        request = Request(deadlines, 100.0)
        deadlines.forget(request)
        await asyncio.sleep(1)
        # A loop with a timer left would go on from here; this one says that nothing will ever come.
        pending = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        assert [handle for handle in pending if not handle.cancelled()] == []
        Request(deadlines, 0.0)
        await asyncio.sleep(1)
        assert len(deadlines) == 0

    run(test)


def test_expiring_one_may_end_the_other() -> None:
    async def test(clock: LoopClock) -> None:
        deadlines = Deadlines(asyncio.get_running_loop(), 0.5)
        ended: list[Request] = []

        class Selfish(Request):
            def expire(self) -> None:
                ended.append(self)
                deadlines.close()

        for _ in range(2):
            Selfish(deadlines, 0.1)
        await asyncio.sleep(2)
        assert len(ended) == 1

    run(test)
