"""The kubelet client against a server that does everything wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from heapfast.errors import ScrapeError
from heapfast.scrape._http import Connection
from heapfast.scrape.limits import Limits
from tests.unit.scrape.conftest import HEAD, MakeConnection, fetch
from tests.unit.scrape.scripted_server import (
    ScriptedServer,
    Step,
    answer,
    send,
    send_and_close,
    send_and_reset,
    trickle,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

#: Time-outs that strike at once, one at a time.
QUICK: dict[str, Any] = {"tick_seconds": 0.005}


async def test_one_connection_carries_all_requests(connect: MakeConnection) -> None:
    async with ScriptedServer(*[send(answer(b"%d" % i)) for i in range(3)]) as server:
        connection = connect(server.port)
        assert [await fetch(connection) for _ in range(3)] == [b"0", b"1", b"2"]
        assert server.connections == 1
        assert server.requests == [HEAD + b"\r\n"] * 3


async def test_a_post_carries_its_body(connect: MakeConnection) -> None:
    head = b"POST /stats/container/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
    async with ScriptedServer(send(answer())) as server:
        await fetch(connect(server.port), head, b"body")
        assert server.requests == [head + b"\r\nbody"]


LONG = bytes(range(256)) * 4096

BODIES = [
    ("a content length", [send(answer(b"{}"))], b"{}"),
    ("nothing", [send(answer(b""))], b""),
    ("no content but 200", [send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")], b""),
    ("more than one read", [send(answer(LONG))], LONG),
    ("chunks", [send(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")], b"abcde"),
    (
        "chunks with extensions and trailers",
        [send(CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0\r\nContent-Type: a/b\r\nX-End: 1\r\n\r\n')],
        b"abc",
    ),
    ("a long chunk", [send(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(LONG), LONG))], LONG),
    ("no chunk but the last", [send(CHUNKED + b"0\r\n\r\n")], b""),
    ("the end of the connection", [send_and_close(b"HTTP/1.1 200 OK\r\n\r\nabc")], b"abc"),
    ("the end of a connection of HTTP/1.0", [send_and_close(b"HTTP/1.0 200 OK\r\n\r\nabc")], b"abc"),
    ("interim answers first", [send(b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" + answer())], b"{}"),
    ("a content type that is none of ours", [send(answer(b"<", headers=["Content-Type: text/html"]))], b"<"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "body"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
async def test_body_with(steps: list[Step], body: bytes, connect: MakeConnection) -> None:
    # Twice on one client: the second answer must not carry anything of the first.
    async with ScriptedServer(*steps, *steps) as server:
        connection = connect(server.port)
        assert await fetch(connection) == body
        assert await fetch(connection) == body


FAULTS = [
    ("401", send(answer(b"Unauthorized", status="401 Unauthorized")), "status", "status 401, want 200: Unauthorized"),
    ("403", send(answer(b"", status="403 Forbidden")), "status", "got status 403, want 200"),
    ("404", send(answer(b"a\nb", status="404 Not Found")), "status", "got status 404, want 200: a b"),
    ("500", send(answer(b"", status="500 Oops")), "status", "got status 500"),
    ("a redirect", send(answer(b"", status="302 Found", headers=["Location: /x"])), "status", "got status 302"),
    ("204", send(b"HTTP/1.1 204 No Content\r\n\r\n"), "status", "got status 204"),
    ("a garbage status line", send(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol", "not HTTP/1.1"),
    ("garbage headers", send(b"HTTP/1.1 200 OK\r\n\x00: b\r\n\r\n"), "protocol", "not HTTP/1.1"),
    ("both lengths", send(CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n"), "protocol", "not HTTP/1.1"),
    ("a negative length", send(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "protocol", "not HTTP/1.1"),
    ("a garbage chunk", send(CHUNKED + b"xyz\r\n"), "protocol", "not HTTP/1.1"),
    ("a length among the trailers", send(CHUNKED + b"0\r\nContent-Length: 9\r\n\r\n"), "protocol", "not HTTP/1.1"),
    ("an upgrade", send(b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"), "protocol", "not HTTP/1.1"),
    ("a close before the answer", send_and_close(), "closed", "the connection ended after 0 bytes"),
    ("a close within the headers", send_and_close(b"HTTP/1.1 200 OK\r\nA: "), "closed", "after 20 bytes"),
    ("a body cut short", send_and_close(answer(b"abc", length=9)), "closed", "the connection ended after"),
    ("a chunk cut short", send_and_close(CHUNKED + b"9\r\nabc"), "closed", "the connection ended after"),
    ("no last chunk", send_and_close(CHUNKED + b"3\r\nabc\r\n"), "closed", "the connection ended after"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "reason", "message"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
async def test_a_target_fails_with(step: Step, reason: str, message: str, connect: MakeConnection) -> None:
    async with ScriptedServer(step, send(answer(b"well"))) as server:
        connection = connect(server.port)
        with pytest.raises(ScrapeError, match=r"^cannot scrape kubelet: ") as caught:
            await fetch(connection)
        assert caught.value.reason == reason
        assert message in str(caught.value)
        assert await fetch(connection) == b"well"


TINY = Limits(max_header_bytes=200, max_body_bytes=1000, max_error_body_bytes=100)

TOO_LARGE = [
    ("one huge header", send(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 300), "headers of more than 200 bytes"),
    ("a status line without end", send(b"HTTP/1.1 200 " + b"x" * 300), "headers of more than 200 bytes"),
    ("many headers in one piece", send(answer(headers=["A: b"] * 50)), "headers of more than 200 bytes"),
    (
        "interim answers without end",
        send(b"HTTP/1.1 100 Go\r\nA: bcdefghijkl\r\n\r\n" * 50),
        "headers of more than 200",
    ),
    ("many trailers", send(CHUNKED + b"0\r\n" + b"A: b\r\n" * 50 + b"\r\n"), "headers of more than 200 bytes"),
    ("an announced body", send(answer(b"", length=1001)), "body of more than 1000 bytes"),
    ("an announced body beyond all numbers", send(answer(b"", length=2**63)), "body of more than 1000 bytes"),
    ("a chunked body", send(CHUNKED + b"400\r\n" + b"x" * 1024), "body of more than 1000 bytes"),
    ("a body without end", send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001), "body of more than 1000 bytes"),
    ("chunk extensions without end", send(CHUNKED + b"1;" + b"x" * 3000), "answer of more than 2200 bytes"),
]


@pytest.mark.parametrize(("step", "message"), [row[1:] for row in TOO_LARGE], ids=[row[0] for row in TOO_LARGE])
async def test_a_limit_stops(step: Step, message: str, connect: MakeConnection) -> None:
    async with ScriptedServer(step, send(answer(b"well"))) as server:
        connection = connect(server.port, limits=TINY)
        with pytest.raises(ScrapeError) as caught:
            await fetch(connection)
        assert caught.value.reason == "too_large"
        assert message in str(caught.value)
        assert await fetch(connection) == b"well"
        assert server.connections == 2


async def test_what_is_exactly_at_the_limit_passes(connect: MakeConnection) -> None:
    async with ScriptedServer(
        send(answer(b"x" * 1000)), send(CHUNKED + b"3e8\r\n%b\r\n0\r\n\r\n" % (b"y" * 1000))
    ) as server:
        connection = connect(server.port, limits=TINY)
        assert await fetch(connection) == b"x" * 1000
        assert await fetch(connection) == b"y" * 1000


@pytest.mark.parametrize(("size", "connections"), [(100, 1), (101, 2)])
async def test_an_error_with_a_short_body_keeps_the_connection(
    size: int, connections: int, connect: MakeConnection
) -> None:
    async with ScriptedServer(send(answer(b"x" * size, status="500 Oops")), send(answer())) as server:
        connection = connect(server.port, limits=TINY)
        with pytest.raises(ScrapeError, match="got status 500, want 200: xxx"):
            await fetch(connection)
        await fetch(connection)
        assert server.connections == connections


async def test_a_kept_connection_that_was_closed_is_opened_again(connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer(b"1")), send_and_close(), send(answer(b"2"))) as server:
        connection = connect(server.port)
        assert await fetch(connection) == b"1"
        # The server closes on the second request, as if both had crossed: asked again on a new one.
        assert await fetch(connection) == b"2"
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_kept_connection_that_was_reset_is_opened_again(connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer(b"1")), send_and_reset(), send(answer(b"2"))) as server:
        connection = connect(server.port)
        assert await fetch(connection) == b"1"
        assert await fetch(connection) == b"2"


async def test_a_connection_is_opened_again_only_once(connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer(b"1")), send_and_close(), send_and_close()) as server:
        connection = connect(server.port)
        await fetch(connection)
        with pytest.raises(ScrapeError) as caught:
            await fetch(connection)
        assert caught.value.reason == "closed"
        assert len(server.requests) == 3


async def test_an_answer_that_has_begun_is_not_asked_for_again(connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer(b"1")), send_and_close(b"HTTP/1.1 2")) as server:
        connection = connect(server.port)
        await fetch(connection)
        with pytest.raises(ScrapeError, match="after 10 bytes"):
            await fetch(connection)
        assert len(server.requests) == 2


async def test_a_connection_that_the_server_gives_up_is_not_used_again(connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer(b"1", headers=["Connection: close"])), send(answer(b"2"))) as server:
        connection = connect(server.port)
        assert await fetch(connection) == b"1"
        assert await fetch(connection) == b"2"
        assert server.connections == 2


async def test_more_than_was_asked_for_ends_the_connection_but_not_the_answer(connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer(b"1") + answer(b"evil")), send(answer(b"2"))) as server:
        connection = connect(server.port)
        assert await fetch(connection) == b"1"
        assert await fetch(connection) == b"2"
        assert server.connections == 2


async def test_what_comes_while_nothing_was_asked_ends_the_connection(connect: MakeConnection) -> None:
    farewell = asyncio.Event()

    async def answer_and_time_out(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"1"))
        await farewell.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    async with ScriptedServer(answer_and_time_out, send(answer(b"2"))) as server:
        connection = connect(server.port)
        assert await fetch(connection) == b"1"
        farewell.set()
        await server.closed.wait()
        assert await fetch(connection) == b"2"
        assert server.connections == 2


async def test_a_refused_connection(connect: MakeConnection) -> None:
    async with ScriptedServer() as server:
        port = server.port
    with pytest.raises(ScrapeError) as caught:
        await fetch(connect(port))
    assert caught.value.reason == "refused"


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A listener that accepts nothing, its backlog full: connecting to it hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
        for filler in fillers:
            filler.close()


async def test_a_connection_that_hangs_times_out(deaf_port: int, connect: MakeConnection) -> None:
    with pytest.raises(ScrapeError, match=r"got no connection within 0\.02 s") as caught:
        await fetch(connect(deaf_port, limits=Limits(connect_seconds=0.02, **QUICK)))
    assert caught.value.reason == "timeout"


async def hang(writer: asyncio.StreamWriter) -> None:
    """Takes the request and says nothing; the connection's end wakes the server, not this."""


#: Limits that strike at once strike good answers too, where the machine is slow: so often is asked again.
PATIENCE = 200


async def fetch_patiently(connection: Connection) -> bytes:
    for _ in range(PATIENCE - 1):
        try:
            return await fetch(connection)
        except ScrapeError as error:
            if error.reason != "timeout":
                raise
    return await fetch(connection)


TIMEOUTS = [
    ("before the headers", hang, {"first_byte_seconds": 0.02}, "got no answer within 0.02 s"),
    ("within the headers", send(b"HTTP/1.1 2"), {"total_seconds": 0.03}, "got 10 bytes and no end within 0.03 s"),
    ("within the body", send(answer(b"a", length=2)), {"total_seconds": 0.03}, "and no end within 0.03 s"),
]


@pytest.mark.parametrize(("step", "limits", "message"), [row[1:] for row in TIMEOUTS], ids=[row[0] for row in TIMEOUTS])
async def test_a_hang(step: Step, limits: dict[str, Any], message: str, connect: MakeConnection) -> None:
    async with ScriptedServer(step, *[send(answer(b"well"))] * PATIENCE) as server:
        connection = connect(server.port, limits=Limits(**limits, **QUICK))
        with pytest.raises(ScrapeError) as caught:
            await fetch(connection)
        assert caught.value.reason == "timeout"
        assert message in str(caught.value)
        # The half answer must not be taken for the next one's.
        assert await fetch_patiently(connection) == b"well"


async def test_a_trickle_does_not_reset_the_total_time_out(connect: MakeConnection) -> None:
    sent: list[int] = []
    stop = asyncio.Event()
    async with ScriptedServer(trickle(answer(b"x" * 10_000_000), sent, stop)) as server:
        connection = connect(server.port, limits=Limits(first_byte_seconds=0.04, total_seconds=0.05, **QUICK))
        with pytest.raises(ScrapeError, match=r"no end within 0\.05 s"):
            await fetch(connection)
        stop.set()
        assert len(sent) > 10


async def test_closing_fails_the_request_in_flight(connect: MakeConnection) -> None:
    async with ScriptedServer(hang) as server:
        connection = connect(server.port)
        pending = asyncio.ensure_future(fetch(connection))
        await server.asked.wait()
        connection.close()
        with pytest.raises(ScrapeError) as caught:
            await pending
        assert caught.value.reason == "removed"


async def test_closing_while_connecting_leaves_nothing_open(connect: MakeConnection) -> None:
    async with ScriptedServer() as server:
        connection = connect(server.port)
        pending = asyncio.ensure_future(fetch(connection))
        await asyncio.sleep(0)
        connection.close()
        with pytest.raises(ScrapeError, match="not a target any more"):
            await pending
        assert server.requests == []


async def test_two_requests_at_a_time_are_a_bug(connect: MakeConnection) -> None:
    async with ScriptedServer(hang) as server:
        connection = connect(server.port)
        pending = asyncio.ensure_future(fetch(connection))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="BUG: two requests"):
            await fetch(connection)
        connection.close()
        with pytest.raises(ScrapeError):
            await pending


async def test_an_ipv6_address(connect: MakeConnection) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"NO IPV6: this machine has no ::1 ({error})")
    async with ScriptedServer(send(answer(b"six")), host="::1") as server:
        assert await fetch(connect(server.port, ip="::1")) == b"six"
