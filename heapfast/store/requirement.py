"""Conditions on labels, parsed: what a selector is made of.

In      key, operator, values
Out     Requirement; whether given labels fulfil it
Callers query/_selector.pyx makes them, store/index.py evaluates them on postings, places.py on one object;
        auth/attributes.py restates them
Source  spec/heapster-rest.md 9.3
Never   parses a selector
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

_INT64 = range(-(2**63), 2**63)


class Operator(Enum):
    """How a requirement looks at the value of its key."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER_THAN = ">"
    LESS_THAN = "<"


class Requirement(NamedTuple):
    """One condition on one label key.

    Attributes:
        key: of the label.
        operator: `=` and `==` are IN with one value, `!=` is NOT_IN with one.
        values: sorted, without repetition; empty for EXISTS and DOES_NOT_EXIST, one integer as
            text for GREATER_THAN and LESS_THAN.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels fulfils it; NOT_IN holds for objects without the key."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case _:
                return value is not None and self.admits_number(value)

    def admits_number(self, value: str) -> bool:
        """Whether a label value is an integer on the right side of the bound of `>` or `<`."""
        number = parse_int64(value)
        if number is None:
            return False
        bound = int(self.values[0])
        return number > bound if self.operator is Operator.GREATER_THAN else number < bound


#: All of these must hold; empty selects everything.
Selector = tuple[Requirement, ...]


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether an object with these labels is selected."""
    return all(requirement.matches(labels) for requirement in selector)


def parse_int64(text: str) -> int | None:
    """Parse a decimal int64 with an optional sign; None for anything else."""
    if re.fullmatch("[+-]?[0-9]{1,40}", text):
        number = int(text)
        if number in _INT64:
            return number
    return None
