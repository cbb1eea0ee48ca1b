"""Loads: whole numbers whose rates come out exactly."""

import pytest

from heapfast.sim import loads

START_MS = 1_795_000_000_000


@pytest.fixture
def load() -> loads.ContainerLoad:
    return loads.container_load(1, 2, 3)


def test_the_same_key_gives_the_same_load() -> None:
    assert loads.container_load(1, 2, 3) == loads.container_load(1, 2, 3)
    assert loads.network_load(1, 2) == loads.network_load(1, 2)


def test_neighbouring_keys_give_loads_of_their_own() -> None:
    assert len({loads.container_load(1, serial, index) for serial in range(50) for index in range(3)}) == 150


def test_mix_is_the_same_on_every_machine() -> None:
    assert loads.mix(1, 2, 3) == 0xA8F3134A766937DC


@pytest.mark.parametrize("apart_ms", [10_000, 15_000, 60_000])
def test_heapsters_rate_of_two_samples_is_the_load(load: loads.ContainerLoad, apart_ms: int) -> None:
    first, second = START_MS + 3_333, START_MS + 3_333 + apart_ms
    grown = loads.cpu_usage_ns(load, START_MS, second) - loads.cpu_usage_ns(load, START_MS, first)
    assert 1000 * grown // (apart_ms * 1_000_000) == load.cpu_millicores


def test_counters_of_whole_seconds_apart_differ_by_their_rate() -> None:
    for at_ms in range(START_MS, START_MS + 1000, 7):
        grown = loads.per_second(123_457, START_MS, at_ms + 10_000) - loads.per_second(123_457, START_MS, at_ms)
        assert grown == 1_234_570


def test_counters_start_at_zero(load: loads.ContainerLoad) -> None:
    assert loads.cpu_usage_ns(load, START_MS, START_MS) == 0
    assert loads.per_second(5, START_MS, START_MS) == 0
    assert loads.per_kilosecond(5, START_MS, START_MS) == 0


def test_memory_climbs_in_steps_and_falls_back() -> None:
    load = loads.container_load(1)._replace(working_set_pages=100, step_pages=2, memory_phase=0)
    rounds = [loads.working_set_bytes(load, step * 10_000, 10_000) // loads.PAGE_BYTES for step in range(18)]
    assert rounds == [*range(100, 132, 2), 100, 102]


@pytest.mark.parametrize(
    ("now_ms", "offset_ms", "want"),
    [
        (100_000, 0, 100_000),
        (100_001, 0, 100_000),
        (109_999, 0, 100_000),
        (100_000, 1, 90_001),
        (100_001, 1, 100_001),
        (100_000, -300, 99_700),
        (99_699, -300, 89_700),
    ],
)
def test_a_sample_is_the_newest_of_its_rhythm(now_ms: int, offset_ms: int, want: int) -> None:
    assert loads.sample_ms(now_ms, offset_ms, 10_000) == want
