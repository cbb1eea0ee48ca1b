"""Questions about filesystems, disks and accelerators against a naive answer: batch by batch, label by label."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast import _aggregate, _grouping
from heapfast._aggregate import Aggregate
from heapfast._core import Store
from heapfast._grouping import Grouping
from heapfast._snapshot import Snapshot
from heapfast.catalog.keys import TYPE_LABEL, Kind
from heapfast.catalog.metrics import BY_NAME
from heapfast.errors import StoreError
from heapfast.query.label_values import LabelValues
from heapfast.sim._rows import rows_of
from tests.property.test_aggregate import APPS, STEP_NS, Texts, check, folded, questions
from tests.unit.store.rows import T0_NS, Row, container, node, pod, resource, system

N_NODES = 2
N_PODS = 70  # more than a block of slots
FILESYSTEM, VOLUME, DISK, ACCELERATOR = "filesystem", "volume", "disk", "accelerator"
#: Of whom, and which; values are (type, id, make, model).
RESOURCES: Mapping[Kind, tuple[tuple[str, str, str, str], ...]] = {
    Kind.NODE: ((FILESYSTEM, "/", "", ""), (DISK, "8:0", "", ""), (DISK, "8:16", "", "")),
    Kind.SYS_CONTAINER: ((FILESYSTEM, "/", "", ""), (DISK, "8:0", "", "")),
    Kind.POD: ((VOLUME, "v", "", ""), (VOLUME, "/", "", ""), (FILESYSTEM, "Volume:f", "", "")),
    Kind.POD_CONTAINER: (
        (FILESYSTEM, "/", "", ""), (FILESYSTEM, "logs", "", ""), (DISK, "8:0", "", ""), (ACCELERATOR, "", "", ""),
        (ACCELERATOR, "0", "m", "x"), (ACCELERATOR, "1", "m", "x"), (ACCELERATOR, "0", "m", "y"),
    ),
}  # fmt: skip
METRICS = ("filesystem/usage", "disk/io_read_bytes", "disk/io_read_bytes_rate", "accelerator/memory_used")
MEMBERS = {FILESYSTEM: "usage", VOLUME: "usage", DISK: "read_bytes", ACCELERATOR: "memory_used"}

KEYS = {
    Kind.NODE: (_grouping.BY_NODE, _grouping.BY_LABEL),
    Kind.SYS_CONTAINER: (_grouping.BY_NODE, _grouping.BY_CONTAINER, _grouping.BY_LABEL),
    Kind.POD: (_grouping.BY_NAMESPACE, _grouping.BY_NODE, _grouping.BY_POD, _grouping.BY_LABEL),
    Kind.POD_CONTAINER: (
        _grouping.BY_NAMESPACE, _grouping.BY_NODE, _grouping.BY_POD, _grouping.BY_CONTAINER, _grouping.BY_LABEL,
    ),
}  # fmt: skip
LABELS = {
    "resource_id": _grouping.BY_RESOURCE_ID,
    "make": _grouping.BY_MAKE,
    "model": _grouping.BY_MODEL,
    "accelerator_id": _grouping.BY_ACCELERATOR_ID,
}
NAMES = {code: name for name, code in LABELS.items()}


@dataclass
class Measured:
    """Nodes, pods and containers with resources that come and go, and every batch as dicts."""

    store: Store = field(default_factory=lambda: Store(short_retention_ns=10 * STEP_NS))
    batches: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        #: By the key of a pod or node: its slot, and its label "app".
        self.objects: dict[str, tuple[int, str | None]] = {}
        self.nodes = []
        for i in range(N_NODES):
            slot = self.store.put_node(f"n{i}", hostname=f"n{i}", host_id="", labels="")
            self.nodes.append(slot)
            self.objects[f"node:n{i}"] = (slot, APPS[i])
        for i in range(N_PODS):
            namespace, name = f"ns{i % 3}", f"p{i}"
            slot = self.store.put_pod(namespace, name, uid=f"u{i}", labels="")
            self.objects[f"namespace:{namespace}/pod:{name}"] = (slot, (*APPS, None)[i % 4])

    def tick(self, values: Sequence[int | None]) -> None:
        """A value, or none, for each resource in turn."""
        at = T0_NS + len(self.batches) * STEP_NS
        given_ = iter(values * 1000)
        for i, slot in enumerate(self.nodes):
            rows = [self._with(node(f"n{i}", at=at), Kind.NODE, given_)]
            rows += [self._with(system(name, at=at), Kind.SYS_CONTAINER, given_) for name in ("kubelet", "runtime")]
            for n in range(i, N_PODS, N_NODES):
                where = (f"ns{n % 3}", f"p{n}")
                # Who has no resource this time may have gone altogether.
                rows += [
                    row
                    for row in (
                        self._with(pod(*where, at=at, uid=f"u{n}"), Kind.POD, given_),
                        self._with(container(*where, f"c{n % 2}", at=at, uid=f"u{n}"), Kind.POD_CONTAINER, given_),
                    )
                    if row["resources"]
                ]
            self.store.ingest(rows_of(rows), slot, at)
        closing = self.store.swap(at)
        closing.run()
        self.store.commit(closing, at)
        assert self.store.newest is not None
        self.batches[at] = self.store.newest.sets()

    @staticmethod
    def _with(row: Row, kind: Kind, values: Iterator[int | None]) -> Row:
        row["resources"] = [
            resource(type_, id_, **{MEMBERS[type_]: value}) | ({"make": make, "model": model} if make else {})
            for type_, id_, make, model in RESOURCES[kind]
            if (value := next(values)) is not None
        ]
        return row

    def labels(self, kind: Kind) -> LabelValues:
        """As the index would have them."""
        chosen = [
            one for key, one in self.objects.items() if ("pod:" in key) == (kind in (Kind.POD, Kind.POD_CONTAINER))
        ]
        found = LabelValues()
        for app in APPS:
            found.add(app, array("I", [slot for slot, value in chosen if value == app]))
        return found

    def series(
        self, kind: Kind, metric: str, keys: Sequence[int], objects: frozenset[int] | None,
        conditions: Sequence[tuple[int, bytes, bool]],
    ) -> Iterator[tuple[Texts, dict[int, float]]]:  # fmt: skip
        found: dict[tuple[str, tuple[tuple[str, str], ...]], dict[int, float]] = {}
        for at, sets in self.batches.items():
            for key, one in sets.items():
                for entry in one["labeled"] if one["labels"]["type"] == TYPE_LABEL[kind] else ():
                    if entry["name"] == metric:
                        series = found.setdefault((key, tuple(sorted(entry["labels"].items()))), {})
                        series[at] = float(entry["value"])
        for (key, labels), points in found.items():
            slot = self.objects[key.partition("/container:")[0]][0]
            if objects is not None and slot not in objects:
                continue
            if any((self._text(key, labels, code) == text) is differs for code, text, differs in conditions):
                continue
            yield tuple(self._text(key, labels, code) for code in keys), points

    def _text(self, key: str, labels: tuple[tuple[str, str], ...], code: int) -> bytes | None:
        if code in NAMES:
            return dict(labels)[NAMES[code]].encode()
        owner, _, container_name = key.partition("/container:")
        parts = dict(part.split(":") for part in owner.split("/"))
        text: str | None
        if code == _grouping.BY_LABEL:
            text = self.objects[owner][1]
        elif code == _grouping.BY_CONTAINER:
            text = container_name
        elif code == _grouping.BY_NODE and "node" not in parts:
            # Of who has gone it is not known.
            newest = self.batches[max(self.batches)].get(key)
            text = newest["labels"]["hostname"] if newest else None
        else:
            text = parts[
                {_grouping.BY_NAMESPACE: "namespace", _grouping.BY_NODE: "node", _grouping.BY_POD: "pod"}[code]
            ]
        return None if text is None else text.encode()


def ask(
    measured: Measured, kind: Kind, metric: str, keys: Sequence[int], objects: frozenset[int] | None,
    conditions: Sequence[tuple[int, bytes, bool]], start_ns: int, end_ns: int, **more: Any,
) -> Aggregate:  # fmt: skip
    number = BY_NAME[metric].id
    snapshot = Snapshot(measured.store, Kind.RESOURCE, number, start_ns, more["is_rate"])
    chosen = None if objects is None else array("I", sorted(objects))
    grouping = Grouping(snapshot.newest, kind, keys, [measured.labels(kind)], chosen, conditions, number)
    grouping.make()
    aggregate = Aggregate(snapshot, grouping, start_ns=start_ns, end_ns=end_ns, **more)
    aggregate.run()
    return aggregate


values = st.one_of(st.none(), st.integers(0, 3), st.integers(0, 2**40))


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_any_question_about_resources_has_the_naive_answer(data: st.DataObject) -> None:
    measured = Measured()
    few = data.draw(st.lists(values, min_size=1, max_size=11))
    for _ in range(data.draw(st.integers(1, 6))):
        turn = data.draw(st.integers(0, 10)) % len(few)
        measured.tick(few[turn:] + few[:turn])
    kind = data.draw(st.sampled_from(tuple(RESOURCES)))
    metric = data.draw(st.sampled_from(METRICS))
    own = [LABELS[name] for name in BY_NAME[metric].labels]
    keys = data.draw(st.lists(st.sampled_from((*KEYS[kind], *own)), unique=True, max_size=5))
    if _grouping.BY_POD in keys and _grouping.BY_NAMESPACE not in keys:
        keys.insert(0, _grouping.BY_NAMESPACE)
    slots = st.frozensets(st.integers(0, N_PODS - 1))
    objects = data.draw(st.one_of(st.none(), slots))
    texts = st.sampled_from((b"/", b"Volume:v", b"Volume:f", b"v", b"8:0", b"m", b"x", b"0", b""))
    conditions = data.draw(st.lists(st.tuples(st.sampled_from(own), texts, st.booleans()), max_size=2))
    start_ns, end_ns, more = data.draw(questions())
    aggregate = ask(measured, kind, metric, keys, objects, conditions, start_ns, end_ns, **more)
    series = measured.series(kind, metric, keys, objects, conditions)
    want = folded(series, start_ns=start_ns, end_ns=end_ns, **more)
    check(aggregate, want, has_buckets=more["bucket_ns"] > 0)


def test_groups_are_those_of_resources_that_may_have_the_metric() -> None:
    measured = Measured()
    measured.tick([1])
    for metric, n_groups in (("filesystem/usage", 2), ("disk/io_read_bytes", 1), ("accelerator/memory_used", 4)):
        keys = [LABELS[name] for name in BY_NAME[metric].labels]
        grouping = Grouping(measured.store.newest, Kind.POD_CONTAINER, keys, resource_metric=BY_NAME[metric].id)
        grouping.make()
        assert grouping.n_groups == n_groups


@pytest.mark.parametrize(
    ("key", "metric"),
    [
        pytest.param(_grouping.BY_MAKE, "filesystem/usage", id="no accelerator"),
        pytest.param(_grouping.BY_RESOURCE_ID, "accelerator/memory_used", id="an accelerator"),
        pytest.param(_grouping.BY_RESOURCE_ID, "", id="no resource"),
    ],
)
def test_a_key_that_a_metric_does_not_have_is_a_bug(key: int, metric: str) -> None:
    measured = Measured()
    measured.tick([1])
    number = BY_NAME[metric].id if metric else -1
    with pytest.raises(StoreError, match="BUG"):
        Grouping(measured.store.newest, Kind.POD, [key], resource_metric=number)
    with pytest.raises(StoreError, match="BUG"):
        Grouping(measured.store.newest, Kind.POD, conditions=[(key, b"", False)], resource_metric=number)


def test_a_snapshot_of_entities_is_none_of_their_resources() -> None:
    measured = Measured()
    measured.tick([1])
    number = BY_NAME["filesystem/usage"].id
    snapshot = Snapshot(measured.store, Kind.POD, number, 0)
    grouping = Grouping(snapshot.newest, Kind.POD, resource_metric=number)
    with pytest.raises(StoreError, match="different things"):
        Aggregate(snapshot, grouping, across=(_aggregate.SUM, 0.0), over=[(_aggregate.SUM, 0.0)], start_ns=0, end_ns=1)
