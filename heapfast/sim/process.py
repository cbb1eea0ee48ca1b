"""The simulated cluster in a process of its own, so that its CPU time is not the daemon's.

In      SimulateOptions
Out     SimulatedProcess: Endpoints, and what the process used so far
Callers demo.py; bench, integration tests
Never   leaves the child behind
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from heapfast.errors import HeapfastError
from heapfast.sim.options import SimulateOptions

if TYPE_CHECKING:
    from heapfast.sim.main import SimulatedCluster

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 10.0
#: The package may not be installed: the child must find it where the parent did.
_ROOT: Final = str(Path(__file__).resolve().parents[2])


class Endpoints(msgspec.Struct, frozen=True):
    """Where a running cluster is to be found. Files are "" without TLS."""

    api_url: str
    kubelet_port: int
    kubeconfig: str
    ca_file: str
    client_ca_file: str
    client_cert_file: str
    client_key_file: str
    front_proxy_cert_file: str
    front_proxy_key_file: str
    addresses: list[str]


class Usage(NamedTuple):
    """What the process has used so far."""

    cpu_seconds: float
    rss_bytes: int


def endpoints_of(sim: SimulatedCluster) -> Endpoints:
    certificates = sim.certificates
    return Endpoints(
        api_url=sim.api.url,
        kubelet_port=sim.kubelets.port,
        kubeconfig=str(sim.kubeconfig),
        ca_file=str(certificates.ca_file) if certificates else "",
        client_ca_file=str(certificates.client_ca_file) if certificates else "",
        client_cert_file=str(certificates.client_cert_file) if certificates else "",
        client_key_file=str(certificates.client_key_file) if certificates else "",
        front_proxy_cert_file=str(certificates.front_proxy_cert_file) if certificates else "",
        front_proxy_key_file=str(certificates.front_proxy_key_file) if certificates else "",
        addresses=[host.address for host in sim.cluster.hosts],
    )


class SimulatedProcess:
    """A cluster in a child process.

    Use as `async with SimulatedProcess(options) as sim`.

    Attributes:
        endpoints: once entered.
        pid: once entered.
    """

    def __init__(self, options: SimulateOptions) -> None:
        options.check()
        self.options = options
        self.endpoints: Endpoints
        self.pid = 0
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> SimulatedProcess:
        path = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "heapfast.sim",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            limit=64 * 1024 * 1024,
            start_new_session=True,  # Ctrl-C is for the parent, which ends this in its own time
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(msgspec.json.encode(self.options) + b"\n")
            async with asyncio.timeout(START_SECONDS):
                line = await self._process.stdout.readline()
            if not line:
                raise HeapfastError("cannot start the simulated cluster: the process ended; its reason is on stderr")
            self.endpoints = msgspec.json.decode(line, type=Endpoints)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def usage(self) -> Usage:
        """CPU time and memory of the process so far (Linux)."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        ticks = int(stat[11]) + int(stat[12])  # utime, stime
        return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))

    async def _stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
