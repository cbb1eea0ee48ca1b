"""Field selectors: conditions on an object's name and namespace.

In      "metadata.name=web-0,metadata.namespace!=kube-system"
Out     Requirements, and what they come to for names and namespaces; or QueryError with Kubernetes' text
Callers list_options.py, api/metrics_k8s_io.py; auth reads attributes with it
Source  spec/metrics-k8s-io.md 4.2, recorded `fields` answers
Never   sees an object
"""

from __future__ import annotations

from typing import Final, NamedTuple

from heapfast.errors import QueryError
from heapfast.query.quoting import quote
from heapfast.store.requirement import Operator, Requirement, Selector

NAME: Final = "metadata.name"
NAMESPACE: Final = "metadata.namespace"

#: Longest first where one begins as another does.
_OPERATORS: Final = (("!=", Operator.NOT_IN), ("==", Operator.IN), ("=", Operator.IN))
_ESCAPABLE: Final = "\\,="


class FieldSelection(NamedTuple):
    """What a field selector leaves.

    Attributes:
        name: the only one, None for any.
        namespace: the only one, None for any.
        not_names, not_namespaces: that are left out.
        is_empty: the conditions contradict each other.
    """

    name: str | None
    namespace: str | None
    not_names: tuple[str, ...]
    not_namespaces: tuple[str, ...]
    is_empty: bool


def parse_field_selector(text: str) -> Selector:
    """Parse a selector; blanks count, terms that are empty do not.

    Returns:
        Requirements with Operator.IN or NOT_IN and one value each.

    Raises:
        QueryError: a term without an operator, or an escape or `=` that does not belong in a value.
    """
    requirements = []
    for term in _terms(text):
        key, operator, value = _split(term)
        value = _unescape(value)
        # A lone "=" says nothing, and is taken for nothing.
        if key or value:
            requirements.append(Requirement(key, operator, (value,)))
    return tuple(requirements)


def check_fields(selector: Selector) -> None:
    """Raise QueryError at the first field that is not known."""
    for requirement in selector:
        if requirement.key not in (NAME, NAMESPACE):
            raise QueryError(f'{quote(requirement.key)} is not a known field selector: only "{NAME}", "{NAMESPACE}"')


def select_fields(selector: Selector) -> FieldSelection:
    """Work out what a selector leaves; its fields are known."""
    wanted: dict[str, set[str]] = {NAME: set(), NAMESPACE: set()}
    unwanted: dict[str, set[str]] = {NAME: set(), NAMESPACE: set()}
    for requirement in selector:
        side = wanted if requirement.operator is Operator.IN else unwanted
        side[requirement.key].update(requirement.values)
    return FieldSelection(
        next(iter(wanted[NAME]), None),
        next(iter(wanted[NAMESPACE]), None),
        tuple(sorted(unwanted[NAME])),
        tuple(sorted(unwanted[NAMESPACE])),
        any(len(wanted[key]) > 1 or wanted[key] & unwanted[key] for key in (NAME, NAMESPACE)),
    )


def _terms(text: str) -> list[str]:
    """Split at commas that no backslash stands before; escapes stay."""
    terms = []
    start = at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == ",":
            terms.append(text[start:at])
            start = at + 1
        at += 1
    terms.append(text[start:])
    return [term for term in terms if term]


def _split(term: str) -> tuple[str, Operator, str]:
    for at in range(len(term)):
        for symbol, operator in _OPERATORS:
            if term.startswith(symbol, at):
                return term[:at], operator, term[at + len(symbol) :]
    raise QueryError(f"invalid selector: '{term}'; can't understand '{term}'")


def _unescape(value: str) -> str:
    if not any(char in value for char in _ESCAPABLE):
        return value
    chars = []
    at = 0
    while at < len(value):
        char = value[at]
        if char == "\\":
            at += 1
            escaped = value[at : at + 1]
            if not escaped or escaped not in _ESCAPABLE:
                raise QueryError(f"invalid field selector: invalid escape sequence: \\{escaped}")
            chars.append(escaped)
        elif char == "=":
            raise QueryError(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            chars.append(char)
        at += 1
    return "".join(chars)
