"""Prometheus' remote write: requests as the specification has them, and what the server's answers cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.catalog.keys import TYPE_LABEL
from heapfast.catalog.prometheus_names import family_of
from heapfast.config.findings import Findings
from heapfast.config.sinks import UriReader
from heapfast.config.uris import parse_uri
from heapfast.errors import ConfigError, SinkError
from heapfast.sim._rows import rows_of
from heapfast.sinks._prometheus import RemoteWriter
from heapfast.sinks.prometheus import PrometheusSink, PrometheusSpec, read_prometheus
from heapfast.sinks.sink import Secret
from tests.remote_write import Sent, decode
from tests.unit.api.cluster import Cluster
from tests.unit.sinks.example import END_NS, example_batch
from tests.unit.sinks.naive import Sample, count, read_all, samples
from tests.unit.sinks.peer import Peer
from tests.unit.store.rows import T0_NS, container, custom

KIND_OF_TYPE = {name: kind for kind, name in TYPE_LABEL.items()}

#: Heapster's label -> Prometheus'.
LABELS = {
    "nodename": "node",
    "namespace_name": "namespace",
    "pod_name": "pod",
    "pod_id": "uid",
    "container_name": "container",
    "resource_id": "resource_id",
    "make": "make",
    "model": "model",
    "accelerator_id": "accelerator_id",
}


@pytest.fixture(scope="module")
def batch() -> Batch:
    newest = Cluster().store.newest
    assert newest is not None
    return newest


def sent(batch: Batch, at_least_samples: int = 10_000, **options: Any) -> list[Sent]:
    chunks = read_all(RemoteWriter(batch, **options), at_least_samples=at_least_samples)
    return [one for chunk in chunks for one in decode(chunk)]


def naive(one: Sample, timestamp_ns: int, constants: dict[str, str], shard: str) -> Sent:
    family = family_of(KIND_OF_TYPE[one.labels["type"]], one.name)
    labels = {LABELS[key]: value for key, value in one.labels.items() if key in LABELS and value}
    labels |= {"__name__": family.name, **constants}
    if shard and one.labels["type"] in ("cluster", "ns"):
        labels["shard"] = shard
    ordered = sorted(labels.items(), key=lambda pair: pair[0].encode())
    return Sent(ordered, [(one.value / family.divisor, timestamp_ns // 1_000_000)])


@pytest.mark.parametrize(
    "constants", [{}, {"cluster": "c1"}, {"Zone": "a", "__replica__": "r", "cluster": "c", "zz": "é"}]
)
@pytest.mark.parametrize("shard", ["", "1/3"])
@pytest.mark.parametrize("at_least_samples", [1, 50, 10_000])
def test_series_are_those_of_every_sample(
    batch: Batch, constants: dict[str, str], shard: str, at_least_samples: int
) -> None:
    found = sent(batch, at_least_samples, labels=tuple(constants.items()), shard=shard)
    want = [naive(one, batch.timestamp_ns, constants, shard) for one in samples(batch)]
    assert sorted(found) == sorted(want)
    assert count(RemoteWriter(batch)) == len(want)


def test_labels_are_those_that_the_names_promise(batch: Batch) -> None:
    for one in samples(batch):
        family = family_of(KIND_OF_TYPE[one.labels["type"]], one.name)
        labels = {name for name, _ in naive(one, 0, {}, "").labels} - {"__name__"}
        assert labels <= set(family.labels)


def test_no_series_is_there_twice(batch: Batch) -> None:
    found = [tuple(one.labels) for one in sent(batch)]
    assert len(found) == len(set(found))


def test_the_worked_example_is_in_base_units() -> None:
    values = {
        one.labels[0][1]: one.samples[0]
        for one in sent(example_batch())
        if ("container", "nginx") in one.labels and ("pod", "web-1") in one.labels
    }
    at_ms = END_NS // 1_000_000
    assert values["heapfast_container_cpu_usage_seconds_total"] == (22.0, at_ms)
    assert values["heapfast_container_cpu_usage_cores"] == (0.2, at_ms)
    assert values["heapfast_container_memory_page_faults_per_second"] == (0.1, at_ms)
    assert values["heapfast_container_filesystem_usage_bytes"] == (1000.0, at_ms)


@given(st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False))
def test_any_custom_metric_and_value_arrives(name: str, value: float) -> None:
    name = name.encode("utf-8", "replace").decode().replace("\x00", "x")
    store = Store()
    slot = store.put_node("n1", hostname="", host_id="", labels="")
    row = container("s", "p", "c", {"memory/usage": 2**63 - 1}, custom=[custom(name, value)])
    store.ingest(rows_of([row]), slot, T0_NS)
    closing = store.swap(T0_NS)
    closing.run()
    batch = store.commit(closing, T0_NS)
    found = {one.labels[0][1]: one.samples[0][0] for one in sent(batch) if ("container", "c") in one.labels}
    (written,) = [sample for key, sample in found.items() if "_custom_" in key]
    assert written == value
    assert found["heapfast_container_memory_usage_bytes"] == float(2**63 - 1)


# -- the URI --------------------------------------------------------------------------------------------------------


def read(uri: str, shard: str = "") -> tuple[PrometheusSpec, list[str], list[str]]:
    findings = Findings()
    reader = UriReader(parse_uri(uri, {"TOKEN": "s3cret"}), findings, shard)
    spec = read_prometheus(reader)
    reader.note_unread()
    return spec, findings.faults, findings.notes


def test_an_address_is_enough() -> None:
    spec, faults, notes = read("prometheus:http://prom:9090/")
    assert (faults, notes) == ([], [])
    assert spec == PrometheusSpec(url="http://prom:9090", query_url="http://prom:9090")


def test_every_option_is_read() -> None:
    query = (
        "writepath=/api/v1/push&queryurl=https://mimir/prometheus/&token=$TOKEN&tenant=t1&tenantheader=X-Tenant&cafile=/ca"
        "&certfile=/cert&keyfile=/key&insecuressl=true&cluster_name=c1&label=region:eu:1&label=__replica__:a&concurrency=4"
    )
    spec, faults, notes = read(f"prometheus:https://mimir:443/base/?{query}", "0/2")
    assert (faults, notes) == ([], [])
    assert spec == PrometheusSpec(
        url="https://mimir:443/base",
        write_path="/api/v1/push",
        query_url="https://mimir/prometheus",
        token=Secret("s3cret"),
        tenant="t1",
        tenant_header="X-Tenant",
        ca_file="/ca",
        cert_file="/cert",
        key_file="/key",
        insecure=True,
        labels=(("__replica__", "a"), ("cluster", "c1"), ("region", "eu:1")),
        concurrency=4,
        shard="0/2",
    )
    assert "s3cret" not in repr(spec)


@pytest.mark.parametrize(
    ("uri", "want"),
    [
        ("prometheus", "prometheus:http://HOST:PORT"),
        ("prometheus:ftp://h/", "prometheus:http://HOST:PORT"),
        ("prometheus:http://h/?queryurl=nope", "a URL such as http://HOST:PORT/PREFIX"),
        ("prometheus:http://h/?queryurl=http://h:x/", "a URL such as http://HOST:PORT/PREFIX"),
        ("prometheus:http://h/?writepath=push", "a path such as /api/v1/write"),
        ("prometheus:http://h/?user=u&token=t", "one of them"),
        ("prometheus:http://h/?token=a%0Ab", "a secret without"),
        ("prometheus:http://h/?tenant=a%0D%0AX:y", "a header's name and value"),
        ("prometheus:http://h/?tenantheader=a%20b", "a header's name and value"),
        ("prometheus:http://h/?certfile=/c", "both of them"),
        ("prometheus:http://h/?label=node:x", "NAME:VALUE, each name once"),
        ("prometheus:http://h/?label=shard:x", "NAME:VALUE, each name once"),
        ("prometheus:http://h/?label=a-b:x", "NAME:VALUE, each name once"),
        ("prometheus:http://h/?label=a", "NAME:VALUE, each name once"),
        ("prometheus:http://h/?label=a:1&label=a:2", "NAME:VALUE, each name once"),
        ("prometheus:http://h/?concurrency=x", "an integer, 1 or more"),
    ],
)
def test_what_cannot_be_an_option_is_refused(uri: str, want: str) -> None:
    _, faults, _ = read(uri)
    assert len(faults) == 1
    assert want in faults[0]


def test_a_file_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="cannot read the CA /nowhere"):
        PrometheusSink(PrometheusSpec(url="https://h", query_url="https://h", ca_file="/nowhere"))


# -- the wire -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer() as peer:
        yield peer


def sink_to(peer: Peer, **options: Any) -> PrometheusSink:
    url = f"http://127.0.0.1:{peer.port}/insert/0"
    return PrometheusSink(PrometheusSpec(**{"url": url, "query_url": url} | options))


async def test_a_request_has_the_headers_of_remote_write_1_0(peer: Peer) -> None:
    sink = sink_to(peer, tenant="t1")
    peer.answers = [(204, b"")]
    await sink.send([b"body"])
    (request,) = peer.requests
    assert (request.method, request.path, request.body) == ("POST", "/insert/0/api/v1/write", b"body")
    assert request.headers["Content-Encoding"] == "snappy"
    assert request.headers["Content-Type"] == "application/x-protobuf"
    assert request.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert request.headers["User-Agent"].startswith("heapfast/")
    assert request.headers["X-Scope-OrgID"] == "t1"
    assert "Authorization" not in request.headers
    await sink.close()


@pytest.mark.parametrize(
    ("options", "authorization"),
    [({"token": Secret("abc")}, "Bearer abc"), ({"user": "u", "password": Secret("p")}, "Basic dTpw")],
    ids=["token", "password"],
)
async def test_credentials_go_with_a_request(peer: Peer, options: dict[str, Any], authorization: str) -> None:
    sink = sink_to(peer, write_path="/push", **options)
    peer.answers = [(200, b"")]
    await sink.send([b"body"])
    assert peer.requests[0].path == "/insert/0/push"
    assert peer.requests[0].headers["Authorization"] == authorization
    await sink.close()


@pytest.mark.parametrize(
    ("status", "headers", "costs", "seconds"),
    [
        (500, {}, "nothing", None),
        (503, {"Retry-After": "7"}, "nothing", 7.0),
        (429, {"Retry-After": "120"}, "nothing", 120.0),
        (429, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, "nothing", None),
        (429, {"Retry-After": "soon"}, "nothing", None),
        (400, {}, "chunk", None),
        (422, {}, "chunk", None),
        (301, {"Location": "/elsewhere"}, "chunk", None),
        (401, {}, "batch", None),
        (404, {}, "batch", None),
    ],
)
async def test_what_an_answer_costs(
    peer: Peer, status: int, headers: dict[str, str], costs: str, seconds: float | None
) -> None:
    sink = sink_to(peer)
    peer.answers = [(status, b"out of order\x1b[31m sample", headers)]
    with pytest.raises(SinkError, match="out of order") as failure:
        await sink.send([b"body"])
    assert (failure.value.costs, failure.value.reason) == (costs, f"status_{status}")
    assert failure.value.retry_after_seconds == seconds
    assert "\x1b" not in str(failure.value)
    await sink.close()


async def test_of_requests_side_by_side_the_hopeful_failure_counts(peer: Peer) -> None:
    sink = sink_to(peer, concurrency=3)
    peer.answers = [(400, b""), (503, b""), (204, b"")]
    with pytest.raises(SinkError) as failure:
        await sink.send([b"a", b"b", b"c"])
    assert failure.value.costs == "nothing"
    assert len(peer.requests) == 3
    await sink.close()


async def test_a_server_that_is_away_is_tried_again(peer: Peer) -> None:
    sink = sink_to(peer)
    await peer.close()
    with pytest.raises(SinkError) as failure:
        await sink.send([b"body"])
    assert (failure.value.costs, failure.value.reason) == ("nothing", "connect")
    await sink.close()
