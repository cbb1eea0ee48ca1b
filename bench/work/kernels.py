"""The hot kernels at a small size, each ready to run once.

In      nothing: the clusters are made up, by fixed seeds
Out     KERNELS: for each a function that prepares and gives what is to be counted; SIZED: the same at any size
Callers counted.py in a process under valgrind; tests
Never   prepares anything inside what is counted
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from typing import Final

from bench.micro import k8s_lists
from bench.micro.exposition import make_body
from bench.micro.fleet import Fleet, Size
from bench.micro.index import PODS_PER_APP, cluster
from bench.work.request import requests
from bench.work.rounds import rounds
from bench.work.scrape import scrapes
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.query._selector import parse_selector
from heapfast.render.forms import Encoding, Form
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

#: Nodes, of 30 pods with two containers: enough that what is done once a call does not count.
NODES: Final = 10
SELECTED_PODS: Final = 3_000
#: A selector costs little: so many of them.
SELECTIONS: Final = 20

Run = Callable[[], object]


def exposition() -> Run:
    """Reads one node's /metrics/resource."""
    body, rows = make_body(30, 2), Rows()
    parse_resource(body, rows)
    assert len(rows) == 61
    return lambda: parse_resource(body, rows)


def summary() -> Run:
    """Reads one node's /stats/summary."""
    body, rows = _fleet().body(0), Rows()
    parse_summary(body, rows)
    assert len(rows) > 60
    return lambda: parse_summary(body, rows)


def ingest() -> Run:
    """Takes one node's rows into the open batch and the latest view."""
    fleet, store = _fleet(), Store()
    fleet.put_objects(store)
    _tick(fleet, store)
    fleet.step()
    rows = Rows()
    parse_summary(fleet.body(0), rows)
    slot = store.find(Kind.NODE, "node-0")
    return lambda: store.ingest(rows, slot, fleet.timestamp_ns)


def ingest_expected() -> Run:
    """Takes one node's rows of /metrics/resource that name what its last ones named."""
    store, rows, now_ns = Store(), Rows(), _fleet().timestamp_ns
    slot = store.put_node("node-0", hostname="node-0", host_id="i-0", labels="zone:a")
    parse_resource(make_body(30, 2), rows)
    store.ingest(rows, slot, now_ns)
    closing = store.swap(now_ns)
    closing.run()
    store.commit(closing, now_ns)
    return lambda: store.ingest(rows, slot, now_ns)


def close() -> Run:
    """Closes a batch and packs the one before."""
    fleet, store = _fleet(), Store()
    fleet.put_objects(store)
    for _ in range(2):
        _tick(fleet, store)
    _scrape(fleet, store)
    spare = store.make_spare()
    spare.prepare()
    return store.swap(fleet.timestamp_ns, spare).run


def list_json() -> Run:
    """Lists all pods of metrics.k8s.io as JSON."""
    return _list(Form())


def list_protobuf() -> Run:
    """The same as protobuf."""
    return _list(Form(Encoding.PROTOBUF))


def selector() -> Run:
    """Selects one workload's pods."""
    index, _ = cluster(SELECTED_PODS)
    wanted = parse_selector("app=app-7")
    assert len(index.select(wanted, None)) == PODS_PER_APP

    def select() -> None:
        for _ in range(SELECTIONS):
            index.select(wanted, None)

    return select


def scrape() -> Run:
    """Scrapes kubelets over TLS, up to the rows."""
    return scrapes(NODES, make_body(30, 2))


KERNELS: Final[dict[str, Callable[[], Run]]] = {
    prepare.__name__: prepare
    for prepare in (
        exposition,
        summary,
        ingest,
        ingest_expected,
        close,
        list_json,
        list_protobuf,
        selector,
        requests,
        scrape,
    )
}

#: Of so many nodes, by what stands before the size in a name as `round@5000`: how work grows with a cluster. They have
#: no baselines, since a large one takes minutes.
SIZED: Final[dict[str, Callable[[int], Run]]] = {"round": rounds}


def prepare(name: str) -> Run:
    """Raises KeyError when there is no such kernel, ValueError when its size is no number."""
    kind, _, nodes = name.partition("@")
    return SIZED[kind](int(nodes)) if nodes else KERNELS[kind]()


def _fleet() -> Fleet:
    fleet = Fleet(Size(NODES))
    fleet.step()
    return fleet


def _scrape(fleet: Fleet, store: Store) -> None:
    fleet.step()
    rows = Rows()
    for node in range(NODES):
        parse_summary(fleet.body(node), rows)
        store.ingest(rows, store.find(Kind.NODE, f"node-{node}"), fleet.timestamp_ns)


def _tick(fleet: Fleet, store: Store) -> None:
    _scrape(fleet, store)
    spare = store.make_spare()
    spare.prepare()
    closing = store.swap(fleet.timestamp_ns, spare)
    closing.run()
    store.commit(closing, fleet.timestamp_ns)


def _list(form: Form) -> Run:
    filled = k8s_lists.fill(NODES)

    async def read(slots: array[int]) -> int:
        return sum([len(chunk) async for chunk in filled.metrics.render_pods(slots, form, k8s_lists.NOW_NS)])

    with asyncio.Runner() as runner:
        assert runner.run(read(filled.slots)) > 10_000

    def render() -> None:
        coroutine = read(filled.slots)
        # Without a loop: where it gives way to others there are none, and a loop's own work is not the kernel's.
        try:
            while True:
                coroutine.send(None)
        except StopIteration:
            pass

    return render
