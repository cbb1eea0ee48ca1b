"""The whole daemon with a data dir: the past is there, over HTTP, while it runs and after it was started anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heapfast.sim.options import SimulateOptions
from tests.integration.running import RunningDaemon, run_both

SMALL = SimulateOptions(nodes=2, pods_per_node=3, containers=2, namespaces=2, seed=7)
HISTORICAL = "/api/v1/historical"
MODEL = "/api/v1/model"
#: The clock of a second run begins where the first one began.
SINCE = {"start": "2020-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}
TICKS = 4


async def written(daemon: RunningDaemon, n: int) -> None:
    await daemon.until("heapfast_history_batches_total", n)


async def series(daemon: RunningDaemon, path: str) -> list[dict[str, Any]]:
    answer = await daemon.get(f"{HISTORICAL}{path}", params=SINCE)
    found: list[dict[str, Any]] = answer["metrics"]
    return found


async def test_the_past_is_served_from_disk(tmp_path: Path) -> None:
    flags = (f"--data-dir={tmp_path}",)
    async with run_both(SMALL, *flags) as (_, daemon):
        for i in range(TICKS):
            await daemon.tick()
            await written(daemon, i + 1)
        nodes = await daemon.get(f"{HISTORICAL}/nodes")
        assert nodes == await daemon.get(f"{MODEL}/nodes")
        (namespace, *_) = await daemon.get(f"{HISTORICAL}/namespaces")
        (pod, *_) = await daemon.get(f"{HISTORICAL}/namespaces/{namespace}/pods")
        live = await daemon.get(f"{MODEL}/namespaces/{namespace}/pods/{pod}/metrics/memory/usage")
        before = await series(daemon, f"/namespaces/{namespace}/pods/{pod}/metrics/memory/usage")
        assert before == live["metrics"]
        assert len(before) == TICKS
        path = f"/namespaces/{namespace}/pods/{pod}/metrics-aggregated/count,max/memory/usage"
        past = await daemon.get(f"{HISTORICAL}{path}", params=SINCE | {"bucket": "1h"})
        assert past == await daemon.get(f"{MODEL}{path}", params={"bucket": "1h"})
        assert past["buckets"][0]["count"] == TICKS
    async with run_both(SMALL, *flags) as (_, daemon):
        assert await series(daemon, f"/namespaces/{namespace}/pods/{pod}/metrics/memory/usage") == before
        assert await daemon.get(f"{HISTORICAL}/nodes") == nodes


async def test_without_a_folder_there_is_no_past() -> None:
    async with run_both(SMALL) as (_, daemon):
        assert await daemon.text(f"{HISTORICAL}/nodes") == (404, "404 page not found\n")
