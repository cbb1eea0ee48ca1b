"""Lists that are written in slices, and objects that are not served."""

from __future__ import annotations

import asyncio
import json
from array import array
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.query.usage import UsageStatus
from heapfast.render._indent import Indenter
from heapfast.render.forms import Encoding, Form, RowObject, Shape
from heapfast.render.metrics_k8s_io import SLICE_ITEMS
from tests.unit.render import naive_k8s as naive
from tests.unit.render.usage import NOW_NS, RESOLUTION_NS, Usage, Use

PROTOBUF = Form(Encoding.PROTOBUF)
TABLE = Form(shape=Shape.TABLE)

MANY = [f"pod-{i:05}" for i in range(2 * SLICE_ITEMS + 1)]


def many_pods(usage: Usage) -> dict[str, int]:
    slots = {name: usage.put_pod("n", name, {"app": name[:6]}) for name in MANY}
    usage.use(usage.put_node("node"), {("n", name): [Use("c")] for name in MANY})
    return slots


def names(body: bytes) -> list[str]:
    value = json.loads(body)
    if value["kind"] == "Table":
        return [row["cells"][0] for row in value["rows"] or ()]
    return [item["metadata"]["name"] for item in value["items"]]


def test_a_long_list_comes_in_chunks_that_make_one_body() -> None:
    usage = Usage()
    slots = list(many_pods(usage).values())
    for form in (Form(), TABLE, Form(is_indented=True), Form(shape=Shape.METADATA)):
        chunks = usage.list_pods(slots, form)
        assert len(chunks) == 3
        assert all(chunks)
        assert names(b"".join(chunks)) == MANY
    protobuf = usage.list_pods(slots, PROTOBUF)
    assert len(protobuf) > 3
    # Field 2, its length, so many bytes, and the two empty texts.
    assert _declared_length(b"".join(protobuf)) == len(b"".join(protobuf[1:-1])) + 8


def _declared_length(body: bytes) -> int:
    at = body.index(b"PodMetricsList") + len(b"PodMetricsList")
    assert body[at] == 0x12
    length, shift = 0, 0
    while True:
        at += 1
        length |= (body[at] & 0x7F) << shift
        shift += 7
        if body[at] < 0x80:
            assert at + 1 + length + 4 == len(body)
            return length


def test_a_short_list_is_one_chunk() -> None:
    usage = Usage()
    slots = many_pods(usage)
    few = [slots[MANY[3]], slots[MANY[1]]]
    for form in (Form(), TABLE, PROTOBUF, Form(is_indented=True)):
        assert len(usage.list_pods(few, form)) == 1


@pytest.mark.parametrize("count", [0, 1, SLICE_ITEMS, SLICE_ITEMS + 1])
@pytest.mark.parametrize("token", ["", "dG9rZW4"], ids=["last", "page"])
@pytest.mark.parametrize(
    "form",
    [Form(), TABLE, PROTOBUF, Form(is_indented=True), Form(Encoding.YAML), Form(shape=Shape.METADATA)],
    ids=["json", "table", "protobuf", "indented", "yaml", "metadata"],
)
def test_an_answer_at_once_is_that_of_all_chunks(form: Form, token: str, count: int) -> None:
    usage = Usage()
    slots = array("I", list(many_pods(usage).values())[:count])

    async def join(answer: bytes | AsyncIterator[bytes]) -> bytes:
        return answer if isinstance(answer, bytes) else b"".join([chunk async for chunk in answer])

    for render, answer in (
        (usage.metrics.render_pods, usage.metrics.answer_pods),
        (usage.metrics.render_nodes, usage.metrics.answer_nodes),
    ):
        found = answer(slots, form, NOW_NS, token)
        assert isinstance(found, bytes) is (count <= SLICE_ITEMS and form.encoding is not Encoding.YAML)
        assert asyncio.run(join(found)) == asyncio.run(join(render(slots, form, NOW_NS, token)))


def test_a_list_in_yaml_is_that_of_its_value() -> None:
    usage = Usage()
    slots = list(many_pods(usage).values())[:45]
    text = b"".join(usage.list_pods(slots, Form(Encoding.YAML))).decode()
    assert text.startswith("apiVersion: metrics.k8s.io/v1beta1\nitems:\n- containers:\n  - name: c\n")
    assert text.endswith("\nkind: PodMetricsList\nmetadata: {}\n")
    assert text.count("- containers:") == 45


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (Form(), b'{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[]}\n'),
        (TABLE, b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"columnDefinitions":null,"rows":null}\n'),
        (Form(Encoding.YAML), b"apiVersion: metrics.k8s.io/v1beta1\nitems: []\nkind: PodMetricsList\nmetadata: {}\n"),
        (
            PROTOBUF,
            naive.envelope("metrics.k8s.io/v1beta1", "PodMetricsList", b"\x0a\x06\x0a\x00\x12\x00\x1a\x00"),
        ),
    ],
    ids=["json", "table", "yaml", "protobuf"],
)
def test_a_list_of_nothing_is_an_empty_list(form: Form, body: bytes) -> None:
    usage = Usage()
    assert usage.list_pods([], form) == [body]
    assert usage.list_pods([usage.put_pod("n", "without samples")], form) == [body]


def test_what_is_removed_while_a_list_is_written_is_left_out() -> None:
    usage = Usage()
    slots = many_pods(usage)

    async def take() -> bytes:
        body = b""
        async for chunk in usage.metrics.render_pods(array("I", slots.values()), Form(), NOW_NS):
            if not body:
                usage.pods.remove(slots[MANY[-1]])
            body += chunk
        return body

    assert names(asyncio.run(take())) == MANY[:-1]


def test_a_slot_that_gets_a_new_owner_while_a_list_is_written_is_left_out() -> None:
    usage = Usage()
    slots = many_pods(usage)
    last = slots[MANY[-1]]

    async def take() -> bytes:
        body = b""
        async for chunk in usage.metrics.render_pods(array("I", slots.values()), Form(), NOW_NS):
            if not body:
                usage.pods.remove(last)
                usage.pods.put(last, {"of": "another"})
            body += chunk
        return body

    assert names(asyncio.run(take())) == MANY[:-1]
    assert names(b"".join(usage.list_pods([last]))) == [MANY[-1]]


def test_the_loop_has_its_turn_between_slices() -> None:
    usage = Usage()
    slots = array("I", many_pods(usage).values())

    async def turns() -> int:
        count = 0
        is_over = False

        async def count_turns() -> None:
            nonlocal count
            while not is_over:
                count += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        async for _ in usage.metrics.render_pods(slots, PROTOBUF, NOW_NS):
            pass
        is_over = True
        await counting
        return count

    assert asyncio.run(turns()) >= len(slots) // SLICE_ITEMS


def test_a_get_says_why_an_object_is_not_served() -> None:
    usage = Usage()
    node = usage.put_node("node")
    served, seen_once, never = (usage.put_pod("n", name) for name in ("served", "seen-once", "never"))
    usage.use(node, {("n", "served"): [Use("c")]}, Use("n"))
    render_pod, render_node = usage.metrics.render_pod, usage.metrics.render_node
    assert render_pod(never, Form(), NOW_NS) == (UsageStatus.NONE, b"")
    assert render_pod(served, PROTOBUF, NOW_NS)[0] is UsageStatus.OK
    assert render_pod(served, Form(), NOW_NS + 9 * RESOLUTION_NS) == (UsageStatus.STALE, b"")
    assert render_node(node, PROTOBUF, NOW_NS + 9 * RESOLUTION_NS) == (UsageStatus.STALE, b"")
    assert render_node(node, Form(), NOW_NS)[0] is UsageStatus.OK
    usage.once(node, {("n", "seen-once"): [Use("c")]})
    assert render_pod(seen_once, Form(), NOW_NS) == (UsageStatus.ONE_POINT, b"")
    usage.pods.remove(served)
    assert render_pod(served, Form(), NOW_NS) == (UsageStatus.NONE, b"")


def test_rows_of_a_table_carry_what_was_asked_for() -> None:
    usage = Usage()
    slot = many_pods(usage)[MANY[0]]
    objects = {
        row_object: json.loads(
            usage.get_pod(slot, Form(shape=Shape.TABLE, meta_version="v1beta1", row_object=row_object))
        )["rows"][0]["object"]
        for row_object in RowObject
    }
    assert objects[RowObject.NONE] is None
    assert objects[RowObject.METADATA].keys() == {"kind", "apiVersion", "metadata"}
    assert objects[RowObject.METADATA]["apiVersion"] == "meta.k8s.io/v1beta1"
    assert objects[RowObject.WHOLE]["containers"][0]["name"] == "c"


def test_a_table_in_protobuf_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no tables in protobuf"):
        Usage().list_pods([], TABLE._replace(encoding=Encoding.PROTOBUF))


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    ),
    st.integers(1, 9),
)
def test_indenting_gives_the_same_whatever_the_chunks_are(value: object, width: int) -> None:
    compact = json.dumps(value, separators=(",", ":")).encode()
    indenter = Indenter()
    chunks = [indenter.feed(compact[at : at + width]) for at in range(0, len(compact), width)]
    assert b"".join(chunks).decode() == json.dumps(value, indent=2)
