"""The daemon as a child process, and what it has used so far.

In      command-line flags of heapfast; the id of any process of ours
Out     DaemonProcess: its URL, self-metrics; CPU seconds and memory of a process
Callers bench/macro
Never   leaves the child behind
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

START_SECONDS = 60.0
STOP_SECONDS = 20.0
ASK_SECONDS = 0.1
_CPUCLOCK_SCHED = 2  # of the kernel's posix-timers


class Memory(NamedTuple):
    """Of a process: resident now, and at its highest."""

    rss_bytes: int
    peak_rss_bytes: int


def memory_of(pid: int) -> Memory:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Vm")
    )
    kib = {name: int(value.split()[0]) for name, value in status.items()}
    return Memory(kib["VmRSS"] * 1024, kib["VmHWM"] * 1024)


def cpu_seconds_of(pid: int) -> float:
    """User and system time of all threads so far, to the nanosecond (Linux).

    /proc/PID/stat counts in 10 ms: a tenth of what 100 nodes cost a tick.
    """
    # What clock_getcpuclockid(3) gives for a process; Python has it for threads only.
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


class Ports(NamedTuple):
    """Where the daemon listens. Chosen beforehand: the simulated API server forwards to the first."""

    heapster: int
    secure: int

    @classmethod
    def free(cls) -> Ports:
        with socket.socket() as first, socket.socket() as second:
            for probe in (first, second):
                probe.bind(("127.0.0.1", 0))
            return cls(first.getsockname()[1], second.getsockname()[1])


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
