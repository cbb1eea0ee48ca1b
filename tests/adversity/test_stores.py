"""Stores of history that are away, slow, refuse, or break off in the middle of an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.errors import HistoryError, HistoryRefused, HistoryUnavailable
from heapfast.history.backend import Entity, HistoryBackend, RawQuery
from heapfast.history.influxdb import InfluxDbHistory
from heapfast.history.influxdb_server import InfluxDbAddress, InfluxDbServer
from heapfast.history.prometheus import PrometheusHistory
from heapfast.history.prometheus_server import PrometheusAddress, PrometheusServer
from tests.unit.sinks.peer import Peer

NS = 1_000_000_000
NOW_NS = 1_795_338_000 * NS

Make = Callable[[int], HistoryBackend]


def influxdb(port: int) -> HistoryBackend:
    server = InfluxDbServer(InfluxDbAddress(f"127.0.0.1:{port}", "k8s", "u", "s3cret", secure=False), None)
    return InfluxDbHistory(server, with_fields=False, cluster_name="default", is_sharded=False)


def prometheus(port: int) -> HistoryBackend:
    address = PrometheusAddress(f"http://127.0.0.1:{port}", (("Authorization", "Bearer s3cret"),))
    return PrometheusHistory(PrometheusServer(address, None), labels={}, clock=ManualClock(NOW_NS))


both = pytest.mark.parametrize("make", [influxdb, prometheus], ids=["influxdb", "prometheus"])


def query(timeout_seconds: float = 5.0) -> RawQuery:
    return RawQuery(
        entities=(Entity(Kind.NODE, node="n1"),),
        metric="cpu/usage_rate",
        labels=None,
        start_ns=NOW_NS - 3600 * NS,
        end_ns=NOW_NS,
        max_points=100_000,
        timeout_seconds=timeout_seconds,
    )


async def end_of(backend: HistoryBackend, **members: Any) -> tuple[int, HistoryError | None]:
    """How many samples came, and what the answer ended with."""
    n_samples = 0
    try:
        async for points in backend.read_raw(query(**members)):
            n_samples += len(points.values)
    except HistoryError as error:
        return n_samples, error
    finally:
        await backend.close()
    return n_samples, None


@contextlib.asynccontextmanager
async def speaking(speak: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[int]:
    """A server whose connections are handled by `speak`; gives its port."""
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@both
async def test_a_store_that_is_away(make: Make) -> None:
    async with Peer() as peer:
        port = peer.port
    assert isinstance((await end_of(make(port)))[1], HistoryUnavailable)


@both
async def test_a_store_that_says_nothing(make: Make) -> None:
    over = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with speaking(say_nothing) as port:
        n_samples, error = await end_of(make(port), timeout_seconds=0.05)
        over.set()
    assert n_samples == 0
    assert isinstance(error, HistoryUnavailable)
    assert "got no answer in time" in str(error)


@both
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, HistoryRefused),
        (401, HistoryRefused),
        (404, HistoryRefused),
        (429, HistoryUnavailable),
        (500, HistoryUnavailable),
        (503, HistoryUnavailable),
    ],
)
async def test_a_store_that_refuses(make: Make, status: int, kind: type[HistoryError]) -> None:
    async with Peer() as peer:
        peer.answers = [(status, b'{"status":"error","error":"because \x1b of that"}')]
        _, error = await end_of(make(peer.port))
    assert isinstance(error, kind)
    assert str(status) in str(error)
    assert "because" in str(error)
    assert "s3cret" not in str(error)
    assert str(error).isprintable()


@both
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"status":"success","data":7}', b"\xff" * 1000])
async def test_a_store_that_answers_garbage(make: Make, body: bytes) -> None:
    async with Peer() as peer:
        peer.answers = [(200, body)]
        n_samples, error = await end_of(make(peer.port))
    assert n_samples == 0
    # An empty answer of InfluxDB is one without results.
    assert error is None or isinstance(error, HistoryRefused)
    assert error is not None or make is influxdb


async def test_an_answer_that_breaks_off_is_an_error_after_what_came() -> None:
    first = b'{"results":[{"series":[{"name":"m","columns":["time","value"],"values":[[1795337000000000000,1]]}]}]}\n'

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(first), first))
        await writer.drain()
        writer.close()

    async with speaking(break_off) as port:
        n_samples, error = await end_of(influxdb(port))
    assert n_samples == 1
    assert isinstance(error, HistoryUnavailable)


async def test_a_redirect_is_not_followed() -> None:
    async with Peer() as peer:
        peer.answers = [(307, b"", {"Location": f"http://127.0.0.1:{peer.port}/elsewhere"})]
        _, error = await end_of(influxdb(peer.port))
        assert [request.path for request in peer.requests] == ["/query"]
    assert isinstance(error, HistoryRefused)


async def test_who_stops_reading_ends_the_question() -> None:
    gone = asyncio.Event()
    line = b'{"results":[{"series":[{"columns":["time","value"],"values":[[1795337000000000000,1]]}]}]}\n'

    async def never_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"%x\r\n%s\r\n" % (len(line), line))
                await writer.drain()
                await asyncio.sleep(0)
        gone.set()

    async with speaking(never_end) as port:
        backend = influxdb(port)
        chunks = backend.read_raw(query())
        await anext(chunks)
        await chunks.aclose()
        await asyncio.wait_for(gone.wait(), 10)
        await backend.close()
