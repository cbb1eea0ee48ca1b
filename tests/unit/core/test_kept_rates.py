"""Rates where a kubelet has no new sample: batches may come more often than it samples."""

from __future__ import annotations

import pytest

from heapfast.catalog.keys import Kind
from tests.unit.core.cluster import WEB, Cluster
from tests.unit.store.rows import SECOND_NS, container, node, pod

C = (*WEB, "c")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def _tick(cluster: Cluster, sampled_s: int, cpu_s: int, **more: int) -> None:
    """A batch, 15 s after the last; the sample is of `sampled_s` seconds ago."""
    at = cluster.at - sampled_s * SECOND_NS
    counters = {"cpu/usage": cpu_s * SECOND_NS}
    cluster.tick(
        node(metrics=counters, at=at, **more),
        pod(*WEB, {"network/rx": cpu_s}, at=at, **more),
        container(*C, counters, at=at, **more),
    )


def _cpu(cluster: Cluster, kind: Kind, *names: str) -> int | float | None:
    return cluster.value("cpu/usage_rate", kind, *names)


def test_a_rate_stays_while_there_is_no_new_sample(cluster: Cluster) -> None:
    _tick(cluster, 0, 0)
    _tick(cluster, 0, 6)
    for waited in (15, 30):
        _tick(cluster, waited, 6)
        assert _cpu(cluster, Kind.NODE, "n1") == 400
        assert _cpu(cluster, Kind.POD_CONTAINER, *C) == 400
        assert cluster.value("network/rx_rate", Kind.POD, *WEB) == 0.4


def test_a_kept_rate_is_summed_once(cluster: Cluster) -> None:
    _tick(cluster, 0, 0)
    _tick(cluster, 0, 6)
    for waited in (15, 30):
        _tick(cluster, waited, 6)
        assert _cpu(cluster, Kind.POD, *WEB) == 400
        assert _cpu(cluster, Kind.CLUSTER) == 400


def test_a_rate_is_kept_for_a_minute_and_no_longer(cluster: Cluster) -> None:
    _tick(cluster, 0, 0)
    _tick(cluster, 0, 6)
    for waited in range(15, 75, 15):
        _tick(cluster, waited, 6)
        assert _cpu(cluster, Kind.NODE, "n1") == 400
    _tick(cluster, 75, 6)
    assert _cpu(cluster, Kind.NODE, "n1") is None
    _tick(cluster, 0, 15)
    assert _cpu(cluster, Kind.NODE, "n1") == 100


def test_a_new_sample_is_rated_over_the_whole_time_since_the_last_one(cluster: Cluster) -> None:
    _tick(cluster, 0, 0)
    _tick(cluster, 15, 0)
    assert _cpu(cluster, Kind.NODE, "n1") is None
    _tick(cluster, 0, 6)
    assert _cpu(cluster, Kind.NODE, "n1") == 200


def test_a_restart_keeps_no_rate(cluster: Cluster) -> None:
    _tick(cluster, 0, 0)
    _tick(cluster, 0, 6)
    _tick(cluster, 15, 6, start=1)
    assert _cpu(cluster, Kind.NODE, "n1") is None


def test_a_sample_without_a_time_keeps_no_rate(cluster: Cluster) -> None:
    for _ in range(3):
        row = node(metrics={"cpu/usage": 5})
        row["sample_ns"] = None
        cluster.tick(row)
    assert _cpu(cluster, Kind.NODE, "n1") is None


def test_closing_says_how_long_each_processor_took(cluster: Cluster) -> None:
    cluster.ingest(*cluster.web(1))
    closing = cluster.store.swap(cluster.at)
    closing.run()
    cluster.store.commit(closing, cluster.at)
    took = closing.processors_ns
    assert list(took)[:2] == ["rate calculator", "pod_based_enricher"]
    assert len(took) == 9
    assert all(ns >= 0 for ns in took.values())
    assert sum(took.values()) > 0


def test_custom_metrics_can_be_of_the_long_class() -> None:
    cluster = Cluster(long_metrics=("custom/qps",), short_retention_ns=1, long_retention_ns=900 * SECOND_NS)
    for value in (1.5, 2.5, 3.5):
        custom = [{"name": "qps", "type": "gauge", "value": value}]
        cluster.at += 10 * SECOND_NS
        cluster.tick(container(*C, at=cluster.at, custom=custom))
    assert cluster.series("custom/qps", Kind.POD_CONTAINER, *C) == [1.5, 2.5, 3.5]
    assert len(cluster.series("uptime", Kind.POD_CONTAINER, *C)) == 1
