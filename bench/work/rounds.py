"""A cluster's whole round of /metrics/resource without the sockets: parsed, taken in, and the batch closed.

In      how many nodes, of 30 pods with 2 containers
Out     what is to be counted: the third round, when everything has its place and names are expected
Callers kernels.py
Source  design section 10: the cost of a node is constant within 15 %; bench/micro/ingest.py makes cluster and answers
Never   makes answers inside what is counted
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.micro.ingest import RESOLUTION_NS, START_NS, check, make_answer, make_pods, make_store
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

ROUNDS_BEFORE: Final = 2


def rounds(nodes: int) -> Callable[[], object]:
    """One round of so many nodes; it may be run once."""
    pods = make_pods(nodes)
    store = make_store(pods)
    slots = [store.find(Kind.NODE, f"node-{node}") for node in range(nodes)]
    rows = Rows()

    def answers(tick: int) -> list[bytes]:
        return [make_answer(held, START_NS + tick * RESOLUTION_NS, tick + 1, None) for held in pods]

    def take(tick: int, said: list[bytes]) -> None:
        at_ns = START_NS + tick * RESOLUTION_NS
        for slot, answer in zip(slots, said, strict=True):
            parse_resource(answer, rows, at_ns)
            store.ingest(rows, slot, at_ns)
        _close(store, at_ns)

    for tick in range(ROUNDS_BEFORE):
        take(tick, answers(tick))
        check(store, pods, tick + 1)
    last = answers(ROUNDS_BEFORE)
    return lambda: take(ROUNDS_BEFORE, last)


def _close(store: Store, at_ns: int) -> None:
    spare = store.make_spare()
    spare.prepare()
    closing = store.swap(at_ns, spare)
    closing.run()
    store.commit(closing, at_ns)
    store.sweep()
