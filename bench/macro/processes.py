"""The daemon as a child process, and what it has used so far.

In      command-line flags of heapfast
Out     DaemonProcess: its URL, CPU seconds, memory, self-metrics
Callers bench/macro
Never   leaves the child behind
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from heapfast.sim.process import Endpoints

START_SECONDS = 60.0
STOP_SECONDS = 20.0
ASK_SECONDS = 0.1


class Usage(NamedTuple):
    """What a process has used since its start."""

    cpu_seconds: float
    rss_bytes: int
    peak_rss_bytes: int


def usage_of(pid: int) -> Usage:
    """CPU time (user and system), resident memory now and at its highest (Linux)."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Vm")
    )
    kib = {name: int(value.split()[0]) for name, value in status.items()}
    ticks = int(stat[11]) + int(stat[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), kib["VmRSS"] * 1024, kib["VmHWM"] * 1024)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def heapster_flags(endpoints: Endpoints, *, resolution: str, port: int, kubeconfig: bool) -> list[str]:
    """Flags that serve Heapster's API from a simulated cluster.

    Args:
        kubeconfig: the cluster speaks TLS, and its kubeconfig holds the credentials.
    """
    options = f"inClusterConfig=false&kubeletPort={endpoints.kubelet_port}"
    if kubeconfig:
        source = f"?{options}&kubeletHttps=true&auth={endpoints.kubeconfig}"
    else:
        source = f"{endpoints.api_url}?{options}"
    return [
        f"--source=kubernetes.summary_api:{source}",
        f"--metric-resolution={resolution}",
        "--listen-ip=127.0.0.1",
        f"--heapster-port={port}",
    ]


class DaemonProcess:
    """`async with DaemonProcess(flags, port) as daemon`."""

    def __init__(self, flags: list[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._flags = flags
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> DaemonProcess:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "heapfast", *self._flags, start_new_session=True
        )
        try:
            async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as session:
                while not await self._answers(session):
                    if self._process.returncode is not None:
                        raise RuntimeError(f"the daemon ended with {self._process.returncode}; its reason is on stderr")
                    await asyncio.sleep(ASK_SECONDS)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    @property
    def pid(self) -> int:
        return self._process.pid

    def usage(self) -> Usage:
        return usage_of(self._process.pid)

    async def self_metrics(self) -> dict[str, float]:
        """Its /metrics by series text, such as 'heapfast_tick_seconds_sum{part="close"}'."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as response:
            text = await response.text()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    async def _stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
