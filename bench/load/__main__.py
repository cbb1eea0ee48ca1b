"""The load generator as a child process: a plan comes in, a word when it may start, an outcome goes out.

In      a Plan as one line of JSON on stdin; later any other line
Out     "ready" on stdout once every connection is open; then an Outcome as one line of JSON
Callers runner.py
Never   collects garbage while time counts: the collector's pauses would be the server's
"""

from __future__ import annotations

import asyncio
import gc
import sys

import msgspec
import uvloop

from bench.load.client import Pool
from bench.load.plan import Outcome, Plan
from bench.load.worker import Worker


async def _run(plan: Plan) -> Outcome:
    pool = Pool(plan.endpoint, plan.connections)
    await pool.open()
    try:
        worker = Worker(plan, pool)
        gc.collect()
        gc.disable()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if not sys.stdin.readline():
            sys.exit("the bench went before the load began")
        return await worker.run()
    finally:
        await pool.close()


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(_run(plan))
    sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
