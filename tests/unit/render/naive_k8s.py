"""What the compiled writers of metrics.k8s.io write, the plain way: the oracle of their tests.

In      the latest view's own Python door, names, labels
Out     bodies of JSON and protobuf, built from objects
Callers test_k8s_items.py
Source  spec/metrics-k8s-io.md 3, 6 and 7
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from heapfast.codec._duration import format_duration
from heapfast.codec._quantity import format_cpu_nanocores, format_memory_bytes

Value = dict[str, Any]


class Object(NamedTuple):
    """One node (without a namespace) or pod that is served."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    cpu_nanocores: int
    memory_bytes: int
    time_ns: int
    window_ns: int
    containers: tuple[tuple[str, int, int], ...] = ()


def time_text(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def usage_value(cpu_nanocores: int, memory_bytes: int) -> Value:
    return {"cpu": format_cpu_nanocores(cpu_nanocores), "memory": format_memory_bytes(memory_bytes)}


def metadata_value(of: Object, now_ns: int) -> Value:
    value: Value = {"name": of.name}
    if of.namespace:
        value["namespace"] = of.namespace
    value["creationTimestamp"] = time_text(now_ns)
    if of.labels:
        value["labels"] = dict(sorted(of.labels.items()))
    return value


def object_value(of: Object, now_ns: int) -> Value:
    value: Value = {"metadata": metadata_value(of, now_ns)}
    value["timestamp"] = time_text(of.time_ns)
    value["window"] = format_duration(of.window_ns)
    if of.namespace:
        value["containers"] = [{"name": name, "usage": usage_value(*use)} for name, *use in of.containers]
    else:
        value["usage"] = usage_value(of.cpu_nanocores, of.memory_bytes)
    return value


def list_json(kind: str, objects: list[Object], now_ns: int) -> bytes:
    value = {"kind": f"{kind}List", "apiVersion": "metrics.k8s.io/v1", "metadata": {}}
    return to_json(value | {"items": [object_value(of, now_ns) for of in objects]})


def to_json(value: Value) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text.encode() + b"\n"


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def map_entry(number: int, key: str, value: str | bytes) -> bytes:
    return field(number, field(1, key) + field(2, value))


def time_message(time_ns: int) -> bytes:
    return field(1, time_ns // 10**9) + field(2, 0)


def usage_message(number: int, cpu_nanocores: int, memory_bytes: int) -> bytes:
    value = usage_value(cpu_nanocores, memory_bytes)
    return b"".join(map_entry(number, key, field(1, value[key])) for key in ("cpu", "memory"))


def metadata_message(of: Object, now_ns: int) -> bytes:
    texts = [of.name, "", of.namespace, "", "", ""]
    message = b"".join(field(number, text) for number, text in enumerate(texts, 1))
    message += field(7, 0) + field(8, time_message(now_ns))
    return message + b"".join(map_entry(11, key, value) for key, value in sorted(of.labels.items()))


def object_message(of: Object, now_ns: int) -> bytes:
    message = field(1, metadata_message(of, now_ns))
    message += field(2, time_message(of.time_ns)) + field(3, field(1, of.window_ns))
    if not of.namespace:
        return message + usage_message(4, of.cpu_nanocores, of.memory_bytes)
    return message + b"".join(field(4, field(1, name) + usage_message(2, *use)) for name, *use in of.containers)


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw) + field(3, "") + field(4, "")


def list_protobuf(kind: str, objects: list[Object], now_ns: int) -> bytes:
    raw = field(1, b"\x0a\x00\x12\x00\x1a\x00") + b"".join(field(2, object_message(of, now_ns)) for of in objects)
    return envelope("metrics.k8s.io/v1", f"{kind}List", raw)
