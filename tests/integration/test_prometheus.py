"""A real Prometheus scrapes the whole cluster from one address, and has every sample of the batch."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from heapfast.sim.options import SimulateOptions
from tests.integration.running import run_both
from tests.unit.render.naive_exposition import Samples, expected

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus on the PATH")

SMALL = SimulateOptions(nodes=3, pods_per_node=4, containers=2, namespaces=3, seed=7)
#: A Prometheus on a busy machine takes seconds to start.
PATIENCE_SECONDS = 60
CONFIG = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: cluster
    metrics_path: /metrics/cluster
    honor_labels: true
    static_configs: [{{targets: ["{target}"]}}]
"""


@contextlib.asynccontextmanager
async def run_prometheus(folder: Path, target: str) -> AsyncIterator[str]:
    """A Prometheus that scrapes one target; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "prometheus.yml").write_text(CONFIG.format(target=target))
    process = await asyncio.create_subprocess_exec(
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--log.level=error",
    )  # fmt: skip
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def stored(session: aiohttp.ClientSession, url: str) -> Samples:
    """Every sample that Prometheus has of the cluster; nothing while it starts."""
    try:
        async with session.get(f"{url}/api/v1/query", params={"query": '{job="cluster"}'}) as response:
            answer = await response.json(content_type=None) if response.status == 200 else None
    except aiohttp.ClientConnectionError:
        answer = None
    found: Samples = {}
    for series in answer["data"]["result"] if answer else ():
        labels = series["metric"]
        name = labels.pop("__name__")
        if name.startswith("heapfast_"):
            del labels["job"], labels["instance"]
            found[name, frozenset(labels.items())] = float(series["value"][1])
    return found


async def test_prometheus_has_what_the_batch_has(tmp_path: Path) -> None:
    async with run_both(SMALL) as (_, daemon):
        await daemon.tick()
        batch = await daemon.tick()
        want = expected(batch)
        async with (
            run_prometheus(tmp_path, daemon.url.removeprefix("http://")) as url,
            aiohttp.ClientSession() as session,
            asyncio.timeout(PATIENCE_SECONDS),
        ):
            while not (found := await stored(session, url)):
                await asyncio.sleep(0.5)
        assert found == want
