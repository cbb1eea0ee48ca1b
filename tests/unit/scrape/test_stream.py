"""What a stream makes of records and reads, wherever they begin and end."""

from __future__ import annotations

import _ssl
import asyncio
import contextlib
import ctypes
import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast.scrape._openssl import OpenSsl
from heapfast.scrape._stream import READS_A_TURN, Buffer, Owner, Stream, TlsStream
from heapfast.sim.certificates import Authority
from heapfast.tls import client_context, find_connection, read_ahead, server_context


class Contexts(NamedTuple):
    """How both sides talk."""

    client: ssl.SSLContext
    server: ssl.SSLContext
    openssl: OpenSsl | None = None


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """A client that reads by the ssl module alone."""
    return _make_contexts(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def ahead(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """The same, where OpenSSL reads ahead."""
    contexts = _make_contexts(tmp_path_factory.mktemp("ahead"))
    if not read_ahead(contexts.client):
        pytest.skip("SKIPPED: this Python's OpenSSL cannot be told to read ahead (tls.read_ahead)")
    return contexts


@pytest.fixture(scope="module")
def direct(ahead: Contexts) -> Contexts:
    """A client that reads by OpenSSL's own functions, as the daemon does."""
    return ahead._replace(openssl=OpenSsl(ahead.client))


READINGS = ["contexts", "ahead", "direct"]


def _make_contexts(folder: Path) -> Contexts:
    authority = Authority("test-ca")
    file = folder / "server.pem"
    file.write_bytes(b"".join(authority.sign_server("node-1", ["127.0.0.1"])))
    return Contexts(client_context(ca_pem=authority.pem.decode()), server_context(cert_file=file))


class Talker(Owner):
    """Whoever uses the stream: keeps what it is told."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.deliveries: list[int] = []
        self.opened = 0
        self.ended: list[Exception | None] = []

    def stream_opened(self, stream: Stream) -> None:
        self.opened += 1

    def stream_received(self, stream: Stream, data: memoryview) -> None:
        self.received += data
        self.deliveries.append(len(data))

    def stream_ended(self, stream: Stream, error: Exception | None) -> None:
        self.ended.append(error)


async def turn() -> None:
    """Lets the loop see what has come, and do what is to be done about it."""
    for _ in range(3):
        await asyncio.sleep(0)


class Talk:
    """A stream over one end of a pair of sockets, and a server at the other end."""

    def __init__(
        self,
        contexts: Contexts,
        version: ssl.TLSVersion,
        owner: Talker,
        make_pair: Callable[[], tuple[socket.socket, socket.socket]] = socket.socketpair,
    ) -> None:
        client, server, openssl = contexts
        server.minimum_version = server.maximum_version = version
        self.owner = owner
        self.stream = TlsStream(self.owner, Buffer(), client, "127.0.0.1", openssl)
        self._from_client, self.to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(self._from_client, self.to_client, server_side=True)
        ours, self.theirs = make_pair()
        for end in (ours, self.theirs):
            end.setblocking(False)
        self.stream.adopt(ours)

    async def shake(self, cuts: list[int]) -> None:
        while self.owner.opened == 0 and not self.owner.ended:
            self.hear()
            await self.arrive(self.to_client.read(), cuts)
        self.hear()

    def hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._from_client.write(self.theirs.recv(1 << 16))
        with contextlib.suppress(ssl.SSLWantReadError):
            self.server.do_handshake()

    def tell_server(self, function: str, *arguments: Any) -> int:
        """What Python has no method for."""
        connection = find_connection(cast(ssl.SSLSocket, self.server), self.server.context)
        told: int = ctypes.CDLL(_ssl.__file__)[function](ctypes.c_void_p(connection), *arguments)
        return told

    async def arrive(self, data: bytes, cuts: list[int]) -> None:
        """`data` comes, so many bytes at a time, over and over; each part once the loop has seen the one before."""
        start = number = 0
        while start < len(data):
            size = cuts[number % len(cuts)] if number < MOST_CUTS else len(data)
            start += self.theirs.send(data[start : start + size])
            number += 1
            await turn()
            while self.stream.is_usable() and self.unread():
                await turn()

    def unread(self) -> int:
        """What the stream has not taken from its socket, in some measure; 0 for nothing."""
        left: int = struct.unpack("i", fcntl.ioctl(self.theirs, termios.TIOCOUTQ, bytes(4)))[0]
        return left

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.theirs.close()


#: Of openssl/ssl.h: the other side is to take new keys, too.
ASK_FOR_NEW_KEYS = 1
#: Of one handshake, to and fro.
MOST_MESSAGES = 4
#: So many parts are cut as asked for, and the rest comes as it will: a turn of the loop for each byte takes long.
MOST_CUTS = 400

LENGTHS = st.lists(
    st.sampled_from((1, 2, 100, 1400, 4096, 8000, 8180, 8181, 8182, 12_000, 16_383, 16_384)), max_size=12
)
CUTS = st.lists(
    st.one_of(st.integers(1, 9), st.sampled_from((4118, 8202, 8203, 8204, 16_406, 16_407, 200_000))),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@settings(max_examples=60, deadline=None)
@given(handshake=CUTS, lengths=LENGTHS, cuts=CUTS)
def test_records_of_every_length_come_through_reads_of_every_length(
    reading: str,
    version: ssl.TLSVersion,
    request: pytest.FixtureRequest,
    handshake: list[int],
    lengths: list[int],
    cuts: list[int],
) -> None:
    async def talk() -> None:
        with Talk(request.getfixturevalue(reading), version, Talker()) as talk:
            await talk.shake(handshake)
            sent = b""
            for number, length in enumerate(lengths):
                body = bytes([number % 256]) * length
                assert talk.server.write(body) == length  # one record
                sent += body
            await talk.arrive(talk.to_client.read(), cuts)
            assert bytes(talk.owner.received) == sent
            assert (talk.owner.opened, talk.owner.ended) == (1, [])

    asyncio.run(talk())


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("cut", [1, 3, 5, 4118, 200_000])
async def test_what_is_no_tls_ends_the_stream_wherever_reads_end(
    cut: int, reading: str, request: pytest.FixtureRequest
) -> None:
    with Talk(request.getfixturevalue(reading), ssl.TLSVersion.TLSv1_3, Talker()) as talk:
        await talk.shake([200_000])
        talk.server.write(b"good")
        await talk.arrive(talk.to_client.read(), [cut])
        with contextlib.suppress(OSError):  # hung up before all of it was sent
            await talk.arrive(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 400, [cut])
        [error] = talk.owner.ended
        assert isinstance(error, ssl.SSLError)
        assert error.reason == "WRONG_VERSION_NUMBER"
        assert bytes(talk.owner.received) == b"good"
        assert not talk.stream.is_usable()


@pytest.mark.parametrize("reading", READINGS)
async def test_a_flood_of_small_records_holds_the_loop_for_some_of_them_only(
    reading: str, request: pytest.FixtureRequest
) -> None:
    with Talk(request.getfixturevalue(reading), ssl.TLSVersion.TLSv1_3, Talker()) as talk:
        await talk.shake([200_000])
        for _ in range(READS_A_TURN * 2 + 1):
            talk.server.write(b"a")
        flood = talk.to_client.read()
        assert talk.theirs.send(flood) == len(flood)
        while sum(talk.owner.deliveries) < READS_A_TURN * 2 + 1:
            await asyncio.sleep(0)
        assert talk.owner.deliveries == [READS_A_TURN, READS_A_TURN, 1]


@pytest.mark.parametrize("reading", READINGS)
async def test_records_that_come_with_the_end_are_delivered_before_it(
    reading: str, request: pytest.FixtureRequest
) -> None:
    with Talk(request.getfixturevalue(reading), ssl.TLSVersion.TLSv1_3, Talker()) as talk:
        await talk.shake([200_000])
        for record in (b"abc", b"de", b"more"):
            talk.server.write(record)
        with contextlib.suppress(ssl.SSLWantReadError):
            talk.server.unwrap()
        talk.theirs.send(talk.to_client.read())
        await turn()
        assert (bytes(talk.owner.received), talk.owner.ended) == (b"abcdemore", [None])


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        return ours, server.accept()[0]


@pytest.mark.parametrize("reading", READINGS)
async def test_a_reset_is_told_behind_what_came_before_it(reading: str, request: pytest.FixtureRequest) -> None:
    with Talk(request.getfixturevalue(reading), ssl.TLSVersion.TLSv1_3, Talker(), tcp_pair) as talk:
        await talk.shake([200_000])
        talk.server.write(b"abc")
        await talk.arrive(talk.to_client.read(), [200_000])
        talk.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        talk.theirs.close()
        await turn()
        assert bytes(talk.owner.received) == b"abc"
        [error] = talk.owner.ended
        assert isinstance(error, ConnectionResetError)


@pytest.mark.parametrize("reading", ["ahead", "direct"])
async def test_records_with_room_for_many_are_read_at_once(reading: str, request: pytest.FixtureRequest) -> None:
    left: list[int] = []

    class Looking(Talker):
        def stream_received(self, stream: Stream, data: memoryview) -> None:
            super().stream_received(stream, data)
            left.append(talk.unread())

    with Talk(request.getfixturevalue(reading), ssl.TLSVersion.TLSv1_3, Looking()) as talk:
        await talk.shake([200_000])
        for _ in range(READS_A_TURN + 1):
            talk.server.write(b"a" * 100)
        talk.theirs.send(talk.to_client.read())
        await turn()
        assert talk.owner.deliveries == [READS_A_TURN * 100, 100]
        assert left == [0, 0]


async def test_nothing_is_read_to_learn_that_nothing_is_left(direct: Contexts, monkeypatch: pytest.MonkeyPatch) -> None:
    with Talk(direct, ssl.TLSVersion.TLSv1_3, Talker()) as talk:
        await talk.shake([200_000])
        await turn()
        monkeypatch.delattr(ssl.SSLSocket, "read")
        talk.server.write(b"abc")
        await talk.arrive(talk.to_client.read(), [200_000])
        assert talk.owner.deliveries == [3]


@pytest.mark.parametrize("reading", READINGS)
async def test_new_keys_are_taken_between_two_records(reading: str, request: pytest.FixtureRequest) -> None:
    with Talk(request.getfixturevalue(reading), ssl.TLSVersion.TLSv1_3, Talker()) as talk:
        await talk.shake([200_000])
        talk.server.write(b"old ")
        assert talk.tell_server("SSL_key_update", ctypes.c_int(ASK_FOR_NEW_KEYS)) == 1
        talk.server.write(b"new")
        await talk.arrive(talk.to_client.read(), [200_000])
        talk.stream.send(b"request")
        talk.hear()
        assert (bytes(talk.owner.received), talk.server.read(), talk.owner.ended) == (b"old new", b"request", [])


@pytest.mark.parametrize("reading", READINGS)
async def test_a_request_in_the_middle_of_another_handshake_is_sent_after_it(
    reading: str, request: pytest.FixtureRequest
) -> None:
    with Talk(request.getfixturevalue(reading), ssl.TLSVersion.TLSv1_2, Talker()) as talk:
        await talk.shake([200_000])
        assert talk.tell_server("SSL_renegotiate") == 1
        talk.hear()
        await talk.arrive(talk.to_client.read(), [200_000])
        talk.stream.send(b"request")
        heard = b""
        for _ in range(MOST_MESSAGES):
            talk.hear()
            await talk.arrive(talk.to_client.read(), [200_000])
            with contextlib.suppress(ssl.SSLWantReadError):
                heard += talk.server.read()
        assert (heard, talk.owner.ended) == (b"request", [])


@pytest.mark.parametrize("reading", READINGS)
async def test_what_the_other_side_has_no_room_for_is_sent_later(reading: str, request: pytest.FixtureRequest) -> None:
    with Talk(request.getfixturevalue(reading), ssl.TLSVersion.TLSv1_3, Talker()) as talk:
        await talk.shake([200_000])
        asked = bytes(range(256)) * 4096
        talk.stream.send(asked)
        heard = b""
        while len(heard) < len(asked):
            await asyncio.sleep(0)
            with contextlib.suppress(ssl.SSLWantReadError):
                talk.hear()
                while True:
                    heard += talk.server.read()
        assert heard == asked
        assert talk.owner.ended == []


async def test_a_write_that_waits_for_the_other_side_goes_on_when_something_has_come(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Talk(contexts, ssl.TLSVersion.TLSv1_3, Talker()) as talk:
        await talk.shake([200_000])
        tries: list[bytes] = []

        def send(opened: ssl.SSLSocket, data: bytes) -> int:
            tries.append(data)
            if len(tries) == 1:
                raise ssl.SSLWantReadError
            return len(data)

        monkeypatch.setattr(ssl.SSLSocket, "send", send)
        talk.stream.send(b"request")
        await turn()
        assert tries == [b"request"]  # and the loop is not called over and over meanwhile
        talk.server.write(b"keys")
        await talk.arrive(talk.to_client.read(), [200_000])
        assert tries == [b"request", b"request"]


async def test_a_failure_to_send_is_told_later() -> None:
    owner = Talker()
    stream = Stream(owner, Buffer())
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    stream.adopt(ours)
    theirs.close()
    stream.send(b"request")
    assert owner.ended == []
    await turn()
    [error] = owner.ended
    assert error is None or isinstance(error, OSError)
    assert not stream.is_usable()


class Listener:
    """A server that says hello, at one address."""

    def __init__(self, host: str, family: int = socket.AF_INET) -> None:
        self._socket = socket.socket(family)
        self._socket.bind((host, 0))
        self._socket.listen()
        self.port = self._socket.getsockname()[1]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[int, str]) -> None:
    """The name node-1 has these addresses."""
    loop = asyncio.get_running_loop()
    lookup = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **how: int) -> list[Any]:
        if host != "node-1":
            return await lookup(host, port, **how)
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in addresses]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


async def test_the_first_address_of_a_name_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Talker()
    stream = Stream(owner, Buffer())
    with Listener("127.0.0.1") as listener:
        resolve(monkeypatch, (socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.1"))
        await stream.open("node-1", listener.port)
        assert owner.opened == 1
        stream.close()


@pytest.mark.parametrize(
    "addresses", [[], [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.3")]], ids=["none", "two that refuse"]
)
async def test_a_name_without_an_address_that_answers_is_no_connection(
    addresses: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Talker()
    with Listener("127.0.0.1") as listener:
        resolve(monkeypatch, *addresses)
        with pytest.raises(OSError, match=r"Connect call failed|refused|has no address"):
            await Stream(owner, Buffer()).open("node-1", listener.port)
        assert (owner.opened, owner.ended) == (0, [])


async def test_a_stream_that_was_closed_while_it_connected_is_not_opened() -> None:
    owner = Talker()
    stream = Stream(owner, Buffer())
    with Listener("127.0.0.1") as listener:
        opening = asyncio.ensure_future(stream.open("127.0.0.1", listener.port))
        stream.close()
        await opening
        assert (owner.opened, owner.ended, stream.is_usable()) == (0, [], False)
