"""A deliberate difference between heapfast and a recorded answer of a reference.

In      the decision, and how an exchange is made comparable because of it
Out     a row of the reference's table
Callers differences.py and test_vectors.py of each reference
Never   holds a row itself
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

ExchangeT = TypeVar("ExchangeT")


@dataclass(frozen=True)
class AnswerDifference(Generic[ExchangeT]):
    """One decision, as it shows in answers.

    Attributes:
        source: where it was decided: the B, K, Q or R number of the decision, or who made it.
        reason: what we do instead, in a sentence.
        routes: groups of vectors in which it may show; a trailing "/" stands for all below.
        settle: makes the exchange comparable; False when there was nothing to do.
        scenarios: where it shows; () for anywhere.
    """

    source: str
    reason: str
    routes: tuple[str, ...]
    settle: Callable[[ExchangeT], bool]
    scenarios: tuple[str, ...] = ()

    def concerns(self, scenario: str, route: str) -> bool:
        return (not self.scenarios or scenario in self.scenarios) and any(
            route.startswith(group) if group.endswith("/") else route == group for group in self.routes
        )
