"""Asks an ASGI app as the HTTP server would, without a socket.

In      a recorded request: method, path as on the request line, headers, body
Out     status, headers by lower-case name, and the text after undoing the content encoding
Callers test_vectors.py
Source  the ASGI HTTP specification 2.3; paths are decoded as uvicorn does
Never   follows redirects
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from tests.conformance.recordings import Json

_UNDO: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


class Answer(NamedTuple):
    """What the app said."""

    status: int
    headers: dict[str, str]
    body: str


async def ask(app: Any, request: Json) -> Answer:
    """Sends one request through the app."""
    raw_path, _, query = request["path"].partition("?")
    headers = {"host": "heapster.test", **{name.lower(): value for name, value in request["headers"].items()}}
    body = request.get("body", "").encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request["method"],
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8082),
        "extensions": {},
    }
    incoming = iter([{"type": "http.request", "body": body, "more_body": False}])
    status = 0
    answered: dict[str, str] = {}
    parts: list[bytes] = []

    async def receive() -> Any:
        return next(incoming, {"type": "http.disconnect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            answered.update({name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]})
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    undo = _UNDO[answered.get("content-encoding", "")]
    joined = b"".join(parts)
    return Answer(status, answered, undo(joined).decode() if joined else "")
