"""The manager: what a slow, hanging, refusing or broken sink costs, and whom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from heapfast.clock import ManualClock
from heapfast.errors import SinkError
from heapfast.sinks.manager import SinkManager, SinkWorker
from heapfast.sinks.monitoring import SinksMonitoring
from heapfast.sinks.sink import Chunk

#: What a fake sink does with a payload: returns, raises, or waits.
Act = Callable[[bytes], Any]


class FakeSink:
    """Takes batches of two chunks of three samples each; `act` decides what becomes of each payload."""

    name = "Fake Sink"
    place = "fake://place"

    def __init__(self, act: Act = lambda payload: None) -> None:
        self.act = act
        self.taken: list[bytes] = []
        self.attempts = 0
        self.is_closed = False

    def chunks(self, batch: Any) -> Any:
        parts = iter([Chunk(b"%d/%d" % (batch.timestamp_ns, part), 3) for part in range(2)])
        return SimpleNamespace(read=lambda: next(parts, None))

    async def send(self, payload: bytes) -> None:
        self.attempts += 1
        waited = self.act(payload)
        if waited is not None:
            await waited
        self.taken.append(payload)

    async def close(self) -> None:
        self.is_closed = True


class Pauses:
    """Sleeps that end when a test says so; `asked` has the seconds of those that go on."""

    def __init__(self) -> None:
        self._going: list[tuple[float, asyncio.Future[None]]] = []

    @property
    def asked(self) -> list[float]:
        return [seconds for seconds, future in self._going if not future.done()]

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._going.append((seconds, future))
        await future

    def end(self, seconds: float) -> None:
        """Ends every sleep of so many seconds."""
        for asked, future in self._going:
            if asked == seconds and not future.done():
                future.set_result(None)


class Bench:
    """One manager with its sinks; values of counters by name."""

    def __init__(self, executor: ThreadPoolExecutor, *sinks: FakeSink, queue_batches: int = 2) -> None:
        self.registry = CollectorRegistry()
        self.clock = ManualClock()
        self.pauses = Pauses()
        self.exported: list[str] = []
        monitoring = SinksMonitoring(self.registry)
        self.workers = [
            SinkWorker(
                sink,
                name=f"s{i}",
                executor=executor,
                clock=self.clock,
                random=lambda: 1.0,
                sleep=self.pauses.sleep,
                monitoring=monitoring.of(f"s{i}"),
                exported=lambda name, now_ns, took: self.exported.append(name),
                queue_batches=queue_batches,
                send_seconds=20,
            )
            for i, sink in enumerate(sinks)
        ]
        self.manager = SinkManager(self.workers, sleep=self.pauses.sleep, flush_seconds=10)

    def put(self, *timestamps: int) -> None:
        for timestamp in timestamps:
            self.manager(SimpleNamespace(timestamp_ns=timestamp))  # type: ignore[arg-type]

    def value(self, name: str, sink: str = "s0", **labels: str) -> float:
        return self.registry.get_sample_value(f"heapfast_sink_{name}", {"sink": sink, **labels}) or 0.0

    def batches(self, outcome: str, sink: str = "s0") -> float:
        return self.value("batches_total", sink, outcome=outcome)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    bench.manager.start()
    try:
        yield bench
    finally:
        closing = asyncio.ensure_future(bench.manager.close())
        while not closing.done():
            bench.pauses.end(10)
            bench.pauses.end(1)
            await asyncio.sleep(0)
        await closing


async def until(holds: Callable[..., bool], *arguments: object) -> None:
    """Lets the loop run until something holds; the test's own time limit ends what never does."""
    while not holds(*arguments):
        await asyncio.sleep(0)


def hang(payload: bytes) -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def failing(*errors: SinkError) -> Act:
    """Raises one error after the other, then takes everything."""
    left = list(errors)

    def act(payload: bytes) -> None:
        if left:
            raise left.pop(0)

    return act


def away(**more: Any) -> SinkError:
    return SinkError("cannot connect to fake:1: refused", reason="connect", **more)


async def test_every_sink_gets_every_batch_in_order(executor: ThreadPoolExecutor) -> None:
    sinks = FakeSink(), FakeSink()
    async with running(Bench(executor, *sinks)) as bench:
        for timestamp in (1, 2):
            bench.put(timestamp)
            await until(lambda n: bench.batches("sent") == bench.batches("sent", "s1") == n, timestamp)
    assert sinks[0].taken == sinks[1].taken == [b"1/0", b"1/1", b"2/0", b"2/1"]
    assert bench.value("samples_total", outcome="sent") == 12
    assert bench.value("bytes_total") == 12
    assert bench.value("last_sent_timestamp_seconds") == 2e-9
    assert bench.exported == ["Fake Sink"] * 4
    assert all(sink.is_closed for sink in sinks)


async def test_a_hanging_sink_drops_its_own_oldest_batches_only(executor: ThreadPoolExecutor) -> None:
    stuck, fine = FakeSink(hang), FakeSink()
    async with running(Bench(executor, stuck, fine)) as bench:
        bench.put(1)
        await until(lambda: stuck.attempts == 1)
        for timestamp in (2, 3, 4, 5):
            bench.put(timestamp)
            await until(lambda n: bench.batches("sent", "s1") == n, timestamp)
        assert bench.batches("dropped") == 2
        assert bench.value("queue_batches") == 2
        stuck.act = lambda payload: None
        bench.pauses.end(20)  # the attempt takes too long
        await until(lambda: 0.5 in bench.pauses.asked)
        assert bench.value("errors_total", reason="timeout") == 1
        bench.pauses.end(0.5)
        await until(lambda: bench.batches("sent") == 3)
    assert stuck.taken == [b"1/0", b"1/1", b"4/0", b"4/1", b"5/0", b"5/1"]


async def test_an_attempt_that_failed_is_made_again_later_and_later(
    executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sink = FakeSink(failing(away(), away(), away(retry_after_seconds=7)))
    async with running(Bench(executor, sink)) as bench:
        bench.put(1)
        for seconds in (0.5, 1.0, 7):
            await until(lambda wait: wait in bench.pauses.asked, seconds)
            bench.pauses.end(seconds)
        await until(lambda: bench.batches("sent") == 1)
    assert sink.taken == [b"1/0", b"1/1"]
    assert bench.value("errors_total", reason="connect") == 3
    said = [record.getMessage() for record in caplog.records if record.name == "heapfast.sinks.manager"]
    assert said == [
        "sink s0: cannot connect to fake:1: refused; it is tried again until newer batches push this one out",
        "sink s0: fake://place takes samples again",
    ]


async def test_a_batch_that_is_tried_again_is_the_first_to_be_dropped(executor: ThreadPoolExecutor) -> None:
    sink = FakeSink(failing(away()))
    async with running(Bench(executor, sink)) as bench:
        bench.put(1)
        await until(lambda: 0.5 in bench.pauses.asked)
        bench.put(2, 3)
        assert bench.batches("dropped") == 0
        bench.put(4)  # the pause ends by itself, and batch 1 with it
        await until(lambda: bench.batches("sent") == 3)
    assert bench.batches("dropped") == 1
    assert sink.taken == [b"2/0", b"2/1", b"3/0", b"3/1", b"4/0", b"4/1"]


@pytest.mark.parametrize(
    ("costs", "outcome", "taken"),
    [("chunk", "partly", [b"1/1", b"2/0", b"2/1"]), ("batch", "refused", [b"2/0", b"2/1"])],
)
async def test_what_a_sink_refuses_for_good_is_lost_and_counted(
    executor: ThreadPoolExecutor, costs: Any, outcome: str, taken: list[bytes]
) -> None:
    sink = FakeSink(failing(SinkError("no such metric", reason="status", costs=costs)))
    async with running(Bench(executor, sink)) as bench:
        bench.put(1, 2)
        await until(lambda: bench.batches("sent") == 1)
    assert sink.taken == taken
    assert bench.batches(outcome) == 1
    assert bench.value("samples_total", outcome="refused") == 3


async def test_a_row_of_refusals_is_said_once(executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
    refusals = [SinkError(f"no {i}", reason="status", costs="chunk") for i in range(3)]
    async with running(Bench(executor, FakeSink(failing(*refusals)))) as bench:
        bench.put(1, 2)
        await until(lambda: bench.batches("partly") == 1)
    said = [record.getMessage() for record in caplog.records if "no " in record.getMessage()]
    assert said == ["sink s0: no 0; 3 samples are lost, and what it refuses from now on"]


async def test_a_bug_in_a_sink_costs_its_batch(executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
    def act(payload: bytes) -> None:
        if payload == b"1/0":
            raise ZeroDivisionError

    sink = FakeSink(act)
    async with running(Bench(executor, sink)) as bench:
        bench.put(1, 2)
        await until(lambda: bench.batches("sent") == 1)
    assert bench.batches("failed") == 1
    assert sink.taken == [b"2/0", b"2/1"]
    assert "BUG: sink s0" in caplog.text


async def test_shutdown_sends_what_is_queued(executor: ThreadPoolExecutor) -> None:
    sink = FakeSink()
    bench = Bench(executor, sink)
    bench.manager.start()
    bench.put(1, 2)
    await bench.manager.close()
    assert bench.batches("sent") == 2
    assert sink.is_closed


async def test_shutdown_waits_for_a_hanging_sink_no_longer_than_the_limit(
    executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    sink = FakeSink(hang)
    bench = Bench(executor, sink)
    bench.manager.start()
    bench.put(1, 2)
    await until(lambda: sink.attempts == 1)
    closing = asyncio.ensure_future(bench.manager.close())
    await until(lambda: 10 in bench.pauses.asked)
    assert not closing.done()
    bench.pauses.end(10)
    await closing
    assert bench.batches("dropped") == 2
    assert "1 batches could not be sent before the end" in caplog.text
    assert sink.is_closed


async def test_shutdown_tries_nothing_twice(executor: ThreadPoolExecutor) -> None:
    sink = FakeSink(failing(*[away() for _ in range(9)]))
    bench = Bench(executor, sink)
    bench.manager.start()
    bench.put(1, 2)
    await until(lambda: 0.5 in bench.pauses.asked)
    await bench.manager.close()
    assert sink.attempts == 2
    assert bench.batches("dropped") == 2


async def test_a_sink_that_cannot_be_closed_is_left(executor: ThreadPoolExecutor) -> None:
    sink = FakeSink()
    sink.close = lambda: hang(b"")  # type: ignore[assignment, method-assign]
    bench = Bench(executor, sink)
    closing = asyncio.ensure_future(bench.manager.close())
    await until(lambda: 1 in bench.pauses.asked)
    bench.pauses.end(1)
    await closing
