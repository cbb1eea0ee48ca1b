"""Heapfast answers the recorded requests as metrics-server did, but for the deliberate differences."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.conformance.groups import parametrize_by_group
from tests.conformance.metrics_server.differences import DIFFERENCES
from tests.conformance.metrics_server.recordings import SCENARIOS, load
from tests.conformance.metrics_server.replay import Replay

if TYPE_CHECKING:
    from tests.conformance.difference import AnswerDifference
    from tests.conformance.metrics_server.exchange import Exchange


@cache
def _exchanges(name: str) -> dict[str, list[Exchange]]:
    """Our answers to all vectors of a scenario, by group."""

    async def run() -> dict[str, list[Exchange]]:
        exchanges: dict[str, list[Exchange]] = defaultdict(list)
        async for exchange in Replay(load(name)).run():
            exchanges[exchange.vector["route"]].append(exchange)
        return exchanges

    return asyncio.run(run())


def _settle(exchange: Exchange) -> tuple[list[str], list[AnswerDifference[Exchange]]]:
    """What still differs, and which rows were needed to come so far."""
    found = exchange.differences()
    needed = []
    for difference in DIFFERENCES:
        if not found:
            break
        if difference.concerns(exchange.scenario.name, exchange.vector["route"]) and difference.settle(exchange):
            left = exchange.differences()
            if left != found:
                needed.append(difference)
            found = left
    return found, needed


@cache
def _settled(name: str) -> dict[str, list[tuple[Exchange, list[str], list[AnswerDifference[Exchange]]]]]:
    return {
        route: [(exchange, *_settle(exchange)) for exchange in exchanges]
        for route, exchanges in _exchanges(name).items()
    }


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_by_group(metafunc, SCENARIOS, lambda name: load(name).routes)


@pytest.mark.timeout(120)
def test_answers_are_those_of_the_reference(name: str, route: str) -> None:
    failures = [(exchange.vector["request"], found) for exchange, found, _ in _settled(name)[route] if found]
    assert not failures


def test_every_difference_shows() -> None:
    needed = {
        difference.reason
        for name in SCENARIOS
        for exchanges in _settled(name).values()
        for _, _, differences in exchanges
        for difference in differences
    }
    assert {difference.reason for difference in DIFFERENCES} == needed
