"""The whole daemon on the test's loop, with real sockets on loopback and a clock that the test moves.

In      a simulated cluster (or any source), flags as on a command line
Out     RunningDaemon: one tick at a time, answers over HTTP
Callers tests of integration/ and adversity/
Never   waits for a window: SteppedClock wakes who sleeps when the test moves it
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.config.build import build_options
from heapfast.daemon import Daemon, bind, build, serving_context, source_options
from heapfast.kube.config import resolve
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions

#: 2026-11-22T09:00:05.250Z. A window is due 5 s after its end, so each step below begins 0.25 s behind one.
NOW_MS = 1_795_338_005_250
STEP_SECONDS = 10

#: How long anything may take that is waited for. A test that waits this long has failed.
PATIENCE_SECONDS = 10.0


class SteppedClock(ManualClock):
    """A clock that moves when told to, and wakes who sleeps by it.

    Attributes:
        moved: is called after each move, before anybody wakes.
    """

    def __init__(self, now_ms: int = NOW_MS) -> None:
        super().__init__(now_ms * 1_000_000)
        self.moved: Callable[[], None] = lambda: None
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    @property
    def now_ms(self) -> int:
        return self.now_ns() // 1_000_000

    @property
    def n_sleeping(self) -> int:
        """Who waits for the clock to move."""
        return sum(1 for _, woken in self._sleepers if not woken.done())

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.monotonic() + seconds, woken))
        await woken

    def set_ns(self, now_ns: int) -> None:
        super().set_ns(now_ns)
        self.moved()
        due = [woken for at, woken in self._sleepers if at <= self.monotonic()]
        self._sleepers = [(at, woken) for at, woken in self._sleepers if at > self.monotonic()]
        for woken in due:
            if not woken.done():
                woken.set_result(None)


class RunningDaemon:
    """A daemon that serves.

    Attributes:
        url: of its port.
        session: a client whose paths are below `url`.
        batches: all that were closed since the start.
    """

    def __init__(self, daemon: Daemon, clock: SteppedClock, session: aiohttp.ClientSession, url: str) -> None:
        self.daemon = daemon
        self.clock = clock
        self.session = session
        self.url = url
        self.batches: list[Batch] = []
        daemon.pipeline.subscribe(self.batches.append)

    @property
    def store(self) -> Store:
        return self.daemon.store

    async def tick(self, seconds: float = STEP_SECONDS) -> Batch:
        """Moves the clock and waits for the batch that comes of it."""
        before = len(self.batches)
        self.clock.advance(seconds)
        await eventually(lambda: len(self.batches) > before)
        return self.batches[-1]

    async def get(self, path: str, **more: Any) -> Any:
        """The JSON of an answer with status 200."""
        async with self.session.get(path, **more) as response:
            assert response.status == 200, (path, await response.text())
            return await response.json(content_type=None)

    async def text(self, path: str) -> tuple[int, str]:
        async with self.session.get(path) as response:
            return response.status, await response.text()

    async def targets(self) -> dict[str, dict[str, Any]]:
        """What /debug/targets says, by node."""
        return {target["node"]: target for target in (await self.get("/debug/targets"))["targets"]}

    async def metric(self, series: str) -> float:
        """One value of /metrics, 0 when the series is not there yet."""
        _, text = await self.text("/metrics")
        found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def until(self, series: str, value: float) -> None:
        """Waits until a value of /metrics has come that far."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.metric(series) < value:
                await asyncio.sleep(0)

    async def outcomes(self) -> dict[str, int]:
        """How many scrapes ended how, from /metrics."""
        _, text = await self.text("/metrics")
        found = re.findall(r'^heapfast_scrape_scrapes_total\{outcome="(\w+)"\} (\S+)$', text, re.MULTILINE)
        return {outcome: int(float(count)) for outcome, count in found}

    async def knows(self, *keys: str) -> None:
        """Waits until the watch has brought these pods ("namespace/name")."""
        await eventually(lambda: all(self._is_known(key) for key in keys))

    async def forgets(self, *keys: str) -> None:
        """Waits until the watch has taken these pods away."""
        await eventually(lambda: not any(self._is_known(key) for key in keys))

    async def is_synced(self) -> None:
        """Waits until the first lists are complete."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.text("/readyz"))[0] != 200:
                await asyncio.sleep(0)

    def _is_known(self, key: str) -> bool:
        slot = self.store.find(Kind.POD, *key.split("/"))
        return slot >= 0 and self.store.is_known(Kind.POD, slot)


async def eventually(is_so: Callable[[], bool]) -> None:
    """Lets everybody else go on until something is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def run_daemon(source: str, clock: SteppedClock, *flags: str) -> AsyncIterator[RunningDaemon]:
    """Runs a daemon as daemon.serve does, with the clock put in, until the block ends."""
    words = [f"--source={source}", f"--metric-resolution={STEP_SECONDS}s", "--listen-ip=127.0.0.1", "--heapster-port=0"]
    options = build_options([*words, *flags], {})
    sockets = bind(options)
    access = resolve(source_options(options.kube), environ={})
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    async with contextlib.AsyncExitStack() as stack:
        for one in sockets:
            stack.callback(one.close)
        daemon = await stack.enter_async_context(
            build(options, access, serving_context(options.tls), clock=clock, sleep=clock.sleep)
        )
        await daemon.host.start(sockets)
        stop = asyncio.Event()
        task = asyncio.create_task(daemon.run_until(stop))
        try:
            async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)) as session:
                yield RunningDaemon(daemon, clock, session, url)
        finally:
            stop.set()
            await task


def source_of(sim: SimulatedCluster, key: str = "kubernetes.summary_api") -> str:
    """The value of --source for a simulated cluster without TLS."""
    return f"{key}:{sim.api.url}?inClusterConfig=false&kubeletPort={sim.kubelets.port}&kubeletHttps=false"


@contextlib.asynccontextmanager
async def run_both(
    options: SimulateOptions, *flags: str, key: str = "kubernetes.summary_api"
) -> AsyncIterator[tuple[SimulatedCluster, RunningDaemon]]:
    """A simulated cluster and a daemon that knows all of it, on one clock."""
    clock = SteppedClock()
    async with (
        SimulatedCluster(options, clock) as sim,
        run_daemon(source_of(sim, key), clock, *flags) as daemon,
    ):
        clock.moved = sim.advance
        await daemon.is_synced()
        yield sim, daemon
