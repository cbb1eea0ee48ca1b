"""Long selectors: the same slots as at once, while the loop goes on."""

from __future__ import annotations

import asyncio

import pytest

from heapfast.query._selector import parse_selector
from heapfast.query.selection import SLICE_CONDITIONS, SLICE_VALUES, select_slots
from heapfast.store.index import PostingIndex, Subset

N_PODS = 3 * SLICE_VALUES


@pytest.fixture(scope="module")
def index() -> PostingIndex:
    found = PostingIndex()
    for slot in range(N_PODS):
        labels = {"app": f"app-{slot % 97}", "pod": f"pod-{slot}", "number": str(slot - 100)}
        found.put(slot, f"ns-{slot % 3}", labels)
    return found


def names(start: int, stop: int, step: int = 1) -> str:
    return ",".join(f"pod-{n}" for n in range(start, stop, step))


LONG = {
    "more values than a slice": f"pod in ({names(0, N_PODS, 2)})",
    "values that nobody has": f"pod in ({names(N_PODS, 2 * N_PODS)})",
    "values that are not wanted": f"pod notin ({names(5, N_PODS)})",
    "two of them": f"pod in ({names(0, N_PODS, 2)}),pod in ({names(0, N_PODS, 3)}),app!=app-3",
    "a number beyond which are many": "number>50",
    "numbers between two bounds": "number>10,number<50",
    "bounds that say the same again": "number>1,number>7,number>3,number<90,number<80,number<85,app",
    "a bound that nothing is beyond": f"number>{N_PODS}",
    "more conditions than a slice": ",".join(f"app!=app-{n % 90}" for n in range(3 * SLICE_CONDITIONS)),
    "conditions that nothing fulfils": ",".join(f"app=app-{n}" for n in range(3 * SLICE_CONDITIONS)),
    "conditions of several values": ",".join(["app in (app-1,app-2,app-3)"] * (SLICE_CONDITIONS + 1)),
    "all of it": f"number>10,app,!other,pod notin ({names(0, 3000)}),pod in ({names(2000, N_PODS)})",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
@pytest.mark.parametrize("namespace", [None, "ns-1", "none-such"])
async def test_a_long_selector_takes_turns_and_means_the_same(
    index: PostingIndex, text: str, namespace: str | None
) -> None:
    selector = parse_selector(text)
    running = Subset(index)
    for slot in range(0, N_PODS, 5):
        running.add(slot)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for postings in (index, running):
        assert await select_slots(postings, selector, namespace) == postings.select(selector, namespace)
    counting.cancel()
    assert turns > 2


async def test_a_short_selector_is_of_one_moment(index: PostingIndex) -> None:
    asked = select_slots(index, parse_selector("app=app-1,pod in (pod-1,pod-98)"))
    with pytest.raises(StopIteration) as ended:
        asked.send(None)
    assert list(ended.value.value) == [1, 98]


async def test_a_slot_that_another_namespace_has_got_meanwhile_is_not_in_the_answer() -> None:
    index = PostingIndex()
    for slot in range(N_PODS):
        index.put(slot, "shop", {"pod": f"pod-{slot}"})
    asking = asyncio.create_task(select_slots(index, parse_selector(f"pod in ({names(0, N_PODS)})"), "shop"))
    await asyncio.sleep(0)
    index.remove(0)
    index.remove(1)
    index.put(1, "other", {"pod": "pod-1"})
    assert list(await asking) == list(range(2, N_PODS))
