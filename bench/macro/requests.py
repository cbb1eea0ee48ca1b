"""Requests at a fixed rate, and how long each took: an open loop, so that a slow server cannot hide.

In      a request, a rate, a duration
Out     Latencies: p50, p99, maximum, errors
Callers bench/macro
Never   waits for an answer before it sends the next request; latency counts from when a request was due
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import aiohttp

from bench.macro.modes import Request

MAX_CONNECTIONS = 64


class Latencies(NamedTuple):
    """Milliseconds, from the moment a request was due to the last byte of its answer."""

    sent: int
    errors: int
    p50_ms: float
    p99_ms: float
    max_ms: float


async def ask_at_rate(request: Request, per_second: float, seconds: float) -> Latencies:
    """Sends one request over and over."""
    loop = asyncio.get_running_loop()
    took: list[float] = []
    errors = 0

    async def ask(session: aiohttp.ClientSession, due: float) -> None:
        nonlocal errors
        try:
            async with session.get(request.url, ssl=request.tls or True, headers=request.headers) as response:
                await response.read()
                errors += response.status != 200
        except aiohttp.ClientError:
            errors += 1
        took.append(loop.time() - due)

    count = round(per_second * seconds)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS)) as session:
        began = loop.time()
        tasks = []
        for number in range(count):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(ask(session, due)))
        await asyncio.gather(*tasks)
    took.sort()
    return Latencies(
        count, errors, took[len(took) // 2] * 1e3, took[min(len(took) - 1, int(len(took) * 0.99))] * 1e3, took[-1] * 1e3
    )
