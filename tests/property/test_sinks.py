"""Payloads of sinks against their slow twins, over clusters whose names hold everything that names may hold."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.sim._rows import rows_of
from heapfast.sinks._documents import ElasticsearchWriter, KafkaWriter, OpentsdbWriter
from heapfast.sinks._graphite import GraphiteWriter
from heapfast.sinks._log import LogWriter
from heapfast.sinks._otlp import OtlpWriter
from heapfast.sinks._statsd import EtsyWriter, InfluxStatsdWriter
from heapfast.sinks.otlp import describe, scope_message
from tests.unit.sinks import naive
from tests.unit.sinks.naive import as_set, read_all
from tests.unit.store.rows import T0_NS, container, custom, node, pod, resource, system

# NUL parts the names of accelerators and stored labels inside the store.
names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=8) | st.sampled_from(
    ["a.b", "a/b", "a b", "a\nb", 'a"b\\', "a:b,c=d", "a|b", "<&>\u2028", "ü", "1\t2\r\x7f"]
)
user_labels = st.lists(st.tuples(names, names), max_size=3, unique_by=lambda pair: pair[0]).map(
    lambda pairs: ",".join(f"{key}:{value}" for key, value in pairs)
)
values = st.integers(0, 2**62)
# Between 2^53 and 1e21 JSON writes a double as an integer whose last digits are made up.
floats = st.floats(-1e15, 1e15) | st.sampled_from([1e21, -1e300, 5e-324, 2.0**-44])
metrics = st.dictionaries(st.sampled_from(["cpu/usage", "memory/usage", "memory/rss", "uptime"]), values, max_size=3)
customs = st.lists(
    st.builds(custom, names, st.one_of(floats, st.integers(-(2**62), 2**62))), max_size=2, unique_by=lambda c: c["name"]
)
resources = st.lists(
    st.one_of(
        st.builds(lambda id_, used: resource("filesystem", f"fs{id_}", usage=used), names, values),
        st.builds(lambda id_, used: resource("volume", id_, usage=used, limit=used), names, values),
        st.builds(
            lambda id_, make: resource("accelerator", id_, memory_used=1, make=make, model=""), names, names
        ),
    ),
    max_size=2,
    unique_by=lambda one: (one["type"], one["id"]),
)  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """One closed batch of one node with a few pods, some of which the API server knows."""
    store = Store()
    slot = store.put_node(
        "n1", hostname=draw(names), host_id=draw(names), labels=draw(user_labels), stored=[("zone", draw(names))]
    )
    rows = [node("n1", draw(metrics), resources=draw(resources))]
    rows += [system(name, draw(metrics)) for name in draw(st.sets(names, max_size=2))]
    for namespace, name in draw(st.sets(st.tuples(names, names), max_size=3)):
        if draw(st.booleans()):
            store.put_namespace(namespace, draw(names))
            store.put_pod(
                namespace, name, uid=draw(names), labels=draw(user_labels), stored=[("team", draw(names))],
                containers=[],
            )  # fmt: skip
        rows.append(pod(namespace, name, {"network/rx": draw(values)}, resources=draw(resources)))
        for inner in draw(st.sets(names, max_size=2)):
            more = {"custom": draw(customs), "resources": draw(resources)}
            rows.append(container(namespace, name, inner, draw(metrics), **more))
    store.ingest(rows_of(rows), slot, T0_NS)
    closing = store.swap(T0_NS)
    closing.run()
    return store.commit(closing, T0_NS)


def lines(payloads: list[Any]) -> list[str]:
    joined = b"".join(part if isinstance(part, bytes) else b"".join(part) for part in payloads)
    return sorted(line.decode() for line in joined.split(b"\n") if line)


@given(batches(), st.sampled_from([1, 500, 1 << 20]))
@settings(max_examples=40)
def test_lines_are_those_of_the_twins(batch: Batch, at_least: int) -> None:
    def read(writer: Any) -> list[str]:
        return lines(read_all(writer, at_least_bytes=at_least))

    graphite = [line.rstrip("\n") for line in naive.graphite_lines(batch, "p")]
    assert read(GraphiteWriter(batch, b"p")) == sorted(graphite)
    assert read(EtsyWriter(batch, b"")) == sorted(naive.etsy_lines(batch))
    assert read(InfluxStatsdWriter(batch, b"")) == sorted(naive.influx_statsd_lines(batch))


@given(batches(), st.sampled_from([1, 500, 1 << 20]))
@settings(max_examples=40)
def test_documents_are_those_of_the_twins(batch: Batch, at_least: int) -> None:
    records = [json.loads(one) for part in read_all(KafkaWriter(batch), at_least_bytes=at_least) for one in part]
    assert as_set(records) == as_set(naive.kafka_records(batch))
    requests = [one for part in read_all(OpentsdbWriter(batch, "c"), at_least_bytes=at_least) for one in part]
    assert as_set(p for request in requests for p in json.loads(request)) == as_set(naive.opentsdb_points(batch, "c"))
    bulk = b"".join(read_all(ElasticsearchWriter(batch, "c", ()), at_least_bytes=at_least)).split(b"\n")[1::2]
    assert as_set(map(json.loads, bulk)) == as_set(naive.elasticsearch_documents(batch, "c"))


@given(batches())
@settings(max_examples=40)
def test_otlp_is_read_by_opentelemetrys_own_decoder(batch: Batch) -> None:
    writer = OtlpWriter(batch, lambda name: describe(name, ""), scope_message())
    n = 0
    for payload in read_all(writer, at_least_bytes=500):
        for one in ExportMetricsServiceRequest.FromString(payload).resource_metrics:
            n += len(one.scope_metrics[0].metrics)
    assert n == len(list(naive.samples(batch)))


@given(batches())
@settings(max_examples=40)
def test_no_name_breaks_a_line_of_the_log(batch: Batch) -> None:
    text = b"".join(read_all(LogWriter(batch))).decode()
    assert text.count("\nMetricSet: ") == len(batch.keys())
    assert re.fullmatch(
        r"DataBatch     Timestamp: [^\n]+\n\n(MetricSet: [^\n]+\n   Scrape time: [^\n]+\n   Create time: [^\n]+\n"
        r"   Labels:\n(      [^\n]+\n)+   Metrics:\n(      [^\n]+\n)*   Labeled Metrics:\n(      [^\n]+\n)*\n)+",
        text,
    )
