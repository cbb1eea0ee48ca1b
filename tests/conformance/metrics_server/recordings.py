"""The recorded scenarios of metrics-server: what went in, what came out, and when.

In      the folder conformance/metrics-server of the shared recordings (its README.md says what each member is)
Out     Scenario, with its inputs by step
Callers replay.py and the tests of this folder
Never   interprets an input
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.conformance.recordings import Json, read_lines
from tests.shared import load_matcher, shared_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

FOLDER = "conformance/metrics-server"
SCENARIOS = ("plain", "large", "nodes", "parse", "kwok", "rates-10s", "rates-15s", "auth")


@dataclass(frozen=True)
class Step:
    """One round of scrapes and what happened until the next.

    Attributes:
        answers: of kubelets, in the order of time.
        events: of the watches, after the first vectors of the step.
        vectors: asked before the events.
        late_vectors: asked after them.
    """

    answers: list[Json]
    events: list[Json]
    vectors: list[Json]
    late_vectors: list[Json]


@dataclass(frozen=True)
class Scenario:
    """One recorded run of the reference."""

    name: str
    about: Json
    lists: list[Json]
    steps: list[Step]

    @property
    def routes(self) -> list[str]:
        """Groups of vectors, in the order they were asked."""
        vectors = [vector for step in self.steps for vector in (*step.vectors, *step.late_vectors)]
        return list(dict.fromkeys(vector["route"] for vector in vectors))


@cache
def load(name: str) -> Scenario:
    """Reads a scenario; skips the test when the recordings are not there."""
    folder = shared_path(FOLDER) / name
    about = json.loads((folder / "scenario.json").read_text("utf-8"))
    inputs = sorted(read_lines(folder / "inputs.jsonl.gz"), key=lambda entry: entry["at"])
    steps = [Step([], [], [], []) for _ in range(about["steps"])]
    begun = -1
    for entry in inputs:
        if entry["kind"] == "kubelet":
            begun = max(begun, entry["step"])
            steps[entry["step"]].answers.append(entry)
        elif entry["kind"] == "watch-event":
            steps[begun].events.append(entry)
    for vector in _vectors(folder / "vectors.jsonl"):
        step = steps[vector["after_step"]]
        (step.late_vectors if vector.get("after_events") else step.vectors).append(vector)
    return Scenario(name, about, [entry for entry in inputs if entry["kind"] == "list"], steps)


def _vectors(path: Path) -> Iterator[Json]:
    """Each vector with its body as text, where the recording keeps it otherwise."""
    bodies: dict[str, str] = {}
    for vector in read_lines(path):
        response = vector["response"]
        if "body_of" in response:
            response["body"] = bodies[response.pop("body_of")]
        elif "body_json" in response:
            value = response.pop("body_json")
            response["body"] = json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"
        if "body" in response:
            bodies[vector["id"]] = response["body"]
        yield vector


def matcher() -> ModuleType:
    """How an answer is compared with the recorded one."""
    return load_matcher(FOLDER)
