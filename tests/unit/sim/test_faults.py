"""Faults: which nodes they hit, and what they make of a body."""

import json
import re
from datetime import datetime, timedelta

import pytest

from heapfast.errors import ConfigError
from heapfast.sim.cluster import Cluster
from heapfast.sim.faults import Fault, Faults, parse_fault, spoil
from heapfast.sim.options import SimulateOptions


@pytest.fixture
def cluster(now_ms: int) -> Cluster:
    return Cluster(SimulateOptions(nodes=100, pods_per_node=2), now_ms)


@pytest.fixture
def faults(cluster: Cluster) -> Faults:
    return Faults(cluster)


@pytest.mark.parametrize(
    ("text", "target", "kind", "number"),
    [
        ("node-0003=hang", "node-0003", "hang", 0.0),
        ("5%=500", "5%", "500", 0.0),
        ("*=slow", "*", "slow", 5.0),
        ("*=slow:0.5", "*", "slow", 0.5),
        ("node-00*=clock-jump:-60", "node-00*", "clock-jump", -60.0),
    ],
)
def test_a_fault_is_read(text: str, target: str, kind: str, number: float) -> None:
    spec = parse_fault(text)
    assert (spec.target, spec.fault) == (target, Fault(kind, number))


def test_a_fault_may_be_of_one_path(faults: Faults, now_ms: int) -> None:
    faults.set(parse_fault("node-0003=slow:2@/stats/summary/"), now_ms)
    assert faults.find("node-0003", "/stats/summary") == faults.find("node-0003", "/stats/summary/") == Fault("slow", 2)
    assert faults.find("node-0003", "/metrics/resource") is None
    assert faults.describe() == {"node-0003/stats/summary": Fault("slow", 2)}
    faults.set(parse_fault("node-0003=hang"), now_ms)
    assert faults.find("node-0003", "/stats/summary") == Fault("slow", 2)
    assert faults.find("node-0003", "/metrics/resource") == Fault("hang")
    assert faults.clear("node-0003") == ["node-0003"]
    assert faults.describe() == {}


@pytest.mark.parametrize("text", ["a=restart@/stats/summary", "a=clock-jump:5@/x", "a=hang@stats", "a=hang@"])
def test_a_path_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot read fault"):
        parse_fault(text)


@pytest.mark.parametrize(
    "text", ["", "hang", "=hang", "a=", "a=sulk", "a=200", "a=99", "101%=hang", "x%=hang", "a=slow:1.2.3"]
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot read fault"):
        parse_fault(text)


@pytest.mark.parametrize(
    ("target", "count"),
    [("node-0003", 1), ("node-000*", 10), ("*", 100), ("5%", 5), ("0%", 0), ("100%", 100), ("nobody", 0)],
)
def test_a_target_means_nodes(faults: Faults, target: str, count: int) -> None:
    assert len(faults.select(target)) == count


def test_a_percentage_contains_the_smaller_ones(faults: Faults) -> None:
    assert set(faults.select("5%")) < set(faults.select("20%")) < set(faults.select("60%"))


def test_the_last_fault_of_a_node_counts_until_it_is_cleared(faults: Faults, now_ms: int) -> None:
    faults.set(parse_fault("node-000*=hang"), now_ms)
    faults.set(parse_fault("node-0003=500"), now_ms)
    assert faults.find("node-0003") == Fault("500")
    assert faults.find("node-0004") == Fault("hang")
    assert faults.clear("node-0003") == ["node-0003"]
    assert faults.find("node-0003") is None
    assert faults.clear("node-0003") == []
    assert len(faults.clear()) == 9
    assert faults.describe() == {}


def test_a_clock_jump_moves_times_but_not_counters(cluster: Cluster, faults: Faults, now_ms: int) -> None:
    host = cluster.hosts[0]
    before = json.loads(cluster.bodies(host).summary(now_ms))["node"]
    faults.set(parse_fault(f"{host.name}=clock-jump:-3600"), now_ms)
    after = json.loads(cluster.bodies(host).summary(now_ms))["node"]
    assert after["cpu"]["usageCoreNanoSeconds"] == before["cpu"]["usageCoreNanoSeconds"]
    was, now = (datetime.fromisoformat(node["cpu"]["time"]) for node in (before, after))
    assert now == was - timedelta(hours=1)
    faults.clear(host.name)
    assert json.loads(cluster.bodies(host).summary(now_ms))["node"] == before


def test_a_restart_happens_once_and_leaves_no_fault(cluster: Cluster, faults: Faults, now_ms: int) -> None:
    host = cluster.hosts[0]
    faults.set(parse_fault(f"{host.name}=restart"), now_ms)
    assert faults.find(host.name) is None
    later = json.loads(cluster.bodies(host).summary(now_ms + 30_000))["node"]
    assert later["cpu"]["usageCoreNanoSeconds"] == cluster.expected_node(host.name, now_ms + 30_000).total.cpu_usage_ns
    assert later["cpu"]["usageCoreNanoSeconds"] < host.load.cpu_millicores * 31_000 * 1000


BODIES = ("summary", "stats_container", "resource", "cadvisor")


@pytest.fixture
def bodies(cluster: Cluster, now_ms: int) -> dict[str, bytes]:
    node = cluster.bodies(cluster.hosts[0])
    return {name: getattr(node, name)(now_ms) for name in BODIES}


@pytest.mark.parametrize("name", BODIES[:2])
def test_spoiled_json_is_wrong_in_the_way_its_kind_says(bodies: dict[str, bytes], name: str) -> None:
    body = bodies[name]
    with pytest.raises(json.JSONDecodeError):
        json.loads(spoil("badjson", body))
    with pytest.raises(UnicodeDecodeError):
        spoil("bad-utf8", body).decode()
    assert b': "much"' in spoil("wrong-type", body)
    assert json.loads(spoil("wrong-type", body))
    assert b": -" in spoil("negative", body)
    assert json.loads(spoil("negative", body))
    assert json.loads(spoil("too-big", body))
    assert max(map(int, re.findall(rb"[0-9]+", spoil("too-big", body)))) > 2**64
    pairs: list[str] = []
    json.loads(spoil("duplicate-pods", body), object_pairs_hook=lambda found: pairs.extend(key for key, _ in found))
    once: list[str] = []
    json.loads(body, object_pairs_hook=lambda found: once.extend(key for key, _ in found))
    assert len(pairs) > len(once)


@pytest.mark.parametrize("name", BODIES[2:])
def test_spoiled_text_is_wrong_in_the_way_its_kind_says(bodies: dict[str, bytes], name: str) -> None:
    body = bodies[name]
    assert spoil("badjson", body).count(b'"') == body.count(b'"') - 1
    with pytest.raises(UnicodeDecodeError):
        spoil("bad-utf8", body).decode()
    assert b" much " in spoil("wrong-type", body)
    assert b" -" in spoil("negative", body)
    assert re.search(rb"_cpu_usage_seconds_total\S* [0-9.]+e300\b", spoil("too-big", body))
    samples = [line for line in body.splitlines() if not line.startswith(b"#")]
    twice = [line for line in spoil("duplicate-pods", body).splitlines() if not line.startswith(b"#")]
    assert sorted(twice) == sorted(samples * 2)


def test_every_pod_of_a_summary_is_listed_twice(bodies: dict[str, bytes]) -> None:
    names = [pod["podRef"]["name"] for pod in json.loads(spoil("duplicate-pods", bodies["summary"]))["pods"]]
    assert sorted(names) == sorted(names[:2] * 2)


def test_a_summary_without_pods_stays_as_it_is(now_ms: int) -> None:
    empty = Cluster(SimulateOptions(nodes=1, pods_per_node=0), now_ms)
    body = empty.bodies(empty.hosts[0]).summary(now_ms)
    assert spoil("duplicate-pods", body) == body


@pytest.mark.parametrize("name", BODIES)
def test_some_bodies_are_nothing_that_a_kubelet_says(bodies: dict[str, bytes], name: str) -> None:
    assert spoil("empty", bodies[name]) == b""
    assert spoil("html", bodies[name]).startswith(b"<!DOCTYPE html>")
    assert spoil("nested", bodies[name]) == b"[" * 100_000


@pytest.mark.parametrize("kind", ["clock-jump", "close", "cut", "hang", "huge", "restart", "slow"])
def test_other_kinds_leave_bodies_alone(bodies: dict[str, bytes], kind: str) -> None:
    assert spoil(kind, bodies["summary"]) == bodies["summary"]
