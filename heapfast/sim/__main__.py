"""The simulator as a child process: options come in, addresses go out, on pipes.

In      SimulateOptions as one line of JSON on stdin; later the end of stdin
Out     Endpoints as one line of JSON on stdout, once everything listens
Callers process.py
Never   outlives its parent: the end of stdin stops it, however the parent died
"""

from __future__ import annotations

import asyncio
import gc
import sys

import msgspec
import uvloop

from heapfast.errors import HeapfastError
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from heapfast.sim.process import endpoints_of


async def _serve(options: SimulateOptions) -> None:
    async with SimulatedCluster(options) as sim:
        # The model stays: collections that walk through it cost 100 ms each at 150,000 pods.
        gc.freeze()
        sys.stdout.buffer.write(msgspec.json.encode(endpoints_of(sim)) + b"\n")
        sys.stdout.buffer.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


def main() -> None:
    options = msgspec.json.decode(sys.stdin.buffer.readline(), type=SimulateOptions)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options))
    except HeapfastError as error:
        sys.exit(f"heapfast: {error}")


if __name__ == "__main__":
    main()
