"""InfluxDB: lines in Heapster's schema, and what the server's answers cost (spec/heapster-pipeline.md 7.1)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.catalog.metrics import RATE_OF
from heapfast.config.findings import Findings
from heapfast.config.sinks import UriReader
from heapfast.config.uris import parse_uri
from heapfast.errors import SinkError
from heapfast.history.influxql import measurement_and_field
from heapfast.sim._rows import rows_of
from heapfast.sinks._influxdb import InfluxDbWriter
from heapfast.sinks.influxdb import InfluxDbSink, InfluxDbSpec, read_influxdb
from heapfast.sinks.sink import Address, Secret
from tests.unit.api.cluster import Cluster
from tests.unit.sinks.example import example_batch
from tests.unit.sinks.naive import Sample, count, read_all, samples
from tests.unit.sinks.peer import Peer
from tests.unit.store.rows import T0_NS, Row, container, custom, node, resource

NGINX = "cluster_name=default,container_base_image=nginx:1.13,container_name=nginx,labels=app:web\\,tier:front"
NGINX_TAGS = f"{NGINX},namespace_name=shop,nodename=n1,pod_name=web-1"


@pytest.fixture(scope="module")
def batch() -> Batch:
    newest = Cluster().store.newest
    assert newest is not None
    return newest


def text(batch: Batch, **options: Any) -> str:
    writer = InfluxDbWriter(batch, **{"cluster_name": "default"} | options)
    return b"".join(read_all(writer)).decode()


# -- lines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        f"cpu/usage,{NGINX_TAGS},type=pod_container value=22000000000i 1512986460000000000",
        f"cpu/usage_rate,{NGINX_TAGS},type=pod_container value=200i 1512986460000000000",
        # 64-bit floats (Q1), where Heapster writes 0.10000000149011612.
        f"memory/page_faults_rate,{NGINX_TAGS},type=pod_container value=0.1 1512986460000000000",
        f"filesystem/usage,{NGINX_TAGS},resource_id=/,type=pod_container value=1000i 1512986460000000000",
        "cpu/usage_rate,cluster_name=default,namespace_name=shop,type=ns value=225i 1512986460000000000",
        "memory/usage,cluster_name=default,type=cluster value=0i 1512986460000000000",
    ],
)
def test_the_worked_example_is_among_the_lines(line: str) -> None:
    assert line in text(example_batch()).splitlines()


def test_the_worked_example_with_fields() -> None:
    lines = text(example_batch(), cluster_name="c1", with_fields=True, skip_counters=True).splitlines()
    tags = NGINX_TAGS.replace("=default", "=c1")
    assert f"cpu,{tags},type=pod_container usage_rate=200i 1512986460000000000" in lines
    assert f"memory,{tags},type=pod_container page_faults_rate=0.1 1512986460000000000" in lines
    assert not [line for line in lines if " usage=" in line and line.startswith("cpu,")]


def naive_line(one: Sample, timestamp_ns: int, *, cluster_name: str, with_fields: bool, shard: str) -> str:
    dropped = ("namespace_id", "pod_id", "hostname", "host_id")
    tags = {key: value for key, value in one.labels.items() if key not in dropped and value}
    tags["cluster_name"] = cluster_name
    if shard and one.labels["type"] in ("cluster", "ns"):
        tags["shard"] = shard
    measurement, field = measurement_and_field(one.name, with_fields=with_fields)
    parts = [f"{_escape(key)}={_escape(value)}" for key, value in sorted(tags.items())]
    value = f"{one.value}i" if isinstance(one.value, int) else positional(one.value)
    return f"{','.join([_escape(measurement, ', '), *parts])} {_escape(field)}={value} {timestamp_ns}\n"


def _escape(text: str, signs: str = ",= ") -> str:
    return "".join(f"\\{letter}" if letter in signs else letter for letter in text)


def positional(value: float) -> str:
    """The shortest digits of a double, without an exponent."""
    plain = format(value, "f") if value == int(value) else None
    return plain.partition(".")[0] if plain else re.sub(r"\.0$", "", f"{value!r}")


@pytest.mark.parametrize("with_fields", [False, True])
@pytest.mark.parametrize("shard", ["", "1/3"])
@pytest.mark.parametrize("at_least_samples", [1, 50, 10_000])
def test_lines_are_those_of_every_sample(batch: Batch, with_fields: bool, shard: str, at_least_samples: int) -> None:
    options: dict[str, Any] = {"cluster_name": "a b", "with_fields": with_fields, "shard": shard}
    chunks = read_all(InfluxDbWriter(batch, **options), at_least_samples=at_least_samples)
    # Texts may have what str.splitlines takes for the end of a line.
    lines = [line.decode() for line in b"".join(chunks).splitlines(keepends=True)]
    assert sorted(lines) == sorted(naive_line(one, batch.timestamp_ns, **options) for one in samples(batch))
    assert count(InfluxDbWriter(batch, **options)) == len(lines)


def test_counters_with_a_rate_can_be_left_out(batch: Batch) -> None:
    measurements = {line.partition(",")[0] for line in text(batch, skip_counters=True).split("\n")[:-1]}
    assert measurements == {one.name for one in samples(batch)} - RATE_OF.keys()


# -- numbers ------------------------------------------------------------------------------------------------------


def closed(*rows: Row, labels: str = "") -> Batch:
    """A batch of what one node answered; the node has these labels."""
    store = Store()
    slot = store.put_node("n1", hostname="", host_id="", labels=labels)
    store.ingest(rows_of(list(rows)), slot, T0_NS)
    closing = store.swap(T0_NS)
    closing.run()
    return store.commit(closing, T0_NS)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (-1.25e-9, "-0.00000000125"),
        (1e21, "1000000000000000000000"),
        (1.5e300, "15" + "0" * 299),
        (5e-324, "0." + "0" * 323 + "5"),
        (123456.5, "123456.5"),
    ],
)
def test_floats_have_no_exponent(value: float, written: str) -> None:
    batch = closed(container("s", "p", "c", {"memory/usage": 0}, custom=[custom("x", value)]))
    assert "custom/x,cluster_name=default,container_name=c,namespace_name=s,nodename=n1,pod_name=p," in text(batch)
    assert f" value={written} " in text(batch)


# -- names stay names ---------------------------------------------------------------------------------------------


def parse_line(line: str) -> tuple[str, dict[str, str]]:
    """Measurement and tags of a line, by InfluxDB's own rules: a separator counts unless a backslash is before it."""

    def cut(text: str, separator: str) -> list[str]:
        return re.split(rf"(?<!\\){re.escape(separator)}", text)

    def plain(text: str) -> str:
        return re.sub(r"\\([,= ])", r"\1", text)

    head = cut(line, " ")[0]
    measurement, *tags = cut(head, ",")
    pairs = [cut(tag, "=") for tag in tags]
    assert all(len(pair) == 2 for pair in pairs), line
    return plain(measurement), {plain(key): plain(value) for key, value in pairs}


@pytest.mark.parametrize(
    ("labels", "written"),
    [
        ("a:b c,d=e\\f", "a:b\\ c\\,d\\=e\\f"),
        ("a\nb", "a_b"),
        ("a\\", "a_"),
        ("\\\\", "\\_"),
        ("a\\ ", "a\\\\ "),
        ("é\x7f", "é_"),
    ],
    ids=["X-01", "line feed", "backslash at the end", "two backslashes", "backslash before a space", "delete"],
)
def test_what_line_protocol_cannot_say_is_an_underscore(labels: str, written: str) -> None:
    assert f",labels={written},nodename=n1," in text(closed(node("n1", {"memory/usage": 0}), labels=labels))


nasty = st.sampled_from([",", " ", "=", "\\", '"', "\n", "\\,", "\\ x", "a=b,c=d", "é", "\x00"])


@given(st.lists(st.one_of(st.text(), nasty), min_size=1, max_size=4).map("".join))
def test_no_label_adds_a_tag_or_a_line(labels: str) -> None:
    labels = labels.encode("utf-8", "replace").decode().replace("\x00", "")
    lines = text(closed(node("n1", {"memory/usage": 0}), labels=labels)).split("\n")[:-1] if labels else []
    said = re.sub(r"[\x01-\x1f\x7f]|\\\Z", "_", labels)
    for line in lines:
        measurement, tags = parse_line(line)
        assert measurement == "uptime" or "/" in measurement
        if tags["type"] == "node":
            assert tags == {"cluster_name": "default", "nodename": "n1", "type": "node", "labels": said}


def test_resources_keep_their_names_too() -> None:
    written = text(closed(node("n1", resources=[resource("filesystem", "sd,a =1", usage=7)])))
    assert ",resource_id=sd\\,a\\ \\=1,type=node value=7i " in written


# -- the URI --------------------------------------------------------------------------------------------------------


def read(uri: str, shard: str = "") -> tuple[InfluxDbSpec, list[str], list[str]]:
    findings = Findings()
    reader = UriReader(parse_uri(uri, {"PASSWORD": "s3cret"}), findings, shard)
    spec = read_influxdb(reader)
    reader.note_unread()
    return spec, findings.faults, findings.notes


def test_options_have_heapsters_defaults() -> None:
    assert read("influxdb") == (
        InfluxDbSpec(
            address=Address("localhost", 8086),
            user="root",
            password=Secret("root"),
            database="k8s",
            retention="0",
            secure=False,
            insecure=False,
            with_fields=False,
            cluster_name="default",
            disable_counter_metrics=False,
            concurrency=1,
        ),
        [],
        [],
    )


def test_every_option_is_read() -> None:
    query = (
        "user=u&pw=$PASSWORD&db=d&retention=30d&secure=true&insecuressl=t&withfields=1&cluster_name=c"
        "&disable_counter_metrics=true&concurrency=3"
    )
    spec, faults, notes = read(f"influxdb:http://influx:8087/ignored?{query}", "1/3")
    assert (faults, notes) == ([], [])
    assert spec == InfluxDbSpec(
        address=Address("influx", 8087),
        user="u",
        password=Secret("s3cret"),
        database="d",
        retention="30d",
        secure=True,
        insecure=True,
        with_fields=True,
        cluster_name="c",
        disable_counter_metrics=True,
        concurrency=3,
        shard="1/3",
    )
    assert "s3cret" not in repr(spec)


@pytest.mark.parametrize(
    ("query", "want"),
    [
        ("retention=soon", "a duration such as 30d, or 0 for ever"),
        ("retention=1d%3B+DROP+DATABASE+x", "a duration such as 30d, or 0 for ever"),
        ("concurrency=0", "an integer, 1 or more"),
        ("secure=maybe", "true"),
        ("db=", "names"),
        ("cluster_name=a%0Ab", "names"),
    ],
)
def test_what_cannot_be_an_option_is_refused(query: str, want: str) -> None:
    _, faults, _ = read(f"influxdb:http://h/?{query}")
    assert len(faults) == 1
    assert want in faults[0]


# -- the wire -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer() as peer:
        yield peer


@pytest.fixture
async def sink(peer: Peer) -> AsyncIterator[InfluxDbSink]:
    sink = sink_to(peer)
    yield sink
    await sink.close()


def sink_to(peer: Peer, **options: Any) -> InfluxDbSink:
    usual: dict[str, Any] = {"address": Address("127.0.0.1", peer.port), "password": Secret("p")}
    return InfluxDbSink(InfluxDbSpec(**usual | options))


POLICY_IS_THERE = (
    b'{"results":[{"series":[{"columns":["name","duration","shardGroupDuration","replicaN","default"],'
    b'"values":[["default","0s","168h0m0s",1,true]]}]}]}'
)
NO_POLICY = b'{"results":[{"series":[{"columns":["name","duration"],"values":[["autogen","0s"]]}]}]}'
NO_DATABASE = b'{"results":[{"statement_id":0,"error":"database not found: k8s"}]}'
DONE = b'{"results":[{"statement_id":0}]}'


async def test_points_go_to_the_policy_that_heapster_writes_to(peer: Peer, sink: InfluxDbSink) -> None:
    peer.answers = [(200, POLICY_IS_THERE), (204, b"")]
    await sink.send([b"a value=1i 5\n"])
    look, write = peer.requests
    assert (look.method, look.path) == ("POST", "/query")
    assert look.form["q"] == 'SHOW RETENTION POLICIES ON "k8s"'
    assert (write.method, write.path) == ("POST", "/write")
    assert write.query == {"consistency": "", "db": "k8s", "precision": "", "rp": "default"}
    assert write.body == b"a value=1i 5\n"
    assert write.headers["Authorization"] == "Basic cm9vdDpw"


async def test_no_user_sends_no_credentials(peer: Peer) -> None:
    sink = sink_to(peer, user="")
    peer.answers = [(200, POLICY_IS_THERE), (204, b"")]
    await sink.send([b"a value=1i 5\n"])
    assert "Authorization" not in peer.requests[0].headers
    await sink.close()


@pytest.mark.parametrize(
    ("retention", "shown", "statement"),
    [
        ("0", NO_DATABASE, 'CREATE DATABASE "k8s" WITH DURATION INF NAME "default"'),
        ("30d", NO_DATABASE, 'CREATE DATABASE "k8s" WITH DURATION 30d NAME "default"'),
        ("30d", NO_POLICY, 'CREATE RETENTION POLICY "default" ON "k8s" DURATION 30d REPLICATION 1 DEFAULT'),
    ],
    ids=["for ever", "with a duration", "in a database that is there"],
)
async def test_what_is_not_there_is_made(peer: Peer, retention: str, shown: bytes, statement: str) -> None:
    sink = sink_to(peer, retention=retention)
    peer.answers = [(200, shown), (200, DONE), (204, b""), (204, b"")]
    await sink.send([b"a value=1i 5\n"])
    await sink.send([b"a value=2i 6\n"])
    assert [one.form.get("q", one.path) for one in peer.requests[1:]] == [statement, "/write", "/write"]
    await sink.close()


async def test_a_policy_that_is_there_is_left_as_it_is(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    sink = sink_to(peer, retention="30d")
    peer.answers = [(200, POLICY_IS_THERE), (204, b"")]
    await sink.send([b"a value=1i 5\n"])
    assert [one.path for one in peer.requests] == ["/query", "/write"]
    assert 'ALTER RETENTION POLICY "default" ON "k8s" DURATION 30d' in caplog.text
    await sink.close()


async def test_who_may_not_look_may_still_write(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    sink = sink_to(peer)
    peer.answers = [(200, b'{"results":[{"error":"not authorized to execute statement"}]}'), (204, b"")]
    await sink.send([b"a value=1i 5\n"])
    assert "not authorized to execute statement" in caplog.text
    await sink.close()


async def test_a_database_that_was_dropped_is_made_again(peer: Peer, sink: InfluxDbSink) -> None:
    peer.answers = [(200, POLICY_IS_THERE), (404, b'{"error":"database not found: \\"k8s\\""}')]
    with pytest.raises(SinkError) as failure:
        await sink.send([b"a value=1i 5\n"])
    assert failure.value.costs == "nothing"
    peer.answers = [(200, NO_DATABASE), (200, DONE), (204, b"")]
    await sink.send([b"a value=1i 5\n"])
    assert peer.requests[-1].body == b"a value=1i 5\n"


@pytest.mark.parametrize(
    ("status", "body", "costs", "reason"),
    [
        (500, b"", "nothing", "status_500"),
        (503, b'{"error":"timeout"}', "nothing", "status_503"),
        (429, b"", "nothing", "status_429"),
        (400, b'{"error":"partial write: field type conflict"}', "chunk", "status_400"),
        (413, b'{"error":"Request Entity Too Large"}', "chunk", "status_413"),
        (401, b'{"error":"authorization failed"}', "batch", "status_401"),
        (302, b"", "chunk", "status_302"),
    ],
)
async def test_what_an_answer_costs(
    peer: Peer, sink: InfluxDbSink, status: int, body: bytes, costs: str, reason: str
) -> None:
    peer.answers = [(200, POLICY_IS_THERE), (status, body)]
    with pytest.raises(SinkError) as failure:
        await sink.send([b"a value=1i 5\n"])
    assert (failure.value.costs, failure.value.reason) == (costs, reason)


async def test_garbage_in_place_of_results_is_tried_again(peer: Peer, sink: InfluxDbSink) -> None:
    peer.answers = [(200, b"<html>")]
    with pytest.raises(SinkError, match="want results of InfluxDB") as failure:
        await sink.send([b"a value=1i 5\n"])
    assert (failure.value.costs, failure.value.reason) == ("nothing", "protocol")


async def test_a_server_that_is_away_is_tried_again(peer: Peer, sink: InfluxDbSink) -> None:
    await peer.close()
    with pytest.raises(SinkError) as failure:
        await sink.send([b"a value=1i 5\n"])
    assert (failure.value.costs, failure.value.reason) == ("nothing", "connect")


async def test_writes_go_side_by_side(peer: Peer) -> None:
    sink = sink_to(peer, concurrency=3)
    peer.answers = [(200, POLICY_IS_THERE), *[(204, b"")] * 3]
    peer.wait_for = 3
    await sink.send([b"a value=1i 5\n", b"b value=1i 5\n", b"c value=1i 5\n"])
    assert sorted(one.body[:1] for one in peer.requests[1:]) == [b"a", b"b", b"c"]
    await sink.close()


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_a_group_has_as_many_bodies_as_go_side_by_side(batch: Batch, executor: ThreadPoolExecutor) -> None:
    sink = InfluxDbSpec(concurrency=2).build(executor)
    n = sum(1 for _ in samples(batch))
    chunk = sink.chunks(batch).read()
    assert chunk is not None
    assert chunk.samples == n
    assert b"".join(chunk.payload).decode() == text(batch)
