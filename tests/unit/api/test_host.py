"""The host over real sockets: limits, TLS with client certificates, and stopping."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from heapfast.api import host as host_module
from heapfast.api.host import Host
from heapfast.api.protocol import Limits
from heapfast.auth.client_cert import ClientRule
from heapfast.clock import Clock
from tests.unit.api.cluster import Cluster

App = Callable[..., Coroutine[Any, Any, None]]
HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"


@asynccontextmanager
async def hosted(app: Any, limits: Limits | None = None, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    host = Host(app, limits=limits, ssl_context=context)
    await host.start([listening])
    try:
        yield listening.getsockname()[1]
    finally:
        await host.stop()
        await host.stop()


async def talk(port: int, request: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(request)
        return await reader.read(-1)
    finally:
        writer.close()


def get(path: str) -> bytes:
    return b"GET " + path.encode() + HEAD + b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


async def test_serves_what_the_app_answers(cluster: Cluster) -> None:
    async with hosted(cluster.app) as port:
        head, _, body = (await talk(port, get("/api/v1/model/nodes/"))).partition(b"\r\n\r\n")
    assert body == b'[\n  "node-1"\n ]'
    lines = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert lines == {b"date", b"content-type", b"content-length", b"connection"}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 5000 + HEAD + b"\r\n", b"414"),
        (b"GET /" + b"a" * 5000, b"414"),
        (b"GET /a" + HEAD + b"X: " + b"b" * 5000 + b"\r\n\r\n", b"431"),
        (b"GET /a" + HEAD + b"X: b\r\n" * 1000, b"431"),
        (b"GET /\xff" + HEAD + b"\r\n", b"400"),
        (b"GET /nope?\xff" + HEAD + b"\r\n", b"400"),
        (b"GET /api/v1/model/%" + HEAD + b"Connection: close\r\n\r\n", b"400"),
        (b"GET /nope HTTP/9.9\r\n\r\n", b"400"),
        (b"FOO /nope" + HEAD + b"\r\n", b"400"),
        (b"\x16\x03\x01\x00\r\n\r\n", b"400"),
    ],
    ids=["line", "open line", "header", "headers", "raw path", "raw query", "escape", "version", "method", "tls"],
)
async def test_refuses_heads_that_make_no_sense(cluster: Cluster, request_bytes: bytes, status: bytes) -> None:
    async with hosted(cluster.app, Limits(head_bytes=4096)) as port:
        answer = await talk(port, request_bytes)
        assert answer.split(b" ")[1] == status
        assert (await talk(port, get("/livez"))).endswith(b"ok")


async def test_a_body_does_not_count_as_head(cluster: Cluster) -> None:
    request = b"POST /livez" + HEAD + b"Content-Length: 9000\r\nConnection: close\r\n\r\n" + b"x" * 9000
    async with hosted(cluster.app, Limits(head_bytes=4096)) as port:
        assert (await talk(port, request)).endswith(b"ok")


@pytest.mark.parametrize(
    "request_bytes",
    [b"", b"GET /liv", b"POST /livez" + HEAD + b"Content-Length: 5\r\n\r\n"],
    ids=["silent", "cut", "no body"],
)
async def test_cuts_clients_that_do_not_finish_asking(cluster: Cluster, request_bytes: bytes) -> None:
    async with hosted(cluster.app, Limits(request_seconds=0.05)) as port:
        with suppress(ConnectionResetError):
            assert await talk(port, request_bytes) == b""


async def test_cuts_clients_that_do_not_read() -> None:
    is_cut = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        disconnected = asyncio.create_task(_disconnect(receive))
        while not disconnected.done():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)
        is_cut.set()

    async with hosted(endless, Limits(stall_seconds=0.05)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(get("/"))
        await asyncio.wait_for(is_cut.wait(), 10)
        writer.close()


async def _disconnect(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def test_connections_are_bounded(cluster: Cluster) -> None:
    async with hosted(cluster.app, Limits(connections=2)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        # The server has seen the last of them once it has cut the one too many.
        assert await talk(port, b"") == b""
        for _, writer in held[:-1]:
            writer.close()
        reader, writer = held[-1]
        while True:
            writer.write(b"GET /livez" + HEAD + b"\r\n")
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.split(b" ")[1] in (b"200", b"503")
            length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            if b"200" in answer.splitlines()[0]:
                break
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()


async def test_stopping_lets_an_answer_finish() -> None:
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        is_asked.set()
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    listening = socket.create_server(("127.0.0.1", 0))
    host = Host(slow)
    await host.start([listening])
    answer = asyncio.create_task(talk(listening.getsockname()[1], get("/")))
    await is_asked.wait()
    stopping = asyncio.create_task(host.stop())
    may_answer.set()
    assert (await answer).endswith(b"done")
    await stopping


async def test_stopping_does_not_wait_for_the_next_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "DATE_SECONDS", 3600)
    async with hosted(answer_nothing) as port:
        assert await talk(port, get("/"))


async def test_answers_carry_the_date_of_their_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "DATE_SECONDS", 0)
    seconds = 0.0
    monkeypatch.setattr(uvicorn.server, "time", SimpleNamespace(time=lambda: seconds))
    async with hosted(answer_nothing) as port:
        assert b"\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n" in await talk(port, get("/"))
        seconds = 86400.0
        while b"\r\ndate: Fri, 02 Jan 1970 00:00:00 GMT\r\n" not in await talk(port, get("/")):
            await asyncio.sleep(0)


async def answer_nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


# -- TLS -----------------------------------------------------------------------------------------


class Authority:
    """Issues certificates for a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.path = folder / "ca.pem"
        certificate = self._build(self._name, self._key.public_key(), is_authority=True)
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def _build(self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if not is_authority:
            purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, common_name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        certificate = self._build(name, key.public_key(), is_authority=False)
        paths = self._folder / f"{common_name}.pem", self._folder / f"{common_name}.key"
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths


@pytest.mark.parametrize(
    ("user", "status"), [(None, b"401"), ("mallory", b"403"), ("bob", b"200")], ids=["none", "not on the list", "known"]
)
async def test_client_certificates_reach_the_rule(tmp_path: Path, user: str | None, status: bytes) -> None:
    authority = Authority(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.issue("localhost"))
    server.load_verify_locations(authority.path)
    server.verify_mode = ssl.CERT_OPTIONAL
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(authority.path)
    client.check_hostname = False
    if user is not None:
        client.load_cert_chain(*authority.issue(user))
    cluster = Cluster({"client_rule": ClientRule(frozenset(("bob",))), "clock": Clock()})
    async with hosted(cluster.app, context=server) as port:
        assert (await talk(port, get("/api/v1/model/nodes/"), client)).split(b" ")[1] == status
        assert (await talk(port, get("/livez"), client)).endswith(b"ok")
