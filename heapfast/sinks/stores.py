"""What sinks to servers with an HTTP API of their own have in common.

In      what a server answered; a reader of chunks
Out     a SinkError that says what is lost; chunks that are sent side by side
Callers influxdb.py, prometheus.py
Source  RFC 9110 15.5 and 15.6; spec/heapster-pipeline.md 7.1.1 for `concurrency`
Never   sends anything
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, Protocol

from heapfast.errors import ConfigError, SinkError
from heapfast.history.server import ServerFailure
from heapfast.sinks.sink import Chunk
from heapfast.tls import client_context, load_pair, read_ca

if TYPE_CHECKING:
    import ssl

#: What no other chunk of the batch would be taken with either: who we are, or where this goes, is wrong.
_HOPELESS = frozenset((401, 403, 404, 405, 407))


def sink_error(failure: ServerFailure) -> SinkError:
    """What a failure means to somebody who sends: try again, or give up the chunk, or the batch."""
    costs: Literal["nothing", "chunk", "batch"] = "nothing"
    if not failure.is_passing:
        costs = "batch" if failure.status in _HOPELESS else "chunk"
    reason = f"status_{failure.status}" if failure.status is not None else failure.reason
    return SinkError(str(failure), reason=reason, costs=costs, retry_after_seconds=failure.retry_after_seconds)


class _Writer(Protocol):
    def read(self, at_least_bytes: int = ..., at_least_samples: int = ...) -> Chunk | None: ...


class GroupedChunks:
    """Reads a writer in groups: the payload is a list of so many bodies, which are sent side by side.

    Args:
        samples: in one body, about.
        bodies: in one group.
    """

    def __init__(self, writer: _Writer, *, samples: int, bodies: int) -> None:
        self._writer = writer
        self._samples = samples
        self._bodies = bodies

    def read(self) -> Chunk | None:
        payload: list[bytes] = []
        n_samples = 0
        while len(payload) < self._bodies and (chunk := self._writer.read(at_least_samples=self._samples)) is not None:
            payload.append(chunk.payload)
            n_samples += chunk.samples
        return Chunk(payload, n_samples) if payload else None


async def send_all(bodies: list[bytes], send: Callable[[bytes], Awaitable[None]]) -> None:
    """Sends bodies side by side; when one fails the others still get their chance.

    Raises:
        SinkError: of one that failed, the most hopeful first: what can be tried again is.
    """
    if len(bodies) == 1:
        await send(bodies[0])
        return
    outcomes = await asyncio.gather(*map(send, bodies), return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for failure in failures:
        if not isinstance(failure, SinkError):
            raise failure
    for costs in ("nothing", "batch", "chunk"):
        for failure in failures:
            if isinstance(failure, SinkError) and failure.costs == costs:
                raise failure


def tls_context(*, insecure: bool, ca_file: str = "", cert_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """How a server is asked over TLS.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    context = client_context(ca_pem=read_ca(ca_file) if ca_file else None, insecure=insecure)
    if cert_file:
        load_pair(context, cert_file, key_file or None)
    elif key_file:
        raise ConfigError(f"--sink: got the key {key_file} alone, want its certificate beside it")
    return context
