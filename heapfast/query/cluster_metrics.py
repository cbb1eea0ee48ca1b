"""The parameters of /metrics/cluster: which part of the exposition is asked for.

In      the query's parameters
Out     ClusterMetricsQuery, or QueryError
Callers api/cluster_metrics.py
Source  docs/exposition.md, which is ours
Never   knows which entities there are
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME, CATALOG, CUSTOM_PREFIX
from heapfast.catalog.prometheus_names import KIND_NAMES, PREFIX, family_of
from heapfast.errors import QueryError
from heapfast.query._selector import parse_selector
from heapfast.query.quoting import quote
from heapfast.store.requirement import Selector

PARAMETERS: Final = ("kinds", "metrics", "namespaces", "selector", "timestamps")

_KINDS: Final = {name: kind for kind, name in KIND_NAMES.items()}
#: Kinds that the parameter narrows; others have no namespace, or are no pods.
_NAMESPACED: Final = frozenset((Kind.NAMESPACE, Kind.POD, Kind.POD_CONTAINER))
_PODS: Final = frozenset((Kind.POD, Kind.POD_CONTAINER))

#: How a family ends -> the metric: what stands behind the kind in its name.
_ENDINGS: Final = {
    family_of(Kind.POD, metric.name).name.removeprefix(f"{PREFIX}pod_"): metric.name for metric in CATALOG
}
_FOLDERS: Final = frozenset(name.partition("/")[0] for name in BY_NAME if "/" in name) | {CUSTOM_PREFIX[:-1]}
_BOOLEANS: Final = {"": False, "false": False, "0": False, "true": True, "1": True}


class ClusterMetricsQuery(NamedTuple):
    """What is asked for.

    Attributes:
        kinds: of entities.
        metrics: names; None for all.
        folders: what metrics may begin with, such as "cpu/".
        namespaces: names; None for all.
        selector: of pods' labels; None for all pods.
    """

    kinds: frozenset[Kind]
    metrics: frozenset[str] | None
    folders: tuple[str, ...]
    namespaces: tuple[str, ...] | None
    selector: Selector | None
    has_timestamps: bool

    def is_wanted(self, metric: str) -> bool:
        """Whether a metric is asked for."""
        return self.metrics is None or metric in self.metrics or metric.startswith(self.folders)


def parse_cluster_metrics(params: Mapping[str, str]) -> ClusterMetricsQuery:
    """Parse the query.

    Raises:
        QueryError: a parameter, kind or metric that there is none of, a selector that is none, or kinds that a
            selection says nothing about.
    """
    for name in params:
        if name not in PARAMETERS:
            raise QueryError(f"unknown parameter {quote(name)}: want {', '.join(PARAMETERS)}")
    namespaces = _list(params, "namespaces")
    selector = _selector(params.get("selector", ""))
    metrics = _list(params, "metrics")
    timestamps = params.get("timestamps", "")
    if timestamps not in _BOOLEANS:
        raise QueryError(f"cannot parse timestamps: got {quote(timestamps)}, want true or false")
    return ClusterMetricsQuery(
        _parse_kinds(_list(params, "kinds"), selector is not None, namespaces is not None),
        None if metrics is None else frozenset(_metric(name) for name in metrics if not name.endswith("/*")),
        tuple(_folder(name) for name in metrics or () if name.endswith("/*")),
        namespaces,
        selector,
        _BOOLEANS[timestamps],
    )


def _list(params: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    text = params.get(name, "")
    if not text:
        return None
    items = tuple(text.split(","))
    if "" in items:
        raise QueryError(f"cannot parse {name}: {quote(text)} has an empty item")
    return items


def _selector(text: str) -> Selector | None:
    if not text:
        return None
    try:
        return parse_selector(text)
    except QueryError as error:
        raise QueryError(f"cannot parse selector {quote(text)}: {error}") from error


def _parse_kinds(names: tuple[str, ...] | None, has_selector: bool, has_namespaces: bool) -> frozenset[Kind]:
    possible = _PODS if has_selector else _NAMESPACED if has_namespaces else frozenset(KIND_NAMES)
    if names is None:
        return possible
    kinds = set()
    for name in names:
        if name not in _KINDS:
            raise QueryError(f"unknown kind {quote(name)}: want {', '.join(KIND_NAMES.values())}")
        if _KINDS[name] not in possible:
            parameter = "selector" if has_selector else "namespaces"
            raise QueryError(f"cannot select {name} metrics by {parameter}: ask for them without it")
        kinds.add(_KINDS[name])
    return frozenset(kinds)


def _metric(name: str) -> str:
    """A metric by the store's name or by how its families end."""
    metric = _ENDINGS.get(name, name)
    if metric in BY_NAME or (name.startswith(CUSTOM_PREFIX) and name != CUSTOM_PREFIX):
        return metric
    raise QueryError(
        f'unknown metric {quote(name)}: want names such as "cpu/usage_rate", "cpu_usage_cores", "cpu/*" or "custom/qps"'
    )


def _folder(name: str) -> str:
    if name[:-2] not in _FOLDERS:
        raise QueryError(
            f"unknown metrics {quote(name)}: want one of {', '.join(f'{one}/*' for one in sorted(_FOLDERS))}"
        )
    return name[:-1]
