"""Riemann, statsd, the log and Kafka: what goes over their wires, without their servers."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from heapfast.config.findings import Findings
from heapfast.config.sinks import UriReader
from heapfast.config.uris import parse_uri
from heapfast.errors import SinkError
from heapfast.sinks import kafka
from heapfast.sinks.kafka import KafkaSpec, read_kafka
from heapfast.sinks.log import LogSpec
from heapfast.sinks.protobuf import iter_fields
from heapfast.sinks.riemann import RiemannSpec, parse_answer, read_riemann
from heapfast.sinks.sink import Address
from heapfast.sinks.statsd import RESOURCE_LABELS, StatsdSpec, read_statsd
from tests.unit.sinks.example import example_batch

OK = b"\x10\x01"


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def read(reader: Any, value: str) -> tuple[Any, list[str]]:
    findings = Findings()
    spec = reader(UriReader(parse_uri(value, {}), findings))
    return spec, findings.faults


# -- Riemann ---------------------------------------------------------------------------------------


class Riemann:
    """Answers each message with the next answer, the last one again and again."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.received: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (n,) = struct.unpack(">I", await reader.readexactly(4))
                self.received.append(await reader.readexactly(n))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def framed(answer: bytes) -> bytes:
    return struct.pack(">I", len(answer)) + answer


async def send_to(riemann: Riemann, executor: ThreadPoolExecutor, **options: Any) -> None:
    async with await asyncio.start_server(riemann.serve, "127.0.0.1", 0) as server:
        spec = RiemannSpec(address=Address("127.0.0.1", server.sockets[0].getsockname()[1]), **options)
        async with aclosing(Closable(spec.build(executor))) as closable:
            reader = closable.sink.chunks(example_batch())
            while (chunk := reader.read()) is not None:
                await closable.sink.send(chunk.payload)


class Closable:
    def __init__(self, sink: Any) -> None:
        self.sink = sink

    async def aclose(self) -> None:
        await self.sink.close()


async def test_riemann_gets_events_in_messages_of_the_size_asked_for(executor: ThreadPoolExecutor) -> None:
    riemann = Riemann(framed(OK))
    await send_to(riemann, executor, events=4)
    sizes = [len(list(iter_fields(message))) for message in riemann.received]
    assert set(sizes[:-1]) == {4}
    assert len(sizes) > 3


@pytest.mark.parametrize(
    ("answer", "costs", "text"),
    [
        (framed(b"\x10\x00\x1a\x04nope"), "chunk", "refused events: nope"),
        (framed(b""), "chunk", "refused events: no reason given"),
        (framed(b"\x1a\x7f"), "chunk", "refused events: message is cut off"),
        (framed(b"\x0f"), "chunk", "refused events: field of an unknown kind 7"),
        (b"\xff\xff\xff\xff", "nothing", "answered 4294967295 bytes, want at most 1048576"),
    ],
)
async def test_riemanns_answers_are_read(executor: ThreadPoolExecutor, answer: bytes, costs: str, text: str) -> None:
    with pytest.raises(SinkError, match=text) as caught:
        await send_to(Riemann(answer), executor)
    assert caught.value.costs == costs


def test_riemanns_answer_may_hold_more() -> None:
    assert parse_answer(b"\x10\x01\x1a\x00\x32\x02\x08\x01") == (True, "")


def test_riemanns_options() -> None:
    assert read(read_riemann, "riemann") == (RiemannSpec(address=Address("riemann-heapster", 5555)), [])
    spec, faults = read(read_riemann, "riemann:http://r:1?ttl=1.5&state=ok&tags=a&tags=b&batchsize=7")
    assert faults == []
    assert spec == RiemannSpec(address=Address("r", 1), ttl_seconds=1.5, state="ok", tags=("a", "b"), events=7)
    assert len(read(read_riemann, "riemann:?ttl=x&batchsize=0")[1]) == 2


# -- statsd ------------------------------------------------------------------------------------------


async def test_statsd_gets_datagrams(executor: ThreadPoolExecutor) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        sink = StatsdSpec(address=Address(*server.getsockname()), prefix="k8s.", lines=2).build(executor)
        chunk = sink.chunks(example_batch()).read()
        assert chunk is not None
        await sink.send(chunk.payload)
        received = [server.recv(2000) for _ in chunk.payload]
        await sink.close()
    assert received == chunk.payload
    assert any(b"k8s.namespace.shop.cpu/usage_rate:225|g\n" in datagram for datagram in received)


def test_statsds_options() -> None:
    assert read(read_statsd, "statsd") == (StatsdSpec(address=Address("localhost", 8125)), [])
    spec, faults = read(
        read_statsd,
        "statsd:udp://s:1?prefix=a.b&protocolType=InfluxStatsd&numMetricsPerMsg=9&renameLabels=a:b,c:d"
        "&allowedLabels=x,y&labelStyle=upperCamelCase",
    )
    assert faults == []
    assert spec == StatsdSpec(
        address=Address("s", 1),
        is_influx=True,
        prefix="a.b",
        lines=9,
        renamed=(("a", "b"), ("c", "d")),
        allowed=("x", "y", *RESOURCE_LABELS),
        style="upperCamelCase",
    )
    assert read(read_statsd, "statsd:?prefix=a.b")[0].prefix == "a_b."


@pytest.mark.parametrize(
    "option", ["protocolType=x", "numMetricsPerMsg=0", "renameLabels=a", "renameLabels=:b", "labelStyle=kebab"]
)
def test_statsd_is_refused_what_cannot_be_meant(option: str) -> None:
    assert len(read(read_statsd, f"statsd:?{option}")[1]) == 1


# -- the log -------------------------------------------------------------------------------------------


async def test_the_log_gets_the_batch(executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sink = LogSpec().build(executor)
    chunk = sink.chunks(example_batch()).read()
    assert chunk is not None
    await sink.send(chunk.payload)
    await sink.close()
    assert "MetricSet: namespace:shop/pod:web-1/container:nginx\n" in caplog.text


# -- Kafka -----------------------------------------------------------------------------------------------


def test_kafkas_options() -> None:
    assert read(read_kafka, "kafka:?brokers=a:1&brokers=b:2&eventstopic=e") == (KafkaSpec(brokers=("a:1", "b:2")), [])
    spec, faults = read(read_kafka, "kafka:?brokers=a:1&timeseriestopic=t&compression=gzip")
    assert (spec, faults) == (KafkaSpec(brokers=("a:1",), topic="t", compression="gzip"), [])
    assert read(read_kafka, "kafka")[1][0].startswith("--sink: got 'kafka' with no brokers, want kafka:?brokers=HOST")
    assert len(read(read_kafka, "kafka:?brokers=a&compression=snappy")[1]) == 1


def test_kafka_without_its_library_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "aiokafka", None)
    (fault,) = read(read_kafka, "kafka:?brokers=a:1")[1]
    assert fault == (
        "--sink: got 'kafka' with no library that speaks to it, want the package aiokafka beside it: pip install"
        " 'heapfast[kafka]'"
    )


async def test_kafka_that_is_away_costs_an_attempt(executor: ThreadPoolExecutor) -> None:
    sink = KafkaSpec(brokers=("127.0.0.1:1",)).build(executor)
    with pytest.raises(SinkError, match=r"cannot send to kafka 127\.0\.0\.1:1, topic heapster-metrics: ") as caught:
        await sink.send([b"{}"])
    await sink.close()
    assert (caught.value.reason, caught.value.costs) == ("connect", "nothing")


async def test_records_are_filled_into_batches_that_kafka_takes() -> None:
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", max_batch_size=1000)
    try:
        records = [b"x" * 100] * 25
        filled = kafka._fill(producer, records)
        assert sum(batch.record_count() for batch in filled) == 25
        assert len(filled) > 2
        assert all(batch.size() <= 1000 for batch in filled)
    finally:
        await producer.stop()
