"""The Summary API, row by row of spec/heapster-pipeline.md 8.6 (S-*), and what the table leaves open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heapfast.codec._rfc3339 import parse_time
from heapfast.wire import naive_summary
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

Dicts = list[dict[str, Any]]


def parse(body: str | bytes) -> tuple[Dicts, Rows]:
    """Parses, and sees that the twin makes the same of it."""
    raw = body.encode() if isinstance(body, str) else body
    rows = Rows()
    parse_summary(raw, rows)
    rows.check()
    want = naive_summary.parse_summary(raw)
    assert (rows.to_dicts(), rows.bad_values) == want
    return rows.to_dicts(), rows


def parse_node(members: str) -> tuple[dict[str, Any], Rows]:
    rows, raw = parse(f'{{"node":{{"nodeName":"n1",{members}}}}}')
    return rows[0], raw


def parse_containers(*containers: str, pod: str = "") -> tuple[Dicts, Rows]:
    """The containers of one pod."""
    ref = '"podRef":{"name":"web-1","namespace":"shop","uid":"u1"}'
    rows, raw = parse(f'{{"node":{{"nodeName":"n1"}},"pods":[{{{ref},{pod}"containers":[{",".join(containers)}]}}]}}')
    assert [row["kind"] for row in rows[:2]] == ["node", "pod"]
    return rows[2:], raw


def time(clock: str) -> int:
    return parse_time(f"2017-12-11T{clock}Z")


def test_s01_node_without_statistics_is_a_row() -> None:
    rows, _ = parse('{"node":{"nodeName":"n1"},"pods":[]}')
    empty: dict[str, Any] = {"metrics": {}, "resources": [], "custom": []}
    assert rows == [{"kind": "node", "name": "n1", "start_ns": None, "sample_ns": None, **empty}]


def test_s02_counter_beyond_int64_is_absent_and_counted() -> None:
    # Heapster: -1 (Q15).
    node, rows = parse_node('"memory":{"usageBytes":18446744073709551615,"rssBytes":7}')
    assert node["metrics"] == {"memory/rss": 7}
    assert rows.bad_values == 1


@pytest.mark.parametrize(
    "value", ["1.0", "1e3", "-1", '"7"', "true", "[1]", '{"a":1}', "9223372036854775808", "1" * 30]
)
def test_s03_bad_number_loses_that_sample_only(value: str) -> None:
    # Heapster: the whole node (Q18).
    body = f'{{"node":{{"nodeName":"n1","cpu":{{"usageCoreNanoSeconds":{value}}},"memory":{{"rssBytes":7}}}}}}'
    rows, raw = parse(body)
    assert rows[0]["metrics"] == {"memory/rss": 7}
    assert (raw.bad_values, raw.bad_offset) == (1, body.index(value))


@pytest.mark.parametrize("value", ['"notatime"', "7", '""', '"2017-12-11"', '"9999-12-31T00:00:00Z"'])
def test_s04_bad_time_is_unknown_and_counted(value: str) -> None:
    # Heapster: the scrape of the whole node fails.
    node, rows = parse_node(f'"startTime":{value},"cpu":{{"usageCoreNanoSeconds":5}}')
    assert (node["start_ns"], node["metrics"], rows.bad_values) == (None, {"cpu/usage": 5}, 1)


def test_s05_node_keeps_the_name_of_the_answer() -> None:
    assert parse('{"node":{"nodeName":"other"}}')[0][0]["name"] == "other"


TIMES = {
    "cpu first": ("10:00:00", "10:00:01", "10:00:02", "10:00:00"),
    "s06 memory when cpu has none": (None, "10:00:01", "10:00:02", "10:00:01"),
    "network when nothing else has": (None, None, "10:00:02", "10:00:02"),
    "none": (None, None, None, None),
}


@pytest.mark.parametrize(("cpu", "memory", "network", "want"), TIMES.values(), ids=TIMES.keys())
def test_sample_time_of_a_node(cpu: str | None, memory: str | None, network: str | None, want: str | None) -> None:
    groups = {
        name: {"time": clock and f"2017-12-11T{clock}Z"}
        for name, clock in (("network", network), ("memory", memory), ("cpu", cpu))
    }
    node, _ = parse_node(json.dumps(groups)[1:-1])
    assert node["sample_ns"] == (want and time(want))


def test_container_never_takes_the_time_of_its_network() -> None:
    (container,), _ = parse_containers('{"name":"c","network":{"time":"2017-12-11T10:00:02Z"}}')
    assert container["sample_ns"] is None


def test_s07_pod_takes_the_time_of_its_network() -> None:
    pod = '"network":{"time":"2017-12-11T10:00:03.25+01:00","rxBytes":1},"cpu":{"time":"2017-12-11T10:00:09Z"},'
    _, rows = parse_containers(pod=pod)
    assert rows.to_dicts()[1]["sample_ns"] == time("09:00:03.25")
    assert rows.to_dicts()[1]["metrics"] == {"network/rx": 1}


def test_s08_pod_without_network_has_no_time() -> None:
    _, rows = parse_containers(pod='"cpu":{"time":"2017-12-11T10:00:09Z","usageCoreNanoSeconds":1},')
    assert (rows.to_dicts()[1]["sample_ns"], rows.to_dicts()[1]["metrics"]) == (None, {})


def entry(name: str, start: str | None, usage: int, sampled: str | None = None) -> str:
    return json.dumps(
        {
            "name": name,
            "startTime": start and f"2017-12-11T{start}Z",
            "cpu": {"time": sampled and f"2017-12-11T{sampled}Z", "usageCoreNanoSeconds": usage},
        }
    )


DUPLICATES = {
    "s09 the one that started last": (("09:00:00", None), ("09:30:00", None), ("09:00:00", None), 2),
    "s10 equal starts: the last": (("09:00:00", None), ("09:00:00", None), ("09:00:00", None), 3),
    "equal starts: the newest sample": (
        ("09:00:00", "10:00:01"),
        ("09:00:00", "10:00:09"),
        ("09:00:00", "10:00:05"),
        2,
    ),
    "equal starts and samples: the last": (("09:00:00", "10:00:01"), ("09:00:00", "10:00:01"), ("08:00:00", None), 2),
    "a start beats a sample": (("09:00:01", "10:00:01"), ("09:00:00", "10:00:09"), ("09:00:00", None), 1),
    "an unknown start is the earliest": ((None, "10:00:09"), ("09:00:00", "10:00:01"), (None, "10:00:09"), 2),
    "an unknown sample is the oldest": (("09:00:00", "10:00:01"), ("09:00:00", None), ("09:00:00", None), 1),
}


@pytest.mark.parametrize(("first", "second", "third", "want"), DUPLICATES.values(), ids=DUPLICATES.keys())
def test_container_listed_more_than_once(first: Any, second: Any, third: Any, want: int) -> None:
    listed = [entry("c", start, i, sampled) for i, (start, sampled) in enumerate((first, second, third), 1)]
    containers, _ = parse_containers(listed[0], entry("d", None, 9), *listed[1:])
    assert sorted((c["name"], c["metrics"]["cpu/usage"]) for c in containers) == [("c", want), ("d", 9)]


def test_s11_system_containers_get_heapsters_names() -> None:
    names = ("kubelet", "runtime", "misc", "pods")
    listed = ",".join(f'{{"name":"{name}"}}' for name in names)
    rows, _ = parse(f'{{"node":{{"nodeName":"n1","systemContainers":[{listed}]}}}}')
    want = [("sys_container", name) for name in ("kubelet", "docker-daemon", "system", "pods")]
    assert [(row["kind"], row["name"]) for row in rows[1:]] == want


def test_translated_name_that_is_there_already_is_a_duplicate() -> None:
    listed = (
        '{"name":"docker-daemon","cpu":{"usageCoreNanoSeconds":1}},{"name":"runtime","cpu":{"usageCoreNanoSeconds":2}}'
    )
    rows, _ = parse(f'{{"node":{{"nodeName":"n1","systemContainers":[{listed}]}}}}')
    assert [(row["name"], row["metrics"]) for row in rows[1:]] == [("docker-daemon", {"cpu/usage": 2})]


def test_s12_pod_containers_keep_their_names() -> None:
    (container,), _ = parse_containers('{"name":"runtime"}')
    assert container == {
        "kind": "pod_container", "name": "runtime", "namespace": "shop", "pod": "web-1", "uid": "u1", "start_ns": None,
        "sample_ns": None, "metrics": {}, "resources": [], "custom": [],
    }  # fmt: skip


def test_s13_missing_number_of_an_accelerator_is_zero() -> None:
    listed = '{"make":"nvidia","model":"k80","id":"G-1","memoryTotal":1,"dutyCycle":3}'
    (container,), _ = parse_containers(f'{{"name":"c","accelerators":[{listed}]}}')
    values = {"memory_total": 1, "memory_used": 0, "duty_cycle": 3}
    assert container["resources"] == [{"type": "accelerator", "id": "G-1", "make": "nvidia", "model": "k80", **values}]


def test_s14_user_metrics_are_64_bit_floats_and_unknown_types_are_skipped() -> None:
    # Heapster rounds to 32 bits: 16777216 and infinity (Q1).
    listed = [
        '{"name":"a","type":"delta","value":16777217}',
        '{"name":"b","type":"weird","value":1}',
        '{"name":"c","type":"cumulative","value":1e300}',
        '{"name":"d","type":"gauge"}',
        '{"name":"e","type":"gauge","value":-1.5}',
        '{"name":"f","type":"gauge","value":"x"}',
        '{"name":"g","type":"gauge","value":1e999}',
        '{"type":"gauge","value":1}',
    ]
    (container,), rows = parse_containers(f'{{"name":"c","userDefinedMetrics":[{",".join(listed)}]}}')
    assert container["custom"] == [
        {"name": "a", "type": "delta", "value": 16777217.0},
        {"name": "c", "type": "cumulative", "value": 1e300},
        {"name": "d", "type": "gauge", "value": 0.0},
        {"name": "e", "type": "gauge", "value": -1.5},
    ]
    assert rows.bad_values == 3


def test_s15_filesystems_of_a_container() -> None:
    body = '{"name":"c","logs":{"usedBytes":50},"rootfs":{"usedBytes":1000,"capacityBytes":2000}}'
    (container,), _ = parse_containers(body)
    assert container["resources"] == [
        {"type": "filesystem", "id": "/", "usage": 1000, "limit": 2000},
        {"type": "filesystem", "id": "logs", "usage": 50},
    ]


def test_s16_volumes_of_a_pod() -> None:
    _, rows = parse_containers(
        pod='"volume":[{"name":"data","usedBytes":123,"inodes":100,"inodesFree":90},{"name":"e"}],'
    )
    want = [{"type": "volume", "id": "data", "usage": 123, "inodes": 100, "inodes_free": 90}]
    assert rows.to_dicts()[1]["resources"] == want


def test_s17_start_time_is_kept_for_the_uptime() -> None:
    node, _ = parse_node('"startTime":"2017-12-11T10:00:00Z"')
    assert (node["start_ns"], "uptime" in node["metrics"]) == (time("10:00:00"), False)


def test_s18_absent_or_null_sample_leaves_the_others() -> None:
    node, rows = parse_node('"memory":{"usageBytes":1,"pageFaults":null,"majorPageFaults":0}')
    assert node["metrics"] == {"memory/usage": 1, "memory/major_page_faults": 0}
    assert rows.bad_values == 0


def test_s19_member_names_have_no_case() -> None:
    body = '{"NODE":{"NodeName":"n9","cPU":{"USAGECORENANOSECONDS":3},"SystemContainers":[{"NAME":"x"}]}}'
    rows, _ = parse(body)
    assert [(row["name"], row["metrics"]) for row in rows] == [("n9", {"cpu/usage": 3}), ("x", {})]


def test_member_name_that_only_looks_alike_is_unknown() -> None:
    # "CPU" with the bits of its case set elsewhere, a Kelvin sign, and names that share a first or last word.
    node, rows = parse_node(
        '"\\u0043P\\u0055x":{"usageCoreNanoSeconds":1},"usageCoreNanoSeconds":2,"cp5":{"usageCoreNanoSeconds":3},'
        '"cpu":{"usageCoreNanoSecondz":4,"usageXoreNanoSeconds":5,"usageCoreNanoSeconds2":6,"usageNanoCores":7}'
    )
    assert (node["metrics"], rows.bad_values) == ({}, 0)


def test_escapes_in_names_are_undone() -> None:
    rows, _ = parse('{"\\u006eode":{"nodeName":"a\\u00e9\\ud83d\\ude00\\ud800\\n\\/"}}')
    assert rows[0]["name"] == "aé😀\ufffd\n/"


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    rows, _ = parse(b'{"node":{"nodeName":"a\xffb\xe2\x82\xc3\xa9\xed\xa0\x80"}}')
    assert rows[0]["name"] == "a\ufffdb\ufffd\ufffdé\ufffd\ufffd\ufffd"


LAST_WINS = {
    "a value": ('"cpu":{"usageCoreNanoSeconds":1,"usageCoreNanoSeconds":2}', {"cpu/usage": 2}),
    "null after a value": ('"cpu":{"usageCoreNanoSeconds":1,"usageCoreNanoSeconds":null}', {}),
    "a bad value after a good one": ('"cpu":{"usageCoreNanoSeconds":1,"usageCoreNanoSeconds":-1}', {}),
    "a group, whole": ('"memory":{"usageBytes":1},"memory":{"rssBytes":2}', {"memory/rss": 2}),
    "null after a group": ('"memory":{"usageBytes":1},"memory":null', {}),
    "a number after a group": ('"memory":{"usageBytes":1},"memory":7', {}),
}


@pytest.mark.parametrize(("members", "want"), LAST_WINS.values(), ids=LAST_WINS.keys())
def test_of_two_members_the_later_counts(members: str, want: dict[str, int]) -> None:
    assert parse_node(members)[0]["metrics"] == want


def test_of_two_lists_the_later_counts() -> None:
    pod = '{{"podRef":{{"name":"{0}","namespace":"s"}},"containers":[{{"name":"a"}}],"containers":[{{"name":"b"}}]}}'
    body = (
        '{"pods":[' + pod.format("p") + '],"node":{"nodeName":"m","systemContainers":[{"name":"x"}]},'
        '"node":{"nodeName":"n","systemContainers":[{"name":"y"}],"systemContainers":[{"name":"z"}]},'
        '"pods":[' + pod.format("q") + "]}"
    )
    rows, _ = parse(body)
    assert [(row["kind"], row["name"]) for row in rows] == [
        ("node", "n"), ("sys_container", "z"), ("pod", "q"), ("pod_container", "b"),
    ]  # fmt: skip


def test_pod_listed_twice_joins_its_containers() -> None:
    def pod(uid: str, *containers: str) -> str:
        ref = f'"podRef":{{"name":"p","namespace":"s","uid":"{uid}"}}'
        return f'{{"containers":[{",".join(containers)}],{ref}}}'

    first = pod("u1", entry("both", "09:30:00", 1), entry("first", "09:00:00", 2))
    second = pod("u2", entry("both", "09:00:00", 3), entry("second", "09:00:00", 4))
    rows, _ = parse(f'{{"node":{{"nodeName":"n"}},"pods":[{first},{second}]}}')
    assert [(row["kind"], row["name"], row["uid"]) for row in rows[1:]] == [
        ("pod_container", "both", "u1"), ("pod_container", "first", "u1"), ("pod", "p", "u2"),
        ("pod_container", "second", "u2"),
    ]  # fmt: skip


NAMELESS = {
    "a container without a name": ('"containers":[{"cpu":{}},{"name":""},{"name":"c"}]', 2, ["n", "p", "c"]),
    "a pod with a number for a name": ('"podRef":{"name":7,"namespace":"s"},"containers":[{"name":"c"}]', 2, ["n"]),
    "a pod without a namespace": ('"podRef":{"name":"p"},"containers":[{"name":"c"}]', 1, ["n"]),
    "a pod without a reference": ('"podRef":null,"containers":[{"name":"c"}]', 1, ["n"]),
}


@pytest.mark.parametrize(("members", "bad", "want"), NAMELESS.values(), ids=NAMELESS.keys())
def test_entity_without_a_name_is_dropped_and_counted(members: str, bad: int, want: list[str]) -> None:
    rows, raw = parse(f'{{"node":{{"nodeName":"n"}},"pods":[{{"podRef":{{"name":"p","namespace":"s"}},{members}}}]}}')
    assert ([row["name"] for row in rows], raw.bad_values) == (want, bad)


@pytest.mark.parametrize("body", ["{}", '{"node":null,"pods":null}', '{"node":{}}', '{"node":{"nodeName":null}}'])
def test_node_without_a_name_is_counted_and_stays_the_first_row(body: str) -> None:
    rows, raw = parse(body)
    assert ([row["kind"] for row in rows], rows[0]["name"], raw.bad_values) == (["node"], "", 1)


MISTYPED = {
    "pods": '{"node":{"nodeName":"n"},"pods":"x"}',
    "a pod": '{"node":{"nodeName":"n"},"pods":[7]}',
    "system containers": '{"node":{"nodeName":"n","systemContainers":{}}}',
    "cpu": '{"node":{"nodeName":"n","cpu":7}}',
    "fs": '{"node":{"nodeName":"n","fs":[]}}',
}


@pytest.mark.parametrize("body", MISTYPED.values(), ids=MISTYPED.keys())
def test_mistyped_group_is_skipped_and_counted(body: str) -> None:
    rows, raw = parse(body)
    assert ([row["name"] for row in rows], rows[0]["metrics"], raw.bad_values) == (["n"], {}, 1)


def test_null_elements_are_absent() -> None:
    rows, raw = parse('{"node":{"nodeName":"n","systemContainers":[null]},"pods":[null,{"podRef":{}}]}')
    assert ([row["name"] for row in rows], raw.bad_values) == (["n"], 1)


def test_thousands_of_pods_with_one_name_are_one() -> None:
    pod = '{"podRef":{"name":"p","namespace":"s"},"containers":[{"name":"c"}]}'
    rows, _ = parse(f'{{"node":{{"nodeName":"n"}},"pods":[{",".join([pod] * 3000)}]}}')
    assert [row["name"] for row in rows] == ["n", "p", "c"]


def test_rows_serve_one_body_after_another() -> None:
    rows = Rows()
    big = ",".join(
        f'{{"podRef":{{"name":"p\\u002d{i}","namespace":"s"}},"containers":[{{"name":"c"}}]}}' for i in range(200)
    )
    for _ in range(2):
        parse_summary(f'{{"node":{{"nodeName":"a"}},"pods":[{big}]}}'.encode(), rows)
        assert (len(rows), rows.to_dicts()[-1]["pod"]) == (401, "p-199")
        parse_summary(b'{"node":{"nodeName":"b"}}', rows)
        assert [row["name"] for row in rows.to_dicts()] == ["b"]
    rows.clear()
    assert (len(rows), rows.to_dicts(), rows.bad_values, rows.bad_offset) == (0, [], 0, -1)
