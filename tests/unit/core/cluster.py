"""A store with a clock, for tests that tell a story tick by tick.

In      rows as tests/unit/store/rows.py writes them
Out     a Store, closed batches, series by metric name
Callers the tests of this folder
"""

from __future__ import annotations

from typing import Any

from heapfast._batch import Batch
from heapfast._closing import Closing
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.sim._rows import rows_of
from tests.unit.store.rows import SECOND_NS, START_NS, T0_NS, Row, container, pod

EVER = (-(1 << 63), (1 << 63) - 1)
WEB = ("shop", "web")

Spec = tuple[str, str, int, int, int, int, int, bool]


def spec(
    name: str, image: str = "image:1", *, cpu_request_millicores: int = 0, restarts: int = -1, ended: bool = False
) -> Spec:
    return (name, image, cpu_request_millicores, 0, 0, 0, restarts, ended)


class Cluster:
    """One node n1, and whatever a test adds; `at` is the time of the sample that comes next."""

    def __init__(self, **options: Any) -> None:
        self.store = Store(**options)
        self.at = T0_NS
        self.n1 = self.put_node("n1")

    def put_node(self, name: str, **more: Any) -> int:
        return self.store.put_node(name, **({"hostname": f"{name}.example", "host_id": "i", "labels": ""} | more))

    def put_web(self, *containers: Spec, uid: str = "uid-1") -> int:
        return self.store.put_pod(*WEB, uid=uid, labels="app:web", containers=containers)

    def ingest(self, *rows: Row, node: int | None = None, now: int | None = None, is_side: bool = False) -> int:
        slot = self.n1 if node is None else node
        return self.store.ingest(rows_of(list(rows)), slot, self.at if now is None else now, is_side)

    def swap(self) -> Closing:
        self.at += 15 * SECOND_NS
        return self.store.swap(self.at)

    def tick(self, *rows: Row, node: int | None = None) -> Batch:
        if rows:
            self.ingest(*rows, node=node)
        closing = self.swap()
        closing.run()
        return self.store.commit(closing, self.at)

    def web(self, cpu_ns: int, *, uid: str = "kubelet-web", start: int = START_NS, **more: Any) -> list[Row]:
        """What a node says of shop/web now: a pod of one container that has used so much CPU."""
        metrics = {"cpu/usage": cpu_ns, "memory/working_set": 7}
        return [
            pod(*WEB, {"network/rx": cpu_ns}, uid=uid, at=self.at, start=start),
            container(*WEB, "c", metrics, uid=uid, at=self.at, start=start, **more),
        ]

    def slot(self, kind: Kind, *names: str) -> int:
        found = self.store.find(kind, *names)
        assert found >= 0, f"no {kind.name} {names}"
        return found

    def value(self, metric: str, kind: Kind, *names: str) -> int | float | None:
        newest = self.store.newest
        assert newest is not None
        return newest.value(kind, self.slot(kind, *names), self.store.metric_id(metric))

    def series(self, metric: str, kind: Kind, *names: str) -> list[int | float]:
        slot = self.slot(kind, *names)
        return [value for _, value in self.store.series(kind, slot, self.store.metric_id(metric), *EVER)]
