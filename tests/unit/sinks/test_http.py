"""Sinks that speak HTTP: what they ask, and what each answer costs."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from heapfast.clock import ManualClock
from heapfast.config.findings import Findings
from heapfast.config.sinks import UriReader
from heapfast.config.uris import parse_uri
from heapfast.errors import SinkError
from heapfast.sinks.elasticsearch import Bulk, ElasticsearchSink, index_body, read_elasticsearch
from heapfast.sinks.http import HttpServer, HttpSpec
from heapfast.sinks.kinds import reader_of
from heapfast.sinks.otlp import BY_NAME, unit_of
from heapfast.sinks.sink import Secret
from tests.unit.sinks.example import example_batch
from tests.unit.sinks.peers import Answer, http_peer

BULK_OK = Answer(body=b'{"errors":false}')


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def sink_of(value: str, executor: ThreadPoolExecutor) -> Any:
    findings = Findings()
    uri = UriReader(parse_uri(value, {}), findings)
    spec = reader_of(value.partition(":")[0])(uri)
    uri.note_unread()
    assert (findings.faults, findings.notes) == ([], [])
    return spec.build(executor)


async def send_example(sink: Any) -> int:
    """Sends the example's batch; gives how many samples that were."""
    reader = sink.chunks(example_batch())
    n = 0
    try:
        while (chunk := reader.read()) is not None:
            await sink.send(chunk.payload)
            n += chunk.samples
    finally:
        await sink.close()
    return n


# -- what a status means ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "costs"),
    [(400, "chunk"), (413, "chunk"), (401, "batch"), (403, "batch"), (404, "batch"), (302, "batch"), (408, "nothing"),
     (429, "nothing"), (500, "nothing"), (503, "nothing")],
)  # fmt: skip
async def test_an_answer_that_is_no_success_says_what_it_costs(status: int, costs: str) -> None:
    async with http_peer(Answer(status, b"why\nnot", {"Location": "/elsewhere"} if status == 302 else {})) as peer:
        server = HttpServer(HttpSpec(url=peer.url))
        with pytest.raises(SinkError, match=rf"127\.0\.0\.1:\d+ answered {status}: why not$") as caught:
            await server.request("POST", "/", b"x")
        await server.close()
    assert (caught.value.costs, caught.value.reason) == (costs, f"status_{status}")
    assert len(peer.requests) == 1


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), ("9" * 20, None), ("-1", None)])
async def test_a_server_may_say_how_long_it_wants_to_be_left_alone(header: str, seconds: float | None) -> None:
    async with http_peer(Answer(429, b"", {"Retry-After": header})) as peer:
        server = HttpServer(HttpSpec(url=peer.url))
        with pytest.raises(SinkError) as caught:
            await server.request("GET", "/")
        await server.close()
    assert caught.value.retry_after_seconds == seconds


async def test_a_server_that_is_away_costs_an_attempt() -> None:
    server = HttpServer(HttpSpec(url="http://127.0.0.1:1"))
    with pytest.raises(SinkError) as caught:
        await server.request("POST", "/", b"x")
    await server.close()
    assert (caught.value.reason, caught.value.costs) == ("connect", "nothing")


async def test_a_server_that_speaks_something_else_costs_an_attempt() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp ready\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as listening:
        server = HttpServer(HttpSpec(url=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"))
        with pytest.raises(SinkError) as caught:
            await server.request("POST", "/", b"x")
        await server.close()
    assert (caught.value.reason, caught.value.costs) == ("protocol", "nothing")


async def test_secrets_are_sent_and_never_shown() -> None:
    async with http_peer(Answer(400, b"bad token tok-123 or password hunter2, tok-123")) as peer:
        spec = HttpSpec(url=peer.url, user="u", password=Secret("hunter2"), headers=(("X-Token", Secret("tok-123")),))
        server = HttpServer(spec)
        with pytest.raises(SinkError, match=r"bad token \*\*\* or password \*\*\*, \*\*\*$"):
            await server.request("POST", "/", b"x")
        await server.close()
    sent = peer.requests[0].headers
    assert (sent["Authorization"], sent["X-Token"]) == ("Basic dTpodW50ZXIy", "tok-123")
    shown = repr(spec) + msgspec.json.encode(spec, enc_hook=repr).decode()
    assert "hunter2" not in shown
    assert "tok-123" not in shown


# -- OpenTSDB -----------------------------------------------------------------------------------------


async def test_opentsdb_gets_points_by_put(executor: ThreadPoolExecutor) -> None:
    async with http_peer(Answer(204)) as peer:
        n = await send_example(sink_of(f"opentsdb:{peer.url}?cluster=eu", executor))
    points = [point for request in peer.requests for point in json.loads(request.body)]
    assert len(points) == n
    assert {point["tags"]["cluster"] for point in points} == {"eu"}
    assert {(one.method, one.path) for one in peer.requests} == {("POST", "/api/put")}


# -- Elasticsearch --------------------------------------------------------------------------------------


async def test_elasticsearch_gets_an_index_and_then_documents(executor: ThreadPoolExecutor) -> None:
    async with http_peer(Answer(), BULK_OK) as peer:
        sink = sink_of(f"elasticsearch:{peer.url}?index=metrics2&pipeline=p&esUserName=u&esUserSecret=s", executor)
        await send_example(sink)
    made, *bulks = peer.requests
    assert (made.method, made.path) == ("PUT", "/metrics2-2017.12.11")
    assert set(json.loads(made.body)["aliases"]) == {
        f"metrics2-{family}" for family in ("cpu", "filesystem", "memory", "network", "general")
    }
    assert bulks[0].path.startswith("/metrics2-2017.12.11/_bulk?")
    assert "pipeline=p" in bulks[0].path
    assert bulks[0].headers["Content-Type"] == "application/x-ndjson"
    assert bulks[0].headers["Authorization"].startswith("Basic ")
    assert bulks[0].body.count(b"\n") % 2 == 0


async def test_elasticsearch_makes_each_index_once_even_when_it_is_there(executor: ThreadPoolExecutor) -> None:
    there = Answer(400, b'{"error":{"type":"resource_already_exists_exception"},"status":400}')
    async with http_peer(there, BULK_OK) as peer:
        sink = sink_of(f"elasticsearch:{peer.url}", executor)
        for _ in range(2):
            await sink.send(Bulk("heapster-2017.12.11", b"{}\n{}\n"))
        await sink.close()
    assert [one.method for one in peer.requests] == ["PUT", "POST", "POST"]


@pytest.mark.parametrize(
    ("body", "costs", "reason"),
    [
        (b'{"errors":true,"items":[{"index":{"status":429,"error":{"type":"busy"}}}]}', "nothing", "busy"),
        (b'{"errors":true,"items":[{"index":{"status":400,"error":{"type":"mapper"}}}]}', "chunk", "refused"),
        (b"<html>", "nothing", "protocol"),
        (b"[1]", "nothing", "protocol"),
        (b'{"items":[{"index":{}}]}', "nothing", "protocol"),
    ],
)
async def test_elasticsearch_may_refuse_documents_one_by_one(
    executor: ThreadPoolExecutor, body: bytes, costs: str, reason: str
) -> None:
    async with http_peer(Answer(), Answer(body=body)) as peer:
        sink = sink_of(f"elasticsearch:{peer.url}", executor)
        with pytest.raises(SinkError) as caught:
            await sink.send(Bulk("i", b"{}\n{}\n"))
        await sink.close()
    assert (caught.value.costs, caught.value.reason) == (costs, reason)


async def test_elasticsearch_asks_the_next_node_while_one_is_away(executor: ThreadPoolExecutor) -> None:
    async with http_peer(Answer(), BULK_OK) as peer:
        sink = sink_of(f"elasticsearch:?nodes=http://127.0.0.1:1&nodes={peer.url}", executor)
        with pytest.raises(SinkError):
            await sink.send(Bulk("i", b"{}\n{}\n"))
        await sink.send(Bulk("i", b"{}\n{}\n"))
        await sink.close()


@pytest.mark.parametrize(
    ("version", "types", "keyword"),
    [(2, ["cpu", "events"], "string"), (5, ["cpu"], "keyword"), (6, ["_doc"], "keyword"), (8, [], "keyword")],
)
def test_elasticsearch_mappings_are_those_of_the_version(version: int, types: list[str], keyword: str) -> None:
    mappings = index_body("heapster", version)["mappings"]
    if version == 8:
        properties = mappings["properties"]
    else:
        properties = mappings[types[0]]["properties"]
    assert properties["MetricsTags"]["properties"]["pod_id"]["type"] == keyword
    assert properties["CpuMetricsTimestamp"]["type"] == "date"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("elasticsearch", "no server"),
        ("elasticsearch:?nodes=h:9200", "an option 'nodes' that cannot be used"),
        ("elasticsearch:?nodes=http://u:secret@h", "an option 'nodes' that cannot be used"),
        ("elasticsearch:http://h?ver=4", "an option 'ver' that cannot be read"),
        ("elasticsearch:http://h?index=Heap", "an option 'index' that cannot be used"),
        ("elasticsearch:ftp://h", "the scheme 'ftp'"),
    ],
)
def test_elasticsearch_is_refused_what_cannot_be_meant(value: str, fault: str) -> None:
    findings = Findings()
    read_elasticsearch(UriReader(parse_uri(value, {}), findings))
    assert findings.faults
    assert findings.faults[0].startswith(f"--sink: got 'elasticsearch' with {fault}, want ")
    assert "secret" not in findings.faults[0]


def test_elasticsearch_types_follow_the_version() -> None:
    def types(version: str) -> bytes:
        uri = UriReader(parse_uri(f"elasticsearch:http://h?ver={version}", {}), Findings())
        chunk = ElasticsearchSink(read_elasticsearch(uri), ManualClock()).chunks(example_batch()).read()
        assert chunk is not None
        lines: bytes = chunk.payload.lines
        return lines

    assert b'"_type":"cpu"' in types("5")
    assert b'"_type":"_doc"' in types("6")
    assert b'"_type"' not in types("8")


# -- OTLP -----------------------------------------------------------------------------------------------------


async def test_otlp_gets_packed_requests(executor: ThreadPoolExecutor) -> None:
    async with http_peer() as peer:
        sink = sink_of(f"otlp:{peer.url}?token=tok&header=x-team:%20me&prefix=p.&cluster_name=eu", executor)
        n = await send_example(sink)
    (request,) = peer.requests
    assert (request.method, request.path) == ("POST", "/v1/metrics")
    assert request.headers["Authorization"] == "Bearer tok"
    assert request.headers["x-team"] == "me"
    assert (request.headers["Content-Type"], request.headers["Content-Encoding"]) == ("application/x-protobuf", "gzip")
    # The peer has unpacked it where it knows how to.
    body = gzip.decompress(request.body) if request.body[:2] == b"\x1f\x8b" else request.body
    resources = ExportMetricsServiceRequest.FromString(body).resource_metrics
    names = [metric.name for one in resources for metric in one.scope_metrics[0].metrics]
    assert len(names) == n
    assert "p.container.cpu.usage_rate" in names


async def test_otlp_may_reject_some_samples(executor: ThreadPoolExecutor) -> None:
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = 3
    answer.partial_success.error_message = "too old"
    async with http_peer(Answer(body=answer.SerializeToString())) as peer:
        sink = sink_of(f"otlp:{peer.url}/v1/metrics?compression=none", executor)
        with pytest.raises(SinkError, match="rejected 3 samples: too old") as caught:
            await send_example(sink)
    assert (caught.value.costs, caught.value.lost_samples) == ("chunk", 3)
    assert peer.requests[0].path == "/v1/metrics"


@pytest.mark.parametrize(("status", "costs"), [(500, "chunk"), (503, "nothing"), (429, "nothing"), (400, "chunk")])
async def test_otlp_is_tried_again_only_where_its_protocol_says_so(
    executor: ThreadPoolExecutor, status: int, costs: str
) -> None:
    async with http_peer(Answer(status)) as peer:
        with pytest.raises(SinkError) as caught:
            await send_example(sink_of(f"otlp:{peer.url}", executor))
    assert caught.value.costs == costs


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x05ab", b"not protobuf", b""])
async def test_otlp_takes_a_success_whose_body_is_garbage_for_one(executor: ThreadPoolExecutor, body: bytes) -> None:
    async with http_peer(Answer(body=body)) as peer:
        assert await send_example(sink_of(f"otlp:{peer.url}", executor)) > 0


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_metric_of_the_catalogue_has_a_unit(name: str) -> None:
    assert unit_of(name)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("uptime", "ms"), ("cpu/usage", "ns"), ("cpu/usage_rate", "m{cpu}"), ("memory/rss", "By"),
        ("network/rx_rate", "By/s"), ("network/tx_errors", "{error}"), ("network/tx_errors_rate", "{error}/s"),
        ("memory/page_faults_rate", "{fault}/s"), ("disk/io_read_bytes_rate", "By/s"),
        ("filesystem/inodes_free", "{inode}"), ("memory/node_capacity", "By"), ("cpu/node_utilization", "1"),
        ("restart_count", "{restart}"), ("accelerator/duty_cycle", "%"),
    ],
)  # fmt: skip
def test_units_are_what_numbers_mean(name: str, unit: str) -> None:
    assert unit_of(name) == unit


@pytest.mark.parametrize("option", ["header=x", "header=:v", "compression=zstd"])
def test_otlp_refuses_options_that_cannot_be_meant(option: str) -> None:
    findings = Findings()
    reader_of("otlp")(UriReader(parse_uri(f"otlp:http://h?{option}", {}), findings))
    assert len(findings.faults) == 1
