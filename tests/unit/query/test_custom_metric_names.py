"""Names of custom.metrics.k8s.io: what they mean, both ways."""

from __future__ import annotations

import re

import pytest

from heapfast.catalog.metrics import CATALOG
from heapfast.query.custom_metric_names import Reading, format_name, parse_name

READINGS = {
    "network_rx_rate": [Reading("network/rx_rate")],
    "network_rx": [Reading("network/rx")],
    "uptime": [Reading("uptime")],
    "memory_working_set_p95_5m": [Reading("memory/working_set", "p95", 300)],
    "memory_working_set_avg_90s": [Reading("memory/working_set", "avg", 90)],
    "memory_working_set_max_1h": [Reading("memory/working_set", "max", 3600)],
    "restart_count_min_2m": [Reading("restart_count", "min", 120)],
    "cpu_usage_rate_p1_1s": [Reading("cpu/usage_rate", "p1", 1)],
    "custom_qps": [Reading("custom/qps")],
    "custom_qps_total": [Reading("custom/qps_total")],
    "custom_qps_p50_5m": [Reading("custom/qps_p50_5m"), Reading("custom/qps", "p50", 300)],
}


@pytest.mark.parametrize("name", READINGS)
def test_a_name_has_readings(name: str) -> None:
    assert list(parse_name(name)) == READINGS[name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "custom_",
        "nonsense",
        "network/rx_rate",
        "NETWORK_RX_RATE",
        "nonsense_p95_5m",
        "network_rx_rate_p95",
        "network_rx_rate_p95_",
        "network_rx_rate_p95_m",
        "network_rx_rate_p95_0m",
        "network_rx_rate_p95_5d",
        "network_rx_rate_p95_1000000s",
        "network_rx_rate_p0_5m",
        "network_rx_rate_p05_5m",
        "network_rx_rate_p100_5m",
        "network_rx_rate_sum_5m",
        "network_rx_rate_p95_5m_max_5m",
    ],
)
def test_other_names_have_none(name: str) -> None:
    assert parse_name(name) == ()


@pytest.mark.parametrize("metric", [metric.name for metric in CATALOG])
@pytest.mark.parametrize(("aggregate", "seconds"), [("", 0), ("avg", 90), ("p95", 300), ("max", 3600)])
def test_every_metric_of_the_catalogue_can_be_named(metric: str, aggregate: str, seconds: int) -> None:
    reading = Reading(metric, aggregate, seconds)
    name = format_name(reading)
    assert re.fullmatch("[a-z0-9_]+", name)
    assert parse_name(name) == (reading,)


def test_windows_are_written_in_their_largest_unit() -> None:
    assert format_name(Reading("custom/a/b", "avg", 300)) == "custom_a/b_avg_5m"
    for seconds, text in ((7200, "2h"), (5400, "90m"), (61, "61s")):
        assert format_name(Reading("uptime", "min", seconds)) == f"uptime_min_{text}"


ASCENDING = list(range(1, 21))


@pytest.mark.parametrize(
    ("aggregate", "values", "result"),
    [
        ("", [3, 1, 2], 2),
        ("avg", [1, 2], 1.5),
        ("avg", [0.1] * 10, 0.1),
        ("max", [3, 9, 2], 9),
        ("min", [3, 9, 2], 2),
        ("p50", ASCENDING[::-1], 10),
        ("p95", ASCENDING, 19),
        ("p96", ASCENDING, 20),
        ("p99", ASCENDING, 20),
        ("p1", ASCENDING, 1),
        ("p5", ASCENDING, 1),
        ("p6", ASCENDING, 2),
        ("p50", [0.25], 0.25),
    ],
)
def test_samples_are_combined(aggregate: str, values: list[float], result: float) -> None:
    given = list(values)
    assert Reading("uptime", aggregate, 60).combine(values) == result
    assert values == given
