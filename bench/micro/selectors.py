"""Selectors and lists as long as a request may be, over 150,000 pods, on every API that takes them: holds of the loop.

In      how many nodes; the cluster is made up: 30 pods a node, each with a name and a number of its own as labels
Out     milliseconds to parse 20,000 values; of each question milliseconds, and the longest time the loop did not turn
Callers `python -m bench.micro.selectors [NODES]`, bench/micro/command.py
Source  issue 5: the loop never held more than 5 ms; a head has 64 KB, a form 256 KB
Never   counts time before the answers were counted
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import uvloop

from bench.figures import Figures, Scale, at_most, main
from bench.micro.turns import watched
from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.secure_app import create_secure_app
from heapfast.api.secure_state import SecureState
from heapfast.api.state import State
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.process_tuning import shorten_turns
from heapfast.query import naive_selector
from heapfast.query._selector import parse_selector
from heapfast.render._roster import Roster
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex

SCALE = Scale(full=5_000, quick=100, unit="nodes")
PODS_PER_NODE = 30
N_NAMESPACES = 300
STEP_NS = 15 * 10**9
START_NS = 1_512_986_400 * 10**9
#: What a selector may take of the head of a request, and of a form, commas and all escaped.
HEAD_BYTES = 60_000
FORM_BYTES = 250_000
PARSED = f"app in ({','.join(f'app-{n}' for n in range(20_000))})"
ROUNDS = 5


class Api(NamedTuple):
    """One that takes selectors.

    Attributes:
        target: path and query, up to the selector.
        is_secure: on the secure port.
        part: of all pods one in so many is asked for.
        count: how many an answer has.
    """

    target: str
    is_secure: bool
    part: int
    count: Callable[[bytes], int]


class Question(NamedTuple):
    """One request.

    Attributes:
        n_selected: pods that the selector takes; None for what is no selector.
        is_form: it is posted.
    """

    api: Api
    selector: str
    n_selected: int | None
    is_form: bool = False


def _count(mark: bytes) -> Callable[[bytes], int]:
    return lambda body: body.count(mark)


def _value(body: bytes) -> int:
    return sum(int(item["last"]) for item in json.loads(body).get("items", ()))


K8S = "/apis/metrics.k8s.io/v1/pods"
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ns-1/pods/*/memory_usage"
QUERY = "/apis/heapfast/v1/query?metric=memory/usage&across=count&over=last"
CLUSTER = "/metrics/cluster?metrics=memory/usage&kinds=pod"
APIS = {
    "metrics.k8s.io": Api(f"{K8S}?labelSelector=", True, 1, _count(b'"containers":')),
    "metrics/v1alpha1": Api("/apis/metrics/v1alpha1/pods?labelSelector=", False, 1, _count(b'"containers": ')),
    "/metrics/cluster": Api(
        "/metrics/cluster?metrics=memory/usage&kinds=pod&selector=", False, 1, _count(b"\nheapfast_")
    ),
    "custom.metrics.k8s.io": Api(f"{CUSTOM}?labelSelector=", True, N_NAMESPACES, _count(b'"describedObject":')),
    "query": Api(f"{QUERY}&labelSelector=", False, 1, _value),
}
FIELDS = APIS["metrics.k8s.io"]._replace(target=f"{K8S}?fieldSelector=")
#: What takes as much without a selector: path and query, what is told apart in the answer, how often it is there.
NAMED = ",".join(f"p{n}" for n in range(9_000))
POD_LIST = f"/api/v1/model/namespaces/ns-1/pod-list/{NAMED}"
OTHERS = {
    "9,000 pods by name": (f"{POD_LIST}/metrics/memory/usage", b'"latestTimestamp"', 9_000),
    "aggregates of 9,000 pods by name": (f"{POD_LIST}/metrics-aggregated/max/memory/usage", b'"bucketSize"', 9_000),
    "9,000 parameters": (
        f"/api/v1/model/namespaces/ns-1/metrics/memory/usage?{'&'.join(f'p{n}' for n in range(9_000))}",
        b'"latestTimestamp"',
        1,
    ),
    "query, groups by a label that each pod has for itself": (
        "/apis/heapfast/v1/query?metric=memory/usage&groupBy=label:name&top=20",
        b'"label:name":',
        20,
    ),
}

NAMES = (
    *(f"{api}, {what}" for api in APIS for what in ("60 KB of values", "numbers above a bound")),
    "metrics.k8s.io, 60 KB of values without an end",
    "metrics.k8s.io, 60 KB of conditions",
    "metrics.k8s.io, 60 KB of bounds",
    "metrics.k8s.io, 60 KB of names not wanted",
    "query, 250 KB of values",
    "query, 250 KB of values without an end",
)
PARSING = "20,000 values parsed, ms"

BUDGETS = {
    PARSING: at_most(2.0),
    **{f"{name}, loop held, ms": at_most(5.0) for name in (*NAMES, *OTHERS)},
}


def repeated(max_bytes: int, form: str) -> tuple[str, int]:
    """As many numbered values or conditions as there is room for, and how many they are."""
    found: list[str] = []
    size = 0
    while size < max_bytes:
        found.append(form.format(len(found)))
        size += len(quote_plus(f"{found[-1]},"))
    return ",".join(found), len(found)


def questions(n_pods: int) -> dict[str, Question]:
    values, n_values = repeated(HEAD_BYTES, "p-{}")
    posted, n_posted = repeated(FORM_BYTES, "p-{}")
    conditions, _ = repeated(HEAD_BYTES, "app!=x{}")
    bounds, n_bounds = repeated(HEAD_BYTES, "n>{}")
    fields, _ = repeated(HEAD_BYTES, "metadata.name!=x{}")
    k8s, query = APIS["metrics.k8s.io"], APIS["query"]
    found = [
        *(
            question
            for api in APIS.values()
            for question in (
                Question(api, f"name in ({values})", min(n_values, n_pods)),
                Question(api, "n>9", n_pods - 10),
            )
        ),
        Question(k8s, f"name in ({values}", None),
        Question(k8s, conditions, n_pods),
        Question(k8s, bounds, max(0, n_pods - n_bounds)),
        Question(FIELDS, fields, n_pods),
        Question(query, f"name in ({posted})", min(n_posted, n_pods), is_form=True),
        Question(query, f"name in ({posted}", None, is_form=True),
    ]
    return dict(zip(NAMES, found, strict=True))


def apps(n_nodes: int, executor: ThreadPoolExecutor) -> tuple[Any, Any]:
    """Those of both ports, over one store."""
    store, pods, nodes = Store(resolution_ns=STEP_NS), PostingIndex(), PostingIndex()
    roster, node_roster = Roster(store.latest, Kind.POD), Roster(store.latest, Kind.NODE)
    slots = [store.put_node(f"node-{n}", hostname="", host_id="", labels="") for n in range(n_nodes)]
    for pod in range(n_nodes * PODS_PER_NODE):
        namespace = f"ns-{pod % N_NAMESPACES}"
        labels = {"app": f"app-{pod // 50}", "name": f"p-{pod}", "n": str(pod)}
        slot = store.put_pod(namespace, f"pod-{pod}", uid=f"uid-{pod}", labels="")
        pods.put(slot, namespace, labels, f"node-{pod // PODS_PER_NODE}")
        roster.put(slot, labels)
    for tick in range(2):
        at_ns = START_NS + tick * STEP_NS
        for n, slot in enumerate(slots):
            rows = [
                {
                    "kind": "pod_container", "namespace": f"ns-{pod % N_NAMESPACES}", "pod": f"pod-{pod}",
                    "uid": f"uid-{pod}", "name": "app", "resources": [], "custom": [], "start_ns": START_NS - STEP_NS,
                    "sample_ns": at_ns,
                    "metrics": {"cpu/usage": (tick + 1) * 10**9, "memory/usage": 2**26, "memory/working_set": 2**25},
                }
                for pod in range(n * PODS_PER_NODE, (n + 1) * PODS_PER_NODE)
            ]  # fmt: skip
            store.ingest(rows_of(rows), slot, at_ns)
        closing = store.swap(at_ns)
        closing.run()
        store.commit(closing, at_ns)
    shared: dict[str, Any] = {
        "store": store, "nodes": nodes, "clock": ManualClock(START_NS + STEP_NS), "resolution_ns": STEP_NS,
        "executor": executor,
    }  # fmt: skip
    state = SecureState(
        latest=store.latest, running=pods, node_roster=node_roster, pod_roster=roster, enable_custom_metrics=True,
        **shared,
    )  # fmt: skip
    return create_app(State(pods=pods, **shared)), create_secure_app(state)[0]


def prepared(question: Question) -> tuple[dict[str, Any], bytes]:
    """The request as ASGI has it, and its body."""
    selector = quote_plus(question.selector)
    target, _, parameter = question.api.target.rpartition("&" if question.is_form else "=")
    form = f"{parameter}{selector}".encode() if question.is_form else b""
    return scope_of(target if question.is_form else f"{target}={selector}", form), form


def scope_of(target: str, form: bytes) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": "POST" if form else "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"content-type", b"application/x-www-form-urlencoded"), (b"accept", b"*/*")], "scheme": "http",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip


async def ask(app: Any, scope: dict[str, Any], form: bytes) -> tuple[int, list[bytes]]:
    """Status, and the body as it is sent."""
    messages: list[dict[str, Any]] = []
    received = [{"type": "http.request", "body": form, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not received:
            await asyncio.Event().wait()
        return received.pop()

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return messages[0]["status"], [message.get("body", b"") for message in messages]


async def measure(app: Any, question: Question, name: str) -> Figures:
    """Asks some times, and checks how many pods an answer has."""
    scope, form = prepared(question)
    figures, status, body = await watch(app, scope, form, name)
    if question.n_selected is None:
        assert status == 400, f"BUG: {name}: {status} {body[:200]!r}"
        return figures
    found, want = question.api.count(body), question.n_selected // question.api.part
    # Of a namespace there are as many as of the others, or one more or less.
    is_right = abs(found - want) <= (question.api.part > 1)
    assert is_right, f"BUG: {name}: {found} pods, want {want}: {status}, {body[:300]!r}"
    return figures


async def measure_other(app: Any, name: str) -> Figures:
    target, mark, want = OTHERS[name]
    figures, status, body = await watch(app, scope_of(target, b""), b"", name)
    assert body.count(mark) == want, f"BUG: {name}: {body.count(mark)}, want {want}: {status}, {body[:300]!r}"
    return figures


async def watch(app: Any, scope: dict[str, Any], form: bytes, name: str) -> tuple[Figures, int, bytes]:
    """Asks some times, and notes how long the loop did not turn; with the last answer."""
    seconds = []
    async with watched() as turns:
        for _ in range(ROUNDS):
            await turns.begin_round()
            start = time.perf_counter()
            status, chunks = await ask(app, dict(scope), form)
            seconds.append(time.perf_counter() - start)
    figures = {
        f"{name}, ms": min(seconds) * 1e3,
        f"{name}, longest turn of the loop, ms": turns.longest_ms,
        f"{name}, longest turn of the loop, ms of CPU": turns.cpu_ms,
        f"{name}, loop held, ms": turns.held_ms,
    }
    return figures, status, b"".join(chunks)


def best_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def run(n_nodes: int) -> Figures:
    assert parse_selector(PARSED) == naive_selector.parse_selector(PARSED), "BUG: the parsers differ"
    parsed = best_ms(partial(parse_selector, PARSED))
    plainly = best_ms(partial(naive_selector.parse_selector, PARSED))
    return {PARSING: parsed, "the same by the plain parser, ms": plainly} | uvloop.run(_measure(n_nodes))


async def _measure(n_nodes: int) -> Figures:
    shorten_turns()
    figures: Figures = {}
    with ThreadPoolExecutor(2) as executor:
        plain, secure = apps(n_nodes, executor)
        gc.collect()
        gc.freeze()  # as the daemon does with what lives for good
        for name, question in questions(n_nodes * PODS_PER_NODE).items():
            figures |= await measure(secure if question.api.is_secure else plain, question, name)
        for name in OTHERS:
            figures |= await measure_other(plain, name)
    return figures


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
