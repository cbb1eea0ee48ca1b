import socket
import ssl
from typing import Final, Protocol

from heapfast.scrape._openssl import OpenSsl

READS_A_TURN: Final[int]

class Owner(Protocol):
    """Who uses a stream."""

    def stream_opened(self, stream: Stream) -> None:
        """Data can be sent."""

    def stream_received(self, stream: Stream, data: memoryview) -> None:
        """Takes data, borrowed until it returns."""

    def stream_ended(self, stream: Stream, error: Exception | None) -> None:
        """The last that is heard of a stream: closed by the other side, or broken."""

class Buffer: ...

class Stream:
    def __init__(self, owner: Owner, buffer: Buffer) -> None: ...
    async def open(self, host: str, port: int) -> None: ...
    def adopt(self, connected: socket.socket) -> None: ...
    def send(self, data: bytes) -> None: ...
    def is_usable(self) -> bool: ...
    def close(self) -> None: ...

class TlsStream(Stream):
    def __init__(
        self,
        owner: Owner,
        buffer: Buffer,
        context: ssl.SSLContext,
        server_name: str,
        openssl: OpenSsl | None = None,
    ) -> None: ...
