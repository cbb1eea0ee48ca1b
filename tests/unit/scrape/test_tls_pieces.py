"""What is received over TLS is cut into pieces, wherever records and reads begin and end."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast.scrape.stream import Buffers, Stream, TlsStream
from heapfast.sim.certificates import Authority
from heapfast.tls import client_context, server_context

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """The client's and the server's."""
    authority = Authority("test-ca")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(b"".join(authority.sign_server("node-1", ["127.0.0.1"])))
    return client_context(ca_pem=authority.pem.decode()), server_context(cert_file=Path(file))


class Wire:
    """Stands in for the transport of the client: what it writes goes to the server at once."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True


class Owner:
    """Whoever uses the stream: keeps what it is told."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.opened = 0
        self.ended: list[Exception | None] = []

    def stream_opened(self, stream: Stream) -> None:
        self.opened += 1

    def stream_received(self, stream: Stream, data: memoryview) -> None:
        self.received += data

    def stream_ended(self, stream: Stream, error: Exception | None) -> None:
        self.ended.append(error)


class Talk:
    """A stream that has just been connected, and the server at the other end."""

    def __init__(self, contexts: Contexts, version: ssl.TLSVersion) -> None:
        client, server = contexts
        server.minimum_version = server.maximum_version = version
        self.owner, self.wire = Owner(), Wire()
        self._buffers = Buffers()
        self.stream = TlsStream(self.owner, self._buffers, client, "127.0.0.1")
        self._to_server, self.to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(self._to_server, self.to_client, server_side=True)
        self.stream.connection_made(cast(Any, self.wire))

    def shake(self, cuts: list[int]) -> None:
        while self.owner.opened == 0 and not self.owner.ended:
            self._to_server.write(bytes(self.wire.written))
            self.wire.written.clear()
            with contextlib.suppress(ssl.SSLWantReadError):
                self.server.do_handshake()
            self.arrive(self.to_client.read(), cuts)
        self._to_server.write(bytes(self.wire.written))
        self.server.do_handshake()

    def arrive(self, data: bytes, cuts: list[int]) -> None:
        """The loop reads `data`, so many bytes at a time, over and over."""
        start = turn = 0
        while start < len(data):
            part = data[start : start + cuts[turn % len(cuts)]]
            self.stream.get_buffer(-1)[: len(part)] = part
            self.stream.buffer_updated(len(part))
            start += len(part)
            turn += 1


LENGTHS = st.lists(
    st.sampled_from((1, 2, 100, 1400, 4096, 8000, 8180, 8181, 8182, 12_000, 16_383, 16_384)), max_size=12
)
CUTS = st.lists(
    st.one_of(st.integers(1, 9), st.sampled_from((4118, 8202, 8203, 8204, 16_406, 16_407, 200_000))),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@settings(max_examples=60, deadline=None)
@given(handshake=CUTS, lengths=LENGTHS, cuts=CUTS)
def test_records_of_every_length_come_through_reads_of_every_length(
    version: ssl.TLSVersion, contexts: Contexts, handshake: list[int], lengths: list[int], cuts: list[int]
) -> None:
    talk = Talk(contexts, version)
    talk.shake(handshake)
    sent = b""
    for number, length in enumerate(lengths):
        body = bytes([number % 256]) * length
        assert talk.server.write(body) == length  # one record
        sent += body
    talk.arrive(talk.to_client.read(), cuts)
    assert bytes(talk.owner.received) == sent
    assert (talk.owner.opened, talk.owner.ended) == (1, [])


@pytest.mark.parametrize("cut", [1, 3, 5, 4118, 200_000])
def test_what_is_no_tls_ends_the_stream_wherever_reads_end(cut: int, contexts: Contexts) -> None:
    talk = Talk(contexts, ssl.TLSVersion.TLSv1_3)
    talk.shake([200_000])
    talk.server.write(b"good")
    talk.arrive(talk.to_client.read(), [cut])
    talk.arrive(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 400, [cut])
    [error] = talk.owner.ended
    assert isinstance(error, ssl.SSLError)
    assert bytes(talk.owner.received) == b"good"
    assert talk.wire.is_closed
