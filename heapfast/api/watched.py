"""Chunks from elsewhere, as long as somebody waits for them: a time limit, and an end when the client has gone.

In      an asynchronous generator of anything
Out     the same, ended early when it takes too long or nobody listens any more
Callers historical.py
Source  ASGI: "http.disconnect" is the only word of a client that has hung up; a server swallows what is sent after it
Never   limits how long a client takes to read: only the time that is spent waiting for the next chunk counts
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from time import monotonic
from typing import TypeVar

from heapfast.errors import HistoryTimeout

ChunkT = TypeVar("ChunkT")
ResultT = TypeVar("ResultT")


class Watch:
    """One question's patience.

    Args:
        gone: returns True once the client has hung up (Request.wait_gone).
        limit_seconds: for all chunks together.
    """

    def __init__(self, gone: Awaitable[bool], limit_seconds: float) -> None:
        self._gone = asyncio.ensure_future(gone)
        self._limit_seconds = limit_seconds
        self._left_seconds = limit_seconds

    async def wait(self, work: Awaitable[ResultT]) -> ResultT | None:
        """Wait for one piece of work; cancel it when the limit is reached or the client has gone.

        Returns:
            What it gives; None when nobody is there to be told.

        Raises:
            HistoryTimeout: it took too long.
        """
        task = asyncio.ensure_future(work)
        started = monotonic()
        try:
            watched = {task} if self._is_silent() else {task, self._gone}
            while not task.done():
                left = self._left_seconds - (monotonic() - started)
                await asyncio.wait(watched, timeout=max(left, 0.0), return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    break
                if self._gone.done() and not self._is_silent():
                    return None
                watched.discard(self._gone)
                if monotonic() - started >= self._left_seconds:
                    raise HistoryTimeout(self._limit_seconds)
            return task.result()
        finally:
            self._left_seconds -= monotonic() - started
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    def _is_silent(self) -> bool:
        return self._gone.done() and (
            self._gone.cancelled() or self._gone.exception() is not None or not self._gone.result()
        )

    def close(self) -> None:
        """Stop listening."""
        self._gone.cancel()


async def watched(chunks: AsyncGenerator[ChunkT], watch: Watch) -> AsyncGenerator[ChunkT]:
    """Pass chunks on; close their source in any case.

    Raises:
        HistoryTimeout: the limit is reached.
    """
    try:
        while True:
            try:
                chunk = await watch.wait(anext(chunks))
            except StopAsyncIteration:
                return
            if chunk is None:
                return
            yield chunk
    finally:
        watch.close()
        await chunks.aclose()
