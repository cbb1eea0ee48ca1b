"""Instants as Unix nanoseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from heapfast.units import TIME_ZERO_NS, datetime_to_ns


@pytest.mark.parametrize(
    ("instant", "ns"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(2024, 2, 29, 5, 52, 32, 123456, tzinfo=UTC), 1709185952_123456_000),
        (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), -1000),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (None, TIME_ZERO_NS),
        (datetime(1, 1, 1, tzinfo=UTC), TIME_ZERO_NS),
        (datetime(9999, 12, 31, tzinfo=UTC), TIME_ZERO_NS),
    ],
)
def test_instants_become_unix_nanoseconds(instant: datetime | None, ns: int) -> None:
    assert datetime_to_ns(instant) == ns


def test_time_zero_is_the_year_1_as_it_wraps_in_int64() -> None:
    true_ns = -62135596800 * 10**9
    assert (true_ns + 2**63) % 2**64 - 2**63 == TIME_ZERO_NS
