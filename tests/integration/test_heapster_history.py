"""Heapster's recorded historical answers, from a real InfluxDB that our own sink has filled.

The batches of a scenario are made from its recorded inputs, sent by the sink as the daemon's would be, and asked for
through the REST API. What differs from a recorded answer has its row in tests/conformance/heapster/differences.py.
"""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from heapfast.api.app import create_app
from heapfast.api.state import State
from heapfast.clock import ManualClock
from heapfast.sinks.influxdb import InfluxDbSpec
from heapfast.sinks.sink import Address
from tests.conformance.heapster.differences import ANSWER_DIFFERENCES
from tests.conformance.heapster.exchange import Answer, Exchange
from tests.conformance.heapster.recordings import Scenario, load, matcher
from tests.conformance.heapster.replay import Replay
from tests.conformance.recordings import Json, nanoseconds
from tests.unit.api.client import ask
from tests.unit.history.naive import NaiveHistory
from tests.unit.store.engines import Compiled

if TYPE_CHECKING:
    from heapfast._batch import Batch

#: Scenario -> whether its Heapster split names into measurement and field.
SCENARIOS = {"odd": False, "fields": True}


#: Labels that Heapster's sink left out.
UNWRITTEN = ("namespace_id", "pod_id", "hostname", "host_id")
BACKSLASHED = r"\\\1"


def spec_of(host: str, name: str, whose: str) -> InfluxDbSpec:
    """A database of its own for each scenario and test."""
    address, _, port = host.rpartition(":")
    return InfluxDbSpec(address=Address(address, int(port)), database=f"{name}-{whose}", with_fields=SCENARIOS[name])


def vectors_of(scenario: Scenario) -> list[Json]:
    return [vector for vector in scenario.vectors if "historical" in vector["route"] and vector["after_batches"]]


def replayed(scenario: Scenario) -> Replay:
    """The store after the scenario's last batch."""
    replay = Replay(scenario, Compiled)
    replay.take_lists()
    for _ in replay.run():
        pass
    return replay


async def fill(spec: InfluxDbSpec, replay: Replay, naive: NaiveHistory) -> None:
    """Has the sink send every batch as it closes; `naive` gets the same."""
    with ThreadPoolExecutor(1) as executor:
        sink = spec.build(executor)
        try:
            for _ in replay.run():
                batch: Batch = replay.engine.store.newest
                naive.put(batch.timestamp_ns, batch.sets())
                chunks = sink.chunks(batch)
                while (chunk := chunks.read()) is not None:
                    await sink.send(chunk.payload)
        finally:
            await sink.close()


async def answers_of(history: Any, replay: Replay, vectors: list[Json]) -> list[Answer]:
    clock = ManualClock()
    state = State(
        store=replay.engine.store,
        pods=replay.pods,
        nodes=replay.nodes,
        clock=clock,
        resolution_ns=replay.options.resolution_ns,
        history=history,
    )
    app = create_app(state)
    found = []
    for vector in vectors:
        clock.set_ns(nanoseconds(vector["now"]))
        request = vector["request"]
        answer = await ask(app, request["path"], request["method"], tuple(request["headers"].items()))
        found.append(Answer(answer.status, answer.headers, answer.text))
    await history.close()
    return found


async def write_heapsters(spec: InfluxDbSpec, scenario: Scenario) -> None:
    """Writes the batches that Heapster made, as its sink did (spec/heapster-pipeline.md 7.1.3 and 7.1.5)."""
    server = spec.server()
    assert not (await server.run(f'CREATE DATABASE "{spec.database}" WITH NAME "default"')).error
    for batch in scenario.batches:
        lines = [
            heapsters_line(name, value, labels, batch.timestamp_ns, spec)
            for one in batch.sets.values()
            for name, value, labels in (
                *((name, value, one["labels"]) for name, value in one["metrics"].items()),
                *((each["name"], each["value"], {**one["labels"], **each["labels"]}) for each in one["labeled"]),
            )
        ]
        await server.write("\n".join(lines).encode())
    await server.close()


def heapsters_line(name: str, value: float, labels: dict[str, str], at_ns: int, spec: InfluxDbSpec) -> str:
    measurement, _, field = name.partition("/") if spec.with_fields else (name, "", "")
    kept = {key: text for key, text in labels.items() if text and key not in UNWRITTEN} | {"cluster_name": "default"}
    tags = ",".join(f"{key}={re.sub('([,= ])', BACKSLASHED, text)}" for key, text in sorted(kept.items()))
    number = f"{value}i" if isinstance(value, int) else repr(value)
    return f"{measurement},{tags} {field or 'value'}={number} {at_ns}"


def differences_of(scenario: Scenario, vector: Json, answer: Answer) -> list[str]:
    """What differs from the recorded answer for no reason that the table has.

    What does not differ at all needs no reason: the table is about every store of history, and this one is Heapster's.
    """
    if not matcher().differences(vector, *answer):
        return []
    if vector["route"].startswith("historical/pod-id") and answer.status == 200:
        # B2 is mended where UIDs are stored; in Heapster's schema there are none, and nobody is found (B4).
        return [answer.body] if "timestamp" in answer.body.replace("latestTimestamp", "") else []
    # InfluxDB's mean of integers overflows, and did so when Heapster asked: what the table says of Q15 is about others.
    for left_out in ("Q15", ""):
        exchange = Exchange(scenario, vector, answer)
        for difference in ANSWER_DIFFERENCES:
            if difference.concerns(scenario.name, vector["route"]) and difference.source != left_out:
                difference.settle(exchange)
        found = [str(one) for one in matcher().differences(exchange.vector, *exchange.answer)]
        if not found:
            break
    return found


def report(faults: list[tuple[Json, list[str]]]) -> str:
    return "\n".join(f"{vector['route']} {vector['request']['path']}: {'; '.join(texts)}" for vector, texts in faults)


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_heapster_wrote_is_read_as_heapster_read_it(influxdb_host: str, name: str) -> None:
    scenario = load(name)
    vectors = vectors_of(scenario)
    assert len(vectors) > 100
    replay = replayed(scenario)
    spec = spec_of(influxdb_host, name, "heapsters")

    async def fill_and_ask() -> list[Answer]:
        await write_heapsters(spec, scenario)
        return await answers_of(spec.build_history(ManualClock()), replay, vectors)

    answers = asyncio.run(fill_and_ask())
    faults = [
        (vector, texts)
        for vector, answer in zip(vectors, answers, strict=True)
        if (texts := differences_of(scenario, vector, answer))
    ]
    assert not faults, report(faults)


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_our_sink_wrote_gives_the_recorded_answers(influxdb_host: str, name: str) -> None:
    scenario = load(name)
    vectors = vectors_of(scenario)
    replay = Replay(scenario, Compiled)
    replay.take_lists()
    spec = spec_of(influxdb_host, name, "ours")
    ours, heapsters = NaiveHistory(), NaiveHistory()
    for batch in scenario.batches:
        heapsters.put(batch.timestamp_ns, batch.sets)

    async def fill_and_ask() -> tuple[list[Answer], list[Answer], list[Answer]]:
        await fill(spec, replay, ours)
        return (
            await answers_of(spec.build_history(ManualClock()), replay, vectors),
            await answers_of(ours, replay, vectors),
            await answers_of(heapsters, replay, vectors),
        )

    faults = []
    n_recorded = 0
    for vector, answer, want, heapsters_answer in zip(vectors, *asyncio.run(fill_and_ask()), strict=True):
        texts = differences_of(scenario, vector, answer)
        if not texts:
            n_recorded += 1
        elif not is_same(answer, want) or is_same(want, heapsters_answer):
            # Only where our batches are not Heapster's, for reasons of the table of batches, may answers be others.
            faults.append((vector, texts))
    assert not faults, report(faults)
    assert n_recorded > 0.9 * len(vectors)


def is_same(one: Answer, other: Answer) -> bool:
    """Whether two answers say the same; sums in another order may differ in the last digit."""
    if one.status != other.status or one.status != 200:
        return one == other
    return is_near(json.loads(one.body), json.loads(other.body))


def is_near(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return one == pytest.approx(other, rel=1e-12)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_near(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_near, one, other))
    return bool(one == other)
