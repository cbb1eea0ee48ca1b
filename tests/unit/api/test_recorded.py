"""Recorded answers that need no data: paths, methods, parameters, and everything before the first batch.

What differs on purpose stands in DIFFERENCES, with the row of the spec that decided it; each row must
be met by some recording. Answers with data are compared in tests/conformance.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tests.shared import shared_path
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster

SCENARIOS = ("plain", "odd", "flags", "cadvisor", "fields")
Vector = dict[str, Any]


class Difference(NamedTuple):
    """One decision: which recordings it changes, and what may differ in them."""

    decided_by: str
    concerns: Callable[[Vector], bool]
    parts: tuple[str, ...]


def _is_compressed_failure(vector: Vector) -> bool:
    response = vector["response"]
    return response["status"] >= 400 and "content-encoding" in response["headers"]


def _is_schema(vector: Vector) -> bool:
    return "metric-export-schema" in vector["request"]["path"]


def _is_unknown_pod(vector: Vector) -> bool:
    return bool(vector["response"].get("body", "").startswith("Error while getting pod"))


DIFFERENCES = (
    Difference("6.6: descriptions are our own", _is_schema, ("body",)),
    Difference("B7", _is_unknown_pod, ("status",)),
    Difference("B20", _is_compressed_failure, ("content-type",)),
)


def _needs_no_data(vector: Vector) -> bool:
    response, path = vector["response"], vector["request"]["path"]
    if path.startswith("/apis/metrics/v1alpha1/namespaces/default/pods/") and response["status"] >= 400:
        # Whether such a pod is known is data.
        return False
    return vector["after_batches"] == 0 or response["status"] >= 300


def _vectors() -> Iterator[tuple[str, Vector]]:
    for scenario in SCENARIOS:
        folder = shared_path(f"conformance/heapster/{scenario}")
        has_history = json.loads((folder / "scenario.json").read_text())["historical"]
        for line in (folder / "vectors.jsonl").read_text().splitlines():
            vector = json.loads(line)
            if not (has_history and "historical" in vector["route"]) and _needs_no_data(vector):
                yield scenario, vector


@pytest.fixture(scope="module")
def match() -> ModuleType:
    spec = importlib.util.spec_from_file_location("match", shared_path("conformance/heapster/match.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_recorded_answers_without_data(match: ModuleType) -> None:
    app = Cluster(n_batches=0).app
    met: Counter[str] = Counter()
    failures = []
    count = 0
    for scenario, vector in _vectors():
        request = vector["request"]
        answer = await ask(app, request["path"], request["method"], tuple(request["headers"].items()))
        allowed = [difference for difference in DIFFERENCES if difference.concerns(vector)]
        for found in match.differences(vector, answer.status, answer.headers, answer.text):
            fitting = [difference for difference in allowed if found.startswith(difference.parts)]
            met.update(difference.decided_by for difference in fitting)
            if not fitting:
                failures.append(f"{scenario} {request['method']} {request['path']}: {found}")
        count += 1
    assert not failures, "\n".join(failures[:20])
    assert count > 500
    assert set(met) == {difference.decided_by for difference in DIFFERENCES}
