"""Handshakes while certificates and authorities change."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from heapfast.errors import ConfigError
from heapfast.serving import Pair, ServingContext
from heapfast.sim.certificates import Authority
from tests.unit.auth import certificates

SERVERS = Authority("servers")
CLIENTS = {name: Authority(name) for name in ("red", "blue")}


class Files(NamedTuple):
    """A folder with a serving pair, and pairs of clients beside it."""

    folder: Path

    @property
    def cert(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        return self.folder / "tls.key"

    def write_server(self, name: str) -> None:
        cert, key = SERVERS.sign_server(name, ["127.0.0.1"])
        self.cert.write_bytes(cert)
        self.key.write_bytes(key)

    def server(self, name: str) -> tuple[Path, Path]:
        """A pair of its own."""
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        for path, content in zip(paths, SERVERS.sign_server(name, [name]), strict=True):
            path.write_bytes(content)
        return paths

    def client(self, issuer: str | None) -> tuple[Path, Path] | None:
        if issuer is None:
            return None
        paths = self.folder / f"{issuer}.crt", self.folder / f"{issuer}.key"
        for path, content in zip(paths, CLIENTS[issuer].sign_client(f"client-of-{issuer}"), strict=True):
            path.write_bytes(content)
        return paths


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.write_server("first")
    return files


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return ssl.TLSVersion[request.param]


async def echo_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tell a client by which name the handshake knows it."""
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    name = "nobody"
    if der:
        subject = x509.load_der_x509_certificate(der).subject
        name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    writer.write(f"{name}\n".encode())
    writer.close()


@asynccontextmanager
async def served(serving: ServingContext) -> AsyncIterator[int]:
    server = await asyncio.start_server(echo_peer, "127.0.0.1", 0, ssl=serving.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def connect(
    port: int, version: ssl.TLSVersion, pair: tuple[Path, Path] | None = None, asked: str | None = None
) -> tuple[str, str] | None:
    """Names of server and client as the other side sees them; None when the handshake fails.

    Args:
        asked: the name that the client asks for; None for none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=SERVERS.pem.decode())
    context.minimum_version = context.maximum_version = version
    if pair:
        context.load_cert_chain(*pair)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=asked)
    except (ssl.SSLError, ConnectionError):
        return None
    subject = dict(pair[0] for pair in writer.get_extra_info("peercert")["subject"])
    try:
        line = await reader.readline()
    except (ssl.SSLError, ConnectionError):
        line = b""
    writer.close()
    # With TLS 1.3 a client learns only now that its certificate was refused.
    return (subject["commonName"], line.decode().strip()) if line else None


async def test_a_new_pair_counts_from_the_next_handshake_on(files: Files, version: ssl.TLSVersion) -> None:
    serving = ServingContext(Pair(files.cert, files.key))
    async with served(serving) as port:
        assert await connect(port, version) == ("first", "nobody")
        files.write_server("second")
        assert await connect(port, version) == ("first", "nobody")
        serving.reload()
        assert await connect(port, version) == ("second", "nobody")


PAIRS = [
    ("a key of another certificate", "tls.key", SERVERS.sign_server("x", [])[1], "does not belong to the certificate"),
    ("a certificate of another key", "tls.crt", SERVERS.sign_server("x", [])[0], "does not belong to the certificate"),
    ("half a certificate", "tls.crt", SERVERS.sign_server("x", [])[0][:200], "want PEM of both"),
    ("an empty key", "tls.key", b"", "want PEM of both"),
    ("no key", "tls.key", None, "No such file"),
]


@pytest.mark.parametrize(("name", "content", "fault"), [row[1:] for row in PAIRS], ids=[row[0] for row in PAIRS])
async def test_a_new_pair_that_will_not_do_leaves_the_old_one(
    files: Files, name: str, content: bytes | None, fault: str
) -> None:
    serving = ServingContext(Pair(files.cert, files.key))
    if content is None:
        (files.folder / name).unlink()
    else:
        (files.folder / name).write_bytes(content)
    async with served(serving) as port:
        for _ in range(2):
            with pytest.raises(ConfigError, match=fault):
                serving.reload()
            assert await connect(port, ssl.TLSVersion.TLSv1_3) == ("first", "nobody")
        files.write_server("second")
        serving.reload()
        assert await connect(port, ssl.TLSVersion.TLSv1_3) == ("second", "nobody")


#: (what, trusted, client's issuer, who the server sees; None: the handshake fails)
CLIENT_CERTIFICATES = [
    ("none is asked for", (), "red", "nobody"),
    ("none is shown", ("red",), None, "nobody"),
    ("of the authority", ("red",), "red", "client-of-red"),
    ("of one of two", ("red", "blue"), "blue", "client-of-blue"),
    ("of another authority", ("red",), "blue", None),
]


@pytest.mark.parametrize(
    ("trusted", "issuer", "seen"), [row[1:] for row in CLIENT_CERTIFICATES], ids=[row[0] for row in CLIENT_CERTIFICATES]
)
async def test_client_certificates(
    files: Files, version: ssl.TLSVersion, trusted: tuple[str, ...], issuer: str | None, seen: str | None
) -> None:
    serving = ServingContext(Pair(files.cert, files.key))
    serving.trust([CLIENTS[name].pem.decode() for name in trusted])
    async with served(serving) as port:
        answer = await connect(port, version, files.client(issuer))
    assert answer == (("first", seen) if seen else None)


async def test_authorities_come_and_go(files: Files, version: ssl.TLSVersion) -> None:
    serving = ServingContext(Pair(files.cert, files.key))
    red, blue = files.client("red"), files.client("blue")
    async with served(serving) as port:
        serving.trust([CLIENTS["red"].pem.decode()])
        assert await connect(port, version, red) == ("first", "client-of-red")
        serving.trust([CLIENTS["blue"].pem.decode()])
        assert await connect(port, version, red) is None
        assert await connect(port, version, blue) == ("first", "client-of-blue")
        files.write_server("second")
        serving.reload()
        assert await connect(port, version, blue) == ("second", "client-of-blue")
        serving.trust([])
        assert await connect(port, version, red) == ("second", "nobody")


@pytest.mark.parametrize("text", ["", "nothing", certificates.authority("foreign-ca").pem[:200]])
def test_an_authority_that_is_none_changes_nothing(files: Files, text: str) -> None:
    serving = ServingContext(Pair(files.cert, files.key))
    serving.trust([CLIENTS["red"].pem.decode()])
    with pytest.raises(ConfigError, match="cannot use a client CA"):
        serving.trust([text])
    assert serving.context.verify_mode == ssl.CERT_OPTIONAL
    serving.reload()


async def test_a_pair_that_will_not_do_keeps_no_authority_out(files: Files, version: ssl.TLSVersion) -> None:
    serving = ServingContext(Pair(files.cert, files.key))
    files.key.unlink()
    serving.trust([CLIENTS["red"].pem.decode()])
    async with served(serving) as port:
        assert await connect(port, version, files.client("red")) == ("first", "client-of-red")


@pytest.mark.parametrize("years", [(2020, 2021), (2098, 2099)], ids=["expired", "not yet valid"])
async def test_time_is_no_matter_of_the_handshake(
    files: Files, version: ssl.TLSVersion, years: tuple[int, int]
) -> None:
    issuer = certificates.Issuer("red")
    cert, key = files.folder / "old.crt", files.folder / "old.key"
    cert.write_text(issuer.sign(certificates.name("old"), certificates.CLIENT, years=years))
    key.write_text(certificates.client_key_pem())
    serving = ServingContext(Pair(files.cert, files.key))
    serving.trust([issuer.pem])
    async with served(serving) as port:
        assert await connect(port, version, (cert, key)) == ("first", "old")


async def test_an_intermediate_may_be_the_authority(files: Files, version: ssl.TLSVersion) -> None:
    middle = certificates.Issuer("middle", certificates.Issuer("root"))
    cert, key = files.folder / "c.crt", files.folder / "c.key"
    cert.write_text(middle.sign(certificates.name("c"), certificates.CLIENT))
    key.write_text(certificates.client_key_pem())
    serving = ServingContext(Pair(files.cert, files.key))
    serving.trust([middle.pem])
    async with served(serving) as port:
        assert await connect(port, version, (cert, key)) == ("first", "c")


def test_a_first_pair_that_will_not_do_is_an_error(files: Files) -> None:
    files.key.unlink()
    with pytest.raises(ConfigError, match="cannot read the key"):
        ServingContext(Pair(files.cert, files.key))


async def test_old_versions_of_tls_are_refused(files: Files) -> None:
    serving = ServingContext(Pair(files.cert, files.key))
    assert serving.context.minimum_version == ssl.TLSVersion.TLSv1_2


#: (what, the name that the client asks for, the name that it is shown)
NAMES = [
    ("stated by a flag", "metrics.example.com", "by-flag"),
    ("in other letters", "Metrics.Example.COM", "by-flag"),
    ("below a star", "a.apps.example.com", "by-flag"),
    ("two levels below a star", "a.b.apps.example.com", "first"),
    ("stated by a certificate", "by-itself", "by-itself"),
    ("of two pairs", "twice.example.com", "by-flag"),
    ("nobody's", "other.example.com", "first"),
    ("none", None, "first"),
]


@pytest.fixture
def named(files: Files) -> ServingContext:
    """With a pair for names of a flag, and one for those that it states itself."""
    by_flag = files.server("by-flag")
    return ServingContext(
        Pair(files.cert, files.key),
        [
            Pair(*by_flag, ("metrics.example.com", "*.apps.example.com", "twice.example.com")),
            Pair(*files.server("by-itself")),
            Pair(*files.server("later"), ("twice.example.com",)),
        ],
    )


@pytest.mark.parametrize(("asked", "shown"), [row[1:] for row in NAMES], ids=[row[0] for row in NAMES])
async def test_a_name_decides_the_certificate(
    files: Files, named: ServingContext, version: ssl.TLSVersion, asked: str | None, shown: str
) -> None:
    named.trust([CLIENTS["red"].pem.decode()])
    async with served(named) as port:
        assert await connect(port, version, files.client("red"), asked) == (shown, "client-of-red")


async def test_every_pair_is_read_anew(files: Files, named: ServingContext) -> None:
    cert, key = files.server("by-flag")
    fresh = files.server("fresh")
    cert.write_bytes(fresh[0].read_bytes())
    key.write_bytes(fresh[1].read_bytes())
    assert {cert, key, files.cert, files.key} < set(named.files)
    named.reload()
    async with served(named) as port:
        assert await connect(port, ssl.TLSVersion.TLSv1_3, None, "metrics.example.com") == ("fresh", "nobody")
