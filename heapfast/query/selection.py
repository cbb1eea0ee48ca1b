"""Whom a selector means, without holding the loop: a long one is looked at slice by slice.

In      an index, a selector, perhaps a namespace
Out     BitMap of slots
Callers api, for every selector that a client sends
Source  issue 5: the loop is never held more than 5 ms; a head of 64 KB has room for 30,000 conditions
Never   takes turns for a short selector: its answer is of one moment
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from pyroaring import BitMap

from heapfast.store.index import Postings
from heapfast.store.requirement import Operator, Requirement, Selector

#: Values of a label, and conditions, that are looked at before the loop gets its turn: about half a millisecond each.
SLICE_VALUES: Final = 2_000
SLICE_CONDITIONS: Final = 100
#: So many values of each of as many conditions are a slice, too.
_FEW_VALUES: Final = SLICE_VALUES // SLICE_CONDITIONS

_OF_NUMBERS: Final = (Operator.GREATER_THAN, Operator.LESS_THAN)


async def select_slots(index: Postings, selector: Selector, namespace: str | None = None) -> BitMap:
    """Return the slots that fulfil every requirement, as a bitmap of the caller's own.

    What changes between two slices is as if it had been asked later. What is in the answer is in the index, and in the
    namespace, when it is given.

    Args:
        namespace: only of this one; None for all.
    """
    if len(selector) <= SLICE_CONDITIONS and sum(_looked_at(index, one) for one in selector) <= SLICE_VALUES:
        return index.select(selector, namespace)
    found = index.select((), namespace)
    bounds: dict[tuple[str, Operator], int] = {}
    long = []
    for start in range(0, len(selector), SLICE_CONDITIONS):
        short = []
        for requirement in selector[start : start + SLICE_CONDITIONS]:
            if requirement.operator in _OF_NUMBERS:
                _tighten(bounds, requirement)
            elif len(requirement.values) <= _FEW_VALUES:
                short.append(requirement)
            else:
                long.append(requirement)
        found &= index.select(tuple(short))
        await asyncio.sleep(0)
    for (key, operator), bound in bounds.items():
        found &= await _select_beyond(index, key, bound, is_greater=operator is Operator.GREATER_THAN)
    for requirement in long:
        named = await _select_named(index, requirement.key, requirement.values)
        found = found - named if requirement.operator is Operator.NOT_IN else found & named
    # A slot may have been given to somebody else meanwhile.
    return found & index.select((), namespace)


def _looked_at(index: Postings, requirement: Requirement) -> int:
    """How many values of its label a requirement looks at one by one."""
    return index.count_values(requirement.key) if requirement.operator in _OF_NUMBERS else len(requirement.values)


def _tighten(bounds: dict[tuple[str, Operator], int], requirement: Requirement) -> None:
    """Of bounds on one side of a label the innermost says all: each looks at every value."""
    side = requirement.key, requirement.operator
    bound = int(requirement.values[0])
    innermost = max if requirement.operator is Operator.GREATER_THAN else min
    bounds[side] = innermost(bound, bounds.get(side, bound))


async def _select_beyond(index: Postings, key: str, bound: int, *, is_greater: bool) -> BitMap:
    found = BitMap()
    slots = index.select((Requirement(key, Operator.EXISTS),)).to_array()
    for start in range(0, len(slots), SLICE_VALUES):
        await asyncio.sleep(0)
        found |= index.beyond(key, bound, slots[start : start + SLICE_VALUES], is_greater=is_greater)
    return found


async def _select_named(index: Postings, key: str, values: Sequence[str]) -> BitMap:
    found = BitMap()
    for start in range(0, len(values), SLICE_VALUES):
        await asyncio.sleep(0)
        found |= index.select((Requirement(key, Operator.IN, tuple(values[start : start + SLICE_VALUES])),))
    return found
