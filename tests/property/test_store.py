"""The compiled store against the naive one: the same calls in any order give the same batches and series."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import CATALOG
from heapfast.units import TIME_ZERO_NS
from tests.unit.store.engines import Compiled, Engine, Naive, put
from tests.unit.store.rows import (
    SECOND_NS,
    START_NS,
    T0_NS,
    Namespace,
    Node,
    Pod,
    Row,
    Spec,
    container,
    custom,
    node,
    pod,
    resource,
    system,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD = [metric.name for metric in CATALOG if metric.group == "standard" and metric.name != "uptime"]
NODES, NAMESPACES, PODS, CONTAINERS = ("n1", "n2"), ("a", "b"), ("p", "q"), ("c", "d")

# Few values, so that counters stand still, fall and wrap often. No sum of them is -2^63, which columns take for
# "absent" on the way to a larger sum, so that it would depend on the order.
counts = st.one_of(
    st.integers(0, 3), st.integers(0, 10**13), st.sampled_from([(1 << 53) + 1, (1 << 62) + 1, (1 << 63) - 1000])
)
amounts = st.sampled_from([0, 1, 250, 10**12])
starts = st.sampled_from([TIME_ZERO_NS, START_NS, START_NS + 1])
texts = st.sampled_from(["", "x", "a:1,b:2", "ü" * 40])

specs = st.builds(
    Spec,
    st.sampled_from(CONTAINERS),
    texts,
    amounts,
    amounts,
    amounts,
    amounts,
    st.sampled_from([-1, 0, 3]),
)
node_objects = st.builds(Node, st.sampled_from(NODES), texts, texts, texts, amounts, amounts, amounts, amounts)
pod_objects = st.builds(
    Pod,
    st.sampled_from(NAMESPACES),
    st.sampled_from(PODS),
    st.lists(specs, max_size=2, unique_by=lambda spec: spec.name).map(tuple),
    labels=texts,
    start=starts,
)
namespace_objects = st.builds(Namespace, st.sampled_from(NAMESPACES), texts)

metrics = st.dictionaries(st.sampled_from(STANDARD), counts, max_size=8)
customs = st.lists(
    st.one_of(
        st.builds(custom, st.just("float"), st.sampled_from([0.0, 0.5, -3.0, 1e300])),
        st.builds(custom, st.just("int"), st.integers(-3, 3)),
    ),
    max_size=2,
    unique_by=lambda entry: entry["name"],
)


def _resource(type_: str, id_: str, values: dict[str, int], make: str, model: str) -> Row:
    made = resource(type_, id_, **values)
    return made | {"make": make, "model": model} if type_ == "accelerator" else made


def _resources(
    type_: str, ids: list[str], members: list[str], make: str = "", model: str = ""
) -> st.SearchStrategy[Row]:
    values = st.dictionaries(st.sampled_from(members), st.integers(0, 10**6), min_size=1)
    return st.builds(lambda id_, found: _resource(type_, id_, found, make, model), st.sampled_from(ids), values)


_FILESYSTEM = ["usage", "limit", "available", "inodes", "inodes_free"]
resources = st.lists(
    st.one_of(
        _resources("filesystem", ["/", "logs"], _FILESYSTEM),
        _resources("volume", ["v", "/"], _FILESYSTEM),
        _resources("disk", ["sda", "8:16"], ["read_bytes", "write_bytes"]),
        _resources("accelerator", ["0"], ["memory_total", "memory_used", "duty_cycle"], make="m", model="n"),
    ),
    max_size=3,
    unique_by=lambda entry: (entry["type"], entry["id"]),
)


@st.composite
def answers(draw: st.DrawFn, now_ns: int, namespace: str) -> list[Row]:
    """What one target says: any rows, no two of one key, the node's before those of its containers."""
    rows = draw(
        st.lists(
            st.one_of(
                st.builds(node, st.sampled_from((*NODES, *NODES, "else"))),
                st.builds(system, st.sampled_from(CONTAINERS)),
                st.builds(pod, st.just(namespace), st.sampled_from(PODS)),
                st.builds(container, st.just(namespace), st.sampled_from(PODS), st.sampled_from(CONTAINERS)),
            ),
            max_size=9,
            unique_by=lambda row: row["kind"] if row["kind"] == "node" else _row_key(row),
        )
    )
    rows.sort(key=lambda row: row["kind"] != "node")
    for row in rows:
        # Most are sampled again and again without a restart: else there would hardly be a rate.
        row["sample_ns"] = draw(st.sampled_from([now_ns, now_ns, now_ns, now_ns - 5, T0_NS, None]))
        row["start_ns"] = draw(st.sampled_from([START_NS, START_NS, START_NS, START_NS + 1, now_ns, None]))
        row["metrics"] = draw(metrics)
        row["resources"] = draw(resources)
        row["custom"] = draw(customs)
        if row["kind"] == "pod_container" and draw(st.booleans()):
            row["image"] = draw(texts)
    return rows


def _row_key(row: Row) -> tuple[str, ...]:
    return (row["kind"], row.get("namespace", ""), row.get("pod", ""), row["name"])


class TwoStores(RuleBasedStateMachine):
    """Every call goes to both."""

    options: ClassVar[dict[str, Any]] = {"schedulable": True}

    def __init__(self) -> None:
        super().__init__()
        self.engines: tuple[Engine, Engine] = (Naive(**self.options), Compiled(**self.options))
        self.slots: tuple[dict[str, int], ...] = ({}, {})
        self.answered: set[str] = set()
        self.is_swapped = False
        self.now_ns = T0_NS
        self.stamp_ns = T0_NS
        self.sets: dict[str, dict[str, Any]] = {}

    @initialize(things=st.lists(st.one_of(pod_objects, namespace_objects), max_size=4), one=node_objects)
    def start(self, things: list[Pod | Namespace], one: Node) -> None:
        for thing in things:
            self.put(thing)
        self.put_node(one)

    @rule(thing=st.one_of(pod_objects, namespace_objects))
    def put(self, thing: Pod | Namespace) -> None:
        if isinstance(thing, Pod):
            # The UID that its kubelet says too: the compiled store has room for one.
            thing = replace(thing, uid=f"kubelet-{thing.name}")
        for engine in self.engines:
            put(engine, [thing])

    @rule(thing=node_objects)
    def put_node(self, thing: Node) -> None:
        # A host keeps its names: Heapster labels with those of the scrape, heapfast with those of the tick.
        named = replace(thing, hostname=f"{thing.name}.example", host_id=f"id-{thing.name}")
        for engine, slots in zip(self.engines, self.slots, strict=True):
            slots.update(put(engine, [named]))

    @rule(name=st.sampled_from(NODES))
    def remove_node(self, name: str) -> None:
        # Not between its answer and the tick, for the same reason.
        if name not in self.answered:
            for engine, slots in zip(self.engines, self.slots, strict=True):
                engine.store.remove_node(name)
                slots.pop(name, None)

    @rule(namespace=st.sampled_from(NAMESPACES), name=st.sampled_from(PODS))
    def remove_pod(self, namespace: str, name: str) -> None:
        for engine in self.engines:
            engine.store.remove_pod(namespace, name)

    @rule(name=st.sampled_from(NAMESPACES))
    def remove_namespace(self, name: str) -> None:
        for engine in self.engines:
            engine.store.remove_namespace(name)

    @rule(data=st.data(), again=st.booleans())
    def scrape_and_tick(self, data: st.DataObject, again: bool) -> None:
        """One cycle as the daemon runs it: every node answers or does not, some twice; then the batch closes."""
        self.now_ns += data.draw(st.sampled_from([1, 20, 60, 139, 900])) * SECOND_NS
        for name in sorted(self.slots[0]) * (2 if again else 1):
            self._ingest(name, data.draw(answers(self.now_ns, self._namespace_on(name))))
        self._tick(data.draw(st.sampled_from([0, 0, 5, 25])))

    @precondition(lambda self: self.slots[0])
    @rule(data=st.data())
    def scrape_one(self, data: st.DataObject) -> None:
        """An answer early in its window: objects may change before the batch closes."""
        name = data.draw(st.sampled_from(sorted(self.slots[0])))
        self._ingest(name, data.draw(answers(self.now_ns, self._namespace_on(name))))

    @precondition(lambda self: not self.answered)
    @rule()
    def move_pods(self) -> None:
        self.is_swapped = not self.is_swapped

    def _namespace_on(self, node_name: str) -> str:
        # Containers of one pod come from one node in each batch: of two, Heapster takes either's labels.
        return NAMESPACES[NODES.index(node_name) ^ self.is_swapped]

    def _ingest(self, name: str, rows: list[Row], *, is_side: bool = False) -> None:
        self.answered.add(name)
        for engine, slots in zip(self.engines, self.slots, strict=True):
            engine.ingest(rows, slots[name], self.now_ns, is_side=is_side)

    def _tick(self, late_seconds: int) -> None:
        self.answered.clear()
        self.stamp_ns = max(self.stamp_ns + 1, self.now_ns - late_seconds * SECOND_NS)
        naive, compiled = (engine.tick(self.stamp_ns, self.now_ns) for engine in self.engines)
        assert list(_differences(naive, compiled)) == []
        self.sets = naive

    @invariant()
    def newest_batch_stays_as_it_was(self) -> None:
        if self.sets:
            newest = self.engines[1].store.newest
            assert newest is not None
            assert list(_differences(self.sets, newest.sets())) == []

    @invariant()
    def series_are_the_same(self) -> None:
        for kind, names in (
            (Kind.CLUSTER, ()),
            (Kind.NAMESPACE, ("a",)),
            (Kind.NODE, ("n1",)),
            (Kind.POD, ("a", "p")),
            (Kind.POD_CONTAINER, ("a", "p", "c")),
        ):
            if self.engines[1].store.find(kind, *names) < 0:
                continue
            for metric in ("cpu/usage_rate", "memory/usage", "memory/rss", "network/rx_rate"):
                wanted, got = (
                    engine.series(metric, kind, *names, start_ns=0, end_ns=self.now_ns) for engine in self.engines
                )
                assert got == wanted, (metric, names)


def _differences(want: dict[str, dict[str, Any]], got: dict[str, dict[str, Any]]) -> Iterator[str]:
    for key in want.keys() | got.keys():
        if key not in want or key not in got:
            yield f"{key} is in one only"
            continue
        one, other = _flat(want[key]), _flat(got[key])
        for member in one.keys() | other.keys():
            if one.get(member) != other.get(member):
                yield f"{key} {member}: {one.get(member)!r} wanted, got {other.get(member)!r}"


def _flat(one: dict[str, Any]) -> dict[Any, Any]:
    """A set without the order of labeled metrics, and with floats to 12 digits: sums depend on their order (N6)."""
    return {
        **{name: one[name] for name in ("scrape_time_ns", "create_time_ns", "start_time_ns")},
        **{("label", name): text for name, text in one["labels"].items()},
        **{name: _rounded(value) for name, value in one["metrics"].items()},
        **{(entry["name"], *sorted(entry["labels"].items())): _rounded(entry["value"]) for entry in one["labeled"]},
    }


def _rounded(value: int | float) -> int | str:
    return value if isinstance(value, int) else f"{value:.12g}"


class TwoSources(TwoStores):
    """The same with a side source: each node is asked by either, by both, or by none, whatever its rhythm may be."""

    options: ClassVar[dict[str, Any]] = {"side_ns": 60 * SECOND_NS}

    @rule(data=st.data(), again=st.booleans())
    def scrape_and_tick(self, data: st.DataObject, again: bool) -> None:
        self.now_ns += data.draw(st.sampled_from([1, 15, 15, 15, 30, 60, 139])) * SECOND_NS
        for name in sorted(self.slots[0]) * (2 if again else 1):
            for is_side in data.draw(st.sampled_from([(False,), (False,), (False, True), (True,), (True, False), ()])):
                self._answer(data, name, is_side=is_side)
        self._tick(data.draw(st.sampled_from([0, 0, 5])))

    @precondition(lambda self: self.slots[0])
    @rule(data=st.data())
    def scrape_one(self, data: st.DataObject) -> None:
        self._answer(data, data.draw(st.sampled_from(sorted(self.slots[0]))), is_side=data.draw(st.booleans()))

    def _answer(self, data: st.DataObject, name: str, *, is_side: bool) -> None:
        rows = data.draw(answers(self.now_ns, self._namespace_on(name)))
        # No kubelet tells of another one's node. Where two targets do, by different sources, the two stores may
        # differ in whose labels and requests count.
        rows = [row for row in rows if row["kind"] != "node" or row["name"] == name]
        if not is_side:
            rows = [row for row in rows if row["kind"] in ("node", "pod_container")]
        for row in rows:
            row.pop("image", None)
            if not is_side:
                # As /metrics/resource has it, but for counters that are not its to say.
                row.update(resources=[], custom=[])
        self._ingest(name, rows, is_side=is_side)


TestTwoSources = TwoSources.TestCase
TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(
    max_examples=250,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    # Explaining a failure traces every line, which takes minutes here.
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestTwoSources.settings = settings(TestTwoStores.settings, max_examples=80)
