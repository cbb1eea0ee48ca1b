"""/openapi/v2 and /openapi/v3: the documents, by path and by hash.

In      the versions of the group
Out     JSON with ETags; an index whose URLs name the hash of what they lead to
Callers secure_routes.py; the aggregation layer, kubectl explain
Source  spec/metrics-k8s-io.md section 10, recorded `openapi` answers
Never   offers the documents as protobuf: whoever asks for that falls back to JSON
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any, Final

import falcon.asgi

from heapfast.api.accept import parse_types
from heapfast.api.kubernetes_responders import accepts_gzip, put_nothing
from heapfast.api.negotiation import compress
from heapfast.api.openapi_documents import documents
from heapfast.api.request import Request
from heapfast.api.responders import JSON, Responder
from heapfast.clock import Clock
from heapfast.units import NS_PER_SECOND

_YEAR_SECONDS: Final = 365 * 24 * 3600
_RANGE: Final = re.compile(r"bytes=(\d{1,9})-(\d{0,9})")


class _Document:
    """One body and its hash."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.body = json.dumps(value, separators=(",", ":")).encode()
        self.compressed = compress(self.body, "gzip")
        self.hash = hashlib.sha512(self.body).hexdigest().upper()
        self.etag = f'"{self.hash}"'


class OpenApi:
    """Responders of the documents; every method is welcome.

    Attributes:
        paths: of version 3, below /openapi/v3/.
    """

    def __init__(self, versions: Iterable[str], server_version: str, clock: Clock) -> None:
        v2, v3 = documents(versions, server_version)
        self._clock = clock
        self._last_modified = formatdate(clock.now_ns() / NS_PER_SECOND, usegmt=True)
        self._v2 = _Document(v2)
        self._v3 = {path: _Document(value) for path, value in v3.items()}
        self._index = _Document(
            {
                "paths": {
                    path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={document.hash}"}
                    for path, document in self._v3.items()
                }
            }
        )
        self.paths = tuple(self._v3)

    async def v2(self, req: Request, resp: falcon.asgi.Response) -> None:
        resp.set_header("vary", "Accept-Encoding, Accept")
        if _accepts_json(req):
            self._put(req, resp, self._v2)
        else:
            put_nothing(resp, 406)

    async def index(self, req: Request, resp: falcon.asgi.Response) -> None:
        self._put(req, resp, self._index)

    def v3(self, path: str) -> Responder:
        """Make the responder of one document of version 3."""
        document = self._v3[path]

        async def respond(req: Request, resp: falcon.asgi.Response) -> None:
            resp.set_header("vary", "Accept")
            if not _accepts_json(req):
                put_nothing(resp, 406)
                return
            wanted = req.query().get("hash", "")
            if wanted and wanted != document.hash:
                resp.status = 301
                resp.content_type = JSON
                resp.set_header("etag", document.etag)
                resp.set_header("location", f"/openapi/v3/{path}?hash={document.hash}")
                return
            if wanted:
                # What a hash names never changes.
                resp.set_header("cache-control", "public, immutable")
                expires = formatdate(self._clock.now_ns() / NS_PER_SECOND + _YEAR_SECONDS, usegmt=True)
                resp.set_header("expires", expires)
            self._put(req, resp, document)

        return respond

    async def nothing(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Answer for paths below /openapi/v3/ that lead nowhere: with nothing, as upstream does."""
        put_nothing(resp, 200)

    def _put(self, req: Request, resp: falcon.asgi.Response, document: _Document) -> None:
        resp.set_header("etag", document.etag)
        if req.first_header(b"if-none-match") == document.etag:
            resp.status = 304
            return
        resp.content_type = JSON
        resp.set_header("accept-ranges", "bytes")
        resp.set_header("last-modified", self._last_modified)
        if accepts_gzip(req.first_header(b"accept-encoding")):
            resp.set_header("content-encoding", "gzip")
            resp.data = document.compressed
            return
        part = _RANGE.fullmatch(req.first_header(b"range"))
        if part is None or int(part[1]) >= len(document.body):
            resp.data = document.body
            return
        first = int(part[1])
        last = min(int(part[2] or len(document.body)), len(document.body) - 1)
        resp.status = 206
        resp.set_header("content-range", f"bytes {first}-{last}/{len(document.body)}")
        resp.data = document.body[first : last + 1]


def _accepts_json(req: Request) -> bool:
    accept = req.first_header(b"accept")
    return not accept or not parse_types(accept).isdisjoint((JSON, "application/*", "*/*"))
