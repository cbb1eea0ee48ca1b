"""Methods, Accept, compression and headers: what holds for every route of a kind."""

from __future__ import annotations

import gzip
import zlib

import pytest

from heapfast.api.negotiation import coding_of
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster

RESTFUL = (
    "/api/v1/model/nodes/",
    "/api/v1/model/metrics/cpu/usage_rate",
    "/api/v1/metric-export",
    "/api/v1/metric-export-schema",
    "/apis/metrics/v1alpha1/nodes",
    "/apis/metrics/v1alpha1/pods",
)
TEXT = "text/plain; charset=utf-8"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.mark.parametrize("path", RESTFUL)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO", "get"])
async def test_restful_routes_are_get_only(cluster: Cluster, path: str, method: str) -> None:
    answer = await ask(cluster.app, path, method, (("Origin", "http://example.com"), ("Accept", "text/html")))
    assert (answer.status, answer.text, answer.headers["content-type"]) == (405, "405: Method Not Allowed", TEXT)
    assert "allow" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", RESTFUL)
async def test_head_is_405_without_a_body(cluster: Cluster, path: str) -> None:
    answer = await ask(cluster.app, path, "HEAD")
    assert (answer.status, answer.raw, answer.headers["content-type"]) == (405, b"", TEXT)


@pytest.mark.parametrize("method", ["GET", "POST", "FOO"])
async def test_probes_and_metrics_take_any_method(cluster: Cluster, method: str) -> None:
    for path in ("/healthz", "/healthz/healthz", "/livez", "/readyz", "/version", "/metrics", "/debug/targets"):
        answer = await ask(cluster.app, path, method, (("Accept", "image/png"),))
        assert (path, answer.status) == (path, 200)


@pytest.mark.parametrize("path", RESTFUL)
@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("application/json", 200),
        ("application/json;q=0", 200),
        ("text/html, application/json ; charset=utf-8", 200),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
        ("application/*", 406),
        ("text/html", 406),
        ("APPLICATION/JSON", 406),
    ],
)
async def test_accept(cluster: Cluster, path: str, accept: str, status: int) -> None:
    answer = await ask(cluster.app, path, headers=(("Accept", accept),))
    assert answer.status == status
    if status == 406:
        assert (answer.text, answer.headers["content-type"]) == ("406: Not Acceptable", TEXT)


async def test_the_first_accept_line_counts(cluster: Cluster) -> None:
    lines = (("Accept", "text/html"), ("Accept", "*/*"))
    assert (await ask(cluster.app, RESTFUL[0], headers=lines)).status == 406
    assert (await ask(cluster.app, RESTFUL[0], headers=lines[::-1])).status == 200


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("", None),
        ("br, *", None),
        ("GZIP", None),
        ("gzip", "gzip"),
        ("gzip;q=0", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate, gzip", "deflate"),
        ("gzip, deflate", "gzip"),
    ],
)
async def test_compression_is_chosen_by_substring(cluster: Cluster, accept_encoding: str, coding: str | None) -> None:
    assert coding_of(accept_encoding) == coding
    for path in (*RESTFUL, "/api/v1/model/nope", "/api/v1/model/metrics/x?start=x"):
        plain = await ask(cluster.app, path)
        answer = await ask(cluster.app, path, headers=(("Accept-Encoding", accept_encoding),))
        assert answer.headers.get("content-encoding") == coding
        assert answer.body == plain.raw
        assert answer.headers["content-type"] == plain.headers["content-type"]
        if coding:
            assert answer.raw[:2] == (b"\x1f\x8b" if coding == "gzip" else zlib.compress(b"", 1)[:2])


async def test_what_go_itself_answers_is_not_compressed(cluster: Cluster) -> None:
    for path in ("/nope", "/healthz", "/api//v1"):
        answer = await ask(cluster.app, path, headers=(("Accept-Encoding", "gzip"),))
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("accept_encoding", "is_gzipped"),
    [("gzip", True), ("br, gzip;q=0.1", True), ("x-gzip", False), ("gzipped", False), ("deflate", False)],
)
async def test_metrics_have_their_own_rule(cluster: Cluster, accept_encoding: str, is_gzipped: bool) -> None:
    answer = await ask(cluster.app, "/metrics", headers=(("Accept-Encoding", accept_encoding),))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    assert (answer.headers.get("content-encoding") == "gzip") is is_gzipped
    text = gzip.decompress(answer.raw) if is_gzipped else answer.raw
    assert b"# TYPE http_requests_total counter" in text


@pytest.mark.parametrize("path", RESTFUL)
@pytest.mark.parametrize("coding", ["identity", "gzip", "deflate"])
async def test_the_same_question_gets_the_same_bytes(cluster: Cluster, path: str, coding: str) -> None:
    headers = (("Accept-Encoding", coding),)
    first, second = [await ask(cluster.app, path, headers=headers) for _ in range(2)]
    assert (first.status, first.headers, first.raw) == (second.status, second.headers, second.raw)
    assert int(first.headers["content-length"]) == len(first.raw)
    assert first.headers["content-type"] == "application/json"
