"""Field selectors: what conditions on an object's name and namespace come to.

In      requirements, as _selector.pyx parses them
Out     what they leave of names and namespaces; or QueryError with Kubernetes' text
Callers list_options.py, api/metrics_k8s_io.py
Source  spec/metrics-k8s-io.md 4.2, recorded `fields` answers
Never   sees an object
"""

from __future__ import annotations

from typing import Final, NamedTuple

from heapfast.errors import QueryError
from heapfast.query.quoting import quote
from heapfast.store.requirement import Operator, Selector

NAME: Final = "metadata.name"
NAMESPACE: Final = "metadata.namespace"


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
