"""The compiled store against the naive one, whatever happens in whatever order.

In      pods and namespaces that come and go, answers of nodes, ticks on time and late, drawn by hypothesis
Out     after each tick: the same metric sets, the same names, the same series over any range
Callers pytest
Source  style.md 2.9: the ring against a dict model, as a state machine

What the two may differ in is kept out of what is drawn: a pod has one UID for life and one node in a tick, a pod
has at most two containers (so that sums of floats have one order), a custom metric has one type.
"""

from __future__ import annotations

import random
from itertools import product
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.sim._rows import rows_of
from heapfast.store.naive import NaiveStore

SECOND_NS = 1_000_000_000
T0_NS = 1_700_000_000 * SECOND_NS
MAX = (1 << 63) - 1

NODES = ("n1", "n2")
NAMESPACES = ("a", "b")
PODS = ("web", "db", "")
CONTAINERS = ("c", "d", "init")
WHERE = tuple(product(NAMESPACES, PODS))
OPTIONS: dict[str, Any] = {"short_retention_ns": 40 * SECOND_NS, "long_retention_ns": 120 * SECOND_NS}

FILES = ("usage", "limit", "inodes")
USE = ("cpu/usage", "memory/usage", "memory/working_set", "memory/page_faults")
NETWORK = ("network/rx", "network/tx", "network/rx_errors")
RESOURCES = {
    "filesystem": FILES,
    "volume": FILES,
    "disk": ("read_bytes", "write_bytes"),
    "accelerator": ("memory_used", "duty_cycle"),
}
STARTS = (T0_NS - 500 * SECOND_NS,) * 4 + (None, T0_NS - 1_500_000_001, T0_NS + 50 * SECOND_NS)


class Draw(random.Random):
    """Rows from a seed: hypothesis chooses what happens, this fills in the numbers a hundred times faster."""

    def value(self) -> int:
        return self.choice((0, 1, 4096, MAX - 1, MAX, *(self.getrandbits(self.randrange(40)) for _ in range(10))))

    def values(self, names: tuple[str, ...]) -> dict[str, int]:
        return {name: self.value() for name in names if self.random() < 0.7}

    def row(self, kind: str, at_ns: int, metrics: tuple[str, ...], resources: tuple[str, ...]) -> dict[str, Any]:
        return {
            "kind": kind,
            "start_ns": self.choice(STARTS),
            "sample_ns": None if self.random() < 0.1 else at_ns - self.randrange(30) * SECOND_NS,
            "metrics": self.values(metrics),
            "resources": [self.resource(*who) for who in self._some(resources)],
            "custom": [],
        }

    def _some(self, types: tuple[str, ...]) -> list[tuple[str, str]]:
        return [(type_, id_) for type_ in types for id_ in ("/", "logs") if self.random() < 0.3]

    def resource(self, type_: str, id_: str) -> dict[str, Any]:
        more = {"make": "m", "model": id_} if type_ == "accelerator" else {}
        return {"type": type_, "id": id_, **more, **self.values(RESOURCES[type_])}

    def container(self, at_ns: int) -> dict[str, Any]:
        row = self.row("pod_container", at_ns, USE, ("filesystem", "disk", "accelerator"))
        if self.random() < 0.5:
            row["image"] = self.choice(("", "i:1", "i:2"))
        for name, value in (("hits", self.randrange(-5, 6)), ("load", self.randrange(-6, 7) / 2)):
            if self.random() < 0.2:
                row["custom"].append({"name": name, "type": "gauge", "value": value})
        return row


SPECS = st.lists(
    st.tuples(
        st.sampled_from(CONTAINERS[:2]),
        st.sampled_from(["x:1", "x:2"]),
        st.integers(0, 500),
        st.integers(0, 500),
        st.integers(0, 1 << 30),
        st.integers(0, 1 << 30),
        st.integers(-1, 3),
        st.booleans(),
    ),
    max_size=2,
    unique_by=lambda spec: spec[0],
)


class StoreMachine(RuleBasedStateMachine):
    """Plays both stores; `at_ns` is the clock; `open_from` and `reported` say what was told of a pod in this tick."""

    @initialize()
    def start(self) -> None:
        self.naive, self.compiled = NaiveStore(**OPTIONS), Store(**OPTIONS)
        self.at_ns = T0_NS
        self.open_from: dict[tuple[str, str], str] = {}
        self.reported: dict[tuple[str, str], set[str]] = {}
        self.checked = True
        for store in (self.naive, self.compiled):
            for number, node in enumerate(NODES):
                store.put_node(
                    node, hostname=f"host-{node}", host_id="", labels=f"n:{node}",
                    cpu_capacity_millicores=4000, cpu_allocatable_millicores=3000 * number,
                    memory_capacity_bytes=1 << 33, memory_allocatable_bytes=1 << 32,
                )  # fmt: skip

    # -- the API server ----------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMESPACES), there=st.booleans())
    def change_namespace(self, name: str, there: bool) -> None:
        for store in (self.naive, self.compiled):
            if there:
                store.put_namespace(name, f"uid-{name}")
            else:
                store.remove_namespace(name)

    @rule(namespace=st.sampled_from(NAMESPACES), name=st.sampled_from(PODS), containers=SPECS, labels=st.text("ab:"))
    def put_pod(self, namespace: str, name: str, containers: list[Any], labels: str) -> None:
        for store in (self.naive, self.compiled):
            store.put_pod(
                namespace, name, uid=f"uid-{name}", labels=labels, stored=[("tier", labels)] if labels else (),
                start_ns=T0_NS, containers=containers,
            )  # fmt: skip

    @rule(namespace=st.sampled_from(NAMESPACES), name=st.sampled_from(PODS))
    def remove_pod(self, namespace: str, name: str) -> None:
        for store in (self.naive, self.compiled):
            store.remove_pod(namespace, name)

    # -- the kubelets ------------------------------------------------------------------------

    def _rows(self, node: str, draw: Draw) -> list[dict[str, Any]]:
        name = draw.choice((node, node, f"other-{node}", ""))
        rows = [draw.row("node", self.at_ns, USE, ("filesystem",)) | {"name": name}]
        if draw.random() < 0.5:
            rows.append(draw.row("sys_container", self.at_ns, USE, ()) | {"name": "kubelet"})
        for namespace, pod in draw.sample(WHERE, draw.randrange(4)):
            if self.open_from.setdefault((namespace, pod), node) != node:
                continue
            who = {"namespace": namespace, "uid": f"uid-{pod}"}
            if draw.random() < 0.7:
                rows.append(draw.row("pod", self.at_ns, NETWORK, ("volume",)) | who | {"name": pod})
            seen = self.reported.setdefault((namespace, pod), set())
            for container in draw.sample(CONTAINERS, draw.randrange(3)):
                if len(seen | {container}) <= 2:
                    seen.add(container)
                    rows.append(draw.container(self.at_ns) | who | {"pod": pod, "name": container})
        return rows

    @rule(node=st.sampled_from(NODES), seed=st.integers(0, 1 << 32))
    def ingest(self, node: str, seed: int) -> None:
        rows = self._rows(node, Draw(seed))
        taken = [
            self.naive.ingest(rows, self.naive.find(Kind.NODE, node), self.at_ns),
            self.compiled.ingest(rows_of(rows), self.compiled.find(Kind.NODE, node), self.at_ns),
        ]
        assert taken == [len(rows)] * 2

    # -- the tick ----------------------------------------------------------------------------

    @rule(
        step_s=st.sampled_from([1, 15, 15, 15, 70, 200]),
        late_s=st.sampled_from([0, 0, 5, 39, 40, 130]),
        spare=st.booleans(),
        meanwhile=st.booleans(),
        seed=st.integers(0, 1 << 32),
    )
    def tick(self, step_s: int, late_s: int, spare: bool, meanwhile: bool, seed: int) -> None:
        self.at_ns += step_s * SECOND_NS
        prepared = self.compiled.make_spare() if spare else None
        if prepared is not None:
            prepared.prepare()
        closing = self.compiled.swap(self.at_ns, prepared)
        batch = self.naive.close(self.at_ns)
        self.open_from.clear()
        self.reported.clear()
        if meanwhile:
            # Answers that come while a batch is being closed belong to the next one, and leave no trace in it.
            for number, node in enumerate(NODES):
                self.ingest(node, seed + number)
        closing.run()
        now_ns = self.at_ns + late_s * SECOND_NS
        self.compiled.commit(closing, now_ns)
        self.naive.commit(batch, now_ns)
        self.checked = False

    # -- what must hold ----------------------------------------------------------------------

    @invariant()
    def batches_and_series_agree(self) -> None:
        if getattr(self, "checked", True):
            return
        self.checked = True
        want, got = self.naive.newest, self.compiled.newest
        assert want is not None
        assert got is not None
        assert got.timestamp_ns == want.timestamp_ns
        want_sets, got_sets = want.sets(), got.sets()
        assert sorted(got_sets) == sorted(want_sets)
        for name in want_sets:
            assert _sorted(got_sets[name]) == _sorted(want_sets[name]), name
        for kind, names in self._everybody():
            self._check_series(kind, names)

    def _everybody(self) -> list[tuple[Kind, tuple[str, ...]]]:
        nodes = [*NODES, *(f"other-{node}" for node in NODES)]
        return [
            (Kind.CLUSTER, ()),
            *((Kind.NODE, (node,)) for node in nodes),
            *((Kind.SYS_CONTAINER, (node, "kubelet")) for node in nodes),
            *((Kind.NAMESPACE, (namespace,)) for namespace in NAMESPACES),
            *((Kind.POD, (namespace, pod)) for namespace in NAMESPACES for pod in PODS),
            *(
                (Kind.POD_CONTAINER, (namespace, pod, c))
                for namespace in NAMESPACES
                for pod in PODS
                for c in CONTAINERS
            ),
        ]

    def _check_series(self, kind: Kind, names: tuple[str, ...]) -> None:
        naive_slot, slot = self.naive.find(kind, *names), self.compiled.find(kind, *names)
        want_names = self.naive.metric_names(kind, naive_slot)
        if slot < 0:
            assert want_names == []
            return
        newest = self.compiled.newest
        if newest is not None and newest.present(kind, slot):
            got_names = self.compiled.metric_names(kind, slot)
            plain = [name for name in want_names if not name.startswith(("filesystem/", "disk/", "accelerator/"))]
            assert set(plain) <= set(got_names) <= set(want_names), (kind, names)
        for metric in {*want_names, "cpu/usage_rate", "memory/usage"}:
            metric_id = self.compiled.metric_id(metric)
            for start, end in ((0, MAX), (self.at_ns - 30 * SECOND_NS, self.at_ns - 1), (self.at_ns, self.at_ns)):
                want = self.naive.series(kind, naive_slot, metric, start, end)
                assert self.compiled.series(kind, slot, metric_id, start, end) == want, (kind, names, metric)
                for labels in ({"resource_id": "/"}, {"resource_id": "Volume:logs"}):
                    found = self.naive.resource_series(kind, naive_slot, metric, labels, start, end)
                    got = self.compiled.resource_series(kind, slot, metric_id, labels, start, end)
                    assert got == found, (kind, names, metric, labels)


def _sorted(metric_set: dict[str, Any]) -> dict[str, Any]:
    """Entries of resources have no order."""
    return metric_set | {"labeled": sorted(metric_set["labeled"], key=repr)}


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
