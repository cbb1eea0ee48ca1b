"""Compiled items of metrics.k8s.io against the plain form, for names, labels and values of any sort."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from heapfast.render.forms import Encoding, Form, RowObject, Shape
from tests.unit.render import naive_k8s as naive
from tests.unit.render.usage import AT_NS, NOW_NS, RESOLUTION_NS, Usage, Use

#: Any text that UTF-8 can hold, but for two characters that Python's encoder has short escapes for and the writer has
#: not; long enough that lengths need two bytes.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\b\f"), min_size=1, max_size=12),
    st.text('xy<"\\é', min_size=1, max_size=300),
)
LABELS = st.dictionaries(TEXTS, st.one_of(st.just(""), TEXTS), max_size=4)
#: A rate is computed in doubles: up to 2**50 nanocores over ten seconds are exact.
USES = st.builds(
    Use,
    name=TEXTS,
    cpu_nanocores=st.one_of(st.integers(0, 2**49), st.integers(0, 2000), st.sampled_from([10**9, 15 * 10**8, 10**12])),
    memory_bytes=st.one_of(st.integers(1, 2**60), st.sampled_from([1000, 1023, 1024, 2**20, 3 * 2**30])),
    at_ns=st.integers(AT_NS - 3_000_000_000, AT_NS),
)
CONTAINERS = st.lists(USES, min_size=1, max_size=5, unique_by=lambda use: use.name)
PODS = st.dictionaries(st.tuples(TEXTS, TEXTS), st.tuples(LABELS, CONTAINERS), max_size=5)
NODES = st.dictionaries(TEXTS, st.tuples(LABELS, USES), max_size=4)

JSON_V1 = Form(version="v1")
PROTOBUF_V1 = Form(Encoding.PROTOBUF, version="v1")


def pod_object(key: tuple[str, str], labels: dict[str, str], uses: list[Use]) -> naive.Object:
    # Of several containers with the earliest time, the first by name gives the window; all windows are equal here.
    uses = sorted(uses, key=lambda use: use.name.encode())
    return naive.Object(
        *key,
        labels,
        cpu_nanocores=sum(use.cpu_nanocores for use in uses),
        memory_bytes=sum(use.memory_bytes for use in uses),
        time_ns=min(use.at_ns for use in uses),
        window_ns=RESOLUTION_NS,
        containers=tuple((use.name, use.cpu_nanocores, use.memory_bytes) for use in uses),
    )


def node_object(name: str, labels: dict[str, str], use: Use) -> naive.Object:
    return naive.Object("", name, labels, use.cpu_nanocores, use.memory_bytes, use.at_ns, RESOLUTION_NS)


@given(PODS)
def test_pods_are_written_as_the_plain_form_writes_them(
    pods: dict[tuple[str, str], tuple[dict[str, str], list[Use]]],
) -> None:
    usage = Usage()
    slots = [usage.put_pod(*key, labels) for key, (labels, _) in pods.items()]
    usage.use(usage.put_node("n"), {key: uses for key, (_, uses) in pods.items()})
    in_order = sorted(pods, key=lambda key: (key[0].encode(), key[1].encode()))
    objects = [pod_object(key, *pods[key]) for key in in_order]
    assert b"".join(usage.list_pods(slots, JSON_V1)) == naive.list_json("PodMetrics", objects, NOW_NS)
    assert b"".join(usage.list_pods(slots, PROTOBUF_V1)) == naive.list_protobuf("PodMetrics", objects, NOW_NS)
    for key, slot in zip(pods, slots, strict=True):
        one = objects[in_order.index(key)]
        head = {"kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1"}
        assert usage.get_pod(slot, JSON_V1) == naive.to_json(head | naive.object_value(one, NOW_NS))
        raw = naive.object_message(one, NOW_NS)
        assert usage.get_pod(slot, PROTOBUF_V1) == naive.envelope("metrics.k8s.io/v1", "PodMetrics", raw)


@given(NODES)
def test_nodes_are_written_as_the_plain_form_writes_them(nodes: dict[str, tuple[dict[str, str], Use]]) -> None:
    usage = Usage()
    slots = []
    for name, (labels, use) in nodes.items():
        slots.append(usage.put_node(name, labels))
        # The reference takes a node that has used no CPU at all for one without samples.
        usage.use(slots[-1], {}, use)
    objects = [node_object(name, *nodes[name]) for name in sorted(nodes, key=str.encode)]
    assert b"".join(usage.list_nodes(slots, JSON_V1)) == naive.list_json("NodeMetrics", objects, NOW_NS)
    assert b"".join(usage.list_nodes(slots, PROTOBUF_V1)) == naive.list_protobuf("NodeMetrics", objects, NOW_NS)


@given(PODS)
def test_other_forms_say_the_same(pods: dict[tuple[str, str], tuple[dict[str, str], list[Use]]]) -> None:
    usage = Usage()
    slots = [usage.put_pod(*key, labels) for key, (labels, _) in pods.items()]
    usage.use(usage.put_node("n"), {key: uses for key, (_, uses) in pods.items()})
    whole = json.loads(b"".join(usage.list_pods(slots)))
    indented = b"".join(usage.list_pods(slots, Form(is_indented=True)))
    assert json.loads(indented) == whole
    assert indented.count(b"\n") > 4 or not pods
    table = json.loads(b"".join(usage.list_pods(slots, Form(shape=Shape.TABLE, row_object=RowObject.WHOLE))))
    metadata = json.loads(b"".join(usage.list_pods(slots, Form(shape=Shape.METADATA))))
    assert [item["metadata"] for item in metadata["items"]] == [item["metadata"] for item in whole["items"]]
    for row, item in zip(table["rows"] or [], whole["items"], strict=True):
        assert row["object"] == item | {"kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1"}
        key = (item["metadata"]["namespace"], item["metadata"]["name"])
        sums = naive.usage_value(*pod_object(key, *pods[key])[3:5])
        assert row["cells"] == [key[1], sums["cpu"], sums["memory"], item["window"]]
