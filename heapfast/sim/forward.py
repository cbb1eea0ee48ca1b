"""Forwarding to the daemon, as the aggregation layer and the service proxy do it.

In      requests below /apis/metrics.k8s.io, and below the service proxy of Heapster
Out     the daemon's answers, streamed; 503 when it is away
Callers apiserver.py
Source  spec/metrics-k8s-io.md 11.4 for the headers
Never   passes on Authorization, decodes a body, or believes a client who claims to be a proxy
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from heapfast.sim.statuses import status_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapfast.sim.identities import Caller

AGGREGATED_PREFIX: Final = "/apis/metrics.k8s.io"
#: The name may be scheme:name:port, each of the outer ones left out.
_SERVICE_PROXY: Final = re.compile(
    r"/api/v1/namespaces/kube-system/services/(?:https?:)?heapster(?::[a-z0-9-]*)?/proxy(?P<rest>/[^?]*)?(?P<query>\?.*)?"
)
_HOP_BY_HOP: Final = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
_NOT_FORWARDED: Final = _HOP_BY_HOP | {"authorization", "host", "content-length"}
#: What a header name may hold as it stands; anything else in a key of `extra` is escaped.
_HEADER_NAME_SAFE: Final = "!#$&'*+-.^_`|~"
_CONNECT_SECONDS: Final = 5.0
_CHUNK_BYTES: Final = 65536


def service_proxy_target(raw_path: str) -> str | None:
    """The path and query behind the service proxy of Heapster, still escaped; None for any other path."""
    match = _SERVICE_PROXY.fullmatch(raw_path)
    if match is None:
        return None
    return (match["rest"] or "/") + (match["query"] or "")


class Forwarder:
    """Keeps connections to one daemon."""

    def __init__(self, daemon_url: str, context: ssl.SSLContext | None) -> None:
        """Args: context: for an https daemon; None = its certificate is not checked and none is shown."""
        self._daemon_url = daemon_url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context if context is not None else False, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            auto_decompress=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def forward(self, request: web.Request, target: str, caller: Caller) -> web.StreamResponse:
        """Sends the request on to a path of the daemon (escaped, with query) and streams the answer back."""
        headers = [(name, value) for name, value in request.headers.items() if _passes(name.lower())]
        headers += _headers_of(caller)
        headers += [
            ("X-Forwarded-For", request.remote or "127.0.0.1"),
            ("X-Forwarded-Uri", request.raw_path),
            ("X-Forwarded-Host", request.host),
            ("X-Forwarded-Proto", request.scheme),
        ]
        try:
            answer = await self._session.request(
                request.method,
                URL(self._daemon_url + target, encoded=True),
                headers=headers,
                data=await request.read() if request.can_read_body else None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            return status_response(503, f"error trying to reach service: {error}")
        async with answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                await response.write(chunk)
            await response.write_eof()
            return response


def _passes(name: str) -> bool:
    return name not in _NOT_FORWARDED and not name.startswith("x-remote-")


def _headers_of(caller: Caller) -> Iterator[tuple[str, str]]:
    yield "X-Remote-User", caller.name
    if caller.uid:
        yield "X-Remote-Uid", caller.uid
    for group in caller.groups:
        yield "X-Remote-Group", group
    for key, values in caller.extra.items():
        for value in values:
            yield f"X-Remote-Extra-{quote(key, safe=_HEADER_NAME_SAFE)}", value
