"""The kubelets' listener: nodes by address, keep-alive, credentials, and every fault on the wire."""

import asyncio
import json
import logging
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from heapfast.clock import ManualClock
from heapfast.sim.certificates import ADDRESSES_PER_CERTIFICATE
from heapfast.sim.faults import parse_fault
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions

SUMMARY = b"GET /stats/summary HTTP/1.1\r\nHost: kubelet\r\n\r\n"


def url(sim: SimulatedCluster, node: int, path: str) -> str:
    scheme = "https" if sim.certificates else "http"
    return f"{scheme}://{sim.cluster.hosts[node].address}:{sim.kubelets.port}{path}"


def fault(sim: SimulatedCluster, text: str) -> None:
    sim.faults.set(parse_fault(text), sim.clock.now_ns() // 1_000_000)


class Wire:
    """A plain connection to one kubelet, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> tuple[int, int]:
        """Status and announced length of the next answer."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), int(headers["content-length"])

    async def answer(self) -> tuple[int, bytes]:
        status, length = await self.head()
        return status, await self.reader.readexactly(length)


@pytest.fixture
async def wire(sim: SimulatedCluster) -> AsyncIterator[Wire]:
    """A connection to node 0."""
    reader, writer = await asyncio.open_connection(sim.cluster.hosts[0].address, sim.kubelets.port)
    yield Wire(reader, writer)
    writer.close()
    await writer.wait_closed()


async def test_each_address_is_a_node(sim: SimulatedCluster, client: aiohttp.ClientSession) -> None:
    for index, host in enumerate(sim.cluster.hosts):
        async with client.get(url(sim, index, "/stats/summary")) as response:
            assert response.content_type == "application/json"
            assert (await response.json())["node"]["nodeName"] == host.name


async def test_an_address_without_a_node_is_turned_away(sim: SimulatedCluster, client: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.get(f"http://127.9.9.9:{sim.kubelets.port}/stats/summary")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/stats/summary/", "application/json"),
        ("/stats/summary?only_cpu_and_memory=true", "application/json"),
        ("/stats/container/", "application/json"),
        ("/metrics/resource", "text/plain"),
        ("/metrics/cadvisor", "text/plain"),
        ("/healthz", "text/plain"),
    ],
)
async def test_every_path_answers(
    sim: SimulatedCluster, client: aiohttp.ClientSession, path: str, content_type: str
) -> None:
    async with client.get(url(sim, 1, path)) as response:
        assert (response.status, response.content_type) == (200, content_type)
        assert await response.read()


async def test_stats_are_posted_for_as_heapster_does(sim: SimulatedCluster, client: aiohttp.ClientSession) -> None:
    wanted = {"containerName": "/", "num_stats": 1, "subcontainers": True}
    async with client.post(url(sim, 0, "/stats/container/"), json=wanted) as response:
        assert len(await response.json()) == 1 + 4 + 10 * 3
    async with client.post(url(sim, 0, "/stats/container/"), json={**wanted, "subcontainers": False}) as response:
        assert list(await response.json()) == ["/"]
    async with client.post(url(sim, 0, "/stats/container/"), data=b"{") as response:
        assert response.status == 400


async def test_requests_may_come_in_pieces_and_in_rows(sim: SimulatedCluster, wire: Wire) -> None:
    for at in range(len(SUMMARY)):
        wire.writer.write(SUMMARY[at : at + 1])
        await wire.writer.drain()
    first = await wire.answer()
    wire.writer.write(SUMMARY * 3)
    assert [await wire.answer() for _ in range(3)] == [first] * 3
    assert first[0] == 200
    assert len(sim.kubelets.connections) == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"DELETE /stats/summary HTTP/1.1\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /stats/container/ HTTP/1.1\r\nContent-Length: many\r\n\r\n", 413),
        (b"POST /stats/container/ HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", 413),
        (b"POST /stats/container/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        (b"GET /" + b"x" * 20_000, 431),
    ],
)
async def test_a_bad_request_is_refused(wire: Wire, request_bytes: bytes, status: int) -> None:
    wire.writer.write(request_bytes)
    assert (await wire.answer())[0] == status


async def test_connection_close_is_honoured(wire: Wire) -> None:
    wire.writer.write(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert await wire.answer() == (200, b"ok")
    assert await wire.reader.read() == b""


async def test_answers_follow_the_clock(sim: SimulatedCluster, wire: Wire, clock: ManualClock) -> None:
    seen = []
    for _ in range(2):
        wire.writer.write(SUMMARY)
        node = json.loads((await wire.answer())[1])["node"]
        seen.append(node["cpu"]["usageCoreNanoSeconds"])
        clock.advance(30)
    assert seen[1] - seen[0] == sim.cluster.hosts[0].load.cpu_millicores * 30_000_000_000 // 1000


class Heard(logging.Handler):
    """Waits for a log record."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.event.set()


async def test_a_listener_out_of_descriptors_waits_for_some(sim: SimulatedCluster) -> None:
    heard = Heard()
    logger = logging.getLogger("heapfast.sim.kubelet")
    logger.addHandler(heard)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The kernel completes the connection; nothing is accepted before the loop runs again.
    with socket.create_connection((sim.cluster.hosts[0].address, sim.kubelets.port)) as peer:
        peer.setblocking(False)
        next_free = os.dup(peer.fileno())
        os.close(next_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, hard))
        try:
            async with asyncio.timeout(10):
                await heard.event.wait()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            logger.removeHandler(heard)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(peer, b"GET /healthz HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(10):
            assert (await loop.sock_recv(peer, 15)) == b"HTTP/1.1 200 OK"


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
async def test_a_status_answers_everything(sim: SimulatedCluster, wire: Wire, status: int) -> None:
    fault(sim, f"node-0000={status}")
    wire.writer.write(SUMMARY * 2)
    assert [(await wire.answer())[0], (await wire.answer())[0]] == [status, status]
    sim.faults.clear()
    wire.writer.write(SUMMARY)
    assert (await wire.answer())[0] == 200


async def test_a_hanging_node_never_answers_and_others_do(
    sim: SimulatedCluster, wire: Wire, client: aiohttp.ClientSession
) -> None:
    fault(sim, "node-0000=hang")
    wire.writer.write(SUMMARY)
    async with client.get(url(sim, 1, "/healthz")) as response:
        assert response.status == 200
    assert sim.kubelets.answered["hang"] == 1
    # What comes later on the connection hangs too, even after the fault is mended.
    sim.faults.clear()
    wire.writer.write(SUMMARY)
    async with client.get(url(sim, 0, "/healthz")) as response:
        assert response.status == 200
    waiting = asyncio.ensure_future(wire.reader.read(1))
    async with client.get(url(sim, 1, "/healthz")):
        assert not waiting.done()
    waiting.cancel()


async def test_a_closing_node_says_nothing(sim: SimulatedCluster, wire: Wire) -> None:
    fault(sim, "node-0000=close")
    wire.writer.write(SUMMARY)
    assert await wire.reader.read() == b""


async def test_a_cut_body_is_shorter_than_announced(sim: SimulatedCluster, wire: Wire) -> None:
    fault(sim, "node-0000=cut")
    wire.writer.write(SUMMARY)
    status, length = await wire.head()
    body = await wire.reader.read()
    assert (status, len(body)) == (200, length // 2)


async def test_a_slow_body_comes_whole_and_in_order(sim: SimulatedCluster, wire: Wire) -> None:
    wire.writer.write(SUMMARY)
    want = await wire.answer()
    fault(sim, "node-0000=slow:0.05")
    wire.writer.write(SUMMARY * 2)
    assert [await wire.answer(), await wire.answer()] == [want, want]


async def test_a_slow_answer_ends_with_its_connection(
    sim: SimulatedCluster, wire: Wire, client: aiohttp.ClientSession
) -> None:
    fault(sim, "node-0000=slow:600")
    wire.writer.write(SUMMARY)
    await wire.head()
    wire.writer.transport.abort()
    async with asyncio.timeout(10):
        # The client's own connection is the one that stays.
        while len(sim.kubelets.connections) != 1:
            async with client.get(url(sim, 1, "/healthz")) as response:
                assert response.status == 200


async def test_a_huge_body_is_valid_to_its_end(sim: SimulatedCluster, wire: Wire) -> None:
    fault(sim, "node-0000=huge:3000000")
    wire.writer.write(SUMMARY)
    status, body = await wire.answer()
    assert (status, len(body)) == (200, 3_000_000)
    assert json.loads(body)["node"]["nodeName"] == "node-0000"


async def test_spoiled_bodies_are_sent_whole(sim: SimulatedCluster, wire: Wire) -> None:
    fault(sim, "node-0000=badjson")
    wire.writer.write(SUMMARY)
    status, body = await wire.answer()
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


class TestFaultsAtStart:
    @pytest.fixture
    def options(self) -> SimulateOptions:
        return SimulateOptions(nodes=4, faults=("node-0000=500", "node-0002=401"))

    async def test_they_are_there_from_the_first_request(
        self, sim: SimulatedCluster, client: aiohttp.ClientSession
    ) -> None:
        seen = []
        for node in range(4):
            async with client.get(url(sim, node, "/stats/summary")) as response:
                seen.append(response.status)
        assert seen == [500, 200, 401, 200]


# -- credentials -----------------------------------------------------------------------------------


class TestToken:
    @pytest.fixture
    def options(self) -> SimulateOptions:
        return SimulateOptions(nodes=1, pods_per_node=1, token="s3cret")

    @pytest.mark.parametrize(
        ("authorization", "status"),
        [("Bearer s3cret", 200), ("bearer s3cret", 200), ("Bearer other", 401), ("Basic s3cret", 401), ("", 401)],
    )
    async def test_a_token_is_demanded(
        self, sim: SimulatedCluster, client: aiohttp.ClientSession, authorization: str, status: int
    ) -> None:
        headers = {"Authorization": authorization} if authorization else {}
        async with client.get(url(sim, 0, "/stats/summary"), headers=headers) as response:
            assert response.status == status
        async with client.get(url(sim, 0, "/healthz")) as response:
            assert response.status == 200


class TestTls:
    @pytest.fixture
    def options(self) -> SimulateOptions:
        return SimulateOptions(nodes=300, pods_per_node=1, tls=True, token="s3cret")

    async def test_certificates_name_every_address(self, sim: SimulatedCluster, client: aiohttp.ClientSession) -> None:
        assert sim.certificates is not None
        context = ssl.create_default_context(cafile=str(sim.certificates.ca_file))
        for node in (0, 255, 256, 299):
            async with client.get(url(sim, node, "/stats/summary"), ssl=context) as response:
                assert response.status == 401
        # A context of its own: a client keeps connections by context, and these showed no certificate.
        context = ssl.create_default_context(cafile=str(sim.certificates.ca_file))
        context.load_cert_chain(sim.certificates.client_cert_file, sim.certificates.client_key_file)
        for node in (0, 299):
            async with client.get(url(sim, node, "/stats/summary"), ssl=context) as response:
                body = msgspec.json.decode(await response.read())
                assert body["node"]["nodeName"] == sim.cluster.hosts[node].name

    async def test_a_kubelet_shows_its_own_certificate_alone_with_few_names(self, sim: SimulatedCluster) -> None:
        assert sim.certificates is not None
        context = ssl.create_default_context(cafile=str(sim.certificates.ca_file))
        _, writer = await asyncio.open_connection(sim.cluster.hosts[0].address, sim.kubelets.port, ssl=context)
        shown = writer.get_extra_info("ssl_object")
        try:
            assert len(shown.getpeercert()["subjectAltName"]) <= ADDRESSES_PER_CERTIFICATE
            assert len(shown._sslobj.get_unverified_chain()) == 1  # public from Python 3.13
        finally:
            writer.close()
            await writer.wait_closed()

    async def test_plain_http_and_strangers_are_turned_away(
        self, sim: SimulatedCluster, client: aiohttp.ClientSession
    ) -> None:
        with pytest.raises(aiohttp.ClientError):
            await client.get(url(sim, 0, "/healthz").replace("https", "http"))
        with pytest.raises(aiohttp.ClientSSLError):
            await client.get(url(sim, 0, "/healthz"))

    async def test_keys_are_readable_by_their_owner_alone(self, sim: SimulatedCluster) -> None:
        modes = {path.stat().st_mode & 0o777 for path in sim.directory.iterdir()}
        assert modes == {0o600}
