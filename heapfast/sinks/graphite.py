"""Graphite: plaintext lines over TCP or UDP.

In      graphite:PROTO://HOST:PORT?prefix=P
Out     lines; one a datagram over UDP
Callers kinds.py
Source  spec/heapster-pipeline.md 7.2; Q19, Q22: an unreachable server is tried again
Never   waits for an answer: Graphite gives none
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from heapfast.sinks._graphite import GraphiteWriter
from heapfast.sinks.connections import Datagrams, Stream
from heapfast.sinks.sink import Address

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.sinks.sink import Chunks, SinkUri

PORT: Final = 2003
PREFIX: Final = "kubernetes"


class GraphiteSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where Graphite is.

    Attributes:
        prefix: of every path, without the dot behind it.
    """

    protocol: Literal["tcp", "udp"]
    address: Address
    prefix: str = PREFIX

    def build(self, executor: Executor) -> GraphiteSink:
        return GraphiteSink(self, executor)


def read_graphite(uri: SinkUri) -> GraphiteSpec:
    """Reads the options of one --sink=graphite."""
    if uri.scheme not in ("tcp", "udp"):
        uri.refuse(f"the scheme {uri.scheme!r}", "graphite:tcp://HOST:PORT or graphite:udp://HOST:PORT")
    return GraphiteSpec(
        protocol="udp" if uri.scheme == "udp" else "tcp",
        address=uri.address("localhost", PORT),
        prefix=uri.text("prefix", PREFIX).strip(".") or PREFIX,
    )


class GraphiteSink:
    """One Graphite server."""

    name = "Graphite Sink"

    def __init__(self, spec: GraphiteSpec, executor: Executor) -> None:
        self.place = f"{spec.protocol}://{spec.address}"
        self._prefix = spec.prefix.encode()
        self._stream = Stream(spec.address) if spec.protocol == "tcp" else None
        self._datagrams = Datagrams(spec.address, executor)

    def chunks(self, batch: Batch) -> Chunks:
        return GraphiteWriter(batch, self._prefix)

    async def send(self, payload: bytes) -> None:
        if self._stream is not None:
            await self._stream.write(payload)
        else:
            await self._datagrams.send(payload.splitlines(keepends=True))

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.close()
        await self._datagrams.close()
