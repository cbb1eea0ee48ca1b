"""Answers that are remembered, and questions that are asked once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from heapfast.auth.refusals import Undecided
from heapfast.auth.review_cache import ReviewCache
from heapfast.clock import ManualClock


class Server:
    """Answers when it is told to.

    Attributes:
        asked: the questions that came, oldest first.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def question(self, text: str) -> Callable[[], Awaitable[str]]:
        async def ask() -> str:
            self.asked.append(text)
            return await asyncio.shield(self.answers)

        return ask


def at_once(answer: str) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        return answer

    return ask


def make(clock: ManualClock | None = None, ttl_seconds: float = 10, **limits: int) -> ReviewCache[str, str]:
    return ReviewCache(lambda answer: ttl_seconds, clock=clock or ManualClock(), **limits)


async def settled() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_answer_counts_for_its_time_and_no_longer() -> None:
    clock = ManualClock()
    cache = make(clock)
    assert cache.find("a") is None
    assert await cache.ask("a", at_once("yes")) == "yes"
    clock.advance(9.999)
    assert cache.find("a") == "yes"
    clock.advance(0.001)
    assert cache.find("a") is None
    assert cache.find("a") is None


async def test_the_time_of_an_answer_may_hang_on_what_it_says() -> None:
    clock = ManualClock()
    cache: ReviewCache[str, str] = ReviewCache(lambda answer: {"yes": 10, "no": 1, "never": 0}[answer], clock=clock)
    for answer in ("yes", "no", "never"):
        await cache.ask(answer, at_once(answer))
    clock.advance(0.5)
    assert [cache.find(key) for key in ("yes", "no", "never")] == ["yes", "no", None]
    clock.advance(1)
    assert [cache.find(key) for key in ("yes", "no", "never")] == ["yes", None, None]


async def test_the_answer_used_least_recently_goes_first() -> None:
    cache = make(max_entries=2)
    await cache.ask("a", at_once("1"))
    await cache.ask("b", at_once("2"))
    cache.find("a")
    await cache.ask("c", at_once("3"))
    assert [cache.find(key) for key in "abc"] == ["1", None, "3"]


async def test_an_answer_that_is_not_to_be_kept_is_not() -> None:
    cache = make()
    assert await cache.ask("a", at_once("yes"), keep=False) == "yes"
    assert cache.find("a") is None


async def test_the_same_question_is_asked_once_at_a_time() -> None:
    server, cache = Server(), make()
    waiting = [asyncio.create_task(cache.ask(key, server.question(key))) for key in "aabab"]
    await settled()
    assert server.asked == ["a", "b"]
    server.answers.set_result("yes")
    assert await asyncio.gather(*waiting) == ["yes"] * 5
    assert cache.find("a") == cache.find("b") == "yes"


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    server, cache = Server(), make()
    waiting = [asyncio.create_task(cache.ask("a", server.question("a"))) for _ in range(3)]
    await settled()
    server.answers.set_exception(Undecided("away"))
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Undecided] * 3
    assert cache.find("a") is None
    assert await cache.ask("a", at_once("yes")) == "yes"


async def test_whoever_goes_away_takes_no_answer_from_the_others() -> None:
    server, cache = Server(), make()
    first = asyncio.create_task(cache.ask("a", server.question("a")))
    second = asyncio.create_task(cache.ask("a", server.question("a")))
    await settled()
    first.cancel()
    await settled()
    assert first.cancelled()
    server.answers.set_result("yes")
    assert await second == "yes"
    assert server.asked == ["a"]


async def test_a_failure_that_nobody_waits_for_any_more_disturbs_nobody() -> None:
    # tests/conftest.py fails the test when the loop hears of an exception that was never retrieved.
    server, cache = Server(), make()
    waiting = asyncio.create_task(cache.ask("a", server.question("a")))
    await settled()
    waiting.cancel()
    server.answers.set_exception(Undecided("away"))
    await settled()
    assert cache.find("a") is None


async def test_beyond_the_limit_of_reviews_new_questions_are_refused_at_once() -> None:
    server, cache = Server(), make(max_reviews=2)
    waiting = [asyncio.create_task(cache.ask(key, server.question(key))) for key in "abab"]
    await settled()
    with pytest.raises(Undecided, match="2 reviews are under way"):
        await cache.ask("c", server.question("c"))
    server.answers.set_result("yes")
    await asyncio.gather(*waiting)
    assert await cache.ask("c", at_once("yes")) == "yes"
    assert server.asked == ["a", "b"]


async def test_closing_cancels_what_is_under_way() -> None:
    server, cache = Server(), make()
    waiting = asyncio.create_task(cache.ask("a", server.question("a")))
    await settled()
    await cache.close()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await cache.close()
    assert await cache.ask("a", at_once("yes")) == "yes"
