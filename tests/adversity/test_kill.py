"""kill -9 at random moments, again and again: what was closed is there, and no number is wrong."""

from __future__ import annotations

import asyncio
import random
import re
import sys
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from heapfast.store.segments import find_segments, restore, scan
from tests.integration.running import source_of

KILLS = 8
SEED = 20261130
PATIENCE_SECONDS = 30.0
CLUSTER = SimulateOptions(
    nodes=3, pods_per_node=5, containers=2, namespaces=2, seed=5, sampling_seconds=0.2, spread_ms=50
)
#: Of tests/adversity/killed_daemon.py.
RESOLUTION_NS = 250_000_000
#: By its path: where the installed package is tested, the tree is not on the path of modules.
PROGRAM = Path(__file__).with_name("killed_daemon.py")
LONG_NS, SHORT_NS = 900 * 10**9, 140 * 10**9


class Process:
    """One life of the daemon."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.written: list[int] = []
        self.log = ""

    @classmethod
    async def start(cls, sim: SimulatedCluster, data_dir: Path) -> Process:
        flags = (
            f"--source={source_of(sim, 'kubernetes.resource')}",
            "--deprecated-kubelet-completely-insecure",
            "--metric-resolution=10s",
            "--listen-ip=127.0.0.1",
            "--heapster-port=0",
            f"--data-dir={data_dir}",
        )
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAM), *flags,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip

    async def listens(self) -> int:
        """Its port, once it has one."""
        assert self._process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := re.search(r"listening on port (\d+)", self.log)):
                line = (await self._process.stderr.readline()).decode()
                assert line, f"it ended before it listened: {self.log}"
                self.log += line
        return int(found[1])

    async def writes(self, n: int) -> None:
        """Waits until it has written so many batches."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.written) < n:
                self._note((await self._process.stdout.readline()).decode())

    def _note(self, line: str) -> None:
        assert line.startswith("written "), f"it ended: {self.log}"
        self.written.append(int(line.split()[1]))

    async def kill(self) -> None:
        """Ends it as the kernel does, and takes what it had said until then."""
        self._process.kill()
        out, err = await self._process.communicate()
        for line in out.decode().splitlines(keepends=True):
            if line.endswith("\n"):
                self._note(line)
        self.log += err.decode()
        assert "Traceback" not in self.log, self.log


@pytest.mark.timeout(240)
async def test_what_was_written_is_there_whenever_the_daemon_is_killed(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    data_dir = tmp_path / "data"
    written: list[int] = []
    async with SimulatedCluster(CLUSTER) as sim:
        for life in range(KILLS):
            process = await Process.start(sim, data_dir)
            try:
                port = await process.listens()
                if life:
                    # Half a record is what a kill leaves; anything else would have been said.
                    assert "checksum" not in process.log
                    assert re.search(r"(\d+) batches are back", process.log), process.log
                await process.writes(1 + draw.randrange(3))
                if life:
                    await reaches_back(port, written[-1])
                # Not a wait for anything: the moment is what is random here.
                await asyncio.sleep(draw.uniform(0, 0.3))
            finally:
                await process.kill()
            written += process.written
            found = [
                record.timestamp_ns for path in find_segments(data_dir / "segments") for record in scan(path).records
            ]
            assert set(written) <= set(found)
            assert found == sorted(found)
            faults = [scan(path).fault for path in find_segments(data_dir / "segments")]
            assert all(fault is None or fault.is_torn for fault in faults)
        store = Store(resolution_ns=RESOLUTION_NS)
        restored = restore(
            data_dir / "segments", store, max(found), cluster=sim.api.url, long_ns=LONG_NS, short_ns=SHORT_NS
        )
        assert restored.restoring.batches == len(found)
        for host in sim.cluster.hosts:
            store.put_node(host.name, hostname="", host_id="", labels="")
        for pod in sim.cluster.pods.items.values():
            store.put_pod(pod.workload.namespace, pod.name, uid=sim.cluster.pod_uid(pod), labels="")
        restored.restoring.seal()
        assert restored.restoring.publish()
        slot = store.find(Kind.NODE, "node-0000")
        series = store.series(Kind.NODE, slot, store.metric_id("memory/working_set"), 0, 1 << 62)
        stamps = [stamp for stamp, _ in series]
        assert stamps == sorted(set(stamps))
        # A node that did not answer in time has a gap, as it would without a kill.
        assert len(stamps) > len(found) // 2


async def reaches_back(port: int, before_ns: int) -> None:
    """The model API has samples of the lives before this one."""
    path = "/api/v1/model/nodes/node-0000/metrics/cpu/usage?start=2000-01-01T00:00:00Z"
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session, session.get(path) as response:
        points = (await response.json(content_type=None))["metrics"]
    assert round(datetime.fromisoformat(points[0]["timestamp"]).timestamp() * 1000) <= before_ns // 1_000_000
