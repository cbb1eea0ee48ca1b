"""Riemann: events in protobuf over TCP, each message acknowledged.

In      riemann:http://HOST:PORT?ttl=T&state=S&tags=A&tags=B&batchsize=N
Out     messages with their length in front; answers are read
Callers kinds.py
Source  spec/heapster-pipeline.md 7.7; Riemann's proto.proto: Msg.ok 2, Msg.error 3
Never   takes silence for success
"""

from __future__ import annotations

import socket
import struct
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

import msgspec

from heapfast.errors import SinkError
from heapfast.sinks._riemann import RiemannWriter
from heapfast.sinks.connections import Stream
from heapfast.sinks.protobuf import iter_fields
from heapfast.sinks.sink import Address

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.sinks.sink import Chunks, SinkUri

HOST: Final = "riemann-heapster"
PORT: Final = 5555
#: A longer answer is none of Riemann's.
MAX_ANSWER_BYTES: Final = 1 << 20

_LENGTH = struct.Struct(">I")
_OK: Final = 2
_ERROR: Final = 3


class RiemannSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where Riemann is, and what all events say.

    Attributes:
        events: most of them in one message.
    """

    address: Address
    ttl_seconds: float = 60.0
    state: str = ""
    tags: tuple[str, ...] = ("heapster",)
    events: int = 1000

    def build(self, executor: Executor) -> RiemannSink:
        return RiemannSink(self)


def read_riemann(uri: SinkUri) -> RiemannSpec:
    """Reads the options of one --sink=riemann."""
    return RiemannSpec(
        address=uri.address(HOST, PORT),
        ttl_seconds=uri.number("ttl", 60.0),
        state=uri.text("state"),
        tags=uri.texts("tags") or ("heapster",),
        events=uri.integer("batchsize", 1000, least=1),
    )


class RiemannSink:
    """One Riemann."""

    name = "Riemann Sink"

    def __init__(self, spec: RiemannSpec) -> None:
        self.place = f"tcp://{spec.address}"
        self._spec = spec
        self._host = socket.gethostname().encode()
        self._stream = Stream(spec.address)

    def chunks(self, batch: Batch) -> Chunks:
        spec = self._spec
        return RiemannWriter(
            batch,
            host=self._host,
            state=spec.state.encode(),
            ttl_seconds=spec.ttl_seconds,
            tags=spec.tags,
            events=spec.events,
        )

    async def send(self, payload: list[bytes]) -> None:
        for message in payload:
            await self._stream.write(_LENGTH.pack(len(message)) + message)
            (n_bytes,) = _LENGTH.unpack(await self._stream.read_exactly(_LENGTH.size))
            if n_bytes > MAX_ANSWER_BYTES:
                self._stream.drop()
                raise SinkError(f"{self.place} answered {n_bytes} bytes, want at most {MAX_ANSWER_BYTES}",
                                reason="protocol")  # fmt: skip
            self._check(await self._stream.read_exactly(n_bytes))

    async def close(self) -> None:
        await self._stream.close()

    def _check(self, answer: bytes) -> None:
        """Refuses an answer that is not `ok`."""
        is_ok, error = parse_answer(answer)
        if not is_ok:
            self._stream.drop()
            quoted = "".join(c if c.isprintable() else " " for c in error[:200])
            raise SinkError(f"{self.place} refused events: {quoted or 'no reason given'}", reason="refused",
                            costs="chunk")  # fmt: skip


def parse_answer(answer: bytes) -> tuple[bool, str]:
    """Reads `ok` and `error` of a Msg; what is no Msg is not ok."""
    is_ok, error = False, ""
    try:
        for number, value in iter_fields(answer):
            if number == _OK and isinstance(value, int):
                is_ok = bool(value)
            elif number == _ERROR and isinstance(value, bytes):
                error = value.decode("utf-8", "replace")
    except ValueError as broken:
        return False, str(broken)
    return is_ok, error
