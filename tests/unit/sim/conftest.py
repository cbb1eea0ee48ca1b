"""A small cluster on a clock that stands still, and clients for it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from heapfast.clock import ManualClock
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions

#: 2026-11-22T09:00:07.250Z: neither a whole second nor a whole sampling round.
NOW_MS = 1_795_338_007_250


@pytest.fixture
def now_ms() -> int:
    return NOW_MS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS * 1_000_000)


@pytest.fixture
def options() -> SimulateOptions:
    """Tests that need another cluster override this."""
    return SimulateOptions(nodes=4, pods_per_node=10, containers=2, namespaces=3, seed=7)


@pytest.fixture
async def sim(options: SimulateOptions, clock: ManualClock) -> AsyncIterator[SimulatedCluster]:
    async with SimulatedCluster(options, clock) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session
