"""The embedded store against its oracle: on disk, in memory, merged, thinned, restarted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.errors import ConfigError, HistoryTooLarge
from heapfast.history import embedded, parts
from heapfast.history.backend import CHUNK_POINTS, Entity
from heapfast.history.files import HOUR_NS, HistoryFile, Stopped, find_fault, go_on
from heapfast.history.options import EmbeddedOptions
from heapfast.history.ranges import SortedRows
from heapfast.history.table import ORDER_COLUMNS
from heapfast.history.writer import MAX_MERGED, MAX_WAITING, MERGED_PARTS
from heapfast.query.aggregation import parse_aggregations
from heapfast.sim._rows import rows_of
from tests.unit.api.cluster import STEP_NS, rows_at
from tests.unit.history.store import ENTITIES, LABELS, METRICS, Kept, aggregated, kept, raw
from tests.unit.store.rows import T0_NS, container, custom, resource


async def check(store: Kept) -> None:
    """Whatever is asked, the store says what the oracle says."""
    for metric in METRICS:
        for labels in LABELS if metric.startswith(("filesystem", "accelerator")) else LABELS[:1]:
            query = raw(metric, labels)
            assert await store.raw(query) == await store.want_raw(query), (metric, labels)
        for bucket_ns in (0, STEP_NS, 7 * STEP_NS):
            buckets = aggregated(metric, bucket_ns)
            assert await store.aggregated(buckets) == await store.want_aggregated(buckets), (metric, bucket_ns)
    for entity in ENTITIES:
        assert await store.backend.list_metrics(entity) == await store.oracle.list_metrics(entity), entity
    for kind, parent in (
        (Kind.NODE, None),
        (Kind.NAMESPACE, None),
        (Kind.POD, Entity(Kind.NAMESPACE, namespace="default")),
        (Kind.POD, Entity(Kind.NAMESPACE, namespace="nope")),
        (Kind.POD_CONTAINER, Entity(Kind.POD, namespace="default", pod="web-0")),
        (Kind.SYS_CONTAINER, Entity(Kind.NODE, node="node-1")),
    ):
        assert list(await store.backend.list_entities(kind, parent)) == list(
            await store.oracle.list_entities(kind, parent)
        )


async def test_an_empty_store_has_nothing(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        await check(store)


async def test_what_is_on_disk_and_what_is_in_memory_alone_are_one_series(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        for i in range(3):
            await store.batch(i)
        await check(store)
        await store.batch(3, written=False)
        await check(store)


async def test_a_lone_extreme_without_buckets_has_its_samples_time(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        for i in range(4):
            await store.batch(i, written=i < 3)
        for name in ("max", "min", "95-perc"):
            query = aggregated("cpu/usage", aggregations=parse_aggregations(name))
            assert await store.aggregated(query) == await store.want_aggregated(query)


@pytest.mark.parametrize("metric", ["memory/working_set", "cpu/usage"])
async def test_bounds_are_exclusive(tmp_path: Path, metric: str) -> None:
    async with kept(tmp_path / "history") as store:
        for i in range(4):
            await store.batch(i, written=i < 2)
        for first in range(4):
            for last in range(4):
                for shift in (-1, 0, 1):
                    query = raw(metric, start_ns=T0_NS + first * STEP_NS + shift, end_ns=T0_NS + last * STEP_NS)
                    assert await store.raw(query) == await store.want_raw(query), (first, last, shift)


async def test_parts_become_one_part_and_then_an_hour(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        for i in range(MERGED_PARTS):
            await store.batch(i)
            await store.writer.maintain()
            assert len(store.files()) == (1 if i == MERGED_PARTS - 1 else i + 1)
        (part,) = store.files()
        assert part.startswith("part-")
        await check(store)
        for i in range(MERGED_PARTS, 62):
            await store.batch(i)
            await store.writer.maintain()
        # T0 is the beginning of an hour.
        assert [name[:13] for name in store.files()] == ["2017-12-11T10", "part-15129900", "part-15129900"]
        await check(store)


async def test_a_restart_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with kept(folder) as store:
        for i in range(3):
            await store.batch(i)
        oracle = store.oracle
    async with kept(folder, oracle=oracle) as store:
        (folder / "part-1.tmp").write_bytes(b"half a")
        await check_series(store)
        # The ring was filled again, and its batches come by once more.
        samples = list(oracle.samples)
        for i in range(1, 3):
            await store.batch(i)
        oracle.samples[:] = samples
        await store.batch(3)
        await check_series(store)
        assert len(store.files()) == 4
    async with kept(folder, oracle=oracle) as store:
        await check_series(store)
        assert not (folder / "part-1.tmp").exists()


async def check_series(store: Kept) -> None:
    for metric in METRICS:
        # A rate needs the batch before, which a restart has lost.
        if metric not in ("cpu/usage_rate", "cpu/node_utilization"):
            query = raw(metric)
            assert await store.raw(query) == await store.want_raw(query), metric


async def test_a_crash_between_merging_and_deleting_shows_nothing_twice(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with kept(folder) as store:
        for i in range(3):
            await store.batch(i)
        saved = {path: path.read_bytes() for path in folder.glob("*.parquet")}
        await store.batch(60)
        await store.writer.maintain()
        oracle = store.oracle
    for path, body in saved.items():
        path.write_bytes(body)
    async with kept(folder, oracle=oracle) as store:
        await check_series(store)
        await store.writer.maintain()
        assert len(store.files()) == 2
        await check_series(store)


async def test_a_clock_that_was_ahead_for_a_moment_does_not_end_history(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    ahead = 365 * 24 * 60
    async with kept(folder) as store:
        await store.batch(ahead)
        oracle = store.oracle
    async with kept(folder, oracle=oracle) as store:
        for i in range(3):
            await store.batch(i)
            await store.writer.maintain()
        # The year ahead is over as an hour, this hour is not.
        assert [name[:4] for name in store.files()] == ["2018", "part", "part", "part"]
        oracle.samples.sort(key=lambda sample: sample.timestamp_ns)
        await check_series(store)


class TestThinning:
    OPTIONS = EmbeddedOptions(raw_retention_ns=HOUR_NS, thin_ns=20 * STEP_NS)

    async def fill(self, store: Kept) -> None:
        for i in range(0, 180, 5):
            await store.batch(i)
            if i % 60 == 0:
                await store.writer.maintain()
        await store.writer.maintain()

    async def test_aggregates_stay_true(self, tmp_path: Path) -> None:
        async with kept(tmp_path / "history", self.OPTIONS) as store:
            await self.fill(store)
            assert [name[:16] for name in store.files()][:2] == ["2017-12-11T10-20", "2017-12-11T11-15"]
            for metric in METRICS:
                for bucket_ns in (0, 20 * STEP_NS, HOUR_NS):
                    how = parse_aggregations("average,max,min,count")
                    query = aggregated(metric, bucket_ns, aggregations=how)
                    want, got = await store.want_aggregated(query), await store.aggregated(query)
                    assert [row[:2] for row in got] == [row[:2] for row in want]
                    for (_, _, ours), (_, _, theirs) in zip(got, want, strict=True):
                        assert ours["average"] == pytest.approx(theirs["average"])
                        assert (ours["max"], ours["min"], ours["count"]) == (
                            theirs["max"],
                            theirs["min"],
                            theirs["count"],
                        )

    async def test_a_thinned_series_has_averages_at_the_beginning_of_each_span(self, tmp_path: Path) -> None:
        async with kept(tmp_path / "history", self.OPTIONS) as store:
            await self.fill(store)
            query = raw("cpu/usage", entities=(Entity(Kind.NODE, node="node-1"),), end_ns=T0_NS + 40 * STEP_NS)
            step = 600 * 10**9
            assert await store.raw(query) == [(0, T0_NS, 7.5 * step), (0, T0_NS + 20 * STEP_NS, 27.5 * step)]

    async def test_labels_are_kept_apart(self, tmp_path: Path) -> None:
        async with kept(tmp_path / "history", self.OPTIONS) as store:
            await self.fill(store)
            query = aggregated(
                "filesystem/usage", labels={"resource_id": "logs"}, aggregations=parse_aggregations("max,count")
            )
            assert await store.aggregated(query) == await store.want_aggregated(query)


class TestRetention:
    async def test_old_files_are_deleted(self, tmp_path: Path) -> None:
        options = EmbeddedOptions(retention_ns=2 * HOUR_NS, raw_retention_ns=0)
        async with kept(tmp_path / "history", options) as store:
            for i in (0, 60, 120, 185):
                await store.batch(i)
                await store.writer.maintain()
            assert [name[:13] for name in store.files()] == ["2017-12-11T12", "part-15129975"]
            assert store.count("heapfast_history_deleted_files_total", reason="age") == 2

    async def test_the_oldest_are_deleted_when_there_are_too_many_bytes(self, tmp_path: Path) -> None:
        async with kept(tmp_path / "history") as store:
            for i in range(4):
                await store.batch(i)
            size = max(path.stat().st_size for path in store.folder.glob("*.parquet"))
        async with kept(tmp_path / "history", EmbeddedOptions(max_bytes=2 * size)) as store:
            await store.writer.maintain()
            assert [int(name.split("-")[1]) for name in store.files()] == [T0_NS + i * STEP_NS for i in (2, 3)]
            assert store.count("heapfast_history_bytes") <= 2 * size

    async def test_a_file_that_is_being_read_stays_until_it_is_read(self, tmp_path: Path) -> None:
        async with kept(tmp_path / "history", EmbeddedOptions(max_bytes=1)) as store:
            await store.batch(0)
            reading = store.backend.read_raw(raw("memory/usage"))
            first = asyncio.ensure_future(anext(reading))
            await asyncio.sleep(0)
            await store.writer.maintain()
            assert (await first).item == 0
            await reading.aclose()
            await store.writer.maintain()
            assert store.files() == []


async def test_an_answer_with_too_many_samples_is_refused(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        for i in range(3):
            await store.batch(i, written=i < 2)
        node = (Entity(Kind.NODE, node="node-1"),)
        assert len(await store.raw(raw("memory/usage", entities=node, max_points=3))) == 3
        for limit in (1, 2):
            with pytest.raises(HistoryTooLarge):
                await store.raw(raw("memory/usage", entities=node, max_points=limit))


async def test_a_long_series_comes_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "CHUNK_POINTS", 2)
    assert CHUNK_POINTS > 2
    async with kept(tmp_path / "history") as store:
        for i in range(5):
            await store.batch(i)
        query = raw("memory/usage", entities=(Entity(Kind.CLUSTER),))
        assert [len(chunk.values) async for chunk in store.backend.read_raw(query)] == [2, 2, 1]
        assert await store.raw(query) == await store.want_raw(query)


async def test_a_question_that_is_cancelled_is_interrupted(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        await store.batch(0)

        loop = asyncio.get_running_loop()
        begun = asyncio.Event()

        def select(cursor: duckdb.DuckDBPyConnection, files: list[object]) -> None:
            loop.call_soon_threadsafe(begun.set)
            cursor.execute("SELECT count(*) FROM range(1000000000000) a, range(1000000) b").fetchall()

        asking = asyncio.create_task(store.backend._ask([], select))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert store.count("heapfast_history_queries_total", end="cancelled") == 1


async def test_a_question_that_waits_for_a_thread_is_taken_back(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        release = threading.Event()
        busy = [asyncio.create_task(store.backend._in_thread(release.wait)) for _ in range(embedded.QUERY_THREADS)]
        waiting = asyncio.create_task(store.backend._in_thread(lambda: 1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        release.set()
        await asyncio.gather(*busy)


async def test_the_check_of_a_file_is_stopped_with_its_question(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        await store.batch(0)
        (file,) = store.backend._files.files
        assert find_fault(file) is None
        with pytest.raises(Stopped):
            find_fault(file, lambda: True)


async def test_files_that_nobody_asks_for_are_checked_in_turn(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with kept(folder) as store:
        for i in range(3):
            await store.batch(i)
    async with kept(folder) as store:
        for n_checked in (1, 2, 3, 3):
            await store.writer.maintain()
            files = store.backend._files
            assert [files.is_checked(file) for file in files.files].count(True) == n_checked


async def test_a_slow_disk_costs_the_oldest_batches_that_wait(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        for i in range(MAX_WAITING + 2):
            await store.batch(i, written=False)
            store.writer.take(store.cluster.store.newest)
        writing = asyncio.create_task(store.writer.run())
        while store.count("heapfast_history_batches_total") < MAX_WAITING:
            await asyncio.sleep(0.001)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert store.count("heapfast_history_dropped_batches_total", reason="slow") == 2
        assert [int(name.split("-")[1]) for name in store.files()] == [T0_NS + i * STEP_NS for i in (2, 3)]


async def test_batches_are_written_while_an_hour_is_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, begun = threading.Event(), threading.Event()

    def merge(*given: object, **more: object) -> None:
        begun.set()
        release.wait()
        raise OSError("enough")

    monkeypatch.setattr(parts, "merge", merge)
    async with kept(tmp_path / "history") as store:
        await store.batch(0)
        running = asyncio.create_task(store.writer.run())
        for i in (60, 61, 62, 63):
            await store.batch(i, written=False)
            store.writer.take(store.cluster.store.newest)
            while store.count("heapfast_history_batches_total") < i - 58:
                await asyncio.sleep(0.001)
        while not begun.is_set():
            await asyncio.sleep(0.001)
        release.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert store.count("heapfast_history_dropped_batches_total", reason="slow") == 0
        assert len(store.files()) == 5


@pytest.mark.parametrize(
    ("error", "tries"),
    [(duckdb.OutOfMemoryException("Out of Memory Error: 256.0 MiB used"), 1), (OSError("full"), 3)],
    ids=["memory that no batch brings is not asked for again", "a disk is tried again"],
)
async def test_an_hour_that_cannot_be_merged_stays_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    def merge(*given: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(parts, "merge", merge)
    async with kept(tmp_path / "history") as store:
        for i in (0, 60, 61, 62):
            await store.batch(i)
            await store.writer.maintain()
        assert store.count("heapfast_history_failures_total", work="merge") == tries
        await check(store)


async def test_an_hour_of_many_files_is_merged_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    merge, merged = parts.merge, []

    def noted(connection: duckdb.DuckDBPyConnection, files: list[HistoryFile], **more: Any) -> HistoryFile:
        merged.append((len(files), more["is_part"]))
        return merge(connection, files, **more)

    monkeypatch.setattr(parts, "merge", noted)
    async with kept(tmp_path / "history") as store:
        for i in range(MAX_MERGED + 5):
            await store.batch(i)
        await store.batch(60)
        await store.writer.maintain()
        assert merged == [(MERGED_PARTS, True), (MAX_MERGED + 6 - MERGED_PARTS, False)]
        assert [name[:4] for name in store.files()] == ["2017", "part"]
        await check(store)


async def test_parts_are_not_merged_over_one_between_them(tmp_path: Path) -> None:
    # A clock was put back before a restart: the part that was there before is of times between those of others.
    folder = tmp_path / "history"
    oracle = None
    for batches in (range(10, 10 + MERGED_PARTS), range(10), range(10 + MERGED_PARTS, 21 + MERGED_PARTS)):
        async with kept(folder, oracle=oracle) as store:
            for i in batches:
                await store.batch(i)
                await store.writer.maintain()
            oracle = store.oracle
    assert oracle is not None
    assert len(store.files()) == 1 + 10 + 11
    oracle.samples.sort(key=lambda sample: sample.timestamp_ns)
    query = raw("memory/usage")
    async with kept(folder, oracle=oracle) as store:
        # A start deletes what lies in another.
        assert await store.raw(query) == await store.want_raw(query)
        await store.batch(60)
        await store.writer.maintain()
        assert len(store.files()) == 2
        assert await store.raw(query) == await store.want_raw(query)


@pytest.mark.parametrize("work", ["part", "hour", "thinned"])
async def test_merging_stops_when_nobody_waits_for_it(tmp_path: Path, work: str) -> None:
    async with kept(tmp_path / "history") as store:
        for i in range(3):
            await store.batch(i)
        files = list(store.backend._files.files)
        before = store.files()
        with duckdb.connect(":memory:") as connection:
            stopped = partial(parts.merge, connection, files, is_part=work == "part")
            if work == "thinned":
                stopped = partial(parts.thin, connection, files[0], 60 * 10**9)
            with pytest.raises(Stopped):
                stopped(is_stopped=lambda: True)
        # Nothing is left of it.
        assert before == sorted(path.name for path in store.folder.iterdir())


async def test_the_end_does_not_wait_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def merge(*given: object, is_stopped: Callable[[], bool], **more: object) -> None:
        begun.set()
        while not is_stopped():
            pass
        raise Stopped

    monkeypatch.setattr(parts, "merge", merge)
    async with kept(tmp_path / "history") as store:
        await store.batch(0)
        running = asyncio.create_task(store.writer.run())
        await store.batch(60, written=False)
        store.writer.take(store.cluster.store.newest)
        await asyncio.get_running_loop().run_in_executor(None, begun.wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert store.count("heapfast_history_failures_total", work="merge") == 0


async def test_a_part_is_in_the_order_of_files(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        ids = ("Volume:b", "Volume:", "Volume", "Volume:a", "Vo", "W", "", "a", "Volume:aa", "/")
        volumes = ("b", "a", "", "aa", "z")
        accelerators = (("nvidia", "k80", "1"), ("nvidia", "k8", "2"), ("amd", "x", "0"), ("nvidia", "k80", "0"))
        resources = [resource("filesystem", id_, usage=1) for id_ in ids]
        resources += [resource("volume", id_, usage=2) for id_ in volumes]
        resources += [
            resource("accelerator", id_, memory_used=3) | {"make": make, "model": model}
            for make, model, id_ in accelerators
        ]
        rows = rows_at(0)
        for row in rows:
            if row["kind"] in ("node", "pod", "pod_container"):
                row["resources"] = resources
        cluster = store.cluster.store
        cluster.ingest(rows_of(rows), cluster.find(Kind.NODE, "node-1"), T0_NS)
        store.cluster.tick(T0_NS)
        await store.writer.write(cluster.newest)
        (file,) = store.backend._files.files
        found = [
            [(row[name] is None, row[name] or "") for name in ORDER_COLUMNS]
            for row in pq.read_table(file.path).to_pylist()
        ]
        assert found == sorted(found)
        assert {key[0][1] for key in found} == {"cluster", "ns", "node", "pod", "pod_container", "sys_container"}
        of_node = [key[5][1] for key in found if key[0][1] == "node" and key[4][1] == "node-1" and not key[5][0]]
        assert sorted(of_node) == sorted([*ids, *(f"Volume:{id_}" for id_ in volumes)])
        # It is merged as it is: nothing sorts it once more.
        assert sum(batch.num_rows for batch in SortedRows([file.path], go_on)) == len(found)


async def test_what_waits_at_the_end_is_written(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        await store.batch(0, written=False)
        store.writer.take(store.cluster.store.newest)
    assert len(store.files()) == 1


async def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("no folder")
    with pytest.raises(ConfigError, match="--data-dir: cannot keep history in"):
        async with kept(tmp_path / "history"):
            pass


async def test_a_file_opens_as_it_is(tmp_path: Path) -> None:
    async with kept(tmp_path / "history") as store:
        await store.batch(0)
        await store.batch(1)
    table = pq.read_table(tmp_path / "history")
    assert set(table["type"].to_pylist()) == {"cluster", "ns", "node", "pod", "pod_container", "sys_container"}
    rows = table.to_pylist()
    (nginx,) = (row for row in rows if row["container_name"] == "nginx" and row["namespace_name"] == "default"
                and row["memory/usage"] is not None and row["cpu/usage"] == 0)  # fmt: skip
    assert (nginx["pod_name"], nginx["pod_id"], nginx["nodename"]) == ("web-0", "uid-web-0", "node-1")
    assert nginx["memory/usage"] == 25165824 + 1024
    assert nginx["custom/ratio"] == 0.25
    assert nginx["time"].isoformat() == "2017-12-11T10:00:00+00:00"
    gpu = [row for row in rows if row["accelerator_id"] == "GPU-0"]
    assert [(row["make"], row["model"], row["accelerator/memory_used"]) for row in gpu] == [("nvidia", "k80", 10)] * 2
    assert {row["resource_id"] for row in rows} == {None, "/", "logs", "Volume:data"}


def test_a_custom_metric_of_both_kinds_of_numbers_is_one_column_of_floats(tmp_path: Path) -> None:
    store = Store()
    values = {"a": 5, "b": 2.5, "c": 2**53 + 1}
    rows = [container("shop", pod, "c", {}, custom=[custom("qps", value)]) for pod, value in values.items()]
    store.ingest(rows_of([*rows, container("shop", "d", "c", {})]), -1, T0_NS)
    closing = store.swap(T0_NS)
    closing.run()
    assert store.commit(closing, T0_NS) is store.newest
    assert store.newest is not None
    file = parts.write_part(tmp_path, store.newest)
    assert file is not None
    columns = pq.read_table(file.path, columns=["type", "pod_name", "custom/qps"]).to_pylist()
    found = {row["pod_name"]: row["custom/qps"] for row in columns if row["type"] == "pod_container"}
    assert found == {"a": 5.0, "b": 2.5, "c": float(2**53), "d": None}
