"""What stands beside the families: export, schema, probes, self-metrics, debug, and bugs."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from heapfast.api.debug import SLICE_TARGETS
from heapfast.api.monitoring import HttpMonitor
from heapfast.render._export import ExportWriter
from heapfast.summaries import WINDOW_OBSERVATIONS
from tests.shared import shared_path
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster
from tests.unit.store.rows import SECOND_NS

STALE = "No current data batch available (latest: 2017-12-11 10:02:00 +0000 UTC)."


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_export(cluster: Cluster) -> None:
    for path in ("/api/v1/metric-export", "/api/v1/metric-export/", "/api/v1/metric-export?x=y"):
        assert (await ask(cluster.app, path)).raw == ExportWriter(cluster.store.newest).read()
    assert (await ask(Cluster(n_batches=0).app, "/api/v1/metric-export")).raw == b"null\n"
    assert (await ask(Cluster({"disable_export": True}).app, "/api/v1/metric-export")).raw == b"[]\n"


async def test_schema_is_heapsters_but_for_the_prose(cluster: Cluster) -> None:
    recorded = shared_path("conformance/heapster/plain/vectors.jsonl")
    vectors = map(json.loads, recorded.read_text().splitlines())
    want = next(v["response"]["body"] for v in vectors if v["request"]["path"] == "/api/v1/metric-export-schema")
    got = (await ask(cluster.app, "/api/v1/metric-export-schema")).text

    def without_prose(text: str) -> str:
        return re.sub(r'"description": ".+"', '"description": ""', text)

    assert without_prose(got) == without_prose(want)


@pytest.mark.parametrize(
    ("age_seconds", "resolution_seconds", "fault"),
    [(31, 60, None), (180, 60, None), (181, 60, STALE), (181, 20, STALE), (900, 300, None), (901, 300, STALE)],
)
async def test_health(age_seconds: int, resolution_seconds: int, fault: str | None) -> None:
    cluster = Cluster({"resolution_ns": resolution_seconds * SECOND_NS})
    app = cluster.app
    cluster.clock.set_ns(cluster.store.newest.timestamp_ns + age_seconds * SECOND_NS)
    short, verbose, check = [await ask(app, path) for path in ("/healthz", "/healthz?verbose=0", "/healthz/healthz")]
    if fault is None:
        assert [(a.status, a.text) for a in (short, check)] == [(200, "ok")] * 2
        assert (verbose.status, verbose.text) == (200, "[+]healthz ok\nhealthz check passed\n")
        assert "x-content-type-options" not in short.headers
    else:
        assert [a.text for a in (short, verbose)] == [f"[-]healthz failed: {fault}\nhealthz check failed\n"] * 2
        assert check.text == f"internal server error: {fault}\n"
        assert [(a.status, a.headers["x-content-type-options"]) for a in (short, check)] == [(500, "nosniff")] * 2


async def test_health_before_the_first_batch() -> None:
    answer = await ask(Cluster(n_batches=0).app, "/healthz")
    assert (answer.status, "could not get the latest data batch" in answer.text) == (500, True)


async def test_readiness_gives_its_reason() -> None:
    reasons: list[str | None] = ["nodes are not listed yet", None]
    cluster = Cluster({"unready": lambda: reasons[0]}, n_batches=0)
    answer = await ask(cluster.app, "/readyz")
    assert (answer.status, answer.text) == (500, "not ready: nodes are not listed yet\n")
    reasons.pop(0)
    assert (await ask(cluster.app, "/readyz")).text == "ok"
    assert (await ask(cluster.app, "/livez")).text == "ok"


async def test_version_and_targets() -> None:
    targets = [{"address": "10.0.0.1:10255", "outcome": "timeout"}]
    cluster = Cluster({"version": "1.2.3", "targets": lambda node=None: targets}, n_batches=0)
    assert (await ask(cluster.app, "/version")).json == {"version": "1.2.3"}
    answer = await ask(cluster.app, "/debug/targets")
    assert (answer.json, answer.headers["content-type"]) == ({"targets": targets}, "application/json")


@pytest.mark.parametrize("n", [0, 1, 2, SLICE_TARGETS, 2 * SLICE_TARGETS + 1])
async def test_targets_are_laid_out_as_one_document_while_others_get_their_turns(n: int) -> None:
    told = [{"node": f"node-{i}", "error": 'a "b"\n', "failures": i} for i in range(n)]
    turns = taken = 0

    def targets(node: str | None = None) -> Iterator[dict[str, Any]]:
        nonlocal taken
        for target in told:
            taken += 1
            yield target

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 0 < taken < n
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    answer = await ask(Cluster({"targets": targets}, n_batches=0).app, "/debug/targets")
    counting.cancel()
    assert answer.text == json.dumps({"targets": told}, indent=1, ensure_ascii=False).replace("\n", "\n ")
    assert turns >= max(n - 1, 0) // SLICE_TARGETS


async def test_requests_are_counted_by_handler(cluster: Cluster) -> None:
    await ask(cluster.app, "/api/v1/model/nodes/")
    await ask(cluster.app, "/api/v1/model/nodes/", "POST")
    await ask(cluster.app, "/api/v1/model/nodes/", headers=(("Accept", "text/html"),))
    await ask(cluster.app, "/api/v1/model/nodes/node-1/metrics/uptime?start=x")
    packed = await ask(cluster.app, "/api/v1/model/metrics/", headers=(("Accept-Encoding", "gzip"),))
    await ask(cluster.app, "/api/v1/metric-export")
    await ask(cluster.app, "/metrics")
    text = (await ask(cluster.app, "/metrics")).text
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    counted = {(s.labels["handler"], s.labels["method"], s.labels["code"]): s.value for s in families["http_requests"]}
    assert counted == {
        ("nodeList", "get", "200"): 1,
        ("nodeMetrics", "get", "400"): 1,
        ("availableClusterMetrics", "get", "200"): 1,
        ("prometheus", "get", "200"): 1,
    }
    sizes = {
        s.labels["handler"]: s.value for s in families["http_response_size_bytes"] if s.name.endswith("_bytes_sum")
    }
    assert sizes["availableClusterMetrics"] == len(packed.body) > len(packed.raw)
    quantiles = {s.labels["quantile"] for s in families["http_request_duration_microseconds"] if "quantile" in s.labels}
    assert quantiles == {"0.5", "0.9", "0.99"}


def test_quantiles_are_of_the_latest_requests() -> None:
    monitor = HttpMonitor()
    monitor.handler("never-asked")
    for i in range(3 * WINDOW_OBSERVATIONS):
        monitor.handler("h").observe("GET", 200, i / 1e6, 1, 2)
    total, durations, *sizes = monitor.collect()
    assert [sample.value for sample in total.samples] == [3 * WINDOW_OBSERVATIONS]
    values = {sample.labels.get("quantile", sample.name): sample.value for sample in durations.samples}
    assert values["0.5"] == pytest.approx(2.5 * WINDOW_OBSERVATIONS)
    assert values["0.99"] == pytest.approx(3 * WINDOW_OBSERVATIONS - 5)
    assert list(values)[-2:] == [f"{durations.name}_sum", f"{durations.name}_count"]
    assert values[f"{durations.name}_count"] == 3 * WINDOW_OBSERVATIONS
    assert [[sample.value for sample in family.samples[:3]] for family in sizes] == [[1, 1, 1], [2, 2, 2]]


async def test_a_bug_is_a_500_that_shows_nothing(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.clock, "now_ns", lambda: 1 // 0)
    with caplog.at_level(logging.ERROR):
        answer = await ask(cluster.app, "/api/v1/model/metrics/uptime", headers=(("Accept-Encoding", "gzip"),))
    assert (answer.status, answer.raw) == (500, b"Internal Server Error\n")
    assert "content-encoding" not in answer.headers
    assert "ZeroDivisionError" in caplog.text
