"""Rates: every row of spec/heapster-pipeline.md 8.1 that two samples of one entity can show.

In      nothing; this is a table
Out     RateCase rows, for test_pipeline.py
Source  spec 8.1. A row whose numbers differ from the spec's names the decision: Q1 float64, Q2 disks
        by id, Q3 (and B8) a falling counter is a reset and CPU rates do not wrap
"""

from __future__ import annotations

from dataclasses import dataclass

from heapfast.units import TIME_ZERO_NS
from tests.unit.store.rows import SECOND_NS, START_NS, T0_NS, Row, custom, resource


@dataclass(frozen=True)
class RateCase:
    """Two samples of one pod container and every rate that must come of them.

    Attributes:
        old, new: standard metrics of the two samples.
        rates: all rates of the second batch; an empty dict: none at all.
        elapsed_ns: between the two sample times.
        more_old, more_new: further members of the two rows.
        disk_rates: resource_id to rate, per metric.
        why: the decision that makes the row differ from the spec's.
    """

    name: str
    old: dict[str, int]
    new: dict[str, int]
    rates: dict[str, int | float]
    elapsed_ns: int = 60 * SECOND_NS
    old_start: int = START_NS
    new_start: int = START_NS
    old_at: int = T0_NS
    more_old: Row | None = None
    more_new: Row | None = None
    disk_rates: dict[str, dict[str, float]] | None = None
    why: str = ""


def _one(name: str, metric: str, old: int, new: int, seconds: float, rate: float | None, why: str = "") -> RateCase:
    rates = {} if rate is None else {f"{metric}_rate": rate}
    return RateCase(name, {metric: old}, {metric: new}, rates, round(seconds * SECOND_NS), why=why)


CPU = "cpu/usage"
FAULTS, MAJOR = "memory/page_faults", "memory/major_page_faults"
RX, RX_ERRORS, TX, TX_ERRORS = "network/rx", "network/rx_errors", "network/tx", "network/tx_errors"
READ, WRITE = "disk/io_read_bytes", "disk/io_write_bytes"


def _disks(metric: str, **bytes_by_disk: int) -> list[Row]:
    member = metric.removeprefix("disk/io_")
    return [resource("disk", name.replace("_", ":"), **{member: count}) for name, count in bytes_by_disk.items()]


RATE_CASES = (
    _one("R-01", CPU, 1_000_000_000_000, 1_015_000_000_000, 60, 250),
    _one("R-02 truncated", CPU, 0, 12_345_678_901, 60, 205),
    _one("R-03", CPU, 0, 59_500_000_000, 59.5, 1000),
    _one("R-04", CPU, 0, 10_000_000_000, 10.000000001, 999),
    _one("R-05", CPU, 0, 59_999_999_999, 60, 999),
    _one("R-06", CPU, 0, 59_999_999, 60, 0),
    _one("R-07", CPU, 0, 60_000_000, 60, 1),
    _one("R-08 falls", CPU, 5_000_000_000, 2_000_000_000, 60, None, "Q3"),
    _one("R-09 falls to zero", CPU, 90_000_000, 0, 60, None, "Q3"),
    _one("R-10 falls by less than a millicore", CPU, 50_000_000, 0, 60, None, "Q3"),
    _one("R-11 stands still", CPU, 7, 7, 60, 0),
    _one("R-12 no time passed", CPU, 0, 100, 0, None),
    _one("R-13 time went back", CPU, 0, 100, -1, None),
    _one("R-14 largest product in int64", CPU, 0, 9_223_372_036_854_775, 1, 9_223_372_036),
    _one("R-15 product beyond int64", CPU, 0, 9_223_372_036_854_776, 1, 9_223_372_036, "Q3"),
    _one("R-16 product beyond int64, in a day", CPU, 0, 9_300_000_000_000_000, 86400, 107_638, "Q3"),
    _one("R-17 falls below zero", CPU, 9_223_372_036_854_775_807, -9_223_372_036_854_775_807, 60, None, "Q3"),
    _one("R-18", RX, 1_000_000, 7_000_000, 60, 100_000.0),
    _one("R-19 falls", RX, 7_000_000, 1_000_000, 60, None, "Q3"),
    _one("R-20", TX_ERRORS, 0, 120, 60, 2.0),
    _one("R-21", FAULTS, 10, 11, 60, 0.016666666666666666, "Q1"),
    _one("R-22", FAULTS, 10, 17, 60, 0.11666666666666667, "Q1"),
    _one("R-23", FAULTS, 0, 600, 60, 10.0, "Q1"),
    _one("R-24", TX, 0, 6, 60, 0.1, "Q1"),
    _one("R-25 stands still", MAJOR, 5, 5, 60, 0.0),
    _one("R-26", RX, 0, 1, 10, 0.1, "Q1"),
    _one("R-27", RX_ERRORS, 3, 4, 7, 0.14285714285714285, "Q1"),
    _one("R-28", TX, 0, 123_456_789_012, 60, 2_057_613_150.2, "Q1"),
    _one("R-29", TX, 0, 16_777_217, 1, 16_777_217.0, "Q1"),
    _one("R-30", TX, 0, 16_777_217, 60, 279_620.2833333333, "Q1"),
    _one("R-31", RX, 0, 100, 30, 3.3333333333333335, "Q1"),
    _one("R-32", RX, 0, 1_152_921_573_326_323_713, 1, 1.1529215733263237e18, "Q1"),
    _one("R-33", RX, 0, 1_000_000_000, 61, 16_393_442.62295082, "Q1"),
    RateCase("R-34 a gauge has no rate", {"memory/usage": 0}, {"memory/usage": 100}, {}),
    RateCase("R-35 uptime has no rate", {}, {}, {}),
    RateCase(
        "R-36 a custom counter has no rate",
        {},
        {},
        {},
        more_old={"custom": [custom("c", 1.0, "cumulative")]},
        more_new={"custom": [custom("c", 61.0, "cumulative")]},
    ),
    RateCase("R-37 only in the new batch", {}, {RX: 5}, {}),
    RateCase(
        "R-38 started 1 ns later",
        {CPU: 0, RX: 0, FAULTS: 0},
        {CPU: 60_000_000_000, RX: 5, FAULTS: 5},
        {},
        new_start=START_NS + 1,
    ),
    RateCase(
        "R-39 both starts unknown",
        {CPU: 0},
        {CPU: 6_000_000_000},
        {"cpu/usage_rate": 100},
        old_start=TIME_ZERO_NS,
        new_start=TIME_ZERO_NS,
    ),
    RateCase(
        "R-40 the old sample time unknown",
        {CPU: 0, FAULTS: 0},
        {CPU: 60_000_000_000, FAULTS: 60_000_000_000},
        {"cpu/usage_rate": 0, "memory/page_faults_rate": 7.221649605232707},
        old_at=TIME_ZERO_NS,
        elapsed_ns=T0_NS + 60 * SECOND_NS - TIME_ZERO_NS,
        why="Q1",
    ),
    RateCase(
        "R-43 two disks",
        {},
        {},
        {},
        10 * SECOND_NS,
        more_old={"resources": _disks(READ, sda=1000, sdb=500_000)},
        more_new={"resources": _disks(READ, sda=11_000, sdb=520_000)},
        disk_rates={f"{READ}_rate": {"sda": 1000.0, "sdb": 2000.0}},
        why="Q2",
    ),
    RateCase(
        "R-44 a disk that is new",
        {},
        {},
        {},
        10 * SECOND_NS,
        more_old={"resources": _disks(WRITE, **{"8_0": 100})},
        more_new={"resources": _disks(WRITE, **{"8_0": 300, "8_16": 50})},
        disk_rates={f"{WRITE}_rate": {"8:0": 20.0}},
        why="Q2",
    ),
    RateCase(
        "R-45 read then, written now",
        {},
        {},
        {},
        10 * SECOND_NS,
        more_old={"resources": _disks(READ, sda=1)},
        more_new={"resources": _disks(WRITE, sda=1)},
        disk_rates={},
    ),
    RateCase(
        "a disk counter falls",
        {},
        {},
        {},
        10 * SECOND_NS,
        more_old={"resources": _disks(READ, sda=100)},
        more_new={"resources": _disks(READ, sda=40)},
        disk_rates={},
        why="Q3",
    ),
)
