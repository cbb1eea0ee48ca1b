"""Writing segments: a disk that is full, read-only, slow or gone costs batches on disk, and nothing in memory."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from heapfast._batch import Batch
from heapfast.clock import ManualClock
from heapfast.store.monitoring import SegmentMonitoring
from heapfast.store.segment_writer import SegmentFolder, SegmentWriter
from heapfast.store.segments import find_segments, scan
from tests.unit.store.kept import ABOUT, KeptCluster, all_series, restored_from, settle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "segments"


@pytest.fixture
def cluster(folder: Path) -> KeptCluster:
    return KeptCluster(folder)


def batches_in(folder: Path) -> list[int]:
    return [record.timestamp_ns for path in find_segments(folder) for record in scan(path).records]


def check_whole(cluster: KeptCluster, folder: Path) -> None:
    """Every file is without a fault, and what is read is what there was."""
    assert [scan(path).fault for path in find_segments(folder) if scan(path).fault] == []
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    was = all_series(cluster.store)
    for key, series in all_series(store).items():
        assert set(series) <= set(was[key]), key


class FullDisk:
    """os.writev on a disk that has room for so many bytes more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.writev

    def __call__(self, file: int, parts: list[memoryview]) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        text = b"".join(parts)[: self.room]
        self.room -= len(text)
        return self._write(file, [text])


@pytest.mark.parametrize("room", [0, 1, 39, 40, 41, 200, 700])
def test_a_disk_that_fills_up_in_a_record_keeps_the_records_before_it(
    room: int, cluster: KeptCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.live(3)
    disk = FullDisk(room)
    monkeypatch.setattr(os, "writev", disk)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            cluster.live()
    check_whole(cluster, folder)
    assert batches_in(folder) == cluster.stamps[:3]
    disk.room = 1 << 20
    cluster.live(2)
    # It goes on without the two that found no room, in a file of its own.
    assert batches_in(folder) == [*cluster.stamps[:3], *cluster.stamps[5:]]
    assert len(find_segments(folder)) == 2
    check_whole(cluster, folder)


def test_a_disk_too_small_for_all_keeps_the_newest(
    cluster: KeptCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.live(20)
    room = 5 * find_segments(folder)[0].stat().st_size // 2
    write = os.writev

    def write_if_there_is_room(file: int, parts: list[memoryview]) -> int:
        if sum(path.stat().st_size for path in find_segments(folder)) + sum(map(len, parts)) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, parts)

    monkeypatch.setattr(os, "writev", write_if_there_is_room)
    failed = 0
    for _ in range(200):
        try:
            cluster.live()
        except OSError:
            failed += 1
        assert batches_in(folder)[-1] in cluster.stamps[-3:]
        assert len(batches_in(folder)) >= 20
    assert 0 < failed < 20
    check_whole(cluster, folder)


def test_a_full_disk_keeps_no_batch_in_memory(
    cluster: KeptCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.live(2)
    monkeypatch.setattr(os, "writev", FullDisk(0))
    sizes = []
    for n in range(200):
        # Each batch has a pod that the next has not.
        cluster.ingest(*[{**row, "name": f"p{n}"} for row in cluster.web(1)[:1]])
        with pytest.raises(OSError, match="No space left"):
            cluster.live()
        sizes.append(cluster.store.stats()["retired_texts"])
    # Names are given up as batches leave the ring, and freed as the oldest batch in memory is younger.
    assert max(sizes[150:]) <= max(sizes[60:100])


def test_a_disk_that_is_full_from_the_start_gets_no_empty_files(
    cluster: KeptCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(100)
    monkeypatch.setattr(os, "writev", disk)
    with pytest.raises(OSError, match="No space left"):
        cluster.live()
    assert find_segments(folder) == []
    disk.room = 1 << 20
    cluster.live()
    assert batches_in(folder) == cluster.stamps[1:]


def test_a_limit_on_the_size_of_files_is_a_full_disk(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(2)
    size = find_segments(folder)[0].stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            cluster.live()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, was)
    assert find_segments(folder)[0].stat().st_size == size
    cluster.live()
    check_whole(cluster, folder)


def test_old_segments_make_room_also_while_nothing_can_be_written(
    cluster: KeptCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.live(45)
    n = len(find_segments(folder))
    monkeypatch.setattr(os, "writev", FullDisk(0))
    for _ in range(60):
        with pytest.raises(OSError, match="No space left"):
            cluster.live()
    assert len(find_segments(folder)) < n


@pytest.mark.parametrize("what", ["segments", "all of it"])
def test_a_folder_that_vanishes_is_made_again_but_not_its_parent(what: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    cluster = KeptCluster(data / "segments")
    cluster.live(2)
    shutil.rmtree(data if what == "all of it" else data / "segments")
    if what == "all of it":
        for _ in range(2):
            with pytest.raises(OSError, match="No such file"):
                cluster.live()
        # As when a volume is mounted again.
        data.mkdir()
    cluster.live(2)
    assert batches_in(data / "segments") == cluster.stamps[-2:]
    check_whole(cluster, data / "segments")


def test_a_file_that_is_deleted_is_begun_anew(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(2)
    find_segments(folder)[0].unlink()
    cluster.live(2)
    assert batches_in(folder) == cluster.stamps[-2:]
    check_whole(cluster, folder)


def test_a_file_system_that_turns_read_only_is_tried_again(
    cluster: KeptCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    cluster.live(2)
    with monkeypatch.context() as patch:
        # Nothing can be taken back then, either.
        for call in ("writev", "ftruncate", "open"):
            patch.setattr(os, call, refuse)
        for _ in range(2):
            with pytest.raises(OSError, match="Read-only"):
                cluster.live()
    cluster.live(2)
    assert batches_in(folder) == [*cluster.stamps[:2], *cluster.stamps[-2:]]
    check_whole(cluster, folder)


def test_half_a_record_that_could_not_be_taken_back_is_left_out(
    cluster: KeptCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    cluster.live(2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", FullDisk(60))
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(OSError, match="No space"):
            cluster.live()
    cluster.live(2)
    assert [scan(path).fault is None for path in find_segments(folder)] == [False, True]
    _, found = restored_from(folder, cluster.at)
    assert found.restoring.batches == 4
    assert [scan(path).fault for path in find_segments(folder)] == [None, None], "cut off by who read it"


def test_two_segments_of_one_stamp_do_not_overwrite_each_other(cluster: KeptCluster, folder: Path) -> None:
    batch = cluster.live()
    again = SegmentFolder(folder, cluster.store, ABOUT, retention_ns=1 << 60, stamps={})
    again.append(batch)
    assert batches_in(folder) == [batch.timestamp_ns] * 2
    # And reading them does not give it twice.
    _, found = restored_from(folder, cluster.at)
    assert found.restoring.batches == 1


# -- the task --------------------------------------------------------------------------------------


class Held:
    """A folder whose disk waits until it is let go, and fails when told to."""

    def __init__(self) -> None:
        self.went = threading.Event()
        self.began = threading.Event()
        self.error: Exception | None = None
        self.written: list[Batch] = []
        self.n_segments = 1
        self.is_closed = False

    def append(self, batch: Batch) -> int:
        self.began.set()
        self.went.wait()
        if self.error is not None:
            raise self.error
        self.written.append(batch)
        return 10

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as one:
        yield one


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def writer(held: Held, executor: ThreadPoolExecutor, registry: CollectorRegistry) -> SegmentWriter:
    folder: Any = held
    return SegmentWriter(folder, executor, SegmentMonitoring(registry), ManualClock())


def counted(registry: CollectorRegistry, outcome: str) -> float | None:
    return registry.get_sample_value("heapfast_segment_batches_total", {"outcome": outcome})


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0)


@pytest.fixture
def batches() -> list[Batch]:
    cluster = KeptCluster()
    return [cluster.live() for _ in range(4)]


async def test_a_slow_disk_gets_the_newest_batch_when_it_is_free_again(
    held: Held, writer: SegmentWriter, registry: CollectorRegistry, batches: list[Batch]
) -> None:
    task = asyncio.create_task(writer.run())
    writer.take(batches[0])
    await until(held.began.is_set)
    for batch in batches[1:]:
        writer.take(batch)
    held.went.set()
    await until(lambda: counted(registry, "written") == 2)
    assert held.written == [batches[0], batches[3]]
    assert counted(registry, "skipped") == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_daemon_that_stops_writes_what_still_waits(
    held: Held, writer: SegmentWriter, batches: list[Batch]
) -> None:
    task = asyncio.create_task(writer.run())
    writer.take(batches[0])
    await until(held.began.is_set)
    writer.take(batches[1])
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    held.went.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert held.written == batches[:2]
    assert held.is_closed


async def test_what_fails_is_counted_and_said_once_and_its_end_too(
    held: Held,
    writer: SegmentWriter,
    registry: CollectorRegistry,
    batches: list[Batch],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    held.went.set()
    task = asyncio.create_task(writer.run())
    held.error = OSError(errno.ENOSPC, "No space left on device")
    for n, batch in enumerate(batches[:3], start=1):
        if n == 3:
            held.error = MemoryError()
        writer.take(batch)
        await until(lambda n=n: counted(registry, "failed") == n)  # type: ignore[misc]
    held.error = None
    writer.take(batches[3])
    await until(lambda: counted(registry, "written") == 1)
    said, ended = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said[0] == "ERROR"
    assert said[1].startswith("a batch could not be kept in --data-dir: No space left on device; memory goes on")
    assert ended == ("INFO", "batches are kept in --data-dir again; 3 are missing there")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_bug_costs_its_batch_only(
    held: Held,
    writer: SegmentWriter,
    registry: CollectorRegistry,
    batches: list[Batch],
    caplog: pytest.LogCaptureFixture,
) -> None:
    held.went.set()
    held.error = ZeroDivisionError()
    task = asyncio.create_task(writer.run())
    writer.take(batches[0])
    await until(lambda: counted(registry, "failed") == 1)
    assert "BUG: batch 1 could not be kept" in caplog.text
    held.error = None
    writer.take(batches[1])
    await until(lambda: counted(registry, "written") == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
