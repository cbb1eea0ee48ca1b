"""MetricValueList of custom.metrics.k8s.io: the values of one metric, one an object.

In      numbers with their objects, the name that was asked for
Out     bytes of JSON, YAML or protobuf, in the form of v1beta2 or of v1beta1
Callers api/custom_metrics.py
Source  spec/metrics-k8s-io.md 20.1, 3.5 and 7.1
Never   on a hot path: a list is as long as a workload has pods
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from heapfast.codec._quantity import format_cpu_millicores
from heapfast.codec._rfc3339 import format_time
from heapfast.render.forms import Encoding
from heapfast.render.protobuf import LIST_META, bytes_field, envelope, int_field, text_field
from heapfast.render.yaml import to_yaml
from heapfast.units import NS_PER_SECOND

GROUP: Final = "custom.metrics.k8s.io"
#: The preferred one first.
VERSIONS: Final = ("v1beta2", "v1beta1")

_KIND: Final = "MetricValueList"

# The group, which is the empty one for all of ours, a slash, and the version.
_API_VERSION: Final = "/v1"
_INT64: Final = range(-(2**63), 2**63)


class Described(NamedTuple):
    """The object that a value is of, as an ObjectReference.

    Attributes:
        kind: Pod, Node or Namespace.
        namespace: "" for what lives in none.
    """

    kind: str
    name: str
    namespace: str = ""


class Measured(NamedTuple):
    """One object's value.

    Attributes:
        timestamp_ns: of the newest sample that is in it.
        window_seconds: that it looks back; None where that has no meaning.
        value: finite.
    """

    described: Described
    timestamp_ns: int
    window_seconds: int | None
    value: int | float


class _Reference(msgspec.Struct, frozen=True, rename="camel"):
    kind: str
    namespace: str | msgspec.UnsetType
    name: str
    api_version: str


class _Selector(msgspec.Struct, frozen=True, rename="camel"):
    match_labels: Mapping[str, str]


class _Identifier(msgspec.Struct, frozen=True):
    name: str
    selector: _Selector | None


class _Item(msgspec.Struct, frozen=True, rename="camel"):
    """MetricValue of v1beta2."""

    described_object: _Reference
    metric: _Identifier
    timestamp: str
    window_seconds: int | msgspec.UnsetType
    value: str


class _ItemV1beta1(msgspec.Struct, frozen=True, rename="camel"):
    """MetricValue of v1beta1."""

    described_object: _Reference
    metric_name: str
    timestamp: str
    window: int | msgspec.UnsetType
    value: str
    selector: _Selector | None


class _List(msgspec.Struct, frozen=True, rename="camel"):
    kind: str
    api_version: str
    metadata: dict[str, str]
    items: list[_Item] | list[_ItemV1beta1]


def render_values(
    version: str,
    metric: str,
    labels: Mapping[str, str],
    values: Iterable[Measured],
    encoding: Encoding = Encoding.JSON,
    *,
    is_indented: bool = False,
) -> bytes:
    """Render a list.

    Args:
        version: one of VERSIONS.
        metric: its name, as it was asked for.
        labels: of the metric, that were asked for.
        values: in the order of the items.
        is_indented: by two spaces a depth; JSON only.
    """
    api_version = f"{GROUP}/{version}"
    if encoding is Encoding.PROTOBUF:
        message = _message if version == "v1beta2" else _message_v1beta1
        items = b"".join(bytes_field(2, message(metric, labels, one)) for one in values)
        return envelope(api_version, _KIND, LIST_META + items)
    value = _value(version, metric, labels, values)
    if encoding is Encoding.YAML:
        return to_yaml(msgspec.to_builtins(value))
    body = msgspec.json.encode(value)
    return msgspec.json.format(body, indent=2) if is_indented else body + b"\n"


def format_quantity(value: int | float) -> str:
    """Write a finite number in thousandths, rounded up as autoscalers read them."""
    if isinstance(value, float) and value.is_integer():
        # Python's integers hold the thousandths of every float; a float may not.
        value = int(value)
    # What is a whole number of thousandths but for the last bits of a float is meant to be one.
    millis = value * 1000 if isinstance(value, int) else math.ceil(round(value * 1000, 6))
    # Thousandths of a CPU are written like those of anything else. What is too large for them has none to lose.
    return format_cpu_millicores(millis) if millis in _INT64 else str(millis // 1000)


def _value(version: str, metric: str, labels: Mapping[str, str], values: Iterable[Measured]) -> _List:
    identifier = _Identifier(metric, _Selector(labels) if labels else None)
    items: list[_Item] | list[_ItemV1beta1]
    if version == "v1beta2":
        items = [_item(identifier, one) for one in values]
    else:
        items = [_item_v1beta1(identifier, one) for one in values]
    return _List(_KIND, f"{GROUP}/{version}", {}, items)


def _item(metric: _Identifier, one: Measured) -> _Item:
    timestamp = format_time(_second(one) * NS_PER_SECOND)
    return _Item(_reference(one.described), metric, timestamp, _window(one), format_quantity(one.value))


def _item_v1beta1(metric: _Identifier, one: Measured) -> _ItemV1beta1:
    timestamp, quantity = format_time(_second(one) * NS_PER_SECOND), format_quantity(one.value)
    return _ItemV1beta1(_reference(one.described), metric.name, timestamp, _window(one), quantity, metric.selector)


def _reference(described: Described) -> _Reference:
    return _Reference(described.kind, described.namespace or msgspec.UNSET, described.name, _API_VERSION)


def _second(one: Measured) -> int:
    return one.timestamp_ns // NS_PER_SECOND


def _window(one: Measured) -> int | msgspec.UnsetType:
    return msgspec.UNSET if one.window_seconds is None else one.window_seconds


def _message(metric: str, labels: Mapping[str, str], one: Measured) -> bytes:
    """MetricValue of v1beta2."""
    identifier = text_field(1, metric) + _selector_field(2, labels)
    return _reference_field(one.described) + bytes_field(2, identifier) + _measured_fields(one)


def _message_v1beta1(metric: str, labels: Mapping[str, str], one: Measured) -> bytes:
    return _reference_field(one.described) + text_field(2, metric) + _measured_fields(one) + _selector_field(6, labels)


def _reference_field(described: Described) -> bytes:
    # uid, resourceVersion and fieldPath are nobody's concern, but none of the texts may be missing.
    texts = (described.kind, described.namespace, described.name, "", _API_VERSION, "", "")
    return bytes_field(1, b"".join(text_field(number, text) for number, text in enumerate(texts, 1)))


def _measured_fields(one: Measured) -> bytes:
    timestamp = int_field(1, _second(one)) + int_field(2, 0)
    window = b"" if one.window_seconds is None else int_field(4, one.window_seconds)
    return bytes_field(3, timestamp) + window + bytes_field(5, text_field(1, format_quantity(one.value)))


def _selector_field(number: int, labels: Mapping[str, str]) -> bytes:
    """A LabelSelector; nothing for none."""
    if not labels:
        return b""
    entries = (bytes_field(1, text_field(1, key) + text_field(2, labels[key])) for key in sorted(labels))
    return bytes_field(number, b"".join(entries))
