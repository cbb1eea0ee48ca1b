"""The embedded store: hourly Parquet files, asked with DuckDB, and the ring for what is not in them yet.

In      the queries of backend.py
Out     samples of disk and memory as one series
Callers daemon builds it when there is a --data-dir; api asks
Source  docs/history.md
Never   puts a name or a number into SQL other than as a parameter; but for names of columns, which are quoted and exist

One question is one query in a thread: it is interrupted when nobody waits for its answer any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prometheus_client import CollectorRegistry

from heapfast._name_list import NameList
from heapfast.catalog.keys import Kind
from heapfast.clock import Clock
from heapfast.errors import ConfigError, HistoryTooLarge, HistoryUnavailable
from heapfast.history.backend import CHUNK_POINTS, AggregateQuery, Buckets, Entity, Points, RawQuery
from heapfast.history.files import FileSet, HistoryFile, find_fault, scan
from heapfast.history.memory import MemoryBackend
from heapfast.history.monitoring import HistoryMonitoring
from heapfast.history.options import EmbeddedOptions
from heapfast.history.parts import quoted
from heapfast.history.table import COUNT_SUFFIX, LABEL_COLUMNS, MAX_SUFFIX, MIN_SUFFIX, RESOURCE_COLUMNS, TIME
from heapfast.history.writer import HistoryWriter
from heapfast.query.buckets import Samples, aggregate
from heapfast.query.window import TIME_MAX_NS, TIME_MIN_NS

if TYPE_CHECKING:
    from heapfast._core import Store

log = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")

#: Questions that are answered at the same time; others wait.
QUERY_THREADS: Final = 2

#: Of a list of names, at a time: DuckDB's own size, so that none is copied.
FETCHED_ROWS: Final = 2_048

#: How soon a question that goes on is interrupted once more.
INTERRUPT_SECONDS: Final = 0.05

_FILES: Final = "read_parquet(?, union_by_name=true)"

#: Which column has the last part of an entity's name.
_NAME_COLUMN: Final = {
    Kind.NODE: "nodename",
    Kind.NAMESPACE: "namespace_name",
    Kind.POD: "pod_name",
    Kind.POD_CONTAINER: "container_name",
    Kind.SYS_CONTAINER: "container_name",
}


class Series(NamedTuple):
    """What files have of one entity, in order of time.

    Attributes:
        timestamps_ns, values: as many.
        counts, minima, maxima: as many, for averages that stand for several samples; None where all are samples.
    """

    timestamps_ns: array[int]
    values: array[Any]
    counts: array[int] | None = None
    minima: array[Any] | None = None
    maxima: array[Any] | None = None


class EmbeddedBackend:
    """See HistoryBackend. Made by `open_embedded`."""

    def __init__(
        self,
        files: FileSet,
        memory: MemoryBackend,
        connection: duckdb.DuckDBPyConnection,
        executor: ThreadPoolExecutor,
        monitoring: HistoryMonitoring,
    ) -> None:
        self._files = files
        self._memory = memory
        self._connection = connection
        self._executor = executor
        self._monitoring = monitoring
        self._columns: dict[HistoryFile, frozenset[str]] = {}

    async def read_raw(self, query: RawQuery) -> AsyncGenerator[Points]:
        found = await self._read(query, with_spread=False)
        for item, series in sorted(found.items()):
            for first in range(0, len(series.timestamps_ns), CHUNK_POINTS):
                here = slice(first, first + CHUNK_POINTS)
                yield Points(item, series.timestamps_ns[here], series.values[here])

    async def read_aggregated(self, query: AggregateQuery) -> AsyncGenerator[Buckets]:
        found = await self._read(query, with_spread=True)
        for item, series in sorted(found.items()):
            work = partial(
                aggregate,
                Samples(*series),
                query.aggregations,
                start_ns=query.start_ns,
                bucket_ns=query.bucket_ns,
            )
            stamps, values = await self._in_thread(work)
            if stamps:
                yield Buckets(item, stamps, values)

    async def _read(self, query: RawQuery, *, with_spread: bool) -> dict[int, Series]:
        """Samples by item: what files have, and behind it what only the ring has."""
        if query.end_ns - query.start_ns < 2:
            return {}
        with self._files.reading(query.start_ns, query.end_ns) as files:
            # These files and what the ring has behind them: no batch is in both, none in neither.
            newer = replace(query, start_ns=max(query.start_ns, self._files.last_ns))
            recent = [found async for found in self._memory.read_items(newer)]
            select = partial(self._select, query=query, with_spread=with_spread)
            found: dict[int, Series] = await self._ask(files, select)
        for item, timestamps_ns, values in recent:
            found[item] = _append(found.get(item), timestamps_ns, values)
        n_points = sum(len(series.timestamps_ns) for series in found.values())
        if n_points > query.max_points:
            raise HistoryTooLarge(query.max_points)
        return found

    def _select(
        self, cursor: duckdb.DuckDBPyConnection, files: list[HistoryFile], query: RawQuery, with_spread: bool
    ) -> dict[int, Series]:
        """In a thread: one query for all entities that differ in one name only, as those of a list do."""
        with_metric = [file for file in files if query.metric in self._columns_of(file)]
        if not with_metric or query.metric in LABEL_COLUMNS or query.metric == TIME:
            return {}
        if any(label not in LABEL_COLUMNS for label in query.labels or ()):
            return {}
        found: dict[int, Series] = {}
        left = query.max_points
        for items, fixed, varying, names in _groups(query.entities):
            sql, parameters = _series_sql(with_metric, query, fixed, varying, names, with_spread, left + 1)
            rows: Any = cursor.sql(sql, params=parameters).to_arrow_table()
            left -= rows.num_rows
            if left < 0:
                raise HistoryTooLarge(query.max_points)
            for name, series in _split(rows, with_spread).items():
                for item in items[name]:
                    found[item] = series
        return found

    async def list_metrics(self, entity: Entity) -> list[str]:
        def select(cursor: duckdb.DuckDBPyConnection, files: list[HistoryFile]) -> set[str]:
            columns = sorted(
                {
                    name
                    for file in files
                    for name in self._columns_of(file)
                    if name not in LABEL_COLUMNS and name != TIME and not name.endswith((MIN_SUFFIX, MAX_SUFFIX))
                    and not name.endswith(COUNT_SUFFIX)
                }
            )  # fmt: skip
            if not columns:
                return set()
            where, parameters = _where(entity.labels())
            counts = ", ".join(f"count({quoted(name)})" for name in columns)
            sql = f"SELECT {counts} FROM {_FILES} WHERE {where}"  # noqa: S608 - columns that exist, quoted
            row = cursor.execute(sql, [_paths(files), *parameters]).fetchone()
            return {name for name, count in zip(columns, row or (), strict=True) if count}

        with self._files.reading(TIME_MIN_NS, TIME_MAX_NS) as files:
            on_disk = await self._ask(files, select)
        return sorted(on_disk.union(await self._memory.list_metrics(entity)))

    async def list_entities(self, kind: Kind, parent: Entity | None = None) -> NameList:
        def select(cursor: duckdb.DuckDBPyConnection, files: list[HistoryFile]) -> NameList:
            names = NameList()
            if not files:
                return names
            labels = {} if parent is None else parent.labels()
            where, parameters = _where(labels | {"type": Entity(kind).labels()["type"]})
            column = _NAME_COLUMN[kind]
            where = f"{where} AND {column} IS NOT NULL"
            sql = f"SELECT DISTINCT {column} FROM {_FILES} WHERE {where}"  # noqa: S608 - from our own table
            for rows in cursor.sql(sql, params=[_paths(files), *parameters]).to_arrow_reader(FETCHED_ROWS):
                _add_texts(names, rows.column(0))
            return names

        with self._files.reading(TIME_MIN_NS, TIME_MAX_NS) as files:
            names = await self._ask(files, select)
        names.add_list(await self._memory.list_entities(kind, parent))
        await self._in_thread(names.sort)
        return names

    async def close(self) -> None:
        """Queries that are under way end with their tasks."""

    # -- files and threads -------------------------------------------------------------------------

    async def _ask(
        self,
        files: list[HistoryFile],
        select: Callable[[duckdb.DuckDBPyConnection, list[HistoryFile]], ResultT],
    ) -> ResultT:
        """Asks files that are kept meanwhile. Damaged ones are left out, whenever that is noticed.

        Raises:
            HistoryTooLarge: as `select` says.
            HistoryUnavailable: DuckDB cannot answer.
        """
        while True:
            cursor = self._connection.cursor()
            stopped = threading.Event()

            def interrupt(cursor: duckdb.DuckDBPyConnection = cursor, stopped: threading.Event = stopped) -> None:
                stopped.set()
                cursor.interrupt()

            work = partial(self._run, cursor, list(files), select, stopped.is_set)
            try:
                result, bad = await self._in_thread(work, interrupt)
            except (duckdb.Error, OSError) as error:
                # Most likely a file that has gone or changed since it was found whole: look again, at all.
                faults = await self._in_thread(lambda: [(file, find_fault(file)) for file in files])
                bad = [(file, why) for file, why in faults if why is not None]
                if not bad:
                    self._monitoring.queries.labels("failed").inc()
                    raise HistoryUnavailable(f"cannot read history: {error}") from error
                result = None
            finally:
                cursor.close()
            for file, why in bad:
                files.remove(file)
                if self._files.drop_bad(file, why):
                    self._monitoring.bad_files.inc()
            if result is not None:
                self._monitoring.queries.labels("answered").inc()
                return result[0]

    def _run(
        self,
        cursor: duckdb.DuckDBPyConnection,
        files: list[HistoryFile],
        select: Callable[[duckdb.DuckDBPyConnection, list[HistoryFile]], ResultT],
        is_stopped: Callable[[], bool],
    ) -> tuple[tuple[ResultT] | None, list[tuple[HistoryFile, str]]]:
        """In a thread: looks at what was not looked at yet, then asks."""
        bad = []
        for file in list(files):
            if not self._files.is_checked(file):
                why = find_fault(file, is_stopped)
                if why is None:
                    self._files.note_checked(file)
                else:
                    bad.append((file, why))
        if bad:
            return None, bad
        return (select(cursor, files),), []

    def _columns_of(self, file: HistoryFile) -> frozenset[str]:
        columns = self._columns.get(file)
        if columns is None:
            columns = self._columns[file] = frozenset(pq.read_schema(file.path).names)
            for gone in set(self._columns).difference(self._files.files, (file,)):
                self._columns.pop(gone, None)
        return columns

    async def _in_thread(self, function: Callable[[], ResultT], interrupt: Callable[[], None] | None = None) -> ResultT:
        work = self._executor.submit(function)
        future = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._monitoring.queries.labels("cancelled").inc()
            # One that waits for a thread is taken back. To interrupt one that has hardly begun does nothing: once more.
            while not work.cancel() and not work.done():
                if interrupt is not None:
                    interrupt()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future], timeout=INTERRUPT_SECONDS)
            if not future.cancelled() and future.done():
                future.exception()  # looked at, for nobody else asks for it any more
            raise


@contextlib.asynccontextmanager
async def open_embedded(
    folder: Path, options: EmbeddedOptions, *, store: Store, clock: Clock, registry: CollectorRegistry
) -> AsyncIterator[tuple[EmbeddedBackend, HistoryWriter]]:
    """Opens the embedded store on a folder; writes what is under way when it is left.

    Raises:
        ConfigError: the folder cannot be made or read.
    """
    try:
        files = scan(folder)
    except OSError as error:
        raise ConfigError(f"--data-dir: cannot keep history in {folder}: {error.strerror}") from error
    monitoring = HistoryMonitoring(registry)
    with contextlib.ExitStack() as stack:
        readers = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="history")
        stack.callback(readers.shutdown)
        threads = [ThreadPoolExecutor(1, thread_name_prefix=f"history-{name}") for name in ("writing", "merging")]
        for thread in threads:
            stack.callback(thread.shutdown)
        # Each has its own limit: a large question does not keep hours from being merged.
        reading, writing = connect(folder, options), connect(folder, options)
        stack.callback(reading.close)
        stack.callback(writing.close)
        backend = EmbeddedBackend(files, MemoryBackend(store), reading, readers, monitoring)
        writer = HistoryWriter(
            folder,
            files,
            options,
            connection=writing,
            writing=threads[0],
            merging=threads[1],
            clock=clock,
            monitoring=monitoring,
        )
        yield backend, writer
        await writer.finish()


def connect(folder: Path, options: EmbeddedOptions) -> duckdb.DuckDBPyConnection:
    """A DuckDB that is limited, spills into the folder, and loads nothing from anywhere."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": options.threads,
            "memory_limit": f"{options.memory_bytes // 2**20}MiB",
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    # Files and buckets know no other zone.
    connection.execute("SET TimeZone = 'UTC'")
    # It would draw one on standard output.
    connection.execute("SET enable_progress_bar = false")
    return connection


def _paths(files: Sequence[HistoryFile]) -> list[str]:
    return [str(file.path) for file in files]


def _where(labels: dict[str, str]) -> tuple[str, list[str]]:
    return " AND ".join(f"{name} = ?" for name in labels), list(labels.values())


def _groups(
    entities: Sequence[Entity],
) -> list[tuple[dict[str, list[int]], dict[str, str], str, list[str]]]:
    """Entities that differ in one label alone: items by its value, the other labels, its name, its values."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, list[int]]] = {}
    for item, entity in enumerate(entities):
        labels = entity.labels()
        # Lists are of pods; the first label stands for whatever is asked for alone.
        varying = next((name for name in ("pod_id", "pod_name") if name in labels), "type")
        value = labels.pop(varying)
        groups.setdefault((varying, tuple(labels.items())), {}).setdefault(value, []).append(item)
    return [(items, dict(fixed), varying, list(items)) for (varying, fixed), items in groups.items()]


def _series_sql(
    files: Sequence[HistoryFile],
    query: RawQuery,
    fixed: dict[str, str],
    varying: str,
    names: list[str],
    with_spread: bool,
    limit: int,
) -> tuple[str, list[Any]]:
    """Rows of (name, time, value[, count, min, max]), sorted by name, then time, then resource."""
    where, of_entity = _where(fixed | dict(query.labels or {}))
    metric = quoted(query.metric)
    conditions = [
        f"{varying} IN (SELECT unnest(?))",
        f"epoch_ns({TIME}) > ?",
        f"epoch_ns({TIME}) < ?",
        f"{metric} IS NOT NULL",
    ]
    condition = " AND ".join(([where] if where else []) + conditions)
    selects, parameters = [], []
    order = ", ".join(RESOURCE_COLUMNS)
    for is_thin in (False, True):
        some = [file for file in files if bool(file.thin_ns) is is_thin]
        if not some:
            continue
        spread = ""
        if with_spread:
            low, high, count = (quoted(query.metric + suffix) for suffix in (MIN_SUFFIX, MAX_SUFFIX, COUNT_SUFFIX))
            columns = f"{count}, {low}, {high}" if is_thin else f"1, {metric}, {metric}"
            spread = "".join(
                f", {c} AS {n}" for c, n in zip(columns.split(", "), ("samples", "low", "high"), strict=True)
            )
        selects.append(
            f"SELECT {varying} AS entity, epoch_ns({TIME}) AS stamp, {metric} AS value{spread}, {order}"  # noqa: S608
            f" FROM {_FILES} WHERE {condition}"
        )
        parameters += [_paths(some), *of_entity, names, query.start_ns, query.end_ns]
    shown = "entity, stamp, value, samples, low, high" if with_spread else "entity, stamp, value"
    rows = " UNION ALL ".join(selects)
    sql = f"SELECT {shown} FROM ({rows}) ORDER BY entity, stamp, {order} LIMIT ?"  # noqa: S608 - made above
    return sql, [*parameters, limit]


def _split(rows: Any, with_spread: bool) -> dict[str, Series]:
    """Cuts rows that are sorted by name into one series a name."""
    if not rows.num_rows:
        return {}
    rows = rows.combine_chunks()
    shown = ("stamp", "value", "samples", "low", "high") if with_spread else ("stamp", "value")
    columns = [_numbers(rows[name]) for name in shown]
    if with_spread and pc.max(rows["samples"]).as_py() == 1:
        columns = columns[:2]
    runs = pc.run_end_encode(rows["entity"].combine_chunks())
    found = {}
    first = 0
    for name, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        found[name] = Series(*(column[first:end] for column in columns))
        first = end
    return found


def _add_texts(names: NameList, column: Any) -> None:
    """Enter a column of Arrow without nulls."""
    _, ends, texts = column.buffers()
    if len(column):
        here = slice(column.offset, column.offset + len(column) + 1)
        names.add_column(memoryview(ends).cast("i")[here], None if texts is None else memoryview(texts).cast("B"))


def _numbers(column: Any) -> array[Any]:
    """A column of Arrow without nulls as an array: one copy."""
    numbers = array("d" if str(column.type) in ("double", "float") else "q")
    for chunk in column.chunks:
        if numbers.typecode == "q" and str(chunk.type) != "int64":
            chunk = chunk.cast("int64")
        _, values = chunk.buffers()
        first = chunk.offset * numbers.itemsize
        numbers.frombytes(memoryview(values)[first : first + len(chunk) * numbers.itemsize])
    return numbers


def _append(series: Series | None, timestamps_ns: array[int], values: array[Any]) -> Series:
    """Puts the ring's samples behind those of the files; floats, if either are."""
    if series is None:
        return Series(timestamps_ns, values)
    joined = _join(series.values, values)
    if series.counts is None or series.minima is None or series.maxima is None:
        return Series(series.timestamps_ns + timestamps_ns, joined)
    ones = array("q", [1] * len(values))
    return Series(
        series.timestamps_ns + timestamps_ns,
        joined,
        series.counts + ones,
        _join(series.minima, values),
        _join(series.maxima, values),
    )


def _join(one: array[Any], other: array[Any]) -> array[Any]:
    if one.typecode == other.typecode:
        return one + other
    return array("d", [*one, *other])
