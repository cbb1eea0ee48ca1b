"""`python -m heapfast` as an operator starts it: it serves, stops when told, and says in one line why it cannot."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.running import PATIENCE_SECONDS, source_of

NOWHERE = "--source=kubernetes.summary_api:http://127.0.0.1:1?inClusterConfig=false"


async def start(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "heapfast", *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )


async def run_to_end(*words: str) -> tuple[int | None, list[str]]:
    """Exit code and the lines on standard error."""
    process = await start(*words)
    _, err = await process.communicate()
    return process.returncode, err.decode().splitlines()


@pytest.fixture
async def sim() -> AsyncIterator[SimulatedCluster]:
    async with SimulatedCluster(SimulateOptions(nodes=2, pods_per_node=2)) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_told_to_stop(sim: SimulatedCluster, number: signal.Signals) -> None:
    process = await start(f"--source={source_of(sim)}", "--listen-ip=127.0.0.1", "--heapster-port=0")
    assert process.stderr is not None
    told = ""
    try:
        while not (port := re.search(r"listening on port (\d+)", told)):
            line = (await process.stderr.readline()).decode()
            assert line, f"it ended before it listened: {told}"
            told += line
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port[1]}") as session:
            async with asyncio.timeout(PATIENCE_SECONDS):
                status = 0
                while status != 200:
                    async with session.get("/readyz") as response:
                        status = response.status
            async with session.get("/metrics") as response:
                assert 'heapfast_kube_objects{resource="pods"} 4.0' in await response.text()
            # A client that keeps its connection open is no reason to stay.
            process.send_signal(number)
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await process.wait() == 0
        told += (await process.stderr.read()).decode()
        assert told.splitlines()[-1].endswith("heapfast.daemon: stopping")
        assert "Traceback" not in told
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_wrong_flags_are_all_named() -> None:
    code, lines = await run_to_end(
        "--heapster-port=x", "--sorce=kubernetes", "--source=influxdb:", "--metric-resolution=1s", "--max-procs=-1",
        "--tls-key=a", "word",
    )  # fmt: skip
    assert code == 2
    # Each names its flag, what it got and what is wanted; how, is the business of tests/unit/config.
    assert sorted(line.partition(": got ")[0] for line in lines) == [
        "heapfast: --heapster-port",
        "heapfast: --max-procs",
        "heapfast: --metric-resolution",
        "heapfast: --sorce: unknown flag (did you mean --source?)",
        "heapfast: --source",
        "heapfast: --tls-cert",
        "heapfast: word: unexpected argument; flags start with --",
    ]


async def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert await run_to_end(NOWHERE, "--listen-ip=127.0.0.1", f"--heapster-port={port}") == (
            1,
            [
                f"heapfast: cannot listen on 127.0.0.1:{port} (--listen-ip, --heapster-port): Address already in use",
            ],
        )


async def test_certificates_that_are_none_are_one_line(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("-----BEGIN CERTIFICATE-----\nno\n")
    for path, line in (
        (tmp_path / "away.pem", f"cannot read the certificate {tmp_path}/away.pem: No such file or directory"),
        (tmp_path, f"cannot read the certificate {tmp_path}: Is a directory"),
        (rubbish, f"cannot use the certificate {rubbish} with the key {rubbish}: want PEM of both"),
    ):
        code, lines = await run_to_end(
            NOWHERE, "--listen-ip=127.0.0.1", "--heapster-port=0", f"--tls-cert={path}", f"--tls-key={path}"
        )
        assert code == 1
        assert [told.partition(" (")[0] for told in lines] == [f"heapfast: {line}"]


async def test_credentials_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    source = f"--source=kubernetes.summary_api:?inClusterConfig=false&auth={tmp_path}/kubeconfig"
    assert await run_to_end(source, "--listen-ip=127.0.0.1", "--heapster-port=0") == (
        1,
        [f"heapfast: cannot use the kubeconfig {tmp_path}/kubeconfig: no such file"],
    )
