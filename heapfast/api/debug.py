"""Looking inside: what every target did last, and the place where Go's profiles were.

In      the scrape manager's own account of its targets
Out     indented JSON; 404 for profiles
Callers routes.py; people
Source  ours; spec/heapster-rest.md 11.4 for /debug/pprof
Never   shows credentials: whoever fills `State.targets` leaves them out
"""

from __future__ import annotations

import falcon.asgi

from heapfast.api.request import Request
from heapfast.api.responders import JSON, put_plain
from heapfast.api.state import State
from heapfast.render.layout import indented


class Debug:
    """Responders below `/debug`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def targets(self, req: Request, resp: falcon.asgi.Response) -> None:
        put_plain(resp, 200, indented({"targets": self._state.targets()}), content_type=JSON)

    async def profile(self, req: Request, resp: falcon.asgi.Response, name: str) -> None:
        put_plain(resp, 404, b"Unknown profile\n", nosniff=True)
