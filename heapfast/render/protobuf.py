"""Protobuf as Kubernetes wraps it, for what is written by plain Python.

In      field numbers and values; the type of an object
Out     bytes of fields; what stands before and after an object
Callers metrics_k8s_io.py, mean_items.py, status.py; api/discovery.py
Source  spec/metrics-k8s-io.md 7.1

    6b 38 73 00  magic, "k8s" and a NUL
    0a ..        1 typeMeta { 1 apiVersion, 2 kind }
    12 ..        2 raw: the object, length first
    1a 00 22 00  3 contentEncoding, 4 contentType: written though empty

Never   leaves out an empty string: upstream writes it, and answers are equal to its byte for byte
"""

from __future__ import annotations

from functools import cache
from typing import Final

_MAGIC: Final = b"k8s\x00"
_VARINT: Final = 0
_BYTES: Final = 2

ENVELOPE_END: Final = b"\x1a\x00\x22\x00"

#: An empty ListMeta as field 1: selfLink, resourceVersion and continue are empty strings.
LIST_META: Final = b"\x0a\x06\x0a\x00\x12\x00\x1a\x00"


def list_meta(continue_token: str) -> bytes:
    """Write a ListMeta as field 1, for a list that goes on behind the token; "" for one that does not."""
    if not continue_token:
        return LIST_META
    return bytes_field(1, text_field(1, "") + text_field(2, "") + text_field(3, continue_token))


def varint(value: int) -> bytes:
    """Write 0 <= value < 2**64, seven bits a byte, the lowest first."""
    if not 0 <= value < 1 << 64:
        raise ValueError(f"BUG: cannot write {value} as a varint")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def int_field(number: int, value: int) -> bytes:
    return varint(number << 3 | _VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | _BYTES) + varint(len(value)) + value


def text_field(number: int, value: str) -> bytes:
    return bytes_field(number, value.encode())


def envelope_start(api_version: str, kind: str, length: int) -> bytes:
    """Everything before an object of `length` bytes; after it comes ENVELOPE_END."""
    return _before_length(api_version, kind) + varint(length)


@cache
def _before_length(api_version: str, kind: str) -> bytes:
    type_meta = text_field(1, api_version) + text_field(2, kind)
    return _MAGIC + bytes_field(1, type_meta) + varint(2 << 3 | _BYTES)


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """Wrap an object that is there as a whole."""
    return b"".join((envelope_start(api_version, kind, len(raw)), raw, ENVELOPE_END))
