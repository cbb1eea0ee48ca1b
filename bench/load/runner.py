"""Runs a Plan in a process of its own, so that its CPU time is nobody else's.

In      a Plan
Out     Outcome
Callers bench/macro, bench/compare, bench/curves
Never   starts the clock before every connection is open, or leaves the child behind
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from bench.load.plan import Outcome, Plan

#: For opening connections, and for what comes after the last request.
SPARE_SECONDS: Final = 60.0
LINE_BYTES: Final = 256 * 1024 * 1024
ROOT: Final = str(Path(__file__).resolve().parents[2])


async def run_plan(plan: Plan) -> Outcome:
    """Runs a plan to its end.

    Raises:
        RuntimeError: the load generator could not; its reason is on stderr.
    """
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        limit=LINE_BYTES,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(plan.seconds + plan.timeout_seconds + SPARE_SECONDS):
            process.stdin.write(msgspec.json.encode(plan) + b"\n")
            if await process.stdout.readline() != b"ready\n":
                raise await _ended(process)
            process.stdin.write(b"go\n")
            line = await process.stdout.readline()
            if not line.endswith(b"\n"):  # none, or one that was cut
                raise await _ended(process)
            return msgspec.json.decode(line, type=Outcome)
    finally:
        if process.returncode is None:
            process.stdin.close()
            try:
                async with asyncio.timeout(5.0):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ended(process: asyncio.subprocess.Process) -> RuntimeError:
    status = await process.wait()
    why = f"by signal {-status}" if status < 0 else f"with status {status}; its reason is on stderr"
    return RuntimeError(f"cannot load the server: the load generator ended {why}")
