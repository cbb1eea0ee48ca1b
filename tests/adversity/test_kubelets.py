"""What kubelets do wrong, one at a time, while two others do right: it costs the one its numbers, and nobody else.

Every fault that the simulator knows (sim/faults.py) and the daemon can meet, by both sources.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from typing import Any

import pytest

from heapfast._batch import Batch
from heapfast.sim.faults import KINDS, parse_fault
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.expectations import Metrics, check_batch, expected_metrics
from tests.integration.running import RunningDaemon, eventually, run_both

BAD = "node-0001"
MODIFIED = 'heapfast_kube_events_total{resource="nodes",type="MODIFIED"}'
SMALL = SimulateOptions(nodes=3, pods_per_node=2, containers=2, seed=7)
#: Long enough for a healthy node on a busy machine, short enough to wait for.
TIMEOUT_SECONDS = 1.2
FLAGS = (f"--scrape-timeout={TIMEOUT_SECONDS}s", "--max-body-bytes=1000000")

Both = tuple[SimulatedCluster, RunningDaemon, str]


SOURCES = ("kubernetes.summary_api", "kubernetes")


@pytest.fixture(params=SOURCES)
async def both(request: pytest.FixtureRequest) -> AsyncIterator[Both]:
    """A cluster whose rates are known; its source is what `expected_metrics` wants."""
    async with run_both(SMALL, *FLAGS, key=request.param) as (sim, daemon):
        await daemon.tick()
        await daemon.tick()
        yield sim, daemon, request.param


def break_node(sim: SimulatedCluster, fault: str, node: str = BAD) -> None:
    sim.faults.set(parse_fault(f"{node}={fault}"), sim.clock.now_ns() // 1_000_000)


async def recover(sim: SimulatedCluster, daemon: RunningDaemon, key: str) -> None:
    """Mends every node; two samples later all numbers must be exact again."""
    sim.faults.clear()
    # A request that hangs is over when it has timed out, and a node that was away is asked again at once when
    # its object has changed.
    await eventually(lambda: not any(target["in_flight"] for target in describe(daemon)))
    changes = await daemon.metric(MODIFIED)
    for host in sim.cluster.hosts:
        sim.cluster.set_node(host.name, ready=True)
    await daemon.until(MODIFIED, changes + len(sim.cluster.hosts))
    # The first answer after an outage is not awaited, and may come too late for its batch.
    for _ in range(3):
        batch = await daemon.tick()
    check_batch(batch, expected_metrics(sim, daemon.clock.now_ms, key=key))
    assert {target["outcome"] for target in describe(daemon)} == {"ok"}


def describe(daemon: RunningDaemon) -> list[dict[str, Any]]:
    return [dict(target) for target in daemon.daemon.scraper.describe_targets()]


def metrics_of(batch: Batch, entity: str) -> Metrics:
    sets = batch.sets()
    found: Metrics = sets[entity]["metrics"] if entity in sets else {}
    return found


#: Faults that leave nothing of an answer: the outcome they are counted under, and what is said of them.
LOST = {
    "hang": ("timeout", f"got 0 bytes and no end within {TIMEOUT_SECONDS} s"),
    "slow:30": ("timeout", f"bytes and no end within {TIMEOUT_SECONDS} s"),
    "cut": ("closed", "the connection ended after"),
    "close": ("closed", "the connection ended after 0 bytes"),
    "empty": ("parse", "got the end, want more JSON at byte 0"),
    "html": ("parse", "want JSON at byte 0 (content type: text/html; charset=utf-8)"),
    "nested": ("parse", "at byte"),
    "badjson": ("parse", "got an unexpected byte, want JSON at byte"),
    "huge": ("too_large", "body of more than 1000000 bytes"),
    "302": ("status", "got status 302, want 200: Found"),
    "401": ("status", "got status 401, want 200: Unauthorized"),
    "403": ("status", "got status 403, want 200: Forbidden"),
    "500": ("status", "got status 500, want 200: Internal Server Error"),
}
#: Faults of single values: the rest of the answer is good.
IN_PART = ("wrong-type", "negative", "too-big")


#: Only what is wrong with a body can be met in another way by another parser.
LOST_BY_SOURCE = [
    pytest.param(key, fault, id=f"{key}-{fault}")
    for fault, (outcome, _) in LOST.items()
    for key in (SOURCES if outcome == "parse" else SOURCES[:1])
]


@pytest.mark.parametrize(("both", "fault"), LOST_BY_SOURCE, indirect=["both"])
async def test_an_answer_that_is_lost_is_counted_and_told(both: Both, fault: str) -> None:
    sim, daemon, key = both
    outcome, text = LOST[fault]
    break_node(sim, fault)
    batch = await daemon.tick()
    check_batch(batch, expected_metrics(sim, daemon.clock.now_ms, key=key, without=[BAD]))
    assert await daemon.outcomes() == {"ok": 8, outcome: 1}
    targets = await daemon.targets()
    assert {node: target["outcome"] for node, target in targets.items()} == {
        "node-0000": "ok", BAD: outcome, "node-0002": "ok",
    }  # fmt: skip
    assert text in targets[BAD]["error"]
    assert targets[BAD]["failures"] == 1
    await recover(sim, daemon, key)


@pytest.mark.parametrize("fault", IN_PART)
async def test_values_that_are_none_leave_a_gap_and_the_rest(both: Both, fault: str) -> None:
    sim, daemon, key = both
    assert await daemon.metric("heapfast_scrape_bad_values_total") == 0
    break_node(sim, fault)
    batch = await daemon.tick()
    expected = expected_metrics(sim, daemon.clock.now_ms, key=key)
    others = expected_metrics(sim, daemon.clock.now_ms, key=key, without=[BAD])
    n_bad = {node: target["bad_values"] for node, target in (await daemon.targets()).items()}
    assert n_bad == {"node-0000": 0, BAD: await daemon.metric("heapfast_scrape_bad_values_total"), "node-0002": 0}
    # One for the node, and one for each container at least.
    assert n_bad[BAD] >= 1 + 2 * SMALL.pods_per_node
    for entity in expected.keys() - others.keys():
        # Of a pod there is no counter to be wrong but those of its containers.
        found = metrics_of(batch, entity)
        assert found["memory/usage"] == expected[entity]["memory/usage"], entity
        if "/container:" in entity or entity == f"node:{BAD}":
            assert not found.keys() & {"cpu/usage", "cpu/usage_rate"}, entity
    for entity in others.keys() & {"node:node-0000", "node:node-0002"}:
        assert {metric: metrics_of(batch, entity)[metric] for metric in others[entity]} == others[entity]
    assert metrics_of(batch, "cluster")["memory/usage"] == expected["cluster"]["memory/usage"]
    await recover(sim, daemon, key)


async def test_a_pod_that_is_listed_twice_counts_once(both: Both) -> None:
    sim, daemon, key = both
    break_node(sim, "duplicate-pods")
    for _ in range(2):
        check_batch(await daemon.tick(), expected_metrics(sim, daemon.clock.now_ms, key=key))
    await recover(sim, daemon, key)


async def test_a_name_that_is_no_utf8_can_be_answered(both: Both) -> None:
    sim, daemon, key = both
    break_node(sim, "bad-utf8")
    batch = await daemon.tick()
    expected = expected_metrics(sim, daemon.clock.now_ms, key=key)
    for entity in ("node:node-0000", f"node:{BAD}", "node:node-0002"):
        assert {metric: metrics_of(batch, entity)[metric] for metric in expected[entity]} == expected[entity]
    for path in ("/api/v1/metric-export", "/api/v1/model/namespaces", "/api/v1/model/debug/allkeys", "/metrics"):
        async with daemon.session.get(path) as response:
            assert response.status == 200
            (await response.read()).decode()  # strictly UTF-8, whatever came in
    await recover(sim, daemon, key)


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_a_clock_that_jumps_costs_rates_once(both: Both, seconds: int) -> None:
    sim, daemon, key = both
    break_node(sim, f"clock-jump:{seconds}")
    batch = await daemon.tick()
    node = expected_metrics(sim, daemon.clock.now_ms, key=key)[f"node:{BAD}"]
    found = metrics_of(batch, f"node:{BAD}")
    assert (found["cpu/usage"], found["memory/usage"]) == (node["cpu/usage"], node["memory/usage"])
    assert 0 <= found.get("cpu/usage_rate", 0) <= node["cpu/usage_rate"]
    # The kubelet's clock is wrong still, but it runs.
    check_batch(await daemon.tick(), expected_metrics(sim, daemon.clock.now_ms, key=key))
    sim.faults.clear()
    back = metrics_of(await daemon.tick(), f"node:{BAD}")
    assert 0 <= back.get("cpu/usage_rate", 0) <= node["cpu/usage_rate"]
    await recover(sim, daemon, key)


async def test_a_node_that_hangs_is_awaited_once() -> None:
    async with run_both(SMALL, *FLAGS) as (sim, daemon):
        await daemon.tick()
        break_node(sim, "hang")
        loop = asyncio.get_running_loop()
        started = loop.time()
        await daemon.tick()
        assert loop.time() - started >= TIMEOUT_SECONDS
        for _ in range(3):
            started = loop.time()
            batch = await daemon.tick()
            assert loop.time() - started < TIMEOUT_SECONDS
            check_batch(batch, expected_metrics(sim, daemon.clock.now_ms, without=[BAD]))
        # It was asked a second time, and was still being asked in the two rounds after that.
        assert await daemon.metric("heapfast_scrape_skipped_total") == 2
        await recover(sim, daemon, "kubernetes.summary_api")


async def test_a_node_that_stays_away_is_asked_less_often() -> None:
    async with run_both(SMALL, *FLAGS) as (sim, daemon):
        await daemon.tick()
        break_node(sim, "hang")
        await daemon.tick()
        await daemon.tick()
        await eventually(lambda: not any(target["in_flight"] for target in describe(daemon)))
        await daemon.tick()
        assert await daemon.metric("heapfast_scrape_backed_off_total") == 1
        assert (await daemon.targets())[BAD]["failures"] == 2
        await recover(sim, daemon, "kubernetes.summary_api")


async def test_kubelets_that_are_all_gone_leave_a_daemon_that_waits_for_them(both: Both) -> None:
    sim, daemon, key = both
    port = sim.kubelets.port
    await sim.kubelets.stop()
    batch = await daemon.tick()
    check_batch(batch, {})
    assert await daemon.outcomes() == {"ok": 6, "refused": 3}
    assert {target["error"].partition(": ")[2] for target in describe(daemon)} == {"the connection was refused"}
    assert (await daemon.text("/livez"))[0] == 200
    await sim.kubelets.start(port)
    await recover(sim, daemon, key)


async def test_every_node_may_be_wrong_in_its_own_way() -> None:
    faults = [*LOST, *IN_PART, "bad-utf8", "duplicate-pods", "clock-jump:60"]
    options = SimulateOptions(nodes=len(faults) + 1, pods_per_node=2, seed=3)
    async with run_both(options, *FLAGS) as (sim, daemon):
        await daemon.tick()
        for number, fault in enumerate(faults):
            break_node(sim, fault, sim.cluster.hosts[number].name)
        batch = await daemon.tick()
        healthy = f"node:{sim.cluster.hosts[-1].name}"
        expected = expected_metrics(sim, daemon.clock.now_ms)[healthy]
        assert {metric: metrics_of(batch, healthy)[metric] for metric in expected} == expected
        assert await daemon.outcomes() == {
            "ok": len(faults) + 1 + len(faults) - len(LOST) + 1,
            **{outcome: sum(1 for found, _ in LOST.values() if found == outcome) for outcome, _ in LOST.values()},
        }


def test_every_fault_that_the_simulator_knows_is_tried() -> None:
    tried = {fault.partition(":")[0] for fault in (*LOST, *IN_PART)}
    # Of a restart: tests/integration/test_daemon.py.
    assert KINDS.keys() - tried == {"bad-utf8", "clock-jump", "duplicate-pods", "restart"}


async def test_a_body_beyond_the_limit_takes_no_memory() -> None:
    async with run_both(SMALL, *FLAGS) as (sim, daemon):
        await daemon.tick()
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for host in sim.cluster.hosts:
            break_node(sim, "huge:500000000", host.name)
        check_batch(await daemon.tick(), {})
        assert await daemon.outcomes() == {"ok": 3, "too_large": 3}
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024
        await recover(sim, daemon, "kubernetes.summary_api")


async def test_a_body_padded_up_to_the_limit_is_good() -> None:
    async with run_both(SMALL, *FLAGS) as (sim, daemon):
        await daemon.tick()
        break_node(sim, "huge:1000000")
        check_batch(await daemon.tick(), expected_metrics(sim, daemon.clock.now_ms))
        assert (await daemon.targets())[BAD]["body_bytes"] == 1_000_000
