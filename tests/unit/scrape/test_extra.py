"""Scrapes out of turn, in virtual time: when they come, how few they are, and what ends them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast.scrape.extra import FIRST_SECONDS, LAST_SECONDS, MAX_IN_FLIGHT, ExtraScrapes
from tests.unit.scrape.virtual import LoopClock, run

#: A look may be a timer's step late.
STEP_SECONDS = 0.002


class Play:
    """One test: extra scrapes that take `seconds`, and the times at which they began."""

    def __init__(self, clock: LoopClock) -> None:
        self.seconds = 0.0
        self.error: Exception | None = None
        self.looks: defaultdict[str, list[float]] = defaultdict(list)
        self.in_flight = self.most_in_flight = 0
        self.extra = ExtraScrapes(self._scrape, clock)

    async def _scrape(self, node: str) -> None:
        self.looks[node].append(asyncio.get_running_loop().time())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self.error is not None:
            raise self.error
        await asyncio.sleep(self.seconds)
        self.in_flight -= 1


def play(test: Callable[[Play], Coroutine[Any, Any, None]]) -> None:
    async def wrapped(clock: LoopClock) -> None:
        p = Play(clock)
        task = asyncio.create_task(p.extra.run())
        await test(p)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(wrapped)


def test_a_start_is_looked_at_twice_and_no_more() -> None:
    async def test(p: Play) -> None:
        for began in (5.0, 500.0):
            await asyncio.sleep(began - asyncio.get_running_loop().time())
            p.looks.clear()
            p.extra.note_start("n1")
            await asyncio.sleep(200)
            assert p.looks == {"n1": pytest.approx([began + FIRST_SECONDS, began + LAST_SECONDS], abs=STEP_SECONDS)}
            assert p.extra.pending == 0

    play(test)


def test_nothing_is_looked_at_without_a_start() -> None:
    async def test(p: Play) -> None:
        await asyncio.sleep(1000)
        assert not p.looks

    play(test)


def test_a_node_has_one_look_pending_however_many_pods_start() -> None:
    async def test(p: Play) -> None:
        for _ in range(30):
            p.extra.note_start("n1")
            p.extra.note_start("n2")
        assert p.extra.pending == 2
        await asyncio.sleep(100)
        assert {node: len(looks) for node, looks in p.looks.items()} == {"n1": 2, "n2": 2}

    play(test)


def test_a_node_with_a_start_every_second_is_not_looked_at_more_often_than_one_with_few() -> None:
    async def test(p: Play) -> None:
        for _ in range(110):
            p.extra.note_start("n1")
            await asyncio.sleep(1.0)
        assert len(p.looks["n1"]) == pytest.approx(110 / FIRST_SECONDS, abs=1)

    play(test)


@given(starts=st.lists(st.integers(min_value=0, max_value=600), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_every_start_gets_a_look_in_time_and_looks_keep_apart(starts: list[int]) -> None:
    async def test(p: Play) -> None:
        loop = asyncio.get_running_loop()
        for tenths in starts:
            loop.call_at(tenths / 10, p.extra.note_start, "n1")
        await asyncio.sleep(200)
        looks = p.looks["n1"]
        for tenths in starts:
            since = [look - tenths / 10 for look in looks]
            assert any(FIRST_SECONDS - 1e-6 <= wait <= 2 * FIRST_SECONDS + STEP_SECONDS for wait in since)
        assert looks[-1] == pytest.approx(max(starts) / 10 + LAST_SECONDS, abs=STEP_SECONDS)
        gaps = [after - before for before, after in pairwise(looks)]
        assert min(gaps, default=FIRST_SECONDS) > 0.0
        assert len(looks) <= 2 * len(set(starts))

    play(test)


def test_few_are_in_flight_and_the_others_have_their_turn() -> None:
    async def test(p: Play) -> None:
        p.seconds = 1.0
        for i in range(3 * MAX_IN_FLIGHT):
            p.extra.note_start(f"n{i}")
        await asyncio.sleep(100)
        assert p.most_in_flight == MAX_IN_FLIGHT
        assert {len(looks) for looks in p.looks.values()} == {2}
        assert len(p.looks) == 3 * MAX_IN_FLIGHT

    play(test)


def test_a_node_that_hangs_holds_up_nobody() -> None:
    async def test(p: Play) -> None:
        p.seconds = 60.0
        p.extra.note_start("n1")
        await asyncio.sleep(1.0)
        p.extra.note_start("n2")
        await asyncio.sleep(30.0)
        assert p.looks["n2"] == pytest.approx([1.0 + FIRST_SECONDS, 1.0 + LAST_SECONDS], abs=STEP_SECONDS)

    play(test)


def test_an_end_takes_what_is_in_flight_with_it() -> None:
    async def test(clock: LoopClock) -> None:
        p = Play(clock)
        p.seconds = 60.0
        before = asyncio.all_tasks()
        task = asyncio.create_task(p.extra.run())
        p.extra.note_start("n1")
        await asyncio.sleep(FIRST_SECONDS + 1.0)
        assert p.in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before

    run(test)


def test_a_bug_in_a_scrape_is_not_kept_quiet() -> None:
    async def test(clock: LoopClock) -> None:
        p = Play(clock)
        p.error = ZeroDivisionError("oh")
        p.extra.note_start("n1")
        with pytest.raises(ExceptionGroup) as caught:
            await p.extra.run()
        assert caught.value.exceptions == (p.error,)

    run(test)
