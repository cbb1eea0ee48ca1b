"""Hosting: uvicorn on a loop and sockets that are given, with limits on what a client may cost.

In      an ASGI app, listening sockets, perhaps a TLS context
Out     a running server; `stop` lets answers finish
Callers daemon
Source  design section 3; the certificate's place in the scope: ASGI's TLS extension
Never   creates a loop, binds a port, handles signals, or writes an access log
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvicorn

from heapfast.api.protocol import HttpProtocol, Limits

_log = logging.getLogger(__name__)

#: How often the date is renewed that answers carry; HTTP's have no fractions of a second.
DATE_SECONDS = 1

#: Seconds that answers in progress get when the server stops.
STOP_SECONDS = 5


class Host:
    """One app on some sockets.

    Args:
        app: an ASGI app.
        limits: on clients.
        ssl_context: for HTTPS; with it every socket speaks TLS.

    Attributes:
        is_tls: whether it does.
    """

    def __init__(
        self, app: Callable[..., Any], *, limits: Limits | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._limits = limits or Limits()
        config = uvicorn.Config(
            app,
            http=self._protocol,  # type: ignore[arg-type]
            loop="none",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            # Below are complaints about what clients send, which they get as answers.
            log_level=logging.ERROR,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=self._limits.connections,
            timeout_keep_alive=self._limits.keep_alive_seconds,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        config.load()
        config.ssl = ssl_context
        self.is_tls = ssl_context is not None
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    def _protocol(self, config: uvicorn.Config, **more: Any) -> HttpProtocol:
        return HttpProtocol(config, limits=self._limits, **more)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on bound sockets; returns once they accept. The sockets are the host's from now on."""
        assert self._task is None, "BUG: a host starts once"
        self._task = asyncio.create_task(self._server.serve(list(sockets)), name="host")
        accepting = asyncio.create_task(self._server.accepting.wait())
        await asyncio.wait((self._task, accepting), return_when=asyncio.FIRST_COMPLETED)
        if not accepting.done():
            accepting.cancel()
            await self._task

    async def stop(self) -> None:
        """Stop accepting, let answers finish for a while, then cut what is left. Twice is no error."""
        if self._task is None:
            return
        self._server.end()
        await self._task
        left = list(self._server.server_state.connections)
        if left:
            _log.warning("cut %d connections that did not end within %d s", len(left), STOP_SECONDS)
        for connection in left:
            if connection.transport is not None:
                connection.transport.abort()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        # uvicorn looks ten times a second whether to end, as often as all of 100 nodes answer. Here it is told.
        while not await self.on_tick(0):  # a count of 0 renews the date of answers
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DATE_SECONDS):
                    await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are the daemon's: it stops its parts in order, this one among them.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()
