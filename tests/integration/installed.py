"""Real servers that install_servers.sh has installed, and a sink's way to them.

In      HEAPFAST_SERVERS: the folder that install_servers.sh has filled; build/servers unless said
Out     a running server; a batch sent to it
Callers test_sinks.py, test_search_sinks.py, test_otlp_collector.py
Never   fails where a server is missing: its tests are skipped, and say so
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from heapfast._batch import Batch
from tests.shared import REPOSITORY

SERVERS = Path(os.environ.get("HEAPFAST_SERVERS") or REPOSITORY / "build/servers")
#: A server on a busy machine takes seconds to start.
PATIENCE_SECONDS = 100


def server(path: str, command: str | None = None) -> Path:
    """Something that install_servers.sh has installed, or a skip that says what would do so."""
    found = sorted(SERVERS.glob(path))
    if not found or (command is not None and shutil.which(command) is None):
        pytest.skip(f"NO SERVER: {SERVERS / path} is not there; tests/integration/install_servers.sh installs it")
    return found[0]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def run_server(folder: Path, port: int, *words: str) -> AsyncIterator[None]:
    """Runs a program until the block ends; goes on once somebody listens."""
    with (folder / "out.log").open("wb") as out:
        process = await asyncio.create_subprocess_exec(*words, cwd=folder, stdout=out, stderr=out)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                assert process.returncode is None, (folder / "out.log").read_text()[-2000:]
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.1)
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def send(sink: Any, batch: Batch) -> int:
    """Sends a batch as the manager does; gives its number of samples."""
    reader, n = sink.chunks(batch), 0
    while (chunk := reader.read()) is not None:
        await sink.send(chunk.payload)
        n += chunk.samples
    await sink.close()
    return n


async def until(answer: Callable[[], Any]) -> Any:
    """Waits for an answer that is something."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := await answer()):
            await asyncio.sleep(0.1)
    return found
