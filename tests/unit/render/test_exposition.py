"""The exposition of a batch: what prometheus-client reads out of it is what the batch has."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.render._exposition import ExpositionWriter, column_names, render_scalars
from heapfast.render.exposition import families
from heapfast.sim._rows import rows_of
from tests.unit.api.cluster import Cluster
from tests.unit.render.naive_exposition import Samples, expected
from tests.unit.store.rows import SECOND_NS, T0_NS, container, custom, node, resource

EVERYTHING = frozenset(Kind) - {Kind.RESOURCE}


def write(batch: Batch, at_least: int = 1 << 20, **options: object) -> str:
    written = families(
        column_names(batch), EVERYTHING, lambda _: True, is_openmetrics=bool(options.get("is_openmetrics"))
    )
    writer = ExpositionWriter(batch, written, **options)
    chunks = []
    while chunk := writer.read(at_least):
        chunks.append(chunk)
    assert writer.read() == b""
    return b"".join(chunks).decode()


def read(text: str, parse=parse_text) -> Samples:
    found: Samples = {}
    names = set()
    for family in parse(text):
        assert family.name not in names, "the samples of a family stand together"
        names.add(family.name)
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


@pytest.fixture(scope="module")
def batch() -> Batch:
    newest = Cluster().store.newest
    assert newest is not None
    return newest


@pytest.mark.parametrize("is_openmetrics", [False, True], ids=["text", "openmetrics"])
def test_what_is_read_back_is_what_the_batch_has(batch, is_openmetrics):
    text = write(batch, is_openmetrics=is_openmetrics)
    found = read(text, parse_openmetrics if is_openmetrics else parse_text)
    assert found == expected(batch)
    assert len(found) > 150


def test_chunks_of_any_size_are_one_text(batch):
    whole = write(batch)
    for at_least in (1, 100, 5000):
        assert write(batch, at_least) == whole


def test_a_family_is_headed_by_its_help_type_and_unit(batch):
    assert (
        "# HELP heapfast_node_cpu_usage_seconds_total CPU time used, over all cores.\n"
        "# TYPE heapfast_node_cpu_usage_seconds_total counter\n"
        'heapfast_node_cpu_usage_seconds_total{node="node-1"} 1200\n'
    ) in write(batch)
    openmetrics = write(batch, is_openmetrics=True)
    assert (
        "# HELP heapfast_container_cpu_usage_seconds CPU time used, over all cores.\n"
        "# TYPE heapfast_container_cpu_usage_seconds counter\n"
        "# UNIT heapfast_container_cpu_usage_seconds seconds\n"
        'heapfast_container_cpu_usage_seconds_total{namespace="default",pod="web-0",container="nginx",uid="uid-web-0",'
        'node="node-1"} 120\n'
    ) in openmetrics
    assert openmetrics.endswith("\n# EOF\n")
    assert "# TYPE heapfast_container_custom_qps unknown\n" in openmetrics
    assert "# TYPE heapfast_container_custom_qps untyped\n" in write(batch)


def test_the_clusters_samples_have_no_labels(batch):
    assert "\nheapfast_cluster_cpu_usage_cores 3.516\n" in write(batch)


@pytest.mark.parametrize(("is_openmetrics", "unit"), [(False, 1000), (True, 1)], ids=["text", "openmetrics"])
def test_time_stamps_are_the_batchs(batch, is_openmetrics, unit):
    text = write(batch, is_openmetrics=is_openmetrics, has_timestamps=True)
    samples = [line for line in text.split("\n") if line and line[0] != "#"]
    assert {line.rpartition(" ")[2] for line in samples} == {str(batch.timestamp_ns // SECOND_NS * unit)}


def chosen(text: str, label: str) -> set[str]:
    return {dict(labels).get(label, "") for _, labels in read(text)}


def test_chosen_pods_and_namespaces_narrow_what_is_theirs_only():
    cluster = Cluster()
    batch = cluster.store.newest
    pod = cluster.store.find(Kind.POD, "default", "job")
    text = write(batch, pods=array("I", [pod, 10**6]))
    assert chosen(text, "pod") == {"", "job"}
    assert chosen(text, "node") == {"", "node-1"}
    shop = array("I", [cluster.store.find(Kind.NAMESPACE, "shop")])
    text = write(batch, namespaces=shop)
    assert chosen(text, "namespace") == {"", "shop"}
    assert chosen(text, "pod") == {"", "web-0"}
    assert chosen(write(batch, namespaces=shop, pods=array("I", [pod])), "pod") == {""}
    assert chosen(write(batch, namespaces=array("I")), "namespace") == {""}


def test_wanted_kinds_and_metrics_alone_are_written(batch):
    written = families(column_names(batch), {Kind.NODE}, "cpu/usage".__eq__, is_openmetrics=False)
    assert read(ExpositionWriter(batch, written).read().decode()) == {
        ("heapfast_node_cpu_usage_seconds_total", frozenset({("node", "node-1")})): 1200
    }


def one_batch(*rows: dict) -> Batch:
    store = Store()
    slot = store.put_node("n1", hostname="n1", host_id="", labels="")
    store.ingest(rows_of([node("n1", {"cpu/usage": 1}), *rows]), slot, T0_NS)
    closing = store.swap(T0_NS)
    closing.run()
    return store.commit(closing, T0_NS)


# What a kubelet may call things: anything but NUL, which ends the parts of an accelerator's name.
names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=12)


@given(name=names, model=names, value=st.integers(0, 2**62))
def test_any_name_and_number_is_read_back(name, model, value):
    batch = one_batch(
        container(
            "s", "p", "c", {"cpu/usage": value},
            resources=[
                resource("accelerator", name, make="m", model=model, memory_total=1),
                resource("filesystem", name, usage=value),
            ],
        )
    )  # fmt: skip
    for is_openmetrics, parse in ((False, parse_text), (True, parse_openmetrics)):
        assert read(write(batch, is_openmetrics=is_openmetrics), parse) == expected(batch)


def test_a_custom_metric_of_two_types_is_one_family():
    batch = one_batch(
        container("s", "p", "a", {"cpu/usage": 1}, custom=[custom("x", 2)]),
        container("s", "p", "b", {"cpu/usage": 1}, custom=[custom("x", 0.5)]),
    )
    found = read(write(batch))
    assert {
        dict(labels)["container"]: value
        for (name, labels), value in found.items()
        if name == "heapfast_container_custom_x"
    } == {"a": 2, "b": 0.5}


def test_a_help_text_stays_on_its_line():
    batch = one_batch(container("s", "p", "a", {"cpu/usage": 1}, custom=[custom('a\n"\\b', 2)]))
    for is_openmetrics, parse in ((False, parse_text), (True, parse_openmetrics)):
        assert read(write(batch, is_openmetrics=is_openmetrics), parse) == expected(batch)


def scalar(item: object) -> str:
    return render_scalars([item]).decode()[:-1]


@pytest.mark.parametrize(
    ("item", "text"),
    [
        pytest.param((0, 0), "0", id="zero"),
        pytest.param((0, 3), "0", id="scaled zero"),
        pytest.param((1, 9), "0.000000001", id="one nanosecond"),
        pytest.param((1500, 3), "1.5", id="needless zeros"),
        pytest.param((-2500, 3), "-2.5", id="negative"),
        pytest.param((-1, 3), "-0.001", id="negative below one"),
        pytest.param((2000, 3), "2", id="whole"),
        pytest.param((2**63 - 1, 9), "9223372036.854775807", id="largest"),
        pytest.param((-(2**63), 9), "-9223372036.854775808", id="smallest"),
        pytest.param((-(2**63), 0), "-9223372036854775808", id="smallest unscaled"),
        pytest.param(0.25, "0.25", id="float"),
        pytest.param(math.nan, "NaN", id="no number"),
        pytest.param(math.inf, "+Inf", id="infinity"),
        pytest.param(-math.inf, "-Inf", id="minus infinity"),
        pytest.param(b'a\\b"c\nd\re', 'a\\\\b\\"c\\nd\re', id="escapes"),
        pytest.param("größe".encode(), "größe", id="letters"),
        pytest.param(b"\xffa\xc3", "\ufffda\ufffd", id="no letters"),
    ],
)
def test_a_scalar_is_written(item, text):
    assert scalar(item) == text


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 9))
def test_a_scaled_integer_is_the_quotient(value, decimals):
    assert math.isclose(float(scalar((value, decimals))), value / 10**decimals, rel_tol=1e-15, abs_tol=0)
