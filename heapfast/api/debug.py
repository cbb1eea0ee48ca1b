"""Looking inside: what every target did last, and the place where Go's profiles were.

In      the scrape manager's own account of its targets
Out     indented JSON; 404 for profiles
Callers routes.py; people
Source  ours; spec/heapster-rest.md 11.4 for /debug/pprof
Never   shows credentials: whoever fills `State.targets` leaves them out; holds the loop for thousands of them
"""

from __future__ import annotations

import asyncio
from typing import Final

import falcon.asgi

from heapfast.api.request import Request
from heapfast.api.responders import JSON, put_plain
from heapfast.api.state import State
from heapfast.render.layout import indented

#: Targets that are written before the loop gets its turn: below 1 ms.
SLICE_TARGETS: Final = 50


class Debug:
    """Responders below `/debug`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def targets(self, req: Request, resp: falcon.asgi.Response) -> None:
        pieces: list[bytes] = []
        for number, target in enumerate(self._state.targets(), 1):
            pieces.append(indented(target, depth=2))
            if number % SLICE_TARGETS == 0:
                await asyncio.sleep(0)
        text = b"[\n   " + b",\n   ".join(pieces) + b"\n  ]" if pieces else b"[]"
        put_plain(resp, 200, b'{\n  "targets": ' + text + b"\n }", content_type=JSON)

    async def profile(self, req: Request, resp: falcon.asgi.Response, name: str) -> None:
        put_plain(resp, 404, b"Unknown profile\n", nosniff=True)
