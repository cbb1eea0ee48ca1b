"""The daemon against the simulated cluster: CPU a scrape, memory, ticks, missed scrapes, request latencies.

In      a scenario of bench/scenarios.py, how many ticks to watch
Out     a dict of figures, and a table
Callers `python -m bench.macro.daemon`
Never   reports a run whose answers are wrong: every node and pod must be there with its rates first

CPU is the daemon's own (user and system, from /proc), over whole resolutions, after two ticks of warming up.
Simulator and daemon share the machine; the simulator's CPU is shown so that one can see whether it was in the way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table

from bench.macro.processes import DaemonProcess, free_port, heapster_flags
from bench.macro.requests import Latencies, ask_at_rate
from bench.scenarios import SCENARIOS, Scenario
from heapfast.sim.process import SimulatedProcess

WARM_UP_TICKS = 2
REQUESTS_A_SECOND = 50.0
#: After its scrape a tick needs a moment to close; figures are read in the quiet that follows.
QUIET_SECONDS = 2.0
POLL_SECONDS = 1.0


async def measure(scenario: Scenario, ticks: int) -> dict[str, Any]:
    """Runs one scenario and returns its figures."""
    port = free_port()
    options = msgspec.structs.replace(scenario.options(), daemon_url=f"http://127.0.0.1:{port}")
    async with SimulatedProcess(options) as simulator:
        flags = heapster_flags(
            simulator.endpoints, resolution=f"{scenario.resolution_seconds}s", port=port, kubeconfig=scenario.tls
        )
        started = time.monotonic()
        async with DaemonProcess(flags, port) as daemon:
            start_seconds = time.monotonic() - started
            await _wait_for_ticks(daemon, WARM_UP_TICKS)
            await _check(daemon, scenario)
            before, cpu_before, sim_before = await daemon.self_metrics(), daemon.usage(), simulator.usage()
            began = time.monotonic()
            await _wait_for_ticks(daemon, ticks)
            seconds = time.monotonic() - began
            after, cpu_after, sim_after = await daemon.self_metrics(), daemon.usage(), simulator.usage()
            busy = await _latencies(daemon, scenario.resolution_seconds)
            figures = _figures(before, after)
            scrapes = figures["scrapes"]
            return {
                "scenario": scenario.name,
                "nodes": scenario.nodes,
                "pods": scenario.pods,
                "containers": scenario.all_containers,
                "tls": scenario.tls,
                "resolution_seconds": scenario.resolution_seconds,
                "load_average": os.getloadavg()[0],
                "start_seconds": round(start_seconds, 2),
                "cores": round((cpu_after.cpu_seconds - cpu_before.cpu_seconds) / seconds, 4),
                "cpu_us_a_scrape": round((cpu_after.cpu_seconds - cpu_before.cpu_seconds) / max(scrapes, 1) * 1e6, 1),
                "simulator_cores": round((sim_after.cpu_seconds - sim_before.cpu_seconds) / seconds, 4),
                "rss_mib": round(cpu_after.rss_bytes / 2**20, 1),
                "peak_rss_mib": round(cpu_after.peak_rss_bytes / 2**20, 1),
                **figures,
                "requests": {name: value._asdict() for name, value in busy.items()},
            }


async def _wait_for_ticks(daemon: DaemonProcess, ticks: int) -> None:
    """Waits until there are so many batches more, and for the quiet after the last."""
    async with aiohttp.ClientSession(daemon.url) as session:
        last = await _newest(session)
        while ticks:
            await asyncio.sleep(POLL_SECONDS)
            newest = await _newest(session)
            ticks -= newest != last
            last = newest
    await asyncio.sleep(QUIET_SECONDS)


async def _newest(session: aiohttp.ClientSession) -> str:
    # One short series: /metrics would cost the daemon more than what is measured.
    async with session.get("/api/v1/model/metrics/memory/usage") as response:
        newest: str = (await response.json())["latestTimestamp"]
        return newest


async def _check(daemon: DaemonProcess, scenario: Scenario) -> None:
    """Refuses to measure a daemon that has not got everything."""
    async with aiohttp.ClientSession(daemon.url) as session:
        async with session.get("/api/v1/model/nodes/") as response:
            nodes = len(await response.json())
        async with session.get("/apis/metrics/v1alpha1/pods") as response:
            pods = len((await response.json())["items"] or ())
    faulty = bool(scenario.faults)
    if not faulty and (nodes != scenario.nodes or pods < scenario.pods * 0.99):
        raise RuntimeError(
            f"cannot measure: {nodes} of {scenario.nodes} nodes, {pods} of {scenario.pods} pods are there"
        )


async def _latencies(daemon: DaemonProcess, resolution_seconds: int) -> dict[str, Latencies]:
    """Over a whole resolution, so that a scrape and a tick are in it; and of one route without, right after."""
    async with aiohttp.ClientSession(daemon.url) as session, session.get("/api/v1/model/nodes/") as response:
        node = (await response.json())[0]
    series = f"{daemon.url}/api/v1/model/nodes/{node}/metrics/cpu/usage_rate"
    return {
        "one series, while scraping": await ask_at_rate(
            series, per_second=REQUESTS_A_SECOND, seconds=resolution_seconds
        ),
        "one series, quiet": await ask_at_rate(series, per_second=REQUESTS_A_SECOND, seconds=2.0),
        "healthz, while scraping": await ask_at_rate(
            f"{daemon.url}/healthz", per_second=REQUESTS_A_SECOND, seconds=resolution_seconds
        ),
    }


def _figures(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
    def grown(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    ticks = grown('heapfast_ticks_total{outcome="closed"}')
    parts = {
        f"{part}_ms": round(grown(f'heapfast_tick_seconds_sum{{part="{part}"}}') / max(ticks, 1) * 1e3, 2)
        for part in ("scrape", "prepare", "close", "commit")
    }
    good = grown('heapfast_scrape_scrapes_total{outcome="ok"}')
    return {
        "ticks": int(ticks),
        "scrapes": int(good),
        "missed": int(grown("heapfast_scrape_late_total") + grown("heapfast_scrape_skipped_total")),
        "windows_skipped": int(grown("heapfast_windows_skipped_total")),
        "tick": parts,
        "body_mb_a_scrape": round(grown("heapfast_scrape_body_bytes_total") / max(good, 1) / 1e6, 4),
        "parse_us_a_scrape": round(grown("heapfast_scrape_parse_seconds_total") / max(good, 1) * 1e6, 1),
        "packed_bytes_a_sample": round(
            after['heapfast_store_bytes{part="packed"}'] / max(after["heapfast_store_packed_samples"], 1), 2
        ),
    }


def _print(results: list[dict[str, Any]]) -> None:
    table = Table(
        "scenario",
        "cores",
        "µs CPU a scrape",
        "RSS MiB (peak)",
        "missed",
        "tick ms: scrape / close / commit",
        "one series p50 / p99 ms: scraping, quiet",
    )
    for row in results:
        busy, quiet = row["requests"]["one series, while scraping"], row["requests"]["one series, quiet"]
        table.add_row(
            row["scenario"],
            f"{row['cores']:.3f}",
            f"{row['cpu_us_a_scrape']:.0f}",
            f"{row['rss_mib']:.0f} ({row['peak_rss_mib']:.0f})",
            str(row["missed"]),
            f"{row['tick']['scrape_ms']:.0f} / {row['tick']['close_ms']:.1f} / {row['tick']['commit_ms']:.2f}",
            f"{busy['p50_ms']:.2f} / {busy['p99_ms']:.2f}, {quiet['p50_ms']:.2f} / {quiet['p99_ms']:.2f}",
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", default=["hundred", "thousand", "k8s-limit"], metavar="SCENARIO",
                        help=f"of {', '.join(SCENARIOS)}")  # fmt: skip
    parser.add_argument("--ticks", type=int, default=4, help="to watch after two of warming up")
    parser.add_argument("--json", help="file to write the figures to")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"cannot run {', '.join(unknown)}: want {', '.join(SCENARIOS)}")
    results = [asyncio.run(measure(SCENARIOS[name], arguments.ticks)) for name in arguments.scenarios]
    _print(results)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
