"""Arrow streams of our own, read by Arrow."""

from __future__ import annotations

import struct
from array import array

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast._aggregate import AVERAGE, MAX, SUM, Aggregate
from heapfast._core import Store
from heapfast._grouping import BY_LABEL, BY_NAMESPACE, BY_POD, Grouping
from heapfast._snapshot import Snapshot
from heapfast.catalog.keys import Kind
from heapfast.errors import StoreError
from heapfast.query.label_values import LabelValues
from heapfast.render import _arrow
from heapfast.render._arrow import render_arrow_rows
from heapfast.render.arrow import END_OF_STREAM, Column, batch_message, schema_message
from heapfast.sim._rows import rows_of
from tests.unit.store.rows import T0_NS, container

STEP_NS = 15 * 10**9
quick = settings(derandomize=True, database=None, deadline=None, max_examples=100)
names = st.lists(st.text(max_size=20), max_size=12)


@quick
@given(names, names)
def test_a_schema_is_what_arrow_reads_in_it(keys: list[str], functions: list[str]) -> None:
    stream = schema_message(keys, functions) + END_OF_STREAM
    schema = pa.ipc.open_stream(stream).schema
    assert schema.names == [*keys, "time", *functions]
    assert schema.types == [
        *[pa.string()] * len(keys), pa.timestamp("ns", tz="UTC"), *[pa.float64()] * len(functions),
    ]  # fmt: skip
    assert all(field.nullable for field in schema)


@quick
@given(st.lists(st.lists(st.integers(0, 2**40), min_size=2, max_size=3), max_size=40), st.integers(0, 2**40))
def test_a_message_is_as_long_for_any_numbers(sizes: list[list[int]], n_rows: int) -> None:
    columns = [Column(n_rows, tuple(each)) for each in sizes]
    empty = [Column(0, (0,) * len(each)) for each in sizes]
    message = batch_message(n_rows, columns)
    assert len(message) == len(batch_message(0, empty))
    assert len(message) % 8 == 0
    assert struct.unpack_from("<II", message) == (0xFFFFFFFF, len(message) - 8)


class Filled:
    """Pods with a value each at some ticks, and a label that some have."""

    def __init__(self, pods: list[tuple[str, str | None, list[int | None]]]) -> None:
        self.store = Store()
        self.labels = LabelValues()
        slots = [self.store.put_pod("shop", name, uid="", labels="") for name, _, _ in pods]
        for slot, (_, label, _) in zip(slots, pods, strict=True):
            if label is not None:
                self.labels.add(label, array("I", [slot]))
        for tick in range(max(len(values) for *_, values in pods)):
            at_ns = T0_NS + tick * STEP_NS
            rows = [
                container("shop", name, "c", {"memory/usage": values[tick]}, at=at_ns)
                for name, _, values in pods
                if tick < len(values) and values[tick] is not None
            ]
            self.store.ingest(rows_of(rows), -1, at_ns)
            closing = self.store.swap(at_ns)
            closing.run()
            self.store.commit(closing, at_ns)

    def aggregate(self) -> Aggregate:
        snapshot = Snapshot(self.store, Kind.POD, self.store.metric_id("memory/usage"), 0)
        grouping = Grouping(snapshot.newest, Kind.POD, [BY_NAMESPACE, BY_POD, BY_LABEL], [self.labels])
        grouping.make()
        found = Aggregate(
            snapshot, grouping, across=(SUM, 0.0), over=[(AVERAGE, 0.0), (MAX, 0.0)], start_ns=0, end_ns=2**62,
            bucket_ns=STEP_NS,
        )  # fmt: skip
        found.run()
        return found


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
values_of_pod = st.lists(st.none() | st.integers(0, 2**40), min_size=1, max_size=4)
pods = st.lists(
    st.tuples(texts, st.none() | st.text(max_size=12), values_of_pod),
    min_size=1,
    max_size=20,
    unique_by=lambda pod: pod[0],
)


@quick
@given(pods)
def test_rows_are_those_of_the_answer(pods: list[tuple[str, str | None, list[int | None]]]) -> None:
    aggregate = Filled(pods).aggregate()
    order = aggregate.sorted()
    keys, functions = ["namespace", "pod", "label:x"], ["average", "max"]
    table = pa.ipc.open_stream(render_arrow_rows(aggregate, order, keys, functions)).read_all()
    table.validate(full=True)
    found = [
        ((row["namespace"], row["pod"], row["label:x"]), row["time"], (row["average"], row["max"]))
        for row in table.set_column(3, "time", table["time"].cast(pa.int64())).to_pylist()
    ]
    want = [
        (tuple(None if text is None else text.decode() for text in group), at_ns, values)
        for group, at_ns, values in aggregate.rows()
    ]
    assert found == want


def test_many_rows_are_many_batches() -> None:
    n = _arrow.ROWS_A_BATCH + 9
    filled = Filled([(f"pod-{i}", str(i) if i % 3 else None, [i]) for i in range(n)])
    aggregate = filled.aggregate()
    stream = render_arrow_rows(aggregate, aggregate.sorted(), ["namespace", "pod", "label:x"], ["average", "max"])
    batches = list(pa.ipc.open_stream(stream))
    assert [batch.num_rows for batch in batches] == [_arrow.ROWS_A_BATCH, 9]
    table = pa.Table.from_batches(batches)
    table.validate(full=True)
    assert table["pod"].to_pylist() == sorted(f"pod-{i}" for i in range(n))
    assert table["label:x"].null_count == len(range(0, n, 3))


def test_an_answer_without_rows_has_its_columns() -> None:
    aggregate = Filled([("a", None, [1])]).aggregate()
    table = pa.ipc.open_stream(render_arrow_rows(aggregate, array("I"), ["a", "b", "c"], ["x", "y"])).read_all()
    assert (table.num_rows, table.column_names) == (0, ["a", "b", "c", "time", "x", "y"])


def test_a_text_that_is_no_utf8_is_shown_as_replaced() -> None:
    filled = Filled([("a", "abcd", [1])])
    filled.labels.texts[:] = b"a\xff\xe2b"
    aggregate = filled.aggregate()
    stream = render_arrow_rows(aggregate, aggregate.sorted(), ["namespace", "pod", "label:x"], ["average", "max"])
    table = pa.ipc.open_stream(stream).read_all()
    table.validate(full=True)
    assert table["label:x"].to_pylist() == ["a\ufffd\ufffdb"]


def test_other_columns_than_the_answers_are_a_bug() -> None:
    aggregate = Filled([("a", None, [1])]).aggregate()
    with pytest.raises(StoreError, match="BUG"):
        render_arrow_rows(aggregate, aggregate.sorted(), ["a"], ["x", "y"])
