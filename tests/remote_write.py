"""Remote write 1.0, naively: the oracle of the compiled writer, and a hand that fills servers.

In      series as dicts; bodies as they were sent
Out     bodies; series
Callers tests
Source  Prometheus' remote write specification 1.0, and protobuf's wire format
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import cramjam


class Sent(NamedTuple):
    """One series of a request: labels in the order they were written, samples as (value, Unix milliseconds)."""

    labels: list[tuple[str, str]]
    samples: list[tuple[float, int]]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def encode(series: list[Sent]) -> bytes:
    """The protobuf of a WriteRequest."""
    request = b""
    for one in series:
        labels = b"".join(field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in one.labels)
        samples = b"".join(
            field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(at_ms)) for value, at_ms in one.samples
        )
        request += field(1, labels + samples)
    return request


def compress(request: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(request))


def decode(body: bytes) -> list[Sent]:
    """What a body says, which is compressed as it is sent; fails at what is no WriteRequest."""
    found = []
    for number, message in fields(bytes(cramjam.snappy.decompress_raw(body))):
        assert number == 1, f"field {number} of a WriteRequest"
        labels: list[tuple[str, str]] = []
        samples: list[tuple[float, int]] = []
        for inner, part in fields(bytes_of(message)):
            values = list(fields(bytes_of(part)))
            if inner == 1:
                assert [n for n, _ in values] == [1, 2]
                labels.append((bytes_of(values[0][1]).decode(), bytes_of(values[1][1]).decode()))
            else:
                assert inner == 2, f"field {inner} of a TimeSeries"
                assert [n for n, _ in values] == [1, 2]
                (value,) = struct.unpack("<d", bytes_of(values[0][1]))
                at_ms = values[1][1]
                assert isinstance(at_ms, int)
                samples.append((value, at_ms if at_ms < 1 << 63 else at_ms - (1 << 64)))
        found.append(Sent(labels, samples))
    return found


def bytes_of(value: bytes | int) -> bytes:
    assert isinstance(value, bytes)
    return value


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(message):
        key, at = read_varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = read_varint(message, at)
            yield number, value
            continue
        length, at = (8, at) if wire == 1 else read_varint(message, at)
        assert wire in (1, 2), f"wire type {wire}"
        assert at + length <= len(message), "a field that is cut off"
        yield number, message[at : at + length]
        at += length


def read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
