"""Work on files of the embedded store: a batch becomes a part, parts an hour, an hour is thinned.

In      closed batches, files
Out     new files, whole and under their names; what they stand for is the caller's to delete
Callers history/writer.py, in its thread
Source  docs/history.md
Never   is on the loop, or leaves half a file under a name of ours

A part is written as fast as it can be, an hour as small: sorted by entity, then time, its columns are mostly small
differences. Sorting is DuckDB's, in as much memory as it is allowed, the rest on disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from heapfast.history.files import UNFINISHED, HistoryFile, finish
from heapfast.history.table import (
    COUNT_SUFFIX,
    LABEL_COLUMNS,
    MAX_SUFFIX,
    MIN_SUFFIX,
    RESOURCE_COLUMNS,
    TIME,
    tables_of,
)

if TYPE_CHECKING:
    from heapfast._batch import Batch

#: Rows that are read or skipped as one.
ROW_GROUP_ROWS: Final = 122_880

_ORDER: Final = ", ".join(("type", "namespace_name", "pod_name", "container_name", "nodename", *RESOURCE_COLUMNS, TIME))
_WRITTEN: Final = f"(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V2, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"


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
        )
        return finish(path, batch.timestamp_ns, batch.timestamp_ns, is_part=True)


def merge(connection: duckdb.DuckDBPyConnection, files: Sequence[HistoryFile], *, is_part: bool) -> HistoryFile:
    """Writes one file with all that is in some files of one hour: a part as they come, an hour sorted.

    Raises:
        OSError, duckdb.Error: it cannot be done, or one of them is no Parquet file.
    """
    folder = files[0].path.parent
    first_ns, last_ns = min(file.first_ns for file in files), max(file.last_ns for file in files)
    with _unfinished(folder, f"merged-{first_ns}") as path:
        rows = "SELECT * FROM read_parquet(?, union_by_name=true)"
        # Parts are read for an hour at most, and sorted with it: to sort them too would cost more than it saves.
        if not is_part:
            rows += f" ORDER BY {_ORDER}"
        connection.execute(f"COPY ({rows}) TO {literal(path)} {_WRITTEN}", [[str(file.path) for file in files]])
        return finish(path, first_ns, last_ns, is_part=is_part)


def thin(connection: duckdb.DuckDBPyConnection, file: HistoryFile, thin_ns: int) -> HistoryFile:
    """Writes one hour anew, with one row for all samples that lie within `thin_ns`: average, extremes and count.

    Raises:
        OSError, duckdb.Error: it cannot be done, or the file is no Parquet file.
    """
    schema = pq.read_schema(file.path)
    metrics = [name for name in schema.names if name != TIME and name not in LABEL_COLUMNS]
    labels = ", ".join(LABEL_COLUMNS)
    columns = ", ".join(
        f"avg({column}) AS {column}, min({column}) AS {quoted(name + MIN_SUFFIX)},"
        f" max({column}) AS {quoted(name + MAX_SUFFIX)}, nullif(count({column}), 0) AS {quoted(name + COUNT_SUFFIX)}"
        for name, column in ((name, quoted(name)) for name in metrics)
    )
    bucket = f"make_timestamp_ns(epoch_ns({TIME}) // {int(thin_ns)} * {int(thin_ns)})::TIMESTAMPTZ_NS"
    with _unfinished(file.path.parent, f"thinned-{file.first_ns}") as path:
        rows = (
            f"SELECT {bucket} AS {TIME}, {labels}, {columns} FROM read_parquet(?)"  # noqa: S608 - quoted columns
            f" GROUP BY 1, {labels} ORDER BY {_ORDER}"
        )
        connection.execute(f"COPY ({rows}) TO {literal(path)} {_WRITTEN}", [[str(file.path)]])
        return finish(path, file.first_ns, file.last_ns, thin_ns=thin_ns)


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
