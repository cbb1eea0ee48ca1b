"""The options of a list, as Kubernetes reads and checks them.

In      query parameters, the first value of each
Out     ListOptions; QueryError for what cannot be read, InvalidOptions for what does not go together
Callers api/metrics_k8s_io.py; api/errors.py knows InvalidOptions
Source  spec/metrics-k8s-io.md section 4; the order of the checks: recorded `params` answers
Never   knows that there is no watch: whoever serves lists refuses it
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from heapfast.errors import QueryError
from heapfast.query._selector import parse_field_selector, parse_selector
from heapfast.query.field_selector import FieldSelection, check_fields, select_fields
from heapfast.query.quoting import quote
from heapfast.store.requirement import Selector

_EXACT: Final = "Exact"
_NOT_OLDER: Final = "NotOlderThan"
_MATCH: Final = "resourceVersionMatch"
_EVENTS: Final = "sendInitialEvents"
_INT64: Final = range(-(2**63), 2**63)


class OptionFault(NamedTuple):
    """One thing wrong with options that could be read.

    Attributes:
        reason: Kubernetes' word for the kind of fault.
        message: what is wrong, without the option's name.
        field: the option.
    """

    reason: str
    message: str
    field: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidOptions(QueryError):
    """Options that do not go together.

    Attributes:
        faults: all that is wrong, at least one.
    """

    def __init__(self, faults: tuple[OptionFault, ...]) -> None:
        self.faults = faults
        texts = ", ".join(map(str, faults))
        super().__init__(texts if len(faults) == 1 else f"[{texts}]")


class ListOptions(NamedTuple):
    """What is to be listed.

    Attributes:
        labels: a selector; an empty one selects everything.
        fields: what the field selector leaves.
        is_watch: a watch is wanted, not a list.
        limit: of items, 0 for all of them.
        continue_token: where a page before this one ended, "" for the start.
    """

    labels: Selector
    fields: FieldSelection
    is_watch: bool
    limit: int
    continue_token: str


def parse_list_options(params: Mapping[str, str]) -> ListOptions:
    """Read the options.

    Raises:
        InvalidOptions: they do not go together.
        QueryError: a number or a selector cannot be read.
    """
    _check_int64(params.get("timeoutSeconds"))
    limit = _check_int64(params.get("limit"))
    labels = parse_selector(params.get("labelSelector", ""))
    fields = parse_field_selector(params.get("fieldSelector", ""))
    is_watch = parse_bool(params.get("watch"))
    faults = tuple(_watch_faults(params) if is_watch else _list_faults(params))
    if faults:
        raise InvalidOptions(faults)
    check_fields(fields)
    return ListOptions(labels, select_fields(fields), is_watch, max(limit, 0), params.get("continue", ""))


def parse_bool(text: str | None) -> bool:
    """Read a flag: one that is there is set, also without a value, unless it says `0` or `false`."""
    return text is not None and text.lower() not in ("0", "false")


def _check_int64(text: str | None) -> int:
    if text is None:
        return 0
    if not re.fullmatch("[+-]?[0-9]+", text):
        raise QueryError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    # Python refuses to read thousands of digits; so many are out of range without being read.
    if len(text.lstrip("+-0")) > 19 or int(text) not in _INT64:
        raise QueryError(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return int(text)


def _list_faults(params: Mapping[str, str]) -> list[OptionFault]:
    faults = []
    match = params.get(_MATCH, "")
    version = params.get("resourceVersion", "")
    if match:
        if not version:
            faults.append(_forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided"))
        if params.get("continue"):
            faults.append(_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
        if match not in (_EXACT, _NOT_OLDER):
            faults.append(_unsupported(match, (_EXACT, _NOT_OLDER, "")))
        if match == _EXACT and version == "0":
            faults.append(_forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if _EVENTS in params:
        faults.append(_forbidden(_EVENTS, f"{_EVENTS} is forbidden for list"))
    return faults


def _watch_faults(params: Mapping[str, str]) -> list[OptionFault]:
    faults = []
    match = params.get(_MATCH, "")
    if _EVENTS in params:
        if match != _NOT_OLDER:
            faults.append(_forbidden(_MATCH, f"{_EVENTS} requires setting {_MATCH} to {_NOT_OLDER}"))
        text = f"{_EVENTS} is forbidden for watch unless the WatchList feature gate is enabled"
        faults.append(_forbidden(_EVENTS, text))
    if match:
        if _EVENTS not in params:
            faults.append(_forbidden(_MATCH, f"{_MATCH} is forbidden for watch unless {_EVENTS} is provided"))
        if match != _NOT_OLDER:
            faults.append(_unsupported(match, (_NOT_OLDER,)))
        if params.get("continue"):
            faults.append(_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
    return faults


def _forbidden(field: str, message: str) -> OptionFault:
    return OptionFault("FieldValueForbidden", f"Forbidden: {message}", field)


def _unsupported(match: str, supported: tuple[str, ...]) -> OptionFault:
    values = ", ".join(f'"{value}"' for value in supported)
    return OptionFault(
        "FieldValueNotSupported", f"Unsupported value: {quote(match)}: supported values: {values}", _MATCH
    )
