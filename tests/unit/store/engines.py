"""The stores under test behind one set of calls: the naive one and the compiled one.

In      rows and objects as in rows.py
Out     batches as dicts by key, series as lists of (timestamp, value)
Callers test_pipeline.py, test_retention.py, tests/conformance
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from heapfast._core import Store
from heapfast.sim._rows import rows_of
from heapfast.store.naive import NaiveStore
from tests.unit.store.rows import Namespace, Node, Object, Pod, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heapfast.catalog.keys import Kind
    from heapfast.wire._rows import Rows

Sets = dict[str, dict[str, Any]]
Series = list[tuple[int, int | float]]


class Engine(Protocol):
    """What a test needs of a store."""

    name: str
    store: Any

    def ingest(self, rows: list[Row], node: int, now_ns: int, *, is_side: bool = False) -> None: ...
    def ingest_answer(self, rows: Rows, node: int, now_ns: int) -> None: ...
    def tick(self, timestamp_ns: int, now_ns: int) -> Sets: ...
    def series(self, metric: str, kind: Kind, *names: str, start_ns: int, end_ns: int) -> Series: ...
    def resource_series(
        self, metric: str, labels: Mapping[str, str], kind: Kind, *names: str, start_ns: int, end_ns: int
    ) -> Series: ...


class Naive:
    """The oracle."""

    name = "naive"

    def __init__(self, **options: Any) -> None:
        self.store = NaiveStore(**options)

    def ingest(self, rows: list[Row], node: int, now_ns: int, *, is_side: bool = False) -> None:
        self.store.ingest(rows, node, now_ns, is_side)

    def ingest_answer(self, rows: Rows, node: int, now_ns: int) -> None:
        self.store.ingest(rows.to_dicts(), node, now_ns)

    def tick(self, timestamp_ns: int, now_ns: int) -> Sets:
        return self.store.commit(self.store.close(timestamp_ns), now_ns).sets()

    def series(self, metric: str, kind: Kind, *names: str, start_ns: int, end_ns: int) -> Series:
        return self.store.series(kind, self.store.find(kind, *names), metric, start_ns, end_ns)

    def resource_series(
        self, metric: str, labels: Mapping[str, str], kind: Kind, *names: str, start_ns: int, end_ns: int
    ) -> Series:
        return self.store.resource_series(kind, self.store.find(kind, *names), metric, labels, start_ns, end_ns)


class Compiled:
    """The store of the daemon."""

    name = "compiled"

    def __init__(self, **options: Any) -> None:
        self.store = Store(**options)

    def ingest(self, rows: list[Row], node: int, now_ns: int, *, is_side: bool = False) -> None:
        self.store.ingest(rows_of(rows), node, now_ns, is_side)

    def ingest_answer(self, rows: Rows, node: int, now_ns: int) -> None:
        self.store.ingest(rows, node, now_ns)

    def tick(self, timestamp_ns: int, now_ns: int) -> Sets:
        closing = self.store.swap(timestamp_ns)
        closing.run()
        return self.store.commit(closing, now_ns).sets()

    def series(self, metric: str, kind: Kind, *names: str, start_ns: int, end_ns: int) -> Series:
        slot = self.store.find(kind, *names)
        return self.store.series(kind, slot, self.store.metric_id(metric), start_ns, end_ns)

    def resource_series(
        self, metric: str, labels: Mapping[str, str], kind: Kind, *names: str, start_ns: int, end_ns: int
    ) -> Series:
        slot = self.store.find(kind, *names)
        return self.store.resource_series(kind, slot, self.store.metric_id(metric), labels, start_ns, end_ns)


ENGINES: tuple[type[Naive] | type[Compiled], ...] = (Naive, Compiled)


def put(engine: Engine, objects: Iterable[Object]) -> dict[str, int]:
    """Puts API objects into an engine; gives the slots of its nodes by name."""
    slots = {}
    for thing in objects:
        match thing:
            case Namespace():
                engine.store.put_namespace(thing.name, thing.uid)
            case Node():
                slots[thing.name] = engine.store.put_node(
                    thing.name,
                    hostname=thing.hostname,
                    host_id=thing.host_id,
                    labels=thing.labels,
                    cpu_capacity_millicores=thing.cpu_capacity_millicores,
                    cpu_allocatable_millicores=thing.cpu_allocatable_millicores,
                    memory_capacity_bytes=thing.memory_capacity_bytes,
                    memory_allocatable_bytes=thing.memory_allocatable_bytes,
                )
            case Pod():
                engine.store.put_pod(
                    thing.namespace,
                    thing.name,
                    uid=thing.uid,
                    labels=thing.labels,
                    start_ns=thing.start,
                    containers=[container.as_tuple() for container in thing.containers],
                )
    return slots
