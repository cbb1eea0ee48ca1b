"""A reader of protobuf messages that knows nothing of what heapfast writes them with.

In      bytes of a message, field numbers
Out     values of fields
Callers tests of answers in protobuf
Source  spec/metrics-k8s-io.md 7.1 for the envelope
Never   skips what it does not understand
"""

from __future__ import annotations

from collections.abc import Iterator

MAGIC = b"k8s\x00"


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: number, and a varint or bytes; metrics have no other wire types."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            assert tag & 7 == 2, f"wire type {tag & 7} at {at}"
            length = varint()
            assert at + length <= len(message), "a field is longer than its message"
            yield tag >> 3, message[at : at + length]
            at += length


def all_of(message: bytes, number: int) -> list[bytes]:
    found = []
    for field, value in fields(message):
        if field == number:
            assert isinstance(value, bytes)
            found.append(value)
    return found


def text(message: bytes, number: int) -> str:
    (value,) = all_of(message, number)
    return value.decode()


def integer(message: bytes, number: int) -> int:
    (value,) = [value for field, value in fields(message) if field == number]
    assert isinstance(value, int)
    return value


def unwrap(body: bytes, api_version: str, kind: str) -> bytes:
    """The object inside Kubernetes' envelope, which has to be of this type."""
    assert body[:4] == MAGIC
    (type_meta,), (raw,) = all_of(body[4:], 1), all_of(body[4:], 2)
    assert (text(type_meta, 1), text(type_meta, 2)) == (api_version, kind)
    return raw
