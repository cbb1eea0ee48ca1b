"""A daemon that is started again with the same --data-dir goes on as if it had never been away."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from heapfast._batch import Batch
from heapfast.catalog.keys import Kind
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.expectations import check_batch, check_model, expected_metrics
from tests.integration.metrics_server import client_context, held_port
from tests.integration.running import STEP_SECONDS, RunningDaemon, SteppedClock, eventually, run_daemon, source_of

SMALL = SimulateOptions(nodes=3, pods_per_node=4, containers=2, namespaces=3, seed=7)
SOURCES = ("kubernetes.summary_api", "kubernetes", "kubernetes.resource")
WRITTEN = 'heapfast_segment_batches_total{outcome="written"}'
V1ALPHA1 = "/apis/metrics/v1alpha1"


class Machine:
    """A simulated cluster that outlives the daemons on it; all on one clock."""

    def __init__(self, sim: SimulatedCluster, clock: SteppedClock, data_dir: Path) -> None:
        self.sim = sim
        self.clock = clock
        self.data_dir = data_dir

    @contextlib.asynccontextmanager
    async def daemon(self, *flags: str, key: str = SOURCES[0]) -> AsyncIterator[RunningDaemon]:
        source = source_of(self.sim, key)
        if key == "kubernetes.resource":
            flags = ("--deprecated-kubelet-completely-insecure", *flags)
        async with run_daemon(source, self.clock, f"--data-dir={self.data_dir}", *flags) as daemon:
            await daemon.is_synced()
            if key == "kubernetes.resource":
                # It asks everybody once at start.
                await eventually(lambda: daemon.store.ingested_targets == SMALL.nodes and self.clock.n_sleeping > 0)
            yield daemon

    async def live(self, ticks: int, key: str = SOURCES[0]) -> None:
        """A daemon's life, from start to end."""
        async with self.daemon(key=key) as daemon:
            for _ in range(ticks):
                await kept_tick(daemon)


async def kept_tick(daemon: RunningDaemon) -> Batch:
    """A tick, and its batch on the disk: time flies here, and a batch that finds the disk busy is skipped."""
    batch = await daemon.tick()
    await daemon.until(WRITTEN, len(daemon.batches))
    return batch


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    clock = SteppedClock()
    async with SimulatedCluster(SMALL, clock) as sim:
        clock.moved = sim.advance
        yield Machine(sim, clock, tmp_path / "data")


async def answers_of(daemon: RunningDaemon) -> dict[str, Any]:
    """What a client sees of each API."""
    pods = await daemon.get("/api/v1/model/namespaces/default/pods")
    paths = [
        "/api/v1/metric-export",
        "/api/v1/model/nodes",
        "/api/v1/model/namespaces",
        "/api/v1/model/metrics/cpu/usage_rate",
        "/api/v1/model/nodes/node-0000/metrics/memory/usage",
        f"/api/v1/model/namespaces/default/pod-list/{','.join(pods)}/metrics/memory/usage",
        f"/api/v1/model/namespaces/default/pods/{pods[0]}/containers/main/metrics/cpu/usage_rate",
        f"{V1ALPHA1}/nodes",
        f"{V1ALPHA1}/pods",
    ]
    return {path: await daemon.get(path) for path in paths}


@pytest.mark.parametrize("key", SOURCES)
async def test_everything_that_was_served_is_served_again(machine: Machine, key: str) -> None:
    async with machine.daemon(key=key) as daemon:
        for _ in range(4):
            batch = await kept_tick(daemon)
        sets = batch.sets()
        answers = await answers_of(daemon)
    async with machine.daemon(key=key) as daemon:
        newest = daemon.store.newest
        assert newest is not None
        assert newest.sets() == sets
        assert await answers_of(daemon) == answers


@pytest.mark.parametrize("key", SOURCES[:2])
async def test_the_first_tick_after_a_restart_has_every_number(machine: Machine, key: str) -> None:
    await machine.live(3, key)
    async with machine.daemon(key=key) as daemon:
        batch = await daemon.tick()
        expected = expected_metrics(machine.sim, machine.clock.now_ms, key=key)
        check_batch(batch, expected)
        await check_model(daemon, batch, expected)


def usage_of(daemon: RunningDaemon) -> dict[str, tuple[int, ...]]:
    """What metrics.k8s.io would serve now, of everybody: CPU, memory, time and window."""
    store, now_ns = daemon.store, daemon.clock.now_ns()
    found = {}
    for kind, sample in ((Kind.NODE, store.latest.node_sample), (Kind.POD, store.latest.pod_sample)):
        for slot in range(store.stats()["slots"][kind]):
            status, *usage = sample(slot, now_ns)
            if status == 0 and store.is_known(kind, slot):
                found[store.name(kind, slot)] = tuple(usage[:4])
    return found


@pytest.mark.parametrize("key", ["kubernetes.summary_api", "kubernetes.resource"])
async def test_autoscalers_are_answered_at_once_and_by_the_first_scrape(machine: Machine, key: str) -> None:
    async with machine.daemon(key=key) as daemon:
        for _ in range(3):
            await kept_tick(daemon)
        await eventually(lambda: machine.clock.n_sleeping > 0)
        was = usage_of(daemon)
        assert len(was) == SMALL.nodes * (1 + SMALL.pods_per_node)
    async with machine.daemon(key=key) as daemon:
        # With /metrics/resource the first scrape comes at once, and finds no newer samples.
        assert usage_of(daemon) == was
        await daemon.tick()
        after = usage_of(daemon)
        assert after.keys() == was.keys()
        assert all(after[name][2] > was[name][2] for name in was)
        # Over the time between the last sample before the restart and the first one after.
        assert {usage[3] for usage in after.values()} == {STEP_SECONDS * 10**9}


async def test_pods_that_went_while_nobody_watched_are_not_shown(machine: Machine) -> None:
    await machine.live(2)
    gone = next(iter(machine.sim.cluster.pods.items))
    namespace, name = gone.split("/")
    machine.sim.cluster.pods.items.pop(gone)
    async with machine.daemon() as daemon:
        assert name not in await daemon.get(f"/api/v1/model/namespaces/{namespace}/pods")
        listed = await daemon.get(f"{V1ALPHA1}/namespaces/{namespace}/pods")
        assert name not in [item["metadata"]["name"] for item in listed["items"]]
        assert name not in usage_of(daemon)


async def test_after_a_long_time_away_history_is_all_there_is(machine: Machine) -> None:
    await machine.live(4)
    machine.clock.advance(300)
    async with machine.daemon() as daemon:
        assert await daemon.get("/api/v1/model/nodes") == []
        assert usage_of(daemon) == {}
        await daemon.tick()
        series = await daemon.get("/api/v1/model/nodes/node-0000/metrics/memory/usage")
        assert len(series["metrics"]) == 5


async def test_restart_after_restart_forgets_nothing(machine: Machine) -> None:
    stamps = []
    for _ in range(5):
        async with machine.daemon() as daemon:
            stamps += [(await kept_tick(daemon)).timestamp_ns for _ in range(2)]
    async with machine.daemon() as daemon:
        slot = daemon.store.find(Kind.NODE, "node-0000")
        series = daemon.store.series(Kind.NODE, slot, daemon.store.metric_id("memory/usage"), 0, 1 << 62)
        assert [stamp for stamp, _ in series] == stamps
        assert await daemon.metric("heapfast_restored_batches") == 10


async def test_a_start_without_segments_is_ready_and_says_so(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with machine.daemon() as daemon:
        assert (await daemon.text("/readyz"))[0] == 200
        await kept_tick(daemon)
    assert f"{machine.data_dir}/segments: there is nothing to begin with" in caplog.text


AUTOSCALERS_PATHS = (
    "/apis/metrics.k8s.io/v1beta1/nodes",
    "/apis/metrics.k8s.io/v1/pods",
    "/apis/metrics.k8s.io/v1/pods?window=30s",
    "/apis/metrics.k8s.io/v1/nodes?window=30s",
    "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/memory_working_set",
    "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/memory_working_set_max_30s",
)


async def kubernetes_answers_of(daemon: RunningDaemon, sim: SimulatedCluster) -> dict[str, Any]:
    """What the administrator is told by the secure port of a daemon that serves Heapster's, too."""
    assert sim.certificates is not None
    context = client_context(sim, (sim.certificates.client_cert_file, sim.certificates.client_key_file))
    found = {}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        secure = daemon.daemon.hosts[1]
        await secure.start([listener])
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        try:
            async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=context)) as session:
                for path in AUTOSCALERS_PATHS:
                    async with session.get(path) as response:
                        assert response.status == 200, (path, await response.text())
                        found[path] = (await response.json())["items"]
        finally:
            await secure.stop()
    return found


async def test_autoscalers_get_what_they_got_before(tmp_path: Path) -> None:
    # Certificates are dated by the machine's clock.
    clock = SteppedClock(time.time_ns() // 10**10 * 10**4 + 5_250)
    async with SimulatedCluster(msgspec.structs.replace(SMALL, tls=True, token="s3cret"), clock) as sim:
        clock.moved = sim.advance
        assert sim.certificates is not None
        with held_port() as port:
            flags = (
                f"--secure-port={port}",
                f"--cert-dir={tmp_path}/serving",
                f"--client-ca-file={sim.certificates.client_ca_file}",
                "--enable-custom-metrics",
            )
        query = f"?inClusterConfig=false&auth={sim.kubeconfig}&kubeletHttps=true&kubeletPort={sim.kubelets.port}"
        source = f"kubernetes.summary_api:{query}"
        answers = []
        for ticks in (4, 0):
            async with run_daemon(source, clock, f"--data-dir={tmp_path}/data", *flags) as daemon:
                await daemon.is_synced()
                for _ in range(ticks):
                    await kept_tick(daemon)
                answers.append(await kubernetes_answers_of(daemon, sim))
        before, after = answers
        assert after == before
        assert all(before.values())
        assert len(before[AUTOSCALERS_PATHS[1]]) == len(before[AUTOSCALERS_PATHS[2]]) == 12
