"""All kubelets on one listener, told apart by the loopback address a client connected to.

In      connections to 127.1.x.y:port, plain or TLS; HTTP/1.1 requests, kept alive
Out     /stats/summary, /stats/container/, /metrics/resource, /metrics/cadvisor, /healthz; faults.py's faults
Callers main; control
Source  spec/metrics-k8s-io.md 19 for the paths, 401 without a credential
Never   talks to a peer whose connection did not come in on 127.0.0.0/8

A lean protocol instead of aiohttp: 5,000 nodes every 15 s are 333 answers of 110 kB a second, and the
simulator must not be what a measurement measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec

from heapfast.clock import Clock
from heapfast.sim._bodies import NodeBodies
from heapfast.sim.cluster import Cluster, Host
from heapfast.sim.faults import Fault, Faults, spoil

_log = logging.getLogger(__name__)

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 64 * 1024
#: A trickled body goes out in so many pieces.
TRICKLE_PIECES: Final = 50
_PADDING: Final = b" " * 65536
_JSON: Final = b"application/json"
_HTML: Final = b"text/html; charset=utf-8"
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8; escaping=values"
_ACCEPT_BATCH: Final = 128
ACCEPT_PAUSE_SECONDS: Final = 0.1


class StatsRequest(msgspec.Struct):
    """What matters of the body of POST /stats/container/."""

    subcontainers: bool = False


def _summary(bodies: NodeBodies, now_ms: int, query: bytes, body: bytes) -> bytes:
    return bodies.summary(now_ms, b"only_cpu_and_memory=true" in query)


def _stats_container(bodies: NodeBodies, now_ms: int, query: bytes, body: bytes) -> bytes:
    return bodies.stats_container(now_ms, not body or msgspec.json.decode(body, type=StatsRequest).subcontainers)


def _resource(bodies: NodeBodies, now_ms: int, query: bytes, body: bytes) -> bytes:
    return bodies.resource(now_ms)


def _cadvisor(bodies: NodeBodies, now_ms: int, query: bytes, body: bytes) -> bytes:
    return bodies.cadvisor(now_ms)


ROUTES: Final[dict[bytes, tuple[bytes, Callable[[NodeBodies, int, bytes, bytes], bytes]]]] = {
    b"/stats/summary": (_JSON, _summary),
    b"/stats/summary/": (_JSON, _summary),
    b"/stats/container": (_JSON, _stats_container),
    b"/stats/container/": (_JSON, _stats_container),
    b"/metrics/resource": (_TEXT, _resource),
    b"/metrics/cadvisor": (_TEXT, _cadvisor),
}


class KubeletServer:
    """The listener of all kubelets of a cluster.

    Attributes:
        port: after `start`.
        answered: answers by status, plus "hang" and "close".
    """

    def __init__(
        self,
        cluster: Cluster,
        faults: Faults,
        clock: Clock,
        token: str = "",
        tls_for: Callable[[str], ssl.SSLContext] | None = None,
    ) -> None:
        """Args: tls_for: gives the TLS context of a node's address; None = plain HTTP."""
        self.cluster = cluster
        self.faults = faults
        self.clock = clock
        self.authorization = f"bearer {token}".encode() if token else b""
        self.answered: Counter[str] = Counter()
        self.port = 0
        self.connections: set[KubeletConnection] = set()
        self._tls_for = tls_for
        self._socket: socket.socket | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> None:
        """Listens on a port (0: any free one). Raises OSError when it is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # One socket for 16 million addresses has to be bound to all of them. Bound to the loopback
            # device as well, it gets nothing from outside where the kernel allows that; where it does
            # not, `_accept` turns such connections away.
            with contextlib.suppress(OSError, AttributeError):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            listener.bind(("0.0.0.0", port))
            listener.listen(4096)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._socket = listener
        self.port = listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(listener.fileno(), self._accept)

    async def stop(self) -> None:
        """Closes the listener and every connection."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        for task in list(self._handshakes):
            task.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)
        for connection in list(self.connections):
            connection.abort()

    def _accept(self) -> None:
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        for _ in range(_ACCEPT_BATCH):
            try:
                peer, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors. The listener stays readable, so that asking again at once would spin.
                _log.warning("cannot accept a connection, next try in %s s: %s", ACCEPT_PAUSE_SECONDS, error)
                loop.remove_reader(self._socket.fileno())
                loop.call_later(ACCEPT_PAUSE_SECONDS, self._resume_accepting)
                return
            peer.setblocking(False)
            address = peer.getsockname()[0]
            host = self.cluster.find_host(address) if address.startswith("127.") else None
            if host is None:
                peer.close()
                continue
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(self._connect(peer, host))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def _resume_accepting(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._accept)

    async def _connect(self, peer: socket.socket, host: Host) -> None:
        context = self._tls_for(host.address) if self._tls_for else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: KubeletConnection(self, host), peer, ssl=context
            )
        except OSError as error:  # ssl.SSLError is one
            _log.debug("handshake with %s failed: %s", host.name, error)
            peer.close()


class KubeletConnection(asyncio.Protocol):
    """One client of one node."""

    def __init__(self, server: KubeletServer, host: Host) -> None:
        self._server = server
        self._host = host
        self._buffer = b""
        self._busy = False  # an answer is under way that takes time, or never ends
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport
        self._has_certificate = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        self._has_certificate = bool(transport.get_extra_info("peercert"))
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else bytes(data)
        self._serve()

    def _serve(self) -> None:
        """Answers every complete request in the buffer."""
        while self._buffer and not self._busy and not self._transport.is_closing():
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    self._refuse(431)
                return
            lines = self._buffer[:end].split(b"\r\n")
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            length = headers.get(b"content-length", b"0")
            if not length.isdigit() or int(length) > MAX_BODY_BYTES or b"transfer-encoding" in headers:
                self._refuse(413)
                return
            stop = end + 4 + int(length)
            if len(self._buffer) < stop:
                return
            body = self._buffer[end + 4 : stop]
            self._buffer = self._buffer[stop:]
            parts = lines[0].split(b" ")
            if len(parts) != 3:
                self._refuse(400)
                return
            self._answer(parts[0], parts[1], headers, body)
            if headers.get(b"connection", b"").lower() == b"close" and not self._busy:
                self._transport.close()

    def _answer(self, method: bytes, target: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        server = self._server
        path, _, query = target.partition(b"?")
        fault = server.faults.find(self._host.name, path.decode("latin-1"))
        if fault is not None and fault.status is not None:
            self._send_status(fault.status)
            return
        if fault is not None and fault.kind in ("hang", "close"):
            server.answered[fault.kind] += 1
            self._busy = True
            if fault.kind == "close":
                self._transport.close()
            return
        if path == b"/healthz":
            self._send(_TEXT, b"ok")
            return
        if server.authorization and not self._has_certificate and not self._is_known(headers):
            self._send_status(401)
            return
        if path not in ROUTES:
            self._send_status(404)
            return
        if method not in (b"GET", b"POST"):
            self._send_status(405)
            return
        content_type, render = ROUTES[path]
        now_ms = server.clock.now_ns() // 1_000_000
        try:
            answer = render(server.cluster.bodies(self._host), now_ms, query, body)
        except msgspec.DecodeError:
            self._send_status(400)
            return
        if fault is None:
            self._send(content_type, answer)
        else:
            self._send_faulty(fault, content_type, answer)

    def _is_known(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() + b" " + token.strip() == self._server.authorization

    def _send(self, content_type: bytes, body: bytes) -> None:
        self._server.answered["200"] += 1
        self._transport.writelines([_head(content_type, len(body)), body])

    def _send_status(self, status: int) -> None:
        self._server.answered[str(status)] += 1
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unknown"
        text = phrase.encode()
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
            % (status, text, len(text), text)
        )

    def _refuse(self, status: int) -> None:
        """Answers a request that cannot be read to its end, and gives the connection up."""
        self._send_status(status)
        self._transport.close()

    def _send_faulty(self, fault: Fault, content_type: bytes, body: bytes) -> None:
        if fault.kind == "cut":
            self._server.answered["200"] += 1
            self._transport.write(_head(content_type, len(body)) + body[: len(body) // 2])
            self._transport.close()
        elif fault.kind == "slow":
            self._start(self._trickle(content_type, body, fault.number))
        elif fault.kind == "huge":
            self._start(self._pad(content_type, body, round(fault.number)))
        else:
            self._send(_HTML if fault.kind == "html" else content_type, spoil(fault.kind, body))

    def _start(self, answer: Coroutine[Any, Any, None]) -> None:
        """Runs an answer that takes time; requests behind it wait."""
        self._server.answered["200"] += 1
        self._busy = True
        self._task = asyncio.get_running_loop().create_task(answer)
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._busy = False
        if not task.cancelled() and not self._transport.is_closing():
            self._serve()

    async def _trickle(self, content_type: bytes, body: bytes, seconds: float) -> None:
        self._transport.write(_head(content_type, len(body)))
        step = max(1, -(-len(body) // TRICKLE_PIECES))
        for start in range(0, len(body), step):
            await asyncio.sleep(seconds / TRICKLE_PIECES)
            self._transport.write(body[start : start + step])

    async def _pad(self, content_type: bytes, body: bytes, size: int) -> None:
        # Blanks after the body are valid in JSON, so a client that reads all of it gets good numbers.
        self._transport.write(_head(content_type, max(size, len(body))) + body)
        left = size - len(body)
        while left > 0:
            await self._writable.wait()
            self._transport.write(_PADDING[: min(left, len(_PADDING))])
            left -= len(_PADDING)
            await asyncio.sleep(0)


def _head(content_type: bytes, length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (content_type, length)
