"""The HTTP side of the API server.

In      paths and parameters, bodies of reviews
Out     bodies, or the lines of a watch, as bytes
Callers watch, reviews, auth_config; daemon and secure_port.py make one each
Source  the Kubernetes API: Status bodies, Retry-After, 401 for credentials that ended
Never   reads JSON other than an error's, retries (but once after a 401), or shows a token
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import ClientTimeout

from heapfast import __version__
from heapfast.errors import KubeError
from heapfast.kube.access import ApiAccess
from heapfast.kube.objects import Status

CONNECT_TIMEOUT_SECONDS: Final = 10.0
GET_TIMEOUT_SECONDS: Final = 60.0
POST_TIMEOUT_SECONDS: Final = 10.0
#: A watch is ended by the server; it gets this long beyond its time before we end it.
WATCH_GRACE_SECONDS: Final = 30.0
#: One line of a watch is one object. etcd takes 1.5 MB at most by default.
MAX_LINE_BYTES: Final = 32 * 1024 * 1024
#: A page of a list has 500 objects: a few megabytes where they are usual, and 750 at etcd's limit.
MAX_BODY_BYTES: Final = 1024 * 1024 * 1024
MAX_ERROR_BODY_BYTES: Final = 64 * 1024

_status_decoder: Final = msgspec.json.Decoder(Status)


class KubeClient:
    """One session to one API server; `async with`, or `close` at the end."""

    def __init__(self, access: ApiAccess) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> KubeClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        """Fetch a whole body.

        Raises:
            KubeError: no answer, or one that is not 200; `status` and `reason` tell which.
        """
        limits = ClientTimeout(total=GET_TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS)
        async with self._answer(path, params or {}, limits) as response:
            return await _read_body(path, response)

    async def post(self, path: str, body: bytes, params: Mapping[str, str] | None = None) -> bytes:
        """Post JSON and fetch the whole answer.

        Raises:
            KubeError: no answer, or one that is neither 200 nor 201, as in `get`.
        """
        limits = ClientTimeout(total=POST_TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS)
        async with self._answer(path, params or {}, limits, body) as response:
            return await _read_body(path, response)

    @asynccontextmanager
    async def watch(
        self, path: str, params: Mapping[str, str], *, timeout_seconds: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch and give its lines, each without its line feed, until the server ends it.

        The iterator gives what stands after the last line feed, too: a line that was cut off.
        `timeout_seconds` is how long the server is asked to keep the watch open.

        Raises:
            KubeError: as in `get`, at the start or at any line.
        """
        limits = ClientTimeout(total=timeout_seconds + WATCH_GRACE_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS)
        asked = {**params, "watch": "1", "timeoutSeconds": str(timeout_seconds)}
        async with (
            self._answer(path, asked, limits) as response,
            contextlib.aclosing(_lines(path, response.content)) as lines,
        ):
            yield lines

    @asynccontextmanager
    async def _answer(
        self, path: str, params: Mapping[str, str], limits: ClientTimeout, body: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One answer of success, to a POST if there is a body; what goes wrong until it was read is a KubeError."""
        verb, successes = ("get", (200,)) if body is None else ("post", (200, 201))
        try:
            await self._access.refresh()
            for is_last_try in (False, True):
                async with await self._request(path, params, limits, body) as response:
                    if response.status in successes:
                        yield response
                        return
                    if response.status != 401 or is_last_try or not await self._access.refresh(refused=True):
                        raise await _answer_error(verb, path, response)
                await self._drop_connections()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            told = _transport_error(f"{self._access.server}{path}", error)
            # What the proxy refused holds its URL, password included, which a logged traceback would show.
            raise told from (None if told.reason == "proxy" else error)

    async def _request(
        self, path: str, params: Mapping[str, str], limits: ClientTimeout, body: bytes | None
    ) -> aiohttp.ClientResponse:
        # A token is worth the whole cluster, so it goes over TLS only (quirk Q24).
        token = self._access.token() if self._access.server.startswith("https://") else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return await self._get_session().request(
            "GET" if body is None else "POST",
            self._access.server + path,
            params=params,
            data=body,
            headers=headers,
            timeout=limits,
            proxy=self._access.proxy,
            server_hostname=self._access.tls_server_name,
            allow_redirects=False,
        )

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:  # not in __init__: a session belongs to the running loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._access.ssl_context(), socket_factory=_open_socket),
                headers={
                    "Accept": "application/json",
                    # Unpacking a page of pods would hold the loop for longer than reading it does.
                    "Accept-Encoding": "identity",
                    "User-Agent": f"heapfast/{__version__}",
                },
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _drop_connections(self) -> None:
        """Make the next request open a connection, if connections have a client certificate to show.

        Watches that are open break off with it; they show the old certificate, and are opened anew.
        """
        if self._access.credentials.certificate() is not None:
            await self.close()


def _open_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket that notices within a minute that the other side is gone.

    A quiet watch says nothing for a long time, so silence alone proves nothing; an API server
    that vanished without a FIN would otherwise be waited for until the watch's time is over.
    """
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return opened


async def _lines(path: str, stream: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    pending = bytearray()
    async for chunk in stream.iter_any():
        start = len(pending)  # nothing before it has a line feed, so a long line is searched once
        pending += chunk
        begin = 0
        while (end := pending.find(b"\n", max(begin, start))) >= 0:
            yield bytes(pending[begin:end])
            begin = end + 1
        del pending[:begin]
        if len(pending) > MAX_LINE_BYTES:
            raise KubeError(
                f"cannot watch {path}: got a line of over {MAX_LINE_BYTES} bytes, want one object", reason="too_large"
            )
    if pending:
        yield bytes(pending)


async def _read_body(path: str, response: aiohttp.ClientResponse) -> bytes:
    """A whole body, but no more than could be one."""
    pieces = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            response.close()
            raise KubeError(f"cannot get {path}: got over {MAX_BODY_BYTES} bytes, want a page", reason="too_large")
        pieces.append(piece)
    return b"".join(pieces)


async def _answer_error(verb: str, path: str, response: aiohttp.ClientResponse) -> KubeError:
    """Read what an answer that is not 200 says about itself."""
    body = await response.content.read(MAX_ERROR_BODY_BYTES)
    status = Status()
    with contextlib.suppress(msgspec.DecodeError):  # a proxy's page, or a text: the HTTP status has to do
        status = _status_decoder.decode(body)
    return status_error(
        path,
        response.status,
        status.message or response.reason or "",
        _retry_after(response.headers.get("Retry-After")) or status.retry_after_seconds,
        verb=verb,
    )


def status_error(
    path: str, code: int, message: str, retry_after_seconds: float | None, *, verb: str = "get"
) -> KubeError:
    """The error for a Status, whether it came as an answer or as an event."""
    return KubeError(
        f"cannot {verb} {path}: got status {code}{f' ({message})' if message else ''}, want 200",
        code,
        reason=f"status_{code}",
        retry_after_seconds=retry_after_seconds,
    )


def _retry_after(text: str | None) -> float | None:
    """Seconds of a Retry-After; the API server writes no dates, so none are read."""
    return float(text) if text and text.isascii() and text.isdigit() else None


def _transport_error(url: str, error: Exception) -> KubeError:
    match error:
        case aiohttp.ClientHttpProxyError():
            return KubeError(f"cannot reach {url}: the proxy answered {error.status}", reason="proxy")
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch() | ssl.SSLError():
            return KubeError(f"cannot reach {url}: {error}", reason="tls")
        case TimeoutError():
            return KubeError(f"cannot reach {url}: got no answer in time", reason="timeout")
        case aiohttp.ClientConnectorError():
            return KubeError(f"cannot reach {url}: {error.strerror or error}", reason="connect")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionError():
            return KubeError(f"cannot read {url}: the connection broke off", reason="broken")
        case _:
            return KubeError(f"cannot reach {url}: {type(error).__name__}: {error}", reason="protocol")
