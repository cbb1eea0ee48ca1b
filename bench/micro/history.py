"""History: what a batch costs on its way to disk, what a sample takes there, what a question to weeks of files takes.

In      how many nodes, of 30 pods with 2 containers; hours are made of a 25th of them, but for the one beside the loop
Out     figures
Callers `python -m bench.micro.history [NODES]`, bench/__main__.py
Source  issue 5, speed: samples/s to Parquet, bytes a sample on disk, CPU a tick; one pod over 24 h, p95 of a
        namespace by hour over 7 days; the loop never held more than 5 ms
Never   counts time before the answers were compared with what was put in
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import uvloop
from prometheus_client import CollectorRegistry

from bench.figures import Figures, Scale, at_most, main
from bench.micro.fleet import RESOLUTION_S, Size
from bench.micro.store import Ticker
from bench.micro.turns import watched
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME
from heapfast.clock import ManualClock
from heapfast.history.backend import AggregateQuery, Entity, RawQuery
from heapfast.history.embedded import connect, open_embedded
from heapfast.history.files import HOUR_NS, UNFINISHED, HistoryFile, finish, scan
from heapfast.history.options import EmbeddedOptions
from heapfast.history.parts import ROW_GROUP_ROWS, literal, merge, thin, write_part
from heapfast.history.table import LABEL_COLUMNS, TIME
from heapfast.process_tuning import shorten_turns
from heapfast.query.aggregation import parse_aggregations

SCALE = Scale(full=5_000, quick=50, unit="nodes")
BESIDE_LOOP = ("nothing", "writing a batch", "merging an hour", "thinning it")
BUDGETS = {f"loop beside {work}: held, ms": at_most(5.0) for work in BESIDE_LOOP}

#: An hour is merged from so many batches here; a real one has 60 to 240.
MERGED_BATCHES = 20
#: Of all nodes, beside a loop: how long it takes does not matter there, and memory is bounded by rows.
BATCHES_BESIDE_LOOP = 10
IDLE_SECONDS = 5.0
HOUR_PART = 25
THIN_NS = 300 * 10**9
FILES = 168
DAY_FILES = 24
#: Pods in each hour of the files that are asked, by nodes of the scale; one sample a minute.
PODS_A_NODE = 0.6
NAMESPACES = 100
MINUTE_NS = 60 * 10**9
#: 2026-01-01T00:00:00Z
FIRST_NS = 1_767_225_600 * 10**9


def n_samples(file: HistoryFile) -> int:
    """Numbers in a file that are not null."""
    metadata = pq.read_metadata(file.path)
    labels = {TIME, *LABEL_COLUMNS}
    found = 0
    for group in (metadata.row_group(i) for i in range(metadata.num_row_groups)):
        for column in (group.column(i) for i in range(group.num_columns)):
            if column.path_in_schema not in labels:
                found += column.num_values - column.statistics.null_count
    return found


def timed(work: Callable[[], HistoryFile | None]) -> tuple[HistoryFile, float, float]:
    """A file, the seconds that making it took on the wall, and those of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    file = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert file is not None, "nothing was written"
    return file, wall, cpu


def measure_parts(size: Size) -> Figures:
    """One batch of the whole cluster."""
    with tempfile.TemporaryDirectory() as folder:
        ticker = Ticker(size)
        for _ in range(3):
            ticker.tick()
        batch = ticker.store.newest
        assert batch is not None
        gc.collect()
        file, wall, cpu = timed(lambda: write_part(Path(folder), batch))
        samples = n_samples(file)
        total = pq.read_table(file.path, columns=["type", "memory/usage"])
        pods = sum(
            value for type_, value in zip(*(column.to_pylist() for column in total.columns), strict=True)
            if type_ == "pod" and value is not None
        )  # fmt: skip
        assert pods == batch.value(Kind.CLUSTER, 0, BY_NAME["memory/usage"].id), "the file's pods are not the cluster"
        return {
            "batch: samples": float(samples),
            "batch: to disk, s": wall,
            "batch: to disk, s of CPU": cpu,
            "batch: samples a second of CPU": samples / cpu,
            "batch: bytes a sample": file.size_bytes / samples,
        }


def measure_hours(size: Size) -> Figures:
    """Batches of a smaller cluster merged into a part and into an hour, which is thinned."""
    with tempfile.TemporaryDirectory() as folder:
        ticker = Ticker(size)
        ticker.tick()
        files = []
        for _ in range(MERGED_BATCHES):
            ticker.tick()
            batch = ticker.store.newest
            assert batch is not None
            file = write_part(Path(folder), batch)
            assert file is not None
            files.append(file)
        samples = sum(map(n_samples, files))
        rows = sum(pq.read_metadata(file.path).num_rows for file in files)
        connection = connect(Path(folder), EmbeddedOptions())
        part, _, part_cpu = timed(lambda: merge(connection, files, is_part=True))
        merged, wall, cpu = timed(lambda: merge(connection, files, is_part=False))
        thinned, _, thin_cpu = timed(lambda: thin(connection, merged, THIN_NS))
        connection.close()
        assert n_samples(part) == n_samples(merged) == samples, "merging has changed the number of samples"
        assert pq.read_metadata(thinned.path).num_rows < rows / 4, "thinning has left too many rows"
        return {
            "part: merged, us of CPU a row": part_cpu / rows * 1e6,
            "hour: merged, us of CPU a row": cpu / rows * 1e6,
            "hour: thinned, us of CPU a row": thin_cpu / rows * 1e6,
            "hour: samples a second of CPU, merged": samples / cpu,
            "hour: merged, us of CPU a pod and batch": cpu / MERGED_BATCHES / size.all_pods * 1e6,
            "hour: on the wall, times CPU": wall / cpu,
            "hour: bytes a sample": merged.size_bytes / samples,
        }


async def beside(name: str, work: Coroutine[Any, Any, object]) -> Figures:
    """Figures of the loop while something is done in threads."""
    start = time.perf_counter()
    async with watched() as turns:
        await work
    return {
        f"loop beside {name}: longest turn, ms": turns.longest_ms,
        f"loop beside {name}: held, ms": turns.held_ms,
        f"loop beside {name}: s": time.perf_counter() - start,
    }


async def _measure_turns(folder: Path, size: Size) -> Figures:
    shorten_turns()
    ticker = Ticker(size)
    ticker.tick()
    for _ in range(BATCHES_BESIDE_LOOP):
        ticker.tick()
        batch = ticker.store.newest
        assert batch is not None
        write_part(folder, batch)
    # In the next hour, so that the one before is over.
    ticker.fleet.tick += HOUR_NS // 10**9 // RESOLUTION_S
    ticker.tick()
    newest = ticker.store.newest
    assert newest is not None
    gc.collect()
    gc.freeze()  # as the daemon does with what lives for good
    clock = ManualClock(newest.timestamp_ns + 2 * EmbeddedOptions().raw_retention_ns)
    idle, writing, merging, thinning = BESIDE_LOOP
    figures = await beside(idle, asyncio.sleep(IDLE_SECONDS))
    open_files = partial(open_embedded, folder, store=ticker.store, clock=clock)
    async with open_files(EmbeddedOptions(raw_retention_ns=0), registry=CollectorRegistry()) as (_, writer):
        figures |= await beside(writing, writer.write(newest))
        figures |= await beside(merging, writer.maintain())
    async with open_files(EmbeddedOptions(), registry=CollectorRegistry()) as (_, writer):
        figures |= await beside(thinning, writer.maintain())
    (hour,) = [file for file in scan(folder).files if not file.is_part]
    assert hour.thin_ns == THIN_NS, "the hour was not thinned"
    return figures


def measure_turns(size: Size) -> Figures:
    """How long the loop is held while batches of the whole cluster are written, merged and thinned."""
    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(_measure_turns(Path(folder), size))


def make_hours(folder: Path, n_pods: int) -> int:
    """Writes a week of hours: pod i of namespace i mod 100 has (i * 1000 + minute of the hour) as memory/usage."""
    connection = connect(folder, EmbeddedOptions(memory_bytes=1 << 30))
    nulls = ", ".join(f"NULL::VARCHAR AS {name}" for name in LABEL_COLUMNS if name not in _SHOWN)
    rows = (
        "SELECT CASE WHEN p < $pods THEN 'pod' ELSE 'ns' END AS type,"
        " 'ns-' || (p % 100) AS namespace_name, CASE WHEN p < $pods THEN 'pod-' || p END AS pod_name,"
        f" CASE WHEN p < $pods THEN 'uid-' || p END AS pod_id, {nulls},"
        ' make_timestamp_ns($first + m * 60000000000)::TIMESTAMPTZ_NS AS time, p * 1000 + m AS "memory/usage",'
        ' p + m AS "cpu/usage_rate", p * 7 + m AS "memory/working_set"'
        " FROM range($total) a(p), range(60) b(m) ORDER BY type, namespace_name, pod_name, time"
    )
    for hour in range(FILES):
        first_ns = FIRST_NS + hour * HOUR_NS
        path = folder / f"hour{UNFINISHED}"
        connection.execute(
            f"COPY ({rows}) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS})",
            {"pods": n_pods, "total": n_pods + NAMESPACES, "first": first_ns},
        )
        finish(path, first_ns, first_ns + 59 * MINUTE_NS)
    connection.close()
    return (n_pods + NAMESPACES) * 60 * FILES * 3


_SHOWN = ("type", "namespace_name", "pod_name", "pod_id")


async def measure_questions(folder: Path, n_pods: int) -> Figures:
    """One pod over a day, and one namespace by hour over a week."""
    opened = open_embedded(folder, EmbeddedOptions(), store=Store(), clock=ManualClock(), registry=CollectorRegistry())
    end_ns = FIRST_NS + FILES * HOUR_NS
    shared: dict[str, Any] = {
        "metric": "memory/usage", "labels": None, "end_ns": end_ns, "max_points": 10**6, "timeout_seconds": 60,
    }  # fmt: skip
    pod = n_pods // 2
    raw = RawQuery(
        entities=(Entity(Kind.POD, namespace=f"ns-{pod % 100}", pod=f"pod-{pod}"),),
        start_ns=end_ns - DAY_FILES * HOUR_NS - 1,
        **shared,
    )
    by_uid = RawQuery(entities=(Entity(Kind.POD, pod_id=f"uid-{pod}"),), start_ns=raw.start_ns, **shared)
    week = AggregateQuery(
        entities=(Entity(Kind.NAMESPACE, namespace=f"ns-{n_pods % 100}"),),
        start_ns=FIRST_NS - 1,
        bucket_ns=HOUR_NS,
        aggregations=parse_aggregations("95-perc"),
        **shared,
    )
    async with opened as (backend, _):

        async def ask(query: RawQuery) -> list[Any]:
            return [chunk async for chunk in backend.read_raw(query)]

        async def ask_week() -> list[Any]:
            return [chunk async for chunk in backend.read_aggregated(week)]

        # The first question after a start compares checksums too.
        started = time.perf_counter()
        (buckets,) = await ask_week()
        first = time.perf_counter() - started
        (percentiles,) = buckets.values.values()
        assert list(percentiles) == [n_pods * 1000 + 56.0] * FILES, "the namespace has other percentiles"
        for query in (raw, by_uid):
            values = [value for chunk in await ask(query) for value in chunk.values]
            assert values == [pod * 1000 + minute for _ in range(DAY_FILES) for minute in range(60)], "other samples"
        return {
            "question: p95 of a namespace by hour over 7 days, ms": await best(ask_week),
            "question: the same, first after a start, ms": first * 1e3,
            "question: one pod over 24 h, ms": await best(lambda: ask(raw)),
            "question: one pod by its UID over 24 h, ms": await best(lambda: ask(by_uid)),
        }


async def best(ask: Callable[[], Coroutine[Any, Any, object]]) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        await ask()
        times.append(time.perf_counter() - started)
    return min(times) * 1e3


def measure_files(nodes: int) -> Figures:
    """Files of a week, made and asked."""
    n_pods = max(100, int(nodes * PODS_A_NODE))
    with tempfile.TemporaryDirectory() as folder:
        samples = make_hours(Path(folder), n_pods)
        return {"question: samples in the files": float(samples)} | asyncio.run(measure_questions(Path(folder), n_pods))


def run(nodes: int) -> Figures:
    """Measures everything."""
    # Each in a process of its own: memory that one gave back would serve the other.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        figures = pool.submit(measure_parts, Size(nodes)).result()
        figures |= pool.submit(measure_hours, Size(max(1, nodes // HOUR_PART))).result()
        figures |= pool.submit(measure_turns, Size(nodes)).result()
        return figures | pool.submit(measure_files, nodes).result()


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
