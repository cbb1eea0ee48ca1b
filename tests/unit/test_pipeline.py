"""One tick: the order of its steps, and what is left behind by each way in which it can fail."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.errors import StoreError
from heapfast.pipeline import Pipeline
from heapfast.processors.gate import Gate
from heapfast.scrape.loop import Window
from heapfast.sim._rows import rows_of
from tests.unit.store.rows import SECOND_NS, T0_NS, node, pod

WINDOW = Window(T0_NS - 60 * SECOND_NS, T0_NS)
NEXT_WINDOW = Window(T0_NS, T0_NS + 60 * SECOND_NS)


class FakeStore:
    """Notes what is asked of it; `close` is what the thread does."""

    def __init__(self, steps: list[str], close: Callable[[], None]) -> None:
        self.steps = steps
        self.refusal: StoreError | None = None
        self._close = close

    def make_spare(self) -> Any:
        self.steps.append("make_spare")
        return SimpleNamespace(prepare=lambda: self.steps.append("prepare"))

    def swap(self, timestamp_ns: int, spare: Any) -> Any:
        self.steps.append(f"swap {timestamp_ns}")
        if self.refusal is not None:
            raise self.refusal
        return SimpleNamespace(processors_ns={}, run=self._run, is_done=False)

    def commit(self, closing: Any, now_ns: int) -> Any:
        self.steps.append(f"commit {now_ns}")
        if self.refusal is not None:
            raise self.refusal
        return SimpleNamespace(timestamp_ns=WINDOW.end_ns)

    def sweep(self) -> None:
        self.steps.append(f"sweep, loop {threading.current_thread() is threading.main_thread()}")

    def _run(self) -> None:
        self._close()
        self.steps.append("run")


class FakeGate(Gate):
    def __init__(self, steps: list[str]) -> None:
        super().__init__()
        self.steps = steps

    def shut(self) -> None:
        self.steps.append("shut")
        super().shut()

    def open(self) -> None:
        self.steps.append("open")
        super().open()


class FakeScraper:
    """Gives `answers` to whoever asks, or fails."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        self.answers: list[tuple[str, Any]] = []
        self.failures: list[Exception] = []

    async def scrape(
        self, window: Window, deliver: Callable[[Any, Any], None], *, at_most_seconds: float = math.inf
    ) -> None:
        self.steps.append(f"scrape {window.end_ns}")
        self.at_most_seconds = at_most_seconds
        if self.failures:
            raise self.failures.pop(0)
        for name, rows in self.answers:
            deliver(SimpleNamespace(name=name, is_side=False), rows)

    async def scrape_one(self, name: str, window: Window, deliver: Callable[[Any, Any], None]) -> None:
        self.steps.append(f"scrape {name} {window.end_ns}")
        for answering, rows in self.answers:
            if answering == name:
                deliver(SimpleNamespace(name=name, is_side=False), rows)


class FakeMonitoring:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.n_closed = self.n_failed = 0

    def part(self, name: str, seconds: float) -> None:
        self.parts.append(name)

    def closed(self, *arguments: Any) -> None:
        self.n_closed += 1

    def failed(self) -> None:
        self.n_failed += 1


class Parts:
    """A pipeline of fakes, or around a real store."""

    def __init__(self, executor: ThreadPoolExecutor, store: Store | None = None) -> None:
        self.steps: list[str] = []
        self.close: Callable[[], None] = lambda: None
        self.store = FakeStore(self.steps, lambda: self.close())
        self.gate = FakeGate(self.steps)
        self.scraper = FakeScraper(self.steps)
        self.monitoring = FakeMonitoring()
        self.pipeline = Pipeline(
            store=cast(Store, store or self.store),
            scraper=cast(Any, self.scraper),
            gate=self.gate,
            clock=ManualClock(T0_NS + 5 * SECOND_NS),
            executor=executor,
            monitoring=cast(Any, self.monitoring),
        )


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as threads:
        yield threads


@pytest.fixture
def parts(executor: ThreadPoolExecutor) -> Parts:
    return Parts(executor)


async def windows(*given: Window) -> AsyncIterator[Window]:
    for window in given:
        yield window


async def test_a_tick_goes_down_the_road_in_order(parts: Parts) -> None:
    got: list[tuple[str, Any]] = []
    parts.pipeline.subscribe(lambda batch: got.append(("first", batch)))
    parts.pipeline.subscribe(lambda batch: got.append(("second", batch)))

    batch = await parts.pipeline.run_tick(WINDOW)

    assert parts.steps == [
        f"scrape {T0_NS}", "make_spare", "prepare", "shut", f"swap {T0_NS}", "run",
        f"commit {T0_NS + 5 * SECOND_NS}", "open", "sweep, loop False",
    ]  # fmt: skip
    assert parts.monitoring.parts == ["scrape", "prepare", "close", "commit", "sweep"]
    assert (parts.monitoring.n_closed, parts.monitoring.n_failed) == (1, 0)
    assert got == [("first", batch), ("second", batch)]


async def test_a_warm_up_is_over_when_its_window_is(parts: Parts) -> None:
    await parts.pipeline.warm_up(Window(T0_NS, T0_NS + 15 * SECOND_NS))
    assert parts.scraper.at_most_seconds == 10
    assert parts.steps[0] == f"scrape {T0_NS + 15 * SECOND_NS}"


async def test_work_is_done_in_a_thread_and_the_api_server_waits_meanwhile(parts: Parts) -> None:
    threads: list[int] = []
    applied: list[str] = []
    loop = asyncio.get_running_loop()
    told = threading.Event()

    def tell() -> None:
        parts.gate.pass_through(lambda: applied.append("change"))
        told.set()

    def close() -> None:
        threads.append(threading.get_ident())
        loop.call_soon_threadsafe(tell)
        assert told.wait(10)
        assert applied == []

    parts.close = close
    await parts.pipeline.close_batch(T0_NS)
    assert threads != [threading.get_ident()]
    assert applied == ["change"]


async def test_a_change_that_fails_behind_the_gate_costs_no_batch(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("no such label")

    parts.gate.shut()
    parts.gate.pass_through(fail)
    await parts.pipeline.close_batch(T0_NS)
    assert parts.monitoring.n_closed == 1
    assert "1 changes from the API server could not be taken" in caplog.text
    parts.gate.pass_through(lambda: parts.steps.append("at once"))
    assert parts.steps[-1] == "at once"


@pytest.mark.parametrize("error", [MemoryError("no room"), StoreError("no")], ids=["memory", "store"])
async def test_a_batch_that_cannot_be_closed_opens_the_gate_and_says_why(parts: Parts, error: Exception) -> None:
    def fail() -> None:
        parts.store.refusal = StoreError("it was not closed")
        raise error

    parts.close = fail
    with pytest.raises(type(error), match=str(error)):
        await parts.pipeline.close_batch(T0_NS)
    assert parts.steps[-2:] == [f"commit {T0_NS + 5 * SECOND_NS}", "open"]
    assert parts.monitoring.n_closed == 0


async def test_a_refused_swap_opens_the_gate(parts: Parts) -> None:
    parts.store.refusal = StoreError("want later than")
    with pytest.raises(StoreError, match="want later"):
        await parts.pipeline.close_batch(T0_NS)
    assert parts.steps == ["make_spare", "prepare", "shut", f"swap {T0_NS}", "open"]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fails", [False, True], ids=["well", "badly"])
async def test_a_cancellation_waits_for_the_thread_and_passes(parts: Parts, times: int, fails: bool) -> None:
    loop = asyncio.get_running_loop()
    began, go_on = asyncio.Event(), threading.Event()

    def close() -> None:
        loop.call_soon_threadsafe(began.set)
        assert go_on.wait(10)
        if fails:
            parts.store.refusal = StoreError("it was not closed")
            raise MemoryError

    parts.close = close
    task = asyncio.create_task(parts.pipeline.run(windows(WINDOW, NEXT_WINDOW)))
    await began.wait()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    assert parts.steps[-1] == f"swap {T0_NS}"

    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert parts.steps[-2:] == [f"commit {T0_NS + 5 * SECOND_NS}", "open"]
    assert f"scrape {NEXT_WINDOW.end_ns}" not in parts.steps


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StoreError("no"), f"no batch for the window that ends at {T0_NS} ns: no"),
        (MemoryError("no room"), f"no batch for the window that ends at {T0_NS} ns: no room"),
        (ZeroDivisionError("oh"), f"BUG: the tick of the window that ends at {T0_NS} ns failed"),
    ],
    ids=["store", "memory", "bug"],
)
async def test_a_tick_that_fails_costs_itself_alone(
    parts: Parts, caplog: pytest.LogCaptureFixture, error: Exception, text: str
) -> None:
    parts.scraper.failures = [error]
    await parts.pipeline.run(windows(WINDOW, NEXT_WINDOW))
    assert (parts.monitoring.n_closed, parts.monitoring.n_failed) == (1, 1)
    assert f"swap {NEXT_WINDOW.end_ns}" in parts.steps
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [text]


async def test_a_subscriber_that_fails_costs_no_batch(parts: Parts) -> None:
    def fail(batch: Any) -> None:
        raise ValueError("full")

    parts.pipeline.subscribe(fail)
    await parts.pipeline.run(windows(WINDOW, NEXT_WINDOW))
    assert (parts.monitoring.n_closed, parts.monitoring.n_failed) == (2, 2)


async def test_no_windows_are_no_ticks(parts: Parts) -> None:
    await parts.pipeline.run(windows())
    assert parts.steps == []


async def test_rows_are_taken_for_the_node_of_their_target(executor: ThreadPoolExecutor) -> None:
    store = Store()
    store.put_node("n1", hostname="n1", host_id="", labels="")
    parts = Parts(executor, store)
    answer = [node("n1", {"memory/usage": 7}), pod("shop", "web", {"network/rx": 1})]
    parts.scraper.answers = [("n1", rows_of(answer))]
    batch = await parts.pipeline.run_tick(WINDOW)
    assert batch.value(Kind.NODE, store.find(Kind.NODE, "n1"), store.metric_id("memory/usage")) == 7
    assert batch.sets()["namespace:shop/pod:web"]["labels"]["nodename"] == "n1"
    assert batch is store.newest


async def test_a_node_that_is_scraped_out_of_turn_is_taken_at_once_and_into_the_open_batch(
    executor: ThreadPoolExecutor,
) -> None:
    store = Store()
    parts = Parts(executor, store)
    parts.scraper.answers = [("n1", rows_of([node("n1")])), ("n2", rows_of([node("n2")]))]
    await parts.pipeline.scrape_one("n1", WINDOW)
    assert parts.steps == [f"scrape n1 {T0_NS}"]
    assert store.find(Kind.NODE, "n1") >= 0
    batch = await parts.pipeline.close_batch(T0_NS)
    assert [key for key in batch.sets() if key.startswith("node:")] == ["node:n1"]


async def test_rows_of_a_node_that_the_api_server_does_not_know_are_taken(executor: ThreadPoolExecutor) -> None:
    # Its object may have been deleted between the request and the answer.
    store = Store()
    parts = Parts(executor, store)
    parts.scraper.answers = [("gone", rows_of([pod("shop", "web", {"network/rx": 1})]))]
    batch = await parts.pipeline.run_tick(WINDOW)
    assert batch.value(Kind.POD, store.find(Kind.POD, "shop", "web"), store.metric_id("network/rx")) == 1
    assert store.find(Kind.NODE, "gone") == -1


async def test_a_window_that_is_not_newer_is_refused_and_the_next_one_is_good(executor: ThreadPoolExecutor) -> None:
    store = Store()
    parts = Parts(executor, store)
    await parts.pipeline.run(windows(NEXT_WINDOW, WINDOW, Window(NEXT_WINDOW.end_ns, NEXT_WINDOW.end_ns + 1)))
    assert (parts.monitoring.n_closed, parts.monitoring.n_failed) == (2, 1)
    assert store.newest is not None
    assert store.newest.timestamp_ns == NEXT_WINDOW.end_ns + 1
