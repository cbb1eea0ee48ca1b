"""The HTTP side of somebody else's store.

In      where it is and who we are to it; requests
Out     bodies, whole or line by line; or a ServerFailure
Callers influxdb_server.py and prometheus_server.py of this folder
Source  RFC 9110: Retry-After, 401; nothing of any one store
Never   retries, follows redirects, reads JSON, or shows a secret
"""

from __future__ import annotations

import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
from aiohttp import ClientTimeout

from heapfast import __version__
from heapfast.errors import HeapfastError

CONNECT_TIMEOUT_SECONDS: Final = 10.0
#: Of one answer, or one line of an answer that comes in lines. A query is cut into pieces far below it.
MAX_BODY_BYTES: Final = 64 << 20
MAX_ERROR_BODY_BYTES: Final = 64 << 10
#: Of what a server says about a failure, in our texts.
MAX_REASON_LETTERS: Final = 300


class ServerFailure(HeapfastError):
    """A request that was not answered with success.

    Attributes:
        reason: one word for counters: "connect", "timeout", "tls", "broken", "protocol", "too_large" or "status".
        status: HTTP status; None when there was no answer.
        body: what the answer said, cut short; "" when there was none.
        retry_after_seconds: how long the server wants to be left alone, None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        status: int | None = None,
        body: bytes = b"",
        retry_after_seconds: float | None = None,
    ) -> None:
        self.reason = reason
        self.status = status
        self.body = body
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed later, as far as HTTP says."""
        return self.status is None or self.status == 429 or self.status >= 500


class StoreServer:
    """One session with one server. On the loop.

    Args:
        url: scheme, authority and the path that all requests have in common; no slash at the end.
        headers: go with every request; secrets may be among them.
        user, password: of basic authentication; "" sends none.
        context: how TLS is spoken; None where the URL says http.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        user: str = "",
        password: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self._headers = {"User-Agent": f"heapfast/{__version__}", **(headers or {})}
        if user:
            self._headers["Authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float,
    ) -> bytes:
        """Sends one request and reads the whole answer.

        Args:
            body: bytes, or a list of pairs that is sent as a form.

        Raises:
            ServerFailure: no answer, or one that is no success.
        """
        pieces: list[bytes] = []
        size = 0
        async with self._answer(method, path, params, body, headers, timeout_seconds) as response:
            async for piece in response.content.iter_any():
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    raise self._too_large(path)
                pieces.append(piece)
        return b"".join(pieces)

    async def iter_lines(self, method: str, path: str, *, body: Any, timeout_seconds: float) -> AsyncIterator[bytes]:
        """Sends one request and gives the lines of the answer as they come, empty ones left out.

        Who stops early closes the iterator, which breaks the connection off; the server stops, too.

        Raises:
            ServerFailure: as in `request`, at the start or at any line.
        """
        pending = bytearray()
        async with self._answer(method, path, None, body, None, timeout_seconds) as response:
            async for piece in response.content.iter_any():
                start = len(pending)  # nothing before it has a line feed, so a long line is searched once
                pending += piece
                begin = 0
                while (end := pending.find(b"\n", max(begin, start))) >= 0:
                    if end > begin:
                        yield bytes(pending[begin:end])
                    begin = end + 1
                del pending[:begin]
                if len(pending) > MAX_BODY_BYTES:
                    raise self._too_large(path)
        if pending:
            yield bytes(pending)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        headers: Mapping[str, str] | None,
        timeout_seconds: float,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        limits = ClientTimeout(total=timeout_seconds, sock_connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds))
        try:
            async with self._get_session().request(
                method,
                self.url + path,
                params=params,
                data=body,
                headers=headers,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                if response.status not in (200, 202, 204):
                    raise await self._refusal(method, path, response)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._transport_failure(error) from error

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:  # not in __init__: a session belongs to the running loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._context if self._context is not None else True),
                headers={**self._headers, "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _refusal(self, method: str, path: str, response: aiohttp.ClientResponse) -> ServerFailure:
        body = b""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # the status says enough without it
            body = await response.content.read(MAX_ERROR_BODY_BYTES)
        response.close()
        text = readable(body)
        return ServerFailure(
            f"cannot {method} {self.url}{path}: got status {response.status}{f' ({text})' if text else ''}, want 200",
            reason="status",
            status=response.status,
            body=body,
            retry_after_seconds=parse_retry_after(response.headers.get("Retry-After")),
        )

    def _too_large(self, path: str) -> ServerFailure:
        return ServerFailure(
            f"cannot read {self.url}{path}: got more than {MAX_BODY_BYTES >> 20} MiB in one piece", reason="too_large"
        )

    def _transport_failure(self, error: Exception) -> ServerFailure:
        match error:
            case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch() | ssl.SSLError():
                return ServerFailure(f"cannot reach {self.url}: {error}", reason="tls")
            case TimeoutError():
                return ServerFailure(f"cannot reach {self.url}: got no answer in time", reason="timeout")
            case aiohttp.ClientConnectorError():
                return ServerFailure(f"cannot reach {self.url}: {error.strerror or error}", reason="connect")
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionError():
                return ServerFailure(f"cannot read {self.url}: the connection broke off", reason="broken")
            case _:
                return ServerFailure(f"cannot reach {self.url}: {type(error).__name__}: {error}", reason="protocol")


def readable(body: bytes) -> str:
    """What a body says, on one line and cut short; for texts, never for decisions."""
    text = body[: 4 * MAX_REASON_LETTERS].decode("utf-8", "replace")
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= MAX_REASON_LETTERS else f"{line[:MAX_REASON_LETTERS]}..."


def parse_retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None for anything else, and for what is past."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    seconds = (when - (now or datetime.now(UTC))).total_seconds()
    return seconds if seconds > 0 else None
