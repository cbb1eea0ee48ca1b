"""Label and field selectors, as an API server reads them.

In      the text of labelSelector or fieldSelector
Out     a function from labels (or fields) to yes or no
Callers lists.py, for watches.py, too
Source  spec/metrics-k8s-io.md 4.1 and 4.2
Never   shares code with heapfast.query, which tests compare it with
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from heapfast.errors import QueryError

Match = Callable[[Mapping[str, str]], bool]

_KEY: Final = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
_REQUIREMENT: Final = re.compile(
    rf"\s*(?:(?P<absent>!)\s*)?(?P<key>{_KEY})\s*"
    r"(?:(?P<op>==|=|!=|>|<)\s*(?P<value>[A-Za-z0-9._-]*)|(?P<set>(?<=\s)(?:in|notin))\s*\((?P<values>[^()]*)\))?\s*"
)
_FIELD: Final = re.compile(r"\s*(?P<key>[A-Za-z0-9.]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^,=!]*?)\s*")


def parse_labels(text: str) -> Match | None:
    """Reads a label selector; None when it selects everything. Raises QueryError."""
    if not text.strip():
        return None
    tests: list[Match] = []
    at = 0
    while True:
        match = _REQUIREMENT.match(text, at)
        if match is None or (match["absent"] and (match["op"] or match["set"])):
            raise QueryError(f"unable to parse requirement: got {text!r}, want a label selector (at {at})")
        tests.append(_label_test(match, text))
        at = match.end()
        if at == len(text):
            return lambda labels: all(test(labels) for test in tests)
        if text[at] != ",":
            raise QueryError(f"unable to parse requirement: got {text[at]!r} at {at} of {text!r}, want ','")
        at += 1


def _label_test(match: re.Match[str], text: str) -> Match:
    key = match["key"]
    if match["set"]:
        values = {value.strip() for value in match["values"].split(",")}
        if match["set"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    value = match["value"]
    match match["op"]:
        case "=" | "==":
            return lambda labels: labels.get(key) == value
        case "!=":
            return lambda labels: labels.get(key) != value
        case ">" | "<" as op:
            if not re.fullmatch(r"-?[0-9]+", value):
                raise QueryError(f"unable to parse requirement: got {value!r} after {op} in {text!r}, want an integer")
            return lambda labels: _compares(labels.get(key), op, int(value))
    if match["absent"]:
        return lambda labels: key not in labels
    return lambda labels: key in labels


def _compares(label: str | None, op: str, bound: int) -> bool:
    if label is None or not re.fullmatch(r"-?[0-9]+", label):
        return False
    return int(label) > bound if op == ">" else int(label) < bound


def parse_fields(text: str, known: frozenset[str]) -> tuple[Match | None, dict[str, str]]:
    """Reads a field selector.

    Args:
        known: the fields that the kind supports.

    Returns:
        The test, None when it selects everything; and what must be equal, by field, so that a caller
        can go straight to the node or the object.

    Raises:
        QueryError: the text is none, or names a field that is not known.
    """
    if not text.strip():
        return None, {}
    terms = []
    equal = {}
    for part in text.split(","):
        match = _FIELD.fullmatch(part)
        if match is None:
            raise QueryError(f"invalid field selector: got {part!r}, want FIELD=VALUE or FIELD!=VALUE")
        if match["key"] not in known:
            raise QueryError(f"field label not supported: {match['key']}")
        wanted = match["op"] != "!="
        if wanted:
            equal[match["key"]] = match["value"]
        terms.append((match["key"], wanted, match["value"]))
    return lambda fields: all((fields[key] == value) is wanted for key, wanted, value in terms), equal
