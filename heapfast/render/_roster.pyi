from array import array
from collections.abc import Mapping

from heapfast._latest import Latest

class Roster:
    """Who is listed, in the order of names, and the labels of each as bytes ready to be copied."""

    def __init__(self, latest: Latest, kind: int) -> None:
        """Start empty; `kind` is Kind.NODE or Kind.POD."""

    @property
    def kind(self) -> int: ...
    @property
    def fragments(self) -> int:
        """Different sets of labels."""

    def __len__(self) -> int: ...
    def __contains__(self, slot: int, /) -> bool: ...
    def put(self, slot: int, labels: Mapping[str, str]) -> None:
        """Enter an object, or replace its labels; about 3 us.

        The slot has its name and stays with it until `remove`, which is to be called in the same
        step as the store's own.
        """

    def remove(self, slot: int) -> None:
        """Take an object out; one that is not in is no error."""

    def ordered(self, slots: array[int]) -> array[int]:
        """Return those of `slots` that are in, in the order of names."""

    def nbytes(self) -> int:
        """Memory of the tables and fragments, without what Python's own dict takes."""
