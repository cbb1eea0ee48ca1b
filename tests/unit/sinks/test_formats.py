"""Every format against its slow twin, and against the specification's worked examples."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from heapfast import __version__
from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.sim._rows import rows_of
from heapfast.sinks._documents import FAMILIES, ElasticsearchWriter, KafkaWriter, OpentsdbWriter
from heapfast.sinks._graphite import GraphiteWriter
from heapfast.sinks._log import LogWriter
from heapfast.sinks._otlp import OtlpWriter
from heapfast.sinks._riemann import RiemannWriter
from heapfast.sinks._statsd import EtsyWriter, InfluxStatsdWriter
from heapfast.sinks.otlp import describe, scope_message
from heapfast.sinks.protobuf import iter_fields
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary
from tests.unit.api.cluster import Cluster
from tests.unit.sinks import naive
from tests.unit.sinks.example import END_NS, example_batch
from tests.unit.sinks.naive import as_set, count, read_all
from tests.unit.store.rows import SECOND_NS, T0_NS, node

NGINX_TAGS = (
    '"container_base_image":"nginx:1.13","container_name":"nginx","host_id":"i-0abc","hostname":"n1.example",'
    '"labels":"app:web,tier:front","namespace_id":"ns-uid-1","namespace_name":"shop","nodename":"n1",'
    '"pod_id":"pod-uid-1","pod_name":"web-1"'
)


@pytest.fixture(scope="module", params=["cluster", "example"])
def batch(request: pytest.FixtureRequest) -> Batch:
    if request.param == "example":
        return example_batch()
    newest = Cluster().store.newest
    assert newest is not None
    return newest


@pytest.fixture(scope="module")
def example() -> Batch:
    return example_batch()


def messages(writer: Any, **limits: Any) -> list[bytes]:
    return [message for payload in read_all(writer, **limits) for message in payload]


# -- Kafka --------------------------------------------------------------------------------------


def test_kafka_has_a_record_for_every_sample(batch: Batch) -> None:
    records = messages(KafkaWriter(batch), at_least_bytes=5000)
    assert as_set(map(json.loads, records)) == as_set(naive.kafka_records(batch))
    assert count(KafkaWriter(batch)) == len(records)


@pytest.mark.parametrize(
    "record",
    [
        (
            '{"MetricsName":"cpu/usage_rate","MetricsValue":{"value":200},"MetricsTimestamp":"2017-12-11T10:01:00Z",'
            f'"MetricsTags":{{{NGINX_TAGS},"type":"pod_container"}}}}'
        ),
        (
            '{"MetricsName":"memory/page_faults_rate","MetricsValue":{"value":0.1},"MetricsTimestamp":'
            f'"2017-12-11T10:01:00Z","MetricsTags":{{{NGINX_TAGS},"type":"pod_container"}}}}'
        ),
        (
            '{"MetricsName":"filesystem/usage","MetricsValue":{"value":1000},"MetricsTimestamp":"2017-12-11T10:01:00Z",'
            f'"MetricsTags":{{{NGINX_TAGS},"resource_id":"/","type":"pod_container"}}}}'
        ),
        (
            '{"MetricsName":"memory/usage","MetricsValue":{"value":0},"MetricsTimestamp":"2017-12-11T10:01:00Z",'
            '"MetricsTags":{"type":"cluster"}}'
        ),
    ],
)
def test_kafka_worked_examples(example: Batch, record: str) -> None:
    assert record.encode() in messages(KafkaWriter(example))


# -- OpenTSDB -------------------------------------------------------------------------------------


def test_opentsdb_has_a_point_for_every_sample_in_requests_it_takes(batch: Batch) -> None:
    requests = messages(OpentsdbWriter(batch, "k8s-cluster"), at_least_bytes=50_000)
    points = [point for request in requests for point in json.loads(request)]
    assert as_set(points) == as_set(naive.opentsdb_points(batch, "k8s-cluster"))
    assert count(OpentsdbWriter(batch, "c")) == len(points)
    assert all(len(request) <= 40960 and len(json.loads(request)) <= 75 for request in requests)


@pytest.mark.parametrize(
    "point",
    [
        (
            '{"metric":"cpu_usage_cumulative","timestamp":1512986460,"value":22000000000,"tags":{"cluster":"k8s-cluster",'
            '"container_base_image":"nginx_1.13","container_name":"nginx","host_id":"i-0abc","hostname":"n1.example",'
            '"labels":"app_web_tier_front","namespace_id":"ns-uid-1","namespace_name":"shop","nodename":"n1",'
            '"pod_id":"pod-uid-1","pod_name":"web-1","type":"pod_container"}}'
        ),
        (
            '{"metric":"cpu_usage_rate_gauge","timestamp":1512986460,"value":225,"tags":{"cluster":"k8s-cluster",'
            '"namespace_id":"ns-uid-1","namespace_name":"shop","type":"ns"}}'
        ),
    ],
)
def test_opentsdb_worked_examples(example: Batch, point: str) -> None:
    assert any(point.encode() in request for request in messages(OpentsdbWriter(example, "k8s-cluster")))


def test_opentsdb_calls_restarts_a_gauge(batch: Batch) -> None:
    text = b"".join(messages(OpentsdbWriter(batch, "c")))
    if any(one.name == "restart_count" for one in naive.samples(batch)):
        assert b'"restart_count_gauge"' in text
    assert b"restart_count_cumulative" not in text


# -- Elasticsearch ----------------------------------------------------------------------------------


def bulk_lines(writer: ElasticsearchWriter, **limits: Any) -> tuple[list[Any], list[Any]]:
    lines = [json.loads(line) for line in b"".join(read_all(writer, **limits)).split(b"\n") if line]
    return lines[0::2], lines[1::2]


def test_elasticsearch_has_a_document_for_every_family_of_a_set(batch: Batch) -> None:
    actions, documents = bulk_lines(ElasticsearchWriter(batch, "default", ()), at_least_bytes=5000)
    assert as_set(documents) == as_set(naive.elasticsearch_documents(batch, "default"))
    ids = [action["index"]["_id"] for action in actions]
    assert len(set(ids)) == len(ids)
    assert all(set(action["index"]) == {"_id"} for action in actions)


def test_elasticsearch_gives_the_same_ids_again(batch: Batch) -> None:
    assert read_all(ElasticsearchWriter(batch, "c", ())) == read_all(ElasticsearchWriter(batch, "c", ()))
    other = bulk_lines(ElasticsearchWriter(batch, "d", ()))[0]
    assert other != bulk_lines(ElasticsearchWriter(batch, "c", ()))[0]


def test_elasticsearch_names_types_where_the_server_wants_them(example: Batch) -> None:
    actions, documents = bulk_lines(ElasticsearchWriter(example, "default", FAMILIES))
    for action, document in zip(actions, documents, strict=True):
        assert f"{action['index']['_type'].capitalize()}MetricsTimestamp" in document


def test_elasticsearch_worked_examples(example: Batch) -> None:
    text = b"".join(read_all(ElasticsearchWriter(example, "default", ()))).decode()
    # The example has no requests and limits, which every container that the API server knows has here.
    cpu = re.sub(r'"cpu/(?:limit|request)":\{"value":0\},', "", text)
    assert (
        '{"CpuMetricsTimestamp":"2017-12-11T10:01:00Z","Metrics":{"cpu/usage":{"value":22000000000},"cpu/usage_rate":'
        f'{{"value":200}}}},"MetricsTags":{{"cluster_name":"default",{NGINX_TAGS},"type":"pod_container"}}}}\n'
    ) in cpu
    assert (
        '{"FilesystemMetricsTimestamp":"2017-12-11T10:01:00Z","Metrics":{"filesystem/usage":{"value":1000}},'
        f'"MetricsTags":{{"cluster_name":"default",{NGINX_TAGS},"resource_id":"/","type":"pod_container"}}}}\n'
    ) in text


# -- statsd -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("writer", "lines_of"), [(EtsyWriter, naive.etsy_lines), (InfluxStatsdWriter, naive.influx_statsd_lines)]
)
@pytest.mark.parametrize("lines", [1, 5, 1000])
def test_statsd_has_a_line_for_every_sample(batch: Batch, writer: Any, lines_of: Any, lines: int) -> None:
    datagrams = messages(writer(batch, b"", lines=lines), at_least_bytes=3000)
    # In order of appearance: a gauge that is negative is set to 0 first.
    found = [line.decode() for datagram in datagrams for line in datagram.split(b"\n") if line]
    assert sorted(found) == sorted(lines_of(batch))
    assert all(datagram.count(b"|g\n") <= 2 * lines and len(datagram) <= 1432 for datagram in datagrams)


ETSY_NGINX = "node.n1_example.namespace.shop.pod.web-1.container.nginx.app.web.tier.front"


@pytest.mark.parametrize(
    "line",
    [
        f"{ETSY_NGINX}.cpu/usage:22000000000|g",
        f"{ETSY_NGINX}.memory/page_faults_rate:0.1|g",
        f"{ETSY_NGINX}.filesystem/usage./:1000|g",
        "namespace.shop.cpu/usage_rate:225|g",
        "cluster.memory/usage:0|g",
    ],
)
def test_etsy_worked_examples(example: Batch, line: str) -> None:
    assert line in b"".join(messages(EtsyWriter(example, b""))).decode().split("\n")


@pytest.mark.parametrize(
    "line",
    [
        (
            "k8s.cpu/usage_rate,app=web,containerBaseImage=nginx_1.13,containerName=nginx,hostId=i-0abc,hostname=n1.example,"
            "namespaceId=ns-uid-1,namespaceName=shop,nodename=n1,podId=pod-uid-1,podName=web-1,tier=front,"
            "k8sType=pod_container:200|g"
        ),
        "k8s.memory/usage,k8sType=cluster:0|g",
    ],
)
def test_influx_statsd_worked_examples(example: Batch, line: str) -> None:
    writer = InfluxStatsdWriter(example, b"k8s.", renamed=[("type", "k8s_type")], style="lowerCamelCase")
    assert line in b"".join(messages(writer)).decode().split("\n")


def test_statsd_keys_can_be_upper_camel_case(example: Batch) -> None:
    text = b"".join(messages(InfluxStatsdWriter(example, b"", style="upperCamelCase")))
    assert b",ContainerBaseImage=nginx_1.13,ContainerName=nginx," in text


def test_statsd_leaves_out_labels_that_are_not_allowed(example: Batch) -> None:
    text = b"".join(messages(InfluxStatsdWriter(example, b"", allowed=["type", "pod_name", "resource_id"])))
    assert b"filesystem/usage,pod_name=web-1,resource_id=/,type=pod_container:1000|g\n" in text
    etsy = b"".join(messages(EtsyWriter(example, b"", allowed=["type"])))
    assert b"\nnode.n1_example.namespace.shop.pod.web-1.container.nginx.cpu/usage_rate:200|g\n" in etsy


# -- Riemann ----------------------------------------------------------------------------------------------


def decode_event(event: bytes) -> Any:
    """(service, host, attributes, value) of one event; checks what all events say."""
    fields = list(iter_fields(event))
    first = dict(reversed(fields))
    pairs = [{n: v.decode() for n, v in iter_fields(value)} for number, value in fields if number == 9]
    assert [value for number, value in fields if number == 7] == [b"heapster", b"eu"]
    assert (first[2], first[1]) == (b"fine", 1512986460)
    if 13 in first:
        value: int | float = (first[13] >> 1) ^ -(first[13] & 1)
    else:
        value = float("nan")  # iter_fields passes over doubles
    return first[3].decode(), first[4].decode(), {pair[1]: pair[2] for pair in pairs}, value


def test_riemann_has_an_event_for_every_sample(example: Batch) -> None:
    writer = RiemannWriter(example, host=b"here", state=b"fine", ttl_seconds=30, tags=("heapster", "eu"), events=7)
    found = messages(writer)
    events = [decode_event(event) for message in found for _, event in iter_fields(message)]
    expected = naive.riemann_events(example, "here")
    assert as_set(event[:3] for event in events) == as_set(event[:3] for event in expected)
    integers = [event for event in expected if isinstance(event[3], int)]
    assert as_set(integers) == as_set(event for event in events if isinstance(event[3], int))
    assert max(len(list(iter_fields(message))) for message in found) == 7


def test_riemann_worked_example() -> None:
    """Its event is of a node that has nothing but a name."""
    store = Store()
    slot = store.put_node("n1", hostname="n1.example", host_id="", labels="")
    for end_ns, cpu_s in ((T0_NS, 0), (END_NS, 12)):
        store.ingest(rows_of([node("n1", {"cpu/usage": cpu_s * SECOND_NS}, at=end_ns)]), slot, end_ns)
        closing = store.swap(end_ns)
        closing.run()
        store.commit(closing, end_ns)
    newest = store.newest
    assert newest is not None
    text = b"".join(messages(RiemannWriter(newest, host=b"x", tags=("heapster",)))).hex()
    # Heapster's example has the labels nodename and type alone; ours has hostname, host_id and labels besides.
    for part in (
        "08dcaeb9d1051a0e6370752f75736167655f72617465220a6e312e6578616d706c653a08686561707374657245000070424a",
        "4a0e0a086e6f64656e616d6512026e31",
        "4a0c0a047479706512046e6f6465689003",
    ):
        assert part in text


# -- OTLP -------------------------------------------------------------------------------------------------


def otlp_points(writer: OtlpWriter, **limits: Any) -> list[Any]:
    points = []
    for payload in read_all(writer, **limits):
        for resource in ExportMetricsServiceRequest.FromString(payload).resource_metrics:
            attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
            (scoped,) = resource.scope_metrics
            assert (scoped.scope.name, scoped.scope.version) == ("heapfast", __version__)
            for metric in scoped.metrics:
                is_sum = metric.WhichOneof("data") == "sum"
                if is_sum:
                    assert (metric.sum.aggregation_temporality, metric.sum.is_monotonic) == (2, True)
                (point,) = metric.sum.data_points if is_sum else metric.gauge.data_points
                assert point.time_unix_nano in (1512986460 * 10**9, 1512986520 * 10**9)
                own = {one.key: one.value.string_value for one in point.attributes}
                value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
                points.append((attributes, metric.name, own, value, is_sum, point.start_time_unix_nano))
    return points


@pytest.mark.parametrize("at_least_bytes", [1, 1 << 20])
def test_otlp_has_a_point_for_every_sample(batch: Batch, at_least_bytes: int) -> None:
    writer = OtlpWriter(batch, lambda name: describe(name, "p."), scope_message())
    points = otlp_points(writer, at_least_bytes=at_least_bytes)
    assert as_set(points) == as_set(naive.otlp_points(batch, "p."))


def test_otlp_says_units_and_the_cluster(example: Batch) -> None:
    (payload,) = read_all(
        OtlpWriter(example, lambda name: describe(name, ""), scope_message(), [("k8s.cluster.name", "eu")])
    )
    resources = ExportMetricsServiceRequest.FromString(payload).resource_metrics
    units = {metric.name: metric.unit for one in resources for metric in one.scope_metrics[0].metrics}
    assert (units["container.cpu.usage"], units["container.cpu.usage_rate"]) == ("ns", "m{cpu}")
    assert (units["container.memory.page_faults_rate"], units["pod.network.rx"]) == ("{fault}/s", "By")
    assert all({"k8s.cluster.name"} <= {a.key for a in one.resource.attributes} for one in resources)


# -- the log --------------------------------------------------------------------------------------------------


def test_the_log_shows_every_set_by_key(batch: Batch) -> None:
    expected = naive.log_text(batch)
    for at_least_bytes in (1, 1 << 20):
        assert b"".join(read_all(LogWriter(batch), at_least_bytes=at_least_bytes)).decode() == expected


def test_the_logs_worked_example(example: Batch) -> None:
    text = b"".join(read_all(LogWriter(example))).decode()
    assert text.startswith(
        "DataBatch     Timestamp: 2017-12-11 10:01:00 +0000 UTC\n\nMetricSet: cluster\n"
        "   Scrape time: 0001-01-01 00:00:00 +0000 UTC -6795364578871345152\n"
        "   Create time: 0001-01-01 00:00:00 +0000 UTC -6795364578871345152\n   Labels:\n      type = cluster\n"
    )
    assert "      memory/usage = 0\n   Labeled Metrics:\n\nMetricSet: namespace:shop\n" in text
    assert (
        "MetricSet: namespace:shop/pod:web-1/container:nginx\n"
        "   Scrape time: 2017-12-11 10:00:58 +0000 UTC 1512986458000000000\n"
        "   Create time: 2017-12-11 09:00:05 +0000 UTC 1512982805000000000\n" in text
    )
    assert "      memory/page_faults_rate = 0.100000\n" in text
    assert "   Labeled Metrics:\n      filesystem/usage = 1000\n         resource_id = /\n\n" in text


# -- all of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda batch: GraphiteWriter(batch, b"p"),
        KafkaWriter,
        lambda batch: OpentsdbWriter(batch, "c"),
        lambda batch: ElasticsearchWriter(batch, "c", ()),
        lambda batch: EtsyWriter(batch, b""),
        lambda batch: InfluxStatsdWriter(batch, b""),
        lambda batch: RiemannWriter(batch, host=b"h"),
        lambda batch: OtlpWriter(batch, lambda name: describe(name, ""), scope_message()),
        LogWriter,
    ],
    ids=["graphite", "kafka", "opentsdb", "elasticsearch", "etsy", "influx", "riemann", "otlp", "log"],
)
def test_every_format_ends_and_stays_at_its_end(batch: Batch, make: Any) -> None:
    writer = make(batch)
    n = sum(chunk.samples for chunk in iter(writer.read, None))
    assert n == len(list(naive.samples(batch)))
    assert [writer.read(), writer.read()] == [None, None]


def test_bytes_that_are_no_text_become_replacement_characters_everywhere() -> None:
    body = (
        b'{"node":{"nodeName":"n1"},"pods":[{"podRef":{"name":"p","namespace":"a","uid":"u"},"containers":[{"name":'
        b'"c\xff\xc3(\xe2\x82","cpu":{"time":"2017-12-11T10:00:00Z","usageCoreNanoSeconds":5}}]}]}'
    )
    store, rows = Store(), Rows()
    slot = store.put_node("n1", hostname="n1", host_id="", labels="")
    parse_summary(body, rows)
    store.ingest(rows, slot, T0_NS)
    closing = store.swap(T0_NS)
    closing.run()
    batch = store.commit(closing, T0_NS)
    name = "c\ufffd\ufffd(\ufffd\ufffd"
    records = [json.loads(record) for record in messages(KafkaWriter(batch))]
    assert {one["MetricsTags"].get("container_name") for one in records} == {None, name}
    (payload,) = read_all(OtlpWriter(batch, lambda metric: describe(metric, ""), scope_message()))
    resources = ExportMetricsServiceRequest.FromString(payload).resource_metrics
    assert name in {one.value.string_value for resource in resources for one in resource.resource.attributes}
    for writer in (GraphiteWriter(batch, b"p"), LogWriter(batch), RiemannWriter(batch, host=b"h")):
        for payload in read_all(writer):
            assert name.encode() in (payload if isinstance(payload, bytes) else b"".join(payload))
