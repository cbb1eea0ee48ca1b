"""Real servers of other people's stores, each on a port and in a folder of its own.

In      the programs of this machine: influxd and prometheus on PATH, others where an environment variable names them
Out     where each listens; its log when it does not start
Callers fixtures of tests/integration
Source  InfluxDB 1.6 and Prometheus 2.42 as Debian has them; `.ci/run` installs both
Never   waits by the clock: a server is ready when its log says so
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

#: How long a server may take to start on a busy machine. A test that waits this long has failed.
PATIENCE_SECONDS = 150.0
#: How long one may take to stop; with connections open InfluxDB would wait for their ends.
STOP_SECONDS = 5.0


class ServerLog:
    """What a server writes, read as it comes, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[str], ready: re.Pattern[str]) -> None:
        self._process = process
        self._ready = ready
        self._lines: list[str] = []
        self._told = threading.Event()
        self._match: re.Match[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self) -> re.Match[str]:
        """The line that says that the server listens."""
        if not self._told.wait(PATIENCE_SECONDS) or self._match is None:
            pytest.fail("the server did not start:\n" + "".join(self._lines[-30:]))
        return self._match

    def join(self) -> None:
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if self._match is None and (match := self._ready.search(line)):
                self._match = match
                self._told.set()
        self._told.set()


@contextlib.contextmanager
def running(command: list[str], ready: str) -> Iterator[re.Match[str]]:
    """Runs a server until the block ends; gives the line that said it was ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        log = ServerLog(process, re.compile(ready))
        try:
            yield log.wait()
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            log.join()


def program(name: str, package: str) -> str:
    """Where a program is, or a skip that says what would run the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"NO SERVER: {name} is not on PATH; Debian's package {package} has it")
    return path


def named_program(variable: str, name: str) -> str:
    """Where a program is that no package of this machine has, or a skip that names the variable that would say."""
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"NO SERVER: {variable} does not say where the program {name} is")
    return path


@contextlib.contextmanager
def influxdb(folder: Path, *, auth: bool = False) -> Iterator[str]:
    """InfluxDB 1.x; gives its host and port."""
    config = folder / "influxdb.conf"
    config.write_text(
        f"""
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:0"
log-enabled = false
auth-enabled = {str(auth).lower()}
[monitor]
store-enabled = false
"""
    )
    command = [program("influxd", "influxdb"), "-config", str(config)]
    with running(command, r"Listening on HTTP.* addr=(\S+)") as ready:
        yield ready[1]


def show_nothing() -> None:
    """What was written shows by itself."""


class RemoteStore(NamedTuple):
    """A server that takes remote writes and PromQL.

    Attributes:
        write_url, query_url: what stands before /api/v1 for either.
        write_path: behind `write_url`.
        show: waits until what was written is found.
    """

    write_url: str
    query_url: str
    write_path: str = "/api/v1/write"
    show: Callable[[], None] = show_nothing

    @property
    def sink(self) -> str:
        """What --sink and --historical-source take; a query can be added to it."""
        return f"prometheus:{self.write_url}/?writepath={self.write_path}&queryurl={self.query_url}"


@contextlib.contextmanager
def prometheus(folder: Path, *, out_of_order: str = "10y") -> Iterator[RemoteStore]:
    """Prometheus with its receiver of remote writes.

    Args:
        out_of_order: how much older than the newest sample others may be; tests of a file share a server.
    """
    config = folder / "prometheus.yml"
    config.write_text(f"storage:\n  tsdb:\n    out_of_order_time_window: {out_of_order}\n")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus", "prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
        "--web.enable-remote-write-receiver",
        "--storage.tsdb.retention.time=100y",
    ]
    with running(command, "Server is ready to receive web requests"):
        yield RemoteStore(f"http://{address}", f"http://{address}")


@contextlib.contextmanager
def victoria_metrics(folder: Path) -> Iterator[RemoteStore]:
    """VictoriaMetrics, single node."""
    path = named_program("HEAPFAST_VICTORIA_METRICS", "victoria-metrics")
    address = f"127.0.0.1:{free_port()}"
    command = [path, f"-storageDataPath={folder}", f"-httpListenAddr={address}", "-retentionPeriod=100y"]
    url = f"http://{address}"

    def show() -> None:
        # At once, what it would show within a second.
        urllib.request.urlopen(f"{url}/internal/force_flush", timeout=PATIENCE_SECONDS).close()

    with running(command, "started server at"):
        yield RemoteStore(url, url, show=show)


@contextlib.contextmanager
def thanos(folder: Path) -> Iterator[RemoteStore]:
    """A receiver of Thanos, and a querier that asks it."""
    path = named_program("HEAPFAST_THANOS", "thanos")
    writes, answers, grpc, receiver = (f"127.0.0.1:{free_port()}" for _ in range(4))
    receive = [
        f"--tsdb.path={folder}",
        f"--remote-write.address={writes}",
        f"--http-address={receiver}",
        f"--grpc-address={grpc}",
        '--label=replica="0"',
        "--tsdb.retention=100y",
        "--tsdb.out-of-order.time-window=87600h",
    ]
    query = [f"--http-address={answers}", f"--grpc-address=127.0.0.1:{free_port()}", f"--endpoint={grpc}"]
    url = f"http://{answers}"

    def show() -> None:
        # Every 5 s the querier asks its receiver of what time it has samples.
        written = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with urllib.request.urlopen(f"{url}/api/v1/stores", timeout=PATIENCE_SECONDS) as response:
                if json.load(response)["data"]["receive"][0]["lastCheck"] > written:
                    return
            time.sleep(0.1)
        pytest.fail("the querier does not ask its receiver")

    with (
        running([path, "receive", *receive], "Serving plain HTTP"),
        running([path, "query", *query], "listening for serving gRPC"),
    ):
        yield RemoteStore(f"http://{writes}", url, "/api/v1/receive", show)


def free_port() -> int:
    """A port that nobody has now; these servers cannot tell which one they would take."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port
