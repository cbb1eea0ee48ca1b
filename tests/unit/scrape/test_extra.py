"""Scrapes out of turn, in virtual time: when they come, how few they are, and what ends them."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast.scrape.extra import FIRST_SECONDS, LAST_SECONDS, MAX_IN_FLIGHT, NEXT_SECONDS, ExtraScrapes
from tests.unit.scrape.virtual import T0_NS, LoopClock, run

#: A look may be a timer's step late.
STEP_SECONDS = 0.002


#: When a kubelet last sampled something that started at one time, at another; None for not yet. Seconds.
Sampled = Callable[[float, float], float | None]


def never(started: float, now: float) -> float | None:
    return None


def sharp(offset: float) -> Sampled:
    """Every 10 s."""

    def sampled(started: float, now: float) -> float | None:
        last = (now - offset) // 10 * 10 + offset
        return last if last >= started else None

    return sampled


def drawn(seed: int) -> Sampled:
    """At the start, and then as cAdvisor does."""

    def sampled(started: float, now: float) -> float | None:
        draw = random.Random(f"{seed} {started}")
        last = started
        while (following := last + draw.uniform(10.0, 20.0)) <= now:
            last = following
        return last

    return sampled


class Play:
    """One test: extra scrapes that take `seconds`, the times at which they began, and what they found.

    Attributes:
        sampled: what the kubelets of all nodes have.
        ahead_ns: by so much are their clocks ahead.
        hangs: a node that does not answer.
        rates: when each pod had its rate, by slot, in seconds after its start.
    """

    def __init__(self, clock: LoopClock) -> None:
        self.seconds = 0.0
        self.error: Exception | None = None
        self.looks: defaultdict[str, list[float]] = defaultdict(list)
        self.in_flight = self.most_in_flight = 0
        self.sampled: Sampled = never
        self.ahead_ns = 0
        self.hangs = ""
        self.rates: dict[int, float] = {}
        self._pods: dict[int, tuple[str, float]] = {}
        self._seen: dict[int, float] = {}
        self.extra = ExtraScrapes(self._scrape, self._young_sample_ns, clock)

    def start(self, node: str, pod: int = 0, *, seen_after: float = 0.0) -> None:
        """A pod started something so long ago, and the watch tells of it now."""
        self._pods[pod] = (node, asyncio.get_running_loop().time() - seen_after)
        self._seen.pop(pod, None)
        self.rates.pop(pod, None)
        self.extra.note_start(node, pod)

    def round(self, node: str) -> None:
        """The node answers: what has its rate then is as spec 16 has it."""
        now = asyncio.get_running_loop().time()
        for pod, (its_node, started) in self._pods.items():
            sample = self.sampled(started, now)
            if its_node != node or sample is None:
                continue
            seen = self._seen.setdefault(pod, sample)
            if sample - started >= 10.0 - 1e-9 or sample > seen:
                self.rates.setdefault(pod, now - started)
            self._seen[pod] = sample

    def _young_sample_ns(self, pod: int, started_ns: int) -> int | None:
        if pod in self.rates:
            return None
        return T0_NS + self.ahead_ns + round(self._seen[pod] * 1e9) if pod in self._seen else 0

    async def _scrape(self, node: str) -> None:
        self.looks[node].append(asyncio.get_running_loop().time())
        self.round(node)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self.error is not None:
            raise self.error
        await asyncio.sleep(60.0 if node == self.hangs else self.seconds)
        self.in_flight -= 1


def play(test: Callable[[Play], Coroutine[Any, Any, None]]) -> None:
    async def wrapped(clock: LoopClock) -> None:
        p = Play(clock)
        task = asyncio.create_task(p.extra.run())
        try:
            await test(p)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(wrapped)


def test_a_start_that_never_has_a_sample_is_looked_at_twice_and_no_more() -> None:
    async def test(p: Play) -> None:
        for began in (5.0, 500.0):
            await asyncio.sleep(began - asyncio.get_running_loop().time())
            p.looks.clear()
            p.start("n1")
            await asyncio.sleep(200)
            assert p.looks == {"n1": pytest.approx([began + FIRST_SECONDS, began + LAST_SECONDS], abs=STEP_SECONDS)}
            assert p.extra.pending == 0

    play(test)


def test_a_kubelet_that_samples_every_10_s_is_asked_right_after_the_sample_that_counts() -> None:
    async def test(p: Play) -> None:
        looks = waits = 0.0
        offsets = [i / 4 + 0.1 for i in range(40)]
        for i, offset in enumerate(offsets):
            p.sampled = sharp(offset)
            p.looks.clear()
            await asyncio.sleep(100.0 * (i + 1) - asyncio.get_running_loop().time())
            p.start("n1")
            await asyncio.sleep(30.0)
            wanted = FIRST_SECONDS if 10.0 + offset < FIRST_SECONDS else offset + NEXT_SECONDS
            assert p.rates[0] == pytest.approx(wanted, abs=STEP_SECONDS)
            assert len(p.looks["n1"]) <= 2
            assert p.extra.pending == 0
            looks += len(p.looks["n1"])
            waits += p.rates[0]
        assert looks / len(offsets) == pytest.approx(1.9, abs=0.05)
        assert waits / len(offsets) == pytest.approx(15.3, abs=0.3)

    play(test)


def test_drawn_pauses_cost_two_looks_at_most_and_are_over_by_the_last() -> None:
    async def test(p: Play) -> None:
        looks = 0
        for i in range(300):
            p.sampled = drawn(i)
            p.looks.clear()
            await asyncio.sleep(100.0 * (i + 1) - asyncio.get_running_loop().time())
            p.start("n1", seen_after=0.5)
            await asyncio.sleep(40.0)
            assert p.rates[0] <= LAST_SECONDS + 0.5 + STEP_SECONDS
            assert len(p.looks["n1"]) <= 2
            looks += len(p.looks["n1"])
        assert looks < 2 * 300

    play(test)


def test_what_a_round_has_found_is_not_looked_for_again() -> None:
    async def test(p: Play) -> None:
        p.sampled = sharp(3.0)
        p.start("n1")
        # A sample of 3 s is known: the next one comes at 13 s, and no look is due before.
        await asyncio.sleep(5.0)
        p.round("n1")
        await asyncio.sleep(8.1)
        p.round("n1")
        assert p.rates == {0: pytest.approx(13.1, abs=STEP_SECONDS)}
        await asyncio.sleep(100.0)
        assert not p.looks
        assert p.extra.pending == 0

    play(test)


def test_a_pod_that_waits_has_its_looks_whatever_its_neighbours_have() -> None:
    async def test(p: Play) -> None:
        p.sampled = lambda started, now: sharp(5.0)(started, now) if started < 1.0 else None
        p.start("n1", 1)
        await asyncio.sleep(2.0)
        p.start("n1", 2)
        await asyncio.sleep(100.0)
        assert p.looks["n1"][-1] == pytest.approx(2.0 + LAST_SECONDS, abs=STEP_SECONDS)
        assert p.rates == {1: pytest.approx(5.0 + NEXT_SECONDS, abs=STEP_SECONDS)}
        assert p.extra.pending == 0

    play(test)


@pytest.mark.parametrize("ahead_ns", [-3_000_000_000, 3_000_000_000, 3_600_000_000_000])
def test_a_kubelets_clock_that_is_off_costs_no_more_than_the_wait_for_the_last_look(ahead_ns: int) -> None:
    async def test(p: Play) -> None:
        p.sampled = sharp(4.0)
        p.ahead_ns = ahead_ns
        p.start("n1")
        await asyncio.sleep(100.0)
        assert 14.0 <= p.rates[0] <= LAST_SECONDS + STEP_SECONDS
        assert len(p.looks["n1"]) <= 3

    play(test)


@pytest.mark.parametrize("sampled", [sharp(3.3), drawn(1)], ids=["sharp", "drawn"])
def test_a_node_with_a_start_every_second_has_a_look_every_10_s(sampled: Sampled) -> None:
    async def test(p: Play) -> None:
        p.sampled = sampled
        for i in range(110):
            p.start("n1", i)
            await asyncio.sleep(1.0)
        assert len(p.looks["n1"]) <= 12
        await asyncio.sleep(100.0)
        assert max(p.rates.values()) <= LAST_SECONDS + FIRST_SECONDS

    play(test)


def test_nothing_is_looked_at_without_a_start() -> None:
    async def test(p: Play) -> None:
        await asyncio.sleep(1000)
        assert not p.looks

    play(test)


def test_a_node_has_one_look_pending_however_many_pods_start() -> None:
    async def test(p: Play) -> None:
        for i in range(30):
            p.start("n1", i)
            p.start("n2", 100 + i)
        assert p.extra.pending == 2
        await asyncio.sleep(100)
        assert {node: len(looks) for node, looks in p.looks.items()} == {"n1": 2, "n2": 2}

    play(test)


def test_a_node_with_a_start_every_second_is_not_looked_at_more_often_than_one_with_few() -> None:
    async def test(p: Play) -> None:
        for i in range(110):
            p.start("n1", i)
            await asyncio.sleep(1.0)
        assert len(p.looks["n1"]) == pytest.approx(110 / FIRST_SECONDS, abs=1)

    play(test)


@given(starts=st.lists(st.integers(min_value=0, max_value=600), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_every_start_gets_a_look_in_time_and_looks_keep_apart(starts: list[int]) -> None:
    async def test(p: Play) -> None:
        loop = asyncio.get_running_loop()
        for tenths in starts:
            loop.call_at(tenths / 10, p.start, "n1", tenths)
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
            p.start(f"n{i}", i)
        await asyncio.sleep(100)
        assert p.most_in_flight == MAX_IN_FLIGHT
        assert {len(looks) for looks in p.looks.values()} == {2}
        assert len(p.looks) == 3 * MAX_IN_FLIGHT

    play(test)


def test_a_node_that_hangs_holds_up_nobody() -> None:
    async def test(p: Play) -> None:
        p.hangs = "n1"
        p.start("n1")
        await asyncio.sleep(1.0)
        p.start("n2", 2)
        await asyncio.sleep(30.0)
        assert p.looks["n2"] == pytest.approx([1.0 + FIRST_SECONDS, 1.0 + LAST_SECONDS], abs=STEP_SECONDS)

    play(test)


def test_an_end_takes_what_is_in_flight_with_it() -> None:
    async def test(clock: LoopClock) -> None:
        p = Play(clock)
        p.seconds = 60.0
        before = asyncio.all_tasks()
        task = asyncio.create_task(p.extra.run())
        p.start("n1")
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
        p.start("n1")
        with pytest.raises(ExceptionGroup) as caught:
            await p.extra.run()
        assert caught.value.exceptions == (p.error,)

    run(test)
