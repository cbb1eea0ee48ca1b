"""Recorded expositions: parser, plain twin and prometheus-client read the same, and the rows are metrics-server's."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from heapfast.codec._quantity import parse_value
from heapfast.errors import ParseError
from heapfast.wire import naive_exposition
from heapfast.wire._exposition import parse_exposition
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows
from tests.shared import shared_path

REQUESTED_NS = 1795337523000000000


class Answer(NamedTuple):
    """One body of a recorded kubelet."""

    node: str
    step: int
    body: bytes


class Usage(NamedTuple):
    """Of a node or container, at one step."""

    time_ns: int
    cpu_ns: int
    memory_bytes: int


def fixtures() -> list[Path]:
    folder = shared_path("fixtures/resource").parent
    return sorted([*folder.glob("resource/*.txt"), *folder.glob("cadvisor/*.txt")])


def scenario(name: str) -> list[Answer]:
    path = shared_path(f"conformance/metrics-server/{name}/inputs.jsonl.gz")
    entries = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [
        Answer(entry["node"], entry["step"], body_of(entry))
        for entry in entries
        if entry["kind"] == "kubelet" and ("body" in entry or "body_base64" in entry)
    ]


def body_of(entry: dict[str, Any]) -> bytes:
    return base64.b64decode(entry["body_base64"]) if "body_base64" in entry else entry["body"].encode()


def vectors(name: str) -> list[dict[str, Any]]:
    path = shared_path(f"conformance/metrics-server/{name}/vectors.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def parse(body: bytes) -> list[dict[str, Any]] | None:
    """Rows as the twin sees them too; None when both refuse the body."""
    rows = Rows()
    try:
        want = naive_exposition.parse_resource(body, REQUESTED_NS)
    except ParseError:
        with pytest.raises(ParseError):
            parse_resource(body, rows, REQUESTED_NS)
        return None
    parse_resource(body, rows, REQUESTED_NS)
    rows.check()
    assert (rows.to_dicts(), rows.bad_values) == want
    return rows.to_dicts()


def usage_of(rows: list[dict[str, Any]] | None) -> dict[tuple[str, ...], Usage]:
    """By namespace, pod and container; nothing of what metrics-server would call incomplete."""
    return {
        (row.get("namespace", ""), row.get("pod", ""), row["name"]): Usage(row["sample_ns"], *row["metrics"].values())
        for row in rows or ()
        if all(row["metrics"].get(metric) for metric in ("cpu/usage", "memory/working_set"))
    }


def rate_nanocores(before: Usage, after: Usage) -> int:
    """As metrics-server computes it (spec/metrics-k8s-io.md 16)."""
    seconds, ns = divmod(after.time_ns - before.time_ns, 10**9)
    return int((float(after.cpu_ns) - float(before.cpu_ns)) / (seconds + ns / 1e9))


def nanocores(quantity: str) -> int:
    number = quantity.rstrip("num")
    return int(number) * {"n": 1, "u": 10**3, "m": 10**6, "": 10**9}[quantity[len(number) :]]


def seconds_of(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000


def comparable(name: str, labels: Any, value: float, time_seconds: Any) -> str:
    # prometheus-client gives every counter the suffix that some of cAdvisor's lack.
    return repr(
        (
            name.removesuffix("_total"),
            sorted(labels),
            float(value),
            None if time_seconds is None else float(time_seconds),
        )
    )


def test_recorded_expositions_read_as_in_prometheus_client() -> None:
    for path in fixtures():
        body = path.read_bytes()
        samples = parse_exposition(body)
        assert repr(samples) == repr(naive_exposition.parse_exposition(body)), path.name
        assert len(samples) == sum(1 for line in body.splitlines() if line and not line.startswith(b"#")), path.name
        theirs = [
            comparable(sample.name, sample.labels.items(), sample.value, sample.timestamp)
            for family in text_families(body.decode())
            for sample in family.samples
        ]
        ours = [comparable(name, labels, value, seconds_of(time)) for name, labels, value, time in samples]
        assert sorted(ours) == sorted(theirs), path.name


def test_recorded_expositions_make_the_rows_of_their_twin() -> None:
    # /metrics/cadvisor, too, has the families that are read, for containers without a name and for many cgroups.
    paths = fixtures()
    assert len(paths) >= 8
    for path in paths:
        assert parse(path.read_bytes()) is not None, path.name


def test_recorded_resource_metrics_have_all_containers() -> None:
    body = shared_path("fixtures/resource/v1.21-70-pods.metrics-server.txt").read_bytes()
    rows = Rows()
    parse_resource(body, rows)
    assert (rows.bad_values, rows.bad_offset) == (0, -1)
    assert len(usage_of(rows.to_dicts())) == len(rows) == 71
    assert rows.to_dicts()[0]["kind"] == "node"


def test_openmetrics_reads_as_in_prometheus_client() -> None:
    text = (
        '# TYPE a counter\n# HELP a help \\"text\\"\na_total{x="1\\n"} 5 123.456 # {trace="q"} 0.5 1.5\n'
        '# TYPE h histogram\nh_bucket{le="+Inf"} 3 # {} 1\nh_count 3\nh_sum 1.5e3\n'
        '# TYPE s stateset\ns{s="x"} 1\n# TYPE t_seconds gauge\n# UNIT t_seconds seconds\nt_seconds NaN -2\n# EOF\n'
    )
    theirs = [
        comparable(sample.name, sample.labels.items(), sample.value, sample.timestamp)
        for family in openmetrics_families(text)
        for sample in family.samples
    ]
    samples = parse_exposition(text.encode(), openmetrics=True)
    ours = [comparable(name, labels, value, seconds_of(time)) for name, labels, value, time in samples]
    assert ours == theirs
    assert len(ours) == 6


@pytest.mark.parametrize("name", ["auth", "kwok", "large", "nodes", "plain", "rates-10s", "rates-15s"])
def test_answers_of_the_conformance_scenarios_make_the_rows_of_their_twin(name: str) -> None:
    answers = scenario(name)
    assert len({answer.node for answer in answers}) >= 1
    read = [answer.body for answer in answers if parse(answer.body) is not None]
    assert len(read) >= 1


#: Nodes of "parse" that metrics-server refused whole, for the time of one container: the others are kept.
KEPT = {"ctr-time-minus-one", "ctr-time-year-one", "start-time-minus"}
#: Well-formed, but nothing of it can be served: no samples, or no sample time that moves on.
NOTHING_TO_SERVE = {
    "empty-body", "only-comments", "scrape-error-only", "time-zero", "mem-time-zero", "time-int64-max",
    "time-minus-one", "time-year-one", "cpu-time-minus-one", "cpu-time-year-one", "mem-time-minus-one",
    "mem-time-year-one",
}  # fmt: skip


def test_what_metrics_server_refuses_is_refused() -> None:
    answers = [answer for answer in scenario("parse") if answer.step == 0]
    assert len(answers) >= 150
    served = {
        item["metadata"]["name"]
        for vector in vectors("parse")
        for item in vector["response"]["body_json"]["items"]
    }  # fmt: skip
    refused = {answer.node for answer in answers if parse(answer.body) is None}
    assert refused == {answer.node for answer in answers} - served - KEPT - NOTHING_TO_SERVE


@pytest.mark.parametrize("name", ["plain", "large", "parse"])
def test_rows_give_the_recorded_rates_to_the_last_digit(name: str) -> None:
    usage = {(answer.node, answer.step): usage_of(parse(answer.body)) for answer in scenario(name)}
    pods = {key[1]: node for (node, _), found in usage.items() for key in found}
    compared = 0
    for vector in vectors(name):
        step, answer = vector["after_step"], vector["response"].get("body_json", {})
        if answer.get("kind") not in ("NodeMetricsList", "PodMetricsList") or step != 1:
            continue
        for item in answer["items"]:
            if item["metadata"]["name"] in vector["match"].get("accidents", ()):
                continue
            is_node = answer["kind"] == "NodeMetricsList"
            node = item["metadata"]["name"] if is_node else pods[item["metadata"]["name"]]
            before, after = usage[node, 0], usage[node, 1]
            for container in [item] if is_node else item["containers"]:
                key = ("", "", "") if is_node else (
                    item["metadata"]["namespace"], item["metadata"]["name"], container["name"]
                )  # fmt: skip
                assert nanocores(container["usage"]["cpu"]) == rate_nanocores(before[key], after[key]), key
                assert parse_value(container["usage"]["memory"]) == after[key].memory_bytes, key
                compared += 1
    assert compared >= 10
