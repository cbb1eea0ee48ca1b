"""Windows: the spec's table, and wall clocks that step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.clock import ManualClock
from heapfast.scrape.loop import SCRAPE_OFFSET_NS, Window, Windows, next_window, truncate, window_of
from tests.unit.scrape.virtual import T0_NS, LoopClock, run

S = 1_000_000_000
HOUR = 3600 * S


@pytest.mark.parametrize(
    ("resolution_s", "now_s", "start_s"),
    [
        pytest.param(60, T0_NS // S + 33, T0_NS // S, id="M-01"),
        pytest.param(7, 1512986433, 1512986429, id="M-02"),
        pytest.param(420, 1512986433, 1512986100, id="M-03"),
        pytest.param(25 * 3600, 1512986433, 1512943200, id="M-04"),
        pytest.param(60, 0, 0, id="the epoch"),
        pytest.param(60, -1, -60, id="before the epoch"),
    ],
)
def test_a_window_begins_at_a_multiple_counted_from_year_1(resolution_s: int, now_s: int, start_s: int) -> None:
    assert window_of(now_s * S, resolution_s * S) == (start_s * S, (start_s + resolution_s) * S)


def test_truncation_is_exact_to_the_nanosecond() -> None:
    assert truncate(T0_NS - 1, 60 * S) == T0_NS - 60 * S
    assert truncate(T0_NS, 60 * S) == T0_NS
    assert truncate(T0_NS + 1_499_999_999, S * 3 // 2) == T0_NS
    assert truncate(T0_NS + 1_500_000_000, S * 3 // 2) == T0_NS + 1_500_000_000


@given(
    now_ns=st.integers(0, 2**62),
    resolution_ns=st.integers(S, 25 * HOUR),
    offset_ns=st.integers(0, 10 * S),
    last_ns=st.integers(0, 2**62),
)
def test_the_next_window_is_later_than_the_last_whatever_the_time(
    now_ns: int, resolution_ns: int, offset_ns: int, last_ns: int
) -> None:
    last = window_of(last_ns, resolution_ns)
    window = next_window(last, now_ns, resolution_ns, offset_ns)
    assert window.end_ns - window.start_ns == resolution_ns
    assert window.end_ns == truncate(window.end_ns, resolution_ns)
    assert window.end_ns > last.end_ns
    assert window.end_ns <= max(now_ns - offset_ns, last.end_ns + resolution_ns)


Act = Callable[[LoopClock], float]


def given_windows(
    resolution_s: float, count: int, *, start_s: float = 0.0, acts: dict[int, Act] | None = None
) -> tuple[list[tuple[float, float]], Windows]:
    """The first windows as (end, when it was given), seconds after T0; acts[i] happens after the i-th.

    An act returns for how many seconds the consumer is busy.
    """

    async def collect(clock: LoopClock) -> tuple[list[tuple[float, float]], Windows]:
        windows = Windows(round(resolution_s * S), SCRAPE_OFFSET_NS, clock)
        given: list[tuple[float, float]] = []
        async for window in windows:
            given.append(((window.end_ns - T0_NS) / S, round(clock.monotonic() + start_s, 3)))
            if len(given) == count:
                break
            if acts and len(given) in acts:
                await asyncio.sleep(acts[len(given)](clock))
        return given, windows

    return run(collect, T0_NS + round(start_s * S))


def test_a_window_is_given_5_s_after_its_end() -> None:
    given, windows = given_windows(60, 3, start_s=33)
    assert given == [(60, 65), (120, 125), (180, 185)]
    assert (windows.skipped_total, windows.ahead_total) == (0, 0)


@pytest.mark.parametrize("resolution_s", [1, 1.5, 4, 5, 6])
def test_every_resolution_yields_every_window(resolution_s: float) -> None:
    # Heapster gives one of two at 5 s (M-05); this is Q10. At 6 s both give all (M-06).
    given, windows = given_windows(resolution_s, 8)
    assert given == [(i * resolution_s, i * resolution_s + 5) for i in range(1, 9)]
    assert windows.skipped_total == 0


def test_a_consumer_that_is_late_misses_no_window_of_its_own() -> None:
    given, windows = given_windows(60, 3, acts={1: lambda clock: 70})
    assert given == [(60, 65), (120, 135), (180, 185)]
    assert windows.skipped_total == 0


def test_windows_that_are_over_are_skipped_and_counted() -> None:
    given, windows = given_windows(60, 3, acts={1: lambda clock: 200})
    assert given == [(60, 65), (240, 265), (300, 305)]
    assert windows.skipped_total == 2


def step(seconds: float) -> Act:
    def act(clock: LoopClock) -> float:
        clock.step_ns += round(seconds * S)
        return 0.0

    return act


def test_a_step_forward_skips_what_it_jumped_over() -> None:
    given, windows = given_windows(60, 3, acts={1: step(3600)})
    # At 3665 of the new time the newest window that is due ends at 3660.
    assert given == [(60, 65), (3660, 65), (3720, 125)]
    assert windows.skipped_total == 59


def test_a_small_step_back_is_waited_for() -> None:
    given, windows = given_windows(60, 3, acts={1: step(-20)})
    assert given == [(60, 65), (120, 145), (180, 205)]
    assert windows.ahead_total == 0


def test_a_large_step_back_does_not_stop_the_windows() -> None:
    given, windows = given_windows(60, 5, acts={1: step(-3600), 3: step(3600)})
    assert given == [(60, 65), (120, 125), (180, 185), (240, 245), (300, 305)]
    assert (windows.ahead_total, windows.skipped_total) == (2, 0)


def test_a_step_back_in_the_middle_of_a_sleep_repeats_no_window() -> None:
    async def collect(clock: LoopClock) -> list[float]:
        async def sleep_and_step(seconds: float) -> None:
            await asyncio.sleep(seconds / 2)
            if clock.monotonic() > 70 and clock.step_ns == 0:
                clock.step_ns = -HOUR

        windows = Windows(60 * S, SCRAPE_OFFSET_NS, clock, sleep_and_step)
        return [((await anext(windows)).end_ns - T0_NS) / S for _ in range(4)]

    assert run(collect) == [60, 120, 180, 240]


def test_a_step_back_before_the_first_window_gives_the_one_of_the_new_time() -> None:
    async def collect(clock: LoopClock) -> Window:
        clock.step_ns = HOUR

        async def sleep_and_step(seconds: float) -> None:
            clock.step_ns = 0
            await asyncio.sleep(seconds)

        return await anext(Windows(60 * S, SCRAPE_OFFSET_NS, clock, sleep_and_step))

    assert run(collect) == Window(T0_NS + 60 * S, T0_NS + 120 * S)


async def test_a_sleep_that_ends_too_early_is_continued() -> None:
    clock = ManualClock(T0_NS)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds * 0.9)

    window = await anext(Windows(60 * S, SCRAPE_OFFSET_NS, clock, sleep))
    assert window == (T0_NS, T0_NS + 60 * S)
    assert clock.now_ns() >= window.end_ns + SCRAPE_OFFSET_NS
    assert len(slept) > 1
    assert min(slept) >= 0.001
