"""What stands around columns in an Arrow IPC stream: messages, as flatbuffers.

In      names of the columns; lengths of their buffers
Out     the message that says what follows, padded; the end of a stream
Callers _arrow.pyx
Source  Apache Arrow, columnar format 1.5: Message.fbs, Schema.fbs, the IPC streaming format; FlatBuffers' binary format
Never   sees a value: some hundred bytes a message

A message:

    ff ff ff ff | size, int32 | flatbuffer, padded to 8 bytes | body: buffers, each padded to 8 bytes

Where what is pointed at stands behind what points, each offset is known once that is written:

    root offset | vtable | table with offsets | vtable | table | string | vector ...

The library would take 40 MB for a few messages, and its import holds all threads for 6 to 11 ms. Tests read with it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

ARROW_TYPE: Final = "application/vnd.apache.arrow.stream"

#: Buffers begin at its multiples.
ALIGNMENT: Final = 8
END_OF_STREAM: Final = struct.pack("<II", 0xFFFFFFFF, 0)

_VERSION_5: Final = 4
_SCHEMA, _RECORD_BATCH = 1, 3
_FLOATING_POINT, _UTF8, _TIMESTAMP = 3, 5, 10
_DOUBLE: Final = 2
_NANOSECOND: Final = 3


class Column(NamedTuple):
    """One column of a record batch.

    Attributes:
        n_nulls: rows without a value.
        buffer_bytes: of each of its buffers, without padding.
    """

    n_nulls: int
    buffer_bytes: tuple[int, ...]


def padded(n_bytes: int) -> int:
    """Up to where the next buffer begins."""
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT


def schema_message(keys: Sequence[str], functions: Sequence[str]) -> bytes:
    """Keys as text, time as a timestamp in UTC, functions as doubles; any of them may be null."""
    fields = [
        *(_field(key, _UTF8, _Table()) for key in keys),
        _field("time", _TIMESTAMP, _Table(_scalar(0, "h", _NANOSECOND), _child(1, "UTC"))),
        *(_field(function, _FLOATING_POINT, _Table(_scalar(0, "h", _DOUBLE))) for function in functions),
    ]
    return _message(_SCHEMA, _Table(_child(1, fields)), 0)


def batch_message(n_rows: int, columns: Sequence[Column]) -> bytes:
    """What stands before the columns' buffers. As long for any numbers, so that they may be filled in later."""
    nodes, buffers = bytearray(), bytearray()
    n_bytes = 0
    for column in columns:
        nodes += struct.pack("<qq", n_rows, column.n_nulls)
        for size in column.buffer_bytes:
            buffers += struct.pack("<qq", n_bytes, size)
            n_bytes += padded(size)
    batch = _Table(_scalar(0, "q", n_rows), _child(1, bytes(nodes)), _child(2, bytes(buffers)))
    return _message(_RECORD_BATCH, batch, n_bytes)


class _Member(NamedTuple):
    """A member of a table: a number, or something that stands elsewhere; `type_code` as struct has it."""

    place: int
    type_code: str
    value: int
    child: _Node | None


class _Table:
    """A table; a member that is not there has its default."""

    def __init__(self, *members: _Member) -> None:
        self.members = members


#: A table, a text, tables one after the other, or structs of two int64 each.
_Node = _Table | str | list[_Table] | bytes


def _scalar(place: int, type_code: str, value: int) -> _Member:
    return _Member(place, type_code, value, None)


def _child(place: int, child: _Node) -> _Member:
    return _Member(place, "I", 0, child)


def _field(name: str, type_: int, of_type: _Table) -> _Table:
    no_children: list[_Table] = []
    return _Table(
        _child(0, name), _scalar(1, "B", 1), _scalar(2, "B", type_), _child(3, of_type), _child(5, no_children)
    )


def _message(kind: int, header: _Table, body_bytes: int) -> bytes:
    table = _Table(_scalar(0, "h", _VERSION_5), _scalar(1, "B", kind), _child(2, header), _scalar(3, "q", body_bytes))
    out = bytearray(4)
    _write(out, 0, table)
    out += bytes(padded(len(out)) - len(out))
    return struct.pack("<II", 0xFFFFFFFF, len(out)) + out


def _write(out: bytearray, pointer: int, node: _Node) -> None:
    """Writes a node at the end, and at `pointer` how far away it stands."""
    if isinstance(node, _Table):
        _write_table(out, pointer, node)
        return
    # The number of items stands before them; structs begin at a multiple of 8.
    out += bytes(-(len(out) + 4) % ALIGNMENT)
    struct.pack_into("<I", out, pointer, len(out) - pointer)
    if isinstance(node, str):
        text = node.encode("utf-8", "replace")
        out += struct.pack("<I", len(text)) + text + b"\0"
    elif isinstance(node, bytes):
        out += struct.pack("<I", len(node) // 16) + node
    else:
        out += struct.pack("<I", len(node))
        first = len(out)
        out += bytes(4 * len(node))
        for i, table in enumerate(node):
            _write(out, first + 4 * i, table)


def _write_table(out: bytearray, pointer: int, table: _Table) -> None:
    n_slots = max((member.place + 1 for member in table.members), default=0)
    vtable_bytes = 4 + 2 * n_slots
    # The table begins at a multiple of 8, and its largest members first, so that each is aligned.
    out += bytes(-(len(out) + vtable_bytes) % ALIGNMENT)
    vtable = len(out)
    out += bytes(vtable_bytes)
    start = len(out)
    out += struct.pack("<i", start - vtable)
    children = []
    for member in sorted(table.members, key=lambda one: -struct.calcsize(one.type_code)):
        out += bytes(-len(out) % struct.calcsize(member.type_code))
        struct.pack_into("<H", out, vtable + 4 + 2 * member.place, len(out) - start)
        if member.child is not None:
            children.append((len(out), member.child))
        out += struct.pack(f"<{member.type_code}", member.value)
    struct.pack_into("<HH", out, vtable, vtable_bytes, len(out) - start)
    struct.pack_into("<I", out, pointer, start - pointer)
    for at, child in children:
        _write(out, at, child)
