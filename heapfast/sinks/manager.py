"""Takes each closed batch to every sink, and lets none of them slow the others or the tick.

In      batches, from the pipeline, on the loop
Out     chunks, to the sinks; one worker a sink
Callers daemon starts it, pipeline calls it
Source  spec/heapster-pipeline.md 6.3; Q19 and Q20: a sink that is away or stuck costs itself only
Never   waits for a sink, or renders on the loop

Each sink has a queue of so many batches. A batch that finds it full makes the oldest go, which is counted; the batch
that is being tried again and again is the oldest of all. Batches are shared by all sinks and by the ring: what a queue
costs is the memory of plain columns that the ring would have packed.

A chunk that failed is tried again, after longer and longer waits, until it has arrived, the sink refuses it for good,
or its batch is dropped. So samples may arrive twice, with the same time stamp and value.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from heapfast.backoff import Backoff
from heapfast.errors import SinkError

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.clock import Clock
    from heapfast.sinks.monitoring import BatchOutcome, SinkMonitoring
    from heapfast.sinks.sink import Chunk, Chunks, Sink

log = logging.getLogger(__name__)

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

#: For letting go of connections.
CLOSE_SECONDS: Final = 1.0


class SinkManager:
    """One worker a sink. A subscriber of the pipeline.

    Args:
        workers: their sinks not yet connected.
        flush_seconds: how long `close` waits for what is still to be sent.
    """

    def __init__(self, workers: Sequence[SinkWorker], *, sleep: Sleep, flush_seconds: float) -> None:
        self._workers = workers
        self._sleep = sleep
        self._flush_seconds = flush_seconds
        self._tasks: list[asyncio.Task[None]] = []

    def __call__(self, batch: Batch) -> None:
        """Queues a batch for every sink."""
        for worker in self._workers:
            worker.put(batch)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(worker.run(), name=f"sink {worker.name}") for worker in self._workers]

    async def close(self) -> None:
        """Sends what is queued, as far as the limit allows, and closes the sinks. Nothing is tried twice any more."""
        for worker in self._workers:
            worker.finish()
        if self._tasks:
            await race(self._sleep(self._flush_seconds), asyncio.wait(self._tasks))
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in self._workers))


class SinkWorker:
    """The queue of one sink, and what empties it.

    Args:
        name: what the sink is called in logs and counters.
        random: gives [0, 1), for the back-off.
        exported: is told (name of the sink, when, how many seconds it took) of each batch that was sent.
        queue_batches: so many may wait beside the one that is being sent.
        send_seconds: after which an attempt is given up.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        name: str,
        executor: Executor,
        clock: Clock,
        random: Callable[[], float],
        sleep: Sleep,
        monitoring: SinkMonitoring,
        exported: Callable[[str, int, float], None],
        queue_batches: int,
        send_seconds: float,
    ) -> None:
        self.name = name
        self._sink = sink
        self._executor = executor
        self._clock = clock
        self._sleep = sleep
        self._monitoring = monitoring
        self._exported = exported
        self._queue_batches = queue_batches
        self._send_seconds = send_seconds
        self._backoff = Backoff(random)
        self._waiting: deque[Batch] = deque()
        self._news = asyncio.Event()  # there is a batch, or nothing more to wait for
        self._nudge = asyncio.Event()  # a pause is to end early
        self._is_pausing = False
        self._is_given_up = False  # the batch whose chunk is being tried again
        self._is_finishing = False
        self._is_refusing = False  # so that a row of refusals is logged once

    def put(self, batch: Batch) -> None:
        """Queues a batch; the oldest goes when there are too many."""
        self._waiting.append(batch)
        if len(self._waiting) > self._queue_batches:
            if self._is_pausing and not self._is_given_up:
                self._is_given_up = True
                self._nudge.set()
            else:
                self._waiting.popleft()
                self._monitoring.batches_dropped(1)
        self._monitoring.queue_is(len(self._waiting))
        self._news.set()

    def finish(self) -> None:
        """Has `run` return once the queue is empty, or as soon as an attempt fails."""
        self._is_finishing = True
        self._nudge.set()
        self._news.set()

    async def run(self) -> None:
        """Sends batch after batch until `finish`. What goes wrong with one batch costs that batch."""
        while True:
            while not self._waiting:
                if self._is_finishing:
                    return
                self._news.clear()
                await self._news.wait()
            batch = self._waiting.popleft()
            self._monitoring.queue_is(len(self._waiting))
            started = self._clock.monotonic()
            try:
                outcome = await self._export(batch)
            except asyncio.CancelledError:
                self._monitoring.batches_dropped(1)
                raise
            except Exception:
                outcome = "failed"
                log.exception("BUG: sink %s: the batch of %d ns could not be sent", self.name, batch.timestamp_ns)
            took = self._clock.monotonic() - started
            self._monitoring.batch_done(outcome, batch.timestamp_ns, took)
            if outcome in ("sent", "partly"):
                self._exported(self._sink.name, self._clock.now_ns(), took)
            del batch  # else it lives until the next one comes

    async def close(self) -> None:
        """Counts what was not sent, and lets go of connections."""
        left = len(self._waiting)
        if left:
            self._waiting.clear()
            self._monitoring.batches_dropped(left)
            log.warning("sink %s: %d batches could not be sent before the end", self.name, left)
        try:
            await self._within(CLOSE_SECONDS, self._sink.close())
        except (SinkError, OSError) as error:
            log.info("sink %s: not closed in order: %s", self.name, error)
        except Exception:
            log.exception("BUG: sink %s could not be closed", self.name)

    async def _export(self, batch: Batch) -> BatchOutcome:
        self._is_given_up = False
        chunks: Chunks = await self._in_thread(lambda: self._sink.chunks(batch))
        n_sent = n_refused = 0
        reading = self._in_thread(chunks.read)
        try:
            while (chunk := await reading) is not None:
                # One chunk is rendered while the one before is on its way.
                reading = self._in_thread(chunks.read)
                costs = await self._deliver(chunk)
                if costs == "dropped":
                    return "dropped"
                n_sent += costs in ("nothing", "part")
                n_refused += costs != "nothing"
                if costs == "batch":
                    break
        finally:
            # A thread that is rendering ends by itself; what it says is not asked for any more.
            reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not n_refused:
            return "sent"
        return "partly" if n_sent else "refused"

    async def _deliver(self, chunk: Chunk) -> str:
        """Sends one chunk until it has arrived or nothing helps.

        Gives what that costs: "nothing" when it arrived, "part" of the chunk, the "chunk", the "batch" when its other
        chunks would fare no better, "dropped" when newer batches need the place.
        """
        while True:
            try:
                await self._within(self._send_seconds, self._sink.send(chunk.payload))
            except SinkError as error:
                self._monitoring.attempt_failed(error.reason)
                if error.costs != "nothing":
                    return self._refused(chunk, error)
                if not await self._pause(error):
                    return "dropped"
            else:
                self._arrived(chunk)
                return "nothing"

    def _arrived(self, chunk: Chunk) -> None:
        self._monitoring.chunk_sent(chunk.samples, size_of(chunk.payload))
        if self._backoff.failures or self._is_refusing:
            log.info("sink %s: %s takes samples again", self.name, self._sink.place)
            self._backoff.reset()
            self._is_refusing = False

    def _refused(self, chunk: Chunk, error: SinkError) -> str:
        lost = chunk.samples if error.lost_samples is None else min(error.lost_samples, chunk.samples)
        self._monitoring.chunk_refused(lost)
        if lost < chunk.samples:
            self._monitoring.chunk_sent(chunk.samples - lost, size_of(chunk.payload))
        self._backoff.reset()
        if not self._is_refusing:  # of a row of refusals the first one is news
            self._is_refusing = True
            log.warning("sink %s: %s; %d samples are lost, and what it refuses from now on", self.name, error, lost)
        return "part" if lost < chunk.samples else error.costs

    async def _pause(self, error: SinkError) -> bool:
        """Waits before the next attempt; false when there shall be none."""
        seconds = self._backoff.next_seconds(error.retry_after_seconds)
        if self._backoff.failures == 1:
            log.warning("sink %s: %s; it is tried again until newer batches push this one out", self.name, error)
        if self._is_finishing:
            return False
        self._is_pausing = True
        self._nudge.clear()
        try:
            await race(self._sleep(seconds), self._nudge.wait())
        finally:
            self._is_pausing = False
        return not self._is_given_up and not self._is_finishing

    async def _within(self, seconds: float, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work`; one that takes too long is cancelled, and a SinkError."""
        doing = asyncio.ensure_future(work)
        limit = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait([doing, limit], return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise SinkError(f"{self._sink.place} did not answer within {seconds:g} s", reason="timeout")
            await doing
        finally:
            for task in (doing, limit):
                task.cancel()
            await asyncio.gather(doing, limit, return_exceptions=True)

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, work)


async def race(*waits: Awaitable[Any]) -> None:
    """Returns when the first of them is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def size_of(payload: Any) -> int:
    """Bytes of a payload that is one message, or several."""
    return len(payload) if isinstance(payload, bytes) else sum(map(len, payload))
