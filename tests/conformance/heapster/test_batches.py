"""The batches that heapfast makes of the recorded inputs are those that Heapster made."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.heapster.differences import BATCH_DIFFERENCES
from tests.conformance.heapster.recordings import SCENARIOS, load
from tests.conformance.heapster.replay import Replay
from tests.conformance.heapster.settle_batches import BatchPair
from tests.unit.store.engines import ENGINES, Compiled, Naive

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Recorded floats were 32-bit and have six decimals.
FLOAT_REL, FLOAT_ABS = 2e-6, 1e-6

#: The reference measured uptimes by its own clock, some milliseconds beside the recorded one.
UPTIME_ABS_MS = 1000


@pytest.mark.parametrize("new_engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("name", SCENARIOS)
def test_batches_are_those_of_the_reference(name: str, new_engine: type[Naive] | type[Compiled]) -> None:
    scenario = load(name)
    replay = Replay(scenario, new_engine)
    replay.take_lists()
    needed: set[str] = set()
    faults: list[str] = []
    before = None
    for number, (got, batch) in enumerate(zip(replay.run(), scenario.batches, strict=True)):
        pair = BatchPair(copy.deepcopy(batch.sets), got, before)
        for difference in BATCH_DIFFERENCES:
            if name in difference.scenarios and difference.settle(pair):
                needed.add(difference.source)
        faults += [f"batch {number}: {fault}" for fault in _compare(pair)]
        before = batch.sets
    assert not faults, "\n".join(faults)
    assert needed == {difference.source for difference in BATCH_DIFFERENCES if name in difference.scenarios}


def _compare(pair: BatchPair) -> Iterator[str]:
    for key in pair.want.keys() - pair.got.keys():
        yield f"{key}: missing"
    for key in pair.got.keys() - pair.want.keys():
        yield f"{key}: not expected"
    for key in pair.want.keys() & pair.got.keys():
        yield from (f"{key}: {fault}" for fault in _compare_sets(pair.want[key], pair.got[key]))


def _compare_sets(want: dict[str, Any], got: dict[str, Any]) -> Iterator[str]:
    # What the reference logged as creation is the start of the collection (spec 7.8).
    for name, expected, value in (
        ("scrape time", want["scrape_time_ns"], got["scrape_time_ns"]),
        ("start time", want["create_time_ns"], got["start_time_ns"]),
        ("labels", want["labels"], got["labels"]),
    ):
        if expected != value:
            yield f"{name}: {expected!r} expected, got {value!r}"
    yield from _compare_values(want["metrics"], got["metrics"])
    yield from _compare_values(_by_labels(want["labeled"]), _by_labels(got["labeled"]))


def _by_labels(labeled: list[dict[str, Any]]) -> dict[Any, float | int]:
    return {(entry["name"], *sorted(entry["labels"].items())): entry["value"] for entry in labeled}


def _compare_values(want: dict[Any, float | int], got: dict[Any, float | int]) -> Iterator[str]:
    for name in want.keys() | got.keys():
        expected, value = want.get(name), got.get(name)
        if expected is None or value is None or not _same(name, expected, value):
            yield f"{name}: {expected!r} expected, got {value!r}"


def _same(name: Any, expected: float | int, value: float | int) -> bool:
    if name == "uptime":
        return abs(expected - value) <= UPTIME_ABS_MS
    if isinstance(expected, float) != isinstance(value, float):
        return False
    if isinstance(expected, float):
        return abs(expected - value) <= max(FLOAT_ABS, FLOAT_REL * max(abs(expected), abs(value)))
    return expected == value
