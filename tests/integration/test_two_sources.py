"""Two sources of one daemon: CPU and working sets in every batch, all else from /stats/summary, seldomer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from heapfast.sim.faults import parse_fault
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.expectations import Metrics, expected_metrics
from tests.integration.running import STEP_SECONDS, RunningDaemon, SteppedClock, eventually, run_daemon, source_of

#: Sampled twice a step, so that every sample of a batch is another one than that of the batch before.
SMALL = SimulateOptions(nodes=3, pods_per_node=4, containers=2, namespaces=3, seed=7, sampling_seconds=5.0)
EVERY = 3
MAIN = ("cpu/usage", "cpu/usage_rate", "memory/working_set")
#: /metrics/resource has seconds of CPU as a double, which is cut to a nanosecond; sums are over 24 containers.
SLACK = {"cpu/usage": 1, "cpu/usage_rate": 24}
NODE = "node-0001"

Both = tuple[SimulatedCluster, RunningDaemon]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    clock = SteppedClock()
    async with SimulatedCluster(SMALL, clock) as sim:
        side = f"{source_of(sim)}&resolution={EVERY * STEP_SECONDS}s"
        async with run_daemon(source_of(sim, "kubernetes.resource"), clock, f"--source={side}") as daemon:
            clock.moved = sim.advance
            await daemon.is_synced()
            # The warm-up, and then the wait for the first window.
            await daemon.until('heapfast_scrape_side_scrapes_total{outcome="ok"}', SMALL.nodes)
            await eventually(lambda: clock.n_sleeping > 0)
            yield sim, daemon


def by_source(expected: dict[str, Metrics], *, is_main: bool) -> dict[str, Metrics]:
    """What one of the sources says of nodes, pods and containers; a pod's are sums."""
    return {
        entity: {metric: value for metric, value in metrics.items() if (metric in MAIN) == is_main}
        for entity, metrics in expected.items()
    }


def off(sets: dict[str, Any], expected: dict[str, Metrics]) -> dict[str, Any]:
    """What a batch has otherwise, as (got, want)."""
    return {
        f"{entity} {metric}": (got, want)
        for entity, metrics in expected.items()
        for metric, want in metrics.items()
        if (got := sets.get(entity, {"metrics": {}})["metrics"].get(metric)) is None
        or abs(got - want) > SLACK.get(metric, 0)
    }


async def test_every_batch_has_all_metrics_each_as_its_source_said_it_last(both: Both) -> None:
    sim, daemon = both
    names = [host.name for host in sim.cluster.hosts]
    # The warm-up has asked every node for both.
    summaries = dict.fromkeys(names, expected_metrics(sim, daemon.clock.now_ms))
    scrapes = dict.fromkeys(names, 1)
    for number in range(3 * EVERY):
        sets = (await daemon.tick()).sets()
        now = expected_metrics(sim, daemon.clock.now_ms)
        for name, target in (await daemon.targets()).items():
            if target["beside"]["scrapes"] > scrapes[name]:
                scrapes[name] += 1
                summaries[name] = now
        if number:
            assert off(sets, by_source(now, is_main=True)) == {}
        for name in names:
            said = by_source(summaries[name], is_main=False)
            wanted = {
                entity: {m: v for m, v in said[entity].items() if scrapes[name] > 1 or not m.endswith("_rate")}
                for entity, found in sets.items()
                if entity in said and found["labels"].get("nodename") == name
            }
            assert f"node:{name}" in wanted
            assert off(sets, wanted) == {}
    assert all(3 <= count <= 4 for count in scrapes.values())


async def test_sums_do_not_flicker(both: Both) -> None:
    """Requests come from the API server in every batch; memory in use from the summaries, and never only some of it."""
    sim, daemon = both
    totals = []
    for _ in range(2 * EVERY):
        batch = await daemon.tick()
        metrics = batch.sets()["cluster"]["metrics"]
        nodes = expected_metrics(sim, daemon.clock.now_ms)["cluster"]
        assert 0.9 < metrics["memory/usage"] / nodes["memory/usage"] < 1.1
        totals.append(metrics["memory/request"])
    assert len(set(totals)) == 1


@pytest.mark.parametrize(("fault", "outcome"), [("500", "status"), ("close", "closed"), ("badjson", "parse")])
@pytest.mark.parametrize(
    ("path", "lost", "kept"),
    [
        ("/stats/summary", "memory/usage", "memory/working_set"),
        ("/metrics/resource", "memory/working_set", "memory/usage"),
    ],
)
async def test_an_endpoint_that_fails_costs_its_own_metrics_on_its_own_node(
    both: Both, path: str, lost: str, kept: str, fault: str, outcome: str
) -> None:
    sim, daemon = both
    await daemon.tick()
    sim.faults.set(parse_fault(f"{NODE}={fault}@{path}"), daemon.clock.now_ms)
    for _ in range(EVERY + 2):
        sets = (await daemon.tick()).sets()
    assert lost not in sets[f"node:{NODE}"]["metrics"]
    assert kept in sets[f"node:{NODE}"]["metrics"]
    for other in ("node-0000", "node-0002"):
        assert {lost, kept} <= set(sets[f"node:{other}"]["metrics"])
    target = (await daemon.targets())[NODE]
    failed, fine = (target["beside"], target) if path == "/stats/summary" else (target, target["beside"])
    assert (failed["outcome"], fine["outcome"]) == (outcome, "ok")
    why = await daemon.get(f"/debug/why/nodes/{NODE}")
    assert why["facts"]["target"]["beside"]["outcome"] == target["beside"]["outcome"]

    sim.faults.clear(NODE)
    await daemon.tick()
    sets = (await daemon.tick()).sets()
    assert {lost, kept} <= set(sets[f"node:{NODE}"]["metrics"])


async def test_one_connection_serves_both(both: Both) -> None:
    sim, daemon = both
    for _ in range(EVERY + 1):
        await daemon.tick()
    assert len(sim.kubelets.connections) == 3
    assert await daemon.metric('heapfast_scrape_side_scrapes_total{outcome="ok"}') >= 3
