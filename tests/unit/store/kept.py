"""A small cluster whose batches are kept, and stores that are refilled with them.

In      ticks of tests/unit/core/cluster.py
Out     segments in a folder; a store as a restarted daemon has it
Callers the tests of segments in unit/, property/ and adversity/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast._restore import Restoring
from heapfast._segment import Encoder
from heapfast.catalog.keys import Kind
from heapfast.store.segment_writer import SegmentFolder
from heapfast.store.segments import About, Restored, make_header, make_record_header, restore, stamps_of
from tests.unit.core.cluster import EVER, WEB, Cluster, spec
from tests.unit.store.rows import SECOND_NS, node, system

ABOUT = About(cluster="https://k:1", resolution_ns=15 * SECOND_NS, source="summary", heapfast="0")
LONG_NS, SHORT_NS = 900 * SECOND_NS, 140 * SECOND_NS
RESOLUTION_NS = 15 * SECOND_NS


class KeptCluster(Cluster):
    """A node, shop/web, and what the test adds; every batch is encoded, and written if there is a folder."""

    def __init__(self, folder: Path | None = None, **options: Any) -> None:
        super().__init__(**{"resolution_ns": RESOLUTION_NS, **options})
        self.folder = None if folder is None else open_folder(folder, self.store)
        self.encoder = Encoder(self.store)
        self.encoder.begin()
        self.text = make_header(ABOUT)
        self.stamps: list[int] = []
        self.cpu_ns = 0
        self.put_web(spec("c", restarts=1))

    def keep(self, batch: Batch) -> Batch:
        self.stamps.append(batch.timestamp_ns)
        head, detail = self.encoder.encode(batch)
        self.text += make_record_header(batch.timestamp_ns, head, detail) + bytes(head) + bytes(detail)
        self.encoder.accept()
        if self.folder is not None:
            self.folder.append(batch)
        return batch

    def live(self, n: int = 1) -> Batch:
        """Some ticks in which everything answers."""
        for _ in range(n):
            self.cpu_ns += 3 * SECOND_NS
            batch = self.keep(
                self.tick(
                    node(metrics={"cpu/usage": self.cpu_ns, "memory/working_set": 5, "memory/usage": 9}, at=self.at),
                    *self.web(self.cpu_ns),
                    system("kubelet", {"memory/usage": self.cpu_ns // 1000}, at=self.at),
                )
            )
        return batch


def open_folder(folder: Path, store: Store, restored: Restored | None = None) -> SegmentFolder:
    folder.mkdir(exist_ok=True)
    stamps = stamps_of(restored.segments) if restored is not None else {}
    return SegmentFolder(folder, store, ABOUT, retention_ns=LONG_NS, stamps=stamps)


def restored_from(folder: Path, now_ns: int, *, cluster: str = ABOUT.cluster, **options: Any) -> tuple[Store, Restored]:
    """A store refilled from a folder; nobody has been put yet."""
    options = {"long_retention_ns": LONG_NS, "short_retention_ns": SHORT_NS, "resolution_ns": RESOLUTION_NS} | options
    store = Store(**options)
    found = restore(
        folder,
        store,
        now_ns,
        cluster=cluster,
        long_ns=options["long_retention_ns"],
        short_ns=options["short_retention_ns"],
    )
    return store, found


def put_web(store: Store, *, uid: str = "uid-1") -> None:
    """What the API server of a KeptCluster says."""
    store.put_node("n1", hostname="n1.example", host_id="i", labels="")
    store.put_pod(*WEB, uid=uid, labels="app:web", containers=(spec("c", restarts=1),))


def settle(store: Store, restoring: Restoring) -> Store:
    put_web(store)
    restoring.seal()
    assert restoring.publish()
    return store


def all_series(store: Store) -> dict[tuple[str, str], list[tuple[int, int | float]]]:
    """Every series that there is, by entity and metric."""
    found = {}
    for name, kind, slot in _entities(store):
        for metric in store.metric_names(kind, slot) if kind != Kind.RESOURCE else ():
            series = store.series(kind, slot, store.metric_id(metric), *EVER)
            if series:
                found[name, metric] = series
    return found


def _entities(store: Store) -> Iterator[tuple[str, Kind, int]]:
    for kind in Kind:
        for slot in range(store.stats()["slots"][kind]):
            if store.name(kind, slot):
                yield _path(store, kind, slot), kind, slot


def _path(store: Store, kind: Kind, slot: int) -> str:
    own = f"{kind.name}:{store.name(kind, slot)}"
    parent = store.parent(kind, slot)
    outer = {Kind.POD: Kind.NAMESPACE, Kind.POD_CONTAINER: Kind.POD, Kind.SYS_CONTAINER: Kind.NODE}.get(kind)
    return own if outer is None or parent < 0 else f"{_path(store, outer, parent)}/{own}"
