"""A real Heapster and heapfast beside it, on one simulated cluster and one InfluxDB, all as programs.

In      HEAPFAST_HEAPSTER, which names a binary of Heapster 1.5
Out     cluster and servers, each on a port of its own
Callers test_heapster_beside.py
Source  Heapster's own flags, as its documentation has them
Never   looks into an answer
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from tests.conformance.heapster.exchange import Answer
from tests.store_servers import PATIENCE_SECONDS, free_port, named_program, running

#: The finest that Heapster takes; it makes a batch every other time (Q10).
RESOLUTION = "5s"
#: For a server that only answers: within a test it scrapes nothing and writes nothing.
NEVER = "1h"


class SimulatedObjects(NamedTuple):
    """What the simulated cluster has: names, by what they are in; UIDs by pod."""

    nodes: list[str]
    pods: dict[str, list[str]]
    containers: dict[tuple[str, str], list[str]]
    uids: dict[tuple[str, str], str]


@dataclass(frozen=True)
class Cluster:
    """A simulated cluster that runs by the machine's clock."""

    api_url: str
    kubelet_port: int

    @property
    def source(self) -> str:
        """The value of --source, which both servers understand."""
        query = f"inClusterConfig=false&useServiceAccount=false&kubeletPort={self.kubelet_port}&kubeletHttps=false"
        return f"kubernetes.summary_api:{self.api_url}?{query}"

    def objects(self) -> SimulatedObjects:
        pods: dict[str, list[str]] = {}
        containers: dict[tuple[str, str], list[str]] = {}
        uids: dict[tuple[str, str], str] = {}
        for pod in self._items("pods"):
            place = pod["metadata"]["namespace"], pod["metadata"]["name"]
            pods.setdefault(place[0], []).append(place[1])
            containers[place] = sorted(one["name"] for one in pod["spec"]["containers"])
            uids[place] = pod["metadata"]["uid"]
        nodes = sorted(node["metadata"]["name"] for node in self._items("nodes"))
        return SimulatedObjects(nodes, {name: sorted(found) for name, found in pods.items()}, containers, uids)

    def _items(self, resource: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(get(f"{self.api_url}/api/v1/{resource}").body)["items"]
        return found


def get(url: str) -> Answer:
    """One answer, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
            return _answer(response)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error)


def _answer(response: Any) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, headers, response.read().decode())


@contextlib.contextmanager
def cluster(**sizes: int) -> Iterator[Cluster]:
    """Runs `heapfast simulate`."""
    api_port, kubelet_port = free_port(), free_port()
    flags = [f"--{name.replace('_', '-')}={size}" for name, size in sizes.items()]
    command = [sys.executable, "-m", "heapfast", "simulate", f"--api-port={api_port}", *flags]
    with running([*command, f"--kubelet-port={kubelet_port}"], "Ctrl-C ends it"):
        yield Cluster(f"http://127.0.0.1:{api_port}", kubelet_port)


@contextlib.contextmanager
def heapster(source: Cluster, *sinks: str, history: str, resolution: str) -> Iterator[str]:
    """Runs Heapster; gives its URL. `history` must be one of its sinks, to the letter."""
    port = free_port()
    command = [
        named_program("HEAPFAST_HEAPSTER", "Heapster 1.5"),
        f"--source={source.source}",
        *(f"--sink={sink}" for sink in sinks),
        f"--historical-source={history}",
        "--listen-ip=127.0.0.1",
        f"--heapster-port={port}",
        f"--metric-resolution={resolution}",
    ]
    # It says so just before it listens.
    with running(command, "Starting heapster on port"):
        url = f"http://127.0.0.1:{port}"
        _until_it_listens(url)
        yield url


@contextlib.contextmanager
def heapfast(source: Cluster, *flags: str, resolution: str) -> Iterator[str]:
    """Runs the daemon; gives its URL."""
    command = [
        sys.executable,
        "-m",
        "heapfast",
        f"--source={source.source}",
        "--listen-ip=127.0.0.1",
        "--heapster-port=0",
        f"--metric-resolution={resolution}",
        *flags,
    ]
    with running(command, r"listening on port (\d+)") as ready:
        yield f"http://127.0.0.1:{ready[1]}"


def _until_it_listens(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            get(f"{url}/metrics")
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                pytest.fail(f"{url} does not listen")
        else:
            return
