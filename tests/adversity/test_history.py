"""History whose disk is full, gone or lies: what is damaged is left out, and memory goes on."""

from __future__ import annotations

import errno
import logging
import os
import random
import resource
import shutil
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from heapfast.catalog.keys import Kind
from heapfast.errors import HistoryUnavailable
from heapfast.history import parts
from heapfast.history.backend import Entity
from heapfast.history.writer import MERGED_PARTS
from tests.unit.history.store import Kept, kept, raw
from tests.unit.store.rows import T0_NS

CLUSTER = (Entity(Kind.CLUSTER),)
QUERY = raw("memory/usage", entities=CLUSTER)
SEED = 20171211


async def count(store: Kept) -> int:
    return len(await store.raw(QUERY))


async def fill(folder: Path, n: int = 3) -> list[Path]:
    async with kept(folder) as store:
        for i in range(n):
            await store.batch(i)
        return [folder / name for name in store.files()]


def damages(size: int) -> list[tuple[str, int]]:
    chosen = random.Random(SEED)
    places = [0, 3, 4, size // 2, size - 9, size - 5, size - 1, *(chosen.randrange(size) for _ in range(20))]
    return [(how, place) for how in ("cut", "flip") for place in places]


async def test_a_file_cut_or_flipped_at_any_byte_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "history"
    files = await fill(folder)
    whole = files[1].read_bytes()
    for how, place in damages(len(whole)):
        damaged = bytearray(whole)
        if how == "cut":
            del damaged[place:]
        else:
            damaged[place] ^= 1 << place % 8
        files[1].write_bytes(damaged)
        caplog.clear()
        async with kept(folder) as store:
            assert [await count(store) for _ in range(3)] == [2, 2, 2], (how, place)
            assert store.count("heapfast_history_bad_files_total") == 1
            assert list(await store.backend.list_entities(Kind.NODE)) == ["node-1"]
        assert [record.levelname for record in caplog.records].count("ERROR") == 1
        assert files[1].name in caplog.text
    # It is not ours to delete: somebody may want to look at it.
    assert files[1].exists()


async def test_damaged_parts_are_not_merged(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    files = await fill(folder)
    body = bytearray(files[0].read_bytes())
    body[len(body) // 2] ^= 1
    files[0].write_bytes(body)
    async with kept(folder) as store:
        await store.batch(60)
        await store.writer.maintain()
        assert await count(store) == 3
        assert store.count("heapfast_history_bad_files_total") == 1
    assert files[0].exists()
    assert len(list(folder.glob("2017*.parquet"))) == 1


async def test_a_file_that_vanishes_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    files = await fill(folder)
    async with kept(folder) as store:
        assert await count(store) == 3
        files[2].unlink()
        assert await count(store) == 2
        assert store.count("heapfast_history_bad_files_total") == 1


async def test_a_file_that_changes_after_it_was_found_whole_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    files = await fill(folder)
    async with kept(folder) as store:
        assert await count(store) == 3
        files[0].write_bytes(b"PAR1 no longer PAR1")
        assert await count(store) == 2


async def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    await fill(folder)
    for name in ("notes.txt", "part-1-2-zz.parquet", "2017-12-11T10-5w-1-2-00000000.parquet"):
        (folder / name).write_text("mine")
    async with kept(folder) as store:
        assert await count(store) == 3
    assert (folder / "notes.txt").read_text() == "mine"


async def test_a_vanished_folder_costs_history_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data" / "history"
    folder.parent.mkdir()
    async with kept(folder) as store:
        await store.batch(0)
        shutil.rmtree(folder.parent)
        for i in (1, 2):
            await store.batch(i)
            await store.writer.maintain()
        # What the ring has is still there.
        assert [at for _, at, _ in await store.raw(QUERY)] == [T0_NS + i * 60 * 10**9 for i in (1, 2)]
        assert store.count("heapfast_history_dropped_batches_total", reason="failed") == 2
        assert store.count("heapfast_history_failures_total", work="write") == 2
        folder.parent.mkdir()
        await store.batch(3)
        assert store.count("heapfast_history_batches_total") == 2
    said = [record for record in caplog.records if "cannot write" in record.message]
    assert len(said) == 1
    assert "can write again" in caplog.text


async def test_a_full_disk_costs_the_batch_and_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "history"
    async with kept(folder) as store:
        await store.batch(0)

        def write_half(table: object, path: Path, **more: object) -> None:
            path.write_bytes(b"PAR1 and then")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(pq, "write_table", write_half)
            for i in (1, 2, 3):
                await store.batch(i)
        await store.batch(4)
        assert store.count("heapfast_history_dropped_batches_total", reason="failed") == 3
        assert len(store.files()) == len(list(folder.iterdir())) == 2
    assert caplog.text.count("No space left on device") == 1


@pytest.mark.parametrize("error", [duckdb.IOException("disk full"), OSError(errno.EROFS, "read-only"), MemoryError()])
async def test_an_hour_that_cannot_be_merged_stays_in_parts_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*given: object, **more: object) -> None:
        raise error

    async with kept(tmp_path / "history") as store:
        for i in (0, 1, 60):
            await store.batch(i)
        with monkeypatch.context() as patch:
            patch.setattr(parts, "merge", fail)
            await store.writer.maintain()
        assert len(store.files()) == 3
        assert await count(store) == 3
        await store.writer.maintain()
        assert [name[:4] for name in store.files()] == ["2017", "part"]
        assert await count(store) == 3


@pytest.mark.parametrize("is_over", [False, True], ids=["a part, by Arrow", "an hour, by DuckDB"])
async def test_a_disk_that_is_full_in_the_middle_of_a_merge_leaves_the_parts(tmp_path: Path, *, is_over: bool) -> None:
    async with kept(tmp_path / "history") as store:
        for i in range(MERGED_PARTS):
            await store.batch(i)
        if is_over:
            await store.batch(60)
        before = store.files()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            await store.writer.maintain()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert store.count("heapfast_history_failures_total", work="merge") == 1
        assert sorted(path.name for path in store.folder.iterdir()) == before
        assert await count(store) == MERGED_PARTS + is_over
        await store.writer.maintain()
        assert len(store.files()) == 1 + is_over
        assert await count(store) == MERGED_PARTS + is_over


async def test_memory_that_does_not_suffice_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept(tmp_path / "history") as store:
        await store.batch(0)

        def fail(*given: object, **more: object) -> None:
            raise duckdb.OutOfMemoryException("could not allocate block")

        monkeypatch.setattr(store.backend, "_select", fail)
        with pytest.raises(HistoryUnavailable, match="cannot read history: could not allocate block"):
            await store.raw(QUERY)
        assert store.count("heapfast_history_queries_total", end="failed") == 1


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "heapfast.history")
