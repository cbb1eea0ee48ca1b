"""Names, series, export and usage over a small cluster, against the batch's own account of itself."""

from __future__ import annotations

import json
from array import array
from typing import Any

import pytest

from heapfast._core import Store
from heapfast._name_list import NameList
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME
from heapfast.render._export import ExportWriter
from heapfast.render._names import node_with_hostname, render_keys, render_name_list, render_names, render_strings
from heapfast.render._order import sort_slots
from heapfast.render._series import render_series, render_series_items
from heapfast.render._usage import UsageWriter
from heapfast.render.layout import indented
from heapfast.sim._rows import rows_of
from tests.unit.api.cluster import PODS, STEP_NS, Cluster
from tests.unit.store.rows import T0_NS

EXPORTED_LABELS = {
    "nodename", "hostname", "host_id", "container_name", "container_base_image",
    "pod_name", "pod_id", "namespace_id", "labels",
}  # fmt: skip
EVER = (-(2**62), 2**62)


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


def series(cluster: Cluster, metric: str, kind: Kind, *names: str, window: tuple[int, int] = EVER) -> bytes:
    slot = cluster.store.find(kind, *names)
    return render_series(cluster.store, kind, (slot,), cluster.store.metric_id(metric), *window)


# -- names ---------------------------------------------------------------------------------------


def test_names_are_sorted_and_indented(cluster: Cluster) -> None:
    batch = cluster.store.newest
    assert render_names(batch, Kind.NAMESPACE) == b'[\n  "default",\n  "lost",\n  "shop"\n ]'
    namespace = cluster.store.find(Kind.NAMESPACE, "default")
    assert json.loads(render_names(batch, Kind.POD, Kind.NAMESPACE, namespace)) == ["half", "job", "over", "web-0"]


@pytest.mark.parametrize("parent", [-1, 99])
def test_names_below_an_unknown_parent_are_none(cluster: Cluster, parent: int) -> None:
    assert render_names(cluster.store.newest, Kind.POD, Kind.NAMESPACE, parent) == b"[]"


def test_keys_are_those_of_the_batch(cluster: Cluster) -> None:
    batch = cluster.store.newest
    assert sorted(json.loads(render_keys(batch))) == batch.keys()


def test_keys_of_an_empty_batch() -> None:
    empty = Cluster(n_batches=0)
    empty.tick(T0_NS)
    assert json.loads(render_keys(empty.store.newest)) == empty.store.newest.keys()


def test_strings_come_as_given() -> None:
    assert render_strings(()) == b"[]"
    assert render_strings(["b", "a\udcff"]) == b'[\n  "b",\n  "a\\ufffd"\n ]'


def test_a_list_of_names_is_written_as_the_same_strings_are() -> None:
    names = NameList(["web-1", 'a"b', "\u00e9", "\udcff", ""])
    names.sort()
    assert render_name_list(names) == render_strings(["", 'a"b', "web-1", "\u00e9", "\udcff"])
    assert render_name_list(NameList()) == b"[]"


def test_nodes_are_found_by_host_name(cluster: Cluster) -> None:
    batch = cluster.store.newest
    assert node_with_hostname(batch, b"node-1.example") == cluster.store.find(Kind.NODE, "node-1")
    assert node_with_hostname(batch, b"node-1") == -1
    assert node_with_hostname(batch, b"") == -1


def test_slots_are_sorted_by_namespace_and_name(cluster: Cluster) -> None:
    slots = array("I", [cluster.store.find(Kind.POD, namespace, name) for namespace, name, _, _ in reversed(PODS)])
    ordered = sort_slots(cluster.store.newest, Kind.POD, array("I", [*slots, 4_000_000_000]))
    assert [cluster.store.name(Kind.POD, slot) for slot in ordered] == ["half", "job", "over", "web-0", "web-0"]
    assert not sort_slots(cluster.store.newest, Kind.POD, array("I"))


# -- series --------------------------------------------------------------------------------------


def test_series_of_integers(cluster: Cluster) -> None:
    assert series(cluster, "cpu/usage_rate", Kind.POD_CONTAINER, "default", "web-0", "nginx") == indented(
        {
            "metrics": [
                {"timestamp": "2017-12-11T10:01:00Z", "value": 1000},
                {"timestamp": "2017-12-11T10:02:00Z", "value": 1000},
            ],
            "latestTimestamp": "2017-12-11T10:02:00Z",
        }
    )


def test_series_of_floats_keep_the_truncated_value(cluster: Cluster) -> None:
    points = json.loads(series(cluster, "network/rx_rate", Kind.POD, "default", "web-0"))["metrics"]
    assert [list(point) for point in points] == [["timestamp", "value", "floatValue"]] * 2
    assert [(point["value"], point["floatValue"]) for point in points] == [(1, 91 / 60)] * 2


def test_series_of_nothing(cluster: Cluster) -> None:
    empty = indented({"metrics": [], "latestTimestamp": "0001-01-01T00:00:00Z"})
    rate = cluster.store.metric_id("cpu/usage_rate")
    assert render_series(cluster.store, Kind.POD, (), rate, *EVER) == empty
    assert render_series(cluster.store, Kind.CLUSTER, (0,), -1, *EVER) == empty
    assert render_series(cluster.store, Kind.CLUSTER, (0,), 100_000, *EVER) == empty
    assert render_series(cluster.store, Kind.CLUSTER, (0,), rate, 1, 0) == empty
    assert render_series(Store(), Kind.CLUSTER, (0,), rate, *EVER) == empty


def test_both_ends_of_the_window_count(cluster: Cluster) -> None:
    middle = T0_NS + STEP_NS
    body = json.loads(series(cluster, "memory/usage", Kind.NODE, "node-1", window=(middle, middle)))
    assert [point["timestamp"] for point in body["metrics"]] == ["2017-12-11T10:01:00Z"]


def test_series_lists_have_an_item_for_each_entity(cluster: Cluster) -> None:
    slot = cluster.store.find(Kind.POD, "default", "web-0")
    column = cluster.store.metric_id("memory/usage")
    last = T0_NS + 2 * STEP_NS
    item = (
        '{"metrics":[{"timestamp":"2017-12-11T10:02:00Z","value":25168872}],"latestTimestamp":"2017-12-11T10:02:00Z"}'
    )
    nothing = '{"metrics":[],"latestTimestamp":"0001-01-01T00:00:00Z"}'
    rendered = render_series_items(cluster.store, Kind.POD, [(slot,), (), (slot,)], column, last, last)
    assert rendered == f"{item},{nothing},{item}".encode()


@pytest.mark.parametrize(
    ("value", "shown"), [(2.0**63, 2**63 - 1), (-(2.0**63), -(2**63)), (-1.5, -1), (1e300, 2**63 - 1), (0.97, 0)]
)
def test_floats_are_truncated_within_int64(value: float, shown: int) -> None:
    cluster = Cluster(n_batches=0)
    row: dict[str, Any] = {
        "kind": "pod_container", "namespace": "default", "pod": "web-0", "name": "nginx", "uid": "u",
        "start_ns": T0_NS, "sample_ns": T0_NS, "metrics": {}, "resources": [],
        "custom": [{"name": "x", "type": "gauge", "value": value}],
    }  # fmt: skip
    cluster.store.ingest(rows_of([row]), cluster.store.find(Kind.NODE, "node-1"), T0_NS)
    cluster.tick(T0_NS)
    body = json.loads(series(cluster, "custom/x", Kind.POD_CONTAINER, "default", "web-0", "nginx"))
    (point,) = body["metrics"]
    assert point["value"] == shown
    assert float(point["floatValue"]) == value


# -- metric-export -------------------------------------------------------------------------------


def exported(metric: str) -> bool:
    entry = BY_NAME.get(metric)
    return entry is not None and (entry.group in ("standard", "labeled") or metric in ("cpu/limit", "memory/limit"))


def expected_export(sets: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What spec 6.5 makes of the batch's own account of its sets."""
    end = "2017-12-11T10:02:00Z"
    entries = []
    for found in sets.values():
        kind = found["labels"]["type"]
        if kind in ("cluster", "ns"):
            continue
        labels = {key: value for key, value in found["labels"].items() if key in EXPORTED_LABELS}
        if kind in ("node", "pod"):
            labels["container_name"] = {"node": "machine", "pod": "/pod"}[kind]
        begun = "0001-01-01T00:00:00Z" if found["start_time_ns"] is None else "2017-12-11T09:00:00Z"
        metrics: dict[str, list[dict[str, Any]]] = {}
        for name, value in found["metrics"].items():
            if exported(name):
                start = begun if BY_NAME[name].stored_type == "cumulative" else end
                metrics[name] = [{"start": start, "end": end, "value": value}]
        for sample in found["labeled"]:
            point = {"start": end, "end": end, "labels": sample["labels"], "value": sample["value"]}
            metrics.setdefault(sample["name"], []).append(point)
        entries.append({"metrics": metrics, "labels": labels})
    return entries


def test_export_shows_what_the_batch_has(cluster: Cluster) -> None:
    body = ExportWriter(cluster.store.newest).read()
    assert body.endswith(b"]\n")
    assert body.count(b"\n") == 1
    got = json.loads(body)
    want = expected_export(cluster.store.newest.sets())
    by_labels = {json.dumps(entry["labels"], sort_keys=True): entry for entry in want}
    assert len(got) == len(want) == len(by_labels)
    for entry in got:
        assert entry == by_labels[json.dumps(entry["labels"], sort_keys=True)]
        assert list(entry["metrics"]) == sorted(entry["metrics"])
        assert list(entry["labels"]) == sorted(entry["labels"])
        for points in entry["metrics"].values():
            assert all(list(point.get("labels", {})) == sorted(point.get("labels", {})) for point in points)


@pytest.mark.parametrize("at_least", [1, 700, 5000])
def test_export_is_the_same_in_chunks_of_any_size(cluster: Cluster, at_least: int) -> None:
    writer = ExportWriter(cluster.store.newest)
    chunks = list(iter(lambda: writer.read(at_least), b""))
    assert len(chunks) > 1
    assert b"".join(chunks) == ExportWriter(cluster.store.newest).read()
    assert writer.read() == b""


def test_export_of_an_empty_batch() -> None:
    empty = Cluster(n_batches=0)
    empty.tick(T0_NS)
    body = ExportWriter(empty.store.newest).read()
    assert json.loads(body) == expected_export(empty.store.newest.sets())


# -- usage ---------------------------------------------------------------------------------------


def pods_shown(cluster: Cluster) -> dict[str, list[str] | None]:
    writer = UsageWriter(cluster.store.newest, cluster.clock.now_ns())
    shown: dict[str, list[str] | None] = {}
    for namespace, name, _, _ in PODS:
        containers = cluster.store.spec_containers(cluster.store.find(Kind.POD, namespace, name))
        body = writer.pod(namespace.encode(), name.encode(), containers)
        shown[f"{namespace}/{name}"] = None if body is None else [c["name"] for c in json.loads(body)["containers"]]
    return shown


def test_a_pod_is_shown_when_its_running_containers_have_usage(cluster: Cluster) -> None:
    assert pods_shown(cluster) == {
        "default/web-0": ["nginx", "a-sidecar"],
        "default/job": ["main"],
        "default/half": None,
        "default/over": None,
        "shop/web-0": ["nginx"],
        "shop/bare": [],
    }


def test_nothing_has_usage_before_its_second_batch() -> None:
    cluster = Cluster(n_batches=1)
    shown = pods_shown(cluster)
    assert shown.pop("shop/bare") == []
    assert set(shown.values()) == {None}
    assert UsageWriter(cluster.store.newest, 0).node(cluster.store.find(Kind.NODE, "node-1")) is None
    assert UsageWriter(cluster.store.newest, 0).node(99) is None


def test_usage_of_a_list_is_that_of_its_items(cluster: Cluster) -> None:
    store = cluster.store
    slot = store.find(Kind.POD, "default", "web-0")
    writer = UsageWriter(store.newest, cluster.clock.now_ns())
    single = writer.pod(b"default", b"web-0", store.spec_containers(slot))
    assert single is not None
    writer.begin_list()
    assert writer.add_pod(slot, store.spec_containers(slot))
    assert not writer.add_pod(10**6, [])
    writer.end_list()
    assert len(writer) > len(single)
    body = writer.take()
    assert body == indented({"metadata": {}, "items": [json.loads(single)]})
    assert len(writer) == 0
