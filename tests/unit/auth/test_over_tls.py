"""All parts together: clients that shake hands, the chain, and an API server on loopback that reviews."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from heapfast.auth.access_review import AccessReviewer
from heapfast.auth.attributes import AttributeReader
from heapfast.auth.chain import Asked, AuthChain
from heapfast.auth.config_map import ConfigMapFollower
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.refusals import Forbidden, Unauthenticated, Undecided
from heapfast.auth.token_review import TokenReviewer
from heapfast.auth.trust import Trust
from heapfast.clock import ManualClock
from heapfast.kube.access import ApiAccess
from heapfast.kube.auth_config import AuthConfig, fetch_auth_config
from heapfast.kube.client import KubeClient
from heapfast.kube.reviews import Reviews
from heapfast.self_signed import make_pair
from heapfast.serving import Pair, ServingContext
from tests.unit.auth import certificates
from tests.unit.auth.chains import CONFIG_MAP, PARSERS

PODS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"


class ApiServer:
    """Has the config map, knows the token "good", and lets alice and the token's bearer do everything.

    Attributes:
        is_away: every answer is a fault.
    """

    def __init__(self) -> None:
        self.is_away = False
        self.posts: list[str] = []
        self._runner = web.ServerRunner(web.Server(self._handle))

    async def start(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.is_away:
            return web.json_response({"kind": "Status", "message": "away"}, status=503)
        if request.method == "GET":
            name = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
            return web.json_response({"metadata": name, "data": CONFIG_MAP})
        self.posts.append(request.path.rpartition("/")[2])
        spec = msgspec.json.decode(await request.read())["spec"]
        status: dict[str, Any]
        if "token" in spec:
            status = {"authenticated": spec["token"] == "good", "user": {"username": "bearer"}}
        else:
            status = {"allowed": spec["user"] in ("cert-alice", "bearer", "alice")}
        return web.json_response({"status": status}, status=201)


class Daemon:
    """A chain behind TLS: it answers each line, which is a request with its headers, with a name or a status."""

    def __init__(self, url: str, folder: Path) -> None:
        cert, key = make_pair(certificates.NOW)
        (folder / "tls.crt").write_bytes(cert)
        (folder / "tls.key").write_bytes(key)
        self.serving = ServingContext(Pair(folder / "tls.crt", folder / "tls.key"))
        self.client = KubeClient(ApiAccess(server=url))
        clock, monitoring = ManualClock(certificates.NOW_NS), AuthMonitoring(CollectorRegistry())
        reviews = Reviews(self.client, sleep=self._sleep)
        trust = Trust(self.serving.trust)
        self.follower = ConfigMapFollower(trust, monitoring)
        self.auth = AuthChain(
            trust,
            TokenReviewer(reviews.review_token, monitoring=monitoring, clock=clock),
            AccessReviewer(reviews.review_access, monitoring=monitoring, clock=clock),
            AttributeReader(PARSERS),
            allows_anonymous=False,
            clock=clock,
            monitoring=monitoring,
        )
        self._folder = folder

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        chain = [ssl.DER_cert_to_PEM_cert(der)] if der else []
        try:
            while line := await reader.readline():
                headers = [(name.encode(), value.encode()) for name, value in msgspec.json.decode(line)]
                writer.write(f"{await self._decide(Asked('GET', PODS, b'', headers, chain))}\n".encode())
        finally:
            writer.close()

    async def _decide(self, asked: Asked) -> str:
        try:
            return (await self.auth.admit(asked)).user.name
        except Unauthenticated:
            return "401"
        except Forbidden:
            return "403"
        except Undecided:
            return "500"


class Connection:
    """One client's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, *headers: tuple[str, str]) -> str:
        """The answer to one request; "" when the connection was closed instead."""
        self._writer.write(msgspec.json.encode(headers) + b"\n")
        try:
            return (await self._reader.readline()).decode().strip()
        except (ssl.SSLError, ConnectionError):
            return ""

    def close(self) -> None:
        self._writer.close()


class Cluster:
    """API server, daemon, and a way to connect as one of the recordings' clients."""

    def __init__(self, api: ApiServer, daemon: Daemon, port: int, folder: Path) -> None:
        self.api = api
        self.daemon = daemon
        self._port = port
        self._folder = folder
        self._open: list[Connection] = []

    async def connect(self, known_as: str | None = None) -> Connection:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if known_as:
            pair = self._folder / f"{known_as}.pem"
            pair.write_text(certificates.client(known_as) + certificates.client_key_pem())
            context.load_cert_chain(pair)
        connection = Connection(*await asyncio.open_connection("127.0.0.1", self._port, ssl=context))
        self._open.append(connection)
        return connection

    async def ask(self, known_as: str | None, *headers: tuple[str, str]) -> str:
        return await (await self.connect(known_as)).ask(*headers)

    def close(self) -> None:
        for connection in self._open:
            connection.close()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Cluster]:
    api = ApiServer()
    daemon = Daemon(await api.start(), folder)
    try:
        await daemon.follower.load(lambda: fetch_auth_config(daemon.client), tolerates_failure=False)
        server = await asyncio.start_server(daemon.handle, "127.0.0.1", 0, ssl=daemon.serving.context)
        async with server:
            cluster = Cluster(api, daemon, server.sockets[0].getsockname()[1], folder)
            try:
                yield cluster
            finally:
                cluster.close()
    finally:
        await daemon.auth.close()
        await daemon.client.close()
        await api.stop()


ALICE = ("x-remote-user", "alice")
BOB = ("x-remote-user", "bob")
GOOD = ("authorization", "Bearer good")
BAD = ("authorization", "Bearer bad")

#: "" is a connection that the handshake ends: the ssl module knows no way to let a stranger's certificate by.
CLIENTS = [
    ("the front proxy for alice", "front-proxy", (ALICE,), "alice"),
    ("the front proxy for bob", "front-proxy", (BOB,), "403"),
    ("the front proxy for nobody", "front-proxy", (), "401"),
    ("another name of its authority", "front-proxy-other-name", (ALICE,), "401"),
    ("an expired front proxy", "front-proxy-expired", (ALICE,), "401"),
    ("an expired front proxy with a good token", "front-proxy-expired", (ALICE, GOOD), "bearer"),
    ("a foreign front proxy", "front-proxy-foreign", (ALICE,), ""),
    ("a front proxy for servers", "front-proxy-server-use", (ALICE,), ""),
    ("a client", "client-alice", (), "cert-alice"),
    ("a client as the front proxy", "client-nogroup", (ALICE,), "403"),
    ("an expired client", "client-expired", (), "401"),
    ("a client of the future", "client-future", (), "401"),
    ("a foreign client", "client-foreign", (), ""),
    ("a forger", None, (ALICE,), "401"),
    ("a bearer", None, (GOOD,), "bearer"),
    ("a bad bearer", None, (BAD,), "401"),
    ("nobody", None, (), "401"),
]


@pytest.mark.parametrize(
    ("known_as", "headers", "answer"), [row[1:] for row in CLIENTS], ids=[row[0] for row in CLIENTS]
)
async def test_who_is_let_in(
    tmp_path: Path, known_as: str | None, headers: tuple[tuple[str, str], ...], answer: str
) -> None:
    async with running(tmp_path) as cluster:
        assert await cluster.ask(known_as, *headers) == answer


async def test_reviews_are_asked_once_for_many_connections(tmp_path: Path) -> None:
    async with running(tmp_path) as cluster:
        answers = await asyncio.gather(*[cluster.ask(None, GOOD) for _ in range(8)])
        assert answers == ["bearer"] * 8
        assert sorted(cluster.api.posts) == ["subjectaccessreviews", "tokenreviews"]


async def test_an_api_server_that_is_away_lets_nobody_in(tmp_path: Path) -> None:
    async with running(tmp_path) as cluster:
        cluster.api.is_away = True
        assert await cluster.ask("client-alice") == "500"
        assert await cluster.ask(None, GOOD) == "401"
        assert await cluster.ask("client-admin") == "cert-admin"
        cluster.api.is_away = False
        assert await cluster.ask("client-alice") == "cert-alice"
        assert await cluster.ask(None, GOOD) == "bearer"


async def test_a_new_authority_counts_without_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as cluster:
        old = await cluster.connect("front-proxy")
        assert await old.ask(ALICE) == "alice"
        assert await cluster.ask("front-proxy-ca2", ALICE) == ""
        changed = CONFIG_MAP | {"requestheader-client-ca-file": certificates.authority("front-proxy-ca-2").pem}
        cluster.daemon.follower.upsert(AuthConfig(namespace="kube-system", name="n", data=changed))
        assert await old.ask(ALICE) == "401"
        assert await cluster.ask("front-proxy", ALICE) == ""
        assert await cluster.ask("front-proxy-ca2", ALICE) == "alice"
        assert await cluster.ask("client-alice") == "cert-alice"
