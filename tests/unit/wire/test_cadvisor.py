"""cAdvisor's container answers, row by row of spec/heapster-pipeline.md 8.7 (K-*), and what the table leaves open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heapfast.codec._rfc3339 import parse_time
from heapfast.errors import ParseError
from heapfast.wire import naive_cadvisor
from heapfast.wire._cadvisor import parse_cadvisor
from heapfast.wire._rows import Rows

LABELS = {
    "io.kubernetes.container.name": "nginx",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.name": "web-1",
    "io.kubernetes.pod.uid": "u1",
}


def parse(body: str | bytes) -> tuple[list[dict[str, Any]], Rows]:
    """Parses, and sees that the twin makes the same of it."""
    raw = body.encode() if isinstance(body, str) else body
    rows = Rows()
    parse_cadvisor(raw, rows)
    rows.check()
    want = naive_cadvisor.parse_cadvisor(raw)
    assert (rows.to_dicts(), rows.bad_values) == want
    return rows.to_dicts(), rows


def info(spec: dict[str, Any] | None = None, sample: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "/c", "stats": [{} if sample is None else sample], "spec": spec or {}, **more}


def parse_one(spec: dict[str, Any], sample: dict[str, Any], **more: Any) -> dict[str, Any]:
    (row,), rows = parse(json.dumps([info(spec, sample, **more)]))
    assert rows.bad_values == 0
    return row


def test_k01_the_last_sample_counts() -> None:
    stats = [
        {"timestamp": "2017-12-11T10:00:10.5Z", "cpu": {"usage": {"total": 1}}},
        {"timestamp": "2017-12-11T10:00:20.123456789Z", "cpu": {"usage": {"total": 2}}},
    ]
    (row,), _ = parse(json.dumps({"/c": {"name": "/c", "stats": stats, "spec": {"has_cpu": True}}}))
    assert row["sample_ns"] == parse_time("2017-12-11T10:00:20.123456789Z")
    assert row["metrics"] == {"cpu/usage": 2}


@pytest.mark.parametrize("stats", ["[]", "null", "[null]", '[{"cpu":{}},null]'])
def test_k02_container_without_a_sample_is_ignored(stats: str) -> None:
    rows, raw = parse(f'{{"/c":{{"name":"/c","stats":{stats}}},"/d":{{"name":"/d"}}}}')
    assert (rows, raw.bad_values) == ([], 0)


def test_k03_memory_takes_the_faults_of_the_container() -> None:
    memory = {
        "usage": 100, "cache": 20, "rss": 30, "working_set": 40, "container_data": {"pgfault": 5, "pgmajfault": 6},
        "hierarchical_data": {"pgfault": 50, "pgmajfault": 60},
    }  # fmt: skip
    assert parse_one({"has_memory": True}, {"memory": memory})["metrics"] == {
        "memory/usage": 100, "memory/cache": 20, "memory/rss": 30, "memory/working_set": 40, "memory/page_faults": 5,
        "memory/major_page_faults": 6,
    }  # fmt: skip


def network(rx: int, rx_errors: int, tx: int, tx_errors: int) -> dict[str, int]:
    return {"network/rx": rx, "network/rx_errors": rx_errors, "network/tx": tx, "network/tx_errors": tx_errors}


def test_k04_network_is_the_sum_over_interfaces() -> None:
    interfaces = [{"rx_bytes": 10, "rx_errors": 1, "tx_bytes": 20, "tx_errors": 2}, {"rx_bytes": 5, "tx_bytes": 6}]
    row = parse_one({"has_network": True}, {"network": {"interfaces": interfaces, "rx_bytes": 99}})
    assert row["metrics"] == network(15, 1, 26, 2)


@pytest.mark.parametrize("sample", [{"network": {"rx_bytes": 99}}, {"network": {"interfaces": None}}, {}])
def test_k05_network_without_interfaces_is_zero(sample: dict[str, Any]) -> None:
    assert parse_one({"has_network": True}, sample)["metrics"] == network(0, 0, 0, 0)


def test_sum_beyond_int64_is_absent_and_counted() -> None:
    interfaces = [{"rx_bytes": 2**63 - 1}, {"rx_bytes": 1, "tx_bytes": 3}, {"rx_bytes": 5}]
    (row,), rows = parse(json.dumps([info({"has_network": True}, {"network": {"interfaces": interfaces}})]))
    assert row["metrics"] == {"network/rx_errors": 0, "network/tx": 3, "network/tx_errors": 0}
    assert rows.bad_values == 1


def test_bad_part_of_a_sum_loses_the_sum() -> None:
    interfaces = [{"rx_bytes": 1}, {"rx_bytes": "x", "tx_bytes": 3}, {"rx_bytes": 5}]
    (row,), rows = parse(json.dumps([info({"has_network": True}, {"network": {"interfaces": interfaces}})]))
    assert row["metrics"] == {"network/rx_errors": 0, "network/tx": 3, "network/tx_errors": 0}
    assert rows.bad_values == 1


@pytest.mark.parametrize("total", ["18446744073709551615", "-1", "1.5", '"7"'])
def test_k06_bad_counter_is_absent_and_counted(total: str) -> None:
    # Heapster: 18446744073709551615 is -1 (Q15), the others lose the node.
    body = f'[{{"name":"/c","spec":{{"has_cpu":true}},"stats":[{{"cpu":{{"usage":{{"total":{total}}}}}}}]}}]'
    (row,), rows = parse(body)
    assert (row["metrics"], rows.bad_values, rows.bad_offset) == ({}, 1, body.index(total))


def test_k07_filesystems() -> None:
    filesystems = [
        {
            "device": "/dev/a",
            "capacity": 2,
            "usage": 1,
            "available": 3,
            "inodes": 4,
            "inodes_free": 5,
            "has_inodes": True,
        },
        {"device": "/dev/b", "capacity": 6, "inodes": 7},
    ]
    assert parse_one({"has_filesystem": True}, {"filesystem": filesystems})["resources"] == [
        {"type": "filesystem", "id": "/dev/a", "usage": 1, "limit": 2, "available": 3, "inodes": 4, "inodes_free": 5},
        {"type": "filesystem", "id": "/dev/b", "usage": 0, "limit": 6, "available": 0},
    ]


def test_k08_disks_are_named_by_device_or_by_number() -> None:
    disks = [
        {"device": "", "major": 8, "minor": 0, "stats": {"Read": 111, "Write": 222, "read": 9}},
        {"device": "/dev/sdb", "stats": {"Async": 1}},
        {},
    ]
    assert parse_one({"has_diskio": True}, {"diskio": {"io_service_bytes": disks}})["resources"] == [
        {"type": "disk", "id": "8:0", "read_bytes": 111, "write_bytes": 222},
        {"type": "disk", "id": "/dev/sdb", "read_bytes": 0, "write_bytes": 0},
        {"type": "disk", "id": "0:0", "read_bytes": 0, "write_bytes": 0},
    ]


def custom(type_: str, format_: str, values: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    spec = {"has_custom_metrics": True, "custom_metrics": [{"name": "qps", "type": type_, "format": format_}]}
    custom_metrics = None if values is None else {"other": [{"int_value": 4}], "qps": values}
    row: list[dict[str, Any]] = parse_one(spec, {"custom_metrics": custom_metrics})["custom"]
    return row


T1, T2 = "2017-12-11T10:00:01Z", "2017-12-11T10:00:02Z"


def test_k09_newest_custom_value_counts_and_of_equals_the_first() -> None:
    values = [
        {"timestamp": T1, "float_value": 1.5},
        {"timestamp": T2, "float_value": 2.5},
        {"timestamp": T2, "float_value": 9.5},
    ]
    assert custom("gauge", "float", values) == [{"name": "qps", "type": "gauge", "value": 2.5}]


@pytest.mark.parametrize(("type_", "format_"), [("delta", "int"), ("weird", "int"), ("gauge", "string")])
def test_k10_custom_metric_of_another_type_is_skipped(type_: str, format_: str) -> None:
    assert custom(type_, format_, [{"timestamp": T1, "int_value": 1}]) == []


@pytest.mark.parametrize("values", [None, []])
def test_custom_metric_without_values_is_skipped(values: list[dict[str, Any]] | None) -> None:
    assert custom("gauge", "int", values) == []


def test_custom_integers_have_a_sign() -> None:
    assert custom("cumulative", "int", [{"timestamp": T1, "int_value": -3}])[0]["value"] == -3
    assert custom("cumulative", "int", [{"timestamp": T1}])[0]["value"] == 0


def test_custom_metrics_need_their_flag() -> None:
    spec = {"custom_metrics": [{"name": "qps", "type": "gauge", "format": "int"}]}
    assert parse_one(spec, {"custom_metrics": {"qps": [{"int_value": 1}]}})["custom"] == []


def test_custom_metrics_beyond_the_limit_are_dropped_and_counted() -> None:
    metrics = [{"name": f"m{i}", "type": "gauge", "format": "int"} for i in range(260)]
    spec = {"has_custom_metrics": True, "custom_metrics": metrics}
    sample = {"custom_metrics": {f"m{i}": [{"int_value": i}] for i in range(260)}}
    (row,), rows = parse(json.dumps([info(spec, sample)]))
    assert ([c["value"] for c in row["custom"]], rows.bad_values) == (list(range(256)), 4)


POD = {"namespace": "shop", "uid": "u1"}
IDENTITIES: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any] | None]] = {
    "k11 labels name a pod container": (
        {"name": "/docker/abc", "aliases": ["k8s_nginx_web-1_shop_x", "abc"]}, LABELS,
        {"kind": "pod_container", "name": "nginx", "pod": "web-1", "image": "img", **POD},
    ),
    "k12 the container POD is the pod": (
        {}, LABELS | {"io.kubernetes.container.name": "POD"}, {"kind": "pod", "name": "web-1", **POD},
    ),
    "k13 a path without labels": (
        {"name": "/system.slice/docker.service"}, {}, {"kind": "sys_container", "name": "system.slice/docker.service"},
    ),
    "k14 an old cluster": (
        {"name": "k8s_nginx.1a2b_x"}, {"io.kubernetes.pod.name": "shop/web-1"},
        {"kind": "pod_container", "name": "nginx", "namespace": "shop", "pod": "web-1", "uid": "", "image": "img"},
    ),
    "k15 a point among the first four bytes": ({"name": "/a.b"}, {}, {"kind": "sys_container", "name": "a.b"}),
    "a point right behind the prefix": (
        {"name": "k8s_.x"}, {"io.kubernetes.pod.name": "shop/web-1"}, {"kind": "sys_container", "name": "k8s_.x"},
    ),
    "half a character is no name": (
        {"name": "k8sé.x"}, {"io.kubernetes.pod.name": "shop/web-1"}, {"kind": "sys_container", "name": "k8sé.x"},
    ),
    "the root is the node": ({"name": "/"}, LABELS, {"kind": "node", "name": ""}),
    "an alias replaces the root": ({"name": "/", "aliases": ["/x"]}, {}, {"kind": "sys_container", "name": "x"}),
    "an empty alias replaces nothing": ({"name": "/y", "aliases": [""]}, {}, {"kind": "sys_container", "name": "y"}),
    "no namespace": (
        {"name": "/z"}, LABELS | {"io.kubernetes.pod.namespace": ""}, {"kind": "sys_container", "name": "z"},
    ),
    "labels have a case": (
        {"name": "/z"}, {key.upper(): value for key, value in LABELS.items()}, {"kind": "sys_container", "name": "z"},
    ),
    "a slash alone is no name": ({"name": "", "aliases": None}, {}, None),
    "labels need no name": ({"name": None}, LABELS,
        {"kind": "pod_container", "name": "nginx", "pod": "web-1", "image": "img", **POD},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("more", "labels", "want"), IDENTITIES.values(), ids=IDENTITIES.keys())
def test_kind_and_names_of_a_container(
    more: dict[str, Any], labels: dict[str, str], want: dict[str, Any] | None
) -> None:
    rows, raw = parse(json.dumps({"/key": info({"labels": labels, "image": "img"}, **more)}))
    names = [{k: v for k, v in row.items() if isinstance(v, str)} for row in rows]
    assert (names, raw.bad_values) == (([], 1) if want is None else ([want], 0))


def test_image_is_there_even_when_it_is_empty() -> None:
    assert parse_one({"labels": LABELS}, {})["image"] == ""


def test_k16_flags_decide_what_is_there() -> None:
    sample = {
        "cpu": {"usage": {"total": 1}}, "memory": {"usage": 1}, "network": {"interfaces": [{"rx_bytes": 1}]},
        "diskio": {"io_service_bytes": [{"device": "a"}]}, "filesystem": [{"device": "a"}],
    }  # fmt: skip
    row = parse_one({"has_cpu": False}, sample)
    assert (row["metrics"], row["resources"]) == ({}, [])


def test_k17_creation_time_is_the_start() -> None:
    assert parse_one({}, {})["start_ns"] is None
    assert parse_one({"creation_time": T1}, {})["start_ns"] == parse_time(T1)


def test_accelerators_need_no_flag() -> None:
    accelerator = {"make": "nvidia", "model": "k80", "id": "G-1", "memory_total": 1, "duty_cycle": 3}
    assert parse_one({}, {"accelerators": [accelerator]})["resources"] == [
        {"type": "accelerator", "id": "G-1", "make": "nvidia", "model": "k80", "memory_total": 1, "memory_used": 0,
         "duty_cycle": 3},
    ]  # fmt: skip


def test_resources_stand_in_heapsters_order() -> None:
    sample = {
        "accelerators": [{"id": "g"}], "filesystem": [{"device": "f"}],
        "diskio": {"io_service_bytes": [{"device": "d"}]},
    }  # fmt: skip
    row = parse_one({"has_filesystem": True, "has_diskio": True}, sample)
    assert [resource["id"] for resource in row["resources"]] == ["d", "f", "g"]


def test_spec_may_stand_anywhere() -> None:
    one = {"stats": [{"cpu": {"usage": {"total": 1}}}], "spec": {"has_cpu": True}, "name": "/c"}
    for order in (one, dict(reversed(one.items()))):
        (row,), _ = parse(json.dumps([order]))
        assert row["metrics"] == {"cpu/usage": 1}


def test_what_is_not_an_object_is_lost_and_counted() -> None:
    spec = {"has_cpu": True, "has_memory": True, "has_network": 1, "has_diskio": True}
    sample = {"cpu": 7, "memory": {"usage": 1, "container_data": 7}, "diskio": {"io_service_bytes": "x"}}
    (row,), rows = parse(json.dumps([info(spec, sample), 7]))
    lost = {"memory/usage": 1, "memory/cache": 0, "memory/rss": 0, "memory/working_set": 0}
    assert (row["metrics"], rows.bad_values) == (lost, 5)


FORMS = {
    "a map": lambda infos: {f"/{i}": one for i, one in enumerate(infos)},
    "a list": lambda infos: infos,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_node_comes_first(form: Any) -> None:
    rows, _ = parse(json.dumps(form([info(name="/a"), info(name="/"), info(name="/b")])))
    assert [(row["kind"], row["name"]) for row in rows] == [
        ("node", ""),
        ("sys_container", "a"),
        ("sys_container", "b"),
    ]


def test_single_info_is_an_answer_too() -> None:
    assert [row["kind"] for row in parse(json.dumps(info(name="/")))[0]] == ["node"]


@pytest.mark.parametrize("body", ["{}", "[]"])
def test_empty_answer_has_no_rows(body: str) -> None:
    assert parse(body)[0] == []


@pytest.mark.parametrize("body", ["", "7", '"x"', "null", "true"])
def test_answer_of_another_type_is_refused(body: str) -> None:
    with pytest.raises(ParseError, match="cAdvisor answer"):
        parse_cadvisor(body.encode(), Rows())


def test_container_listed_twice_is_the_one_that_started_last() -> None:
    def one(start: str, total: int) -> dict[str, Any]:
        spec = {"creation_time": start, "has_cpu": True, "labels": LABELS}
        return info(spec, {"cpu": {"usage": {"total": total}}}, name=f"/{total}")

    (row,), _ = parse(json.dumps([one(T1, 1), one(T2, 2), one(T1, 3)]))
    assert row["metrics"] == {"cpu/usage": 2}
