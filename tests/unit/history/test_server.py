"""The HTTP side of a store: lines as they come, limits, and texts that show no secret."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from heapfast.history import server as server_module
from heapfast.history.server import ServerFailure, StoreServer, parse_retry_after, readable
from tests.unit.sinks.peer import Peer

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Mon, 30 Nov 2026 12:01:00 GMT", 60.0),
        ("Mon, 30 Nov 2026 11:59:00 GMT", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds


def test_what_a_body_says_fits_on_one_line() -> None:
    assert readable(b"  two\r\nlines\x1b[31m\x00 ") == "two lines [31m"
    assert readable(b"\xff\xfe") == "\ufffd\ufffd"
    assert len(readable(b"x" * 10_000)) == 303


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer() as peer:
        yield peer


@pytest.fixture
async def server(peer: Peer) -> AsyncIterator[StoreServer]:
    server = StoreServer(f"http://127.0.0.1:{peer.port}", user="u", password="p")
    yield server
    await server.close()


@pytest.mark.parametrize(
    ("body", "lines"),
    [(b"", []), (b"a", [b"a"]), (b"a\nb\n", [b"a", b"b"]), (b"\n\na\n\nb", [b"a", b"b"])],
)
async def test_lines_come_without_their_ends(peer: Peer, server: StoreServer, body: bytes, lines: list[bytes]) -> None:
    peer.answers = [(200, body)]
    assert [line async for line in server.iter_lines("POST", "/q", body=[("a", "b")], timeout_seconds=5)] == lines


async def test_an_answer_has_a_limit(peer: Peer, server: StoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_BODY_BYTES", 100)
    peer.answers = [(200, b"x" * 101)]
    with pytest.raises(ServerFailure) as failure:
        await server.request("GET", "/", timeout_seconds=5)
    assert failure.value.reason == "too_large"
    with pytest.raises(ServerFailure) as failure:
        async for _ in server.iter_lines("GET", "/", body=None, timeout_seconds=5):
            pass
    assert failure.value.reason == "too_large"


async def test_what_uses_https_as_http_is_told_from_what_is_away(peer: Peer) -> None:
    server = StoreServer(f"https://127.0.0.1:{peer.port}")
    with pytest.raises(ServerFailure) as failure:
        await server.request("GET", "/", timeout_seconds=5)
    assert failure.value.reason == "tls"
    await server.close()


@pytest.mark.parametrize(("status", "is_passing"), [(500, True), (503, True), (429, True), (400, False), (302, False)])
async def test_a_failure_says_whether_it_may_pass(
    peer: Peer, server: StoreServer, status: int, is_passing: bool
) -> None:
    peer.answers = [(status, b"because")]
    with pytest.raises(ServerFailure, match="because") as failure:
        await server.request("GET", "/", timeout_seconds=5)
    assert (failure.value.status, failure.value.is_passing) == (status, is_passing)
    assert failure.value.body == b"because"
