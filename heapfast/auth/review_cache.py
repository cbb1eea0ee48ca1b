"""What the API server said, remembered for a while; the same question is asked once at a time.

In      keys, and how to ask for what is not known
Out     answers
Callers token_review.py and access_review.py have one each
Source  spec/metrics-k8s-io.md 11.2 and 11.3: 10 s, least recently used first out, failures not kept
Never   keeps a failure, or lets a caller that goes away take the answer from those who wait with it
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from heapfast.auth.refusals import Undecided
from heapfast.clock import Clock

MAX_ENTRIES: Final = 8192
#: Reviews under way at once, of one cache. Callers nobody knows can make up tokens without end; beyond this
#: they are refused at once, and neither the API server nor our memory pays for them.
MAX_REVIEWS: Final = 400

KeyT = TypeVar("KeyT", bound=Hashable)
AnswerT = TypeVar("AnswerT")


class ReviewCache(Generic[KeyT, AnswerT]):
    """Answers by key. Belongs to the loop.

    Args:
        ttl_seconds: how long an answer is kept; 0 keeps it not at all.
    """

    def __init__(
        self,
        ttl_seconds: Callable[[AnswerT], float],
        *,
        clock: Clock,
        max_entries: int = MAX_ENTRIES,
        max_reviews: int = MAX_REVIEWS,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._max_entries = max_entries
        self._max_reviews = max_reviews
        self._entries: OrderedDict[KeyT, tuple[float, AnswerT]] = OrderedDict()
        self._reviews: dict[KeyT, asyncio.Task[AnswerT]] = {}

    def find(self, key: KeyT) -> AnswerT | None:
        """Find an answer that is still good; None when there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self._clock.monotonic():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def ask(self, key: KeyT, review: Callable[[], Awaitable[AnswerT]], *, keep: bool = True) -> AnswerT:
        """Ask, or wait with those who asked the same before; the answer is kept.

        Args:
            review: raises when there is no answer; everybody who waits gets that.
            keep: False for a key that is too large to be kept.

        Raises:
            Undecided: too many reviews are under way.
        """
        task = self._reviews.get(key)
        if task is None:
            if len(self._reviews) >= self._max_reviews:
                raise Undecided(f"{self._max_reviews} reviews are under way, which is the limit")
            task = asyncio.create_task(self._run(key, review, keep), name="review")
            task.add_done_callback(_retrieve)
            self._reviews[key] = task
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Give up what is under way; those who wait are cancelled with it."""
        tasks = list(self._reviews.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: KeyT, review: Callable[[], Awaitable[AnswerT]], keep: bool) -> AnswerT:
        try:
            answer = await review()
        finally:
            del self._reviews[key]
        seconds = self._ttl_seconds(answer) if keep else 0.0
        if seconds > 0:
            self._entries[key] = (self._clock.monotonic() + seconds, answer)
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return answer


def _retrieve(task: asyncio.Task[AnswerT]) -> None:
    # When all who waited are gone, asyncio would log the failure as one that nobody saw.
    if not task.cancelled():
        task.exception()
