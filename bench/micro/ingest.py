"""Taking an answer of /metrics/resource in, by a store that no cache holds: with an answer before it, and without.

In      how many nodes, of 30 pods with 2 containers; an API server's list of their pods, in its order
Out     microseconds of a node's answer, the median over all nodes, where its rows are expected and where not
Callers `python -m bench.micro.ingest [NODES]`, bench/micro/command.py
Source  issue 4: hash look-ups; _expected.pyx
Never   counts parsing, or time before the answers were compared with what was put in

Answers name their containers in the order of a kubelet's, which is that of the containers' names, or in another one
each time. Nothing is expected of an answer that does not say whose it is: the same rows, given without their node.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from typing import Final, NamedTuple

from bench.figures import Budgets, Figures, Scale, main
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME
from heapfast.units import NS_PER_SECOND
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

PODS_PER_NODE: Final = 30
CONTAINERS: Final = ("app", "sidecar")
NAMESPACES: Final = 200
RESOLUTION_NS: Final = 15 * NS_PER_SECOND
START_NS: Final = 1_767_300_000 * NS_PER_SECOND
#: The first gives everything its place, and the last is measured.
TICKS: Final = 4
SCALE = Scale(full=5_000, quick=60, unit="nodes")
BUDGETS: Budgets = {}


class Pod(NamedTuple):
    """A pod of one node."""

    namespace: str
    name: str


def make_pods(nodes: int) -> list[list[Pod]]:
    """The pods of each node; their names say nothing of it."""
    rng = random.Random(5)
    return [
        [Pod(f"team-{rng.randrange(NAMESPACES):03d}", f"web-{rng.getrandbits(64):016x}") for _ in range(PODS_PER_NODE)]
        for _ in range(nodes)
    ]


def make_store(pods: list[list[Pod]]) -> Store:
    """A store that has been told of all pods, in the order of their names."""
    store = Store(resolution_ns=RESOLUTION_NS)
    for node in range(len(pods)):
        store.put_node(f"node-{node}", hostname="h", host_id="i", labels="")
    containers = [(name, "image", 100, 200, 1 << 28, 1 << 29, 0, False) for name in CONTAINERS]
    for number, pod in enumerate(sorted(pod for held in pods for pod in held)):
        store.put_pod(
            pod.namespace, pod.name, uid=f"{number:036d}", labels="a:b", start_ns=START_NS, containers=containers
        )
    return store


def make_answer(pods: list[Pod], at_ns: int, value: int, rng: random.Random | None) -> bytes:
    """What a kubelet says; in another order each time where `rng` is given."""
    labels = sorted(
        f'container="{container}",namespace="{pod.namespace}",pod="{pod.name}"'
        for pod in pods
        for container in CONTAINERS
    )
    if rng is not None:
        rng.shuffle(labels)
    stamp = at_ns // 10**6
    lines = [f"container_cpu_usage_seconds_total{{{each}}} {value} {stamp}" for each in labels]
    lines += [f"container_memory_working_set_bytes{{{each}}} {value * 1000} {stamp}" for each in labels]
    lines += [f"container_start_time_seconds{{{each}}} {START_NS // NS_PER_SECOND}" for each in labels]
    lines += [f"node_cpu_usage_seconds_total {value} {stamp}", f"node_memory_working_set_bytes {value * 1000} {stamp}"]
    return ("\n".join(lines) + "\n").encode()


def measure(pods: list[list[Pod]], *, is_shuffled: bool) -> dict[bool, float]:
    """Microseconds an answer of the last tick, by whether its rows are expected."""
    stores = {True: make_store(pods), False: make_store(pods)}
    rng = random.Random(7)
    order = list(range(len(pods)))
    rng.shuffle(order)
    rows = Rows()
    spent: dict[bool, list[int]] = {}
    for tick in range(TICKS):
        at_ns = START_NS + tick * RESOLUTION_NS
        spent = {True: [], False: []}
        for node in order:
            answer = make_answer(pods[node], at_ns, tick + 1, rng if is_shuffled else None)
            for is_expected, store in stores.items():
                parse_resource(answer, rows, at_ns)
                slot = store.find(Kind.NODE, f"node-{node}") if is_expected else -1
                start = time.perf_counter_ns()
                store.ingest(rows, slot, at_ns)
                spent[is_expected].append(time.perf_counter_ns() - start)
        for store in stores.values():
            spare = store.make_spare()
            spare.prepare()
            closing = store.swap(at_ns, spare)
            closing.run()
            store.commit(closing, at_ns)
            store.sweep()
            check(store, pods, tick + 1)
    return {is_expected: statistics.median(ns) / 1e3 for is_expected, ns in spent.items()}


def check(store: Store, pods: list[list[Pod]], value: int) -> None:
    """Compares what the newest batch says of some pods with what they were said to have."""
    newest = store.newest
    assert newest is not None
    for pod in pods[0][:3]:
        slot = store.find(Kind.POD, pod.namespace, pod.name)
        found = newest.value(Kind.POD, slot, BY_NAME["memory/working_set"].id)
        assert found == len(CONTAINERS) * value * 1000, f"BUG: {pod} has {found}"


def run(nodes: int) -> Figures:
    pods = make_pods(nodes)
    figures: Figures = {}
    for name, is_shuffled in (("sorted as kubelets do", False), ("in another order each time", True)):
        us = measure(pods, is_shuffled=is_shuffled)
        figures |= {
            f"{name}: expected, us an answer": us[True],
            f"{name}: not expected, us an answer": us[False],
            f"{name}: times as cheap": us[False] / us[True],
        }
    return figures


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
