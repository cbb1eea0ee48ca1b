"""Long lists over 150,000 pods: time, and how long the loop is held.

In      how many nodes; the cluster is made up: 30 pods a node, 2 containers a pod
Out     of each list milliseconds, items, and the longest time that the loop did not turn
Callers `python -m bench.micro.lists [NODES]`, bench/micro/command.py
Source  design section 10: at most 300 ms for a list of 150,000 pods, the loop never held more than 5 ms
Never   counts time before the number of items was checked
"""

from __future__ import annotations

import sys
import time
from typing import Any

import uvloop

from bench.figures import Figures, Scale, at_most, main
from bench.micro.turns import watched
from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.state import State
from heapfast.clock import ManualClock
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex

SCALE = Scale(full=5_000, quick=100, unit="nodes")
PODS_PER_NODE = 30
N_NAMESPACES = 300
STEP_NS = 15 * 10**9
START_NS = 1_512_986_400 * 10**9
ROUNDS = 3

LISTS = (
    ("/apis/metrics/v1alpha1/pods", b'"containers": '),
    ("/apis/metrics/v1alpha1/pods?labelSelector=app%3Dapp-7", b'"containers": '),
    ("/api/v1/metric-export", b'{"metrics":'),
    ("/metrics/cluster", b"\nheapfast_"),
    ("/api/v1/model/debug/allkeys", b"/container:"),
    ("/api/v1/model/namespaces/ns-7/pods", b'"pod-'),
)

BUDGETS = {
    "/apis/metrics/v1alpha1/pods, ms": at_most(300.0),
    **{f"{target}, loop held, ms": at_most(5.0) for target, _ in LISTS},
}


def rows_at(node: int, at_ns: int) -> list[dict[str, Any]]:
    """Return what one kubelet says."""
    rows: list[dict[str, Any]] = []
    seconds = (at_ns - START_NS) // 10**9 + 1
    for i in range(PODS_PER_NODE):
        pod = node * PODS_PER_NODE + i
        place = {
            "namespace": f"ns-{pod % N_NAMESPACES}", "uid": f"uid-{pod}", "start_ns": START_NS, "sample_ns": at_ns,
            "resources": [], "custom": [],
        }  # fmt: skip
        rows.append({"kind": "pod", "name": f"pod-{pod}", "metrics": {"network/rx": seconds * 100}, **place})
        for name in ("app", "proxy"):
            usage = {"cpu/usage": seconds * 10**8, "memory/usage": 2**26, "memory/working_set": 2**25 + 4096 * i}
            rows.append({"kind": "pod_container", "pod": f"pod-{pod}", "name": name, "metrics": usage, **place})
    return rows


def filled(n_nodes: int) -> State:
    """Build store and indexes."""
    store, pods, nodes = Store(), PostingIndex(), PostingIndex()
    slots = [store.put_node(f"node-{n}", hostname=f"node-{n}", host_id="", labels="") for n in range(n_nodes)]
    for pod in range(n_nodes * PODS_PER_NODE):
        namespace = f"ns-{pod % N_NAMESPACES}"
        containers = [(name, "image:1", 100, 0, 2**26, 0, 0, False) for name in ("app", "proxy")]
        slot = store.put_pod(namespace, f"pod-{pod}", uid=f"uid-{pod}", labels="app:x", containers=containers)
        pods.put(slot, namespace, {"app": f"app-{pod // 50}"}, "")
    for batch in range(2):
        at_ns = START_NS + batch * STEP_NS
        for n, slot in enumerate(slots):
            store.ingest(rows_of(rows_at(n, at_ns)), slot, at_ns)
        closing = store.swap(at_ns)
        closing.run()
        store.commit(closing, at_ns)
    return State(store=store, pods=pods, nodes=nodes, clock=ManualClock(START_NS + 2 * STEP_NS), resolution_ns=STEP_NS)


def run(n_nodes: int) -> Figures:
    return uvloop.run(_measure(n_nodes))


async def _measure(n_nodes: int) -> Figures:
    figures: Figures = {}
    app: Any = create_app(filled(n_nodes))
    for target, mark in LISTS:
        path, _, query = target.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": [], "scheme": "http",
            "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
        }  # fmt: skip
        chunks: list[bytes] = []
        seconds: list[float] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            chunks.append(message.get("body", b""))  # noqa: B023

        async with watched() as turns:
            for _ in range(ROUNDS):
                await turns.begin_round()
                chunks.clear()
                start = time.perf_counter()
                await app(scope, receive, send)
                seconds.append(time.perf_counter() - start)
        n_items = sum(chunk.count(mark) for chunk in chunks)
        assert n_items, f"BUG: {target} is empty"
        size = sum(map(len, chunks))
        figures |= {
            f"{target}, ms": min(seconds) * 1e3,
            f"{target}, longest turn of the loop, ms": turns.longest_ms,
            f"{target}, longest turn of the loop, ms of CPU": turns.cpu_ms,
            f"{target}, loop held, ms": turns.held_ms,
            f"{target}, items": n_items,
            f"{target}, MB": size / 1e6,
        }
    return figures


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
