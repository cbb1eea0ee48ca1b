"""Questions over every pod: the top 20 of 150,000 by CPU over 15 minutes, and others, beside the loop.

In      how many nodes; the cluster is made up: 30 pods a node, 60 ticks of 15 s
Out     of each question milliseconds in its thread, and the longest time that the loop did not turn
Callers `python -m bench.micro.query [NODES]`, bench/__main__.py
Source  issue 5: top 20 pods of 150,000 by CPU over 15 min in at most 50 ms; the loop never held more than 5 ms
Never   counts time before the answers were compared with a naive one's
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any
from urllib.parse import urlencode

import uvloop

from bench.figures import Figures, Scale, at_most, main
from bench.micro.turns import watched
from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.state import State
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex

SCALE = Scale(full=5_000, quick=20, unit="nodes")
PODS_PER_NODE = 30
N_NAMESPACES = 300
N_TICKS = 61
STEP_NS = 15 * 10**9
START_NS = 1_512_986_400 * 10**9
TOP = "top 20 pods by CPU over 15 min"

QUESTIONS = {
    TOP: "metric=cpu/usage_rate&window=15m&groupBy=pod&top=20",
    "the same by the 95th percentile": "metric=cpu/usage_rate&window=15m&groupBy=pod&top=20&over=95-perc",
    "sum by namespace, minute by minute": "metric=cpu/usage_rate&window=15m&groupBy=namespace&bucket=1m",
    "95th percentile of all samples by label": "metric=cpu/usage_rate&window=15m&groupBy=label:app&pooled=95-perc",
    "sum of one label's 50 pods": "metric=cpu/usage_rate&window=15m&labelSelector=app%3Dapp-1",
    "100,000 pods now, in order": "metric=cpu/usage_rate&groupBy=pod&top=100000",
    "the same as CSV": "metric=cpu/usage_rate&groupBy=pod&top=100000&format=csv",
    "the same as Arrow": "metric=cpu/usage_rate&groupBy=pod&top=100000&format=arrow",
}

#: Posted: what names so many values is too long for a URL.
N_VALUES = 20_000
FORMS = {
    "sum of 20,000 values of a label, posted": urlencode(
        {
            "metric": "cpu/usage_rate",
            "window": "15m",
            "labelSelector": f"app in ({','.join(f'app-{n}' for n in range(N_VALUES))})",
        }
    ),
}

BUDGETS = {
    f"{TOP}, ms": at_most(50.0),
    **{f"{name}, loop held, ms": at_most(5.0) for name in (*QUESTIONS, *FORMS)},
}


class Filled:
    """A store whose pods have a CPU rate each, at every tick."""

    def __init__(self, n_nodes: int) -> None:
        self.store = Store(long_metrics=("custom/cpu", "cpu/usage_rate"), short_retention_ns=1, resolution_ns=STEP_NS)
        self.pods, self.nodes = PostingIndex(), PostingIndex()
        random_ = random.Random(7)
        self.n_pods = n_nodes * PODS_PER_NODE
        slots = [self.store.put_node(f"node-{n}", hostname="", host_id="", labels="") for n in range(n_nodes)]
        for pod in range(self.n_pods):
            namespace = f"ns-{pod % N_NAMESPACES}"
            slot = self.store.put_pod(namespace, f"pod-{pod}", uid=f"uid-{pod}", labels="")
            self.pods.put(slot, namespace, {"app": f"app-{pod // 50}"}, "")
        # Millicores around which a pod moves: most of them small, and a tenth of noise either way.
        busy = [1 + (random_.getrandbits(12) >> random_.getrandbits(3)) for _ in range(self.n_pods)]
        total_ns = [0] * self.n_pods
        for tick in range(N_TICKS):
            at_ns = START_NS + tick * STEP_NS
            for n, slot in enumerate(slots):
                rows = []
                for pod in range(n * PODS_PER_NODE, (n + 1) * PODS_PER_NODE):
                    total_ns[pod] += busy[pod] * 15 * (900_000 + random_.getrandbits(10) * 195)
                    rows.append(
                        {
                            "kind": "pod_container", "namespace": f"ns-{pod % N_NAMESPACES}", "pod": f"pod-{pod}",
                            "uid": f"uid-{pod}", "name": "app", "metrics": {"cpu/usage": total_ns[pod]},
                            "resources": [], "custom": [], "start_ns": START_NS, "sample_ns": at_ns,
                        }
                    )  # fmt: skip
                self.store.ingest(rows_of(rows), slot, at_ns)
            closing = self.store.swap(at_ns)
            closing.run()
            self.store.commit(closing, at_ns)

    def naive_top(self) -> list[tuple[str, float]]:
        """The 20 pods with the highest mean, series by series."""
        metric = self.store.metric_id("cpu/usage_rate")
        end_ns = START_NS + (N_TICKS - 1) * STEP_NS
        found = []
        for slot in range(self.n_pods):
            values = [value for _, value in self.store.series(Kind.POD, slot, metric, end_ns - 900 * 10**9 + 1, end_ns)]
            found.append((-sum(values) / len(values), self.store.name(Kind.POD, slot)))
        return [(name, -mean) for mean, name in sorted(found)[:20]]


def run(n_nodes: int) -> Figures:
    return uvloop.run(_measure(n_nodes))


async def _measure(n_nodes: int) -> Figures:
    filled = Filled(n_nodes)
    clock = ManualClock(START_NS + N_TICKS * STEP_NS)
    app: Any = create_app(
        State(store=filled.store, pods=filled.pods, nodes=filled.nodes, clock=clock, resolution_ns=STEP_NS)
    )
    items = json.loads(await _ask(app, QUESTIONS[TOP]))["items"]
    want = filled.naive_top()
    assert [item["pod"] for item in items] == [name for name, _ in want], f"BUG: got {items}, want {want}"
    assert all(abs(item["average"] - mean) < 1e-6 * mean for item, (_, mean) in zip(items, want, strict=True))
    figures: Figures = {}
    for name, query, form in [
        *((name, query, "") for name, query in QUESTIONS.items()),
        *((name, "", form) for name, form in FORMS.items()),
    ]:
        seconds, beside = [], []
        async with watched() as turns:
            for _ in range(5):
                await turns.begin_round()
                start, used, own = time.perf_counter(), time.process_time(), time.thread_time()
                body = await _ask(app, query, form)
                seconds.append(time.perf_counter() - start)
                beside.append(time.process_time() - used - (time.thread_time() - own))
        figures |= {
            f"{name}, ms": min(seconds) * 1e3,
            f"{name}, ms of CPU beside the loop": min(beside) * 1e3,
            f"{name}, longest turn of the loop, ms": turns.longest_ms,
            f"{name}, longest turn of the loop, ms of CPU": turns.cpu_ms,
            f"{name}, loop held, ms": turns.held_ms,
            f"{name}, {'items' if 'format=' not in query else 'bytes'}": (
                len(json.loads(body)["items"]) if "format=" not in query else len(body)
            ),
        }
    return figures


async def _ask(app: Any, query: str, form: str = "") -> bytes:
    path = "/apis/heapfast/v1/query"
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": "POST" if form else "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")], "scheme": "http",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    chunks: list[bytes] = []
    gone = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await gone.wait()
        asked = True
        return {"type": "http.request", "body": form.encode(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return b"".join(chunks)


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
