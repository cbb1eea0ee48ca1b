"""Questions over many series against a naive answer: series by series, value by value."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast import _aggregate, _grouping
from heapfast._aggregate import Aggregate, Cancelled, TooManySamples
from heapfast._core import Store
from heapfast._grouping import Grouping
from heapfast._snapshot import Snapshot
from heapfast.catalog.keys import Kind
from heapfast.query.label_values import LabelValues
from heapfast.sim._rows import rows_of
from tests.unit.store.rows import SECOND_NS, T0_NS, container, custom, node

STEP_NS = 60 * SECOND_NS
Function = tuple[int, float]
FUNCTIONS: tuple[Function, ...] = (
    (_aggregate.SUM, 0.0),
    (_aggregate.AVERAGE, 0.0),
    (_aggregate.MIN, 0.0),
    (_aggregate.MAX, 0.0),
    (_aggregate.COUNT, 0.0),
    (_aggregate.STDDEV, 0.0),
    (_aggregate.MEDIAN, 0.0),
    (_aggregate.PERCENTILE, 95.0),
    (_aggregate.PERCENTILE, 0.1),
    (_aggregate.PERCENTILE, 100.0),
)
LAST: Function = (_aggregate.LAST, 0.0)
KEYS = (_grouping.BY_NAMESPACE, _grouping.BY_NODE, _grouping.BY_POD, _grouping.BY_CONTAINER, _grouping.BY_LABEL)
APPS = ("web", "job", "")


def apply(function: Function, values: Sequence[float]) -> float:
    """One function, the naive way; values oldest first, at least one."""
    code, percentile = function
    ordered = sorted(values)
    mean = math.fsum(values) / len(values)
    match code:
        case _aggregate.SUM:
            return math.fsum(values)
        case _aggregate.AVERAGE:
            return mean
        case _aggregate.MIN:
            return ordered[0]
        case _aggregate.MAX:
            return ordered[-1]
        case _aggregate.COUNT:
            return len(values)
        case _aggregate.STDDEV:
            return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
        case _aggregate.LAST:
            return values[-1]
        case _aggregate.MEDIAN:
            middle = len(ordered) // 2
            return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    place = math.floor(len(ordered) * percentile / 100 + 0.5)
    return ordered[min(max(place, 1), len(ordered)) - 1]


Texts = tuple[bytes | None, ...]


def folded(
    series: Iterable[tuple[Texts, Mapping[int, float]]], across: Function | None, over: Sequence[Function],
    start_ns: int, end_ns: int, bucket_ns: int = 0, is_rate: bool = False, is_counter: bool = False,
) -> dict[tuple[Texts, int], tuple[float, ...]]:  # fmt: skip
    """A question's answer, the naive way: of each series the texts of its group, and its values by time."""
    groups: dict[Texts, dict[int, list[float]]] = {}
    for texts, points in series:
        group = groups.setdefault(texts, {})
        for at, value in points.items():
            if not start_ns < at <= end_ns:
                continue
            if is_rate:
                former = points.get(at - STEP_NS)
                if former is None or (is_counter and value < former):
                    continue
                value = (value - former) / (STEP_NS / SECOND_NS)
            group.setdefault(at, []).append(value)
    found = {}
    for texts, ticks in groups.items():
        buckets: dict[int, list[float]] = {}
        for at in sorted(ticks):
            values = ticks[at] if across is None else [apply(across, ticks[at])]
            buckets.setdefault(at - at % bucket_ns if bucket_ns else 0, []).extend(values)
        for start, values in buckets.items():
            found[texts, start] = tuple(apply(function, values) for function in over)
    return found


@dataclass
class Pods:
    """Pods of one container each, which come and go, and their labels."""

    n_pods: int
    store: Store = field(default_factory=lambda: Store(short_retention_ns=10 * STEP_NS))
    n_ticks: int = 0
    _sets_at: int = -1

    def __post_init__(self) -> None:
        self.nodes = [self.store.put_node(f"n{i}", hostname=f"n{i}", host_id="", labels="") for i in range(2)]
        self.apps: dict[int, str | None] = {}
        for pod in range(self.n_pods):
            app = (*APPS, None)[pod % 4]
            self.apps[self.store.put_pod(self.namespace(pod), f"p{pod % 50}", uid=f"u{pod}", labels="")] = app

    @staticmethod
    def namespace(pod: int) -> str:
        return f"ns{pod // 50}"

    def tick(self, values: Sequence[float | int | None]) -> None:
        """One value a pod, or none."""
        at = T0_NS + self.n_ticks * STEP_NS
        for i, slot in enumerate(self.nodes):
            rows = [node(f"n{i}", {"uptime": 1}, at=at)]
            rows += [
                container(
                    self.namespace(pod), f"p{pod % 50}", f"c{pod % 3}", {"memory/usage": 1}, at=at,
                    custom=[custom("x", value)], uid=f"u{pod}",
                )
                for pod, value in enumerate(values)
                if value is not None and pod % 2 == i
            ]  # fmt: skip
            self.store.ingest(rows_of(rows), slot, at)
        closing = self.store.swap(at)
        closing.run()
        self.store.commit(closing, at)
        self.n_ticks += 1

    @property
    def metric(self) -> int:
        return self.store.metric_id("custom/x")

    def sets(self) -> dict[str, Any]:
        """Who is in the newest batch."""
        if self._sets_at != self.n_ticks:
            self._sets_at = self.n_ticks
            self._sets = self.store.newest.sets()
        return self._sets

    def labels(self) -> LabelValues:
        found = LabelValues()
        for app in APPS:
            found.add(app, array("I", [slot for slot, value in self.apps.items() if value == app]))
        return found

    def key(self, kind: Kind, slot: int, key: int) -> bytes | None:
        pod = self.store.parent(kind, slot) if kind is Kind.POD_CONTAINER else slot
        match key:
            case _grouping.BY_NAMESPACE:
                return self.store.name(Kind.NAMESPACE, self.store.parent(Kind.POD, pod)).encode()
            case _grouping.BY_POD:
                return self.store.name(Kind.POD, pod).encode()
            case _grouping.BY_CONTAINER:
                return self.store.name(kind, slot).encode()
            case _grouping.BY_LABEL:
                app = self.apps[pod]
                return None if app is None else app.encode()
        newest = self.store.newest
        key_ = f"namespace:{self.key(kind, slot, _grouping.BY_NAMESPACE).decode()}/pod:{self.store.name(Kind.POD, pod)}"
        if kind is Kind.POD_CONTAINER:
            key_ += f"/container:{self.store.name(kind, slot)}"
        set_ = newest.sets().get(key_)
        hostname = set_["labels"].get("hostname") if set_ else None
        return hostname.encode() if hostname else None

    def series(self, kind: Kind, keys: Sequence[int]) -> Iterator[tuple[Texts, dict[int, float]]]:
        for slot in range(500):
            points = {at: float(value) for at, value in self.store.series(kind, slot, self.metric, -(2**62), 2**62)}
            if points:
                yield tuple(self.key(kind, slot, key) for key in keys), points


def ask(pods: Pods, kind: Kind, keys: Sequence[int], start_ns: int, end_ns: int, **more: Any) -> Aggregate:
    snapshot = Snapshot(pods.store, kind, pods.metric, start_ns, more.get("is_rate", False))
    grouping = Grouping(snapshot.newest, kind, keys, [pods.labels()])
    grouping.make()
    aggregate = Aggregate(snapshot, grouping, start_ns=start_ns, end_ns=end_ns, **more)
    aggregate.run()
    return aggregate


def check(aggregate: Aggregate, want: Mapping[Any, tuple[float, ...]], *, has_buckets: bool) -> None:
    found = {(texts, start if has_buckets else 0): values for texts, start, values in aggregate.rows()}
    assert found.keys() == want.keys()
    for key, values in found.items():
        assert values == pytest.approx(want[key], rel=1e-9, abs=1e-6), key


numbers = st.one_of(
    st.integers(-(2**40), 2**40), st.integers(0, 100).map(lambda n: n * 4096), st.floats(-1e6, 1e6, width=32)
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[int, int, dict[str, Any]]:
    """Start, end and the other arguments of an Aggregate."""
    across = draw(st.one_of(st.none(), st.sampled_from(FUNCTIONS)))
    over = draw(st.lists(st.sampled_from((*FUNCTIONS, LAST) if across else FUNCTIONS), min_size=1, max_size=4))
    start_ns = T0_NS + draw(st.integers(-2, 7)) * STEP_NS
    end_ns = T0_NS + draw(st.integers(-1, 7)) * STEP_NS
    return start_ns, end_ns, {
        "across": across,
        "over": over,
        "bucket_ns": draw(st.sampled_from((0, STEP_NS, 3 * STEP_NS, 7 * SECOND_NS))),
        "is_rate": draw(st.booleans()),
        "is_counter": draw(st.booleans()),
    }  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_any_question_has_the_naive_answer(data: st.DataObject) -> None:
    n_pods = data.draw(st.sampled_from((1, 5, 70, 130)))
    pods = Pods(n_pods)
    is_float = data.draw(st.booleans())
    few = data.draw(st.lists(st.one_of(st.none(), numbers), min_size=1, max_size=12))
    for _ in range(data.draw(st.integers(1, 7))):
        turn = data.draw(st.integers(0, 11))
        values = [few[(pod * 7 + turn) % len(few)] for pod in range(n_pods)]
        pods.tick([value if value is None else float(value) if is_float else int(value) for value in values])
    if pods.metric < 0:
        return  # nobody has ever had a value
    kind = data.draw(st.sampled_from((Kind.POD_CONTAINER, Kind.POD)))
    possible = KEYS if kind is Kind.POD_CONTAINER else tuple(key for key in KEYS if key != _grouping.BY_CONTAINER)
    keys = data.draw(st.lists(st.sampled_from(possible), unique=True, max_size=4))
    if _grouping.BY_POD in keys and _grouping.BY_NAMESPACE not in keys:
        keys.insert(0, _grouping.BY_NAMESPACE)
    start_ns, end_ns, more = data.draw(questions())
    aggregate = ask(pods, kind, keys, start_ns, end_ns, **more)
    want = folded(pods.series(kind, keys), start_ns=start_ns, end_ns=end_ns, **more)
    check(aggregate, want, has_buckets=more["bucket_ns"] > 0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.integers(1, 45), st.booleans())
def test_the_best_are_those_that_sorting_finds(values: list[int], n: int, descending: bool) -> None:
    pods = Pods(len(values))
    pods.tick(values)
    aggregate = ask(
        pods, Kind.POD, (_grouping.BY_NAMESPACE, _grouping.BY_POD), 0, 2**62, across=FUNCTIONS[0], over=[LAST]
    )
    rows = {texts: value for texts, _, (value,) in aggregate.rows()}
    ordered = sorted(rows, key=lambda texts: (-rows[texts] if descending else rows[texts], texts))
    best = aggregate.best(n, descending)
    assert [tuple(aggregate.grouping.texts(group)) for group in best] == ordered[:n]
    aggregate.grouping.narrow(best)
    assert [tuple(aggregate.grouping.texts(group)) for group in range(aggregate.grouping.n_groups)] == ordered[:n]


def test_chosen_objects_and_fields_narrow_the_slots():
    pods = Pods(9)
    pods.tick(range(9))

    def found(kind: Kind, objects: list[int] | None, *conditions: tuple[int, bytes, bool]) -> set[bytes]:
        snapshot = Snapshot(pods.store, kind, pods.metric, 0)
        chosen = None if objects is None else array("I", objects)
        grouping = Grouping(snapshot.newest, kind, [_grouping.BY_POD], (), chosen, conditions)
        grouping.make()
        aggregate = Aggregate(snapshot, grouping, across=LAST, over=[LAST], start_ns=0, end_ns=2**62)
        aggregate.run()
        return {texts[0] for texts, _, _ in aggregate.rows()}

    slots = [pods.store.find(Kind.POD, "ns0", f"p{i}") for i in (2, 3)]
    for kind in (Kind.POD, Kind.POD_CONTAINER):
        assert found(kind, None) == {b"p%d" % i for i in range(9)}
        assert found(kind, [*slots, 10**6]) == {b"p2", b"p3"}
        assert found(kind, []) == set()
        assert found(kind, slots, (_grouping.BY_POD, b"p3", False)) == {b"p3"}
        assert found(kind, slots, (_grouping.BY_POD, b"p3", True)) == {b"p2"}
        assert found(kind, None, (_grouping.BY_NAMESPACE, b"ns1", False)) == set()
        assert found(kind, None, (_grouping.BY_NODE, b"n1", False)) == {b"p1", b"p3", b"p5", b"p7"}
    assert found(Kind.POD_CONTAINER, None, (_grouping.BY_CONTAINER, b"c0", False)) == {b"p0", b"p3", b"p6"}


def test_who_has_gone_counts_where_it_was():
    pods = Pods(2)
    pods.tick([1, 2])
    pods.store.remove_pod("ns0", "p1")
    pods.tick([3, None])
    aggregate = ask(pods, Kind.POD, (_grouping.BY_NAMESPACE,), 0, 2**62, across=FUNCTIONS[0], over=[FUNCTIONS[0]])
    assert aggregate.rows() == [((b"ns0",), T0_NS + STEP_NS, (6.0,))]


def test_columns_that_the_ring_drops_while_they_are_read_are_there_until_the_end():
    pods = Pods(3, Store(short_retention_ns=3 * STEP_NS, long_retention_ns=6 * STEP_NS))
    for turn in range(3):
        pods.tick([turn, turn + 1, turn + 2])
    snapshot = Snapshot(pods.store, Kind.POD, pods.metric, 0)
    grouping = Grouping(snapshot.newest, Kind.POD)
    slot = pods.store.find(Kind.POD, "ns0", "p0")
    for turn in range(3, 12):
        pods.tick([turn, turn + 1, turn + 2])
    # What is pinned is not to be seen by others: they have the short class as they would have without.
    assert [value for _, value in pods.store.series(Kind.POD, slot, pods.metric, 0, 2**62)] == [9, 10, 11]
    grouping.make()
    aggregate = Aggregate(snapshot, grouping, across=FUNCTIONS[0], over=[FUNCTIONS[0]], start_ns=0, end_ns=2**62)
    aggregate.run()
    assert aggregate.rows() == [((), T0_NS + 2 * STEP_NS, (3.0 + 6.0 + 9.0,))]
    assert aggregate.n_counted == 3


def test_a_window_that_reaches_behind_what_is_kept_is_cut():
    pods = Pods(1, Store(short_retention_ns=3 * STEP_NS, long_retention_ns=9 * STEP_NS))
    for turn in range(8):
        pods.tick([turn])
    newest_ns = T0_NS + 7 * STEP_NS
    assert not Snapshot(pods.store, Kind.POD, pods.metric, newest_ns - 2 * STEP_NS).is_cut
    cut = Snapshot(pods.store, Kind.POD, pods.metric, newest_ns - 5 * STEP_NS)
    assert (cut.is_cut, cut.n_ticks) == (True, 3)
    assert not Snapshot(pods.store, Kind.POD, pods.store.metric_id("memory/usage"), newest_ns - 5 * STEP_NS).is_cut


def test_percentiles_have_a_limit_in_memory():
    pods = Pods(5)
    pods.tick([1] * 5)
    pods.tick([1] * 5)
    more = {"across": None, "over": [(_aggregate.MEDIAN, 0.0)]}
    ask(pods, Kind.POD, (), 0, 2**62, max_samples=10, **more)
    with pytest.raises(TooManySamples, match="more than 9 samples"):
        ask(pods, Kind.POD, (), 0, 2**62, max_samples=9, **more)


def test_what_is_cancelled_stops():
    pods = Pods(1)
    pods.tick([1])
    snapshot = Snapshot(pods.store, Kind.POD, pods.metric, 0)
    grouping = Grouping(snapshot.newest, Kind.POD)
    grouping.make()
    aggregate = Aggregate(snapshot, grouping, across=LAST, over=[LAST], start_ns=0, end_ns=2**62)
    aggregate.cancel()
    with pytest.raises(Cancelled):
        aggregate.run()
