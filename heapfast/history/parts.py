"""Work on files of the embedded store: a batch becomes a part, parts an hour, an hour is thinned.

In      closed batches, files
Out     new files, whole and under their names; what they stand for is the caller's to delete
Callers history/writer.py, in its thread
Source  docs/history.md
Never   is on the loop, or leaves half a file under a name of ours

All are in one order, by entity, then time, so that columns are mostly small differences, and several files become one a
range of entities at a time (ranges.py): memory does not grow with the cluster, and nothing is spilled. A part is
written as fast as it can be, by Arrow, an hour as small, by DuckDB. Files that others have made in another order are
sorted first, one by one, by DuckDB in as much memory as it is allowed, the rest on disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from heapfast.history.files import UNFINISHED, HistoryFile, finish, go_on
from heapfast.history.ranges import ROWS_HELD, SortedRows, Unsorted, filled
from heapfast.history.table import (
    COUNT_SUFFIX,
    LABEL_COLUMNS,
    MAX_SUFFIX,
    MIN_SUFFIX,
    ORDER_COLUMNS,
    TIME,
    tables_of,
)

if TYPE_CHECKING:
    from heapfast._batch import Batch

#: Rows that are read or skipped as one.
ROW_GROUP_ROWS: Final = 122_880
#: The same of thinned hours. They have four times the columns: DuckDB holds a row group before it writes it, and with
#: as many rows it would spill, which takes more CPU than all the rest.
THINNED_GROUP_ROWS: Final = 40_960
#: Of a column in a part: of all parts that are merged, a page of each column is in memory at once.
PART_PAGE_BYTES: Final = 64 << 10

_WRITTEN: Final = "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V2, ROW_GROUP_SIZE"


def write_part(folder: Path, batch: Batch) -> HistoryFile | None:
    """Writes one batch; None when nothing is in it.

    Raises:
        OSError: the disk is full, or gone.
    """
    folder.mkdir(exist_ok=True)
    tables = list(tables_of(batch))
    if not tables:
        return None
    with _unfinished(folder, f"part-{batch.timestamp_ns}") as path:
        pq.write_table(
            pa.concat_tables(tables),
            path,
            row_group_size=ROW_GROUP_ROWS,
            compression="zstd",
            compression_level=1,
            use_dictionary=list(LABEL_COLUMNS),
            data_page_size=PART_PAGE_BYTES,
        )
        return finish(path, batch.timestamp_ns, batch.timestamp_ns, is_part=True)


def merge(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[HistoryFile],
    *,
    is_part: bool,
    is_stopped: Callable[[], bool] = go_on,
    rows_held: int = ROWS_HELD,
) -> HistoryFile:
    """Writes one file with all that is in some files of one hour.

    Args:
        rows_held: of them, in memory.

    Raises:
        OSError, duckdb.Error, pa.ArrowException: it cannot be done, or one of them is no Parquet file.
        Stopped: `is_stopped` said so.
    """
    folder = files[0].path.parent
    first_ns, last_ns = min(file.first_ns for file in files), max(file.last_ns for file in files)
    paths = [file.path for file in sorted(files, key=lambda file: file.first_ns)]
    with contextlib.ExitStack() as stack:
        stack.callback(_give_back)
        path = stack.enter_context(_unfinished(folder, f"merged-{first_ns}"))
        while True:
            rows = SortedRows(paths, is_stopped, rows_held=rows_held)
            try:
                if is_part:
                    _write(filled(rows, rows.schema), rows.schema, path)
                else:
                    _write_small(connection, filled(rows, rows.schema), rows.schema, path, ROW_GROUP_ROWS)
                break
            except Unsorted as error:
                if error.path.suffix == UNFINISHED:
                    raise
                i = paths.index(error.path)
                paths[i] = stack.enter_context(_unfinished(folder, f"sorted-{first_ns}-{i}"))
                _sort(connection, error.path, paths[i])
        return finish(path, first_ns, last_ns, is_part=is_part)


def thin(
    connection: duckdb.DuckDBPyConnection,
    file: HistoryFile,
    thin_ns: int,
    *,
    is_stopped: Callable[[], bool] = go_on,
    rows_held: int = ROWS_HELD,
) -> HistoryFile:
    """Writes one hour anew, with one row for all samples that lie within `thin_ns`: average, extremes and count.

    Raises:
        OSError, duckdb.Error, pa.ArrowException: it cannot be done, or the file is no Parquet file.
        Stopped: `is_stopped` said so.
    """
    folder = file.path.parent
    with contextlib.ExitStack() as stack:
        stack.callback(_give_back)
        path = stack.enter_context(_unfinished(folder, f"thinned-{file.first_ns}"))
        in_order = stack.enter_context(_unfinished(folder, f"sorted-{file.first_ns}"))
        cursor = stack.enter_context(connection.cursor())
        source = file.path
        while True:
            rows = SortedRows([source], is_stopped, rows_held=rows_held)
            schema = _thinned(rows.schema)
            batches = (batch for some in rows for batch in _thin_range(cursor, some, thin_ns))
            try:
                _write_small(connection, filled(batches, schema), schema, path, THINNED_GROUP_ROWS)
                break
            except Unsorted:
                if source == in_order:
                    raise
                _sort(connection, source, in_order)
                source = in_order
        return finish(path, file.first_ns, file.last_ns, thin_ns=thin_ns)


def _thinned(schema: pa.Schema) -> pa.Schema:
    """The columns of a file once it is thinned."""
    fields = [schema.field(TIME), *(pa.field(name, pa.string()) for name in LABEL_COLUMNS)]
    for field in schema:
        if field.name != TIME and field.name not in LABEL_COLUMNS:
            fields += [
                pa.field(field.name, pa.float64()),
                pa.field(field.name + MIN_SUFFIX, field.type),
                pa.field(field.name + MAX_SUFFIX, field.type),
                pa.field(field.name + COUNT_SUFFIX, pa.int64()),
            ]
    return pa.schema(fields)


def _thin_range(cursor: duckdb.DuckDBPyConnection, rows: pa.RecordBatch, thin_ns: int) -> list[pa.RecordBatch]:
    """Thins rows that have all of their entities."""
    labels = [name for name in LABEL_COLUMNS if name in rows.schema.names]
    metrics = [name for name in rows.schema.names if name != TIME and name not in LABEL_COLUMNS]
    columns = [
        f"avg({column}) AS {column}, min({column}) AS {quoted(name + MIN_SUFFIX)},"
        f" max({column}) AS {quoted(name + MAX_SUFFIX)}, nullif(count({column}), 0) AS {quoted(name + COUNT_SUFFIX)}"
        for name, column in ((name, quoted(name)) for name in metrics)
    ]
    bucket = f"make_timestamp_ns(epoch_ns({TIME}) // {int(thin_ns)} * {int(thin_ns)})::TIMESTAMPTZ_NS"
    order = ", ".join(name for name in (*ORDER_COLUMNS, TIME) if name in rows.schema.names)
    cursor.register("sorted_rows", pa.Table.from_batches([rows]))
    try:
        sql = (
            f"SELECT {', '.join([f'{bucket} AS {TIME}', *labels, *columns])} FROM sorted_rows"  # noqa: S608 - quoted
            f" GROUP BY {', '.join(['1', *labels])} ORDER BY {order}"
        )
        batches: list[pa.RecordBatch] = cursor.sql(sql).to_arrow_table().to_batches()
        return batches
    finally:
        cursor.unregister("sorted_rows")


def _write(batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: Path) -> None:
    """Writes rows as they come, fast."""
    differences = [field.name for field in schema if pa.types.is_integer(field.type) or field.name == TIME]
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=list(LABEL_COLUMNS),
        column_encoding=dict.fromkeys(differences, "DELTA_BINARY_PACKED"),
        data_page_size=PART_PAGE_BYTES,
    ) as writer:
        rows = schema.empty_table()
        for batch in batches:
            rows = pa.concat_tables([rows, pa.Table.from_batches([batch])])
            while rows.num_rows >= ROW_GROUP_ROWS:
                writer.write_table(rows.slice(0, ROW_GROUP_ROWS))
                rows = rows.slice(ROW_GROUP_ROWS)
        if rows.num_rows:
            writer.write_table(rows)


def _write_small(
    connection: duckdb.DuckDBPyConnection,
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    path: Path,
    row_group_rows: int,
) -> None:
    """Writes rows as they come, and as small as may be."""
    failures: list[BaseException] = []

    def guarded() -> Iterator[pa.RecordBatch]:
        # DuckDB would tell of a failure in here by its text alone.
        try:
            yield from batches
        except BaseException as error:
            failures.append(error)
            raise

    connection.register("sorted_rows", pa.RecordBatchReader.from_batches(schema, guarded()))
    try:
        connection.execute(f"COPY (FROM sorted_rows) TO {literal(path)} ({_WRITTEN} {row_group_rows})")
    except duckdb.Error:
        if failures:
            raise failures[0] from None
        raise
    finally:
        connection.unregister("sorted_rows")


def _sort(connection: duckdb.DuckDBPyConnection, source: Path, target: Path) -> None:
    """Sorts a file that somebody else has made."""
    order = ", ".join(f"{name} ASC NULLS LAST" for name in (*ORDER_COLUMNS, TIME))
    rows = f"SELECT * FROM read_parquet(?) ORDER BY {order}"  # noqa: S608 - our own columns
    sql = f"COPY ({rows}) TO {literal(target)} ({_WRITTEN} {ROW_GROUP_ROWS})"
    connection.execute(sql, [str(source)])


def delete(files: Sequence[HistoryFile]) -> None:
    """Deletes files; one that cannot be deleted is found again by the next start.

    Raises:
        OSError: of the first that could not be; the others are gone.
    """
    failures = []
    for file in files:
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(path: Path) -> str:
    """A path in SQL, where no parameter can stand."""
    return "'" + str(path).replace("'", "''") + "'"


@contextlib.contextmanager
def _unfinished(folder: Path, name: str) -> Iterator[Path]:
    path = folder / (name + UNFINISHED)
    try:
        yield path
    finally:
        # Under its own name by now, unless something went wrong.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _give_back() -> None:
    """Gives memory back to the system that the next merge will need, in minutes or in an hour."""
    pa.default_memory_pool().release_unused()
