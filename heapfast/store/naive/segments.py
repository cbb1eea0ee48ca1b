"""Segments, read the slow way.

In      the bytes of one file
Out     batches as dicts, every value under the names of its entity
Callers tests
Source  docs/warm-restart.md
Never   trusts a checksum less than the other reader does: it stops at the same byte
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from heapfast.catalog.keys import Kind

Value = int | float
#: Names from the outside in; of a resource, then type and name.
Entity = tuple[Kind, tuple[str, ...]]

FACTS = {0xFF00: "present", 0xFF01: "sample_ns", 0xFF02: "start_ns", 0xFF03: "since_ns", 0xFF04: "node"} | {
    0xFF05 + i: name
    for i, name in enumerate(
        (
            "origin",
            "side_sample_ns",
            "side_start_ns",
            "side_since_ns",
            "side_came_ns",
            "main_sample_ns",
            "main_start_ns",
        )
    )
}
_PARENT = {Kind.POD: Kind.NAMESPACE, Kind.POD_CONTAINER: Kind.POD, Kind.SYS_CONTAINER: Kind.NODE}


class NaiveStored(NamedTuple):
    """One batch: metrics and facts of every entity that has any; `uids` of pods."""

    timestamp_ns: int
    metrics: dict[Entity, dict[str, Value]]
    facts: dict[Entity, dict[str, Value | str]]
    uids: dict[Entity, str]


class _Bytes:
    """A place in bytes."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + layout, self.text, self.at)
        self.at += struct.calcsize("<" + layout)
        return found

    def take_bytes(self, n: int) -> bytes:
        self.at += n
        return self.text[self.at - n : self.at]


def read_segment(text: bytes) -> tuple[dict[str, Any], list[NaiveStored]]:
    """Description and batches of a file, up to the first byte that is wrong."""
    magic, version, length, fixed_crc, crc = struct.unpack_from("<8sIIII", text)
    about = text[24 : 24 + length]
    assert (magic, version, zlib.crc32(text[:16]), zlib.crc32(about)) == (b"HEAPFAST", 1, fixed_crc, crc)
    return json.loads(about), list(_read_records(text, 24 + length))


def _read_records(text: bytes, at: int) -> Iterator[NaiveStored]:
    entities: dict[tuple[int, int], Entity] = {}
    uids: dict[Entity, str] = {}
    metrics: list[tuple[str, bool]] = []
    columns: dict[tuple[int, int], list[int | None]] = {}
    while at + 40 <= len(text):
        magic, crc, timestamp_ns, n_head, n_detail, head_crc, detail_crc = struct.unpack_from("<4sIqQQII", text, at)
        if magic != b"HFRC" or zlib.crc32(text[at + 8 : at + 40]) != crc:
            return
        head, detail = text[at + 40 : at + 40 + n_head], text[at + 40 + n_head : at + 40 + n_head + n_detail]
        at += 40 + n_head + n_detail
        if at > len(text) or zlib.crc32(head) != head_crc or zlib.crc32(detail) != detail_crc:
            return
        c = _Bytes(head)
        c.take("q")
        _read_metrics(c, metrics)
        _read_entities(c, entities, uids)
        found = _read_columns(c, columns) | _read_columns(_Bytes(detail), columns)
        columns = found
        yield _name_all(timestamp_ns, found, entities, metrics, dict(uids))


def _read_metrics(c: _Bytes, metrics: list[tuple[str, bool]]) -> None:
    (count,) = c.take("I")
    for _ in range(count):
        is_float, _, length = c.take("BBH")
        metrics.append((c.take_bytes(length).decode(), bool(is_float)))


def _read_entities(c: _Bytes, entities: dict[tuple[int, int], Entity], uids: dict[Entity, str]) -> None:
    (count,) = c.take("I")
    for _ in range(count):
        kind, owner, type_, has_text, slot, parent, name_length, text_length = c.take("BBBBIIHH")
        name = c.take_bytes(name_length).decode("utf-8", "replace")
        text = c.take_bytes(text_length).decode("utf-8", "replace")
        outer: tuple[str, ...] = ()
        if kind == Kind.RESOURCE:
            outer = (*entities[owner, parent][1], Kind(owner).name, str(type_))
        elif (above := _PARENT.get(Kind(kind))) is not None:
            outer = entities[above, parent][1]
        entity = (Kind(kind), (*outer, name))
        entities[kind, slot] = entity
        if kind == Kind.POD and has_text:
            uids[entity] = text


def _read_columns(
    c: _Bytes, former: dict[tuple[int, int], list[int | None]]
) -> dict[tuple[int, int], list[int | None]]:
    found: dict[tuple[int, int], list[int | None]] = {}
    while c.at < len(c.text):
        kind, form, id_, n = c.take("BBHI")
        before = former.get((kind, id_), [])
        found[kind, id_] = list(before) if form == 0 else _read_blocks(c, n, before)
    return found


def _read_blocks(c: _Bytes, n: int, before: list[int | None]) -> list[int | None]:
    values: list[int | None] = []
    for start in range(0, n, 64):
        count = min(64, n - start)
        (form,) = c.take("B")
        if form & 1:
            values += [None] * count
            continue
        mask = c.take("Q")[0] if form & 2 else (1 << count) - 1
        base = c.take("q")[0] if form & 4 else 0
        width, shift = c.take("BB") if form & 8 else (0, 0)
        bits = int.from_bytes(c.take_bytes(8 * width), "little")
        for i in range(count):
            if not mask >> i & 1:
                values.append(None)
                continue
            number = ((bits >> i * width & (1 << width) - 1) << shift) + base
            if form & 16 and start + i < len(before):
                number += before[start + i] or 0
            values.append((number + (1 << 63)) % (1 << 64) - (1 << 63))
    return values


def _name_all(
    timestamp_ns: int,
    columns: dict[tuple[int, int], list[int | None]],
    entities: dict[tuple[int, int], Entity],
    metrics: list[tuple[str, bool]],
    uids: dict[Entity, str],
) -> NaiveStored:
    batch = NaiveStored(timestamp_ns, {}, {}, uids)
    for (kind, id_), values in columns.items():
        for slot, value in enumerate(values):
            if value is None:
                continue
            entity = (Kind.CLUSTER, ()) if kind == Kind.CLUSTER else entities[kind, slot]
            if id_ in FACTS:
                fact: Value | str = entities[Kind.NODE, value][1][0] if FACTS[id_] == "node" else value
                batch.facts.setdefault(entity, {})[FACTS[id_]] = fact
                continue
            name, is_float = metrics[id_]
            number: Value = struct.unpack("<d", struct.pack("<q", value))[0] if is_float else value
            batch.metrics.setdefault(entity, {})[name] = number
    return batch
