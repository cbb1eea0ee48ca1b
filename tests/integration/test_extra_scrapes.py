"""The whole daemon as metrics-server runs: a pod that has started has numbers long before the next round."""

from __future__ import annotations

import pytest

from heapfast.catalog.keys import Kind
from heapfast.sim.options import SimulateOptions
from tests.integration.running import RunningDaemon, run_both

OPTIONS = SimulateOptions(nodes=3, pods_per_node=4, containers=2, namespaces=3, seed=7)
EXTRA = "heapfast_scrape_extra_total"
GOOD = 'heapfast_scrape_scrapes_total{outcome="ok"}'
SEEN = 'heapfast_kube_events_total{resource="pods",type="MODIFIED"}'

#: As in heapfast._latest: what is served is whole.
USAGE_OK = 0


def has_usage(daemon: RunningDaemon, key: str) -> bool:
    slot = daemon.store.find(Kind.POD, *key.split("/"))
    return slot >= 0 and daemon.store.latest.pod_sample(slot, daemon.clock.now_ns())[0] == USAGE_OK


async def test_a_pod_that_starts_has_usage_before_the_next_round() -> None:
    flags = ("--metric-resolution=60s", "--deprecated-kubelet-completely-insecure")
    async with run_both(OPTIONS, *flags, key="kubernetes.resource") as (sim, daemon):
        await daemon.until(GOOD, len(sim.cluster.hosts))
        pod = sim.churn.replace(min(sim.cluster.pods.items), daemon.clock.now_ms)
        daemon.clock.advance(3)
        await daemon.until(SEEN, 1)
        assert await daemon.metric(EXTRA) == 0
        looks = 0
        while not has_usage(daemon, pod.key):
            looks += 1
            daemon.clock.advance(11)
            await daemon.until(GOOD, len(sim.cluster.hosts) + looks)
        assert await daemon.metric(EXTRA) == looks <= 2
        assert daemon.batches == []


@pytest.mark.parametrize("key", ["kubernetes.summary_api", "kubernetes"])
async def test_heapsters_sources_keep_to_their_rounds(key: str) -> None:
    async with run_both(OPTIONS, "--metric-resolution=60s", key=key) as (sim, daemon):
        await daemon.tick(60)
        sim.churn.replace(min(sim.cluster.pods.items), daemon.clock.now_ms)
        daemon.clock.advance(3)
        await daemon.until(SEEN, 1)
        daemon.clock.advance(30)
        await daemon.tick(60)
        assert await daemon.metric(EXTRA) == 0
        assert (await daemon.outcomes())["ok"] == 2 * len(sim.cluster.hosts)
