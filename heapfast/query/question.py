"""The parameters of /apis/heapfast/v1/query: a question over many series at once.

In      the query's parameters; the namespace of the path, if it has one
Out     Question, or QueryError that says what would be right
Callers api/query.py
Source  docs/query.md, which is ours; aggregations and buckets as in query/aggregation.py where Heapster has them
Never   knows which entities and samples there are
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from heapfast import _aggregate, _grouping
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME, CATALOG, CUSTOM_PREFIX
from heapfast.catalog.prometheus_names import KIND_NAMES
from heapfast.errors import QueryError
from heapfast.query._selector import parse_field_selector, parse_selector
from heapfast.query.aggregation import parse_bucket_ns
from heapfast.query.duration import parse_duration_ns
from heapfast.query.label_rules import check_key
from heapfast.query.quoting import quote
from heapfast.query.window import parse_time
from heapfast.store.requirement import Operator, Selector

PARAMETERS: Final = (
    "metric", "kind", "labelSelector", "fieldSelector", "groupBy", "across", "over", "pooled", "rate",
    "start", "end", "window", "bucket", "top", "order", "format",
)  # fmt: skip
#: Understood by what stands before every request on the secure port.
COMMON: Final = ("pretty", "timeout")

FORMATS: Final = ("json", "csv", "arrow")
LABEL_PREFIX: Final = "label:"
MAX_FUNCTIONS: Final = 16
MAX_TOP: Final = 1_000_000
#: Characters of a selector in a message.
MAX_QUOTED: Final = 200
#: Of a selector. Each is a pass over all that the others leave; the values that one names cost next to nothing.
MAX_CONDITIONS: Final = 100

DEFAULT_KIND: Final = "pod"
#: Beginnings of metrics that a pod's containers have, and not the pod itself.
_OF_CONTAINERS: Final = ("disk/", "accelerator/")
#: That some metrics have, and Heapster tells what is measured apart by.
RESOURCE_LABELS: Final = tuple(dict.fromkeys(label for metric in CATALOG for label in metric.labels))
_KINDS: Final = {name: kind for kind, name in KIND_NAMES.items()}
_NAMESPACED: Final = frozenset((Kind.NAMESPACE, Kind.POD, Kind.POD_CONTAINER))
_OF_PODS: Final = frozenset((Kind.POD, Kind.POD_CONTAINER))
#: Kinds that have labels, or whose pod or node has; and those whose filesystems, disks and accelerators are measured.
_LABELLED: Final = _OF_PODS | {Kind.NODE, Kind.SYS_CONTAINER}

#: By what a kind can be grouped, besides labels.
_KEYS: Final = {
    Kind.CLUSTER: (),
    Kind.NAMESPACE: ("namespace",),
    Kind.NODE: ("node",),
    Kind.POD: ("namespace", "node", "pod"),
    Kind.POD_CONTAINER: ("namespace", "node", "pod", "container"),
    Kind.SYS_CONTAINER: ("node", "container"),
}
_CODES: Final = {
    "namespace": _grouping.BY_NAMESPACE,
    "node": _grouping.BY_NODE,
    "pod": _grouping.BY_POD,
    "container": _grouping.BY_CONTAINER,
    "resource_id": _grouping.BY_RESOURCE_ID,
    "make": _grouping.BY_MAKE,
    "model": _grouping.BY_MODEL,
    "accelerator_id": _grouping.BY_ACCELERATOR_ID,
}
#: Field -> what of an entity it is compared with; labels of metrics are fields of their own name.
_FIELDS: Final = {"metadata.namespace": "namespace", "spec.nodeName": "node", "container.name": "container"}
_NAME: Final = "metadata.name"
_NAME_OF: Final = {
    Kind.NAMESPACE: "namespace",
    Kind.NODE: "node",
    Kind.POD: "pod",
    Kind.POD_CONTAINER: "pod",
    Kind.SYS_CONTAINER: "node",
}

_FUNCTIONS: Final = {
    "sum": _aggregate.SUM,
    "average": _aggregate.AVERAGE,
    "min": _aggregate.MIN,
    "max": _aggregate.MAX,
    "count": _aggregate.COUNT,
    "stddev": _aggregate.STDDEV,
    "median": _aggregate.MEDIAN,
    "last": _aggregate.LAST,
}
_PERCENTILE: Final = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,6})?|100)-perc|p([0-9]{1,2}(?:\.[0-9]{1,6})?)", re.ASCII)
_ALIASES: Final = {"avg": "average"}
#: What a function may be called, for the description in OpenAPI; `over` has "last", too.
FUNCTION_PATTERN: Final = "|".join(
    (
        *(name for name in _FUNCTIONS if name != "last"),
        *_ALIASES,
        r"(?:[0-9]{1,2}(?:\.[0-9]{1,6})?|100)-perc",
        r"p[0-9]{1,2}(?:\.[0-9]{1,6})?",
    )
)


class Function(NamedTuple):
    """One aggregation, and what it is called in the answer.

    Attributes:
        code: of _aggregate.
        percentile: above 0, at most 100, where it is one.
    """

    name: str
    code: int
    percentile: float = 0.0

    @property
    def compiled(self) -> tuple[int, float]:
        """As compiled code takes it."""
        return self.code, self.percentile


class Question(NamedTuple):
    """What is asked.

    Attributes:
        metric: as the store calls it.
        kind: of the entities.
        is_labeled: the metric is measured by resources of the entities: filesystems, disks or accelerators.
        selector: of labels of pods or nodes; None for all.
        conditions: (what, text, whether it must differ), of _grouping.Grouping.
        keys: what groups are made by: "namespace", "node", "pod", "container", a label of the metric, or "label:" and
            the key of an entity's label.
        across: makes one value of a group's at a tick; None: pooled.
        over: each makes one value of a bucket.
        is_counter: a value that falls is a reset.
        start_ns: exclusive; None: `window_ns` before the end.
        end_ns: inclusive; None: of the newest batch.
        window_ns: None where `start_ns` is; 0 for the newest batch alone.
        top: how many groups; 0 for all.
        is_ordered: by value, not by keys.
        format: of FORMATS; "" where the client did not say.
    """

    metric: str
    kind: Kind
    is_labeled: bool
    selector: Selector | None
    conditions: tuple[tuple[int, bytes, bool], ...]
    keys: tuple[str, ...]
    across: Function | None
    over: tuple[Function, ...]
    is_rate: bool
    is_counter: bool
    start_ns: int | None
    end_ns: int | None
    window_ns: int | None
    bucket_ns: int
    top: int
    is_ordered: bool
    is_descending: bool
    format: str

    @property
    def slot_kind(self) -> Kind:
        """Whose samples are read."""
        return Kind.RESOURCE if self.is_labeled else self.kind

    @property
    def label_keys(self) -> tuple[str, ...]:
        """The labels among the keys."""
        return tuple(key.removeprefix(LABEL_PREFIX) for key in self.keys if key.startswith(LABEL_PREFIX))

    @property
    def key_codes(self) -> tuple[int, ...]:
        """The keys as compiled code takes them."""
        labels = iter(range(_grouping.BY_LABEL, _grouping.BY_LABEL + len(self.keys)))
        return tuple(_CODES[key] if key in _CODES else next(labels) for key in self.keys)


def parse_question(params: Mapping[str, str], namespace: str | None = None) -> Question:
    """Parse the query.

    Args:
        namespace: of the path: nothing outside it is looked at.

    Raises:
        QueryError: with what is wrong, and what would be right.
    """
    for name in params:
        if name not in PARAMETERS and name not in COMMON:
            raise QueryError(f"unknown parameter {quote(name)}: want {', '.join(PARAMETERS)}")
    metric = _metric(params.get("metric", ""))
    labels = BY_NAME[metric].labels if metric in BY_NAME else ()
    kind = _kind(params.get("kind") or ("container" if metric.startswith(_OF_CONTAINERS) else DEFAULT_KIND), namespace)
    if labels and kind not in _LABELLED:
        raise QueryError(
            f"cannot ask for {metric} of a {KIND_NAMES[kind]}: want kind "
            f"{', '.join(KIND_NAMES[one] for one in KIND_NAMES if one in _LABELLED)}"
        )
    known = (*_KEYS[kind], *labels)
    across, over = _functions(params)
    start_ns, end_ns, window_ns = _window(params)
    conditions = _conditions(params.get("fieldSelector", ""), kind, known)
    if namespace is not None:
        conditions = ((_grouping.BY_NAMESPACE, _bytes(namespace), False), *conditions)
    top = _top(params.get("top", ""))
    order = params.get("order", "")
    if order not in ("", "asc", "desc"):
        raise QueryError(f"cannot parse order: got {quote(order)}, want asc or desc")
    return Question(
        metric,
        kind,
        bool(labels),
        _selector(params.get("labelSelector", ""), kind),
        conditions,
        _keys(params.get("groupBy", ""), kind, known),
        across,
        over,
        _boolean(params, "rate"),
        metric in BY_NAME and BY_NAME[metric].type == "cumulative",
        start_ns,
        end_ns,
        window_ns,
        parse_bucket_ns(params.get("bucket")),
        top,
        bool(top or order),
        order != "asc",
        _format(params.get("format", "")),
    )


def _kind(name: str, namespace: str | None) -> Kind:
    kind = _KINDS.get(name)
    if kind is None:
        raise QueryError(f"unknown kind {quote(name)}: want {', '.join(_KINDS)}")
    if namespace is not None and kind not in _NAMESPACED:
        raise QueryError(f"cannot ask for {name} metrics in a namespace: want pod, container or namespace")
    return kind


def _metric(name: str) -> str:
    if not name:
        raise QueryError("metric is missing: name one, such as metric=cpu/usage_rate")
    if name in BY_NAME:
        return name
    if name.startswith(CUSTOM_PREFIX) and name != CUSTOM_PREFIX:
        return name
    raise QueryError(f"unknown metric {quote(name)}: want one of the catalogue, such as cpu/usage_rate, or custom/NAME")


def _selector(text: str, kind: Kind) -> Selector | None:
    if not text:
        return None
    if kind not in _LABELLED:
        raise QueryError(f"cannot select {KIND_NAMES[kind]} metrics by labelSelector: want pods, nodes or containers")
    try:
        selector = parse_selector(text)
    except QueryError as error:
        raise QueryError(f"cannot parse labelSelector {quote(_shortened(text))}: {error}") from error
    _check_conditions(selector, "labelSelector")
    return selector


def _check_conditions(selector: Selector, parameter: str) -> None:
    if len(selector) > MAX_CONDITIONS:
        raise QueryError(
            f"cannot select by {len(selector)} conditions in {parameter}, the limit is {MAX_CONDITIONS}: name many "
            "values in one of labels, as in app in (a,b,c)"
        )


def _shortened(text: str) -> str:
    """A selector that may be as long as a body, for a message."""
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


def _conditions(text: str, kind: Kind, known: tuple[str, ...]) -> tuple[tuple[int, bytes, bool], ...]:
    fields = {field: what for field, what in _FIELDS.items() if what in known}
    fields |= {name: name for name in known if name in RESOURCE_LABELS}
    if kind in _NAME_OF:
        fields = {_NAME: _NAME_OF[kind], **fields}
    found = []
    selector = parse_field_selector(text) if text else ()
    _check_conditions(selector, "fieldSelector")
    for requirement in selector:
        what = fields.get(requirement.key)
        if what is None:
            raise QueryError(
                f"cannot select {KIND_NAMES[kind]} metrics by field {quote(requirement.key)}: want "
                f"{', '.join(fields) or 'no fieldSelector'}"
            )
        found.append((_CODES[what], _bytes(requirement.values[0]), requirement.operator is Operator.NOT_IN))
    return tuple(found)


def _keys(text: str, kind: Kind, known: tuple[str, ...]) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for name in text.split(",") if text else ():
        if name.startswith(LABEL_PREFIX):
            if kind not in _LABELLED:
                raise QueryError(f"cannot group {KIND_NAMES[kind]} metrics by labels: want pods, nodes or containers")
            check_key(name.removeprefix(LABEL_PREFIX))
        elif name not in known:
            known = (*known, *([f"{LABEL_PREFIX}KEY"] if kind in _LABELLED else []))
            raise QueryError(
                f"cannot group {KIND_NAMES[kind]} metrics by {quote(name)}: want {', '.join(known) or 'no groupBy'}"
            )
        if name == "pod":
            # Pods of one name in two namespaces are two.
            keys.setdefault("namespace")
        keys.setdefault(name)
    if sum(key.startswith(LABEL_PREFIX) for key in keys) > _grouping.MAX_LABEL_KEYS:
        raise QueryError(f"cannot group by more than {_grouping.MAX_LABEL_KEYS} labels")
    return tuple(keys)


def _functions(params: Mapping[str, str]) -> tuple[Function | None, tuple[Function, ...]]:
    if params.get("pooled"):
        for other in ("across", "over"):
            if params.get(other):
                raise QueryError(f"cannot have both pooled and {other}: pooled takes all samples of a bucket at once")
        return None, _function_list(params["pooled"], "pooled", has_last=False)
    across = _function_list(params.get("across") or "sum", "across", has_last=False)
    if len(across) > 1:
        raise QueryError(f"cannot parse across: got {len(across)} functions, want one; over takes several")
    return across[0], _function_list(params.get("over") or "average", "over", has_last=True)


def _function_list(text: str, parameter: str, *, has_last: bool) -> tuple[Function, ...]:
    found = {}
    for name in text.split(","):
        function = _function(name)
        if function is None or (function.code == _aggregate.LAST and not has_last):
            known = [known for known in _FUNCTIONS if has_last or known != "last"]
            raise QueryError(f"unknown function {quote(name)} in {parameter}: want {', '.join(known)} or N-perc")
        found[function.name] = function
    if len(found) > MAX_FUNCTIONS:
        raise QueryError(f"cannot parse {parameter}: got {len(found)} functions, want at most {MAX_FUNCTIONS}")
    return tuple(found.values())


def _function(name: str) -> Function | None:
    name = _ALIASES.get(name, name)
    if name in _FUNCTIONS:
        return Function(name, _FUNCTIONS[name])
    match = _PERCENTILE.fullmatch(name)
    if match is None:
        return None
    number = match[1] or match[2]
    percentile = float(number)
    return Function(f"{percentile:g}-perc", _aggregate.PERCENTILE, percentile) if percentile > 0 else None


def _window(params: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    start, end, window = params.get("start"), params.get("end"), params.get("window")
    if start and window:
        raise QueryError("cannot have both start and window: each says where the time begins")
    end_ns = parse_time(end) if end else None
    if start:
        start_ns = parse_time(start)
        if end_ns is not None and end_ns <= start_ns:
            raise QueryError(f"cannot ask for the time from {start} to {end}: the end must be later than the start")
        return start_ns, end_ns, None
    if not window:
        if end_ns is not None:
            raise QueryError("end alone says nothing: give start or window, too")
        return None, None, 0
    try:
        window_ns = parse_duration_ns(window)
    except ValueError as error:
        raise QueryError(f"cannot parse window: {error}") from error
    if window_ns <= 0:
        raise QueryError(f"cannot parse window: got {window}, want more than 0s")
    return None, end_ns, window_ns


def _top(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch("[0-9]{1,7}", text, re.ASCII) or not 1 <= int(text) <= MAX_TOP:
        raise QueryError(f"cannot parse top: got {quote(text)}, want a number from 1 to {MAX_TOP}")
    return int(text)


def _boolean(params: Mapping[str, str], name: str) -> bool:
    text = params.get(name, "")
    if text not in ("", "true", "false"):
        raise QueryError(f"cannot parse {name}: got {quote(text)}, want true or false")
    return text == "true"


def _format(text: str) -> str:
    if text and text not in FORMATS:
        raise QueryError(f"unknown format {quote(text)}: want {', '.join(FORMATS)}")
    return text


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
