"""MetricValueList of custom.metrics.k8s.io: the values of one metric, one an object.

In      numbers with their objects, the name that was asked for
Out     bytes of JSON, in the form of v1beta2 or of v1beta1
Callers api/custom_metrics.py
Source  spec/metrics-k8s-io.md 20.1 and 3.5
Never   on a hot path: a list is as long as a workload has pods
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from heapfast.codec._quantity import format_cpu_millicores
from heapfast.codec._rfc3339 import format_time
from heapfast.units import NS_PER_SECOND

GROUP: Final = "custom.metrics.k8s.io"
#: The preferred one first.
VERSIONS: Final = ("v1beta2", "v1beta1")

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
    version: str, metric: str, labels: Mapping[str, str], values: Iterable[Measured], *, is_indented: bool
) -> bytes:
    """Render a list.

    Args:
        version: one of VERSIONS.
        metric: its name, as it was asked for.
        labels: of the metric, that were asked for.
        values: in the order of the items.
        is_indented: by two spaces a depth.
    """
    identifier = _Identifier(metric, _Selector(labels) if labels else None)
    items: list[_Item] | list[_ItemV1beta1]
    if version == "v1beta2":
        items = [_item(identifier, one) for one in values]
    else:
        items = [_item_v1beta1(identifier, one) for one in values]
    body = msgspec.json.encode(_List("MetricValueList", f"{GROUP}/{version}", {}, items))
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


def _item(metric: _Identifier, one: Measured) -> _Item:
    return _Item(_reference(one.described), metric, _timestamp(one), _window(one), format_quantity(one.value))


def _item_v1beta1(metric: _Identifier, one: Measured) -> _ItemV1beta1:
    quantity = format_quantity(one.value)
    return _ItemV1beta1(
        _reference(one.described), metric.name, _timestamp(one), _window(one), quantity, metric.selector
    )


def _reference(described: Described) -> _Reference:
    return _Reference(described.kind, described.namespace or msgspec.UNSET, described.name, _API_VERSION)


def _timestamp(one: Measured) -> str:
    return format_time(one.timestamp_ns // NS_PER_SECOND * NS_PER_SECOND)


def _window(one: Measured) -> int | msgspec.UnsetType:
    return msgspec.UNSET if one.window_seconds is None else one.window_seconds
