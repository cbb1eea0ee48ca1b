"""Answers of metrics.k8s.io, v1beta1 and v1: nodes, pods, and lists of them.

In      the latest view, rosters of nodes and pods, slots, a form
Out     bytes of JSON, YAML or protobuf; long lists as chunks, so that the loop stays free
Callers api/metrics_k8s_io.py
Source  spec/metrics-k8s-io.md 3, 5.2, 5.3, 6 and 7
Never   selects, negotiates or compresses; what an item looks like is said in _k8s_json and _k8s_protobuf

All of it belongs to the loop, as the latest view does. A list is rendered while targets are being
ingested: each item is of one moment, the list as a whole need not be. What is not there any more
when its turn comes is left out, and so is what came after the list began.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

import msgspec

from heapfast.query.usage import UsageStatus
from heapfast.render._freshness import Freshness
from heapfast.render._indent import Indenter
from heapfast.render._k8s_json import JsonItems
from heapfast.render._k8s_protobuf import ProtobufItems
from heapfast.render.forms import Encoding, Form
from heapfast.render.k8s_frames import JsonFrame, ObjectType, item_form, json_frame, object_type, with_continue
from heapfast.render.mean_items import History, MeanItems
from heapfast.render.protobuf import ENVELOPE_END, envelope, envelope_start, list_meta
from heapfast.render.yaml import to_yaml, yaml_around, yaml_items

if TYPE_CHECKING:
    from heapfast._latest import Latest
    from heapfast.render._k8s_items import Items
    from heapfast.render._roster import Roster

#: Items rendered before the loop gets its turn: below 1 ms, measured with two containers a pod.
SLICE_ITEMS = 400

#: The same for YAML, which is written by plain Python.
SLICE_ITEMS_YAML = 20


class ItemSource(Protocol):
    """What writes the items of one answer; see Items in _k8s_items.pyi."""

    @property
    def is_done(self) -> bool: ...
    def one(self, slot: int) -> tuple[int, bytes]: ...
    def begin(self, slots: array[int]) -> None: ...
    def step(self, max_items: int) -> bytes: ...


class ResourceMetrics:
    """Renders what metrics.k8s.io serves.

    Args:
        latest: the newest usage of every node and pod.
        nodes: the nodes that are served at all, with their current labels.
        pods: the same for pods: those that the watch says are running.
        freshness: takes the age of every object that is written; None for nobody.
        history: usage is a mean over its span; None for what the latest view has.
    """

    def __init__(
        self,
        latest: Latest,
        nodes: Roster,
        pods: Roster,
        freshness: Freshness | None = None,
        history: History | None = None,
    ) -> None:
        self._latest = latest
        self._history = history
        self._nodes = nodes
        self._pods = pods
        self._freshness = freshness or Freshness()

    def over(self, history: History) -> ResourceMetrics:
        """Return one that renders the same objects, with their means."""
        return ResourceMetrics(self._latest, self._nodes, self._pods, history=history)

    def render_node(self, slot: int, form: Form, now_ns: int) -> tuple[UsageStatus, bytes]:
        """Render one node of the roster.

        Args:
            slot: of the node in the store's table.
            form: as negotiated; a table has one row.
            now_ns: Unix nanoseconds; the answer's creationTimestamp, and what staleness is measured by.

        Returns:
            OK and the body; or why the node is not served, and no bytes. A slot that is not in the
            roster is NONE.
        """
        return self._render_one(self._nodes, slot, form, now_ns)

    def render_pod(self, slot: int, form: Form, now_ns: int) -> tuple[UsageStatus, bytes]:
        """Render one pod of the roster; see `render_node`."""
        return self._render_one(self._pods, slot, form, now_ns)

    def render_nodes(
        self, slots: array[int], form: Form, now_ns: int, continue_token: str = ""
    ) -> AsyncIterator[bytes]:
        """Render a list of nodes, in the order of their names.

        Args:
            slots: uint32 (`array("I")`, as BitMap.to_array gives it), in any order, each at most once.
            form: as negotiated.
            now_ns: Unix nanoseconds; see `render_node`.
            continue_token: of the page after this one, in characters of base64; "" when there is none.

        Yields:
            The body in one or more chunks. Nodes that are not served are left out. Protobuf comes
            only when all of it is there, since its length stands first. A list of up to SLICE_ITEMS is
            one chunk (in YAML: two).
        """
        return self._render_list(self._nodes, slots, form, now_ns, continue_token)

    def render_pods(self, slots: array[int], form: Form, now_ns: int, continue_token: str = "") -> AsyncIterator[bytes]:
        """Render a list of pods, in the order of namespace and name; see `render_nodes`."""
        return self._render_list(self._pods, slots, form, now_ns, continue_token)

    def answer_nodes(
        self, slots: array[int], form: Form, now_ns: int, continue_token: str = ""
    ) -> bytes | AsyncIterator[bytes]:
        """Render a list of nodes: in one piece when it is short, else as `render_nodes` does.

        What most callers ask for is short, and a piece costs them no turn of the loop.
        """
        return self._answer_list(self._nodes, slots, form, now_ns, continue_token)

    def answer_pods(
        self, slots: array[int], form: Form, now_ns: int, continue_token: str = ""
    ) -> bytes | AsyncIterator[bytes]:
        """Render a list of pods; see `answer_nodes`."""
        return self._answer_list(self._pods, slots, form, now_ns, continue_token)

    def _answer_list(
        self, roster: Roster, slots: array[int], form: Form, now_ns: int, continue_token: str
    ) -> bytes | AsyncIterator[bytes]:
        if len(slots) > SLICE_ITEMS or form.encoding is Encoding.YAML or self._history is not None:
            return self._render_list(roster, slots, form, now_ns, continue_token)
        items = self._items(roster, form, now_ns, is_list=True)
        items.begin(slots)
        part = items.step(SLICE_ITEMS)
        if form.encoding is Encoding.PROTOBUF:
            metadata = list_meta(continue_token)
            of = object_type(roster.kind, form, is_list=True)
            return b"".join((envelope_start(*of, len(metadata) + len(part)), metadata, part, ENVELOPE_END))
        frame = json_frame(roster.kind, form, is_list=True)
        if continue_token:
            frame = with_continue(frame, continue_token)
        body = frame.head + part + frame.tail if part else frame.empty
        return Indenter().feed(body) if form.is_indented else body

    def _render_one(self, roster: Roster, slot: int, form: Form, now_ns: int) -> tuple[UsageStatus, bytes]:
        status, item = self._items(roster, form, now_ns, is_list=False).one(slot)
        if status != UsageStatus.OK:
            return UsageStatus(status), b""
        if form.encoding is Encoding.PROTOBUF:
            return UsageStatus.OK, envelope(*object_type(roster.kind, form, is_list=False), item)
        frame = json_frame(roster.kind, form, is_list=False)
        body = frame.head + item + frame.tail
        if form.encoding is Encoding.YAML:
            body = to_yaml(msgspec.json.decode(body))
        elif form.is_indented:
            body = Indenter().feed(body)
        return UsageStatus.OK, body

    def _render_list(
        self, roster: Roster, slots: array[int], form: Form, now_ns: int, continue_token: str
    ) -> AsyncIterator[bytes]:
        items = self._items(roster, form, now_ns, is_list=True)
        items.begin(slots)
        if form.encoding is Encoding.PROTOBUF:
            of = object_type(roster.kind, form, is_list=True)
            return _enveloped(_slices(items, SLICE_ITEMS), of, list_meta(continue_token))
        frame = json_frame(roster.kind, form, is_list=True)
        if continue_token:
            frame = with_continue(frame, continue_token)
        if form.encoding is Encoding.YAML:
            return _yaml(_slices(items, SLICE_ITEMS_YAML), frame)
        chunks = _framed(_slices(items, SLICE_ITEMS), frame)
        return _indented(chunks) if form.is_indented else chunks

    def _items(self, roster: Roster, form: Form, now_ns: int, *, is_list: bool) -> ItemSource:
        item = item_form(roster.kind, form, is_list=is_list)
        if self._history is not None:
            return MeanItems(self._history, roster, now_ns, item, is_protobuf=form.encoding is Encoding.PROTOBUF)
        items: Items
        if form.encoding is not Encoding.PROTOBUF:
            items = JsonItems(self._latest, roster, now_ns, *item)
        elif item.is_row:
            raise ValueError("BUG: there are no tables in protobuf")
        else:
            items = ProtobufItems(self._latest, roster, now_ns, item.content)
        items.freshness = self._freshness
        return items


async def _slices(items: ItemSource, max_items: int) -> AsyncIterator[bytes]:
    """Slices of a list that are not empty; the loop has its turn between two."""
    while True:
        part = items.step(max_items)
        if part:
            yield part
        if items.is_done:
            return
        await asyncio.sleep(0)


async def _framed(slices: AsyncIterator[bytes], frame: JsonFrame) -> AsyncIterator[bytes]:
    # One slice is held back, so that a short list is one chunk.
    held = b""
    async for part in slices:
        if held:
            yield held
            held = part
        else:
            held = frame.head + part
    yield held + frame.tail if held else frame.empty


async def _indented(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    indenter = Indenter()
    async for chunk in chunks:
        yield indenter.feed(chunk)


async def _yaml(slices: AsyncIterator[bytes], frame: JsonFrame) -> AsyncIterator[bytes]:
    before, after = yaml_around(msgspec.json.decode(frame.head + frame.tail), frame.member)
    is_empty = True
    async for part in slices:
        items = yaml_items(msgspec.json.decode(b"[" + part.removeprefix(b",") + b"]"))
        yield before + items if is_empty else items
        is_empty = False
    yield to_yaml(msgspec.json.decode(frame.empty)) if is_empty else after


async def _enveloped(slices: AsyncIterator[bytes], of: ObjectType, metadata: bytes) -> AsyncIterator[bytes]:
    # The length of all items stands before the first one.
    parts = [part async for part in slices]
    start = envelope_start(*of, len(metadata) + sum(map(len, parts))) + metadata
    if len(parts) <= 1:
        yield b"".join((start, *parts, ENVELOPE_END))
        return
    yield start
    for part in parts:
        yield part
    yield ENVELOPE_END
