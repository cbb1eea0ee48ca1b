"""The request as routes see it.

In      an ASGI scope
Out     Falcon's request with the raw query and the few headers that routing looks at
Callers app.py makes it Falcon's request type; responders and families read it
Source  spec/heapster-rest.md 1.4 and 1.6: of repeated headers the first line counts
Never   fails on odd bytes: header values are taken as latin-1, the query is parsed by params.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon.asgi

from heapfast.api.params import is_remembered, parse_query, remembered_query


class ClientGone(Exception):
    """The client has hung up before its request was complete."""


class Request(falcon.asgi.Request):
    """Adds what Heapster's rules need and Falcon has no words for."""

    def __init__(self, scope: dict[str, Any], receive: Any, **more: Any) -> None:
        self.raw_query: bytes = scope["query_string"]
        self._receive_message = receive
        # Falcon has waited for it; its own stream would take a body that broke off for one that has ended.
        self._first_message: Mapping[str, Any] | None = more.get("first_event")
        self._query: Mapping[str, str] | None = None
        # Falcon would split the query by other rules, and fail on bytes that are no UTF-8.
        scope["query_string"] = b""
        super().__init__(scope, receive, **more)

    def query(self) -> Mapping[str, str]:
        """Return the query's parameters, the first value of each."""
        if self._query is None:
            raw = self.raw_query
            self._query = remembered_query(raw) if is_remembered(raw) else parse_query(raw)
        return self._query

    def first_header(self, name: bytes) -> str:
        """Return the first line of a header, by its lower-case name; "" when there is none."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value, "latin-1")
        return ""

    async def read_body(self, max_bytes: int) -> bytes | None:
        """Read the body; None where it is longer, of which no more is read.

        Raises:
            ClientGone: it did not come to its end.
        """
        stated = self.first_header(b"content-length")
        if stated.isdigit() and int(stated[:16]) > max_bytes:
            return None
        chunks: list[bytes] = []
        size = 0
        has_more = True
        message, self._first_message = self._first_message, None
        while has_more:
            if message is None:
                message = await self._receive_message()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > max_bytes:
                return None
            has_more = message.get("more_body", False)
            message = None
        return b"".join(chunks)

    async def wait_gone(self) -> bool:
        """Wait until the client has hung up, and return True; False when the server is not going to say."""
        seen_end = False
        while True:
            message = await self._receive_message()
            if message["type"] == "http.disconnect":
                return True
            # After the last of the body there is nothing to come but that: who repeats it knows no more.
            if seen_end:
                return False
            seen_end = not message.get("more_body", False)

    def size_bytes(self) -> int:
        """Return about how large the request was: line, headers, declared body."""
        scope = self.scope
        size = len(scope["method"]) + len(scope.get("raw_path") or scope["path"]) + len(self.raw_query) + 12
        for name, value in scope["headers"]:
            size += len(name) + len(value) + 4
            if name == b"content-length" and value.isdigit() and len(value) < 16:
                size += int(value)
        return size
