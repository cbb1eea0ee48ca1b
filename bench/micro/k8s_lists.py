"""Lists of metrics.k8s.io over 150,000 pods: time, CPU, and how long the loop is held.

In      a number of nodes, of 30 pods with two containers
Out     figures; of a list, those of the run that took the least CPU
Callers `python -m bench.micro.k8s_lists [NODES]`, bench/micro/command.py
Source  design section 10: 150,000 pods in at most 300 ms, the loop never held more than 5 ms
Never   counts time before the answer was checked against a reader of JSON or of lengths

The store is filled through the kubelet parser, rosters as the watch fills them. The loop's own CPU in
its longest turn is judged, since on a busy machine wall time also counts what others did.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
import zlib
from array import array
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import uvloop

from bench.figures import Figures, Scale, at_most, main
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.render._roster import Roster
from heapfast.render.forms import Encoding, Form, Shape
from heapfast.render.metrics_k8s_io import ResourceMetrics
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

SCALE = Scale(full=5_000, quick=100, unit="nodes")
PODS_A_NODE = 30
CONTAINERS = ("main", "sidecar")
NAMESPACES = 200
#: A ReplicaSet's pods have equal labels; five of them on average.
PODS_A_SET = 5

RESOLUTION_MS = 15_000
START_MS = 1_795_337_822_000
NOW_NS = (START_MS + RESOLUTION_MS + 4_000) * 1_000_000

SMALL = 50

FORMS = {
    "JSON": Form(),
    "protobuf": Form(Encoding.PROTOBUF),
    "JSON, indented": Form(is_indented=True),
    "table": Form(shape=Shape.TABLE),
    "metadata, protobuf": Form(Encoding.PROTOBUF, shape=Shape.METADATA),
}
#: Those that the budget is about.
JUDGED = ("JSON", "protobuf")
BUDGETS = {
    f"{name}, {what}": at_most(limit)
    for name in JUDGED
    for what, limit in (("ms of CPU", 300.0), ("longest turn of the loop, ms of CPU", 5.0))
}


class Cluster(NamedTuple):
    metrics: ResourceMetrics
    pods: Roster
    slots: array[int]
    figures: Figures


class Answer(NamedTuple):
    chunks: list[bytes]
    wall_ms: float
    cpu_ms: float
    held_ms: float


def fill(n_nodes: int) -> Cluster:
    """A cluster whose pods are spread over nodes and namespaces by chance, from a fixed seed."""
    chance = random.Random(1)
    store = Store(resolution_ns=RESOLUTION_MS * 1_000_000)
    nodes, pods = Roster(store.latest, Kind.NODE), Roster(store.latest, Kind.POD)
    metrics = ResourceMetrics(store.latest, nodes, pods)
    n_sets = max(1, n_nodes * PODS_A_NODE // PODS_A_SET)
    slots = array("I")
    keys: list[list[tuple[str, str]]] = []
    node_slots: list[int] = []
    put_seconds = 0.0
    for number in range(n_nodes):
        name = f"node-{number:05}"
        node_slots.append(store.put_node(name, hostname=name, host_id="", labels=""))
        nodes.put(node_slots[-1], {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "pool": "a"})
        keys.append([])
        for _ in range(PODS_A_NODE):
            of = chance.randrange(n_sets)
            labels = {"app": f"app-{of:05}", "pod-template-hash": f"{of * 7919:010x}", "tier": "fe"}
            key = (f"ns-{of % NAMESPACES:03}", f"{labels['app']}-{labels['pod-template-hash']}-{len(slots):06}")
            keys[-1].append(key)
            slot = store.put_pod(*key, uid="", labels="")
            slots.append(slot)
            start = time.perf_counter()
            pods.put(slot, labels)
            put_seconds += time.perf_counter() - start
    figures = {
        "roster: put, us a pod": put_seconds / len(slots) * 1e6,
        "roster: memory, bytes a pod": pods.nbytes() / len(slots),
    }
    rows = Rows()
    for step in range(2):
        at_ms = START_MS + step * RESOLUTION_MS
        for slot, pods_here in zip(node_slots, keys, strict=True):
            parse_resource(_body(pods_here, at_ms, step, chance), rows)
            store.ingest(rows, slot, at_ms * 1_000_000)
    return Cluster(metrics, pods, slots, figures)


def _body(pods: list[tuple[str, str]], at_ms: int, step: int, chance: random.Random) -> bytes:
    lines = [
        f"node_cpu_usage_seconds_total {100 + step * 15 * chance.random()} {at_ms}",
        f"node_memory_working_set_bytes {chance.randrange(1, 10**11)} {at_ms}",
    ]
    for namespace, pod in pods:
        for container in CONTAINERS:
            at = at_ms + chance.randrange(3000)
            labels = f'{{container="{container}",namespace="{namespace}",pod="{pod}"}}'
            lines.append(f"container_cpu_usage_seconds_total{labels} {10 + step * 15 * chance.random()} {at}")
            lines.append(f"container_memory_working_set_bytes{labels} {chance.randrange(1, 10**9)} {at}")
    return "\n".join(lines).encode() + b"\n"


async def take(answer: AsyncIterator[bytes]) -> Answer:
    """Reads an answer while another task notes how much CPU passes between two of its turns."""
    held = 0.0
    is_over = False

    async def note_turns() -> None:
        nonlocal held
        before = time.thread_time()
        while not is_over:
            await asyncio.sleep(0)
            now = time.thread_time()
            held, before = max(held, now - before), now

    noting = asyncio.create_task(note_turns())
    await asyncio.sleep(0)
    wall, cpu = time.perf_counter(), time.thread_time()
    chunks = [chunk async for chunk in answer]
    wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    is_over = True
    await noting
    return Answer(chunks, wall * 1e3, cpu * 1e3, held * 1e3)


def check(cluster: Cluster, name: str, body: bytes) -> None:
    """Counts the items the way a reader would come upon them."""
    if body.startswith(b"k8s\0"):
        fields = dict(_fields(body, 4, len(body)))
        start, stop = fields[0x12]
        found = sum(tag == 0x12 for tag, _ in _fields(body, start, stop))
    else:
        value = json.loads(body)
        found = len(value["rows" if name == "table" else "items"])
    assert found == len(cluster.slots), f"BUG: {name} lists {found} of {len(cluster.slots)} pods"


def _fields(body: bytes, at: int, stop: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Tags of fields that have a length, and where their bytes are."""
    while at < stop:
        tag, length, shift = body[at], 0, 0
        while True:
            at += 1
            length |= (body[at] & 0x7F) << shift
            shift += 7
            if body[at] < 0x80:
                break
        yield tag, (at + 1, at + 1 + length)
        at += 1 + length
    assert at == stop, f"BUG: a field ends at {at}, its message at {stop}"


async def measure_lists(cluster: Cluster) -> Figures:
    figures: Figures = {}
    for name, form in FORMS.items():
        check(cluster, name, b"".join([c async for c in cluster.metrics.render_pods(cluster.slots, form, NOW_NS)]))
        runs = [await take(cluster.metrics.render_pods(cluster.slots, form, NOW_NS)) for _ in range(3)]
        best = min(runs, key=lambda run: run.cpu_ms)
        figures |= {
            f"{name}, ms": best.wall_ms,
            f"{name}, ms of CPU": best.cpu_ms,
            f"{name}, longest turn of the loop, ms of CPU": best.held_ms,
            f"{name}, MB": sum(map(len, best.chunks)) / 1e6,
        }
    return figures


async def measure_small(cluster: Cluster) -> Figures:
    figures: Figures = {}
    slots = cluster.slots[:SMALL]
    for name in JUDGED:
        best = 1e9
        for _ in range(200):
            start = time.perf_counter()
            async for _chunk in cluster.metrics.render_pods(slots, FORMS[name], NOW_NS):
                pass
            best = min(best, time.perf_counter() - start)
        figures[f"{SMALL} pods, {name}, us"] = best * 1e6
    return figures


async def measure_gzip(cluster: Cluster) -> Figures:
    figures: Figures = {}
    for name in JUDGED:
        answer = await take(cluster.metrics.render_pods(cluster.slots, FORMS[name], NOW_NS))
        packer = zlib.compressobj(1, wbits=31)
        start, longest, size = time.thread_time(), 0.0, 0
        for chunk in answer.chunks:
            before = time.thread_time()
            size += len(packer.compress(chunk))
            longest = max(longest, time.thread_time() - before)
        size += len(packer.flush())
        cpu = time.thread_time() - start
        figures |= {
            f"gzip of {name}, ms of CPU": cpu * 1e3,
            f"gzip of {name}, longest chunk, ms of CPU": longest * 1e3,
            f"gzip of {name}, MB": size / 1e6,
        }
    return figures


def run(n_nodes: int) -> Figures:
    return uvloop.run(_measure(n_nodes))


async def _measure(n_nodes: int) -> Figures:
    cluster = fill(n_nodes)
    start = time.thread_time()
    cluster.pods.ordered(cluster.slots)
    figures = cluster.figures | {"all in order, ms of CPU": (time.thread_time() - start) * 1e3}
    return figures | await measure_lists(cluster) | await measure_small(cluster) | await measure_gzip(cluster)


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
