"""The load generator: sends what is due when it is due, and writes down how long each answer took.

In      a Plan and an open pool
Out     Outcome
Callers __main__.py in a process of its own; tests
Never   sends later because an answer is late; counts from the moment of sending
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Final

from bench.load.client import Answer, Call, Pool
from bench.load.histogram import Latencies
from bench.load.plan import Endpoint, Kept, Outcome, Plan, Question, Stream, StreamOutcome
from bench.load.schedule import Due, schedule
from bench.load.timer import Timer

#: How often time-outs are looked for: they are late by up to this much.
EXPIRE_SECONDS: Final = 0.05
#: Before the first request, so that the first moments are not late already.
LEAD_SECONDS: Final = 0.05


class _Tally:
    """What is counted of one stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.latencies = Latencies()
        self.errors: Counter[str] = Counter()
        self.due = 0
        self.good = 0
        self.body_bytes = 0
        self.kept: list[Kept] = []

    def take(self, question: int, answer: Answer, latency: float, timeout_seconds: float) -> None:
        if answer.status == 200 and not answer.error:
            self.good += 1
            self.body_bytes += answer.n_bytes
            self.latencies.record(latency)
            if self.stream.keeps_bodies:
                self.kept.append(Kept(question, time.time() * 1e3, answer.body))
            return
        self.errors[answer.error or f"status {answer.status}"] += 1
        if answer.error == "time-out":
            self.latencies.record(max(latency, timeout_seconds))

    def outcome(self) -> StreamOutcome:
        latencies = self.latencies
        return StreamOutcome(
            name=self.stream.name,
            due=self.due,
            good=self.good,
            errors=dict(sorted(self.errors.items())),
            histogram=latencies.encode(),
            p50_ms=latencies.quantile_ms(0.5),
            p90_ms=latencies.quantile_ms(0.9),
            p99_ms=latencies.quantile_ms(0.99),
            max_ms=latencies.quantile_ms(1.0),
            body_bytes=self.body_bytes,
            kept=self.kept,
        )


class Worker:
    """One run.

    Args:
        pool: open, so that no handshake is in the figures: an aggregation layer keeps its connections.
    """

    def __init__(self, plan: Plan, pool: Pool) -> None:
        self._plan = plan
        self._pool = pool
        self._tallies = [_Tally(stream) for stream in plan.streams]
        self._messages = [
            [message_of(plan.endpoint, question) for question in stream.questions] for stream in plan.streams
        ]
        self._dues: list[Due] = schedule(plan.streams, plan.seconds, plan.seed)
        self._next = 0
        self._pending = len(self._dues)
        self._began = 0.0
        self._late = Latencies()
        self._all_done = asyncio.Event()
        self._timer: Timer

    async def run(self) -> Outcome:
        """Sends everything; returns when everything is answered or given up."""
        cpu = time.process_time()
        self._timer = Timer(self._send_due)
        self._began = time.monotonic() + LEAD_SECONDS
        sweeper = asyncio.create_task(self._sweep())
        try:
            if self._dues:
                self._timer.set(self._began + self._dues[0].seconds)
                await self._all_done.wait()
        finally:
            self._timer.close()
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)
        return Outcome(
            streams=[tally.outcome() for tally in self._tallies],
            seconds=round(time.monotonic() - self._began, 3),
            client_cpu_seconds=round(time.process_time() - cpu, 4),
            late_p99_ms=self._late.quantile_ms(0.99),
            late_max_ms=self._late.quantile_ms(1.0),
            queued=self._pool.queued,
        )

    def _send_due(self) -> None:
        dues = self._dues
        while self._next < len(dues):
            due = dues[self._next]
            moment = self._began + due.seconds
            now = time.monotonic()  # the loop's own time stands still within a turn
            if moment > now:
                self._timer.set(moment)
                return
            self._next += 1
            self._send(due, moment, now)

    def _send(self, due: Due, moment: float, now: float) -> None:
        tally = self._tallies[due.stream]
        tally.due += 1

        def done(answer: Answer) -> None:
            tally.take(due.question, answer, time.monotonic() - moment, self._plan.timeout_seconds)
            self._pending -= 1
            if not self._pending:
                self._all_done.set()

        message = self._messages[due.stream][due.question]
        deadline = moment + self._plan.timeout_seconds
        if self._pool.send(Call(message, deadline, tally.stream.keeps_bodies, done)):
            self._late.record(now - moment)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            self._pool.expire(time.monotonic())


def message_of(endpoint: Endpoint, question: Question) -> bytes:
    """A request as it goes out."""
    lines = [f"GET {question.target} HTTP/1.1", f"host: {endpoint.host}:{endpoint.port}"]
    return "\r\n".join([*lines, *endpoint.headers, *question.headers, "", ""]).encode()
