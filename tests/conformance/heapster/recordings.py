"""The recorded scenarios of Heapster: what went in, what came out, and when.

In      the folder conformance/heapster of the shared recordings (its README.md says what each member is)
Out     Scenario, with its inputs in the order of time
Callers replay.py and the tests of this folder
Never   interprets an input
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from typing import TYPE_CHECKING

from tests.conformance.recordings import Json, nanoseconds, read_lines
from tests.shared import load_matcher, shared_path

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = "conformance/heapster"
SCENARIOS = ("plain", "odd", "flags", "fields", "cadvisor")


@dataclass(frozen=True)
class RecordedBatch:
    """A batch that the reference made.

    Attributes:
        timestamp: end of its window, as answers state it.
        timestamp_ns: the same, Unix ns.
        closed_ns: when it reached the sinks, Unix ns.
        sets: metric sets by key, as in batches.jsonl.
    """

    timestamp: str
    timestamp_ns: int
    closed_ns: int
    sets: dict[str, Json]


@dataclass(frozen=True)
class Scenario:
    """One recorded run of the reference."""

    name: str
    about: Json
    inputs: list[Json]
    batches: list[RecordedBatch]
    vectors: list[Json]

    @property
    def flags(self) -> list[str]:
        return list(self.about["flags"])


@cache
def load(name: str) -> Scenario:
    """Reads a scenario; skips the test when the recordings are not there."""
    folder = shared_path(FOLDER) / name
    inputs = list(read_lines(folder / "inputs.jsonl"))
    return Scenario(
        name,
        json.loads((folder / "scenario.json").read_text("utf-8")),
        sorted(inputs, key=lambda entry: entry["at"]),
        [_batch(line) for line in read_lines(folder / "batches.jsonl")],
        list(read_lines(folder / "vectors.jsonl")),
    )


def matcher() -> ModuleType:
    """How an answer is compared with the recorded one."""
    return load_matcher(FOLDER)


def _batch(line: Json) -> RecordedBatch:
    stamp = datetime.fromisoformat(line["timestamp"])
    closed = datetime.combine(stamp.date(), time.fromisoformat(line["logged_at"]), UTC)
    return RecordedBatch(
        line["timestamp"], nanoseconds(stamp.timestamp()), nanoseconds(closed.timestamp()), line["sets"]
    )
