"""Servers as child processes, and what they have used so far.

In      a command line; the id of any process
Out     ServerProcess; DaemonProcess with its URL and self-metrics; CPU seconds and memory of a process
Callers bench/macro, bench/compare
Never   leaves a child behind
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

START_SECONDS = 60.0
STOP_SECONDS = 20.0
ASK_SECONDS = 0.1
LAST_WORDS = 2_000
_CPUCLOCK_SCHED = 2  # of the kernel's posix-timers


class Memory(NamedTuple):
    """Of a process: resident now, and at its highest since it began or `forget_peak` was called."""

    rss_bytes: int
    peak_rss_bytes: int


def memory_of(pid: int) -> Memory:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Vm")
    )
    kib = {name: int(value.split()[0]) for name, value in status.items()}
    return Memory(kib["VmRSS"] * 1024, kib["VmHWM"] * 1024)


def forget_peak(pid: int) -> None:
    """Has the kernel look for the highest from now on; without a word where the process is another user's."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


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


class ServerProcess:
    """Any program: `async with ServerProcess(argv, log) as server`.

    Args:
        log: a file for what it prints.
        environ: what it gets beside this process's own.
    """

    def __init__(self, argv: list[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self._argv = argv
        self._log = log
        self._environ = {**os.environ, **(environ or {})}
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> ServerProcess:
        with self._log.open("wb") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._environ,
                start_new_session=True,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop(self._process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises RuntimeError, with its last words, when it has ended."""
        if self._process.returncode is not None:
            raise RuntimeError(f"{self._argv[0]} ended with {self._process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-LAST_WORDS:]


async def stop(process: asyncio.subprocess.Process) -> None:
    """Asks a process to end, and ends it when it does not."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


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
            await stop(self._process)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop(self._process)

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
