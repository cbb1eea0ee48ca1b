from array import array
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

_TermT = TypeVar("_TermT")

def integers_beyond(values: list[str], bound: int, is_greater: bool) -> list[str]:
    """Return those of some values that are int64 and lie beyond a bound, in their order.

    Args:
        bound: int64; itself is not beyond.
        is_greater: above it; else below.
    """

def slots_beyond(sets: Sequence[Any], key: str, slots: Iterable[int], bound: int, is_greater: bool) -> array[int]:
    """Return those of some slots whose value of a label is int64 and lies beyond a bound, in their order.

    Args:
        sets: by slot what has `labels`, pairs of texts; None, or none at all, for nobody.
        bound, is_greater: as of integers_beyond.
    """

def gather_postings(postings: dict[str, _TermT | int], values: Iterable[str]) -> tuple[array[int], list[_TermT]]:
    """Look values up: the slots of those that one entity alone has, and the terms of the others.

    Args:
        postings: by value: the slot of the only one that has it, or a term.
    """
