"""The little protobuf that is read or written by hand: answers of a few fields, headers of messages.

In      bytes
Out     fields
Callers riemann.py, otlp.py
Source  the encoding of protocol buffers
Never   meets a payload: the compiled writers do
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def field(number: int, value: bytes) -> bytes:
    """A field that is a text or a message; numbers below 16."""
    return bytes([number << 3 | _BYTES]) + _varint(len(value)) + value


def iter_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Gives (number, value) of every field that is a number or bytes, in order.

    Raises:
        ValueError: it is no message, or one that was cut off.
    """
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield tag >> 3, value
            continue
        n_bytes = {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
        if kind == _BYTES:
            n_bytes, at = _read_varint(message, at)
        elif not n_bytes:
            raise ValueError(f"field of an unknown kind {kind}")
        if at + n_bytes > len(message):
            raise ValueError("message is cut off")
        if kind == _BYTES:
            yield tag >> 3, message[at : at + n_bytes]
        at += n_bytes


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = 0
    for i in range(10):
        if at + i >= len(message):
            raise ValueError("message is cut off")
        number |= (message[at + i] & 0x7F) << 7 * i
        if message[at + i] < 0x80:
            return number, at + i + 1
    raise ValueError("number of more than ten bytes")
