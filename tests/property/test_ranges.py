"""Sorted files merged a few rows at a time, against one plain sort; and thinned, against a look at every row."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heapfast.history import parts
from heapfast.history.files import UNFINISHED, HistoryFile, finish, go_on
from heapfast.history.ranges import MIN_READ, SortedRows
from heapfast.history.table import LABEL_COLUMNS, ORDER_COLUMNS, TIME, schema_of

Row = dict[str, Any]

SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS
THIN_NS = 300 * SECOND_NS
#: Custom metrics that come as integers in one file, as floats in another, and not at all in a third.
METRICS = ("memory/usage", "custom/either", "custom/rare")

NAMES = st.sampled_from((None, "", "a", "ab", "b", "a\u00e9", "a\U0001f600", "a\uffff", "B"))
ENTITIES = st.fixed_dictionaries(
    {"type": st.sampled_from(("node", "pod", "pod_container"))}
    | {name: NAMES if name in ORDER_COLUMNS[1:4] else st.sampled_from((None, "x", "y")) for name in ORDER_COLUMNS[1:]}
)


def key(row: Row) -> list[tuple[bool, bytes]]:
    """Where an entity's rows are: bytewise, null last."""
    return [(row.get(name) is None, (row.get(name) or "").encode()) for name in ORDER_COLUMNS]


def place(row: Row) -> tuple[Any, ...]:
    return key(row), row[TIME]


@st.composite
def hours(draw: st.DrawFn) -> list[list[Row]]:
    """Rows by file."""
    entities = draw(st.lists(ENTITIES, min_size=1, max_size=8, unique_by=lambda row: tuple(map(str, key(row)))))
    # Mostly files follow one another; where a clock was put back they lie within each other.
    n_files = draw(st.integers(1, 5))
    apart_s = draw(st.sampled_from((0, 7, 60)))
    files = []
    for i in range(n_files):
        rows = []
        is_float = draw(st.booleans())
        has_rare = draw(st.booleans())
        for at_s in sorted(draw(st.sets(st.integers(0, 59), max_size=6))):
            for entity in entities:
                if draw(st.integers(0, 3)):
                    value = draw(st.none() | st.integers(-(2**40), 2**40))
                    row = {**entity, TIME: (i * apart_s + at_s * 10) * SECOND_NS, "memory/usage": value}
                    # The order knows nothing of it: of two pods of one name, one after the other.
                    row["pod_id"] = f"uid-{i // 2}"
                    row["custom/either"] = value / 8 if is_float and value is not None else value
                    if has_rare:
                        row["custom/rare"] = at_s
                    rows.append(row)
        files.append(rows)
    if not any(files):
        files[0].append({**entities[0], TIME: 0, "memory/usage": 1, "custom/either": 1, "pod_id": "uid"})
    return files


def write(folder: Path, files: Sequence[Sequence[Row]], row_group_rows: int = 1000) -> list[HistoryFile]:
    """Writes files as they are; those without rows are none."""
    written = []
    for i, rows in enumerate(files):
        if not rows:
            continue
        fields = [pa.field(TIME, pa.timestamp("ns", "UTC"), nullable=False)]
        fields += [pa.field(name, pa.string()) for name in LABEL_COLUMNS]
        for name in METRICS:
            values = [row[name] for row in rows if row.get(name) is not None]
            if name in rows[0]:
                is_float = any(isinstance(value, float) for value in values)
                fields.append(pa.field(name, pa.float64() if is_float else pa.int64()))
        path = folder / f"{i}{UNFINISHED}"
        pq.write_table(pa.Table.from_pylist(list(rows), pa.schema(fields)), path, row_group_size=row_group_rows)
        # The name says in which order they were written.
        written.append(finish(path, i, i, is_part=True))
    return written


def rows_of(path: Path) -> list[Row]:
    """A file's rows, without what is null, times as nanoseconds."""
    table = pq.read_table(path)
    at = table.schema.get_field_index(TIME)
    table = table.set_column(at, TIME, table[TIME].cast(pa.int64()))
    return [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]


def without_nulls(rows: Iterator[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def thinned(rows: Sequence[Row]) -> list[Row]:
    """As anybody would thin."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        labels = tuple(row.get(name) for name in LABEL_COLUMNS)
        groups[labels, row[TIME] // THIN_NS * THIN_NS].append(row)
    found = []
    for (labels, at), group in groups.items():
        row = {**dict(zip(LABEL_COLUMNS, labels, strict=True)), TIME: at}
        for name in METRICS:
            values = [one[name] for one in group if one.get(name) is not None]
            if values:
                row |= {
                    name: sum(values) / len(values),
                    f"{name}:min": min(values),
                    f"{name}:max": max(values),
                    f"{name}:count": len(values),
                }
        found.append(row)
    return found


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": 1}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=hours(),
    is_sorted=st.booleans(),
    is_part=st.booleans(),
    rows_held=st.integers(1, 200),
    row_group_rows=st.integers(1, 40),
)
def test_files_merged_a_range_at_a_time_are_what_a_plain_sort_makes_of_them(
    connection: duckdb.DuckDBPyConnection,
    files: list[list[Row]],
    *,
    is_sorted: bool,
    is_part: bool,
    rows_held: int,
    row_group_rows: int,
) -> None:
    if is_sorted:
        files = [sorted(rows, key=place) for rows in files]
    with tempfile.TemporaryDirectory() as name:
        written = write(Path(name), files, row_group_rows)
        merged = parts.merge(connection, written, is_part=is_part, rows_held=rows_held)
        want = without_nulls(iter(sorted((row for rows in files for row in rows), key=place)))
        got = rows_of(merged.path)
        if is_sorted:
            assert got == want
        else:
            # Which of two rows of one entity and time is first, a file that was sorted anew does not say.
            assert [place(row) for row in got] == [place(row) for row in want]
            assert sorted(map(repr, map(sorted_items, got))) == sorted(map(repr, map(sorted_items, want)))
        thin = parts.thin(connection, merged, THIN_NS, rows_held=rows_held)
        got = rows_of(thin.path)
        assert [place(row) for row in got] == sorted(map(place, got))
        want = without_nulls(iter(thinned([row for rows in files for row in rows])))
        assert sorted(map(repr, map(sorted_items, got))) == sorted(map(repr, map(sorted_items, want)))
        assert {path.suffix for path in Path(name).iterdir()} == {".parquet"}


def sorted_items(row: Row) -> list[tuple[str, Any]]:
    """One spelling: a custom metric of integers in one file is of floats in all."""
    return sorted((name, float(value) if isinstance(value, int) else value) for name, value in row.items())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(files=hours(), rows_held=st.integers(1, 200))
def test_an_entity_is_in_one_range(files: list[list[Row]], rows_held: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        written = write(Path(name), [sorted(rows, key=place) for rows in files])
        rows = SortedRows([file.path for file in written], go_on, rows_held=rows_held)
        seen: list[Any] = []
        for batch in rows:
            keys = [key(row) for row in batch.to_pylist()]
            assert keys == sorted(keys)
            assert not seen or seen[-1] < keys[0]
            seen += keys
        assert len(seen) == sum(map(len, files))
        largest = max(seen.count(one) for one in seen)
        assert rows.most_rows <= max(rows_held, 2 * MIN_READ * len(written)) + largest


def test_rows_in_memory_do_not_grow_with_the_hour(tmp_path: Path) -> None:
    held = 12 * 2 * MIN_READ
    most = []
    for n_pods in (200, 1_000):
        folder = tmp_path / str(n_pods)
        folder.mkdir()
        pods = [{"type": "pod", "namespace_name": f"ns-{i % 7}", "pod_name": f"pod-{i}"} for i in range(n_pods)]
        files = [
            sorted(({**pod, TIME: i * SECOND_NS, "memory/usage": i} for pod in pods for _ in range(2)), key=place)
            for i in range(12)
        ]
        rows = SortedRows([file.path for file in write(folder, files)], go_on, rows_held=held)
        assert sum(batch.num_rows for batch in rows) == n_pods * 24
        most.append(rows.most_rows)
    assert max(most) <= held + 24 < 1_000 * 24 / 50


def test_hours_are_made_in_the_memory_that_duckdb_is_given(tmp_path: Path) -> None:
    # With row groups of 122,880 rows, those of a thinned hour would not fit: four columns a metric.
    n = 130_000
    schema = schema_of({})
    columns: dict[str, Any] = {name: pa.nulls(n, schema.field(name).type) for name in schema.names}
    columns[TIME] = pa.repeat(pa.scalar(0, schema.field(TIME).type), n)
    columns["type"] = pa.repeat(pa.scalar("pod"), n)
    columns["pod_name"] = pa.array([f"pod-{i:06}" for i in range(n)])
    columns["memory/usage"] = pa.array(range(n), pa.int64())
    path = tmp_path / f"part{UNFINISHED}"
    pq.write_table(pa.table(columns, schema), path)
    part = finish(path, 0, 0, is_part=True)
    limits = {"threads": 1, "memory_limit": "160MiB", "temp_directory": ""}
    with duckdb.connect(":memory:", config=limits) as connection:
        hour = parts.merge(connection, [part], is_part=False)
        thin = parts.thin(connection, hour, THIN_NS)
    assert pq.read_table(thin.path, columns=["memory/usage:max"]).column(0).to_pylist() == list(range(n))
