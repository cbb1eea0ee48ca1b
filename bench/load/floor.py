"""What the load generator and this machine put under every latency: the same load against a server that does nothing.

In      a rate, the size of an answer
Out     Outcome, without TLS
Callers bench/compare, bench/macro
Never   is taken off a figure: it is shown beside it
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from bench.load.plan import Endpoint, Outcome, Plan, Question, Stream
from bench.load.runner import ROOT, run_plan

ANSWER_BYTES: Final = 8_192
SECONDS: Final = 5.0


async def measure_floor(per_second: float, answer_bytes: int = ANSWER_BYTES, seconds: float = SECONDS) -> Outcome:
    """Loads a server that does nothing."""
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.load.null_server",
        str(answer_bytes),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        port = int(await server.stdout.readline())
        stream = Stream(name="floor", questions=[Question("/")], arrival="poisson", per_second=per_second)
        return await run_plan(Plan(endpoint=Endpoint(host="127.0.0.1", port=port), streams=[stream], seconds=seconds))
    finally:
        server.stdin.close()
        await server.wait()
