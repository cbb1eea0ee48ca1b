"""Places in the window: kubelets that sample in a rhythm are asked just after they have, and nobody else is moved."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from heapfast.scrape._rhythm import LAG_SECONDS
from heapfast.scrape._target import START_STEP_MS
from heapfast.scrape.monitoring import ScrapeCollector
from heapfast.scrape.places import MAX_STRIDE
from tests.unit.scrape.kubelets import Fleet, Samples, after, drawn, on_demand, steady, with_clock
from tests.unit.scrape.virtual import LoopClock, run

LAG_MS = round(LAG_SECONDS * 1e3)

#: By then every rhythm of these tests is known.
KNOWN_WINDOWS = 16

#: Just after: the lag, the slack, and the way to the next place.
JUST_AFTER_MS = LAG_MS + 100 + MAX_STRIDE * START_STEP_MS + 20


def play(test: Callable[[Fleet], Coroutine[Any, Any, None]], *rhythms: Samples, **options: Any) -> None:
    async def wrapped(clock: LoopClock) -> None:
        await test(Fleet(clock, list(rhythms), **options))

    run(wrapped)


def is_placed(fleet: Fleet, i: int = 0) -> bool:
    return fleet.target(i).place_ms >= 0


@pytest.mark.parametrize(
    ("period_ms", "resolution_ms", "step_ms"),
    [
        pytest.param(10_000, 15_000, 5_000, id="every-10-s-asked-every-15-s"),
        pytest.param(10_007, 15_000, 5_000, id="a-clock-that-runs-slow"),
        pytest.param(20_000, 15_000, 5_000, id="seldomer-than-asked"),
        pytest.param(10_000, 5_000, 5_000, id="asked-oftener-than-it-samples"),
        pytest.param(10_000, 20_000, 10_000, id="asked-every-other-time"),
        pytest.param(10_000, 60_000, 10_000, id="asked-every-sixth-time"),
        pytest.param(20_000, 20_000, 20_000, id="asked-as-often-as-it-samples"),
        pytest.param(6_000, 15_000, 3_000, id="every-6-s"),
    ],
)
def test_a_steady_kubelet_is_asked_just_after_its_samples(period_ms: int, resolution_ms: int, step_ms: int) -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS)
        asked = {name: len(moments) for name, moments in p.asked.items()}
        await p.run(8)
        limit_ms = 0.9 * resolution_ms / 2
        for i, offset_ms in enumerate(range(0, step_ms, 500)):
            assert len(p.asked[f"n{i}"]) == asked[f"n{i}"] + 8
            excess = max(excess % step_ms for excess in p.excess[f"n{i}"][-8:])
            if is_placed(p, i):
                assert excess <= JUST_AFTER_MS
            else:
                # In time as it was, or too late in the window.
                assert excess <= 2 * LAG_MS or (offset_ms + LAG_MS) % step_ms >= limit_ms - 5 * START_STEP_MS
        assert p.manager.placed >= 0.3 * len(p.rhythms)

    play(
        test,
        *(steady(period_ms, offset_ms) for offset_ms in range(0, step_ms, 500)),
        resolution_ms=resolution_ms,
    )


def test_the_median_excess_of_steady_kubelets_falls_from_2500_ms_to_the_lag() -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS + 10)

        def median_ms(windows: slice) -> int:
            found = sorted(excess % 5_000 for excesses in p.excess.values() for excess in excesses[windows])
            return found[len(found) // 2]

        assert median_ms(slice(0, 4)) == pytest.approx(2_500, abs=300)
        assert median_ms(slice(-10, None)) <= JUST_AFTER_MS

    play(test, *(steady(10_000, 997 * i % 10_000, spread_ms=0) for i in range(200)))


@given(seed=st.integers(0, 2**32), containers=st.integers(5, 40))
@settings(max_examples=15, deadline=None)
def test_a_kubelet_that_draws_its_pauses_is_never_moved(seed: int, containers: int) -> None:
    async def test(p: Fleet) -> None:
        await p.run(60)
        assert p.manager.placed == 0
        first, *others = [at % 15_000 for at in p.asked["n0"]]
        assert others == [pytest.approx(first, abs=2)] * len(others)

    play(test, drawn(seed, containers=containers))


def test_a_kubelet_that_samples_when_it_is_asked_is_never_moved() -> None:
    async def test(p: Fleet) -> None:
        for _ in range(40):
            await p.run(1)
            assert p.manager.placed == 0

    play(test, on_demand)


def test_a_slow_drift_is_followed() -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS)
        for _ in range(10):
            await p.run(10)
            assert is_placed(p)
            assert p.newest_excess(9) <= JUST_AFTER_MS + 60

    # It loses 30 ms a window, and so all of its places in ten minutes.
    play(test, steady(10_020, 2_000))


@pytest.mark.parametrize("new_offset_ms", [0, 1_200, 4_000, 6_500])
def test_a_restarted_kubelet_finds_its_new_place(new_offset_ms: int) -> None:
    async def test(p: Fleet) -> None:
        await p.run(20)
        assert is_placed(p)
        await p.run(KNOWN_WINDOWS)
        await p.run(10)
        assert p.newest_excess(10) <= JUST_AFTER_MS

    restart = after(300_000, steady(10_000, 2_600), steady(10_000, new_offset_ms))
    play(test, restart)


@pytest.mark.parametrize("step_ms", [-3_600_000, -2_300, 1_700, 3_601_700])
def test_a_step_of_a_kubelets_clock_costs_the_rhythm_for_a_while(step_ms: int) -> None:
    async def test(p: Fleet) -> None:
        await p.run(20)
        assert is_placed(p)
        was_released = False
        for _ in range(5):
            await p.run(1)
            was_released |= not is_placed(p)
        assert was_released
        await p.run(KNOWN_WINDOWS)
        rhythm = p.target().rhythm
        assert rhythm is not None
        assert rhythm.is_steady
        assert rhythm.period_ms == pytest.approx(10_000, abs=5)

    plain = steady(10_000, 2_600)
    play(test, after(300_000, plain, with_clock(step_ms, plain)))


def test_a_kubelet_that_goes_over_to_drawn_pauses_goes_back_to_its_phase() -> None:
    async def test(p: Fleet) -> None:
        first = await _first(p)
        await p.run(20)
        assert is_placed(p)
        await p.run(5)
        assert not is_placed(p)
        await p.run(2)
        assert p.asked["n0"][-1] % 15_000 == pytest.approx(first, abs=2)

    play(test, after(300_000, steady(10_000, 2_600), drawn(5)))


async def _first(p: Fleet) -> int:
    await p.run(1)
    return p.asked["n0"][0]


@pytest.mark.parametrize("behind_ms", [400, 1_000, 2_000])
def test_samples_that_are_shown_late_are_waited_for(behind_ms: int) -> None:
    async def test(p: Fleet) -> None:
        await p.run(60)
        assert p.newest_excess(20) <= max(2 * behind_ms, 600)

    play(test, with_clock(-behind_ms, steady(10_000, 1_500)))


def test_uneven_samples_are_a_rhythm_as_long_as_they_keep_near_it() -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS + 20)
        assert is_placed(p)
        assert p.newest_excess(20) <= 1_000

    play(test, steady(10_000, 2_600, unsteady_ms=90))


@pytest.mark.parametrize("nodes", [100, 2_000])
def test_kubelets_that_sample_in_unison_are_not_asked_all_at_once(nodes: int) -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS)
        assert p.manager.placed == nodes
        begins = [moments[-1] % 15_000 for moments in p.asked.values()]
        steps = Counter(at // START_STEP_MS for at in begins)
        starts_a_step = nodes * START_STEP_MS / 1e3 / p.manager.spread_seconds
        assert max(steps.values()) <= max(8, 2 * starts_a_step * 5 + 1)
        assert max(begins) - min(begins) <= p.manager.spread_seconds / 2 * 1e3 + 5 * START_STEP_MS

    # 3 s after each window: no node's phase is there.
    play(test, *[steady(10_000, 4_200, containers=1, spread_ms=0)] * nodes)


@pytest.mark.parametrize(("nodes", "apart_ms"), [(100, 500), (1_000, 100), (2_000, 60), (5_000, 20)])
def test_few_targets_share_places(nodes: int, apart_ms: int) -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS)
        places = [target.place_ms for target in p.manager.targets if target.place_ms >= 0]
        assert len(places) == p.manager.placed > 0.8 * nodes
        # But for the end of the time for places, and for who found no room.
        assert sum(place % apart_ms != 0 for place in places) < 0.1 * nodes
        assert 0.4 * 5_000 / apart_ms <= len(set(places)) < 1.5 * 7_000 / apart_ms

    play(test, *(steady(10_000, 997 * i % 10_000, containers=1, spread_ms=0) for i in range(nodes)))


@pytest.mark.parametrize(("nodes", "apart_ms"), [(100, 160), (1_000, 80), (5_000, 20)])
def test_few_targets_without_a_rhythm_share_moments(nodes: int, apart_ms: int) -> None:
    async def test(p: Fleet) -> None:
        await p.run(2)
        asked = Counter(moments[-1] % 15_000 // START_STEP_MS * START_STEP_MS for moments in p.asked.values())
        assert all(moment % apart_ms == 0 for moment in asked)
        assert max(asked.values()) <= 50
        assert len(asked) == pytest.approx(p.manager.spread_seconds * 1e3 / apart_ms, abs=1)

    play(test, *[on_demand] * nodes)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_nobody_is_starved_and_nobody_waits_long(data: st.DataObject) -> None:
    rhythm = st.one_of(
        st.builds(steady, st.sampled_from([5_000, 7_000, 10_000, 15_000, 30_000]), st.integers(0, 30_000)),
        st.builds(steady, st.integers(4_000, 31_000), st.integers(0, 30_000), unsteady_ms=st.integers(0, 3_000)),
        st.builds(drawn, st.integers(0, 1_000)),
        st.just(on_demand),
    )
    step = st.builds(with_clock, st.integers(-10_000, 10_000), rhythm)
    changing = st.builds(after, st.integers(0, 400_000), rhythm, st.one_of(rhythm, step))
    rhythms = data.draw(st.lists(st.one_of(rhythm, changing), min_size=1, max_size=12))
    late_ms = data.draw(st.sampled_from([0, 0, 40, 2_000]))

    async def test(p: Fleet) -> None:
        await p.run(30)
        await p.run(5, late_ms=late_ms)
        for moments in p.asked.values():
            assert len(moments) == 35
            # Places end at half of the deadline, which is nine tenths of the resolution.
            assert all(8_250 - late_ms < later - sooner < 21_750 + late_ms for sooner, later in pairwise(moments))

    play(test, *rhythms)


def test_without_a_rhythm_to_follow_answers_are_not_looked_at() -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS)
        assert p.manager.placed == 0
        assert p.target().rhythm is None
        assert "rhythm" not in next(p.manager.describe_targets())
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        assert registry.get_sample_value("heapfast_scrape_placed_targets") is None

    play(test, steady(10_000, 2_600), follows_rhythm=False)


def test_a_node_that_goes_leaves_its_place() -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS)
        assert p.manager.placed == 2
        p.manager.remove("n0")
        assert p.manager.placed == 1
        moved = p.manager.put("n1", hostname="h1", ip="10.0.0.0")
        assert (p.manager.placed, moved.place_ms) == (0, -1)

    play(test, steady(10_000, 2_600), steady(10_000, 3_600))


def test_a_late_round_asks_where_the_samples_are() -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS)
        await p.run(1, late_ms=1_000)
        assert p.newest_excess(1) <= JUST_AFTER_MS
        # Its place is over: at once, then.
        await p.run(1, late_ms=4_000)
        assert p.asked["n0"][-1] % 15_000 == pytest.approx(4_000, abs=5)

    play(test, steady(10_000, 2_600))


def test_out_of_turn_a_target_is_asked_at_once_wherever_its_place_is() -> None:
    async def test(p: Fleet) -> None:
        await p.run(KNOWN_WINDOWS)
        await asyncio.sleep(1.0)
        before = p.now_ms()
        await p.manager.scrape_one("n0", p.window(), lambda target, rows: None)
        assert p.asked["n0"][-1] == pytest.approx(before, abs=2)
        await p.run(8)
        assert p.newest_excess(8) <= JUST_AFTER_MS

    play(test, steady(10_000, 2_600))


def test_places_are_shown() -> None:
    async def test(p: Fleet) -> None:
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        await p.run(1)
        unknown = {"is_steady": False, "period_seconds": None, "lag_seconds": 0.15, "start_seconds": None}
        assert [target["rhythm"] for target in p.manager.describe_targets()] == [unknown] * 2
        await p.run(KNOWN_WINDOWS)
        assert registry.get_sample_value("heapfast_scrape_placed_targets") == 1
        told = {target["node"]: target["rhythm"] for target in p.manager.describe_targets()}
        assert told == {
            "n0": {"is_steady": True, "period_seconds": 10.0, "lag_seconds": 0.15, "start_seconds": 3.0},
            "n1": unknown,
        }

    play(test, steady(10_000, 2_600), drawn(1))
