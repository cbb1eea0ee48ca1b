"""Real servers of other people's stores, each on a port and in a folder of its own.

In      the programs of this machine: influxd and prometheus on PATH, and what HEAPFAST_VICTORIA_METRICS names
Out     where each listens; its log when it does not start
Callers fixtures of tests/integration
Source  InfluxDB 1.6 and Prometheus 2.42 as Debian has them; `.ci/run` installs both
Never   waits by the clock: a server is ready when its log says so
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

#: How long a server may take to start. A test that waits this long has failed.
PATIENCE_SECONDS = 60.0
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


@contextlib.contextmanager
def prometheus(folder: Path, *, out_of_order: str = "10y") -> Iterator[str]:
    """Prometheus with its receiver of remote writes; gives its URL.

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
        yield f"http://{address}"


@contextlib.contextmanager
def victoria_metrics(folder: Path) -> Iterator[str]:
    """VictoriaMetrics, single node; gives its URL."""
    path = os.environ.get("HEAPFAST_VICTORIA_METRICS")
    if not path:
        pytest.skip("NO SERVER: HEAPFAST_VICTORIA_METRICS does not say where the program victoria-metrics is")
    address = f"127.0.0.1:{free_port()}"
    command = [path, f"-storageDataPath={folder}", f"-httpListenAddr={address}", "-retentionPeriod=100y"]
    with running(command, "started server at"):
        yield f"http://{address}"


def show_what_was_written(url: str) -> None:
    """Has VictoriaMetrics show at once what it would show within a second; Prometheus does so by itself."""
    with contextlib.suppress(urllib.error.HTTPError):  # Prometheus has no such path
        urllib.request.urlopen(f"{url}/internal/force_flush", timeout=PATIENCE_SECONDS).close()


def free_port() -> int:
    """A port that nobody has now; these servers cannot tell which one they would take."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port
