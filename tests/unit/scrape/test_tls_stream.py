"""The kubelet client over TLS, and where the token goes."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from heapfast.errors import ScrapeError
from heapfast.sim.certificates import Authority
from heapfast.tls import client_context, load_pair, server_context
from tests.unit.scrape.conftest import HEAD, MakeConnection, fetch
from tests.unit.scrape.scripted_server import ScriptedServer, answer, reset, send, send_and_close, send_and_reset

LONG = bytes(range(256)) * 4096


class Files:
    """PEM files of one authority: a server's for its addresses, and a client's."""

    def __init__(self, directory: Path, hosts: list[str]) -> None:
        authority = Authority("test-ca")
        self.ca = authority.pem.decode()
        self.ca_file = directory / "ca.crt"
        self.ca_file.write_bytes(authority.pem)
        self.server = self._pair(directory / "server", authority.sign_server("node-1", hosts))
        self.client = self._pair(directory / "client", authority.sign_client("heapfast"))

    def _pair(self, path: Path, pems: tuple[bytes, bytes]) -> tuple[Path, Path]:
        pair = path.with_suffix(".crt"), path.with_suffix(".key")
        for file, pem in zip(pair, pems, strict=True):
            file.write_bytes(pem)
        return pair

    def server_context(self, *, with_client_ca: bool = False) -> ssl.SSLContext:
        cert, key = self.server
        return server_context(cert_file=cert, key_file=key, client_ca_file=self.ca_file if with_client_ca else None)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"), ["127.0.0.1"])


@pytest.fixture(scope="module")
def other_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Another authority's; its server is known by a name and not by an address."""
    return Files(tmp_path_factory.mktemp("other"), ["node-1"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_answers_of_every_length_come_through(
    version: ssl.TLSVersion, files: Files, connect: MakeConnection
) -> None:
    context = files.server_context()
    context.minimum_version = context.maximum_version = version
    bodies = [b"", b"{}", b"x" * 16384, b"y" * 16385, LONG]
    async with ScriptedServer(*[send(answer(body)) for body in bodies], tls=context) as server:
        connection = connect(server.port, tls=client_context(ca_pem=files.ca))
        assert [await fetch(connection) for _ in bodies] == bodies
        assert server.connections == 1
        assert server.requests == [HEAD + b"\r\n"] * len(bodies)


async def test_a_kept_connection_that_was_closed_is_opened_again(files: Files, connect: MakeConnection) -> None:
    steps = [send(answer(b"1")), send_and_close(), send(answer(b"2"))]
    async with ScriptedServer(*steps, tls=files.server_context()) as server:
        connection = connect(server.port, tls=client_context(ca_pem=files.ca))
        assert await fetch(connection) == b"1"
        assert await fetch(connection) == b"2"
        assert server.connections == 2


async def test_a_kept_connection_that_was_reset_is_opened_again(files: Files, connect: MakeConnection) -> None:
    steps = [send(answer(b"1")), reset(), send(answer(b"2"))]
    async with ScriptedServer(*steps, tls=files.server_context()) as server:
        connection = connect(server.port, tls=client_context(ca_pem=files.ca))
        assert await fetch(connection) == b"1"
        assert await fetch(connection) == b"2"
        assert server.connections == 2


async def test_the_end_of_the_connection_ends_a_body_only_with_a_closing_alert(
    files: Files, connect: MakeConnection
) -> None:
    open_ended = b"HTTP/1.1 200 OK\r\n\r\nabc"
    steps = [send_and_close(open_ended), send_and_reset(open_ended)]
    async with ScriptedServer(*steps, tls=files.server_context()) as server:
        connection = connect(server.port, tls=client_context(ca_pem=files.ca))
        assert await fetch(connection) == b"abc"
        with pytest.raises(ScrapeError) as caught:
            await fetch(connection)
        assert caught.value.reason == "closed"


async def test_an_unknown_authority_is_refused(files: Files, other_files: Files, connect: MakeConnection) -> None:
    async with ScriptedServer(tls=files.server_context()) as server:
        with pytest.raises(ScrapeError, match="certificate is not to be trusted") as caught:
            await fetch(connect(server.port, tls=client_context(ca_pem=other_files.ca)))
        assert caught.value.reason == "tls"
        assert server.requests == []


async def test_a_certificate_must_name_the_address(other_files: Files, connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer()), tls=other_files.server_context()) as server:
        with pytest.raises(ScrapeError, match="IP address mismatch"):
            await fetch(connect(server.port, tls=client_context(ca_pem=other_files.ca)))
        await fetch(connect(server.port, tls=client_context(ca_pem=other_files.ca, insecure=True)))


async def test_a_client_certificate_is_shown(files: Files, connect: MakeConnection) -> None:
    context = files.server_context(with_client_ca=True)
    context.verify_mode = ssl.CERT_REQUIRED
    cert, key = files.client
    async with ScriptedServer(send(answer(b"known")), tls=context) as server:
        with pytest.raises(ScrapeError) as caught:
            await fetch(connect(server.port, tls=client_context(ca_pem=files.ca)))
        # A server may say why in an alert or just hang up; this one does the latter.
        assert caught.value.reason in ("tls", "closed")
        assert server.requests == []
        shown = client_context(ca_pem=files.ca)
        load_pair(shown, cert, key)
        assert await fetch(connect(server.port, tls=shown)) == b"known"


async def test_a_client_certificate_is_requested_and_not_required(files: Files, connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer()), tls=files.server_context(with_client_ca=True)) as server:
        assert await fetch(connect(server.port, tls=client_context(ca_pem=files.ca))) == b"{}"


async def test_a_server_without_tls_is_a_tls_fault(files: Files, connect: MakeConnection) -> None:
    def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", status="400 Bad Request"))
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ScrapeError, match="the TLS connection failed") as caught:
        await fetch(connect(port, tls=client_context(ca_pem=files.ca)))
    assert caught.value.reason == "tls"
    server.close()
    await server.wait_closed()


TOKEN_LINE = b"Authorization: Bearer secret\r\n"


async def test_the_token_goes_over_tls(files: Files, connect: MakeConnection) -> None:
    async with ScriptedServer(send(answer()), tls=files.server_context()) as server:
        await fetch(connect(server.port, tls=client_context(ca_pem=files.ca), token=lambda: "secret\n"))
        assert server.requests == [HEAD + TOKEN_LINE + b"\r\n"]


async def test_the_token_never_goes_over_http_unless_told_to(connect: MakeConnection) -> None:
    def token() -> str:
        return "secret"

    async with ScriptedServer(send(answer()), send(answer())) as server:
        await fetch(connect(server.port, token=token))
        await fetch(connect(server.port, token=token, send_token_over_http=True))
        assert [TOKEN_LINE in request for request in server.requests] == [False, True]


async def test_the_token_is_read_anew_for_each_request(connect: MakeConnection) -> None:
    tokens = iter(["old", "old", "new", None])
    async with ScriptedServer(*[send(answer())] * 4) as server:
        connection = connect(server.port, token=lambda: next(tokens), send_token_over_http=True)
        for _ in range(4):
            await fetch(connection)
        shown = [request.partition(b"Bearer ")[2].partition(b"\r\n")[0] for request in server.requests]
        assert shown == [b"old", b"old", b"new", b""]


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a b", "a\x7f", "schlüssel"])
async def test_a_token_that_is_no_token_is_not_sent(token: str, connect: MakeConnection) -> None:
    async with ScriptedServer() as server:
        connection = connect(server.port, token=lambda: token, send_token_over_http=True)
        with pytest.raises(ScrapeError, match="holds other than printable ASCII") as caught:
            await fetch(connection)
        assert caught.value.reason == "token"
        assert token not in str(caught.value)
        assert server.connections == 0


async def test_a_token_that_cannot_be_read_fails_the_scrape(connect: MakeConnection) -> None:
    def token() -> str:
        raise FileNotFoundError(2, "No such file or directory", "token")

    async with ScriptedServer() as server:
        with pytest.raises(ScrapeError, match="cannot be read"):
            await fetch(connect(server.port, token=token, send_token_over_http=True))
