"""Questions as PromQL, over the names that ours has in Prometheus.

In      entities, metrics, labels
Out     selectors, and calls of functions over them
Callers prometheus.py
Source  catalog/prometheus_names.py for names; Prometheus' grammar of PromQL for strings
Never   lets a name be anything but a name: all are quoted, and what cannot be is refused
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from heapfast.catalog.keys import Kind
from heapfast.catalog.prometheus_names import KIND_NAMES, PREFIX, family_of
from heapfast.query.aggregation import Aggregation, Function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapfast.history.backend import Entity

#: Who has none of these has nothing at all, or next to nothing: lists of names ask for these alone.
LISTED_METRICS: Final = ("cpu/node_capacity", "cpu/usage", "memory/request", "memory/usage", "network/rx", "uptime")

#: The label that has the last part of a kind's names.
NAME_LABELS: Final = {
    Kind.NODE: "node",
    Kind.NAMESPACE: "namespace",
    Kind.POD: "pod",
    Kind.POD_CONTAINER: "container",
    Kind.SYS_CONTAINER: "container",
}

#: Heapster's labels that single an entity out -> ours in Prometheus.
_LABELS: Final = {
    "nodename": "node",
    "namespace_name": "namespace",
    "pod_name": "pod",
    "pod_id": "uid",
    "container_name": "container",
}

_FUNCTIONS: Final = {
    Function.AVERAGE: "avg_over_time",
    Function.MAX: "max_over_time",
    Function.MIN: "min_over_time",
    Function.COUNT: "count_over_time",
}

_LABEL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
# U+FFFD is what the lexer makes of bytes that are no UTF-8, so it takes the letter itself for such a byte.
_ESCAPED: Final = re.compile('[\\\\"\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]')


def is_speakable(*names: str) -> bool:
    """Whether all of these can be values of labels."""
    return not any(_SURROGATE.search(name) for name in names)


def quote(text: str) -> str:
    """Quotes a value.

    Raises:
        ValueError: it has lone surrogates, which are no UTF-8.
    """
    if not is_speakable(text):
        raise ValueError(f"BUG: {text!r} cannot be quoted")
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    letter = match[0]
    return f"\\{letter}" if letter in '\\"' else f"\\u{ord(letter):04x}"


def selector(name: str, labels: Mapping[str, str]) -> str:
    """A vector selector; an empty value asks for series without that label.

    Raises:
        ValueError: a value cannot be quoted, or a label's name is none.
    """
    for label in labels:
        if not _LABEL_NAME.fullmatch(label):
            raise ValueError(f"BUG: {label!r} is no name of a label")
    matchers = ",".join(f"{label}={quote(value)}" for label, value in labels.items())
    return f"{name}{{{matchers}}}"


def entity_labels(entity: Entity) -> dict[str, str]:
    """The labels that single an entity out; the kind is in the name."""
    return {_LABELS[key]: value for key, value in entity.labels().items() if key != "type"}


def any_metric_of(entity: Entity, labels: Mapping[str, str]) -> str:
    """A selector of every metric of an entity."""
    matchers = ",".join(f"{label}={quote(value)}" for label, value in {**entity_labels(entity), **labels}.items())
    return f'{{__name__=~"{PREFIX}{KIND_NAMES[entity.kind]}_.+"{"," if matchers else ""}{matchers}}}'


def listed(kind: Kind, labels: Mapping[str, str]) -> list[str]:
    """Selectors that every entity of a kind under some labels is in."""
    return [selector(family_of(kind, metric).name, labels) for metric in LISTED_METRICS]


def call(aggregation: Aggregation, vector: str, milliseconds: int) -> str:
    """An aggregation of what a selector has in the span before the instant of evaluation."""
    span = f"{vector}[{milliseconds}ms]"
    match aggregation.function:
        case Function.MEDIAN:
            return f"quantile_over_time(0.5,{span})"
        case Function.PERCENTILE:
            return f"quantile_over_time({aggregation.percentile / 100:g},{span})"
    return f"{_FUNCTIONS[aggregation.function]}({span})"
