"""Graphite: its lines, and the ways they get there (spec/heapster-pipeline.md 7.2)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from heapfast._batch import Batch
from heapfast.errors import SinkError
from heapfast.sinks._graphite import GraphiteWriter
from heapfast.sinks.graphite import GraphiteSpec
from heapfast.sinks.sink import Address
from tests.unit.api.cluster import Cluster
from tests.unit.sinks.example import example_batch
from tests.unit.sinks.naive import count, graphite_lines, read_all

NGINX = "kubernetes.nodes.n1_example.pods.shop.web-1.containers.nginx"


@pytest.fixture(scope="module")
def batch() -> Batch:
    newest = Cluster().store.newest
    assert newest is not None
    return newest


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize(
    "line",
    [
        f"{NGINX}.cpu.usage 22000000000 1512986460",
        f"{NGINX}.cpu.usage_rate 200 1512986460",
        f"{NGINX}.memory.page_faults_rate 0.100000 1512986460",
        "kubernetes.namespaces.shop.cpu.usage_rate 225 1512986460",
        "kubernetes.cluster.memory.usage 0 1512986460",
    ],
)
def test_the_worked_example_is_among_the_lines(line: str) -> None:
    assert line in b"".join(read_all(GraphiteWriter(example_batch(), b"kubernetes"))).decode().splitlines()


def test_a_filesystem_has_a_path_of_its_own() -> None:
    text = b"".join(read_all(GraphiteWriter(example_batch(), b"kubernetes"))).decode()
    assert f"\n{NGINX}.filesystem.usage._ 1000 1512986460\n" in text


@pytest.mark.parametrize("at_least_bytes", [1, 700, 1 << 20])
def test_chunks_of_any_size_hold_the_same_lines(batch: Batch, at_least_bytes: int) -> None:
    chunks = read_all(GraphiteWriter(batch, b"k8s.eu"), at_least_bytes=at_least_bytes)
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert (len(chunks) > 1) is (at_least_bytes < 1 << 20)
    lines = [line.decode() for line in b"".join(chunks).splitlines(keepends=True)]
    assert sorted(lines) == sorted(graphite_lines(batch, "k8s.eu"))
    assert count(GraphiteWriter(batch, b"k8s.eu")) == len(lines)


def test_a_chunk_ends_with_the_entity_that_fills_it(batch: Batch) -> None:
    sizes = [payload.count(b"\n") for payload in read_all(GraphiteWriter(batch, b"k"), at_least_samples=10)]
    assert all(size >= 10 for size in sizes[:-1])
    assert max(sizes) < 10 + 25


def test_only_a_closed_batch_is_written() -> None:
    with pytest.raises(TypeError):
        GraphiteWriter(None, b"k")  # type: ignore[arg-type]


# -- the wire -------------------------------------------------------------------------------------


async def test_lines_arrive_over_tcp_and_again_after_the_server_went(executor: ThreadPoolExecutor) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.put_nowait(await reader.readline())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink = GraphiteSpec(protocol="tcp", address=Address("127.0.0.1", port)).build(executor)
    async with server:
        await sink.send(b"a 1 1\n")
        assert await received.get() == b"a 1 1\n"
        # The server has closed; at some write the sink notices, and the one after it connects anew.
        for _ in range(50):
            try:
                await sink.send(b"b 1 1\n")
            except SinkError as error:
                assert (error.reason, error.costs) == ("lost", "nothing")  # noqa: PT017
            if not received.empty():
                break
            await asyncio.sleep(0)
        assert await received.get() == b"b 1 1\n"
        await sink.close()


async def test_a_server_that_is_away_costs_nothing_but_an_attempt(executor: ThreadPoolExecutor) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sink = GraphiteSpec(protocol="tcp", address=Address(*unused.getsockname())).build(executor)
        with pytest.raises(SinkError, match=r"cannot connect to 127\.0\.0\.1:\d+: ") as caught:
            await sink.send(b"a 1 1\n")
    assert (caught.value.reason, caught.value.costs) == ("connect", "nothing")
    await sink.close()


async def test_over_udp_each_line_is_a_datagram(executor: ThreadPoolExecutor) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        sink = GraphiteSpec(protocol="udp", address=Address(*server.getsockname())).build(executor)
        await sink.send(b"a 1 1\nb 2 1\n")
        assert [server.recv(100), server.recv(100)] == [b"a 1 1\n", b"b 2 1\n"]
        await sink.close()
