"""metric-export and its schema.

In      nothing
Out     the newest batch as one long list; the schema
Callers routes.py
Source  spec/heapster-rest.md 4.1, 6.5, 6.6; B21 (503 without the metric sink)
Never   holds the loop: the list is written in a thread, a chunk at a time
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from heapfast.api.errors import Unavailable
from heapfast.api.request import Request
from heapfast.api.responders import Responders
from heapfast.api.state import State
from heapfast.render._export import ExportWriter
from heapfast.render.export import render_schema

_NO_BATCH = b"null\n"
_NOTHING = b"[]\n"


class Export:
    """Handlers of `/api/v1/metric-export` and `/api/v1/metric-export-schema`."""

    def __init__(self, state: State, responders: Responders) -> None:
        self._state = state
        self._run = responders.run
        self._schema = render_schema()

    def batch(self, req: Request) -> bytes | AsyncIterator[bytes]:
        if self._state.disable_export:
            return _NOTHING
        if self._state.disable_metric_sink:
            raise Unavailable("metric-export needs the metric sink, which is disabled")
        newest = self._state.store.newest
        return _NO_BATCH if newest is None else self._chunks(ExportWriter(newest))

    async def _chunks(self, writer: ExportWriter) -> AsyncIterator[bytes]:
        while chunk := await self._run(writer.read):
            yield chunk

    def schema(self, req: Request) -> bytes:
        return self._schema
