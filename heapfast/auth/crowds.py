"""Which lists are asked for by so many narrower ones that one review of the wide list saves theirs.

In      wide lists, each time that a narrower one had to be reviewed
Out     the wide lists that are better reviewed themselves
Callers access_review.py
Source  3,000 autoscalers ask for 3,000 selectors every 15 s, and decisions count for 10 s
Never   decides: who may see a wide list is the API server's to say

Whoever may see all pods of a namespace may see those of a selector, and whoever may see those of all namespaces may see
those of one: a permission for the wider list is one for the narrower. The other way round it says nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final, Generic, TypeVar

from heapfast.clock import Clock

#: Reviews after which the next wider list is reviewed in place of one more, and so many times as many for the one above
#: it. A caller who asks for a few is told of as by metrics-server, review by review; one who may not see the wide list
#: costs one review more in so many.
CROWD: Final = 4
#: A crowd is one for so many times the time that a permission counts, since it was last reviewed.
LIFETIME_FACTOR: Final = 2.0

WideT = TypeVar("WideT", bound=Hashable)


class Crowds(Generic[WideT]):
    """Counts reviews of narrower lists by the wide list. Belongs to the loop.

    Args:
        ttl_seconds: how long a permission counts. Where it does not count at all, there are no crowds.
        max_entries: wide lists that are counted; of more the one longest unasked is forgotten.
    """

    def __init__(self, ttl_seconds: float, *, clock: Clock, max_entries: int) -> None:
        self._lifetime_seconds = ttl_seconds * LIFETIME_FACTOR
        self._clock = clock
        self._max_entries = max_entries
        self._counts: OrderedDict[WideT, tuple[float, int]] = OrderedDict()

    def of(self, wider: Sequence[WideT]) -> list[WideT]:
        """Of the lists around a narrow one, each wider than the one before: those worth a review, the widest first."""
        return [wide for level, wide in reversed(list(enumerate(wider, 1))) if self._count(wide) >= CROWD**level]

    def add(self, wider: Sequence[WideT]) -> None:
        """Count one review that was allowed: of something in these lists, or of the one in its place."""
        expires = self._clock.monotonic() + self._lifetime_seconds
        for wide in wider:
            self._counts[wide] = (expires, self._count(wide) + 1)
            self._counts.move_to_end(wide)
        while len(self._counts) > self._max_entries:
            self._counts.popitem(last=False)

    def disperse(self, wide: WideT) -> None:
        """Begin to count anew: the wide list is not allowed."""
        self._counts.pop(wide, None)

    def _count(self, wide: WideT) -> int:
        expires, count = self._counts.get(wide, (0.0, 0))
        return count if expires > self._clock.monotonic() else 0
