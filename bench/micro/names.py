"""Names of 150,000 pods in one namespace, from every store that lists them: time, and how long the loop is held.

In      how many nodes, of 30 pods each; all pods are in one namespace, and named as those of Deployments are
Out     of each list milliseconds, items, and the longest time that the loop did not turn
Callers `python -m bench.micro.names [NODES]`, bench/micro/command.py
Source  issue 5: the loop never held more than 5 ms
Never   counts time before the answer was compared with a sorted list

Prometheus is its answer, given at once: what is timed is all that follows.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from bench.figures import Figures, Scale, at_most, main
from bench.micro.selectors import ask, scope_of
from bench.micro.turns import watched
from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.state import State
from heapfast.clock import ManualClock
from heapfast.history.backend import HistoryBackend
from heapfast.history.embedded import open_embedded
from heapfast.history.options import EmbeddedOptions
from heapfast.history.prometheus import PrometheusHistory
from heapfast.history.prometheus_server import PrometheusAddress, PrometheusServer
from heapfast.process_tuning import shorten_turns
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex

SCALE = Scale(full=5_000, quick=20, unit="nodes")
PODS_PER_NODE = 30
ROUNDS = 5
STEP_NS = 15 * 10**9
START_NS = 1_512_986_400 * 10**9
PODS = "namespaces/big/pods"
#: As many as a URL may name; each half an hour old at most.
LISTED_PODS = 2_500

NEWEST = "the newest batch's pods"
KEYS = "all keys"
DISK = "pods of the embedded store, on disk and in memory"
SERIES = "series of 2,500 pods, of the embedded store"
AGGREGATES = "aggregates of 2,500 pods, of the embedded store"
PROMETHEUS = "pods that Prometheus names"
LISTS = (NEWEST, KEYS, DISK, SERIES, AGGREGATES, PROMETHEUS)

BUDGETS = {f"{name}, loop held, ms": at_most(5.0) for name in LISTS}


class _Answered:
    """In place of the connection to a Prometheus: one body for every request."""

    url = "http://store"

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def request(self, *_: Any, **__: Any) -> bytes:
        return self._body


def names_of(n_pods: int) -> list[str]:
    """In no order."""
    random_ = random.Random(7)
    return [f"web-{pod % 3_000}-{random_.getrandbits(40):010x}-{random_.getrandbits(20):05x}" for pod in range(n_pods)]


def filled(n_nodes: int, names: list[str]) -> Store:
    store = Store(resolution_ns=STEP_NS)
    slots = [store.put_node(f"node-{n}", hostname="", host_id="", labels="") for n in range(n_nodes)]
    for name in names:
        store.put_pod("big", name, uid=f"uid-{name}", labels="")
    for tick in range(2):
        at_ns = START_NS + tick * STEP_NS
        for n, slot in enumerate(slots):
            rows = [
                {
                    "kind": "pod_container", "namespace": "big", "pod": name, "uid": f"uid-{name}", "name": "app",
                    "resources": [], "custom": [], "start_ns": START_NS, "sample_ns": at_ns,
                    "metrics": {"cpu/usage": (tick + 1) * 10**9, "memory/usage": 2**26, "memory/working_set": 2**25},
                }
                for name in names[n * PODS_PER_NODE : (n + 1) * PODS_PER_NODE]
            ]  # fmt: skip
            store.ingest(rows_of(rows), slot, at_ns)
        closing = store.swap(at_ns)
        closing.run()
        store.commit(closing, at_ns)
    return store


async def measure(app: Any, name: str, target: str, want: int, mark: bytes) -> tuple[Figures, bytes]:
    """Asks some times, and counts the items of the last answer."""
    seconds = []
    async with watched() as turns:
        for _ in range(ROUNDS):
            await turns.begin_round()
            start = time.perf_counter()
            status, chunks = await ask(app, scope_of(target, b""), b"")
            seconds.append(time.perf_counter() - start)
    body = b"".join(chunks)
    found = body.count(mark)
    assert (status, found) == (200, want), f"BUG: {name}: {found}, want {want}: {status}, {body[:300]!r}"
    return {
        f"{name}, ms": min(seconds) * 1e3,
        f"{name}, longest turn of the loop, ms": turns.longest_ms,
        f"{name}, loop held, ms": turns.held_ms,
    }, body


@asynccontextmanager
async def on_disk(folder: Path, store: Store, clock: ManualClock) -> AsyncIterator[HistoryBackend]:
    opened = open_embedded(folder, EmbeddedOptions(), store=store, clock=clock, registry=CollectorRegistry())
    async with opened as (backend, writer):
        assert store.newest is not None
        await writer.write(store.newest)
        yield backend


async def _measure(n_nodes: int) -> Figures:
    shorten_turns()
    names = names_of(n_nodes * PODS_PER_NODE)
    answer = json.dumps({"status": "success", "data": names}).encode()
    store = filled(n_nodes, names)
    clock = ManualClock(START_NS + STEP_NS)
    gc.collect()
    gc.freeze()  # as the daemon does with what lives for good

    def app_over(history: HistoryBackend) -> Any:
        state = State(
            store=store, pods=PostingIndex(), nodes=PostingIndex(), clock=clock, resolution_ns=STEP_NS, history=history
        )
        return create_app(state)

    figures: Figures = {}

    async def note(app: Any, name: str, target: str, mark: bytes, want: int, is_sorted: bool = False) -> None:
        found, body = await measure(app, name, target, want, mark)
        assert not is_sorted or json.loads(body) == sorted(names), f"BUG: {name}: other names"
        figures.update(found)

    listed = ",".join(names[:LISTED_PODS])
    n_listed = min(LISTED_PODS, len(names))
    window = "start=2017-12-11T09:00:00Z&end=2017-12-11T12:00:00Z"
    with tempfile.TemporaryDirectory() as folder:
        async with on_disk(Path(folder), store, clock) as history:
            app = app_over(history)
            await note(app, NEWEST, f"/api/v1/model/{PODS}", b'"web-', len(names), is_sorted=True)
            await note(app, KEYS, "/api/v1/model/debug/allkeys", b"/container:", len(names))
            await note(app, DISK, f"/api/v1/historical/{PODS}", b'"web-', len(names), is_sorted=True)
            pods = f"/api/v1/historical/namespaces/big/pod-list/{listed}"
            await note(app, SERIES, f"{pods}/metrics/memory/usage?{window}", b'"timestamp":', n_listed)
            target = f"{pods}/metrics-aggregated/average,95-perc/memory/usage?{window}&bucket=60s"
            await note(app, AGGREGATES, target, b'"timestamp":', n_listed)
    server = PrometheusServer(PrometheusAddress("http://store"), None)
    server._server = _Answered(answer)  # type: ignore[assignment]
    app = app_over(PrometheusHistory(server, labels={}, clock=clock))
    await note(app, PROMETHEUS, f"/api/v1/historical/{PODS}", b'"web-', len(names), is_sorted=True)
    return figures


def run(n_nodes: int) -> Figures:
    return uvloop.run(_measure(n_nodes))


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
