"""History on disk, fed with the batches that Heapster made, answers as the oracle does; and that as Heapster did."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client import CollectorRegistry

from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.state import State
from heapfast.clock import ManualClock
from heapfast.history.backend import HistoryBackend
from heapfast.history.embedded import open_embedded
from heapfast.history.files import UNFINISHED, finish
from heapfast.history.options import EmbeddedOptions
from heapfast.history.table import LABEL_COLUMNS, TIME, schema_of
from heapfast.store.index import PostingIndex
from tests.conformance.heapster.recordings import Scenario, load
from tests.conformance.recordings import nanoseconds
from tests.unit.api.client import ask
from tests.unit.history.naive import NaiveHistory

#: Each is a query; many ask almost the same.
MAX_OF_A_ROUTE = 6


def history_of(scenario: Scenario) -> NaiveHistory:
    history = NaiveHistory()
    for batch in scenario.batches:
        history.put(batch.timestamp_ns, batch.sets)
    return history


def write(folder: Path, history: NaiveHistory) -> None:
    """Writes the oracle's samples as docs/history.md says: the way of whoever brings data from elsewhere."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(dict)
    custom: dict[str, pa.DataType] = {}
    catalogued = set(schema_of({}).names)
    for sample in history.samples:
        labels = {**sample.entity, **sample.labels}
        row = rows[sample.timestamp_ns, tuple(sorted(labels.items()))]
        row |= labels | {TIME: sample.timestamp_ns, sample.metric: sample.value}
        if sample.metric not in catalogued and custom.get(sample.metric) != pa.float64():
            custom[sample.metric] = pa.float64() if isinstance(sample.value, float) else pa.int64()
    schema = schema_of(custom)
    ordered = sorted(rows.values(), key=lambda row: [row[TIME], *(row.get(name, "") for name in LABEL_COLUMNS)])
    folder.mkdir()
    by_time: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in ordered:
        by_time[row[TIME]].append(row)
    for at_ns, found in by_time.items():
        path = folder / f"{at_ns}{UNFINISHED}"
        pq.write_table(pa.Table.from_pylist(found, schema), path)
        finish(path, at_ns, at_ns, is_part=True)


async def answers(scenario: Scenario, backend: HistoryBackend) -> dict[str, tuple[int, str]]:
    """Status and body of every answer of the historical API, by the vector's ID."""
    clock = ManualClock()
    store = Store()
    state = State(
        store=store, pods=PostingIndex(), nodes=PostingIndex(), clock=clock, resolution_ns=30 * 10**9, history=backend
    )
    app = create_app(state)
    found = {}
    asked: Counter[str] = Counter()
    for vector in scenario.vectors:
        # Lists of containers are memory's, and what was refused never came to a store.
        is_history = vector["route"].startswith("historical/") and not vector["route"].endswith("/containers")
        if is_history and vector["response"]["status"] in (200, 500) and asked[vector["route"]] < MAX_OF_A_ROUTE:
            asked[vector["route"]] += 1
            clock.set_ns(nanoseconds(vector["now"]))
            answer = await ask(app, vector["request"]["path"], vector["request"]["method"])
            found[f"{vector['id']} {vector['request']['path']}"] = answer.status, answer.text
    return found


@pytest.mark.parametrize("name", ["odd", "fields"])
async def test_files_answer_as_the_oracle(tmp_path: Path, name: str) -> None:
    scenario = load(name)
    history = history_of(scenario)
    write(tmp_path / "history", history)
    want = await answers(scenario, history)
    opened = open_embedded(
        tmp_path / "history", EmbeddedOptions(), store=Store(), clock=ManualClock(), registry=CollectorRegistry()
    )
    async with opened as (backend, _):
        got = await answers(scenario, backend)
    assert len(want) > 100
    assert want.keys() == got.keys()
    wrong = [vector for vector in want if not is_same(want[vector], got[vector])]
    assert not wrong, (wrong[:5], want[wrong[0]], got[wrong[0]])


def is_same(want: tuple[int, str], got: tuple[int, str]) -> bool:
    """Whether two answers are equal; floats may have been added, and samples of one time put, in another order."""
    if want == got:
        return True
    return want[0] == got[0] == 200 and is_near(by_time(json.loads(want[1])), by_time(json.loads(got[1])))


def by_time(value: Any) -> Any:
    if isinstance(value, dict) and "metrics" in value:
        return value | {"metrics": sorted(value["metrics"], key=lambda point: (point["timestamp"], point["value"]))}
    return value


def is_near(want: Any, got: Any) -> bool:
    if isinstance(want, dict) and isinstance(got, dict):
        return list(want) == list(got) and all(is_near(want[name], got[name]) for name in want)
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(map(is_near, want, got))
    if isinstance(want, float) and isinstance(got, float):
        return math.isclose(want, got, rel_tol=1e-12)
    return bool(want == got)
