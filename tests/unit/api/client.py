"""An in-process client: one ASGI call a request.

In      method, target as on a request line, headers, body
Out     Answer: status, headers, body with its content coding undone
Callers tests of api and auth, tests/conformance
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    raw: bytes
    n_messages: int

    @property
    def body(self) -> bytes:
        return zlib.decompress(self.raw, 47) if self.raw and "content-encoding" in self.headers else self.raw

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: Any,
    target: str,
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (),
    *,
    body: bytes = b"",
    certificates: list[str] | None = None,
) -> Answer:
    """Ask an app; `certificates` are what the host would put into the scope for a TLS client."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        # httptools leaves the spaces before a value out, but not those after it.
        "headers": [(b"host", b"heapster.test"), *((k.lower().encode(), v.lstrip().encode()) for k, v in headers)],
        "server": ("127.0.0.1", 8082),
        "client": ("127.0.0.1", 40000),
    }
    if certificates is not None:
        scope["extensions"] = {"tls": {"client_cert_chain": certificates}}
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start, *bodies = messages
    return Answer(
        start["status"],
        {key.decode(): value.decode() for key, value in start["headers"]},
        b"".join(message.get("body", b"") for message in bodies),
        len(bodies),
    )
