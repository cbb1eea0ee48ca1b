"""`?window=` on nodes and pods: means from the closed batches, in every form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from heapfast.codec._quantity import format_memory_bytes
from heapfast.render.mean_items import SLICE_ITEMS
from heapfast.sim._rows import rows_of
from tests.unit.api.k8s_cluster import PREFIX, RESOLUTION_NS, SecureCluster
from tests.unit.render import naive_k8s as naive
from tests.unit.store.rows import SECOND_NS, START_NS, T0_NS, container, node

#: Millicores between two answers, and bytes at the second: for the node, for container "a", and for container "b".
STEPS = ((100, 10, 1), (300, 30, 3), (500, 50, 8))
LAST_NS = T0_NS + (len(STEPS) + 1) * RESOLUTION_NS
NOW_NS = LAST_NS + SECOND_NS

PROTOBUF = "application/vnd.kubernetes.protobuf"
WEB = {"app": "web", "tier": "front"}
SPEC = tuple((name, "image:1", 0, 0, 0, 0, 0, False) for name in ("b", "a", "unseen"))


class History(SecureCluster):
    """Batches closed after each answer of node-1, on which pod web-0 has two containers that are seen."""

    def __init__(self, extra_pods: int = 0) -> None:
        super().__init__(n_answers=0, extra_pods=extra_pods)
        slot = self.store.put_pod("default", "web-0", uid="", labels="", containers=SPEC)
        self.index.put(slot, "default", WEB, "node-1")
        self.running.add(slot)
        self.pod_roster.put(slot, WEB)
        for namespace, name, _ in self.pods[1:]:
            self.store.put_pod(namespace, name, uid="", labels="", containers=SPEC[:1] if namespace == "many" else ())
        used = [0, 0, 0]
        self._close(used, (0, 0, 0))
        for step in STEPS:
            used = [before + rate * RESOLUTION_NS // 1000 for before, rate in zip(used, step, strict=True)]
            self._close(used, step)
        self.clock.advance(1)

    def _close(self, used: list[int], step: tuple[int, ...]) -> None:
        self.clock.advance(RESOLUTION_NS / SECOND_NS)
        at = self.clock.now_ns()
        metrics = [
            {"cpu/usage": cpu, "memory/working_set": 2**20 * (1 + rate)} for cpu, rate in zip(used, step, strict=True)
        ]
        rows = [node("node-1", metrics[0], at=at, start=START_NS)]
        for name, use in zip("ab", metrics[1:], strict=True):
            rows.append(container("default", "web-0", name, use, at=at, start=START_NS))
        for namespace, pod, _ in self.pods:
            if namespace == "many":
                rows.append(container(namespace, pod, "b", metrics[1], at=at, start=START_NS))
        self.store.ingest(rows_of(rows), self.store.find(Kind.NODE, "node-1"), at)
        closing = self.store.swap(at)
        closing.run()
        self.store.commit(closing, at)


def mebibytes(*rates: int) -> int:
    return 2**20 * sum(1 + rate for rate in rates) // len(rates)


NODE = naive.Object("", "node-1", {"pool": "blue"}, 300_000_000, mebibytes(100, 300, 500), LAST_NS, 3 * RESOLUTION_NS)
A = (30_000_000, mebibytes(10, 30, 50))
B = (4_000_000, mebibytes(1, 3, 8))
POD = naive.Object(
    "default", "web-0", WEB, A[0] + B[0], A[1] + B[1], LAST_NS, 3 * RESOLUTION_NS, (("a", *A), ("b", *B))
)


@pytest.mark.parametrize(
    ("resource", "kind", "want"), [("nodes", "NodeMetrics", NODE), ("namespaces/default/pods", "PodMetrics", POD)]
)
async def test_lists_are_as_upstream_writes_them(resource: str, kind: str, want: naive.Object) -> None:
    cluster = History()
    answer = await cluster.get(f"{resource}?window=5m")
    assert (answer.status, answer.body) == (200, naive.list_json(kind, [want], NOW_NS))
    answer = await cluster.get(f"{resource}?window=5m", accept=PROTOBUF)
    assert (answer.status, answer.body) == (200, naive.list_protobuf(kind, [want], NOW_NS))


@pytest.mark.parametrize(
    ("path", "kind", "want"),
    [("nodes/node-1", "NodeMetrics", NODE), ("namespaces/default/pods/web-0", "PodMetrics", POD)],
)
async def test_so_are_objects(path: str, kind: str, want: naive.Object) -> None:
    cluster = History()
    value = {"kind": kind, "apiVersion": "metrics.k8s.io/v1", **naive.object_value(want, NOW_NS)}
    assert (await cluster.get(f"{path}?window=5m")).body == naive.to_json(value)
    raw = naive.envelope("metrics.k8s.io/v1", kind, naive.object_message(want, NOW_NS))
    assert (await cluster.get(f"{path}?window=5m", accept=PROTOBUF)).body == raw
    yaml = await cluster.get(f"{path}?window=5m", accept="application/yaml")
    assert "window: 45s\n" in yaml.text


async def test_the_window_cuts_and_is_true() -> None:
    cluster = History()
    for text, rates in (("16s", (500,)), ("31s", (300, 500)), ("1h", (100, 300, 500))):
        value = (await cluster.get(f"nodes/node-1?window={text}")).json
        assert value["window"] == f"{15 * len(rates)}s"
        assert value["usage"]["cpu"] == f"{sum(rates) // len(rates)}m"
    # Without it, it is the newest two samples.
    assert (await cluster.get("nodes/node-1")).json["window"] == "15s"


async def test_what_has_no_sample_in_the_span_is_left_out() -> None:
    cluster = History()
    assert await cluster.names("nodes?window=1ms") == []
    answer = await cluster.get("nodes/node-1?window=1ms")
    assert (answer.status, answer.json["reason"]) == (404, "NotFound")
    assert (await cluster.get("namespaces/default/pods/web-1?window=5m")).status == 404
    # A node that has not answered for long has no metrics any more, but it has a past.
    cluster.clock.advance(60)
    assert await cluster.names("nodes") == []
    assert await cluster.names("nodes?window=2m") == ["node-1"]


@pytest.mark.parametrize("window", ["", "5", "x", "0s", "-5m"])
@pytest.mark.parametrize("path", ["nodes", "pods", "nodes/node-1", "namespaces/default/pods/web-0"])
async def test_bad_durations_are_refused(path: str, window: str) -> None:
    answer = await History().get(f"{path}?window={window}")
    assert (answer.status, answer.json["kind"], answer.json["reason"]) == (400, "Status", "BadRequest")
    assert answer.json["message"].startswith("invalid window specified in the request URL")


def table_cells(value: Any) -> list[list[str]]:
    return [row["cells"] for row in value["rows"]]


async def test_tables_and_metadata() -> None:
    cluster = History()
    table = "application/json;as=Table;g=meta.k8s.io;v=v1"
    for choice, members in (("Object", "kind apiVersion metadata timestamp window containers"), ("None", "")):
        value = (await cluster.get(f"pods?window=5m&includeObject={choice}", accept=table)).json
        assert table_cells(value) == [["web-0", "34m", format_memory_bytes(A[1] + B[1]), "45s"]]
        assert list(value["rows"][0]["object"] or ()) == members.split()
    metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    (item,) = (await cluster.get("pods?window=5m", accept=metadata)).json["items"]
    assert list(item) == ["kind", "apiVersion", "metadata"]
    assert item["metadata"]["labels"] == WEB


@pytest.mark.parametrize("n_pods", [SLICE_ITEMS - 1, SLICE_ITEMS, 3 * SLICE_ITEMS])
async def test_long_lists_are_one_document_in_order(n_pods: int) -> None:
    cluster = History(extra_pods=n_pods)
    many = [f"pod-{n:05}" for n in range(n_pods)]
    answer = await cluster.get("pods?window=5m")
    assert [item["metadata"]["name"] for item in json.loads(answer.body)["items"]] == ["web-0", *many]
    wanted = naive.field(3, naive.field(1, 3 * RESOLUTION_NS))
    assert (await cluster.get("pods?window=5m", accept=PROTOBUF)).body.count(wanted) == n_pods + 1
    assert await cluster.names("pods?window=5m&labelSelector=app%3Dmany&limit=2") == many[:2]


async def test_both_versions_know_it() -> None:
    path = PREFIX.replace("/v1", "/v1beta1")
    value = (await History().get(f"{path}/nodes/node-1?window=5m")).json
    assert (value["apiVersion"], value["window"]) == ("metrics.k8s.io/v1beta1", "45s")
