"""Heapfast answers the recorded requests as Heapster did, but for the deliberate differences."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import pytest

from heapfast.api.app import create_app
from heapfast.api.state import State
from heapfast.clock import ManualClock
from tests.conformance.groups import parametrize_by_group
from tests.conformance.heapster.differences import ANSWER_DIFFERENCES
from tests.conformance.heapster.exchange import Answer, Exchange
from tests.conformance.heapster.recordings import SCENARIOS, Scenario, load, matcher
from tests.conformance.heapster.replay import Replay
from tests.conformance.recordings import Json, nanoseconds
from tests.unit.api.client import ask
from tests.unit.history.naive import NaiveHistory
from tests.unit.store.engines import Compiled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conformance.difference import AnswerDifference


@cache
def _answers(name: str) -> dict[str, list[tuple[Json, Answer]]]:
    """Our answers to all vectors of a scenario, by group."""
    scenario = load(name)
    answers: dict[str, list[tuple[Json, Answer]]] = defaultdict(list)
    for after_batches in (0, len(scenario.batches)):
        replay = Replay(scenario, Compiled)
        replay.take_lists()
        if after_batches:
            for _ in replay.run():
                pass
        vectors = [vector for vector in scenario.vectors if vector["after_batches"] == after_batches]
        for vector, answer in zip(vectors, asyncio.run(_ask_all(replay, vectors)), strict=True):
            answers[vector["route"]].append((vector, answer))
    return answers


async def _ask_all(replay: Replay, vectors: Iterable[Json]) -> list[Answer]:
    clock = ManualClock()
    state = State(
        store=replay.engine.store,
        pods=replay.pods,
        nodes=replay.nodes,
        clock=clock,
        resolution_ns=replay.options.resolution_ns,
        disable_export=not replay.options.api.export_enabled,
        # Where the historical API is off, that must show.
        history=_history(replay) if replay.scenario.about["historical"] else None,
    )
    app = create_app(state)
    answers = []
    for vector in vectors:
        clock.set_ns(nanoseconds(vector["now"]))
        request = vector["request"]
        headers = tuple(request["headers"].items())
        answer = await ask(app, request["path"], request["method"], headers, body=request.get("body", "").encode())
        answers.append(Answer(answer.status, answer.headers, answer.text))
    return answers


def _history(replay: Replay) -> NaiveHistory:
    """What Heapster had written to InfluxDB by then: the batches that it made."""
    history = NaiveHistory()
    if replay.engine.store.newest is not None:
        for batch in replay.scenario.batches:
            history.put(batch.timestamp_ns, batch.sets)
    return history


def _settle(scenario: Scenario, vector: Json, answer: Answer) -> tuple[Exchange, list[AnswerDifference[Exchange]]]:
    exchange = Exchange(scenario, vector, answer)
    needed = [
        difference
        for difference in ANSWER_DIFFERENCES
        if difference.concerns(scenario.name, vector["route"]) and difference.settle(exchange)
    ]
    return exchange, needed


def _routes(name: str) -> list[str]:
    scenario = load(name)
    return list(dict.fromkeys(vector["route"] for vector in scenario.vectors))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_by_group(metafunc, SCENARIOS, _routes)


def test_answers_are_those_of_the_reference(name: str, route: str) -> None:
    scenario = load(name)
    faults = []
    for vector, answer in _answers(name)[route]:
        exchange, needed = _settle(scenario, vector, answer)
        differences = matcher().differences(exchange.vector, *exchange.answer)
        if differences:
            request = vector["request"]
            sources = ", ".join(difference.source for difference in needed)
            faults.append(
                f"{vector['id']} {request['method']} {request['path']} {request['headers'] or ''} [{sources}]\n  "
                + "\n  ".join(differences[:10])
            )
    assert not faults, "\n".join(faults)


def test_every_difference_is_needed() -> None:
    needed: set[str] = set()
    for name in SCENARIOS:
        for exchanges in _answers(name).values():
            for vector, answer in exchanges:
                if matcher().differences(vector, *answer):
                    needed.update(difference.reason for difference in _settle(load(name), vector, answer)[1])
    assert {difference.reason for difference in ANSWER_DIFFERENCES} == needed


@pytest.mark.parametrize("name", SCENARIOS)
def test_lists_are_sorted(name: str) -> None:
    """B12: Heapster's lists are in random order."""
    load(name)
    n_lists = 0
    for exchanges in _answers(name).values():
        for vector, answer in exchanges:
            if vector["match"].get("unordered") == ["$"]:
                names = json.loads(answer.body)
                assert names == sorted(names), vector["request"]["path"]
                n_lists += 1
    assert n_lists > 0
