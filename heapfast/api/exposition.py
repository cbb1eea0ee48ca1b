"""The text that Prometheus reads, family by family.

In      a registry
Out     Prometheus' text format 0.0.4, in pieces
Callers self_metrics.py
Source  Prometheus' exposition formats; labels stand in the order that Go's client has: by name, and the bound of a
        bucket last
Never   holds the loop for longer than one piece: thousands of nodes have series of their own
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

#: Lines of one piece; about 1 ms.
PIECE_LINES: Final = 500

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n"})
#: Types that the text format has no word for.
_TYPES: Final = {"info": "gauge", "stateset": "gauge", "gaugehistogram": "histogram", "unknown": "untyped"}
_BOUNDS: Final = ("le", "quantile")
_TYPE_SUFFIXES: Final = {"counter": "_total", "info": "_info"}


def expose(registry: CollectorRegistry) -> Iterator[bytes]:
    """Write every family of a registry."""
    for metric in registry.collect():
        yield from _family(metric)


def _family(metric: Metric) -> Iterator[bytes]:
    name = metric.name + _TYPE_SUFFIXES.get(metric.type, "")
    lines = [
        f"# HELP {name} {metric.documentation.translate(_HELP_ESCAPES)}\n",
        f"# TYPE {name} {_TYPES.get(metric.type, metric.type)}\n",
    ]
    for sample in metric.samples:
        # When a series began is another format's matter.
        if sample.name.endswith("_created"):
            continue
        lines.append(_line(sample))
        if len(lines) >= PIECE_LINES:
            yield "".join(lines).encode()
            lines.clear()
    if lines:
        yield "".join(lines).encode()


def _line(sample: Sample) -> str:
    labels = ""
    if sample.labels:
        ordered = sorted(sample.labels.items(), key=_go_order)
        pairs = ",".join([f'{key}="{str(value).translate(_ESCAPES)}"' for key, value in ordered])
        labels = f"{{{pairs}}}"
    return f"{sample.name}{labels} {_number(float(sample.value))}\n"


def _go_order(label: tuple[str, str]) -> tuple[bool, str]:
    return label[0] in _BOUNDS, label[0]


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return repr(value)
