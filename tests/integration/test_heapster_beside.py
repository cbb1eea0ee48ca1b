"""A real Heapster beside heapfast: what either wrote into InfluxDB, both read, and their answers are compared.

Both scrape one simulated cluster for some batches, each into two databases, one a schema. Then two servers that only
answer are asked the same of each database. What differs is settled by the rows of conformance/heapster/differences.py
that are about numbers, or stands here with its number: lists (B3), what is not there (B2, B4, B5), names (B4).
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conformance.heapster import settle_answers, settle_history
from tests.conformance.heapster.exchange import Answer, Exchange
from tests.conformance.heapster.recordings import Scenario, matcher
from tests.integration import heapster_server
from tests.integration.heapster_server import NEVER, RESOLUTION, Cluster, get

pytestmark = pytest.mark.timeout(240)

#: How many batches each database has before it is asked; the first has no rates.
BATCHES = 3
#: Heapster's take 10 s each.
PATIENCE_SECONDS = 100.0
PREFIX = "/api/v1/historical"
DATABASES = ("heapsters", "heapsters_fields", "ours", "ours_fields")
#: B13, B17: the decisions that show in numbers.
SETTLED = (settle_answers.float_values, settle_history.float_aggregates)
ALL = "average,max,min,median,count,50-perc,95-perc,99-perc"
#: An integer and a float of which each aggregation is asked alone, too: then InfluxDB stamps some itself.
ALONE = dict.fromkeys(("memory/usage", "cpu/node_utilization"), ALL.split(","))
NO_SAMPLES = {"metrics": [], "latestTimestamp": "0001-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Filled:
    """An InfluxDB that both have written to.

    Attributes:
        start, end: a span that all of it is in.
        containers: what Heapster and heapfast said of one pod's while they had it in memory.
    """

    host: str
    cluster: Cluster
    start: datetime
    end: datetime
    containers: tuple[Answer, Answer]

    def sink(self, database: str) -> str:
        return sink_of(self.host, database)

    def query(self, database: str, statement: str) -> list[dict[str, Any]]:
        """The series of an InfluxQL statement's answer."""
        return query(self.host, database, statement)

    @property
    def span(self) -> dict[str, str]:
        return {"start": stamp(self.start), "end": stamp(self.end)}


@dataclass(frozen=True)
class Pair:
    """Both servers, asked about one database."""

    heapster_url: str
    heapfast_url: str

    def ask(self, path: str, **parameters: str) -> tuple[Answer, Answer]:
        below = f"{PREFIX}/{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        return get(self.heapster_url + below), get(self.heapfast_url + below)


def sink_of(host: str, database: str) -> str:
    schema = "&withfields=true" if database.endswith("_fields") else ""
    return f"influxdb:http://{host}/?db={database}{schema}"


def query(host: str, database: str, statement: str) -> list[dict[str, Any]]:
    answer = get(f"http://{host}/query?{urlencode({'db': database, 'q': statement})}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = json.loads(answer.body)["results"][0].get("series", [])
    return found


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def stamps_of(host: str, database: str) -> set[str]:
    """Times of the batches that a database has."""
    found = query(host, database, "SELECT value FROM uptime WHERE type = 'node'")
    return {time for time, _ in found[0]["values"]} if found else set()


@pytest.fixture(scope="module")
def filled(influxdb_host: str) -> Iterator[Filled]:
    """Both have written some batches and have ended; the cluster goes on."""
    start = datetime.now(UTC) - timedelta(minutes=1)
    sinks = {database: sink_of(influxdb_host, database) for database in DATABASES}
    theirs, ours = sinks["heapsters"], sinks["ours"]
    flags = (f"--sink={ours}", f"--sink={sinks['ours_fields']}", f"--historical-source={ours}")
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(heapster_server.cluster(nodes=2, pods_per_node=3, namespaces=2))
        with (
            heapster_server.heapster(
                cluster, theirs, sinks["heapsters_fields"], history=theirs, resolution=RESOLUTION
            ) as heapster_url,
            heapster_server.heapfast(cluster, *flags, resolution=RESOLUTION) as heapfast_url,
        ):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while any(len(stamps_of(influxdb_host, database)) <= BATCHES for database in DATABASES):
                counts = {database: len(stamps_of(influxdb_host, database)) for database in DATABASES}
                assert time.monotonic() < deadline, f"somebody writes no batches: {counts}"
                time.sleep(0.5)
            namespace, pods = next(iter(cluster.objects().pods.items()))
            containers = Pair(heapster_url, heapfast_url).ask(f"namespaces/{namespace}/pods/{pods[0]}/containers")
        end = datetime.now(UTC) + timedelta(minutes=1)
        yield Filled(influxdb_host, cluster, start, end, containers)


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def pair(filled: Filled, database: str) -> Iterator[Pair]:
    """Heapster and heapfast, which answer about one database and write nothing."""
    sink = filled.sink(database)
    with (
        heapster_server.heapster(filled.cluster, sink, history=sink, resolution=NEVER) as heapster_url,
        heapster_server.heapfast(filled.cluster, f"--historical-source={sink}", resolution=NEVER) as heapfast_url,
    ):
        yield Pair(heapster_url, heapfast_url)


def entities(filled: Filled) -> dict[str, str]:
    """One of each kind: its path."""
    objects = filled.cluster.objects()
    (namespace, pod), containers = next(iter(objects.containers.items()))
    node = objects.nodes[0]
    return {
        "cluster": "",
        "node": f"nodes/{node}/",
        "system container": f"nodes/{node}/freecontainers/kubelet/",
        "namespace": f"namespaces/{namespace}/",
        "pod": f"namespaces/{namespace}/pods/{pod}/",
        "container": f"namespaces/{namespace}/pods/{pod}/containers/{containers[0]}/",
    }


def differences(asked: str, heapsters: Answer, ours: Answer) -> list[str]:
    """What differs between two answers beyond what was decided."""
    vector = {
        "route": "historical/beside",
        "request": {"path": f"{PREFIX}/{asked}"},
        "response": {"status": heapsters.status, "headers": heapsters.headers, "body": heapsters.body},
        "match": {"kind": "exact"},
    }
    if heapsters.status == ours.status == 200:
        vector["match"] = {"kind": "json"}
    exchange = Exchange(Scenario("beside", {}, [], [], []), vector, ours)
    if matcher().differences(exchange.vector, *exchange.answer):
        for settle in SETTLED:
            settle(exchange)
    found = matcher().differences(exchange.vector, *exchange.answer)
    if not found and exchange.is_json():
        # The recordings' matcher leaves floats the width that Heapster 1.5.0 gave them; 1.5.2 has 64 bits, too.
        heapsters_value, our_value = exchange.read()
        found = [] if heapsters_value == our_value else ["last digits"]
    return [f"{asked}: {one}" for one in found]


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    found: list[str] = json.loads(answer.body)
    return found


def metrics_of(pair: Pair, path: str) -> list[str]:
    return names(get(f"{pair.heapfast_url}{PREFIX}/{path}metrics"))


def test_every_metric_of_every_kind_has_heapsters_samples_and_aggregates(pair: Pair, filled: Filled) -> None:
    """Raw and in buckets, over all of it and over a part."""
    later = {**filled.span, "start": stamp(filled.end - timedelta(minutes=1, seconds=15))}
    faults, n_asked, n_samples = [], 0, 0
    for path in entities(filled).values():
        for metric in metrics_of(pair, path):
            questions: list[tuple[str, dict[str, str]]] = [
                (f"{path}metrics/{metric}", filled.span),
                (f"{path}metrics-aggregated/{ALL}/{metric}", filled.span),
                (f"{path}metrics-aggregated/{ALL}/{metric}", {**filled.span, "bucket": "10s"}),
                (f"{path}metrics-aggregated/{ALL}/{metric}", {**later, "bucket": "1m"}),
                *((f"{path}metrics-aggregated/{one}/{metric}", filled.span) for one in ALONE.get(metric, ())),
            ]
            for asked, parameters in questions:
                heapsters, ours = pair.ask(asked, **parameters)
                if heapsters.status == 500 and heapsters.body.startswith("No results"):
                    # B4: what is not there is empty.
                    assert ours.status == 200, ours.body
                    assert not any(json.loads(ours.body).get(name) for name in ("metrics", "buckets"))
                    continue
                faults += differences(f"{asked} {parameters}", heapsters, ours)
                n_asked += 1
                n_samples += heapsters.body.count('"timestamp"')
    assert not faults, "\n".join(faults)
    assert n_asked > 300
    assert n_samples > n_asked


def test_a_label_singles_out_a_filesystem_as_in_heapster(pair: Pair, filled: Filled) -> None:
    faults = []
    path = entities(filled)["node"]
    for labels in ("resource_id:/", "resource_id:none", "nodename:x,resource_id:/"):
        for asked in (f"{path}metrics/filesystem/usage", f"{path}metrics-aggregated/{ALL}/filesystem/usage"):
            heapsters, ours = pair.ask(asked, labels=labels, **filled.span)
            if heapsters.status == 500:
                assert ours.status == 200, "B4"
                assert not any(json.loads(ours.body).get(name) for name in ("metrics", "buckets"))
            else:
                faults += differences(f"{asked} {labels}", heapsters, ours)
    assert not faults, "\n".join(faults)


def test_lists_of_pods_are_heapsters(pair: Pair, filled: Filled) -> None:
    faults = []
    for namespace, pods in filled.cluster.objects().pods.items():
        for asked in ("metrics/memory/usage", f"metrics-aggregated/{ALL}/memory/usage"):
            listed = f"namespaces/{namespace}/pod-list/{','.join(pods)}/{asked}"
            faults += differences(listed, *pair.ask(listed, **filled.span))
    assert not faults, "\n".join(faults)


def test_one_pod_that_is_not_there_costs_its_item_alone(pair: Pair, filled: Filled) -> None:
    """B5."""
    namespace, pods = next(iter(filled.cluster.objects().pods.items()))
    heapsters, ours = pair.ask(f"namespaces/{namespace}/pod-list/gone,{pods[0]}/metrics/memory/usage", **filled.span)
    assert (heapsters.status, ours.status) == (500, 200)
    _, alone = pair.ask(f"namespaces/{namespace}/pods/{pods[0]}/metrics/memory/usage", **filled.span)
    assert json.loads(ours.body) == {"items": [NO_SAMPLES, json.loads(alone.body)]}


def test_nobody_finds_pods_by_uid_in_influxdb(pair: Pair, filled: Filled) -> None:
    """B2, B4: no point has a UID, so Heapster fails; ours are empty."""
    uid = next(iter(filled.cluster.objects().uids.values()))
    for path in (f"pod-id/{uid}/", f"pod-id/{uid}/containers/main/", f"pod-id-list/{uid},{uid}/"):
        for asked in ("metrics/memory/usage", "metrics-aggregated/max/memory/usage"):
            heapsters, ours = pair.ask(path + asked, **filled.span)
            assert (heapsters.status, ours.status) == (500, 200)
            assert "timestamp" not in ours.body.replace("latestTimestamp", "")


def test_lists_are_what_the_cluster_has(pair: Pair, filled: Filled) -> None:
    """B3: Heapster's lists are the tags' own names, or fail, as InfluxDB is newer than what it knows."""
    objects = filled.cluster.objects()
    system = ["docker-daemon", "kubelet", "pods", "system"]
    for path, want in (
        ("nodes/", objects.nodes),
        ("namespaces/", sorted(objects.pods)),
        *((f"namespaces/{namespace}/pods/", pods) for namespace, pods in objects.pods.items()),
        *((f"nodes/{node}/freecontainers/", system) for node in objects.nodes),
    ):
        heapsters, ours = pair.ask(path)
        assert names(ours) == want, path
        assert heapsters.status == 500 or set(names(heapsters)) <= {"nodename", "namespace_name"}


def test_names_of_metrics_are_heapsters(pair: Pair, filled: Filled, database: str) -> None:
    for path in entities(filled).values():
        heapsters, ours = pair.ask(f"{path}metrics")
        if database.endswith("_fields"):
            # B11: they are whole names, where Heapster has measurements, which are families then.
            assert {name.partition("/")[0] for name in names(ours)} == set(names(heapsters))
        else:
            assert ours.body == heapsters.body


def test_containers_are_listed_from_memory(filled: Filled) -> None:
    heapsters, ours = filled.containers
    assert names(ours) == sorted(names(heapsters)) != []


@pytest.mark.parametrize(
    ("asked", "parameters"),
    [
        ("metrics/cpu/usage_rate", {}),
        ("metrics/cpu/usage_rate", {"start": ""}),
        ("metrics/cpu/usage_rate", {"start": "0001-01-01T00:00:00Z"}),
        ("metrics/cpu/usage_rate", {"start": "yesterday"}),
        ("metrics/cpu/usage_rate", {"start": "2026-11-22T09:00:00Z", "end": "1"}),
        ("metrics/cpu/usage_rate", {"start": "2026-11-22T09:00:00Z", "labels": "x"}),
        ("metrics-aggregated/p95/cpu/usage_rate", {"start": "2026-11-22T09:00:00Z"}),
        ("metrics-aggregated/max,/cpu/usage_rate", {"start": "2026-11-22T09:00:00Z"}),
        ("metrics-aggregated/max/cpu/usage_rate", {"start": "2026-11-22T09:00:00Z", "bucket": "5"}),
        ("metrics-aggregated/max/cpu/usage_rate", {"start": "2026-11-22T09:00:00Z", "bucket": "5y"}),
        ("metrics-aggregated/max", {"start": "2026-11-22T09:00:00Z"}),
        ("pod-id/x/metrics", {}),
        ("nothing", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(f"{name}={text}" for name, text in value.items()),
)
def test_what_is_wrong_with_a_question_is_said_as_heapster_says_it(
    pair: Pair, asked: str, parameters: dict[str, str]
) -> None:
    assert not differences(asked, *pair.ask(asked, **parameters))


@pytest.mark.parametrize("schema", ["", "_fields"], ids=["values", "fields"])
def test_our_sink_writes_heapsters_series(filled: Filled, schema: str) -> None:
    """The same measurements, tags and types of fields: what was made for one reads the other."""
    for statement, column in (("SHOW SERIES", "key"), ("SHOW FIELD KEYS", "fieldKey")):
        found = []
        for database in (f"heapsters{schema}", f"ours{schema}"):
            series = filled.query(database, statement)
            found.append({(one.get("name", ""), *row) for one in series for row in one["values"]})
        heapsters, ours = found
        assert heapsters, column
        assert sorted(heapsters - ours) == [], f"{statement}: only Heapster writes these"
        assert sorted(ours - heapsters) == [], f"{statement}: only heapfast writes these"
