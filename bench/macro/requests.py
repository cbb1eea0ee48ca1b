"""One kind of request at a fixed rate, by the load generator, and what it cost the daemon.

In      a request, a rate, a duration; the daemon's process and what it uses when it is not asked
Out     Asked: quantiles, errors, CPU a request
Callers daemon.py
Never   asks in this process: its CPU time would be in every latency
"""

from __future__ import annotations

import msgspec

from bench.load.plan import Plan, Stream
from bench.load.runner import run_plan
from bench.macro.modes import Request
from bench.processes import cpu_seconds_of


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from the moment a request was due to the last byte of its answer.

    Attributes:
        cpu_us: of the daemon, a good answer, beyond what it uses when it is not asked.
        client_cpu_us: of the load generator, a request.
    """

    sent: int
    errors: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    cpu_us: float
    client_cpu_us: float


async def ask_at_rate(request: Request, per_second: float, seconds: float, pid: int, idle_cores: float) -> Asked:
    """Asks one thing over and over, at moments that no answer changes.

    Args:
        idle_cores: that the process uses when nobody asks.
    """
    stream = Stream(name="asked", questions=[request.question], arrival="poisson", per_second=per_second)
    before = cpu_seconds_of(pid)
    outcome = await run_plan(Plan(endpoint=request.endpoint, streams=[stream], seconds=seconds))
    (asked,) = outcome.streams
    cpu = cpu_seconds_of(pid) - before - idle_cores * outcome.seconds
    return Asked(
        sent=asked.due,
        errors=sum(asked.errors.values()),
        p50_ms=asked.p50_ms,
        p90_ms=asked.p90_ms,
        p99_ms=asked.p99_ms,
        max_ms=asked.max_ms,
        cpu_us=round(cpu / max(asked.good, 1) * 1e6, 1),
        client_cpu_us=round(outcome.client_cpu_seconds / max(asked.due, 1) * 1e6, 1),
    )
