"""Rows of many sorted files as one table in their order, a range of entities at a time.

In      Parquet files of one hour, each in the order of files
Out     record batches, one behind the other in that order, with all rows of an entity in one of them
Callers history/parts.py
Source  docs/history.md for the order; _order.pyx for how it is found
Never   holds more than ROWS_HELD rows and those of one entity, or looks into a file twice

    file 0 ───[ rows ]─────────┐
    file 1 ──────[ rows ]──────┼──▶ as far as no file has more to say
    file 2 ────[ rows ]────────┘
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from heapfast.history._order import NotInOrder, order_of
from heapfast.history.files import Stopped
from heapfast.history.table import ORDER_COLUMNS, TIME

#: Rows of all files together that are in memory; an entity may have more.
ROWS_HELD: Final = 65_536
#: Rows that are read of a file at once, at least.
MIN_READ: Final = 16


#: Rows as order_of takes them: how many, whether nothing follows, times, columns.
Table = tuple[int, bool, tuple[Any, int], Sequence[tuple[Any, Any, Any, int] | None]]


class Unsorted(Exception):
    """A file is not in the order of files.

    Attributes:
        path: which.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not sorted")
        self.path = path


class _Rows(NamedTuple):
    """Rows as columns.

    Attributes:
        n: how many.
        columns: by name; those that are all null may be missing.
    """

    n: int
    columns: dict[str, Any]

    def slice(self, first: int) -> _Rows:
        return _Rows(self.n - first, {name: column.slice(first) for name, column in self.columns.items()})


class _Nulls:
    """Columns that are all null, made once."""

    def __init__(self) -> None:
        self._longest: dict[pa.DataType, pa.Array] = {}

    def get(self, n: int, type_: pa.DataType) -> pa.Array:
        found = self._longest.get(type_)
        if found is None or len(found) < n:
            found = self._longest[type_] = pa.nulls(n, type_)
        return found.slice(0, n)


class _Reader:
    """One file, from its first row to its last.

    Attributes:
        path: where it is.
        rows: those that were read and are in no range yet.
        is_last: whether nothing follows.
    """

    def __init__(self, path: Path, schema: pa.Schema, nulls: _Nulls, n_rows: int) -> None:
        self.path = path
        self.rows = _Rows(0, {})
        self.is_last = False
        self._types = dict(zip(schema.names, schema.types, strict=True))
        self._nulls = nulls
        self._n_rows = n_rows
        self._file = pq.ParquetFile(path)
        self._batches = self._read()

    def fill(self) -> None:
        """Reads on until there are enough rows for a range."""
        while self.rows.n < self._n_rows and not self.is_last:
            self.read()

    def read(self) -> None:
        """Reads on."""
        more = next(self._batches, None)
        if more is None:
            self.is_last = True
        else:
            self.rows = more if not self.rows.n else _joined([self.rows, more], self._types, self._nulls)

    def close(self) -> None:
        self._file.close()

    def drop(self, n: int) -> None:
        """Forgets the first rows."""
        self.rows = self.rows.slice(n) if n < self.rows.n else _Rows(0, {})

    def _read(self) -> Iterator[_Rows]:
        for group in range(self._file.num_row_groups):
            columns = self._columns_of(group)
            for batch in self._file.iter_batches(self._n_rows, row_groups=[group], columns=columns, use_threads=False):
                yield self._rows_of(batch)

    def _columns_of(self, group: int) -> list[str]:
        """Columns that have values: most metrics are of one kind of entity, and row groups have hardly more."""
        metadata = self._file.metadata.row_group(group)
        names = []
        for i in range(metadata.num_columns):
            column = metadata.column(i)
            statistics = column.statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count < metadata.num_rows:
                names.append(column.path_in_schema)
        return names

    def _rows_of(self, batch: pa.RecordBatch) -> _Rows:
        """Without columns that are all null, in the types of all files."""
        columns: dict[str, Any] = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if column.null_count < len(column):
                type_ = self._types[name]
                columns[name] = column if column.type == type_ else column.cast(type_)
        return _Rows(batch.num_rows, columns)


class SortedRows:
    """The rows of sorted files, each time it is gone through.

    Attributes:
        schema: all columns of all files; a batch has those of them that have values in it.
        most_rows: how many rows were held at once, at most.
    """

    def __init__(self, paths: Sequence[Path], is_stopped: Callable[[], bool], *, rows_held: int = ROWS_HELD) -> None:
        """Looks into the files.

        Raises:
            OSError, pa.ArrowException: one of them is no Parquet file.
        """
        self.schema = _schema_of(paths)
        self.most_rows = 0
        self._paths = paths
        self._is_stopped = is_stopped
        # A file that is read while it has a rest has up to two of these.
        self._n_rows = max(MIN_READ, rows_held // (2 * len(paths)))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Goes through all rows.

        Raises:
            OSError, pa.ArrowException: a file cannot be read.
            Unsorted: a file is not sorted.
            Stopped: nobody waits for the rest.
        """
        nulls = _Nulls()
        with contextlib.ExitStack() as stack:
            readers = [
                stack.enter_context(contextlib.closing(_Reader(path, self.schema, nulls, self._n_rows)))
                for path in self._paths
            ]
            yield from self._ranges(readers, nulls)

    def _ranges(self, readers: list[_Reader], nulls: _Nulls) -> Iterator[pa.RecordBatch]:
        types = dict(zip(self.schema.names, self.schema.types, strict=True))
        before: Table | None = None
        while True:
            if self._is_stopped():
                raise Stopped
            for reader in readers:
                reader.fill()
            readers = [reader for reader in readers if reader.rows.n]
            if not readers:
                return
            self.most_rows = max(self.most_rows, sum(reader.rows.n for reader in readers))
            try:
                tables: list[Table] = [_taken_apart(reader.rows, is_last=reader.is_last) for reader in readers]
                order, taken, short = order_of(tables, before)
            except NotInOrder as error:
                raise Unsorted(readers[error.table].path) from error
            if order:
                picked = pa.Array.from_buffers(pa.int64(), len(order) // 8, [None, pa.py_buffer(order)])
                rows = _joined([reader.rows for reader in readers], types, nulls, picked)
                before = _taken_apart(rows.slice(rows.n - 1), is_last=True)
                yield pa.RecordBatch.from_pydict(rows.columns)
                del rows
            for reader, n in zip(readers, taken, strict=True):
                reader.drop(n)
            if short is not None:
                # An entity that ends with what was read may go on.
                readers[short].read()


def filled(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches with all columns of a schema: what they lack is null."""
    nulls = _Nulls()
    for batch in batches:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        yield pa.RecordBatch.from_arrays(
            [
                columns[field.name] if field.name in columns else nulls.get(batch.num_rows, field.type)
                for field in schema
            ],
            schema=schema,
        )


def _joined(
    parts: Sequence[_Rows], types: Mapping[str, pa.DataType], nulls: _Nulls, picked: pa.Array | None = None
) -> _Rows:
    """Rows of several as one: those that are picked, in their order, or all."""
    names = {name for rows in parts for name in rows.columns}
    columns: dict[str, Any] = {}
    for name, type_ in types.items():
        if name in names:
            arrays = [rows.columns[name] if name in rows.columns else nulls.get(rows.n, type_) for rows in parts]
            column = arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
            columns[name] = column if picked is None else column.take(picked)
    return _Rows(sum(rows.n for rows in parts) if picked is None else len(picked), columns)


def _schema_of(paths: Sequence[Path]) -> pa.Schema:
    """Columns of all files: a custom metric that has both kinds of numbers has floats."""
    schemas = [pq.read_schema(path).remove_metadata() for path in paths]
    schema = pa.unify_schemas(schemas, promote_options="permissive")
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def _taken_apart(rows: _Rows, *, is_last: bool) -> Table:
    """Rows as order_of takes them."""
    time = rows.columns[TIME]
    keys = []
    for name in ORDER_COLUMNS:
        column = rows.columns.get(name)
        keys.append(None if column is None else (*column.buffers(), column.offset))
    return rows.n, is_last, (time.buffers()[1], time.offset), keys
