"""Two replicas that share a cluster and one store: together they are one daemon."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests import store_servers
from tests.integration.expectations import expected_metrics, rfc3339
from tests.integration.running import STEP_SECONDS, RunningDaemon, SteppedClock, eventually, run_daemon, source_of

CLUSTER = SimulateOptions(nodes=6, pods_per_node=3, containers=2, namespaces=2, seed=11)
METRICS = ("memory/usage", "cpu/usage_rate", "cpu/request")


class Store(NamedTuple):
    """A store that several replicas fill.

    Attributes:
        uri: of the sink.
        show: has it show what was written.
    """

    uri: str
    show: Callable[[], None]


class Shards(NamedTuple):
    """A cluster and its two replicas, after two ticks that the store has."""

    sim: SimulatedCluster
    clock: SteppedClock
    replicas: list[RunningDaemon]


@contextlib.asynccontextmanager
async def run_shards(store: Store) -> AsyncIterator[Shards]:
    clock = SteppedClock()
    flags = (f"--sink={store.uri}", f"--historical-source={store.uri}")
    sink = store.uri.partition(":")[0]
    async with contextlib.AsyncExitStack() as stack:
        sim = await stack.enter_async_context(SimulatedCluster(CLUSTER, clock))
        replicas = [
            await stack.enter_async_context(run_daemon(source_of(sim), clock, f"--shard={i}/2", *flags))
            for i in range(2)
        ]
        clock.moved = sim.advance
        for replica in replicas:
            await replica.is_synced()
        for n in (1, 2):
            clock.advance(STEP_SECONDS)
            for replica in replicas:
                await eventually(lambda replica=replica, n=n: len(replica.batches) == n)
                await replica.until(f'heapfast_sink_batches_total{{outcome="sent",sink="{sink}"}}', n)
        await asyncio.to_thread(store.show)
        yield Shards(sim, clock, replicas)


@pytest.fixture(scope="module", params=["influxdb", "prometheus", "victoria_metrics", "thanos"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with getattr(store_servers, request.param)(tmp_path_factory.mktemp("store")) as place:
        if request.param == "influxdb":
            yield Store(f"influxdb:http://{place}/", lambda: None)
        else:
            yield Store(f"{place.sink}&cluster_name=c1", place.show)


@pytest.fixture
async def shards(store: Store) -> AsyncIterator[Shards]:
    async with run_shards(store) as running:
        yield running


def path_of(key: str) -> str:
    """The historical path of an entity."""
    if key == "cluster":
        return "/api/v1/historical"
    path = re.sub(r"(namespace|node|pod|container):", r"\1s/", key)
    if path.startswith("nodes/"):
        path = path.replace("/containers/", "/freecontainers/")
    return f"/api/v1/historical/{path}"


async def test_the_store_has_what_one_daemon_would_have_written(shards: Shards) -> None:
    replica = shards.replicas[0]
    at_ms = shards.clock.now_ms
    expected = expected_metrics(shards.sim, at_ms)
    stamp_ns = replica.batches[-1].timestamp_ns
    window = urlencode({"start": rfc3339(stamp_ns - 1_000_000_000)})
    n_compared = 0
    for key, metrics in expected.items():
        for metric in METRICS:
            if metric in metrics:
                answer: Any = await replica.get(f"{path_of(key)}/metrics/{metric}?{window}")
                assert [point["value"] for point in answer["metrics"]] == [metrics[metric]], (key, metric)
                n_compared += 1
    assert n_compared > 100


async def test_any_replica_lists_all_of_the_cluster(shards: Shards) -> None:
    for replica in shards.replicas:
        nodes = await replica.get("/api/v1/historical/nodes/")
        assert nodes == sorted(shards.sim.cluster.nodes.items)
        pods = [
            f"{namespace}/{pod}"
            for namespace in await replica.get("/api/v1/historical/namespaces/")
            for pod in await replica.get(f"/api/v1/historical/namespaces/{namespace}/pods/")
        ]
        assert sorted(pods) == sorted(shards.sim.cluster.pods.items)


async def test_each_replica_scrapes_its_share_and_says_whose_the_others_are(shards: Shards) -> None:
    own = []
    for i, replica in enumerate(shards.replicas):
        targets = await replica.targets()
        own.append({node for node, target in targets.items() if target["outcome"] != "skipped"})
        reasons = {target["error"] for target in targets.values() if target["outcome"] == "skipped"}
        assert reasons == {f"it is the share of --shard={1 - i}/2"}
        model = await replica.get("/api/v1/model/nodes/")
        assert set(model) == own[-1]
    assert not own[0] & own[1]
    assert own[0] | own[1] == set(shards.sim.cluster.nodes.items)
