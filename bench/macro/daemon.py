"""The daemon against the simulated cluster: CPU a scrape, memory, ticks, missed scrapes, request latencies.

In      scenarios of bench/scenarios.py, modes, how many ticks to watch
Out     a dict of figures for each, a table, and a file
Callers bench/command.py (`heapfast bench macro`)
Source  design section 10
Never   reports a run whose answers are wrong: every node and pod must be there with its rates first

CPU is the daemon's own (user and system), over whole resolutions, after two ticks of warming up.
Simulator and daemon share the machine; the simulator's CPU is shown so that one can see whether it was in the way.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.table import Table

from bench.figures import console
from bench.macro.modes import HEAPSTER, MODES, find_fault, flags_of, requests_of
from bench.macro.requests import ask_at_rate
from bench.processes import DaemonProcess, Ports, cpu_seconds_of, forget_peak, memory_of
from bench.provenance import provenance
from bench.records import MacroResults, write
from bench.scenarios import SCENARIOS, Scenario
from heapfast.sim.process import SimulatedProcess

WARM_UP_TICKS = 2
#: After its scrape a tick needs a moment to close; figures are read in the quiet that follows.
QUIET_SECONDS = 2.0
POLL_SECONDS = 0.5
#: Of questions between two ticks: less than from the quiet after one to the first scrape of the next.
BETWEEN_SECONDS = 5.0


async def measure(scenario: Scenario, mode: str, ticks: int) -> dict[str, Any]:
    """Runs one scenario and returns its figures."""
    ports = Ports.free()
    options = msgspec.structs.replace(scenario.options(), daemon_url=f"http://127.0.0.1:{ports.heapster}")
    load_average = os.getloadavg()[0]
    async with SimulatedProcess(options) as simulator:
        with tempfile.TemporaryDirectory() as folder:
            flags = flags_of(mode, scenario, simulator.endpoints, ports, Path(folder))
            started = time.monotonic()
            async with DaemonProcess(flags, ports.heapster) as daemon:
                start_seconds = time.monotonic() - started
                ticker = _Ticks(daemon.url, scenario.resolution_seconds)
                await ticker.wait(WARM_UP_TICKS)
                requests = await requests_of(mode, scenario, simulator.endpoints, ports)
                # What the question about everything has brought up is not what a scrape costs.
                await asyncio.sleep(QUIET_SECONDS)
                before = await daemon.self_metrics()
                cpu, simulator_cpu = cpu_seconds_of(daemon.pid), cpu_seconds_of(simulator.pid)
                start_peak = memory_of(daemon.pid).peak_rss_bytes
                forget_peak(daemon.pid)
                began = time.monotonic()
                await ticker.wait(ticks)
                seconds = time.monotonic() - began
                cpu, simulator_cpu = cpu_seconds_of(daemon.pid) - cpu, cpu_seconds_of(simulator.pid) - simulator_cpu
                memory = memory_of(daemon.pid)
                figures = figures_between(before, await daemon.self_metrics())
                idle_cores = cpu / seconds
                between = {}
                for name, request in requests.items():  # each in the quiet after a tick
                    between[name] = await ask_at_rate(
                        request, request.per_second, BETWEEN_SECONDS, daemon.pid, idle_cores=0.0
                    )
                    await ticker.wait(1)
                # Over a whole resolution, so that a scrape and a tick are in it.
                asked = {
                    name: await ask_at_rate(
                        request, request.per_second, scenario.resolution_seconds, daemon.pid, idle_cores
                    )
                    for name, request in requests.items()
                }
                return {
                    "scenario": scenario.name,
                    "mode": mode,
                    "nodes": scenario.nodes,
                    "pods": scenario.pods,
                    "containers": scenario.all_containers,
                    "tls": scenario.tls,
                    "resolution_seconds": scenario.resolution_seconds,
                    "load_average": round(load_average, 2),
                    "start_seconds": round(start_seconds, 2),
                    "cores": round(cpu / seconds, 4),
                    "cpu_us_a_scrape": round(cpu / max(figures["scrapes"], 1) * 1e6, 1),
                    "simulator_cores": round(simulator_cpu / seconds, 4),
                    "rss_mib": round(memory.rss_bytes / 2**20, 1),
                    "rss_max_mib": round(memory.peak_rss_bytes / 2**20, 1),
                    "peak_rss_mib": round(max(start_peak, memory.peak_rss_bytes) / 2**20, 1),
                    **figures,
                    "requests": msgspec.to_builtins(asked),
                    "requests_between_scrapes": msgspec.to_builtins(between),
                }


class _Ticks:
    """Waits for batches, and asks for them only shortly before one is due: questions cost the daemon something too."""

    def __init__(self, url: str, resolution_seconds: int) -> None:
        self._url = url
        self._resolution_seconds = resolution_seconds
        self._newest = ""
        self._seen = 0.0

    async def wait(self, ticks: int) -> None:
        """Until there are so many batches more, and for the quiet after the last."""
        async with aiohttp.ClientSession(self._url) as session:
            if not self._seen:
                self._newest = await self._ask(session)
            for _ in range(ticks):
                due = self._seen + self._resolution_seconds - QUIET_SECONDS
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                while (newest := await self._ask(session)) == self._newest:  # noqa: ASYNC110 - another process has the news
                    await asyncio.sleep(POLL_SECONDS)
                self._newest, self._seen = newest, time.monotonic()
        await asyncio.sleep(QUIET_SECONDS)

    async def _ask(self, session: aiohttp.ClientSession) -> str:
        # One short series that every source gives: /metrics would cost the daemon more than what is measured.
        async with session.get("/api/v1/model/metrics/cpu/usage_rate") as response:
            newest: str = (await response.json())["latestTimestamp"]
            return newest


def figures_between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
    """What the daemon counted in between."""

    def grown(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    ticks = grown('heapfast_ticks_total{outcome="closed"}')
    parts = {
        f"{part}_ms": round(grown(f'heapfast_tick_seconds_sum{{part="{part}"}}') / max(ticks, 1) * 1e3, 2)
        for part in ("scrape", "prepare", "close", "commit")
    }
    good = grown('heapfast_scrape_scrapes_total{outcome="ok"}')
    extra = grown("heapfast_scrape_extra_total")
    return {
        "ticks": int(ticks),
        "scrapes": int(good),
        # Of all that were due, every node once a tick and some out of turn: those that gave a batch nothing.
        "missed": int(after["heapfast_scrape_targets"] * ticks + extra - good + grown("heapfast_scrape_late_total")),
        "late": int(grown("heapfast_scrape_late_total")),
        "out_of_turn": int(extra),
        "skipped": int(grown("heapfast_scrape_skipped_total")),
        "backed_off": int(grown("heapfast_scrape_backed_off_total")),
        "windows_skipped": int(grown("heapfast_windows_skipped_total")),
        "tick": parts,
        "body_bytes_a_scrape": round(grown("heapfast_scrape_body_bytes_total") / max(good, 1)),
        "parse_us_a_scrape": round(grown("heapfast_scrape_parse_seconds_total") / max(good, 1) * 1e6, 1),
        "packed_bytes_a_sample": round(
            after['heapfast_store_bytes{part="packed"}'] / max(after["heapfast_store_packed_samples"], 1), 2
        ),
    }


def table_of(rows: list[dict[str, Any]]) -> Table:
    table = Table("scenario", title="the whole daemon", title_justify="left")
    for column in (
        "cores",
        "µs CPU\na scrape",
        "RSS MiB: between\nscrapes, highest\n(at the start)",
        "scrapes\n(missed)",
        "tick, ms: scrape /\nclose / commit",
        "series or autoscaler, ms:\np50 / p99\n(between scrapes)",
        "healthz, ms:\np99 / longest",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        alive = row["requests"]["healthz"]
        question = "series" if row["mode"] == HEAPSTER else "autoscaler"
        asked, between = row["requests"][question], row["requests_between_scrapes"][question]
        table.add_row(
            f"{row['scenario']}\n{row['mode']}",
            f"{row['cores']:.3f}",
            f"{row['cpu_us_a_scrape']:.0f}",
            f"{row['rss_mib']:.0f}, {row['rss_max_mib']:.0f}\n({row['peak_rss_mib']:.0f})",
            f"{row['scrapes']:,} ({row['missed']})",
            f"{row['tick']['scrape_ms']:.0f} / {row['tick']['close_ms']:.1f} / {row['tick']['commit_ms']:.2f}",
            f"{asked['p50_ms']:.2f} / {asked['p99_ms']:.2f}\n({between['p50_ms']:.2f} / {between['p99_ms']:.2f})",
            f"{alive['p99_ms']:.2f} / {alive['max_ms']:.2f}",
        )
    return table


def main(words: Sequence[str], prog: str) -> int:
    parser = argparse.ArgumentParser(prog=prog, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "scenarios",
        nargs="*",
        default=["hundred", "thousand", "k8s-limit"],
        metavar="SCENARIO",
        help=f"of {', '.join(SCENARIOS)}",
    )
    parser.add_argument("--mode", choices=MODES, help="default: both, one after the other")
    parser.add_argument("--ticks", type=int, default=4, help="to watch after two of warming up")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    asked = parser.parse_args(words)
    unknown = [name for name in asked.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"cannot run {', '.join(unknown)}: want {', '.join(SCENARIOS)}")
    runs = [(SCENARIOS[name], mode) for mode in ([asked.mode] if asked.mode else MODES) for name in asked.scenarios]
    faults = [fault for scenario, mode in runs if (fault := find_fault(scenario, mode))]
    if faults:
        parser.error("; ".join(faults))
    where, rows = provenance(), list[dict[str, Any]]()
    for scenario, mode in runs:
        print(f"{scenario.name}, {mode}", file=sys.stderr, flush=True)
        rows.append(asyncio.run(measure(scenario, mode, asked.ticks)))
        if asked.json:
            write(asked.json, MacroResults(where, rows))  # each time: the longest come last
    console().print(table_of(rows))
    return 0
