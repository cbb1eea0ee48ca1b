"""What stands before the samples of each family of the cluster's exposition.

In      which kinds and metrics are wanted, what the store's columns are called
Out     Written families: header lines and where the samples are
Callers api/cluster_metrics.py
Source  Prometheus' documentation of its text format; OpenMetrics 1.0; names: catalog/prometheus_names.py
Never   shows a sample: _exposition.pyx does
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME, CATALOG
from heapfast.catalog.prometheus_names import KIND_NAMES, Family, family_of

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_DECIMALS: Final = {10**decimals: decimals for decimals in range(10)}


class Written(NamedTuple):
    """One family as it is written.

    Attributes:
        kind: of the entities; of resources, their owners'.
        is_labeled: the samples are resources'.
        metric: the column; of a custom metric with two, either.
        decimals: the power of ten that values are divided by.
        header: the lines before the samples.
        name: of the samples.
    """

    kind: int
    is_labeled: bool
    is_counter: bool
    metric: int
    decimals: int
    header: bytes
    name: bytes


def families(
    columns: Sequence[str], kinds: Collection[Kind], is_wanted: Callable[[str], bool], *, is_openmetrics: bool
) -> list[Written]:
    """List the families to be written, by kind and metric.

    Args:
        columns: names by metric id; a custom metric may be there twice, as integers and as doubles.
        is_wanted: whether a metric is.
    """
    wanted = [(id_, name) for id_, name in enumerate(columns) if is_wanted(name)]
    once = {name: id_ for id_, name in wanted}
    found: list[Written] = []
    for kind in KIND_NAMES:
        if kind in kinds:
            found.extend(_written(kind, name, id_, is_openmetrics) for name, id_ in once.items())
    return found


# The catalogue's in both formats, and what room there is for custom metrics.
@functools.lru_cache(maxsize=2 * len(KIND_NAMES) * (len(CATALOG) + 256))
def _written(kind: Kind, name: str, metric: int, is_openmetrics: bool) -> Written:
    family = family_of(kind, name)
    return Written(
        kind,
        name in BY_NAME and bool(BY_NAME[name].labels),
        family.type == "counter",
        metric,
        _DECIMALS[family.divisor],
        _header(family, is_openmetrics).encode("utf-8", "replace"),
        family.name.encode(),
    )


def _header(family: Family, is_openmetrics: bool) -> str:
    name = family.openmetrics_name if is_openmetrics else family.name
    type_ = "untyped" if family.type == "unknown" and not is_openmetrics else family.type
    help_text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    if is_openmetrics:
        help_text = help_text.replace('"', '\\"')
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {type_}"]
    if is_openmetrics and family.unit:
        lines.append(f"# UNIT {name} {family.unit}")
    return "".join(f"{line}\n" for line in lines)
