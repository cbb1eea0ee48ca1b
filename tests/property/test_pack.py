"""Packed columns give back what was packed, and take no more room than their format says."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from heapfast._pack import roundtrip

MIN, MAX = -(1 << 63), (1 << 63) - 1
HEADER_BYTES = 24

Column = list[int | None]

# INT64_MIN is what "absent" looks like, so no column has it as a value.
extremes = st.sampled_from([MIN + 1, MIN + 2, -1, 0, 1, MAX - 1, MAX])
samples = st.one_of(st.none(), st.integers(-4, 4), st.integers(MIN + 1, MAX), extremes)
#: One kind of number a column, as in real ones: pages, small steps, bits of doubles, or anything.
columns = st.one_of(
    st.lists(samples, max_size=200),
    st.lists(st.one_of(st.none(), st.integers(0, 1 << 20).map(lambda page: page * 4096)), max_size=200),
    st.lists(st.integers(MAX - 7, MAX), max_size=200),
)
quick = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def most_bytes(n: int) -> int:
    """A header and 64 words a block, and one word at the end."""
    blocks = (n + 63) // 64
    return blocks * (HEADER_BYTES + 64 * 8) + 8


@quick
@given(columns)
@example([])
@example([MIN + 1, MAX])
@example([None] * 64 + [5])
def test_a_column_alone_comes_back(values: Column) -> None:
    found, nbytes = roundtrip(values)
    assert found == values
    assert nbytes <= most_bytes(len(values))


@quick
@given(columns, columns)
@example([MAX], [MIN + 1])
@example([MIN + 1, 0], [1, 0])
@example([1] * 65, [1] * 3)
@example([1], [None] * 100)
def test_a_column_leaning_on_a_newer_one_comes_back(values: Column, newer: Column) -> None:
    found, nbytes = roundtrip(values, newer)
    assert found == values
    assert nbytes <= min(most_bytes(len(values)), roundtrip(values)[1])
    assert roundtrip(values, newer, are_packed=True) == (found, nbytes)


@quick
@given(columns, st.integers(0, 199), samples)
@example([None] * 70, 100, None)
@example([5] * 130, 129, 5)
def test_packed_columns_of_which_little_changed_pack_as_plain_ones_do(
    values: Column, slot: int, other: int | None
) -> None:
    newer = [*values[:slot], other, *values[slot + 1 :]] if slot < len(values) else values
    assert roundtrip(values, newer, are_packed=True) == roundtrip(values, newer)


@pytest.mark.parametrize("width", range(64))
def test_every_width_of_numbers_comes_back(width: int) -> None:
    top = (1 << width) - 1
    values: Column = [(top, 0, top // 3)[i % 3] for i in range(150)]
    found, nbytes = roundtrip(values)
    assert found == values
    assert nbytes == 3 * HEADER_BYTES + 8 * (width * 3 + 1)


@pytest.mark.parametrize("shift", range(63))
def test_zero_bits_that_all_numbers_share_cost_nothing(shift: int) -> None:
    values: Column = [7 + (i % 2 << shift) for i in range(64)]
    assert roundtrip(values) == (values, HEADER_BYTES + 8 * 2)


def test_a_column_that_does_not_change_costs_its_headers() -> None:
    walk: Column = [1000 * i * i for i in range(640)]
    assert roundtrip(walk, walk) == (walk, 10 * HEADER_BYTES + 8)


def test_an_empty_column_is_one_word() -> None:
    assert roundtrip([]) == ([], 8)
    assert roundtrip([], [1, 2]) == ([], 8)
