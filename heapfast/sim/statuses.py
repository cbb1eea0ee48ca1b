"""The API server's error objects.

In      an HTTP status, a reason, a message
Out     `Status` as bytes, or as an aiohttp response to return
Callers everything behind apiserver.py
Source  meta/v1 Status
"""

from __future__ import annotations

import msgspec
from aiohttp import web

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    410: "Expired",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def status_bytes(code: int, message: str) -> bytes:
    """One `Status` object."""
    return msgspec.json.encode(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": REASONS.get(code, "InternalError"),
            "code": code,
        }
    )


def status_response(code: int, message: str) -> web.Response:
    return web.Response(status=code, body=status_bytes(code, message), content_type="application/json")
