"""What is set for the whole process, and that a system without one of it does not mind."""

from __future__ import annotations

import asyncio
import cmath
import ctypes
import gc
import mmap
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from heapfast import process_tuning
from heapfast.process_tuning import (
    ARENAS,
    LAST_STEPS,
    M_ARENA_MAX,
    M_MMAP_THRESHOLD,
    M_TOP_PAD,
    M_TRIM_THRESHOLD,
    MMAP_THRESHOLD_BYTES,
    START_MMAP_THRESHOLD_BYTES,
    START_STEP_SECONDS,
    START_TOP_PAD_BYTES,
    START_TRIM_THRESHOLD_BYTES,
    SWITCH_SECONDS,
    TOP_PAD_BYTES,
    TRIM_THRESHOLD_BYTES,
    keep_collections_short,
    let_go_of_code,
    raise_file_limit,
    return_freed_memory,
    shorten_turns,
    trim_heap,
)


@pytest.mark.parametrize(("limits", "want"), [((256, 4096), [(4096, 4096)]), ((4096, 4096), [])])
def test_the_limit_of_open_files_is_raised(
    limits: tuple[int, int], want: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[tuple[int, int]] = []
    replace: Callable[..., None] = monkeypatch.setattr
    replace("resource.getrlimit", lambda which: limits)
    replace("resource.setrlimit", lambda which, to: got.append(to))
    raise_file_limit()
    assert got == want


def test_threads_hand_over_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    set_: list[float] = []
    monkeypatch.setattr("sys.setswitchinterval", set_.append)
    shorten_turns()
    assert set_ == [SWITCH_SECONDS]


def test_the_heap_is_short_during_the_start_and_threads_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[int, int]] = []

    def mallopt(option: int, value: int) -> int:
        told.append((option, value))
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    return_freed_memory()
    assert told == [
        (M_MMAP_THRESHOLD, START_MMAP_THRESHOLD_BYTES),
        (M_TRIM_THRESHOLD, START_TRIM_THRESHOLD_BYTES),
        (M_TOP_PAD, START_TOP_PAD_BYTES),
        (M_ARENA_MAX, ARENAS),
    ]


def test_a_c_library_without_the_switch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []

    def library(name: None) -> SimpleNamespace:
        asked.append(name)
        return SimpleNamespace()

    monkeypatch.setattr(ctypes, "CDLL", library)
    return_freed_memory()
    assert asked == [None]


class Collector:
    """Stands in for the module gc: notes what it is told, in order."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def collect(self, generation: int) -> None:
        self.calls.append(generation)

    def freeze(self) -> None:
        self.calls.append("freeze")

    def set_threshold(self, *thresholds: int) -> None:
        self.calls.append(thresholds)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    standing_in = Collector()
    monkeypatch.setattr(process_tuning, "gc", standing_in)
    return standing_in


async def test_what_lives_for_good_is_frozen_until_a_while_after_the_start(collector: Collector) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await keep_collections_short(lambda: len(slept) >= 5, sleep)
    assert slept == [START_STEP_SECONDS] * (5 + LAST_STEPS)
    first, *freezes, last = collector.calls
    assert freezes == [1, "freeze"] * len(slept)
    # No full collection meanwhile, and then the collector is as it was.
    assert first == (*gc.get_threshold()[:2], 2**31 - 1)
    assert last == gc.get_threshold()


async def test_a_daemon_that_is_stopped_leaves_the_collector_as_it_was(collector: Collector) -> None:
    sleeps = asyncio.Event()

    async def sleep(seconds: float) -> None:
        sleeps.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(keep_collections_short(lambda: False, sleep))
    await sleeps.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert collector.calls[-1] == gc.get_threshold()


@pytest.mark.parametrize("is_glibc", [True, False], ids=["glibc", "another C library"])
async def test_what_lies_free_is_given_back_until_a_while_after_the_start(
    is_glibc: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    trimmed: list[int] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    glibc = {"malloc_trim": trimmed.append, "mallopt": lambda option, value: 1}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(**(glibc if is_glibc else {})))
    await trim_heap(lambda: len(slept) >= 5, sleep)
    assert trimmed == ([0] * 5 + [TRIM_THRESHOLD_BYTES] * LAST_STEPS if is_glibc else [])
    assert len(slept) == len(trimmed)


async def test_buffers_stay_in_the_heap_once_all_targets_are_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = 0
    told: list[tuple[int, int, int]] = []

    async def sleep(seconds: float) -> None:
        nonlocal steps
        steps += 1

    def mallopt(option: int, value: int) -> int:
        told.append((steps, option, value))
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=lambda pad: 0, mallopt=mallopt))
    await trim_heap(lambda: steps >= 5, sleep)
    assert told == [
        (5, M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES),
        (5, M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES),
        (5, M_TOP_PAD, TOP_PAD_BYTES),
    ]


def resident_code_kib(library: str) -> int:
    """So much of a library's code is mapped."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(library) and " r-xp " in line:
            return next(int(field.split()[1]) for field in lines if field.startswith("Rss:"))
    raise LookupError(library)


@pytest.mark.skipif(sys.platform != "linux", reason="SKIPPED: nothing is unmapped but on Linux")
async def test_code_that_nobody_runs_any_more_is_unmapped_and_runs_when_it_is_called() -> None:
    library = getattr(cmath, "__file__", None)
    if library is None:
        pytest.skip("SKIPPED: this Python has cmath built in")
    assert cmath.sqrt(-1) == 1j
    assert resident_code_kib(library) > 0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await let_go_of_code(lambda: len(slept) >= 5, sleep)
    assert len(slept) == 5
    assert resident_code_kib(library) == 0
    assert cmath.sqrt(-1) == 1j
    assert resident_code_kib(library) > 0


async def test_only_code_of_files_is_unmapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = tmp_path / "maps"
    maps.write_text(
        "1000-2000 r--p 00000000 fe:00 11   /lib/a.so\n"
        "2000-5000 r-xp 00001000 fe:00 11   /lib/a.so\n"
        "5000-6000 rw-p 00004000 fe:00 11   /lib/a.so\n"
        "7000-8000 r-xp 00000000 00:00 0 \n"
        "8000-9000 r-xp 00000000 00:00 0    [vdso]\n"
        "9000-a000 r-xp 00000000 fe:00 12   /lib/of two words.so\n"
        "b000-c000 rwxp 00000000 fe:00 13   /lib/patched.so\n"
    )
    told: list[tuple[int, int, int]] = []
    monkeypatch.setattr(process_tuning, "MAPS", maps)
    monkeypatch.setattr(
        ctypes,
        "CDLL",
        lambda name: SimpleNamespace(madvise=lambda start, size, what: told.append((start.value, size.value, what))),
    )
    await let_go_of_code(lambda: True)
    assert told == [(0x2000, 0x3000, mmap.MADV_DONTNEED), (0x9000, 0x1000, mmap.MADV_DONTNEED)]


@pytest.mark.parametrize("lacks", ["the system call", "the table of maps"])
async def test_without_either_code_stays(lacks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    if lacks == "the system call":
        monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    else:
        monkeypatch.setattr(process_tuning, "MAPS", tmp_path / "none")
    await let_go_of_code(lambda: False, sleep)
    assert slept == []
